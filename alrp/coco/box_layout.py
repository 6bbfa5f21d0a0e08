"""Recognises boxes that are not ``[x, y, width, height]`` in pixels of their image.

A single odd box is a slip of the annotator. Only a pattern of all boxes is evidence.
"""

from collections.abc import Iterable, Sequence

Box = Sequence[float]
Size = tuple[float, float]  # width, height of an image

TOLERANCE = 1.0  # pixels that rounding may add
SLIP = 0.05  # share of the side of the image that a box may extend beyond it by carelessness
MIN_CORNERS, MIN_SHARE = 3, 0.2  # boxes, and share of the boxes, that must go beyond it
MIN_GAIN = 3  # of as many boxes as that, corners must leave at most one beyond the image
MIN_FAR, FAR = 10, 0.1  # boxes, and share of the side, for a file with other units


def box_layout_problem(
    boxes: Sequence[Box], sizes: Sequence[Size | None], may_extend: bool = False
) -> str | None:
    """Find out what the numbers of boxes mean instead.

    Args:
        boxes (Sequence): N boxes of four finite numbers.
        sizes (Sequence[tuple | None]): Width and height of each box's image, None if unknown.
        may_extend (bool): Whether boxes may extend far beyond their image, as detections may.
            Defaults to False.

    Returns:
        str | None: A sentence, or None if the boxes may be in pixels.
    """
    if are_fractions(boxes, sizes):
        return (
            f'all {len(boxes)} boxes have coordinates between 0 and 1, so they are fractions of '
            'the image size; [x, y, width, height] must be in pixels'
        )
    if are_corners(boxes, sizes):
        return (
            'boxes must be [x, y, width, height], but these look like [x1, y1, x2, y2]: '
            f'{_count_beyond(boxes, sizes, SLIP)} of {len(boxes)} go beyond their image, but as '
            'corners they fit. Set width = x2 - x1, height = y2 - y1'
        )
    if may_extend:
        return None
    far = _count_beyond(boxes, sizes, FAR)
    if far >= MIN_FAR and 2 * far > len(boxes):
        return (
            f'{far} of {len(boxes)} boxes go far beyond their image: are they in pixels of an '
            'image of this size, as [x, y, width, height]?'
        )
    return None


def are_fractions(boxes: Sequence[Box], sizes: Sequence[Size | None]) -> bool:
    """Whether all boxes are fractions of the size of their image. See ``box_layout_problem``."""
    return (
        all(
            min(x, y) >= -0.01 and min(w, h) > 0 and max(x + w, y + h) <= 1.01
            for x, y, w, h in boxes
        )
        and all(size is None or min(size) > 2 for size in sizes)
        and any(number % 1 for box in boxes for number in box)
    )


def are_corners(boxes: Sequence[Box], sizes: Sequence[Size | None]) -> bool:
    """Whether boxes are x1, y1, x2, y2. See ``box_layout_problem``."""
    for (x1, y1, x2, y2), size in zip(boxes, sizes):
        if size is None or not (-TOLERANCE <= x1 < x2 and -TOLERANCE <= y1 < y2):
            return False
    beyond = _count_beyond(boxes, sizes, SLIP)
    if beyond < MIN_CORNERS or beyond < MIN_SHARE * len(boxes):
        return False
    converted = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]
    return MIN_GAIN * _count_beyond(converted, sizes, SLIP) <= beyond


def _count_beyond(boxes: Iterable[Box], sizes: Iterable[Size | None], share: float) -> int:
    """Boxes x, y, width, height that extend beyond their image by a share of its side."""
    return sum(
        max(-x, x + w - size[0]) > share * size[0] or max(-y, y + h - size[1]) > share * size[1]
        for (x, y, w, h), size in zip(boxes, sizes)
        if size is not None
    )
