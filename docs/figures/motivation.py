"""Draw why a ranking loss should see the boxes: ``python docs/figures/motivation.py``.

One classifier with three localisers, after Figure 1 of the aLRP Loss paper (arXiv 2009.13592), with
our own values. The classifier ranks eight detections; five are correct. The boxes of these five are
equally good on average with each localiser, but the best boxes are at the top of the ranking,
spread over it, or at the bottom. ``alrp`` computes all numbers.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
import torch  # noqa: E402

from alrp.lrp import evaluate_lrp  # noqa: E402
from alrp.ranking import alrp_loss, ap_loss  # noqa: E402

TAU = 0.5  # lowest IoU of a correct detection
LOGITS = torch.tensor(
    [4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0]
)  # each a full step of the loss apart
LABELS = torch.tensor([1, 1, 0, 1, 0, 1, 1, 0])
LOCALISERS = {  # IoU of each correct detection, from the top of the ranking to the bottom
    'best boxes at the top': [0.95, 0.85, 0.75, 0.65, 0.55],
    'best boxes anywhere': [0.75, 0.55, 0.95, 0.65, 0.85],
    'best boxes at the bottom': [0.55, 0.65, 0.75, 0.85, 0.95],
}
MEASURES = {
    'AP': 'AP\nhigher is better',
    'AP Loss': 'AP Loss\nlower is better',
    'AP Loss + mean': 'AP Loss + mean box error\nlower is better',
    'aLRP Loss': 'aLRP Loss\nlower is better',
}
COLOURS = ['#2a6fbb', '#7a7a7a', '#c8553d']
SIDE = 100  # side of every object, in pixels


def measure(ious: list[float]) -> dict[str, float]:
    """Compute all ``MEASURES`` for a localiser.

    Args:
        ious (list[float]): IoU of each correct detection, from the top of the ranking to the
            bottom.

    Returns:
        dict[str, float]: Value by name of the measure.
    """
    errors = (1 - torch.tensor(ious)) / (1 - TAU)
    classification = ap_loss(LOGITS, LABELS)
    return {
        'AP': average_precision(ious),
        'AP Loss': float(classification),
        'AP Loss + mean': float(classification + errors.mean()),
        'aLRP Loss': float(sum(alrp_loss(LOGITS, LABELS, errors))),
    }


def average_precision(ious: list[float]) -> float:
    """COCO's AP of the eight detections, each in its own image, with an object if correct."""
    annotations, detections = [], []
    correct = iter(ious)
    for image_id, (score, label) in enumerate(zip(LOGITS.sigmoid().tolist(), LABELS), start=1):
        box = [0, 0, SIDE, SIDE]
        if label == 1:  # narrow the box to get the IoU
            annotations.append(
                dict(id=image_id, image_id=image_id, category_id=1, bbox=box, area=SIDE**2)
            )
            box = [0, 0, SIDE * next(correct), SIDE]
        detections.append(dict(image_id=image_id, category_id=1, bbox=box, score=score))
    images = [dict(id=i + 1, width=SIDE, height=SIDE) for i in range(len(LOGITS))]
    categories = [dict(id=1, name='object')]
    truth = dict(images=images, annotations=annotations, categories=categories)
    return evaluate_lrp(truth, detections).summary['AP']


def draw_ranking(axis, ious: list[float], colour: str) -> None:
    """Draw the IoU of each detection in rank order, and a cross for each false positive."""
    correct = iter(ious)
    for rank, label in enumerate(LABELS.tolist(), start=1):
        if label == 1:
            iou = next(correct)
            axis.bar(rank, iou, width=0.7, color=colour)
            axis.text(rank, iou + 0.02, f'{iou:.2f}', ha='center', va='bottom', fontsize=8)
        else:
            axis.plot(rank, 0.06, marker='x', color='black', markersize=8, markeredgewidth=2)
    axis.set(ylim=(0, 1.12), xticks=range(1, len(LABELS) + 1), xlabel='rank (by score)')
    axis.set_yticks([0, 0.5, 1])


def draw_measure(axis, title: str, values: list[float]) -> None:
    """Draw one measure for the three localisers."""
    axis.bar(range(len(values)), values, width=0.7, color=COLOURS)
    for place, value in enumerate(values):
        axis.text(place, value, f'{value:.3f}', ha='center', va='bottom', fontsize=9)
    axis.set_title(title, fontsize=10)
    axis.set(ylim=(0, 1.2 * max(values)), xticks=[], yticks=[])


def draw(numbers: dict[str, dict[str, float]]):
    """Draw the figure from the numbers of each localiser."""
    figure = plt.figure(figsize=(9, 5.2), layout='constrained')
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    axes = top.subplots(1, len(LOCALISERS), sharey=True)
    for axis, (name, ious), colour in zip(axes, LOCALISERS.items(), COLOURS):
        draw_ranking(axis, ious, colour)
        axis.set_title(f'{name}\nmean IoU {sum(ious) / len(ious):.2f}', fontsize=10, color=colour)
    axes[0].set_ylabel('IoU (x: false positive)')
    for axis, (name, title) in zip(bottom.subplots(1, len(MEASURES)), MEASURES.items()):
        draw_measure(axis, title, [values[name] for values in numbers.values()])
    for axis in figure.get_axes():
        axis.spines[['top', 'right']].set_visible(False)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', default=str(Path(__file__).with_suffix('.svg')))
    args = parser.parse_args()
    numbers = {name: measure(ious) for name, ious in LOCALISERS.items()}
    matplotlib.rcParams['svg.hashsalt'] = 'motivation'  # makes the file reproducible
    # A test compares these numbers to see whether the picture is up to date.
    metadata = dict(Date=None, Description=json.dumps(numbers)) if args.out.endswith('svg') else {}
    draw(numbers).savefig(args.out, metadata=metadata, dpi=110)
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
