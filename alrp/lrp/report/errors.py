"""The sections of the report about types of errors."""

from typing import Any

import numpy as np

from ..error_table import confusions, type_rows
from ..errors import Errors
from ..types import IntArray
from .pictures import make_pictures

MAX_CLASSES, MAX_CONFUSIONS = 60, 8


def error_content(errors: Errors, images: str | None, folder: str) -> dict[str, Any]:
    """What the template ``errors.html`` shows.

    Args:
        errors (Errors): Of K classes.
        images (str, optional): The folder of the images. Without it, there are no pictures.
        folder (str): The folder of the report.

    Returns:
        dict: ``types``, ``confused``, ``omitted``, ``matrix``, ``confusions`` and ``pictures``.
    """
    matrix, names = errors.confusion, errors.evaluation.category_names
    chosen = most_confused(matrix)
    shown = np.append(chosen, len(names))
    totals = np.maximum(matrix.sum(axis=1), 1)
    cells = [
        [dict(count=int(matrix[i, j]), share=float(matrix[i, j] / totals[i])) for j in shown]
        for i in shown.tolist()
    ]
    return dict(
        types=type_rows(errors),
        confused=[names[i] for i in chosen.tolist()],
        omitted=len(names) - len(chosen),
        matrix=cells,
        confusions=confusions(errors, MAX_CONFUSIONS),
        pictures=None if images is None else make_pictures(errors, images, folder),
    )


def most_confused(matrix: IntArray) -> IntArray:
    """Positions of the classes to show, ascending: all, or if they are too many, the confused ones.

    Args:
        matrix (np.ndarray): Shape (K + 1, K + 1), the last row and column for no class.

    Returns:
        np.ndarray: At most ``MAX_CLASSES`` positions.
    """
    wrong = matrix[:-1, :-1].copy()
    np.fill_diagonal(wrong, 0)
    count = wrong.sum(axis=0) + wrong.sum(axis=1)
    if len(count) <= MAX_CLASSES:
        return np.arange(len(count))
    order = np.argsort(-count, kind='stable')[:MAX_CLASSES]
    return np.sort(order[count[order] > 0])
