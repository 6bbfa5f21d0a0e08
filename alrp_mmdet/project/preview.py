"""A picture of training images with their annotations, to check by eye."""

import io
from collections import Counter

import matplotlib.pyplot as plt
import mmcv
from matplotlib.lines import Line2D

from ..datasets.masks import decode, encode
from ..datasets.palettes import distinct_colours
from ..drawing import class_colours, draw_box, draw_labels, image_grid, paint_mask
from ..fonts import use_fonts_for
from .formats import Split

NUM_IMAGES, COLUMNS = 12, 4
MAX_LEGEND_CLASSES = 24
NUM_DOUBTFUL = 4  # images that are shown because their annotations may be wrong


def draw_annotations(split: Split, masks: bool = False) -> bytes:
    """Draw a few images with their boxes, dashed for crowds.

    Args:
        split (Split): The images. Those drawn are chosen to show many classes.
        masks (bool): Whether to draw masks too, of crowds only the outline. Defaults to False.

    Returns:
        bytes: A PNG file.
    """
    categories = split.content['categories']
    palette = class_colours(distinct_colours(len(categories)))
    labels = {category['id']: i for i, category in enumerate(categories)}
    by_image = split.annotations_by_image()
    chosen = _choose_images(split, by_image)
    use_fonts_for([*split.classes, *(image['file_name'] for image in chosen)])
    sizes = [(image['width'], image['height']) for image in chosen]
    figure, axes = image_grid(sizes, COLUMNS, title=0.2, legend=0.8)
    drawn, crowds = set(), False
    for axis, image in zip(axes, chosen):
        pixels = mmcv.imread(str(split.image_path(image)), channel_order='rgb')
        axis.set_title(image['file_name'], fontsize=7)
        annotations = by_image[image['id']]
        boxes, colours, names = [], [], []
        for annotation in annotations:
            x, y, w, h = annotation['bbox']
            i = labels[annotation['category_id']]
            style = '--' if annotation['iscrowd'] else '-'
            boxes.append((x, y, x + w, y + h))
            colours.append(palette[i])
            names.append(categories[i]['name'])
            draw_box(axis, boxes[-1], palette[i], linewidth=1.5, linestyle=style)
            drawn.add(i)
            crowds |= bool(annotation['iscrowd'])
            if masks:
                rle = encode(annotation['segmentation'], *pixels.shape[:2])
                paint_mask(pixels, decode(rle), palette[i], fill=not annotation['iscrowd'])
        axis.imshow(pixels)
        draw_labels(axis, boxes, colours, names)
    legend = [
        Line2D([], [], color=palette[i], label=categories[i]['name'])
        for i in sorted(drawn)[:MAX_LEGEND_CLASSES]
    ]
    if crowds:
        legend.append(Line2D([], [], color='black', linestyle='--', label='crowd or difficult'))
    figure.legend(handles=legend, loc='lower center', ncol=8, frameon=False, fontsize=8)
    png = io.BytesIO()
    figure.savefig(png, dpi=100)
    plt.close(figure)
    return png.getvalue()


def _choose_images(split: Split, by_image: dict) -> list[dict]:
    """Choose doubtful images, one for each class, rarest first, and evenly spaced images."""
    images = {i['id']: i for i in split.content['images'] if by_image[i['id']]}
    counts = Counter(a['category_id'] for a in split.content['annotations'])
    doubtful = [key for key in images if key in split.doubtful][:NUM_DOUBTFUL]
    chosen = {key: images[key] for key in doubtful}
    covered = {a['category_id'] for key in doubtful for a in by_image[key]}
    for category, _ in counts.most_common()[::-1]:
        if category not in covered and len(chosen) < NUM_IMAGES:
            key = next(k for k in images if any(a['category_id'] == category for a in by_image[k]))
            chosen[key] = images[key]
            covered |= {a['category_id'] for a in by_image[key]}
    step = max(1, len(images) // NUM_IMAGES)
    for key in list(images)[::step]:
        if len(chosen) < NUM_IMAGES:
            chosen[key] = images[key]
    return list(chosen.values())
