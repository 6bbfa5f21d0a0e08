"""Repairs values of COCO-format annotations that can be read in one way only.

Exporters write numbers as text, and null or 0 where they know no number.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite, nan
from numbers import Integral
from typing import Any

from ..text import format_list, parse_flag
from .columns import NUMBER, malformed_boxes, not_finite, of_wrong_type, present, repeated
from .entries import Entries, Entry

NUMERAL = re.compile(r'\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*')
WHOLE = re.compile(r'-?[0-9]+(\.0*)?')
REFERENCES = dict(images='image_id', categories='category_id')


@dataclass(frozen=True)
class Repair:
    """A kind of value that was repaired.

    Attributes:
        key (str): The key of the values.
        text (str): What was wrong, and how it was read.
        labels (tuple[str, ...]): What messages call the entries.
    """

    key: str
    text: str
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f'{self.text} ({len(self.labels)}x: {format_list(self.labels)})'


def repair(content: dict[str, Any], any_area: bool = False) -> tuple[dict[str, Any], list[Repair]]:
    """Repair ids, sizes of images, boxes, areas and flags.

    Args:
        content (dict): COCO-format annotations, whose lists hold dicts. Is not changed.
        any_area (bool): Whether an ``area`` of 0 or less is usable.

    Returns:
        tuple[dict, list[Repair]]: The content with repaired entries, and what was repaired. A
        ``width``, ``height``, ``area``, ``iscrowd``, ``ignore`` or ``id`` of an annotation without
        a usable value is removed, so that it counts as missing.
    """
    lists = {
        key: _Editor(content[key], key)
        for key in ('images', 'categories', 'annotations')
        if isinstance(content.get(key), list)
    }
    annotations = lists.get('annotations')
    for key, reference in REFERENCES.items():
        _repair_ids([(lists.get(key), 'id'), (annotations, reference)])
    if 'images' in lists:
        for key in ('width', 'height'):
            lists['images'].replace(key, _not_positive, _positive)
    if 'categories' in lists:
        lists['categories'].replace('name', _numbers, _as_text)
    if annotations is not None:
        annotations.replace('id', _no_ids, lambda _: (None, 'that is null or not finite: ignored'))
        _repair_polygons(annotations)
        _repair_boxes(annotations)
        if any_area:
            annotations.replace('area', _not_numbers, _finite)
        else:
            annotations.replace('area', _not_positive, _positive)
        for flag in ('iscrowd', 'ignore'):
            annotations.replace(flag, _not_flags, _flag)
    edited = {key: editor.entries for key, editor in lists.items() if editor.found}
    repairs = [
        Repair(key, text, tuple(labels))
        for editor in lists.values()
        for (key, text), labels in editor.found.items()
    ]
    return {**content, **edited}, repairs


def as_id(value: Any) -> Any:
    """The number that an id spells: 1 of ``'1'``, ``'1.0'`` and ``'0001'``; other ids unchanged."""
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        return int(value.partition('.')[0])
    return value


class _Editor:
    """Changes entries of a list, in copies, and records what was changed."""

    def __init__(self, entries: list[Entry], name: str):
        self.original = entries
        self.entries = list(entries)
        self.name = name
        self.found: dict[tuple[str, str], list[str]] = {}
        self._labels = Entries(entries, name)

    def set(self, position: int, key: str, value: Any, text: str) -> None:
        """Set a value, or remove it if it is None."""
        if self.entries[position] is self.original[position]:
            self.entries[position] = dict(self.original[position])
        if value is None:
            self.entries[position].pop(key, None)
        else:
            self.entries[position][key] = value
        self.found.setdefault((key, text), []).append(self._labels.label(position))

    def replace(
        self,
        key: str,
        find: Callable[[Sequence[Any]], list[int]],
        read: Callable[[Any], tuple[Any, str]],
    ) -> None:
        """Replace the values that ``find`` returns by what ``read`` makes of them."""
        positions, values = present(self.entries, key)
        for i in find(values):
            value, reason = read(values[i])
            self.set(positions[i], key, value, f'{self.name} with {key!r} {reason}')


def _repair_ids(columns: list[tuple[_Editor | None, str]]) -> None:
    """Make ids numbers if some are numbers and others text, and the ids stay distinct."""
    found = [
        (editor, key, *present(editor.entries, key))
        for editor, key in columns
        if editor is not None
    ]
    kinds = {kind for *_, values in found for kind in set(map(type, values))}
    if str not in kinds or len(kinds) == 1:
        return
    for editor, key, positions, values in found:
        numbers = [as_id(value) for value in values]
        if key == 'id' and len(repeated(map(repr, numbers))) > len(repeated(map(repr, values))):
            return  # ids such as '1' and 1
        for i, number, value in zip(positions, numbers, values):
            if number is not value:
                text = f'{editor.name} with {key!r} written as text: read as a number'
                editor.set(i, key, number, text)


def box_of_polygons(polygons: object) -> list[float] | None:
    """The box x, y, width, height around polygons; None if they are not lists of coordinates."""
    if not isinstance(polygons, list) or not polygons:
        return None
    if not all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in polygons):
        return None
    xs, ys = ([*chain.from_iterable(p[axis::2] for p in polygons)] for axis in (0, 1))
    if of_wrong_type(xs + ys, NUMBER) or not_finite(xs + ys):
        return None
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _no_ids(values: Sequence[Any]) -> list[int]:
    if not {type(None), float} & set(map(type, values)):
        return []
    return [i for i, x in enumerate(values) if x is None or (type(x) is float and not isfinite(x))]


def _repair_polygons(annotations: _Editor) -> None:
    masks = [
        (i, polygons)
        for i, polygons in zip(*present(annotations.entries, 'segmentation'))
        if isinstance(polygons, list) and {list}.issuperset(map(type, polygons))
    ]
    coordinates = chain.from_iterable(chain.from_iterable(polygons for _, polygons in masks))
    if str not in set(map(type, coordinates)):
        return
    for i, polygons in masks:
        numbers = [_read_numbers(polygon) for polygon in polygons]
        if numbers != polygons and None not in [*chain.from_iterable(numbers)]:
            text = "annotations with 'segmentation' written as text: read as numbers"
            annotations.set(i, 'segmentation', numbers, text)


def _read_numbers(values: Sequence[Any]) -> list[Any]:
    """Numbers, also of texts; None for a text that is not a number."""
    return [_number(x) if isinstance(x, str) else x for x in values]


def _repair_boxes(annotations: _Editor) -> None:
    for i, annotation in enumerate(annotations.entries):
        bbox = annotation.get('bbox')
        if bbox is None or (isinstance(bbox, list | tuple | str) and not bbox):
            box = box_of_polygons(annotation.get('segmentation'))
            if box is not None:
                text = "annotations without 'bbox': set to the box around the polygons"
                annotations.set(i, 'bbox', box, text)
    positions, boxes = present(annotations.entries, 'bbox')
    for i in malformed_boxes(boxes):
        box = _parsed(boxes[i])
        if isinstance(box, list | tuple):
            numbers = _read_numbers(box)
            if not malformed_boxes([numbers]):
                text = "annotations with 'bbox' written as text: read as numbers"
                annotations.set(positions[i], 'bbox', numbers, text)


def _parsed(value: Any) -> Any:
    """The list that a text such as ``'[1, 2, 3, 4]'`` spells; other values unchanged."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _numbers(values: Sequence[Any]) -> list[int]:
    return [i for i, value in enumerate(values) if type(value) is int]


def _as_text(value: Any) -> tuple[str, str]:
    return str(value), 'written as a number: read as text'


def _not_positive(values: Sequence[Any]) -> list[int]:
    wrong = of_wrong_type(values, NUMBER) or not_finite(values)
    if not wrong and min(values, default=1) > 0:
        return []
    return [
        i
        for i, value in enumerate(values)
        if of_wrong_type([value], NUMBER) or not_finite([value]) or value <= 0
    ]


def _positive(value: Any) -> tuple[float | None, str]:
    number = _number(value) if isinstance(value, str) else None
    if number is not None and number > 0:
        return number, 'written as text: read as a number'
    return None, 'that is not a positive number: ignored'


def _not_numbers(values: Sequence[Any]) -> list[int]:
    return of_wrong_type(values, NUMBER) or not_finite(values)


def _finite(value: Any) -> tuple[float | None, str]:
    number = _number(value) if isinstance(value, str) else None
    if number is not None:
        return number, 'written as text: read as a number'
    return None, 'that is not a finite number: ignored'


def _not_flags(values: Sequence[Any]) -> list[int]:
    odd = of_wrong_type(values, (int, Integral, bool))
    return [i for i in odd if type(values[i]).__name__ != 'bool_']  # NumPy's


def _flag(value: Any) -> tuple[int | None, str]:
    flag = parse_flag(value) if isinstance(value, str) else None
    if flag is not None:
        return int(flag), 'written as text: read as 0 or 1'
    return None, 'of unknown meaning: read as 0'


def _number(text: str) -> float | None:
    """The finite number that a text spells, or None."""
    number = float(text) if NUMERAL.fullmatch(text) else nan
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() else number
