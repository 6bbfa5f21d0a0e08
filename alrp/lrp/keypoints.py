"""Keypoints: areas and object keypoint similarity (OKS), as in pycocotools."""

import numpy as np

from .boxes import Boxes
from .types import BoolArray, FloatArray, IntArray

TINY = float(np.spacing(1))


class Keypoints:
    """Keypoints of N detections.

    Args:
        keypoints (np.ndarray): Shape (N, K, 3), float64: x and y in pixels; the last number, a
            confidence, is not used.
    """

    def __init__(self, keypoints: FloatArray):
        self.x, self.y, _ = np.ascontiguousarray(keypoints.transpose(2, 1, 0))  # each (K, N)

    def areas(self) -> FloatArray:
        """Area of the box around all keypoints: shape (N,), float64, square pixels."""
        if not self.x.size:
            return np.zeros(self.x.shape[1])
        areas: FloatArray = np.ptp(self.x, axis=0) * np.ptp(self.y, axis=0)
        return areas

    def ious(
        self,
        others: 'KeypointObjects',
        mine: IntArray,
        theirs: IntArray,
        crowd: BoolArray,
        blocks: IntArray | None = None,
    ) -> FloatArray:
        """OKS of pairs.

        The mean over the labelled keypoints of exp(-d**2 / (2 * (2 * sigma)**2 * area)). If none is
        labelled, the mean over all keypoints, with their distance d to the box of the object,
        made three times as large.

        Args:
            others (KeypointObjects): M objects.
            mine (np.ndarray): Shape (P,), int64, positions among the N detections.
            theirs (np.ndarray): Shape (P,), int64, positions among the M objects.
            crowd (np.ndarray): Shape (P,), bool. Not used: crowds are compared like others.
            blocks (np.ndarray, optional): Not used.

        Returns:
            np.ndarray: Shape (P,), float64.
        """
        total = np.zeros(len(mine))
        scale = others.area[theirs] + TINY
        outside = np.flatnonzero(others.num_labelled[theirs] == 0)
        boxes = [values[theirs[outside]] for values in others.around]
        for k, variance in enumerate(others.variances):
            x, y = self.x[k][mine], self.y[k][mine]
            dx, dy = x - others.x[k][theirs], y - others.y[k][theirs]
            dx[outside] = _distance(x[outside], *boxes[:2])
            dy[outside] = _distance(y[outside], *boxes[2:])
            with np.errstate(over='ignore'):
                similarity = np.exp(-((dx**2 + dy**2) / variance / scale / 2))
            total += np.where(others.counts[k][theirs], similarity, 0)
        total /= others.num_counting[theirs]
        return total


class KeypointObjects(Keypoints):
    """Keypoints of N objects, some of which are not labelled.

    Args:
        keypoints (np.ndarray): Shape (N, K, 3), float64: x and y in pixels, and visibility, which
            is 0 for a keypoint that is not labelled.
        boxes (Boxes): N boxes.
        area (np.ndarray): Shape (N,), float64, square pixels.
        sigmas (tuple[float, ...]): K positive numbers.
    """

    def __init__(
        self, keypoints: FloatArray, boxes: Boxes, area: FloatArray, sigmas: tuple[float, ...]
    ):
        super().__init__(keypoints)
        labelled = keypoints[..., 2].T > 0  # (K, N)
        self.num_labelled = labelled.sum(axis=0)
        self.counts = labelled | (self.num_labelled == 0)
        self.num_counting = self.counts.sum(axis=0)
        self.area = area
        self.variances = ((2 * np.array(sigmas)) ** 2).tolist()
        x, y, width, height = boxes.x, boxes.y, boxes.width, boxes.height
        self.around = x - width, x + 2 * width, y - height, y + 2 * height

    def areas(self) -> FloatArray:
        """Areas of the objects, not of their keypoints: shape (N,), float64, square pixels."""
        return self.area


def _distance(values: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """How far values lie outside a range."""
    return np.maximum(0, low - values) + np.maximum(0, values - high)
