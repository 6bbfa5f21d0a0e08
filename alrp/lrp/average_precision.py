"""Average precision and average recall as defined by COCO."""

import numpy as np

from .counting import TruePositives
from .types import FloatArray, IntArray

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def average_precision(hits: TruePositives, num_objects: IntArray) -> tuple[FloatArray, FloatArray]:
    """Precision at the recalls of ``RECALLS``, and the final recall.

    The precision at a recall is the highest at this recall or above (interpolated). It is reached
    at a true positive, so that other detections need not be visited.

    Args:
        hits (TruePositives): At T thresholds, in A ranges of areas, of K categories.
        num_objects (np.ndarray): Shape (K, A), int64, objects that count.

    Returns:
        tuple[np.ndarray, np.ndarray]: Precision (T, R, K, A) at the R recalls, and recall
        (T, K, A). Both are -1 where a category has no object in a range.
    """
    num_objects = num_objects.T  # (A, K), the order of the segments
    precision = hits.num_tp / (hits.num_fp + hits.num_tp + np.spacing(1))
    needed = np.maximum(tp_for_recall(num_objects), 1)  # (A, K, R)
    counts = hits.counts[..., None]  # (T, A, K, 1)
    # The best precision between the true positives that two adjacent recalls need, then to the end.
    at = hits.starts[..., None] + np.minimum(needed - 1, counts)
    best = np.maximum.reduceat(np.append(precision, 0), at.ravel()).reshape(at.shape)
    best[needed > counts] = 0
    best = np.maximum.accumulate(best[..., ::-1], axis=-1)[..., ::-1]
    recall = hits.counts / np.maximum(num_objects, 1)
    best[:, num_objects == 0] = -1
    recall[:, num_objects == 0] = -1
    return best.transpose(0, 3, 2, 1), recall.transpose(0, 2, 1)


def tp_for_recall(num_objects: IntArray) -> IntArray:
    """The least number of true positives n with n / num_objects >= recall, as floats compare.

    A recall of 0.29 is reached by 29 of 100 only if the float 29 / 100 is not below it. From shape
    (...) to (..., R), int64.
    """
    num_objects = np.maximum(num_objects, 1)[..., None]
    needed = np.ceil(RECALLS * num_objects)
    needed -= (needed - 1) / num_objects >= RECALLS
    needed += needed / num_objects < RECALLS
    count: IntArray = needed.astype(np.int64)
    return count
