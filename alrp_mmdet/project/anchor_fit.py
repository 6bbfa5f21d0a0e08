"""How well a grid of anchors fits given boxes."""

from collections.abc import Sequence

import numpy as np

PAD_SIZE_DIVISOR = 32  # as in the data_preprocessor of the configs


def best_anchor_iou(
    boxes: np.ndarray,
    image_sizes: np.ndarray,
    strides: Sequence[int],
    scales: Sequence[float],
    ratios: Sequence[float],
) -> np.ndarray:
    """IoU of each box with the anchor that overlaps it most.

    The anchors are those that MMDetection's ``AnchorGenerator`` places on feature maps of the
    padded image: centred on multiples of the stride, starting at 0. For a given anchor shape, the
    best position is the one nearest to the centre of the box, in x and y independently.

    Args:
        boxes (np.ndarray): Shape (N, 4), x, y, width, height in pixels of the resized image.
        image_sizes (np.ndarray): Shape (N, 2), width and height of each box's resized image.
        strides (Sequence[int]): Stride of each level in pixels.
        scales (Sequence[float]): Square roots of the anchor areas, in strides.
        ratios (Sequence[float]): Height over width.

    Returns:
        np.ndarray: Shape (N,), float64.
    """
    padded = np.ceil(image_sizes / PAD_SIZE_DIVISOR) * PAD_SIZE_DIVISOR
    sides, best = boxes[:, 2:], np.zeros(len(boxes))
    centres = boxes[:, :2] + sides / 2
    for stride in strides:
        last = np.ceil(padded / stride) - 1
        positions = np.clip(np.round(centres / stride), 0, last) * stride
        distances = np.abs(centres - positions)
        for ratio in ratios:
            for scale in scales:
                anchor = stride * scale * np.array([ratio**-0.5, ratio**0.5])
                overlap = np.minimum((sides + anchor) / 2 - distances, np.minimum(sides, anchor))
                intersection = overlap.clip(min=0).prod(axis=1)
                union = sides.prod(axis=1) + anchor.prod() - intersection
                best = np.maximum(best, intersection / union)
    return best
