"""Draw the training curves of one or several runs: ``plot_curves.py WORK_DIR [WORK_DIR ...]``."""

import argparse
import json
import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

TITLES = {
    'loss': 'total loss',
    'loss_cls': 'classification loss',
    'loss_bbox': 'localisation loss, weighted',
    'self_balance': 'self-balance weight',
    'ranked_iou': 'IoU of positives, weighted by rank',
    'num_pos': 'positives in a batch',
    'coco/bbox_mAP': 'AP on the validation set',
    'coco/bbox_oLRP': 'oLRP on the validation set (an error)',
}
# What two stages have twice, and a cascade once for each of its stages: 'loss_rpn_cls',
# 'rpn_num_pos', 's0.loss_cls'. Losses of other detectors are drawn likewise.
OTHERS = ('rpn', 'loss', 'num_pos', 'ranked_iou', 'self_balance')
FONT = 10  # points


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dirs', nargs='+', help='work dirs of finished or running trainings')
    parser.add_argument('--out', default='training_curves.png', help='picture to write')
    parser.add_argument(
        '--keys', nargs='+', help='what to draw, as logged (default: losses, balance, AP, oLRP)'
    )
    parser.add_argument(
        '--smooth',
        type=int,
        default=1,
        metavar='N',
        help='draw the mean of the last N logged values of the training',
    )
    parser.add_argument('--force', action='store_true', help='overwrite a picture that exists')
    args = parser.parse_args()
    if args.smooth < 1:
        parser.error(f'--smooth must be at least 1, but is {args.smooth}')
    return args


def read_scalars(work_dir: Path) -> list[dict]:
    """What a run logged, one entry per line of its log; all parts of a resumed run.

    Args:
        work_dir (Path): Work dir of the run.

    Returns:
        list[dict]: Entries in the order in which they were written. The line at which a running
        training is writing, or was killed, is left out.
    """
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not logs:
        what = 'holds no log (*/vis_data/scalars.json) of a training'
        sys.exit(f'error: {work_dir} {what if work_dir.is_dir() else "is not a folder"}')
    return [entry for log in logs for entry in read_log(log)]


def read_log(log: Path) -> list[dict]:
    entries = []
    lines = log.read_text(errors='replace').splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            entry['step'] + 0  # a number
        except (ValueError, TypeError, KeyError):
            if number == len(lines) and not line.endswith('\n'):
                break
            sys.exit(f'error: {log} is damaged: line {number} is no entry of a log')
        entries.append(entry)
    return entries


def keys_of(runs: dict[str, list[dict]], wanted: list[str] | None) -> list[str]:
    """What is drawn: of what is wanted, if anything, or known, what any run has logged."""
    logged = list(dict.fromkeys(key for run in runs.values() for entry in run for key in entry))
    if wanted is None:
        parts = [key.split('.')[-1] for key in logged]
        others = [key for key, part in zip(logged, parts) if part.startswith(OTHERS)]
        wanted = list(dict.fromkeys([*TITLES, *others]))
    keys = [key for key in wanted if any(curve(run, key)[0] for run in runs.values())]
    if not keys:
        sys.exit(
            f'error: nothing of {", ".join(wanted)} has been logged yet'
            + (f', but {", ".join(sorted(logged))}' if logged else '')
        )
    return keys


def curve(entries: list[dict], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of one logged quantity. Validation is logged by epoch, training by step.

    A resumed run goes on from its last checkpoint: what it had logged beyond is left out.
    """
    found = []
    for entry in entries:
        if isinstance(entry.get(key), int | float):
            while found and found[-1][0] >= entry['step']:
                found.pop()
            found.append((entry['step'], entry[key]))
    return [step for step, _ in found], [value for _, value in found]


def smoothed(values: list[float], n: int) -> np.ndarray:
    """Means of the last ``n`` values, or of as many as there are so far. Shape as ``values``."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - n, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw(axis, runs: dict[str, list[dict]], key: str, smooth: int) -> list:
    """Draw one quantity of all runs, and return their lines, one of each."""
    validation = '/' in key
    lines = []
    for name, run in runs.items():
        steps, values = curve(run, key)
        # A single point has no line.
        marker = 'o' if validation or len(steps) == 1 else None
        if smooth > 1 and not (validation or key.endswith('self_balance')):  # a state, no sample
            [faint] = axis.plot(steps, values, linewidth=0.8, alpha=0.3)
            values, colour = smoothed(values, smooth), faint.get_color()
        else:
            colour = None
        lines += axis.plot(
            steps, values, marker=marker, markersize=4, linewidth=1.5, color=colour, label=name
        )
    axis.set_xlabel('epoch' if validation else 'iteration')
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_title(TITLES.get(key, key), fontsize=FONT)
    axis.grid(alpha=0.3)
    return lines


def main():
    args = parse_args()
    if Path(args.out).exists() and not args.force:
        sys.exit(f'error: {args.out} exists; --force overwrites it')
    names = [os.path.normpath(work_dir) for work_dir in args.work_dirs]
    if len(set(names)) < len(names):
        sys.exit('error: a work dir was given twice')
    runs = {name: read_scalars(Path(name)) for name in names}
    for name, run in runs.items():
        if not run:
            sys.exit(f'error: nothing has been logged yet in {name}')
    keys = keys_of(runs, args.keys)
    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    width, height = 4.4 * columns, 3 * rows
    entries = max(1, min(len(runs), int(width * 72 / (FONT * 0.6 * max(map(len, names)) + 40))))
    legend = 0.1 + 0.22 * -(-len(runs) // entries)  # inches, under the panels
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height + legend), squeeze=False, layout='constrained'
    )
    for axis in axes.flat[len(keys) :]:
        axis.axis('off')
    for axis, key in zip(axes.flat, keys):
        lines = draw(axis, runs, key, args.smooth)
    figure.legend(
        handles=lines, loc='outside lower center', ncol=entries, frameon=False, fontsize=FONT
    )
    try:
        # Without a format, matplotlib would add '.png' to a name that has no extension.
        figure.savefig(args.out, dpi=110, format=Path(args.out).suffix[1:] or 'png')
    except (OSError, ValueError) as error:
        sys.exit(f'error: {args.out} cannot be written: {error}')
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
