"""Finds bad values in a column: one key of every entry of a list.

Each function looks at the whole column with built-ins that loop in C, and visits single entries
only if something is wrong. Positions count from 0.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence, Set
from itertools import chain
from math import isfinite
from numbers import Real
from operator import itemgetter
from typing import Any

Types = tuple[type, ...]  # accepted types of a value

ID: Types = (Real, str)
NUMBER: Types = (Real,)
TEXT: Types = (str,)
ANYTHING: Types = (object,)


def present(entries: Sequence[dict[str, Any]], key: str) -> tuple[Sequence[int], list[Any]]:
    """Positions of the entries that have ``key``, and their values."""
    try:
        return range(len(entries)), list(map(itemgetter(key), entries))
    except KeyError:
        having = [i for i, entry in enumerate(entries) if key in entry]
        return having, [entries[i][key] for i in having]


def of_wrong_type(values: Sequence[object], types: Types) -> list[int]:
    """Positions of the values of another type.

    A bool is not a number unless ``types`` has it. A float such as 1.0 is an ``int``.
    """
    wrong = {kind for kind in set(map(type, values)) if not _is_accepted(kind, types)}
    if not wrong:
        return []
    found = [i for i, value in enumerate(values) if type(value) in wrong]
    if int in types:
        found = [i for i in found if not _is_whole(values[i])]
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _is_accepted(kind: type, types: Types) -> bool:
    if kind is bool:
        return bool in types or object in types
    return issubclass(kind, types)


def not_finite(numbers: Sequence[float]) -> list[int]:
    """Positions of the numbers that are NaN, infinite, or too large for a float."""
    try:
        if isfinite(sum(numbers)):  # one NaN or infinity makes the sum NaN or infinite
            return []
    except OverflowError:
        pass
    return [i for i, number in enumerate(numbers) if not _is_finite(number)]


def _is_finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:
        return False


def repeated(values: Iterable[Hashable]) -> list[Hashable]:
    """The values that occur more than once, each listed once."""
    return [value for value, count in Counter(values).items() if count > 1]


def unknown(values: Sequence[object], known: Set[object]) -> list[int]:
    """Positions of the values that are not in ``known``."""
    try:
        if set(values) <= known:
            return []
    except TypeError:  # a value is not hashable
        pass
    return [i for i, value in enumerate(values) if not _is_known(value, known)]


def _is_known(value: object, known: Set[object]) -> bool:
    try:
        return value in known
    except TypeError:
        return False


def malformed_boxes(boxes: Sequence[Any]) -> list[int]:
    """Positions of the boxes that are not four finite numbers in a list, tuple or array."""
    return malformed_lists(boxes, 4)


def malformed_lists(lists: Sequence[Any], length: int) -> list[int]:
    """Positions of what is not ``length`` finite numbers in a list, tuple or array."""
    if all(map(_is_array_or_list, set(map(type, lists)))) and _have_length(lists, length):
        numbers = list(chain.from_iterable(lists))
        bad = of_wrong_type(numbers, NUMBER) or not_finite(numbers)
        return sorted({i // length for i in bad})
    good = [
        i
        for i, values in enumerate(lists)
        if _is_array_or_list(type(values)) and _have_length([values], length)
    ]
    bad_numbers = malformed_lists([lists[i] for i in good], length)
    return sorted({*range(len(lists))} - {*good} | {good[i] for i in bad_numbers})


def _have_length(lists: Sequence[Any], length: int) -> bool:
    try:
        return set(map(len, lists)) <= {length}
    except TypeError:  # an array without dimensions
        return False


def _is_array_or_list(kind: type) -> bool:
    return issubclass(kind, list | tuple) or (
        hasattr(kind, '__array__') and hasattr(kind, '__len__')
    )
