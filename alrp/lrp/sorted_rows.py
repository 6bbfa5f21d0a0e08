"""The class tables of one or two detectors as one sorted table."""

from typing import Any


def sorted_rows(
    tables: list[list[dict[str, Any]]], error: str, sort: str, ascending: bool
) -> list[dict[str, Any]]:
    """Rows of the first table, by a column, undefined values last.

    Args:
        tables (list[list[dict]]): One table, or two with the same classes in the same order. Rows
            have ``class`` and ``error``.
        error (str): The column to compare, ``oLRP`` or ``LRP``.
        sort (str): The column to sort by. Ties are in the order of ``class``.
        ascending (bool): Whether the lowest value comes first.

    Returns:
        list[dict]: Rows of the first. With two tables also ``other_oLRP`` (or ``other_LRP``) and
        ``difference``, the second minus the first.
    """
    rows, *others = tables
    for other in others:
        for row, theirs in zip(rows, other):
            row[f'other_{error}'] = theirs[error]
            row['difference'] = theirs[error] - row[error]
    rows = sorted(rows, key=lambda row: row['class'])
    ranked = [row for row in rows if row[sort] == row[sort]]
    ranked.sort(key=lambda row: row[sort], reverse=not ascending)
    return ranked + [row for row in rows if row[sort] != row[sort]]
