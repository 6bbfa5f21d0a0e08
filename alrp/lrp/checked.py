"""Checks of the thresholds and limits of an evaluation."""

from collections.abc import Sequence
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from .types import FloatArray


def checked_thresholds(iou_thresholds: ArrayLike) -> FloatArray:
    """IoU thresholds as an array of shape (T,), float64.

    Raises:
        ValueError: If there is none, or one is not in (0, 1].
    """
    thresholds = np.array(iou_thresholds, dtype=np.float64).reshape(-1)
    if not len(thresholds) or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f'iou_thresholds must be in (0, 1], got {iou_thresholds!r}')
    return thresholds


def checked_limits(max_dets: Sequence[int] | None) -> list[int]:
    """Limits on detections, ascending; none for None.

    Raises:
        ValueError: If it is not a sequence of whole numbers, if it is empty, or if a limit is below
            1.
    """
    if max_dets is None:
        return []
    try:
        limits = sorted(set(map(index, max_dets)))
    except TypeError:
        limits = []
    if not limits or limits[0] < 1:
        raise ValueError(f'max_dets must be a list of whole numbers of at least 1, got {max_dets}')
    return limits
