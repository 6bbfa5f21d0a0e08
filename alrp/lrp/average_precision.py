"""Average precision and average recall as COCO has them."""

import numpy as np

from .counting import TruePositives

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def average_precision(
    hits: TruePositives, num_objects: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision at given recalls, and recall in the end.

    The precision at a recall is the best there is at this recall or above (interpolated). It is
    reached at a true positive, so that only these have to be looked at.

    Args:
        hits (TruePositives): At T thresholds, in A ranges of areas, of K categories.
        num_objects (np.ndarray): Shape (K, A), int64, objects that count.

    Returns:
        tuple[np.ndarray, np.ndarray]: Precision (T, R, K, A) at the R recalls of ``RECALLS``, and
        recall (T, K, A). Both -1 where a category has no object in a range.
    """
    num_objects = num_objects.T  # as the segments: (A, K)
    precision = hits.num_tp / (hits.num_fp + hits.num_tp + np.spacing(1))
    needed = np.maximum(_tp_for_recall(num_objects), 1)  # (A, K, R)
    counts = hits.counts[..., None]  # (T, A, K, 1)
    # The best from the true positive that one recall needs to that of the next, then to the end.
    at = hits.starts[..., None] + np.minimum(needed - 1, counts)
    best = np.maximum.reduceat(np.append(precision, 0), at.ravel()).reshape(at.shape)
    best[needed > counts] = 0
    best = np.maximum.accumulate(best[..., ::-1], axis=-1)[..., ::-1]
    recall = hits.counts / np.maximum(num_objects, 1)
    best[:, num_objects == 0] = -1
    recall[:, num_objects == 0] = -1
    return best.transpose(0, 3, 2, 1), recall.transpose(0, 2, 1)


def _tp_for_recall(num_objects: np.ndarray) -> np.ndarray:
    """How many true positives reach each recall: the least n with n / num_objects >= recall.

    Exactly as the quotient is rounded, so that a recall of 0.29 is reached by 29 of 100 only if
    29 / 100 is not less. From shape (...) to (..., R), int64.
    """
    num_objects = np.maximum(num_objects, 1)[..., None]
    needed = np.ceil(RECALLS * num_objects)
    needed -= (needed - 1) / num_objects >= RECALLS
    needed += needed / num_objects < RECALLS
    return needed.astype(np.int64)
