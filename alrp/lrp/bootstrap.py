"""Is one detector better than another? Differences with confidence intervals.

The bootstrap draws as many images as there are, with replacement, and evaluates both detectors on
them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .evaluate import Evaluation
from .panoptic import PanopticEvaluation
from .panoptic.matching import FP
from .resampling import ResampledEvaluation
from .types import FloatArray, IntArray

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


def compare(
    first: Evaluation | PanopticEvaluation,
    second: Evaluation | PanopticEvaluation,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two detectors by a paired bootstrap over the images.

    Each resample evaluates both detectors on the same images. The interval has the 2.5th and the
    97.5th percentile of the differences. Resamples in which a number is undefined do not count.

    Args:
        first (Evaluation | PanopticEvaluation): The first detector.
        second (Evaluation | PanopticEvaluation): The second one, on the same ground truth by the
            same rules.
        num_resamples (int): The number of resamples.
        seed (int): Of the random numbers.

    Returns:
        dict[str, Difference]: By the names of the summary: ``AP``, ``AP50``, ``AP75``, ``oLRP`` and
        its components; for LVIS, ``AP`` and ``oLRP`` of each group, too. Of panoptic segmentation
        by the names of ``PanopticEvaluation.values``.

    Raises:
        ValueError: If the two evaluations differ in ground truth, task or limits.
    """
    check_comparable(first, second)
    if num_resamples < 1:
        raise ValueError(f'num_resamples must be at least 1, got {num_resamples}')
    rng = np.random.default_rng(seed)
    detectors = _resampler(first), _resampler(second)
    num_images = first.num_images
    found: dict[str, list[float]] = {}
    with ThreadPoolExecutor(2) as threads:  # NumPy works in parallel
        for _ in range(num_resamples):
            drawn = rng.integers(0, num_images, num_images) if num_images else np.zeros(0, np.int64)
            weights = np.bincount(drawn, minlength=num_images)
            one, other = threads.map(lambda d, w=weights: d(w), detectors)
            for name in one:
                both = one[name] != -1 and other[name] != -1
                found.setdefault(name, []).append(other[name] - one[name] if both else np.nan)
    of_first, of_second = _numbers(first), _numbers(second)
    return {
        name: _difference(of_first[name], of_second[name], np.array(values), name)
        for name, values in found.items()
    }


def check_comparable(
    first: Evaluation | PanopticEvaluation, second: Evaluation | PanopticEvaluation
) -> None:
    """Check that two evaluations are of the same objects by the same rules.

    Raises:
        ValueError: If they are not.
    """
    if isinstance(first, Evaluation) and isinstance(second, Evaluation):
        same = (
            first.category_ids == second.category_ids
            and str(first.task) == str(second.task)
            and first.task.sigmas == second.task.sigmas
            and first.max_dets == second.max_dets
            and list(first.truth.images) == list(second.truth.images)
            and np.array_equal(first.matches.num_objects, second.matches.num_objects)
            and np.array_equal(first.iou_thresholds, second.iou_thresholds)
        )
    elif isinstance(first, PanopticEvaluation) and isinstance(second, PanopticEvaluation):
        same = (
            first.category_ids == second.category_ids
            and first.num_images == second.num_images
            and np.array_equal(_objects(first), _objects(second))
        )
    else:
        same = False
    if not same:
        raise ValueError(
            'cannot compare two evaluations that differ in ground truth, iou_type, rules, '
            'sigmas, iou_thresholds or max_dets'
        )


def _objects(evaluation: PanopticEvaluation) -> IntArray:
    """One number for image and category of each object, ascending."""
    image, category, kind, _ = evaluation.outcomes
    places = image * len(evaluation.category_ids) + category
    return np.sort(places[kind != FP])


def _numbers(evaluation: Evaluation | PanopticEvaluation) -> dict[str, float]:
    if isinstance(evaluation, PanopticEvaluation):
        return evaluation.values()
    return evaluation.summary


def _resampler(
    evaluation: Evaluation | PanopticEvaluation,
) -> Callable[[IntArray], dict[str, float]]:
    if isinstance(evaluation, PanopticEvaluation):
        return lambda times: evaluation.resampled(times).values()
    return ResampledEvaluation(evaluation).summary


def _difference(first: float, second: float, values: FloatArray, name: str) -> Difference:
    values = values[np.isfinite(values)]
    if first == -1 or second == -1 or not len(values):
        return Difference(*[float('nan')] * 4)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    better = (values < 0) if 'LRP' in name else (values > 0)
    return Difference(second - first, float(low), float(high), float(better.mean()))
