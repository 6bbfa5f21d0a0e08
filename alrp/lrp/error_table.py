"""Errors by type as tables."""

from typing import Any

import numpy as np

from .errors import PARTS, Errors

COLUMNS = 'error', 'meaning', 'count', 'dAP50', 'oLRP'
TOTALS = dict(FalsePos='all false positives', FalseNeg='all objects without a match')


def type_rows(errors: Errors) -> list[dict[str, Any]]:
    """One row per type of error, and the sums. NaN means undefined.

    Args:
        errors (Errors): Of K classes.

    Returns:
        list[dict]: Rows of ``error``; ``meaning``; ``count``, in all detections; ``dAP50``, the
        gain in AP at an IoU of 0.5; and ``oLRP``, the share in oLRP at the LRP-optimal thresholds.
    """
    counts = dict(zip([*PARTS][1:], errors.counts.sum(axis=0).tolist()))
    counts['Box'] = int(errors.outcomes.true_positive.sum())
    counts['FalsePos'] = int(errors.outcomes.false_positive.sum())
    num_objects = int(errors.evaluation.matches.num_objects[:, 0].sum())
    counts['FalseNeg'] = num_objects - counts['Box']
    shares = errors.mean_lrp
    undefined = float('nan')
    rows = [
        (name, meaning, counts[name], errors.dap.get(name, undefined), shares.get(name, undefined))
        for name, meaning in (PARTS | TOTALS).items()
    ]
    return [dict(zip(COLUMNS, row)) for row in rows]


def compared_rows(first: Errors, other: Errors) -> list[dict[str, Any]]:
    """The ``type_rows`` of two detectors side by side.

    Args:
        first (Errors): Of one detector.
        other (Errors): Of another, on the same images.

    Returns:
        list[dict]: Rows of ``error``, ``meaning``, each number of ``first`` and, as ``other_count``
        and so on, of ``other``, and ``difference``, of ``oLRP``, other minus first.
    """
    rows = []
    for row, of_other in zip(type_rows(first), type_rows(other)):
        numbers = {
            name: values[column]
            for column in COLUMNS[2:]
            for name, values in ((column, row), (f'other_{column}', of_other))
        }
        difference = dict(difference=of_other['oLRP'] - row['oLRP'])
        rows.append({'error': row['error'], 'meaning': row['meaning']} | numbers | difference)
    return rows


def class_rows(errors: Errors) -> dict[Any, dict[str, float]]:
    """The share of each type in the oLRP of each class, by the id of the class, and ``oLRP``."""
    return {
        category_id: dict(zip(PARTS, parts)) | dict(oLRP=float(np.sum(parts)))
        for category_id, parts in zip(errors.evaluation.category_ids, errors.lrp.tolist())
    }


def confusions(errors: Errors, limit: int) -> list[dict[str, Any]]:
    """The most frequent confusions of two classes, at the LRP-optimal thresholds.

    Args:
        errors (Errors): Of K classes.
        limit (int): The greatest number of rows.

    Returns:
        list[dict]: Rows of ``object`` and ``detected``, names of classes, ``count``, and ``share``
        of the objects of the class.
    """
    matrix = errors.confusion[:-1, :-1].copy()
    np.fill_diagonal(matrix, 0)
    names = errors.evaluation.category_names
    num_objects = errors.evaluation.matches.num_objects[:, 0]
    order = np.argsort(-matrix, axis=None, kind='stable')[:limit]
    rows, columns = np.unravel_index(order, matrix.shape)
    return [
        dict(
            object=names[row],
            detected=names[column],
            count=int(matrix[row, column]),
            share=float(matrix[row, column] / num_objects[row]),
        )
        for row, column in zip(rows.tolist(), columns.tolist())
        if matrix[row, column]
    ]
