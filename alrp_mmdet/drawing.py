"""Pages of pictures with boxes on them. Needs matplotlib, and MMDetection for its colours."""

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from mmdet.visualization import get_palette


def page(number: int, columns: int) -> tuple:
    """A figure of ``number`` empty pictures, at most ``columns`` a row, and its axes."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.3 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis('off')
    return figure, axes.flat


def colours(palette, number: int) -> list[tuple[float, float, float]]:
    """A colour for each class, each part of it in [0, 1], from a palette as MMDetection has it."""
    return [tuple(c / 255 for c in colour) for colour in get_palette(palette, number)]


def draw_box(axis, box, colour, text: str | None = None, **style) -> None:
    """Draw a box (x1, y1, x2, y2) in pixels, with a label over it."""
    x1, y1, x2, y2 = box
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, **style))
    if text is not None:
        label = dict(facecolor=colour, edgecolor='none', pad=0.8)
        above = 'bottom' if y1 > 12 else 'top'  # at the upper edge of the image, within the box
        axis.text(max(x1, 0), max(y1, 0), text, fontsize=7, color='white', va=above, bbox=label)
