"""Counts of true and false positives from the best detection down to each true positive.

AP and LRP improve at true positives only. These are few, and nothing is computed in between.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .matches import Matches, unpack
from .types import BoolArray, FloatArray, IntArray


class TruePositives(NamedTuple):
    """H true positives in T * A * K segments, one per threshold, range of areas and category.

    Attributes:
        counts (np.ndarray): Shape (T, A, K), int64, true positives in each segment.
        starts (np.ndarray): Shape (T, A, K), int64, position of each segment's first one.
        num_tp (np.ndarray): Shape (H,), int64, true positives of the segment down to this one.
        num_fp (np.ndarray): Shape (H,), int64, false positives of the segment down to this one.
        match (np.ndarray): Shape (H,), int64, position among the M detections that may match.
    """

    counts: IntArray
    starts: IntArray
    num_tp: IntArray
    num_fp: IntArray
    match: IntArray


def count_positives(matches: Matches, max_detections: int, thresholds: range) -> TruePositives:
    """Count all true positives among the best detections of each image and category.

    Args:
        matches (Matches): N detections, M of which may match.
        max_detections (int): The limit per image and category, or per image.
        thresholds (range): Positions of the T thresholds at which to count.

    Returns:
        TruePositives: In the order of the segments, by descending score within a segment.
    """
    kept = matches.rank < max_detections
    rows = matches.rows
    num_categories, num_areas = matches.num_objects.shape
    num_settings = len(thresholds) * num_areas
    true_positive = unpack(matches.won, num_areas, thresholds)
    matching = unpack(matches.won_ignored, num_areas, thresholds)
    matching |= true_positive
    true_positive &= kept[rows]

    # False positives are the detections in range minus the ones in range that match. The first is a
    # sum over N detections, the second a sum over M for each threshold.
    in_range = _sums_before(matches.in_range & kept)  # (A, N + 1)
    matching &= (matches.in_range & kept)[:, rows]
    matched = _sums_before(matching)  # (T, A, M + 1)
    categories = np.arange(num_categories, dtype=matches.category.dtype)
    begin = np.searchsorted(matches.category, categories)
    first = np.searchsorted(rows, begin.astype(rows.dtype))
    before = in_range[:, begin] - matched[..., first]  # (T, A, K)

    true_positive = true_positive.reshape(num_settings, -1)
    num_hits = np.count_nonzero(true_positive, axis=1)
    setting = np.repeat(np.arange(num_settings), num_hits)
    match = np.flatnonzero(true_positive) - setting * len(rows)
    row = rows[match]
    segment = setting * num_categories + matches.category[row]
    counts = np.bincount(segment, minlength=num_settings * num_categories)
    starts = np.cumsum(counts) - counts
    shape = len(thresholds), num_areas, num_categories
    in_range_before = in_range[setting % num_areas, row]
    matched_before = matched.reshape(num_settings, -1)[setting, match]
    return TruePositives(
        counts=counts.reshape(shape),
        starts=starts.reshape(shape),
        num_tp=np.arange(1, len(match) + 1) - starts[segment],
        num_fp=in_range_before - matched_before - before.ravel()[segment],
        match=match,
    )


class FirstDetections(NamedTuple):
    """The best detection of each of K categories within the limit on detections.

    Attributes:
        score (np.ndarray): Shape (K,), float64; NaN without a detection.
        true_positive (np.ndarray): Shape (K, A), bool, at the first threshold.
        ignored (np.ndarray): Shape (K, A), bool, at the first threshold.
    """

    score: FloatArray
    true_positive: BoolArray
    ignored: BoolArray


def first_detections(matches: Matches, max_detections: int) -> FirstDetections:
    """The best detection of each category, whether it counts or not.

    Args:
        matches (Matches): N detections.
        max_detections (int): The limit per image and category, or per image.

    Returns:
        FirstDetections: Of K categories.
    """
    shape = matches.num_objects.shape
    found = FirstDetections(np.full(shape[0], np.nan), np.zeros(shape, bool), np.zeros(shape, bool))
    kept = np.flatnonzero(matches.rank < max_detections)
    category, at = np.unique(matches.category[kept], return_index=True)
    first = kept[at]
    found.score[category] = matches.score[first]
    found.ignored[category] = ~matches.in_range[:, first].T
    row = np.searchsorted(matches.rows, first)
    matched = row < len(matches.rows)
    matched[matched] = matches.rows[row[matched]] == first[matched]
    category, row = category[matched], row[matched]
    at_first = range(1)
    found.true_positive[category] = unpack(matches.won[:, row], shape[1], at_first)[0].T
    found.ignored[category] |= unpack(matches.won_ignored[:, row], shape[1], at_first)[0].T
    found.ignored[category] &= ~found.true_positive[category]
    return found


def scores_and_ious(
    matches: Matches, category: int, area: int, max_detections: int
) -> tuple[FloatArray, FloatArray]:
    """The true and false positives of a category at the first threshold.

    Args:
        matches (Matches): N detections.
        category (int): Position of the category.
        area (int): Position of the range of areas.
        max_detections (int): The limit per image and category, or per image.

    Returns:
        tuple[np.ndarray, np.ndarray]: Scores (D,), float64, in the order of evaluation, and IoUs
        with the matched object (D,), float64, 0 for a false positive.
    """
    mine = matches.of_categories(category, category + 1)
    num_areas = matches.num_objects.shape[1]
    true_positive, ignored = (
        unpack(bits, num_areas, range(1))[0, area] for bits in (mine.won, mine.won_ignored)
    )
    counts = mine.in_range[area].copy()
    counts[mine.rows] = (counts[mine.rows] | true_positive) & ~ignored
    counts &= mine.rank < max_detections
    ious = np.zeros(len(counts))
    ious[mine.rows] = mine.iou[area]
    return mine.score[counts], ious[counts]


def _sums_before(flags: BoolArray) -> NDArray[np.int32]:
    """Running sums over the last axis, starting with 0: (..., N) to (..., N + 1)."""
    sums = np.zeros((*flags.shape[:-1], flags.shape[-1] + 1), np.int32)
    np.cumsum(flags, axis=-1, out=sums[..., 1:])
    return sums
