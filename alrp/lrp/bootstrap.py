"""Is one detector better than another? Differences with confidence intervals.

The bootstrap draws as many images as there are, with replacement, and evaluates both detectors on
them. Matches do not depend on the other images, so only the counting is repeated, with the number
of times an image was drawn as the weight of its detections and objects.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .average_precision import tp_for_recall
from .curve import TAU, mean_over_classes
from .evaluate import Evaluation
from .summary import AT_IOUS
from .tasks import LRP_COMPONENTS
from .types import Array, BoolArray, FloatArray, IntArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The second detector minus the first one, in one number.

    Attributes:
        value (float): On all images.
        low (float): Lower end of the 95 % confidence interval.
        high (float): Upper end. All three are NaN where the number is undefined.
        better (float): Share of the resamples in which the second detector is better.
    """

    value: float
    low: float
    high: float
    better: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def compare(
    first: Evaluation,
    second: Evaluation,
    num_resamples: int = 1000,
    seed: int = 0,
    on_resample: Callable[[int], object] = lambda done: None,
) -> dict[str, Difference]:
    """Compare two detectors by a paired bootstrap over the images.

    Each resample evaluates both detectors on the same images. The interval has the 2.5th and the
    97.5th percentile of the differences. Resamples in which a number is undefined do not count.

    Args:
        first (Evaluation): The first detector.
        second (Evaluation): The second one, on the same ground truth by the same rules.
        num_resamples (int): The number of resamples.
        seed (int): Of the random numbers.
        on_resample (Callable[[int], object]): Called with the number of finished resamples.

    Returns:
        dict[str, Difference]: By the names of the summary: ``AP``, ``AP50``, ``AP75``, ``oLRP`` and
        its components; for LVIS, ``AP`` and ``oLRP`` of each group, too.

    Raises:
        ValueError: If the two evaluations differ in ground truth, task or limits.
    """
    check_comparable(first, second)
    if num_resamples < 1:
        raise ValueError(f'num_resamples must be at least 1, got {num_resamples}')
    rng = np.random.default_rng(seed)
    detectors = ResampledEvaluation(first), ResampledEvaluation(second)
    num_images = first.num_images
    found: dict[str, list[float]] = {}
    with ThreadPoolExecutor(2) as threads:  # NumPy works in parallel
        for done in range(num_resamples):
            drawn = rng.integers(0, num_images, num_images) if num_images else np.zeros(0, np.int64)
            weights = np.bincount(drawn, minlength=num_images)
            one, other = threads.map(lambda d, w=weights: d.summary(w), detectors)
            for name in one:
                both = one[name] != -1 and other[name] != -1
                found.setdefault(name, []).append(other[name] - one[name] if both else np.nan)
            on_resample(done + 1)
    return {
        name: _difference(first.summary[name], second.summary[name], np.array(values), name)
        for name, values in found.items()
    }


def check_comparable(first: Evaluation, second: Evaluation) -> None:
    """Check that two evaluations are of the same objects by the same rules.

    Raises:
        ValueError: If they are not.
    """
    same = (
        first.category_ids == second.category_ids
        and str(first.task) == str(second.task)
        and first.max_dets == second.max_dets
        and list(first.truth.images) == list(second.truth.images)
        and np.array_equal(first.matches.num_objects, second.matches.num_objects)
        and np.array_equal(first.iou_thresholds, second.iou_thresholds)
    )
    if not same:
        raise ValueError(
            'cannot compare two evaluations that differ in ground truth, iou_type, rules, '
            'iou_thresholds or max_dets'
        )


class ResampledEvaluation:
    """An evaluation on resampled images, from the matches on the original ones.

    Args:
        evaluation (Evaluation): On I images.
    """

    def __init__(self, evaluation: Evaluation):
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

        Copies of an image come right after it. The numbers equal those of an evaluation of such a
        data set unless a class has equal scores within an image, whose order copies repeat.

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


def _used_thresholds(evaluation: Evaluation) -> IntArray:
    """Positions of the thresholds in the matches: that of LRP, and those not equal to it."""
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
    def of(cls, evaluation: Evaluation, limit: int) -> '_Hits':
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
    np.divide(counts.tp, np.maximum(counts.tp + counts.fp, 1), out=precision[:-1])
    precision[-1] = 0
    starts, ends = hits.bounds[:-1].reshape(hits.shape), hits.bounds[1:].reshape(hits.shape)
    needed = np.maximum(tp_for_recall(num_objects), 1)  # (K, R)
    goal = counts.total[starts][..., None] + needed
    found = counts.total[ends][..., None]
    # The true positive that brings the running sum to each number, 1 and up.
    reaching = np.append(np.repeat(np.arange(len(counts.tp)), counts.weight), len(counts.tp))
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


def _difference(first: float, second: float, values: FloatArray, name: str) -> Difference:
    values = values[np.isfinite(values)]
    if first == -1 or second == -1 or not len(values):
        return Difference(*[float('nan')] * 4)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    better = (values < 0) if name.startswith('oLRP') else (values > 0)
    return Difference(second - first, float(low), float(high), float(better.mean()))


def _sums(values: Array) -> Array:
    """Running sums that start with 0: shape (N,) to (N + 1,)."""
    sums = np.empty(len(values) + 1, values.dtype)
    sums[0] = 0
    np.cumsum(values, out=sums[1:])
    return sums
