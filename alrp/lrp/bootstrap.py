"""Is one detector better than another? Differences with confidence intervals.

The bootstrap draws as many images as there are, with replacement, and evaluates both detectors on
them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .types import FloatArray, IntArray

CONFIDENCE = 0.95


class Comparable(Protocol):
    """``Evaluation`` or ``PanopticEvaluation``: what the bootstrap needs of an evaluation."""

    @property
    def num_images(self) -> int:
        """Images of the ground truth."""
        ...

    def values(self) -> dict[str, float]:
        """Numbers by name, -1 or NaN where undefined."""
        ...

    def has_ground_truth_of(self, other: object) -> bool:
        """Whether another evaluation is of the same objects by the same rules."""
        ...

    def resampler(self) -> Callable[[IntArray], dict[str, float]]:
        """A function that gives some of the values if image i occurs ``times[i]`` times."""
        ...


@dataclass(frozen=True)
class Difference:
    """The second detector minus the first one, in one number.

    All are NaN where the number is undefined.

    Attributes:
        value (float): On all images.
        low (float): Lower end of the 95 % confidence interval.
        high (float): Upper end.
        better (float): Share of the resamples in which the second detector is better.
        equal (float): Share of the resamples in which both are equal.
    """

    value: float
    low: float
    high: float
    better: float
    equal: float


Differences = dict[str, Difference]


def compare(
    first: Comparable,
    second: Comparable,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Differences:
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
    detectors = first.resampler(), second.resampler()
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
    of_first, of_second = first.values(), second.values()
    return {
        name: _difference(of_first[name], of_second[name], np.array(values), name)
        for name, values in found.items()
    }


def check_comparable(first: Comparable, second: Comparable) -> None:
    """Check that two evaluations are of the same objects by the same rules.

    Raises:
        ValueError: If they are not.
    """
    if not first.has_ground_truth_of(second):
        raise ValueError(
            'cannot compare two evaluations that differ in ground truth, iou_type, rules, '
            'sigmas, iou_thresholds or max_dets'
        )


def _difference(first: float, second: float, values: FloatArray, name: str) -> Difference:
    values = values[np.isfinite(values)]
    if first == -1 or second == -1 or not len(values):
        return Difference(*[float('nan')] * 5)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    better = (values < 0) if 'LRP' in name else (values > 0)
    return Difference(
        value=second - first,
        low=float(low),
        high=float(high),
        better=float(better.mean()),
        equal=float((values == 0).mean()),
    )
