"""Compares the categories of an annotation file with the classes of a dataset."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from alrp.text import counted, format_list


def category_problems(names: Sequence[str | None], classes: tuple[str, ...]) -> list[str]:
    """Differences that make MMDetection read other classes than were meant.

    Args:
        names (Sequence[str | None]): Names of the categories in the order of the file.
        classes (tuple[str, ...]): The dataset's classes.

    Returns:
        list[str]: At most one sentence.
    """
    unknown = [name for name in classes if name not in names]
    used = [name for name in names if name in classes]
    if unknown:
        unused = unused_categories(names, classes)
        similar = _similar(unknown, unused)
        count = counted(len(unknown), 'has', 'have', f'of the {len(classes)} classes')
        typo = f'Did you mean {format_list(similar)}? Case matters. ' if similar else ''
        return [
            f'{count} no category of this name: {format_list(unknown)}. Categories of the file '
            f'that are not classes: {format_list(unused, 20) or "none"}. {typo}To use the '
            f'categories of the file, set in the dataset: {_metainfo(names)}'
        ]
    if not all(map(str.strip, classes)):
        return ['a class has no name: name its category and the class']
    if len(used) > len(classes):
        repeated = [name for name, count in Counter(used).items() if count > 1]
        return [f'categories share a name: {format_list(repeated)}. Give each its own name']
    if tuple(used) != classes:
        return [
            'the classes are in another order than the categories of the file, and MMDetection '
            f'numbers labels by the latter. Set in the dataset: {_metainfo(used)}, and use the '
            'same order in all annotation files'
        ]
    return []


def root_category(
    categories: Sequence[dict[str, Any]], annotations: Iterable[dict[str, Any]]
) -> dict[str, Any] | None:
    """The category that only groups the others, as in exports of Roboflow; None if there is none.

    It has no objects, and it is the ``supercategory`` of all others.
    """
    if len(categories) < 2:
        return None
    used = {annotation.get('category_id') for annotation in annotations}
    for root in categories:
        name, others = root.get('name'), (c for c in categories if c is not root)
        groups_all = name is not None and all(c.get('supercategory') == name for c in others)
        if groups_all and root.get('id') not in used:
            return root
    return None


def unused_categories(names: Sequence[str | None], classes: tuple[str, ...]) -> list[str | None]:
    """The categories that are not classes."""
    return [name for name in names if name not in classes]


def _similar(unknown: Sequence[str], unused: Sequence[str | None]) -> list[str]:
    """Pairs of a class and the category that it may have been meant to be."""
    by_lower = {str(name).lower(): name for name in unused}
    close = {name: get_close_matches(name.lower(), by_lower, n=1) for name in unknown}
    return [f'{by_lower[match[0]]!r} for {name!r}' for name, match in close.items() if match]


def _metainfo(names: Sequence[str | None]) -> str:
    return f'metainfo=dict(classes=({", ".join(map(repr, names))},))'
