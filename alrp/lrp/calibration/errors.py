"""Localisation-aware calibration errors: how far scores are from the IoU of the detections.

LaECE_0 and LaACE_0 of Kuzucu, Oksuz et al. (ECCV 2024, arXiv 2405.20459). LaECE_0 compares the mean
score with the mean IoU in bins of the score::

    LaECE_0 = mean over classes of sum_bins |D_b| / |D| * |mean score of D_b - mean IoU of D_b|

LaACE_0 has a bin for each detection.
"""

from dataclasses import dataclass

import numpy as np

from ..curve import mean_over_classes
from ..types import FloatArray, IntArray
from .matched import MatchedScores

NUM_BINS = 25


@dataclass(frozen=True)
class CalibrationErrors:
    """Calibration errors of K classes, and what a reliability diagram shows of B bins.

    Attributes:
        laece (np.ndarray): Shape (K,), float64; NaN without an object or a detection.
        laace (np.ndarray): Shape (K,), float64; likewise.
        count (np.ndarray): Shape (K, B), int64, detections in each bin.
        mean_score (np.ndarray): Shape (K, B), float64; NaN in an empty bin.
        mean_iou (np.ndarray): Shape (K, B), float64; NaN in an empty bin.
    """

    laece: FloatArray
    laace: FloatArray
    count: IntArray
    mean_score: FloatArray
    mean_iou: FloatArray

    @property
    def summary(self) -> dict[str, float]:
        """``LaECE_0`` and ``LaACE_0``, means over the classes; -1 if undefined."""
        return dict(LaECE_0=mean_over_classes(self.laece), LaACE_0=mean_over_classes(self.laace))


def calibration_errors(
    matched: MatchedScores, thresholds: FloatArray | None = None, num_bins: int = NUM_BINS
) -> CalibrationErrors:
    """LaECE_0 and LaACE_0 of the detections above a threshold.

    Bins have the same width. A score on the boundary of two bins is in the lower one.

    Args:
        matched (MatchedScores): Detections of K classes.
        thresholds (np.ndarray, optional): Shape (K,), float64, lowest scores; NaN for no detections
            of a class. Defaults to the LRP-optimal thresholds at an IoU threshold of 0.
        num_bins (int): Number of bins. Defaults to 25.

    Returns:
        CalibrationErrors: Of each class.
    """
    kept = matched.above(matched.optimal_thresholds() if thresholds is None else thresholds)
    num_classes = len(matched.names)
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.maximum(np.searchsorted(edges, kept.score) - 1, 0)
    place = kept.category * num_bins + bins
    size = num_classes * num_bins

    def total(index: IntArray, values: FloatArray, length: int) -> FloatArray:
        return np.bincount(index, values, length).astype(np.float64)

    count = np.bincount(place, minlength=size).reshape(num_classes, num_bins)
    scores, ious = (total(place, x, size).reshape(count.shape) for x in (kept.score, kept.iou))
    detections = count.sum(axis=1)
    gaps = total(kept.category, np.abs(kept.score - kept.iou), num_classes)
    with np.errstate(invalid='ignore', divide='ignore'):
        laece = np.abs(scores - ious).sum(axis=1) / detections
        laace = gaps / detections
        mean_score, mean_iou = scores / count, ious / count
    laece[matched.num_objects == 0] = laace[matched.num_objects == 0] = np.nan
    return CalibrationErrors(laece, laace, count, mean_score, mean_iou)
