"""Chooses the learning rate of each loss, then its second setting, by AP on the tuning seed."""

import math
from collections.abc import Iterator
from dataclasses import replace

from .matrix import LEARNING_RATES, LOSSES, Run, first_run
from .rows import run_of


def learning_rate_runs(loss: str, epochs: int | None = None) -> list[Run]:
    """The runs of the first stage: every learning rate with the usual setting."""
    return [replace(first_run(loss, epochs), lr=lr) for lr in LEARNING_RATES]


def setting_runs(best: Run) -> list[Run]:
    """The runs of the second stage: every setting with the best learning rate."""
    return [replace(best, setting=setting) for setting in LOSSES[best.loss].settings]


def stages(losses: list[str], epochs: int | None = None) -> Iterator:
    """Functions from the finished rows to the runs of each stage, for all losses."""
    yield lambda rows: [run for loss in losses for run in learning_rate_runs(loss, epochs)]
    yield lambda rows: [
        run
        for loss in losses
        for run in setting_runs(best_run(learning_rate_runs(loss, epochs), rows))
    ]


def tuned_run(loss: str, rows: list[dict], epochs: int | None = None) -> Run:
    """The best run of a loss.

    Args:
        loss (str): Key of ``LOSSES``.
        rows (list[dict]): Finished runs.
        epochs (int, optional): Epochs of the tuning runs, if not those of the data set.

    Raises:
        LookupError: If runs are missing. Names the loss.
    """
    return best_run(setting_runs(best_run(learning_rate_runs(loss, epochs), rows)), rows)


def best_run(candidates: list[Run], rows: list[dict]) -> Run:
    """The candidate with the highest AP; of equals, the one with the lowest oLRP."""
    results = {run_of(row): row for row in rows}
    missing = [run.name for run in candidates if run not in results]
    if missing:
        raise LookupError(
            f'{candidates[0].loss} is not tuned, {len(missing)} of {len(candidates)} runs are '
            f'missing, such as {missing[0]}'
        )

    def rank(run: Run) -> tuple[float, float]:
        row = results[run]
        return row['AP'], -(1.0 if math.isnan(row['oLRP']) else row['oLRP'])

    return max(candidates, key=rank)
