"""An evaluation on resampled images, from matches that are found once.

Matches do not depend on the other images, so only the counting is repeated, with the number of
times an image was drawn as the weight of its detections and objects.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .average_precision import tp_for_recall
from .curve import TAU, mean_over_classes
from .summary import AT_IOUS
from .tasks import LRP_COMPONENTS
from .types import Array, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from .evaluation import Evaluation  # which imports this


class ResampledEvaluation:
    """An evaluation on resampled images, from the matches on the original ones.

    Args:
        evaluation (Evaluation): On I images.
    """

    def __init__(self, evaluation: 'Evaluation'):
        self.evaluation = evaluation
        task, truth, limits = evaluation.task, evaluation.truth, evaluation.max_dets
        area = next(iter(task.areas))
        low, high = task.areas[area]
        counts = (low <= truth.area) & (truth.area <= high) & ~truth.ignored
        self._object_image = truth.image[counts]
        self._object_category = truth.category[counts]
        ap_limit = task.ap_limit if task.ap_limit in limits else limits[-1]
        self._largest = _Hits.of(evaluation, limits[-1])
        self._at_ap_limit = (
            self._largest if ap_limit == limits[-1] else _Hits.of(evaluation, ap_limit)
        )
        used = _used_thresholds(evaluation)
        again = evaluation.iou_thresholds == TAU
        self._at = np.where(again, 0, np.searchsorted(used, np.arange(len(again)) + 1))
        self._at_ious = {
            f'AP{name}': np.flatnonzero(evaluation.iou_thresholds == iou)
            for name, iou in AT_IOUS.items()
        }

    def summary(self, weights: IntArray) -> dict[str, float]:
        """The means over the classes if image i occurs ``weights[i]`` times, -1 where undefined.

        Copies of an image come right after it. The numbers equal an evaluation of such a data
        set unless a class has equal scores within an image, whose order copies repeat.

        Args:
            weights (np.ndarray): Shape (I,), int64, at least 0.

        Returns:
            dict[str, float]: Some of the values in ``Evaluation.summary``, by name.
        """
        num_categories = len(self.evaluation.category_ids)
        num_objects = np.bincount(
            self._object_category, weights[self._object_image], num_categories
        ).astype(np.int64)
        counted = self._largest.count(weights)
        precision = _mean_precision(self._largest, counted, num_objects)[self._at]
        olrp = _optimal_lrp(self._largest, counted, num_objects)
        ap = precision
        if self._at_ap_limit is not self._largest:
            counts = self._at_ap_limit.count(weights)
            ap = _mean_precision(self._at_ap_limit, counts, num_objects)[self._at]
        values = dict(AP=mean_over_classes(ap.ravel()))
        for name, at in self._at_ious.items():
            values[name] = mean_over_classes(precision[at].ravel())
        values |= zip(LRP_COMPONENTS, map(mean_over_classes, olrp))
        for group in self.evaluation.task.groups:
            mine = np.array(self.evaluation.groups) == group
            values[f'AP_{group}'] = mean_over_classes(ap[:, mine].ravel())
            values[f'oLRP_{group}'] = mean_over_classes(olrp[0][mine])
        return values


def _used_thresholds(evaluation: 'Evaluation') -> IntArray:
    """Positions of the thresholds in the matches: the one of LRP, and all that differ from it."""
    return np.append(0, 1 + np.flatnonzero(evaluation.iou_thresholds != TAU))


class _Counts(NamedTuple):
    """Weighted counts at H true positives.

    Attributes:
        tp (np.ndarray): Shape (H,), true positives of the segment down to this one.
        fp (np.ndarray): Shape (H,), false positives of the segment above this one.
        total (np.ndarray): Shape (H + 1,), running sum of true positives over all segments, from 0.
        weight (np.ndarray): Shape (H,), of each true positive.
    """

    tp: IntArray
    fp: IntArray
    total: IntArray
    weight: IntArray


@dataclass(frozen=True)
class _Hits:
    """H true positives of all sizes, and where to find the counts for each.

    They are in S = T * K segments, one per used threshold and category. False positives are the
    detections in range minus those in range that match something.

    Attributes:
        shape (tuple[int, int]): T and K.
        bounds (np.ndarray): Shape (S + 1,), int64, where the segments begin and end.
        image (np.ndarray): Shape (H,), int64.
        loc_error (np.ndarray): Shape (H1,), float64, 1 - IoU at the first threshold.
        in_range (np.ndarray, optional): Shape (H,), bool; None if all are in range.
        all_image (np.ndarray): Shape (B,), int64, images of the detections in range.
        all_before (np.ndarray): Shape (H,), int64, how many of these are above.
        all_start (np.ndarray): Shape (S,), int64, how many are in lower categories.
        ignored_image (np.ndarray): Shape (J,), int64, images of the detections in range that match
            ignored objects, by threshold.
        ignored_before (np.ndarray): Shape (H,), int64, how many of these are above, with those of
            lower thresholds.
        ignored_start (np.ndarray): Shape (S,), int64, how many are before the segment.
    """

    shape: tuple[int, int]
    bounds: IntArray
    image: Array
    loc_error: FloatArray
    in_range: BoolArray | None
    all_image: Array
    all_before: IntArray
    all_start: IntArray
    ignored_image: Array
    ignored_before: IntArray
    ignored_start: IntArray

    @classmethod
    def of(cls, evaluation: 'Evaluation', limit: int) -> '_Hits':
        """The true positives with at most ``limit`` detections."""
        matches = evaluation.matches
        rows, num_categories = matches.rows, len(matches.num_objects)
        kept = matches.rank < limit
        in_range = matches.in_range[0] & kept
        image, used = matches.image, _used_thresholds(evaluation)
        true_positive = matches.true_positive[used, 0] & kept[rows]  # (T, M)
        ignored = matches.ignored[used, 0] & in_range[rows]
        begin = np.searchsorted(matches.category, np.arange(num_categories))  # (K,)

        threshold, match = np.nonzero(true_positive)
        row = rows[match]
        segment = threshold * num_categories + matches.category[row]
        num_segments = len(true_positive) * num_categories
        counts = np.bincount(segment, minlength=num_segments)
        in_range_rows = np.flatnonzero(in_range)
        ignored_threshold, ignored_match = np.nonzero(ignored)
        size = len(matches.score) + 1
        ignored_place = ignored_threshold * size + rows[ignored_match]
        starts = np.arange(len(true_positive))[:, None] * size + begin  # (T, K)
        hit_in_range = in_range[row]
        return cls(
            shape=(len(true_positive), num_categories),
            bounds=np.append(0, np.cumsum(counts)),
            image=image[row],
            loc_error=1 - matches.iou[0, match[threshold == 0]],
            in_range=None if hit_in_range.all() else hit_in_range,
            all_image=image[in_range_rows],
            all_before=np.searchsorted(in_range_rows, row),
            all_start=np.tile(np.searchsorted(in_range_rows, begin), len(true_positive)),
            ignored_image=image[rows[ignored_match]],
            ignored_before=np.searchsorted(ignored_place, threshold * size + row),
            ignored_start=np.searchsorted(ignored_place, starts.ravel()),
        )

    def count(self, weights: IntArray) -> _Counts:
        """Counts if image i occurs ``weights[i]`` times."""
        weights = weights.astype(np.int32)
        weight = weights.take(self.image)
        total = _sums(weight)
        matched = total
        if self.in_range is not None:
            matched = _sums(weight * self.in_range)
        everything = _sums(weights.take(self.all_image))
        starts, sizes = self.bounds[:-1], np.diff(self.bounds)
        fp = everything.take(self.all_before)
        fp -= matched[:-1]
        before = everything[self.all_start] - matched[starts]
        if len(self.ignored_image):
            ignored = _sums(weights.take(self.ignored_image))
            fp -= ignored[self.ignored_before]
            before -= ignored[self.ignored_start]
        fp -= np.repeat(before, sizes)
        tp = total[1:] - np.repeat(total[starts], sizes)
        return _Counts(tp, fp, total, weight)


def _mean_precision(hits: _Hits, counts: _Counts, num_objects: IntArray) -> FloatArray:
    """Average precision of each threshold and category: shape (T, K), -1 without objects."""
    precision = np.empty(len(counts.tp) + 1)
    np.divide(counts.tp, counts.tp + counts.fp + np.spacing(1), out=precision[:-1])
    precision[-1] = 0
    starts, ends = hits.bounds[:-1].reshape(hits.shape), hits.bounds[1:].reshape(hits.shape)
    needed = np.maximum(tp_for_recall(num_objects), 1)  # (K, R)
    goal = counts.total[starts][..., None] + needed
    found = counts.total[ends][..., None]
    # The true positive that brings the running sum to each number, 1 and up.
    positions = np.arange(len(counts.tp) + 1, dtype=np.int32)
    reaching = np.repeat(positions, np.append(counts.weight, 1))
    at = reaching.take(np.minimum(goal, found + 1) - 1, mode='clip')
    at = np.minimum(at, ends[..., None])
    best = np.maximum.reduceat(precision, at.ravel()).reshape(at.shape)
    best[goal > found] = 0
    best = np.maximum.accumulate(best[..., ::-1], axis=-1)
    mean: FloatArray = best.mean(axis=-1)
    mean[:, num_objects == 0] = -1
    return mean


def _optimal_lrp(hits: _Hits, counts: _Counts, num_objects: IntArray) -> FloatArray:
    """oLRP and its components: shape (4, K). -1 without objects, NaN where undefined."""
    num_categories = hits.shape[1]
    bounds = hits.bounds[: num_categories + 1]
    size = slice(0, bounds[-1])
    sizes = np.diff(bounds)
    tp, fp = counts.tp[size], counts.fp[size]
    sums = _sums(hits.loc_error * counts.weight[size])
    loc = sums[1:] - np.repeat(sums[bounds[:-1]], sizes)
    objects = np.repeat(num_objects, sizes)
    error = np.full(len(tp), np.inf)
    np.divide(loc / (1 - TAU) + fp + objects - tp, objects + fp, out=error, where=tp > 0)

    optimum = np.full((4, num_categories), np.nan)
    optimum[[0, 3]] = 1
    filled = np.flatnonzero(sizes)
    if len(filled):
        starts = bounds[filled]
        lowest = np.minimum.reduceat(error, starts)
        candidates = np.flatnonzero(error == np.repeat(lowest, sizes[filled]))
        best = candidates[np.searchsorted(candidates, starts)]
        has_hit = np.isfinite(lowest)
        best, filled = best[has_hit], filled[has_hit]
        optimum[0, filled] = error[best]
        optimum[1, filled] = loc[best] / tp[best]
        optimum[2, filled] = fp[best] / (tp[best] + fp[best])
        optimum[3, filled] = 1 - tp[best] / num_objects[filled]
    optimum[:, num_objects == 0] = -1
    return optimum


def _sums(values: Array) -> Array:
    """Running sums that start with 0: shape (N,) to (N + 1,)."""
    sums = np.empty(len(values) + 1, values.dtype)
    sums[0] = 0
    np.cumsum(values, out=sums[1:])
    return sums
