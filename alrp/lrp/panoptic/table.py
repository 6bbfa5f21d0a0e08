"""Panoptic results by class and by group, as rows of a table."""

from typing import Any

from ..sorted_rows import sorted_rows
from .evaluate import MEASURES, PanopticEvaluation

COLUMNS = 'class', 'kind', 'objects', 'predictions', *MEASURES
COMPARED = 'other_LRP', 'difference'


def describe(evaluations: list[PanopticEvaluation]) -> str:
    """What was evaluated, in one line: the task, and numbers of images, objects, predictions."""
    first = evaluations[0]
    predictions = ' and '.join(f'{e.num_predictions.sum():,}' for e in evaluations)
    return (
        f'Panoptic segmentation: {first.num_images:,} images, {first.num_objects.sum():,} objects, '
        f'{predictions} predictions, without crowds and ignored predictions'
    )


def class_table(evaluation: PanopticEvaluation) -> list[dict[str, Any]]:
    """One row per class, by ascending id. NaN means undefined.

    Args:
        evaluation (PanopticEvaluation): Of K classes.

    Returns:
        list[dict]: K rows of ``id``, ``class``, ``kind`` (``thing`` or ``stuff``), ``objects`` and
        ``predictions``, without crowds and ignored ones, and the values in ``MEASURES``, all NaN
        for a class without objects and predictions.
    """
    values = evaluation.per_category()
    rows = []
    for k, (category_id, name) in enumerate(
        zip(evaluation.category_ids, evaluation.category_names)
    ):
        objects, predictions = evaluation.num_objects[k], evaluation.num_predictions[k]
        rows.append(
            {
                'id': category_id,
                'class': name,
                'kind': 'thing' if evaluation.isthing[k] else 'stuff',
                'objects': int(objects),
                'predictions': int(predictions),
                **{
                    measure: float(values[measure][k]) if objects + predictions else float('nan')
                    for measure in MEASURES
                },
            }
        )
    return rows


def class_rows(evaluations: list[PanopticEvaluation], sort: str = 'LRP') -> list[dict[str, Any]]:
    """The class table, worst first by a column, undefined values last.

    Args:
        evaluations (list[PanopticEvaluation]): One, or two on the same ground truth.
        sort (str): One of ``COLUMNS``, or with two evaluations of ``COMPARED``.

    Returns:
        list[dict]: Rows of the first. With two evaluations also ``other_LRP`` and ``difference``,
        the second minus the first.
    """
    ascending = sort in ('class', 'kind', 'PQ', 'SQ', 'RQ')
    return sorted_rows([*map(class_table, evaluations)], 'LRP', sort, ascending)


def summary_rows(evaluations: dict[str, PanopticEvaluation]) -> list[list[Any]]:
    """The summary as a table, header first.

    Args:
        evaluations (dict[str, PanopticEvaluation]): One by name, or two.

    Returns:
        list[list]: Of one evaluation, a row per value with a column per group. Of two, a row per
        value and group, such as ``PQ_th``, with a column for each, and the difference, the second
        minus the first.
    """
    if len(evaluations) == 1:
        (summary,) = (evaluation.summary for evaluation in evaluations.values())
        names = [*MEASURES, 'n']
        return [
            ['', *summary],
            *([name, *(group[name] for group in summary.values())] for name in names),
        ]
    first, second = (evaluation.values() for evaluation in evaluations.values())
    return [
        ['', *evaluations, 'difference'],
        *([name, first[name], second[name], second[name] - first[name]] for name in first),
    ]
