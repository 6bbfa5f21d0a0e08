"""Means, deviations and paired differences of runs."""

import math
from collections import defaultdict
from statistics import mean, stdev

from scipy.special import stdtrit

from .matrix import BASELINE

# Runs by detector, data set and loss, then by seed.
Groups = dict[tuple[str, str, str], dict[int, dict]]


def group(rows: list[dict]) -> Groups:
    """Group the runs of the matrix.

    Raises:
        ValueError: If a run was made twice with different settings. Names it.
    """
    groups = defaultdict(dict)
    for row in rows:
        runs = groups[row['detector'], row['dataset'], row['loss']]
        if row['seed'] in runs:
            raise ValueError(
                f'two runs of {row["detector"]}, {row["dataset"]}, {row["loss"]} have the seed '
                f'{row["seed"]}: remove the one with the wrong settings'
            )
        runs[row['seed']] = row
    return dict(groups)


def values(groups: Groups, detector: str, dataset: str, loss: str, metric: str) -> list[float]:
    """A metric in percent, in the order of seeds."""
    runs = groups.get((detector, dataset, loss), {})
    return [100 * runs[seed][metric] for seed in sorted(runs)]


def differences(groups: Groups, detector: str, dataset: str, loss: str) -> list[float]:
    """AP minus the AP of the baseline with the same seed, in points, in the order of seeds."""
    runs = groups.get((detector, dataset, loss), {})
    base = groups.get((detector, dataset, BASELINE), {})
    return [100 * (runs[s]['AP'] - base[s]['AP']) for s in sorted(runs.keys() & base.keys())]


def mean_and_deviation(numbers: list[float]) -> str:
    """``mean ± standard deviation`` of a sample; the number alone if there is one."""
    numbers = [number for number in numbers if not math.isnan(number)]
    if not numbers:
        return ''
    if len(numbers) == 1:
        return f'{numbers[0]:.1f}'
    return f'{mean(numbers):.1f} ± {stdev(numbers):.1f}'


def confidence_interval(numbers: list[float]) -> tuple[float, float]:
    """95 % interval of the mean by Student's t. At least two numbers."""
    n = len(numbers)
    half = float(stdtrit(n - 1, 0.975)) * stdev(numbers) / math.sqrt(n)
    return mean(numbers) - half, mean(numbers) + half


def describe_differences(numbers: list[float]) -> str:
    """Mean, 95 % interval, and in how many seeds the difference is positive."""
    if not numbers:
        return ''
    ahead = f'{sum(number > 0 for number in numbers)}/{len(numbers)}'
    if len(numbers) == 1:
        return f'{numbers[0]:+.1f}, {ahead}'
    low, high = confidence_interval(numbers)
    return f'{mean(numbers):+.1f} ({low:+.1f} to {high:+.1f}), {ahead}'
