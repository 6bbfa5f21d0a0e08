"""Means, deviations and paired differences of runs."""

import math
from collections import defaultdict
from collections.abc import Collection
from statistics import mean, stdev

from scipy.special import stdtrit

from .matrix import BASELINE, DATASETS, LOSSES, Run

# Runs by detector, dataset and loss, then by seed.
Groups = dict[tuple[str, str, str], dict[int, dict]]
# Differences below this, in points, are rounding errors: AP is logged to 0.1 points.
EQUAL = 1e-6


def group(rows: list[dict]) -> Groups:
    """Group the runs of the matrix.

    Raises:
        ValueError: If a run was made twice, or the runs of a loss differ in more than the seed.
            Names them.
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
    for (detector, dataset, loss), runs in groups.items():
        for name in ('lr', 'setting', 'clip_norm', 'epochs'):
            found = {row[name] for row in runs.values()}
            if len(found) > 1:
                raise ValueError(
                    f'the runs of {detector}, {dataset}, {loss} differ in {name}: '
                    f'{", ".join(map(str, sorted(found)))}; remove those with the wrong settings'
                )
    return dict(groups)


def check_fairness(groups: Groups, tuned: dict[str, Run]) -> None:
    """Check that losses were trained equally long and with the tuned settings.

    Args:
        groups (Groups): Runs.
        tuned (dict[str, Run]): The best tuning run of each loss; losses may be missing.

    Raises:
        ValueError: If they were not. Names the runs.
    """
    epochs = {}
    for (detector, dataset, loss), runs in groups.items():
        row = next(iter(runs.values()))
        name = f'{detector}, {dataset}, {loss}'
        other, usual = epochs.setdefault((detector, dataset), (loss, row['epochs']))
        if row['epochs'] != usual:
            raise ValueError(f'{name} has {row["epochs"]} epochs, {other} has {usual}')
        best = tuned.get(loss)
        found = (row['lr'], row['setting'], row['clip_norm'])
        if best and found != (best.lr, best.setting, best.clip_norm):
            raise ValueError(
                f'{name} has the learning rate {row["lr"]:g}, {row["setting"]} and clipping at '
                f'{row["clip_norm"]:g}, but the tuning chose {best.lr:g}, {best.setting} and '
                f'{best.clip_norm:g}'
            )


def values(groups: Groups, detector: str, dataset: str, loss: str, metric: str) -> list[float]:
    """A metric in percent, in the order of seeds."""
    runs = groups.get((detector, dataset, loss), {})
    return [100 * runs[seed][metric] for seed in sorted(runs)]


def differences(groups: Groups, detector: str, dataset: str, loss: str) -> dict[int, float]:
    """AP minus the AP of the baseline with the same seed, in points, by seed."""
    runs = groups.get((detector, dataset, loss), {})
    base = groups.get((detector, dataset, BASELINE), {})
    return {s: 100 * (runs[s]['AP'] - base[s]['AP']) for s in sorted(runs.keys() & base.keys())}


def compared_datasets(groups: Groups, detector: str) -> list[str]:
    """The datasets on which some loss can be compared with the baseline."""
    others = [loss for loss in LOSSES if loss != BASELINE]
    return [d for d in DATASETS if any(differences(groups, detector, d, x) for x in others)]


def mean_differences(groups: Groups, detector: str, loss: str) -> dict[int, float]:
    """The mean over all compared datasets, by seed; of the seeds that all of them have."""
    datasets = compared_datasets(groups, detector)
    found = [differences(groups, detector, dataset, loss) for dataset in datasets]
    seeds = set.intersection(*map(set, found)) if found else set()
    return {seed: mean(numbers[seed] for numbers in found) for seed in sorted(seeds)}


def count_ahead(numbers: Collection[float]) -> int:
    """How many differences are positive. A draw is not."""
    return sum(number > EQUAL for number in numbers)


def signed(number: float) -> str:
    """A difference with its sign and one digit; never ``-0.0``."""
    return f'{round(number, 1) + 0.0:+.1f}'


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


def has_interval(numbers: list[float]) -> bool:
    """Whether the numbers have an interval. Equal ones do not: they are equal by rounding."""
    return len(numbers) > 1 and max(numbers) - min(numbers) > EQUAL


def describe_differences(differences: dict[int, float]) -> str:
    """Mean, 95 % interval, and in how many seeds the difference is positive."""
    numbers = list(differences.values())
    if not numbers:
        return ''
    interval = ''
    if has_interval(numbers):
        low, high = confidence_interval(numbers)
        interval = f' ({signed(low)} to {signed(high)})'
    return f'{signed(mean(numbers))}{interval}, {count_ahead(numbers)}/{len(numbers)}'
