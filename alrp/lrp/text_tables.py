"""The tables that ``alrp lrp`` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..text import format_table
from .bootstrap import CONFIDENCE, Difference, Differences
from .error_table import class_rows, compared_rows, type_rows
from .errors import Errors
from .evaluation import Evaluation
from .panoptic import PanopticEvaluation
from .panoptic import table as panoptic
from .summary import defined

INTERVAL = f'{CONFIDENCE:.0%} interval'

Row = dict[str, Any]


def print_panoptic_tables(
    evaluations: dict[str, PanopticEvaluation],
    rows: Sequence[Row],
    columns: Sequence[str],
    differences: Differences,
    errors: Sequence[Errors] = (),
) -> None:
    """Print the summary and the table of classes. Takes the arguments of ``print_tables``."""
    print(panoptic.describe([*evaluations.values()]))
    table = panoptic.summary_rows(evaluations)
    if differences:
        table[0].append(INTERVAL)
        for row in table[1:]:
            row.append(_interval_of(differences[row[0]]))
    _print_table(table)
    _print_better(evaluations, differences)
    print()
    _print_rows(columns, rows)


def print_tables(
    evaluations: dict[str, Evaluation],
    rows: Sequence[Row],
    columns: Sequence[str],
    differences: Differences,
    errors: Sequence[Errors],
) -> None:
    """Print the summary, any errors, and the table of classes.

    Args:
        evaluations (dict[str, Evaluation]): One or two, by the names of their files.
        rows (Sequence[dict]): The table of classes.
        columns (Sequence[str]): Its columns.
        differences (dict[str, Difference]): Of the two; empty without a bootstrap.
        errors (Sequence[Errors]): Of each evaluation, or none.
    """
    first, *others = evaluations.values()
    ranks = [evaluation.matches.rank for evaluation in evaluations.values()]
    detections = ' and '.join(f'{len(rank):,}' for rank in ranks) + ' detections'
    kept = [int((rank < first.max_dets[-1]).sum()) for rank in ranks]
    if kept != [*map(len, ranks)]:
        detections += f' ({" and ".join(f"{number:,}" for number in kept)} within the limit)'
    num_objects = first.matches.num_objects[:, 0].sum()
    of_classes = ' of classes that were searched for' if first.task.federated else ''
    print(
        f'{first.task}: {first.num_images:,} images, {num_objects:,} objects, '
        f'{detections}{of_classes}, {first.task.limits(first.max_dets)}'
    )
    table: list[list[Any]] = [['', *evaluations, *(['difference'] if others else [])]]
    table[0] += [INTERVAL] if differences else []
    for name, value in first.summary.items():
        values: list[Any] = [defined(v) for v in (value, *(e.summary[name] for e in others))]
        values += [other - values[0] for other in values[1:]]
        values += [_interval_of(differences.get(name))] if differences else []
        table.append([name, *values])
    _print_table(table)
    _print_better(evaluations, differences)
    if errors:
        _print_errors([*evaluations], errors, rows)
    print()
    _print_rows(columns, rows)


def _print_better(evaluations: Mapping[str, Any], differences: Differences) -> None:
    for name, difference in differences.items():
        if name in ('AP', 'oLRP', 'PQ', 'LRP') and difference.better == difference.better:
            equal = f', equal in {difference.equal:.1%}' if difference.equal else ''
            better = f'{difference.better:.1%}{equal} of resamples'
            print(f'{name}: {[*evaluations][1]} is better in {better}')


def _print_errors(names: Sequence[str], errors: Sequence[Errors], rows: Sequence[Row]) -> None:
    """Print the table of types, and for each file their parts of the oLRP of each class."""
    print('\nErrors: count and dAP50 in all detections, oLRP at the LRP-optimal thresholds')
    of_types = compared_rows(*errors) if len(errors) > 1 else type_rows(errors[0])
    _print_rows([*of_types[0]], of_types)
    for name, found in zip(names, errors):
        print()
        if len(errors) > 1:
            print(f'Parts of oLRP, {name}:')
        parts = class_rows(found)
        head = ['class', *next(iter(parts.values()), {})]
        _print_table([head, *([row['class'], *parts[row['id']].values()] for row in rows)])


def _interval_of(difference: Difference | None) -> str:
    if difference is None or difference.low != difference.low:
        return ''
    return f'{difference.low:+.3f} to {difference.high:+.3f}'


def _print_rows(columns: Sequence[str], rows: Sequence[Row]) -> None:
    _print_table([[*columns], *([row.get(column) for column in columns] for row in rows)])


def _print_table(table: Sequence[Sequence[Any]]) -> None:
    """Print rows of numbers and text, the header first."""
    signs = ['+' if column == 'difference' else '' for column in table[0]]
    print(format_table([table[0], *([*map(_shown, row, signs)] for row in table[1:])]))


def _shown(value: str | int | float, sign: str) -> str:
    if isinstance(value, float):
        return f'{value:{sign}.3f}' if value == value else '-'
    return f'{value:,}' if isinstance(value, int) else value
