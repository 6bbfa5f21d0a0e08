"""Images with their annotations drawn: a look shows what no check finds."""

import io
from collections import Counter

import matplotlib.pyplot as plt
import mmcv
from matplotlib.lines import Line2D

from ..drawing import colours, draw_box, page
from .formats import Split

NUMBER, COLUMNS = 12, 4
LABELLED = 15  # boxes of an image that are still told apart with their classes written to them
IN_LEGEND = 24  # classes


def draw_annotations(split: Split) -> bytes:
    """A page of images with their boxes; crowds are dashed.

    Args:
        split (Split): Of which a few images are drawn, so that there are many classes among them.

    Returns:
        bytes: A PNG file.
    """
    categories = split.content['categories']
    palette = colours('random', len(categories))
    if len(categories) <= 20:
        palette = plt.get_cmap('tab10' if len(categories) <= 10 else 'tab20').colors
    place = {category['id']: i for i, category in enumerate(categories)}
    by_image = split.by_image()
    chosen = _choose(split, by_image)
    figure, axes = page(len(chosen), COLUMNS)
    drawn = set()
    for axis, image in zip(axes, chosen):
        axis.imshow(mmcv.imread(str(split.path_of(image)), channel_order='rgb'))
        axis.set_title(image['file_name'], fontsize=7)
        annotations = by_image[image['id']]
        for annotation in annotations:
            x, y, w, h = annotation['bbox']
            i = place[annotation['category_id']]
            text = categories[i]['name'] if len(annotations) <= LABELLED else None
            style = '--' if annotation['iscrowd'] else '-'
            draw_box(axis, (x, y, x + w, y + h), palette[i], text, linewidth=1.5, linestyle=style)
            drawn.add(i)
    legend = [
        Line2D([], [], color=palette[i], label=categories[i]['name'])
        for i in sorted(drawn)[:IN_LEGEND]
    ]
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.legend(handles=legend, loc='lower center', ncol=8, frameon=False, fontsize=8)
    png = io.BytesIO()
    figure.savefig(png, dpi=100)
    plt.close(figure)
    return png.getvalue()


def _choose(split: Split, by_image: dict) -> list[dict]:
    """Images with objects of the rarest classes first, each for a class that was not shown yet."""
    images = {i['id']: i for i in split.content['images'] if by_image[i['id']]}
    counts = Counter(a['category_id'] for a in split.content['annotations'])
    chosen, shown = {}, set()
    for category, _ in counts.most_common()[::-1]:
        if category not in shown and len(chosen) < NUMBER:
            key = next(k for k in images if any(a['category_id'] == category for a in by_image[k]))
            chosen[key] = images[key]
            shown |= {a['category_id'] for a in by_image[key]}
    step = max(1, len(images) // NUMBER)
    for key in list(images)[::step]:
        if len(chosen) < NUMBER:
            chosen[key] = images[key]
    return list(chosen.values())
