"""Draw the training curves of one or several runs: ``plot_curves.py WORK_DIR [WORK_DIR ...]``."""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

TITLES = {
    'loss_cls': 'classification loss (1 - mean precision)',
    'loss_bbox': 'localisation loss, weighted',
    'self_balance': 'self-balance weight',
    'ranked_iou': 'IoU of positives, weighted by rank',
    'num_pos': 'positives in a batch',
    'coco/bbox_mAP': 'AP on the validation set',
}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dirs', nargs='+', help='work dirs of finished or running trainings')
    parser.add_argument('--out', default='training_curves.png', help='picture to write')
    parser.add_argument('--keys', nargs='+', default=list(TITLES), help='what to draw')
    return parser.parse_args()


def read_scalars(work_dir: Path) -> list[dict]:
    """What a run logged, one entry per line of its log; all parts of a resumed run.

    Args:
        work_dir (Path): Work dir of the run.

    Returns:
        list[dict]: Entries in the order in which they were written.
    """
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not logs:
        sys.exit(f'error: {work_dir} holds no log (*/vis_data/scalars.json) of a training')
    return [json.loads(line) for log in logs for line in log.read_text().splitlines() if line]


def curve(entries: list[dict], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of one logged quantity. Validation is logged by epoch, training by step."""
    found = [(entry['step'], entry[key]) for entry in entries if key in entry]
    return [step for step, _ in found], [value for _, value in found]


def main():
    args = parse_args()
    runs = {work_dir: read_scalars(Path(work_dir)) for work_dir in args.work_dirs}
    keys = [key for key in args.keys if any(curve(run, key)[0] for run in runs.values())]
    if not keys:
        sys.exit(f'error: nothing of {", ".join(args.keys)} has been logged yet')
    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.4 * columns, 3 * rows), squeeze=False)
    for axis in axes.flat[len(keys) :]:
        axis.axis('off')
    for axis, key in zip(axes.flat, keys):
        for name, run in runs.items():
            steps, values = curve(run, key)
            validation = '/' in key
            axis.plot(steps, values, marker='o' if validation else None, label=name, linewidth=1.5)
            axis.set_xlabel('epoch' if validation else 'iteration')
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axis.set_title(TITLES.get(key, key), fontsize=10)
        axis.grid(alpha=0.3)
    if len(runs) > 1:
        axes.flat[0].legend()
    figure.tight_layout()
    figure.savefig(args.out, dpi=110)
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
