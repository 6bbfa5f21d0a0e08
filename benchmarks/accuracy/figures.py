"""The figures of docs/results.md. Each holds a digest of the numbers it shows."""

import hashlib
import json
import math
import re
from collections import defaultdict
from pathlib import Path
from statistics import mean

from .comparison import Groups, values
from .matrix import DATASETS, DETECTORS, LOSSES

# Baselines grey, ranking losses in colour; told apart by brightness as well.
COLOURS = dict(focal_giou='#555555', focal_l1='#a0a0a0', ap='#e69f00', alrp='#0072b2', rs='#009e73')


def dots(groups: Groups, detector: str) -> dict:
    """AP of every seed in percent, by dataset and loss."""
    return {
        dataset: {
            loss: values(groups, detector, dataset, loss, 'AP')
            for loss in LOSSES
            if (detector, dataset, loss) in groups
        }
        for dataset in DATASETS
        if any((detector, dataset, loss) in groups for loss in LOSSES)
    }


def curves(groups: Groups, rows: list[dict], detector: str) -> dict:
    """Steps and mean AP over the seeds in percent, by dataset and loss.

    A run that diverged counts as AP 0 in the evaluations that it lacks.

    Raises:
        ValueError: If an evaluation of another run is missing. Names the run.
    """
    found = defaultdict(dict)
    for row in rows:
        if row['detector'] == detector:
            found[row['dataset']][row['step'], row['loss'], row['seed']] = 100 * row['AP']
    shown = {}
    for (name, dataset, loss), runs in groups.items():
        if name != detector:
            continue
        aps = found[dataset]
        steps = sorted({step for step, *_ in aps})
        for seed, run in runs.items():
            diverged = math.isnan(run['train_loss'])
            if not diverged and not (steps and all((step, loss, seed) in aps for step in steps)):
                raise ValueError(
                    f'the learning curve of {detector}, {dataset}, {loss}, seed {seed} is '
                    f'incomplete: delete the row of this run and repeat it'
                )
        shown[dataset, loss] = [
            [step, mean(aps.get((step, loss, seed), 0.0) for seed in runs)] for step in steps
        ]
    return {
        dataset: {loss: shown[dataset, loss] for loss in LOSSES if shown.get((dataset, loss))}
        for dataset in DATASETS
        if any(shown.get((dataset, loss)) for loss in LOSSES)
    }


def digest(numbers: dict) -> str:
    """A hash of what a figure shows."""
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]


def drawn_digest(path: Path) -> str | None:
    """The digest in a figure; None if there is no figure."""
    if not path.exists():
        return None
    found = re.search(r'<dc:description>data (\w+)</', path.read_text(encoding='utf-8'))
    return found and found[1]


def draw_dots(numbers: dict, detector: str, path: Path) -> None:
    """Draw ``dots``: a panel per dataset, a dot per seed, a line at the mean."""
    figure, panels = _panels(numbers)
    losses = [loss for loss in LOSSES if any(loss in shown for shown in numbers.values())]
    for panel, (dataset, shown) in zip(panels, numbers.items()):
        for x, loss in enumerate(losses):
            points = shown.get(loss, [])
            # Side by side: seeds may have the same AP.
            xs = [x + 0.1 * (i - (len(points) - 1) / 2) for i in range(len(points))]
            panel.plot(xs, points, 'o', ms=5, mec='white', color=COLOURS[loss])
            if points:
                panel.hlines(mean(points), x - 0.35, x + 0.35, color=COLOURS[loss], lw=1.5)
        panel.set_title(DATASETS[dataset].title, fontsize=10)
        titles = [LOSSES[loss].title for loss in losses]
        panel.set_xticks(range(len(losses)), titles, rotation=40, ha='right')
        panel.set_xlim(-0.6, len(losses) - 0.4)
    panels[0].set_ylabel(f'{DETECTORS[detector]}: val AP', fontsize=9)
    _save(figure, numbers, path)


def draw_curves(numbers: dict, detector: str, path: Path) -> None:
    """Draw ``curves``: a panel per dataset, a line per loss."""
    figure, panels = _panels(numbers)
    for panel, (dataset, shown) in zip(panels, numbers.items()):
        for loss, points in shown.items():
            style = '-' if LOSSES[loss].ranks else '--'
            panel.plot(
                *zip(*points),
                style,
                marker='o',
                ms=3,
                color=COLOURS[loss],
                label=LOSSES[loss].title,
            )
        panel.set_title(DATASETS[dataset].title, fontsize=10)
        panel.set_xlabel('steps', fontsize=9)
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel(f'{DETECTORS[detector]}: val AP', fontsize=9)
    lines = {x.get_label(): x for panel in panels for x in panel.lines}  # no panel may have all
    titles = [loss.title for loss in LOSSES.values() if loss.title in lines]
    panels[0].legend([lines[title] for title in titles], titles, fontsize=7, frameon=False)
    _save(figure, numbers, path)


def _panels(numbers: dict):
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(numbers), figsize=(2.7 * len(numbers), 2.9), layout='constrained', squeeze=False
    )
    for panel in panels[0]:
        panel.tick_params(labelsize=8)
        panel.spines[['top', 'right']].set_visible(False)
        panel.grid(axis='y', color='#dddddd', lw=0.6)
        panel.set_axisbelow(True)
    return figure, panels[0]


def _save(figure, numbers: dict, path: Path) -> None:
    """Save as SVG, equal for equal numbers."""
    import matplotlib
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = dict(Date=None, Description=f'data {digest(numbers)}')
    with matplotlib.rc_context({'svg.hashsalt': 'alrp_mmdet'}):
        figure.savefig(path, metadata=metadata, facecolor='white')
    plt.close(figure)
