"""Chooses the learning rate of each loss, then its second setting, by AP on the tuning seed.

A candidate is a run on the first tuning data set. It stands for its runs on all of them.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

from .matrix import DATASETS, LEARNING_RATES, LOSSES, TUNING_DATASETS, Run, first_run
from .rows import run_of


def learning_rates(loss: str, epochs: int | None = None) -> list[Run]:
    """The candidates of the first stage: every learning rate with the usual setting."""
    return [replace(first_run(loss, epochs), lr=lr) for lr in LEARNING_RATES]


def settings(best: Run) -> list[Run]:
    """The candidates of the second stage: every setting with the best learning rate."""
    return [replace(best, setting=setting) for setting in LOSSES[best.loss].settings]


def runs_of(candidate: Run, epochs: int | None = None) -> list[Run]:
    """The runs of a candidate, one per tuning data set."""
    return [
        replace(candidate, dataset=dataset, epochs=epochs or DATASETS[dataset].epochs)
        for dataset in TUNING_DATASETS
    ]


def stages(losses: list[str], epochs: int | None = None) -> Iterator:
    """Functions from the finished rows to the runs of each stage, for all losses."""

    def second_stage(loss: str, rows: list[dict]) -> list[Run]:
        return settings(best_candidate(learning_rates(loss, epochs), rows, epochs))

    yield lambda rows: [
        run for loss in losses for x in learning_rates(loss, epochs) for run in runs_of(x, epochs)
    ]
    yield lambda rows: [
        run for loss in losses for x in second_stage(loss, rows) for run in runs_of(x, epochs)
    ]


def tuned_run(loss: str, rows: list[dict], epochs: int | None = None) -> Run:
    """The best candidate of a loss.

    Args:
        loss (str): Key of ``LOSSES``.
        rows (list[dict]): Finished runs.
        epochs (int, optional): Epochs of the tuning runs, if not those of the data sets.

    Raises:
        LookupError: If runs are missing. Names the loss.
    """
    best = best_candidate(learning_rates(loss, epochs), rows, epochs)
    return best_candidate(settings(best), rows, epochs)


def best_candidate(candidates: list[Run], rows: list[dict], epochs: int | None = None) -> Run:
    """The candidate with the highest mean AP; of equals, the one with the lowest mean oLRP."""
    results = {run_of(row): row for row in rows}
    missing = [run.name for x in candidates for run in runs_of(x, epochs) if run not in results]
    if missing:
        raise LookupError(
            f'{candidates[0].loss} is not tuned, {len(missing)} of '
            f'{len(candidates) * len(TUNING_DATASETS)} runs are missing, such as {missing[0]}'
        )

    def rank(candidate: Run) -> tuple[float, float]:
        found = [results[run] for run in runs_of(candidate, epochs)]
        errors = [1.0 if math.isnan(row['oLRP']) else row['oLRP'] for row in found]
        # AP has three digits: sums of equal numbers in another order must be equal.
        return round(mean(row['AP'] for row in found), 6), -mean(errors)

    return max(candidates, key=rank)
