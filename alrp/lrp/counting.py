"""True and false positives, counted from the best detection down to each true positive.

AP and LRP change for the better at true positives only. There are few of them, and between them
nothing has to be computed.
"""

from typing import NamedTuple

import numpy as np

from .matching import Matches


class TruePositives(NamedTuple):
    """H true positives in T * A * K segments, one per threshold, range of areas and category.

    Attributes:
        counts (np.ndarray): Shape (T, A, K), int64, true positives in each segment.
        starts (np.ndarray): Shape (T, A, K), int64, where they begin.
        num_tp (np.ndarray): Shape (H,), int64, true positives of the segment down to this one.
        num_fp (np.ndarray): Shape (H,), int64, false positives likewise.
        match (np.ndarray): Shape (H,), int64, its place among the M detections that may match.
    """

    counts: np.ndarray
    starts: np.ndarray
    num_tp: np.ndarray
    num_fp: np.ndarray
    match: np.ndarray


def count_positives(matches: Matches, max_detections: int) -> TruePositives:
    """All true positives among the best detections of each image and category.

    Args:
        matches (Matches): N detections, M of which may match.
        max_detections (int): How many of an image and a category count.

    Returns:
        TruePositives: In the order of the segments, in each by descending score.
    """
    kept = matches.rank < max_detections
    rows = matches.rows
    num_categories, num_areas = matches.num_objects.shape
    num_settings = len(matches.true_positive) * num_areas
    true_positive = (matches.true_positive & kept[rows]).reshape(num_settings, -1)
    matched = matches.true_positive | matches.ignored

    # What matches nothing and is in range is a false positive: all that is in range, but what
    # matches. The first is a sum over N detections, the second one over M, for each threshold.
    in_range = _sums_before(matches.in_range & kept)  # (A, N + 1)
    matched = _sums_before(matched & (matches.in_range & kept)[:, rows])  # (T, A, M + 1)
    unmatched = in_range[:, rows] - matched[..., :-1]
    begin = np.searchsorted(matches.category, np.arange(num_categories))
    before = in_range[:, begin] - matched[..., np.searchsorted(rows, begin)]  # (T, A, K)

    setting, match = np.nonzero(true_positive)
    category = matches.category[rows[match]]
    segment = setting * num_categories + category
    counts = np.bincount(segment, minlength=num_settings * num_categories)
    starts = np.cumsum(counts) - counts
    shape = len(matches.true_positive), num_areas, num_categories
    return TruePositives(
        counts=counts.reshape(shape),
        starts=starts.reshape(shape),
        num_tp=np.arange(1, len(match) + 1) - starts[segment],
        num_fp=unmatched.reshape(num_settings, -1)[setting, match] - before.ravel()[segment],
        match=match,
    )


def scores_and_ious(
    matches: Matches, category: int, area: int, max_detections: int
) -> tuple[np.ndarray, np.ndarray]:
    """What of one category counts at the first threshold, false positives as well.

    Args:
        matches (Matches): N detections.
        category (int): Place of the category.
        area (int): Place of the range of areas.
        max_detections (int): How many of an image and a category count.

    Returns:
        tuple[np.ndarray, np.ndarray]: Scores (D,), float64, in the order of evaluation, and IoUs
        (D,), float64, with the object of a true positive, 0 for a false positive.
    """
    low, high = np.searchsorted(matches.category, [category, category + 1])
    mine = slice(*np.searchsorted(matches.rows, [low, high]))
    rows = matches.rows[mine] - low
    true_positive = matches.true_positive[0, area, mine]
    counts = matches.in_range[area, low:high].copy()
    counts[rows] = (counts[rows] | true_positive) & ~matches.ignored[0, area, mine]
    counts &= matches.rank[low:high] < max_detections
    ious = np.zeros(high - low)
    ious[rows] = matches.iou[area, mine]
    return matches.score[low:high][counts], ious[counts]


def _sums_before(flags: np.ndarray) -> np.ndarray:
    """Running sums over the last axis, the first one of nothing: (..., N) to (..., N + 1)."""
    sums = np.zeros((*flags.shape[:-1], flags.shape[-1] + 1), np.int32)
    np.cumsum(flags, axis=-1, out=sums[..., 1:])
    return sums
