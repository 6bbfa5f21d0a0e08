"""Matches predicted segments with the segments of the ground truth, and counts.

Follows Kirillov et al., CVPR 2019 (arXiv 1801.00868) and the COCO panoptic evaluation. A pair of
segments of one category matches if its IoU is above 0.5, so that a segment has at most one match.
"""

from typing import NamedTuple

import numpy as np

from ..types import FloatArray, IntArray
from .segments import VOID, Overlaps, Segments

TP, FP, FN = range(3)


class Located(NamedTuple):
    """The segments of each pair of ids: positions of shape (P,), int64, -1 without a segment."""

    truth: IntArray
    result: IntArray


class Counts(NamedTuple):
    """True positives, false positives, false negatives, and sum of the IoUs of true positives.

    One number per category: arrays of shape (K,), int64, and float64 for the sum.
    """

    tp: IntArray
    fp: IntArray
    fn: IntArray
    iou_sum: FloatArray


class Outcomes(NamedTuple):
    """The true positives, false positives and false negatives, one by one, by ascending IoU.

    ``image`` and ``category``, positions, and ``kind``, which is ``TP``, ``FP`` or ``FN``, are
    int64. ``iou``, float64, is 0 without a match. All have shape (M,).
    """

    image: IntArray
    category: IntArray
    kind: IntArray
    iou: FloatArray

    def by_category(self, num_categories: int) -> Counts:
        """Count by category. As the IoUs ascend, their sums do not depend on the order of files."""
        place = self.kind * num_categories + self.category
        tp, fp, fn = np.bincount(place, minlength=3 * num_categories).reshape(3, num_categories)
        iou_sum = np.bincount(self.category, self.iou, num_categories)
        return Counts(tp, fp, fn, iou_sum.astype(np.float64))

    def repeat(self, times: IntArray) -> 'Outcomes':
        """The outcomes if image i occurs ``times[i]`` times. ``times`` has shape (N,), int64."""
        rows = np.repeat(np.arange(len(self.image)), times[self.image])
        return Outcomes(self.image[rows], self.category[rows], self.kind[rows], self.iou[rows])


def locate(truth: Segments, results: Segments, overlaps: Overlaps) -> Located:
    """Find the segments that the ids of each pair belong to."""
    return Located(
        truth.find(overlaps.image, overlaps.truth_id),
        results.find(overlaps.image, overlaps.result_id),
    )


def pixels_of(segments: IntArray, pixels: IntArray, num_segments: int) -> IntArray:
    """Number of pixels of each segment.

    Args:
        segments (np.ndarray): Shape (P,), int64, positions of segments; -1 is left out.
        pixels (np.ndarray): Shape (P,), int64.
        num_segments (int): S.

    Returns:
        np.ndarray: Shape (S,), int64.
    """
    known = segments >= 0
    counted = np.bincount(segments[known], weights=pixels[known], minlength=num_segments)
    return counted.astype(np.int64)


def ious_of(
    truth: Segments, results: Segments, overlaps: Overlaps, at: Located
) -> tuple[IntArray, FloatArray]:
    """IoUs of the pairs of segments that may match: of one category, and not a crowd.

    The union leaves out the pixels of the prediction on VOID. The area of an object is the one in
    the file.

    Returns:
        tuple[np.ndarray, np.ndarray]: Positions in ``overlaps``, shape (Q,), int64, and their IoUs,
        shape (Q,), float64, not finite or above 1 if an area in the file is too small.
    """
    area = pixels_of(at.result, overlaps.pixels, len(results.id))
    area -= pixels_of(
        np.where(overlaps.truth_id == VOID, at.result, -1), overlaps.pixels, len(results.id)
    )
    pairs = np.flatnonzero((at.truth >= 0) & (at.result >= 0))
    same = truth.category[at.truth[pairs]] == results.category[at.result[pairs]]
    pairs = pairs[same & ~truth.crowd[at.truth[pairs]]]
    shared = overlaps.pixels[pairs]
    union = area[at.result[pairs]] + truth.area[at.truth[pairs]] - shared
    with np.errstate(divide='ignore'):
        return pairs, shared / union


def match(
    truth: Segments,
    results: Segments,
    overlaps: Overlaps,
    at: Located,
    num_categories: int,
) -> Outcomes:
    """Match predictions with objects.

    A crowd never matches. A prediction without a match is ignored if more than half of it lies
    on VOID and on the crowd of its category; of several such crowds in an image, only the last
    one in the file counts.

    Args:
        truth (Segments): Objects.
        results (Segments): Predictions.
        overlaps (Overlaps): Pixels that they share.
        at (Located): From ``locate``.
        num_categories (int): K.

    Returns:
        Outcomes: Of the objects but crowds, and of the predictions but ignored ones.
    """
    pairs, ious = ious_of(truth, results, overlaps, at)
    pairs, ious = pairs[ious > 0.5], ious[ious > 0.5]
    missed = ~truth.crowd
    missed[at.truth[pairs]] = False
    false = np.ones(len(results.id), dtype=np.bool_)
    false[at.result[pairs]] = False
    ignored = _ignored_pixels(truth, results, overlaps, at, num_categories)
    false &= ~(2 * ignored > pixels_of(at.result, overlaps.pixels, len(results.id)))

    found = [
        (truth, at.truth[pairs], TP),
        (results, np.flatnonzero(false), FP),
        (truth, np.flatnonzero(missed), FN),
    ]
    image = np.concatenate([segments.image[rows] for segments, rows, _ in found])
    category = np.concatenate([segments.category[rows] for segments, rows, _ in found])
    kind = np.concatenate([np.full(len(rows), kind) for _, rows, kind in found])
    iou = np.append(ious, np.zeros(len(kind) - len(ious)))
    order = np.argsort(iou, kind='stable')
    return Outcomes(image[order], category[order], kind[order], iou[order])


def _ignored_pixels(
    truth: Segments, results: Segments, overlaps: Overlaps, at: Located, num_categories: int
) -> IntArray:
    """Pixels of each prediction on VOID and on the crowd of its category. Shape (S,), int64."""
    crowds = np.flatnonzero(truth.crowd)[::-1]
    place = truth.image[crowds] * num_categories + truth.category[crowds]
    last = np.zeros(len(truth.id), dtype=np.bool_)
    last[crowds[np.unique(place, return_index=True)[1]]] = True
    pairs = np.flatnonzero((at.truth >= 0) & (at.result >= 0))
    pairs = pairs[last[at.truth[pairs]]]
    same = truth.category[at.truth[pairs]] == results.category[at.result[pairs]]
    ignored = overlaps.truth_id == VOID
    ignored[pairs[same]] = True
    return pixels_of(np.where(ignored, at.result, -1), overlaps.pixels, len(results.id))
