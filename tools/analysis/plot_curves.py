"""Draw the training curves of one or more runs."""

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
    'coco/segm_mAP': 'mask AP on the validation set',
    'coco/segm_oLRP': 'mask oLRP on the validation set (an error)',
}
# Also drawn: names that two stages or the stages of a cascade add, such as 'loss_rpn_cls',
# 'rpn_num_pos' and 's0.loss_cls', and the losses of other detectors.
OTHERS = ('rpn', 'loss', 'num_pos', 'ranked_iou', 'self_balance')
FONT = 10  # points


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dirs', nargs='+', help='work dirs of finished or running trainings')
    parser.add_argument(
        '--out', default='training_curves.png', help='picture to write (default: %(default)s)'
    )
    parser.add_argument(
        '--keys', nargs='+', help='logged names to draw (default: losses, balance, AP, oLRP)'
    )
    parser.add_argument(
        '--smooth',
        type=int,
        default=1,
        metavar='N',
        help='draw the mean of the last N logged training values',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing picture')
    args = parser.parse_args()
    if args.smooth < 1:
        parser.error(f'--smooth must be at least 1, got {args.smooth}')
    return args


def read_scalars(work_dir: Path) -> list[dict]:
    """Read the entries that a run logged, including all parts of a resumed run.

    Args:
        work_dir (Path): Work dir of the run.

    Returns:
        list[dict]: Entries in the order of the log. An incomplete last line, which a running or
        killed training leaves, is skipped.
    """
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not logs:
        problem = 'has no training log (*/vis_data/scalars.json)'
        sys.exit(f'error: {work_dir} {problem if work_dir.is_dir() else "is not a folder"}')
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
            sys.exit(f'error: {log} is damaged: line {number} is not a log entry')
        entries.append(entry)
    return entries


def keys_to_draw(runs: dict[str, list[dict]], wanted: list[str] | None) -> list[str]:
    """The names in ``wanted``, by default the known ones, that any run has logged."""
    logged = list(dict.fromkeys(key for run in runs.values() for entry in run for key in entry))
    if wanted is None:
        parts = [key.split('.')[-1] for key in logged]
        others = [key for key, part in zip(logged, parts) if part.startswith(OTHERS)]
        wanted = list(dict.fromkeys([*TITLES, *others]))
    keys = [key for key in wanted if any(curve(run, key)[0] for run in runs.values())]
    if not keys:
        sys.exit(
            f'error: none of {", ".join(wanted)} has been logged'
            + (f'. Logged: {", ".join(sorted(logged))}' if logged else '')
        )
    return keys


def curve(entries: list[dict], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of one logged name. Validation is logged by epoch, training by iteration.

    A resumed run continues from its last checkpoint: earlier entries beyond it are dropped.
    """
    found = []
    for entry in entries:
        if isinstance(entry.get(key), int | float):
            while found and found[-1][0] >= entry['step']:
                found.pop()
            found.append((entry['step'], entry[key]))
    return [step for step, _ in found], [value for _, value in found]


def smoothed(values: list[float], n: int) -> np.ndarray:
    """Means of the last ``n`` values, of fewer at the start. Same length as ``values``."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - n, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw(axis, runs: dict[str, list[dict]], key: str, smooth: int) -> list:
    """Draw one logged name of all runs. Returns one line per run."""
    validation = '/' in key
    lines = []
    for name, run in runs.items():
        steps, values = curve(run, key)
        # A line through a single point is invisible.
        marker = 'o' if validation or len(steps) == 1 else None
        if smooth > 1 and not (validation or key.endswith('self_balance')):  # not noisy
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
        sys.exit(f'error: {args.out} exists; use --force to overwrite it')
    names = [os.path.normpath(work_dir) for work_dir in args.work_dirs]
    if len(set(names)) < len(names):
        sys.exit(f'error: a work dir was given twice: {" ".join(names)}')
    runs = {name: read_scalars(Path(name)) for name in names}
    for name, run in runs.items():
        if not run:
            sys.exit(f'error: nothing has been logged yet in {name}')
    keys = keys_to_draw(runs, args.keys)
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
        sys.exit(f'error: cannot write {args.out}: {error}')
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
