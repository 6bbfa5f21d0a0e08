"""Boxes: areas and IoU, equal to pycocotools to the last bit."""

import numpy as np

from .types import BoolArray, FloatArray, IntArray


class Boxes:
    """N boxes.

    Args:
        boxes (np.ndarray): Shape (N, 4), float, [x, y, width, height] in pixels. Is not copied.
    """

    def __init__(self, boxes: FloatArray):
        self.x, self.y, self.width, self.height = boxes.T

    def areas(self) -> FloatArray:
        """Shape (N,), float64, square pixels."""
        areas: FloatArray = np.multiply(self.width, self.height, dtype=np.float64)
        return areas

    def ious(
        self,
        others: 'Boxes',
        mine: IntArray,
        theirs: IntArray,
        crowd: BoolArray,
        blocks: IntArray | None = None,
    ) -> FloatArray:
        """IoU of pairs, or the share of mine that is covered where theirs is a crowd.

        A box without area has an IoU of 0 with every other box.

        Args:
            others (Boxes): M other boxes.
            mine (np.ndarray): Shape (P,), int64, positions among the N boxes.
            theirs (np.ndarray): Shape (P,), int64, positions among the M boxes.
            crowd (np.ndarray): Shape (P,), bool, whether the other box is a crowd.
            blocks (np.ndarray, optional): Not used.

        Returns:
            np.ndarray: Shape (P,), float64.
        """
        x, y, width, height = self._of(mine)
        other_x, other_y, other_width, other_height = others._of(theirs)
        shared_width = np.minimum(width + x, other_width + other_x) - np.maximum(x, other_x)
        shared_height = np.minimum(height + y, other_height + other_y) - np.maximum(y, other_y)
        overlap = (shared_width > 0) & (shared_height > 0)
        shared = shared_width * shared_height
        area = width * height
        union = np.where(crowd, area, area + other_width * other_height - shared)
        ious: FloatArray = np.divide(shared, union, out=np.zeros(len(mine)), where=overlap)
        return ious

    def _of(self, rows: IntArray) -> tuple[FloatArray, ...]:
        columns = self.x, self.y, self.width, self.height
        return tuple(np.asarray(column[rows], dtype=np.float64) for column in columns)
