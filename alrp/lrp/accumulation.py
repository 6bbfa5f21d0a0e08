"""AP, AR and optimal LRP of all classes from their matches, in parts that bound memory."""

from itertools import pairwise

import numpy as np

from .average_precision import RECALLS, average_precision
from .counting import TruePositives, count_positives, first_detections
from .curve import OptimalLRP, optimal_lrp
from .matches import Matches
from .tasks import Task
from .types import FloatArray

DETECTIONS_AT_ONCE = 1 << 18  # bounds memory; a category may have more
SETTINGS_AT_ONCE = 1 << 21  # matches of detections, at a threshold and in a range of areas


def accumulate(
    matches: Matches, limits: list[int], task: Task
) -> tuple[FloatArray, FloatArray, dict[int, OptimalLRP]]:
    """Precision, recall and optimal LRP of K classes in A ranges of areas.

    Args:
        matches (Matches): At tau, LRP's threshold, and T thresholds for AP.
        limits (list[int]): M limits on detections.
        task (Task): The rules.

    Returns:
        tuple[np.ndarray, np.ndarray, dict[int, OptimalLRP]]: Precision (T, R, K, A, M), recall
        (T, K, A, M), both -1 where undefined, and arrays of shape (K, A) for each limit.
    """
    num_categories, num_areas = matches.num_objects.shape
    num_thresholds = matches.num_thresholds - 1  # without tau, the first one
    shape = num_thresholds, num_categories, num_areas, len(limits)
    precision = np.empty((shape[0], len(RECALLS), *shape[1:]))
    recall = np.empty(shape)
    lrp = {
        limit: OptimalLRP(*np.empty((len(OptimalLRP._fields), num_categories, num_areas)))
        for limit in limits
    }
    for low, high in pairwise(_cuts(matches)):
        part = matches.of_categories(low, high)
        at_once = max(1, SETTINGS_AT_ONCE // max(1, num_areas * len(part.rows)))
        for m, limit in enumerate(limits):
            for start in range(0, matches.num_thresholds, at_once):
                thresholds = range(start, min(start + at_once, matches.num_thresholds))
                hits = count_positives(part, limit, thresholds)
                skipped = 0
                if start == 0:
                    for values, found in zip(lrp[limit], _optimal_lrp(hits, part, limit, task)):
                        values[low:high] = found
                    skipped = 1
                ap, ar = average_precision(hits, part.num_objects)
                at = slice(start - 1 + skipped, thresholds.stop - 1)
                precision[at, :, low:high, :, m] = ap[skipped:]
                recall[at, low:high, :, m] = ar[skipped:]
    return precision, recall, lrp


def _cuts(matches: Matches) -> list[int]:
    """Where to cut the categories into parts with few detections: ascending, with both ends."""
    num_categories = len(matches.num_objects)
    categories = np.arange(num_categories + 1, dtype=matches.category.dtype)
    part = np.searchsorted(matches.category, categories) // DETECTIONS_AT_ONCE
    full = np.flatnonzero(np.diff(part)) + 1
    return sorted({0, *full.tolist(), num_categories})


def _optimal_lrp(
    hits: TruePositives, matches: Matches, max_detections: int, task: Task
) -> OptimalLRP:
    """oLRP at tau, the first threshold."""
    counts = hits.counts[:1]
    count = counts.sum()
    at_tau = TruePositives(counts, hits.starts[:1], *(x[:count] for x in hits[2:]))
    area = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=(0, 2)))
    optimum = optimal_lrp(
        at_tau,
        ious=matches.iou[area, at_tau.match],
        scores=matches.score[matches.rows[at_tau.match]],
        num_objects=matches.num_objects,
    )
    if task.first_optimum:
        useless = (optimum.olrp == 1) & (counts[0].T > 0)
        first = first_detections(matches, max_detections)
        for k, a in np.argwhere(useless & ~first.true_positive).tolist():
            optimum.olrp_loc[k, a] = np.nan
            optimum.olrp_fp[k, a] = np.nan if first.ignored[k, a] else 1
            optimum.olrp_fn[k, a] = 1
            optimum.lrp_opt_thr[k, a] = first.score[k]
    return optimum
