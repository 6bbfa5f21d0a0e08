"""Whether a grid of anchors has one for each object."""

from collections.abc import Sequence

import numpy as np

PAD_SIZE_DIVISOR = 32  # of the configs' data_preprocessor


def best_iou(
    boxes: np.ndarray,
    image_size: np.ndarray,
    strides: Sequence[int],
    scales: Sequence[float],
    ratios: Sequence[float],
) -> np.ndarray:
    """IoU of each box with the anchor that overlaps it most, of all places and levels.

    Anchors are those of ``AnchorGenerator`` on feature maps that cover the padded image: centred on
    multiples of the stride from 0. For an anchor of a given shape, the place nearest to the box's
    centre is the best one, in each direction for itself.

    Args:
        boxes (np.ndarray): Shape (N, 4), x, y, width, height in pixels of the resized image.
        image_size (np.ndarray): Shape (N, 2), width and height of the box's image, resized.
        strides (Sequence[int]): Stride of each level in pixels.
        scales (Sequence[float]): Square root of an anchor's area, in strides.
        ratios (Sequence[float]): Height over width.

    Returns:
        np.ndarray: Shape (N,), float64.
    """
    padded = np.ceil(image_size / PAD_SIZE_DIVISOR) * PAD_SIZE_DIVISOR
    sides, best = boxes[:, 2:], np.zeros(len(boxes))
    centre = boxes[:, :2] + sides / 2
    for stride in strides:
        last = np.ceil(padded / stride) - 1
        place = np.clip(np.round(centre / stride), 0, last) * stride
        for ratio in ratios:
            for scale in scales:
                anchor = stride * scale * np.array([ratio**-0.5, ratio**0.5])
                apart = np.abs(centre - place)
                shared = np.minimum((sides + anchor) / 2 - apart, np.minimum(sides, anchor))
                shared = shared.clip(min=0).prod(axis=1)
                union = sides.prod(axis=1) + anchor.prod() - shared
                best = np.maximum(best, shared / union)
    return best
