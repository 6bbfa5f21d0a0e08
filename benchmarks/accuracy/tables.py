"""The tables of docs/results.md, in Markdown; empty if there are no runs."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from .comparison import (
    Groups,
    compared_datasets,
    describe_differences,
    differences,
    mean_and_deviation,
    mean_differences,
    values,
)
from .matrix import BASELINE, DATASETS, LOSSES, TUNING_DATASETS, Run, first_run
from .rows import run_of
from .tuning import runs_of, tuned_run

SHOWN = ('AP', 'AP50', 'AP75', 'oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn')
MEANS = ('AP', 'oLRP')  # over the tuning datasets


def results_table(groups: Groups, detector: str) -> str:
    """Mean and standard deviation over the seeds, in percent."""
    rows = [
        [
            DATASETS[dataset].title,
            LOSSES[loss].title,
            str(len(groups[detector, dataset, loss])),
            *(mean_and_deviation(values(groups, detector, dataset, loss, m)) for m in SHOWN),
        ]
        for dataset in DATASETS
        for loss in LOSSES
        if (detector, dataset, loss) in groups
    ]
    return markdown(['dataset', 'loss', 'seeds', *SHOWN], rows, text_columns=2)


def differences_table(groups: Groups, detector: str) -> str:
    """AP of each loss minus the AP of the baseline, paired by seed."""
    datasets = compared_datasets(groups, detector)
    losses = [
        loss
        for loss in LOSSES
        if loss != BASELINE and any(differences(groups, detector, d, loss) for d in datasets)
    ]
    rows = []
    for dataset in datasets:
        found = [differences(groups, detector, dataset, loss) for loss in losses]
        rows.append([DATASETS[dataset].title, *map(describe_differences, found)])
    if len(rows) > 1:
        means = [mean_differences(groups, detector, loss) for loss in losses]
        rows.append([f'mean of the {len(rows)}', *map(describe_differences, means)])
    return markdown(['dataset', *(LOSSES[loss].title for loss in losses)], rows)


def overview_table(groups: Groups, detector: str) -> str:
    """AP of all losses, a row per dataset: the table of the README."""
    losses = [x for x in LOSSES if any((detector, d, x) in groups for d in DATASETS)]
    rows = []
    for dataset in DATASETS:
        cells = [
            mean_and_deviation(values(groups, detector, dataset, loss, 'AP')) for loss in losses
        ]
        if any(cells):
            rows.append([DATASETS[dataset].title, seeds(groups, detector, dataset), *cells])
    return markdown(['AP', 'seeds', *(LOSSES[loss].title for loss in losses)], rows)


def seeds(groups: Groups, detector: str, dataset: str) -> str:
    """How many seeds the losses have, such as ``2 to 3``."""
    numbers = {len(groups.get((detector, dataset, loss), ())) for loss in LOSSES} - {0}
    return ' to '.join(map(str, sorted({min(numbers), max(numbers)})))


def tuning_table(rows: list[dict]) -> str:
    """All candidates of the tuning; the chosen one of each loss is bold."""
    results = {run_of(row): row for row in rows}
    cells = []
    for loss in LOSSES:
        try:
            chosen = tuned_run(loss, rows)
        except LookupError:  # not finished
            chosen = None
        first = first_run(loss)
        candidates = {
            replace(first, lr=run.lr, setting=run.setting, clip_norm=run.clip_norm)
            for run in results
            if run.loss == loss
        }
        for candidate in sorted(candidates, key=_tuning_order):
            found = [results.get(run) for run in runs_of(candidate)]
            if not any(found):  # other epochs
                continue
            line = [LOSSES[loss].title, f'{candidate.lr:g}', f'`{candidate.setting}`']
            line.append(f'{candidate.clip_norm:g}')
            line += [percent(row['AP']) if row else '' for row in found]
            # A second digit: what decides must not look equal.
            line += [percent(mean(r[m] for r in found), 2) if all(found) else '' for m in MEANS]
            cells.append([f'**{x}**' for x in line] if candidate == chosen else line)
    datasets = [f'AP, {DATASETS[dataset].title}' for dataset in TUNING_DATASETS]
    header = ['loss', 'learning rate', 'setting', 'clipping', *datasets]
    return markdown([*header, *(f'mean {m}' for m in MEANS)], cells, text_columns=3)


def variants_table(rows: list[dict], baseline: Sequence[dict] = ()) -> str:
    """Each variant, with the difference to the loss without it: same dataset, same seeds.

    Args:
        rows (list[dict]): Runs with and without changes.
        baseline (Sequence[dict], optional): Runs of the baseline without a change. With them, there
            is a column with the difference to these.

    Raises:
        ValueError: If a run was made twice with different settings. Names it.
    """
    found = {}
    for row in rows:
        key = (row['dataset'], row['loss'], row['variant'], row['overrides'], row['seed'])
        if key in found:
            raise ValueError(
                f'two runs of {row["dataset"]}, {row["loss"]}, {row["variant"] or "no variant"} '
                f'have the seed {row["seed"]}: remove the one with the wrong settings'
            )
        found[key] = row
    base_aps = {(row['dataset'], row['seed']): row['AP'] for row in baseline}
    cells = []
    for dataset, loss, variant, overrides in dict.fromkeys(key[:4] for key in found):
        seeds = [key[4] for key in found if key[:4] == (dataset, loss, variant, overrides)]
        runs = [found[dataset, loss, variant, overrides, seed] for seed in sorted(seeds)]
        pairs = [(run, found.get((dataset, loss, '', '', run['seed']))) for run in runs]
        gains = {run['seed']: 100 * (run['AP'] - base['AP']) for run, base in pairs if base}
        leads = {
            run['seed']: 100 * (run['AP'] - base_aps[dataset, run['seed']])
            for run in runs
            if (dataset, run['seed']) in base_aps and (loss != BASELINE or variant)
        }
        cells.append(
            [
                DATASETS[dataset].title,
                LOSSES[loss].title,
                variant or 'none',
                *(mean_and_deviation([100 * run[m] for run in runs]) for m in SHOWN[:4]),
                describe_differences(gains) if variant else '',
                *([describe_differences(leads)] if baseline else []),
            ]
        )
    order = {dataset.title: i for i, dataset in enumerate(DATASETS.values())}
    losses = {loss.title: i for i, loss in enumerate(LOSSES.values())}
    cells.sort(key=lambda row: (order[row[0]], losses[row[1]]))
    header = ['dataset', 'loss', 'variant', *SHOWN[:4], 'gain in AP']
    header += [f'AP minus {LOSSES[BASELINE].title}'] if baseline else []
    return markdown(header, cells, text_columns=3)


def _tuning_order(run: Run) -> tuple[float, ...]:
    return float(run.setting.partition('=')[2]), run.lr, run.clip_norm


def percent(value: float, digits: int = 1) -> str:
    return '' if math.isnan(value) else f'{100 * value:.{digits}f}'


def markdown(header: list[str], rows: list[list[str]], text_columns: int = 1) -> str:
    """A table whose first columns are text and the others numbers; '' without rows."""
    if not rows:
        return ''
    alignment = ['---'] * text_columns + ['--:'] * (len(header) - text_columns)
    lines = [header, alignment, *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)
