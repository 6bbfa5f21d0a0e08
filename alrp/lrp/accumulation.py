"""AP, AR and optimal LRP of all classes from their matches."""

import numpy as np

from .average_precision import average_precision
from .counting import TruePositives, count_positives, first_detections
from .curve import OptimalLRP, optimal_lrp
from .matching import Matches
from .tasks import Task
from .types import FloatArray


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
    precisions, recalls, lrp = [], [], {}
    for limit in limits:
        hits = count_positives(matches, limit)
        lrp[limit] = _optimal_lrp(hits, matches, limit, task)
        precision, recall = average_precision(hits, matches.num_objects)
        precisions.append(precision[1:])  # without tau, the first threshold
        recalls.append(recall[1:])
    return np.stack(precisions, axis=-1), np.stack(recalls, axis=-1), lrp


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
