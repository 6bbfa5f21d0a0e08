"""Reads what a training logged."""

import json
import math
import re
from pathlib import Path

from .rows import METRICS


def read_curve(folder: Path) -> list[dict]:
    """All evaluations of a run, in order: epoch, step, metrics, loss and gradient norm so far.

    Args:
        folder (Path): The work dir. A run that was resumed has several logs; the latest counts.
    """
    evaluations = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        step = loss = grad_norm = math.nan
        for line in log.read_text(encoding='utf-8').splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut off, by a full disk
                continue
            if 'loss' in entry:
                step, loss = entry['step'], entry['loss']
                grad_norm = entry.get('grad_norm', math.nan)
            elif 'coco/bbox_mAP' in entry:
                values = {name: entry[f'coco/bbox_{key}'] for name, key in METRICS.items()}
                evaluations[entry['step']] = dict(
                    epoch=entry['step'],
                    step=step,
                    # -1 means undefined: there are no objects of this size
                    **{name: math.nan if value == -1 else value for name, value in values.items()},
                    train_loss=loss,
                    grad_norm=grad_norm,
                )
    return [evaluations[epoch] for epoch in sorted(evaluations)]


def has_diverged(output: Path) -> bool:
    """Whether a training stopped because of NaN, infinite or huge values."""
    text = output.read_text(encoding='utf-8', errors='replace')
    return any(re.match('error: .*(NaN or inf|has diverged)', line) for line in text.splitlines())


def last_line(output: Path) -> str:
    """The last line that is not empty."""
    lines = output.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), 'no output')
