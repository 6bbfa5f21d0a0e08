"""Figures with images, boxes and masks. Needs matplotlib."""

from collections.abc import Sequence
from statistics import median

import cv2
import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from mmdet.structures.mask import mask2bbox

CELL_HEIGHT = 3.3  # inches
CELL_WIDTH = 2.2, 5.5
GAP = 0.12  # inches, between cells
MASK_ALPHA = 0.45
OUTLINES = 400  # width of an outline: the long side of the image over this
POINTS = 7  # size of the font
BOX_LINE = 1.8  # points
GROUND_TRUTH = 'white'
GROUND_TRUTH_LINE = dict(  # white dashes with a dark border, to be seen on any image and page
    linestyle=(0, (3, 2)),
    linewidth=1.2,
    path_effects=[withStroke(linewidth=2.4, foreground='black')],
)
PAD = 0.8  # points around the text of a label
DPI, DPI_SIZE = 100, 640  # of a picture with a long side of up to DPI_SIZE pixels

Colour = tuple[float, float, float]


def image_grid(
    image_sizes: Sequence[tuple[int, int]], max_columns: int, title: float = 0, legend: float = 0.4
) -> tuple:
    """Create a figure with a grid of empty axes for images.

    Args:
        image_sizes (Sequence[tuple[int, int]]): Width and height of each image, pixels. The cells
            get the median aspect ratio.
        max_columns (int): Largest number of images in a row.
        title (float): Height of the title of an image, inches. Defaults to 0.
        legend (float): Height of the legend below the images, inches. Defaults to 0.4.

    Returns:
        tuple: The figure and an iterator over its axes.
    """
    columns = min(max_columns, len(image_sizes))
    rows = -(-len(image_sizes) // columns)
    aspect = median(width / height for width, height in image_sizes)
    least, most = CELL_WIDTH
    cell_width = min(max(aspect * CELL_HEIGHT, least), most)
    width, height = cell_width * columns, CELL_HEIGHT * rows
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    # A fixed layout, because the places of labels depend on it.
    figure.subplots_adjust(
        left=GAP / width,
        right=1 - GAP / width,
        bottom=legend / height,
        top=1 - (GAP + title) / height,
        wspace=GAP / cell_width,
        hspace=(GAP + title) / CELL_HEIGHT,
    )
    for axis in axes.flat:
        axis.axis('off')
    return figure, axes.flat


def class_colours(palette: Sequence[Sequence[int]]) -> list[Colour]:
    """The RGB colours of a palette with channels in [0, 1]."""
    return [tuple(c / 255 for c in colour) for colour in palette]


def draw_box(axis, box, colour, **style) -> None:
    """Draw a box (x1, y1, x2, y2) in pixels."""
    x1, y1, x2, y2 = box
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, **style))


def draw_labels(axis, boxes, colours: Sequence[Colour], texts: Sequence[str]) -> None:
    """Draw the labels of boxes, the last first, where they cover no label and no middle of a box.

    A label without such a place is left out. Draw the image and fix the layout before.

    Args:
        axis: The axes, with an image.
        boxes: Shape (n, 4), x1, y1, x2, y2 in pixels.
        colours (Sequence[tuple]): n colours.
        texts (Sequence[str]): n texts.
    """
    axis.apply_aspect()
    to_pixels = axis.transData.inverted()
    pad = PAD * axis.figure.dpi / 72
    size = axis.get_xlim()[1], axis.get_ylim()[0]
    boxes = np.clip(np.reshape(boxes, (-1, 2, 2)), 0, size).reshape(-1, 4)
    taken = np.tile(boxes[:, :2] + boxes[:, 2:], 2) / 2  # the middles, as boxes without extent
    for (x1, y1, x2, y2), colour, text in reversed(list(zip(boxes, colours, texts))):
        red, green, blue = colour
        ink = 'black' if 0.3 * red + 0.6 * green + 0.1 * blue > 0.6 else 'white'
        style = dict(facecolor=colour, edgecolor='none', pad=PAD)
        label = axis.text(0, 0, text, fontsize=POINTS, color=ink, va='bottom', clip_on=True)
        label.set_bbox(style)
        extent = label.get_window_extent().padded(pad).transformed(to_pixels)
        width, height, margin = extent.width, abs(extent.height), pad * to_pixels.get_matrix()[0, 0]
        for x, y in (
            (x1, y1 - height),  # above the box
            (x1, y1),
            (x1, y2),  # below
            (x1, y2 - height),
            (x2 - width, y1 - height),
            (x2 - width, y1),
            (x2 - width, y2),
            (x2 - width, y2 - height),
        ):
            x = max(min(x, size[0] - width), 0)
            place = np.array([x, y, x + width, y + height])
            apart = (place[2:] <= taken[:, :2]) | (taken[:, 2:] <= place[:2])
            if 0 <= y <= size[1] - height and apart.any(axis=1).all():
                label.set_position((x + margin, y + height - margin))
                taken = np.vstack([taken, place])
                break
        else:
            label.remove()


def draw_detections(axis, detections, classes: Sequence[str], colours: Sequence[Colour]) -> None:
    """Draw the boxes of detections onto an image, the highest score on top.

    Args:
        axis: The axes, with the image.
        detections (InstanceData): NumPy arrays ``bboxes``, ``scores``, ``labels``, any ``masks``.
        classes (Sequence[str]): Class names.
        colours (Sequence[tuple]): One colour per class.
    """
    order = np.argsort(detections.scores, kind='stable')
    boxes, labels = detections.bboxes[order], detections.labels[order]
    if not boxes.any() and 'masks' in detections:  # MMDetection's SOLO has boxes of zeros
        boxes = mask2bbox(torch.from_numpy(detections.masks[order])).numpy()
    of_boxes = [colours[label] for label in labels]
    for box, colour in zip(boxes, of_boxes):
        draw_box(axis, box, colour, linewidth=BOX_LINE)
    named = zip(labels, detections.scores[order])
    texts = [f'{classes[label]} {score_text(score)}' for label, score in named]
    draw_labels(axis, boxes, of_boxes, texts)


def score_text(score: float) -> str:
    """A score with two digits: those of aLRP and AP Loss are often below 0.1."""
    return f'{score:.2f}' if score >= 0.1 else f'{score:.3f}'


def detections_picture(
    image: np.ndarray, detections, classes: Sequence[str], colours: Sequence[Colour]
) -> np.ndarray:
    """Draw detections on a copy of an image, (H, W, 3), uint8, RGB; see ``draw_detections``."""
    image = image.copy()
    paint_masks(image, detections, colours)
    height, width = image.shape[:2]
    dpi = DPI * max(1, max(height, width) / DPI_SIZE)  # lines and texts grow with the image
    size = (width + 0.01) / dpi, (height + 0.01) / dpi  # not a pixel less after rounding
    figure = plt.figure(figsize=size, dpi=dpi)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis('off')
    axis.imshow(image, interpolation='none')
    draw_detections(axis, detections, classes, colours)
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)
    return picture


def paint_masks(image: np.ndarray, detections, colours: Sequence[Colour]) -> None:
    """Paint the masks of detections onto an image, if they have any; see ``paint_mask``."""
    for mask, label in zip(detections.get('masks', ()), detections.labels):
        paint_mask(image, mask, colours[label])


def paint_mask(image: np.ndarray, mask: np.ndarray, colour, fill: bool = True) -> None:
    """Paint a mask onto an image, in place.

    Args:
        image (np.ndarray): Shape (H, W, 3), uint8, RGB.
        mask (np.ndarray): Shape (H, W), bool.
        colour: RGB, channels in [0, 1], or the name of a colour.
        fill (bool): Whether to fill the mask, or draw only its outline. Defaults to True.
    """
    rgb = 255 * np.array(matplotlib.colors.to_rgb(colour))
    if fill:
        image[mask] = ((1 - MASK_ALPHA) * image[mask] + MASK_ALPHA * rgb).round()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(mask.shape) / OUTLINES))
    cv2.drawContours(image, contours, -1, rgb.tolist(), thickness)
