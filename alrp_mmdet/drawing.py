"""Figures with images, boxes and masks. Needs matplotlib; palettes come from MMDetection."""

from collections.abc import Sequence
from statistics import median

import cv2
import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from .datasets.palettes import full_palette

CELL_HEIGHT = 3.3  # inches
CELL_WIDTH = 2.2, 5.5
MASK_ALPHA = 0.45
OUTLINES = 400  # width of an outline: the long side of the image over this


def image_grid(image_sizes: Sequence[tuple[int, int]], max_columns: int) -> tuple:
    """Create a figure with a grid of empty axes for images.

    Args:
        image_sizes (Sequence[tuple[int, int]]): Width and height of each image, pixels. The cells
            get the median aspect ratio.
        max_columns (int): Largest number of images in a row.

    Returns:
        tuple: The figure and an iterator over its axes.
    """
    columns = min(max_columns, len(image_sizes))
    rows = -(-len(image_sizes) // columns)
    aspect = median(width / height for width, height in image_sizes)
    least, most = CELL_WIDTH
    cell_width = min(max(aspect * CELL_HEIGHT, least), most)
    figsize = cell_width * columns, CELL_HEIGHT * rows
    figure, axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False)
    for axis in axes.flat:
        axis.axis('off')
    return figure, axes.flat


def class_colours(palette, num_classes: int) -> list[tuple[float, float, float]]:
    """One RGB colour per class, channels in [0, 1], from any palette that MMDetection accepts."""
    return [tuple(c / 255 for c in colour) for colour in full_palette(palette, num_classes)]


def draw_box(axis, box, colour, text: str | None = None, **style) -> None:
    """Draw a box (x1, y1, x2, y2) in pixels, with an optional label above it."""
    x1, y1, x2, y2 = box
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, **style))
    if text is not None:
        label = dict(facecolor=colour, edgecolor='none', pad=0.8)
        position = 'bottom' if y1 > 12 else 'top'  # inside the box at the top of the image
        place = dict(va=position, bbox=label, clip_on=True)
        axis.text(max(x1, 0), max(y1, 0), text, fontsize=7, color='white', **place)


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
