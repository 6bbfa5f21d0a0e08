"""Chooses the learning rate of each loss, its setting and the clipping, by AP on the tuning seed.

A candidate is a run on the first tuning dataset. It stands for its runs on all of them.
"""

import math
from dataclasses import replace
from statistics import mean

from .matrix import (
    CLIP_NORMS,
    DATASETS,
    LEARNING_RATES,
    LOSSES,
    TUNING_DATASETS,
    Run,
    first_run,
)
from .rows import run_of

STAGES = 3  # learning rates, settings, norms


def learning_rates(loss: str, epochs: int | None = None) -> list[Run]:
    """The candidates of the first stage: every learning rate with the usual setting."""
    return [replace(first_run(loss, epochs), lr=lr) for lr in LEARNING_RATES]


def settings(best: Run) -> list[Run]:
    """The candidates of the second stage: every setting with the best learning rate."""
    return [replace(best, setting=setting) for setting in LOSSES[best.loss].settings]


def clip_norms(best: Run) -> list[Run]:
    """The candidates of the third stage: the best of the second with every norm."""
    return [replace(best, clip_norm=norm) for norm in CLIP_NORMS]


def runs_of(candidate: Run, epochs: int | None = None) -> list[Run]:
    """The runs of a candidate, one per tuning dataset."""
    return [
        replace(candidate, dataset=dataset, epochs=epochs or DATASETS[dataset].epochs)
        for dataset in TUNING_DATASETS
    ]


def stage_runs(
    losses: list[str], stage: int, rows: list[dict], epochs: int | None = None
) -> list[Run]:
    """The runs of a stage for all losses, given those of the stages before it."""
    found = [x for loss in losses for x in candidates(loss, stage, rows, epochs)]
    return [run for candidate in found for run in runs_of(candidate, epochs)]


def candidates(loss: str, stage: int, rows: list[dict], epochs: int | None = None) -> list[Run]:
    """The candidates of a stage, from 0, after the runs of the stages before it."""
    if stage == 0:
        return learning_rates(loss, epochs)
    best = best_candidate(candidates(loss, stage - 1, rows, epochs), rows, epochs)
    return (settings if stage == 1 else clip_norms)(best)


def tuned_run(loss: str, rows: list[dict], epochs: int | None = None) -> Run:
    """The best candidate of a loss.

    Args:
        loss (str): Key of ``LOSSES``.
        rows (list[dict]): Finished runs.
        epochs (int, optional): Epochs of the tuning runs, if not those of the datasets.

    Raises:
        LookupError: If runs are missing. Names the loss.
    """
    return best_candidate(candidates(loss, STAGES - 1, rows, epochs), rows, epochs)


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
