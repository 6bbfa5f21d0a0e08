"""Made-up runs for the tests of benchmarks/accuracy."""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / 'benchmarks').is_dir():
    pytest.skip('no benchmarks in this installation', allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.matrix import Run, first_run  # noqa: E402
from benchmarks.accuracy.rows import METRICS  # noqa: E402


def row_of(run: Run, ap: float, **others) -> dict:
    """A finished run."""
    metrics = dict.fromkeys(METRICS, 0.5) | dict(AP=ap, oLRP=1 - ap)
    return (
        dict(asdict(run), **metrics)
        | dict(train_loss=0.75, seconds=300, device='CPU', commit='0123456789')
        | others
    )


def curve_of(run: Run, aps: list[float]) -> list[dict]:
    """The learning curve of a run."""
    points = []
    for i, ap in enumerate(aps, start=1):
        row = row_of(run, ap, epoch=2 * i, step=100 * i, grad_norm=5.0)
        del row['seconds'], row['device'], row['commit']
        points.append(row)
    return points


def tuned_runs(losses, epochs=None) -> dict[str, Run]:
    return {loss: first_run(loss, epochs) for loss in losses}


def random_ap(rng: np.random.Generator) -> float:
    """AP as it is logged, with three digits."""
    return round(float(rng.uniform(0.2, 0.6)), 3)
