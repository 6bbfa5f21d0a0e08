"""Sentences of docs/results.md that follow from the runs."""

import math
from statistics import mean

from .comparison import (
    EQUAL,
    Groups,
    compared_datasets,
    confidence_interval,
    count_ahead,
    describe_differences,
    differences,
    has_interval,
    mean_differences,
)
from .matrix import BASELINE, DATASETS, DETECTORS, LEARNING_RATES, LOSSES, PLAN, Run
from .rows import run_of

# Set before the runs: the mean gain in AP, in points. See page.md for the whole target.
TARGET = 1.5


def devices(rows: list[dict]) -> str:
    """How many runs were trained on what, and the time of those on a CPU, if it is known."""
    parts = []
    for device in sorted({row['device'] for row in rows}):
        runs = [row for row in rows if row['device'] == device]
        if device != 'CPU':
            parts.append(f'{_count(len(runs), "run")} on {device}')
            continue
        text = f'{_count(len(runs), "run")} on one CPU core each'
        minutes = [row['seconds'] / 60 for row in runs if not math.isnan(row['seconds'])]
        if minutes:
            text += f', {mean(minutes):.1f} minutes on average, {max(minutes):.1f} at most'
        parts.append(text)
    commits = ', '.join(f'`{commit}`' for commit in sorted({row['commit'] for row in rows}))
    return f'{"; ".join(parts)} (commit {commits})'


def scope(rows: list[dict], tuning: list[dict]) -> str:
    """The devices of the runs and of the tuning."""
    parts = (('Results', rows), ('Tuning', tuning))
    return ''.join(f'{name}: {devices(found)}.\n' for name, found in parts if found)


def repeats(rows: list[dict], repeated: list[dict]) -> str:
    """By how much AP changed when runs were repeated on other hardware; '' if none were."""
    results = {run_of(row): 100 * row['AP'] for row in rows}
    pairs = [(row, results[run_of(row)]) for row in repeated if run_of(row) in results]
    if not pairs:
        return ''
    changes = [100 * row['AP'] - before for row, before in pairs]
    sizes = [abs(change) for change in changes]
    names = ', '.join(sorted({row['device'] for row, _ in pairs}))
    return (
        f'{_count(len(pairs), "tuning run")} repeated on {names}: AP changed by '
        f'{mean(sizes):.1f} on average and {max(sizes):.1f} at most (with the sign, by '
        f'{mean(changes):+.1f} on average).\n'
    )


def coverage(groups: Groups, variants: list[dict]) -> str:
    """What is planned and not there yet; '' if everything is there."""
    lines, planned, done = [], 0, 0
    for detector, (losses, seeds) in PLAN.items():
        found = {
            loss: [len(groups.get((detector, d, loss), {}).keys() & set(seeds)) for d in DATASETS]
            for loss in losses
        }
        planned += len(losses) * len(DATASETS) * len(seeds)
        done += sum(map(sum, found.values()))
        if not any(map(sum, found.values())):
            lines.append(f'{DETECTORS[detector]}: no runs.')
            continue
        parts = []
        for loss, numbers in found.items():
            if min(numbers) < len(seeds):
                done_seeds = ' to '.join(map(str, sorted({min(numbers), max(numbers)})))
                text = f'{done_seeds} of {len(seeds)} seeds' if any(numbers) else 'no runs'
                parts.append(f'{LOSSES[loss].title} {text}')
        if parts:
            lines.append(f'{DETECTORS[detector]}, on each dataset: {"; ".join(parts)}.')
    if not variants:
        lines.append('Changes to a loss: no runs.')
    if not lines:
        return ''
    items = ''.join(f'- {line}\n' for line in lines)
    return f'**Not complete**: {done} of {planned} planned runs are done.\n\n{items}'


def verdict(groups: Groups, detector: str) -> str:
    """For each loss, on how many datasets it is ahead of the baseline."""
    datasets = compared_datasets(groups, detector)
    lines = []
    for loss in LOSSES:
        found = [differences(groups, detector, dataset, loss) for dataset in datasets]
        found = [list(numbers.values()) for numbers in found if numbers]
        if loss == BASELINE or not found:
            continue
        ahead = sum(mean(numbers) > EQUAL for numbers in found)
        always = sum(count_ahead(numbers) == len(numbers) for numbers in found)
        intervals = [confidence_interval(numbers) for numbers in found if has_interval(numbers)]
        line = (
            f'- **{LOSSES[loss].title}** is ahead by the mean on {ahead} of {len(found)} '
            f'datasets, in every seed on {always}; the interval is above zero on '
            f'{sum(low > 0 for low, _ in intervals)}, below zero on '
            f'{sum(high < 0 for _, high in intervals)}.'
        )
        means = mean_differences(groups, detector, loss)
        if means and len(datasets) > 1:
            line += f' Over the {len(datasets)} datasets: {describe_differences(means)}.'
            if LOSSES[loss].ranks:
                line += f' {_judgement(groups, detector, loss, ahead, always, means)}.'
        lines.append(f'{line}\n')
    return ''.join(lines)


def _judgement(
    groups: Groups, detector: str, loss: str, ahead: int, always: int, means: dict[int, float]
) -> str:
    """Whether a loss reached the target; open until all its planned runs are done."""
    seeds = set(PLAN[detector][1])
    for dataset in DATASETS:
        if not seeds <= differences(groups, detector, dataset, loss).keys():
            return 'Target: open, runs are missing'
    gain = mean(means.values())
    reached = ahead == len(DATASETS) and always >= len(DATASETS) - 1 and gain >= TARGET - EQUAL
    return f'Target: {"" if reached else "not "}reached'


def tuning_notes(tuned: dict[str, Run]) -> str:
    """Which losses chose a value at the edge of those tried; '' if none did."""
    rates, settings = [], []
    for loss, run in tuned.items():
        if run.lr in (min(LEARNING_RATES), max(LEARNING_RATES)):
            rates.append(f'{LOSSES[loss].title} ({run.lr:g})')
        values = sorted(LOSSES[loss].values)
        if run.setting.partition('=')[2] in (f'{values[0]:g}', f'{values[-1]:g}'):
            settings.append(f'{LOSSES[loss].title} ({run.setting.partition("=")[2]})')
    edges = (('learning rate', rates), ('setting', settings))
    notes = '; '.join(f'the best {name} of {", ".join(x)}' for name, x in edges if x)
    text = 'At an edge of the values tried, so a value beyond may be better'
    return f'{text}: {notes}.\n' if notes else ''


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
