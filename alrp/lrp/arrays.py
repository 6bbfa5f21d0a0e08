"""Boxes as arrays, one per key, instead of one dict per detection.

This is a short cut for input without problems. Anything odd goes the way of entries, which has all
messages and repairs.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, cast

import numpy as np

from ..coco import CocoFormatError, load_json
from .stream import read_list_in_parts
from .types import Array, IntArray, index_type

REFERENCES = 'image_id', 'category_id'
COLUMNS = *REFERENCES, 'score', 'bbox'
DIMENSIONS = dict(bbox=2, keypoints=2)  # of other columns 1
ROWS_AT_ONCE = 1 << 18

Columns = dict[str, Array]


def as_array(value: Any, where: str) -> Array:
    """An array from a tensor on any device, an array or nested lists.

    Raises:
        ValueError: If it does not have numbers.
    """
    if hasattr(value, 'detach'):
        value = value.detach().cpu()
        if str(value.dtype) == 'torch.bfloat16':  # NumPy has no such type
            value = value.float()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{where}: expected numbers ({error})') from error
    if array.dtype.kind not in 'biuf':
        raise ValueError(f'{where}: expected numbers, got {type(value).__name__} {value!r:.80}')
    return array


def is_columns(results: object) -> bool:
    """Whether results are a dict of arrays, not the content of a file."""
    return isinstance(results, Mapping) and 'score' in results


def columns_from(results: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """Check a dict of arrays.

    Args:
        results (Mapping): Arrays, tensors or lists: ``image_id``, ``category_id`` and ``score``
            (N,), and ``bbox`` (N, 4), ``keypoints`` (N, 3 * K) or (N, K, 3), or a list of N masks,
            ``segmentation``. Ids may be text. Other keys are left out.
        key (str): The key of the regions that are needed.
        where (str): What to call the results in messages.

    Returns:
        dict[str, np.ndarray]: The columns; ids that are text and masks are lists.

    Raises:
        CocoFormatError: If a key is missing or a shape is wrong.
        ValueError: If a column does not have numbers.
    """
    names = list(dict.fromkeys([*COLUMNS[:3], key, *(['bbox'] if 'bbox' in results else [])]))
    lacking = [name for name in names if name not in results]
    if lacking:
        text = f'no array {", ".join(map(repr, lacking))}; there are {", ".join(map(str, results))}'
        raise CocoFormatError(where, [text])
    columns = {name: _column(results[name], name, where) for name in names}
    if columns['score'].ndim != 1:
        raise CocoFormatError(
            where,
            [
                f"'score' must have the shape (N,), got {columns['score'].shape}. Pass detections "
                'that are dicts as a list'
            ],
        )
    count = len(columns['score'])
    problems = []
    for name, column in columns.items():
        shape: tuple[int, ...] = np.shape(column) if name != 'segmentation' else (len(column),)
        dimensions = DIMENSIONS.get(name, 1)
        if len(shape) != dimensions or shape[0] != count or (name == 'bbox' and shape[1] != 4):
            width = {'bbox': '4', 'keypoints': '3 * K'}.get(name, '')
            problems.append(
                f'{name!r} must have the shape ({count}, {width}), as there are {count} scores, '
                f'got {shape}'
            )
    if problems:
        raise CocoFormatError(where, problems)
    return columns


def _column(value: Any, name: str, where: str) -> Any:
    if name == 'segmentation':
        return list(value)
    if name in REFERENCES and not hasattr(value, 'detach'):
        values = value if isinstance(value, Sequence) else np.atleast_1d(value)
        if len(values) and isinstance(values[0], str):
            return [str(x) for x in values]
    array = as_array(value, f'{where}, {name!r}')
    if name == 'keypoints' and array.ndim == 3:
        return array.reshape(len(array), -1)
    if name in DIMENSIONS and array.size == 0 and array.ndim == 1:  # as of an empty list
        return array.reshape(0, 4)
    return array


class Rows(Sequence[dict[str, Any]]):
    """Columns, seen as one dict per detection, made when it is asked for."""

    def __init__(self, columns: dict[str, Any]):
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns['score'])

    def __getitem__(self, i: Any) -> Any:
        values = ((name, column[i]) for name, column in self.columns.items())
        return {name: x.tolist() if hasattr(x, 'tolist') else x for name, x in values}


def columns_of_entries(entries: Sequence[Any]) -> Columns | None:
    """Columns of boxes from dicts, if all values are Python's numbers; else None."""
    try:
        image_id, category_id, score, boxes = (list(map(itemgetter(k), entries)) for k in COLUMNS)
        if set(map(type, entries)) - {dict} or set(map(type, boxes)) - {list, tuple}:
            return None
        if set(map(type, chain(image_id, category_id))) - {int}:
            return None
        if set(map(len, boxes)) - {4}:
            return None
        numbers = list(chain.from_iterable(boxes))
        if set(map(type, chain(score, numbers))) - {int, float}:
            return None
        return dict(
            image_id=np.fromiter(image_id, np.int64, len(entries)),
            category_id=np.fromiter(category_id, np.int64, len(entries)),
            score=np.fromiter(score, np.float64, len(entries)),
            bbox=np.fromiter(numbers, np.float64, len(numbers)).reshape(-1, 4),
        )
    except (KeyError, TypeError, IndexError, OverflowError):
        return None


def columns_of_file(path: str | os.PathLike[str]) -> Columns | None:
    """Columns of boxes from a file of results, read in parts; None if it has anything else.

    Raises:
        OSError: If the file cannot be opened.
    """
    columns = {
        name: np.empty((0, 4) if name == 'bbox' else 0, float if name in COLUMNS[2:] else np.int64)
        for name in COLUMNS
    }
    end = 0
    try:
        for entries in read_list_in_parts(path):
            part = columns_of_entries(entries)
            if part is None:
                return None
            start, end = end, end + len(entries)
            for name, values in part.items():
                if end > len(columns[name]):  # memory that is not written to is not used
                    grown = np.empty((2 * end, *values.shape[1:]), values.dtype)
                    grown[:start] = columns[name][:start]
                    columns[name] = grown
                columns[name][start:end] = values
    except ValueError:
        return None
    return {name: values[:end] for name, values in columns.items()}


def first_entries(results: object, name: str) -> Any:
    """The first entries of results, which show their keys: of a file, its content, or of columns.

    A file that cannot be read in parts is read whole. ``name`` is what to call its content.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: If the file is not JSON.
    """
    if is_columns(results):
        columns = cast(Mapping[str, Any], results)
        return [dict.fromkeys(columns)] if np.size(columns['score']) else []
    if isinstance(results, str | os.PathLike):
        with contextlib.suppress(ValueError):
            return next(read_list_in_parts(results))
    return load_json(results, name)[0]


def positions(values: Array, known: Sequence[Any], may_be_unknown: bool) -> IntArray | None:
    """Positions of ids among known ones, -1 for unknown ones if these are allowed: (N,) to (N,).

    Args:
        values (np.ndarray): Shape (N,).
        known (Sequence): Ids, ascending.
        may_be_unknown (bool): Whether unknown ids are allowed.

    Returns:
        np.ndarray | None: int32 or int64. None if an id is unknown, or if ids are not whole
        numbers of 64 bits.
    """
    if values.dtype.kind not in 'iu' or set(map(type, known)) - {int}:
        return None
    place = np.empty(len(values), index_type(len(known)))
    if not len(values):
        return place
    try:
        ids = np.array(known, dtype=np.int64)
    except OverflowError:
        return None
    if not len(ids):
        place[:] = -1
        return place if may_be_unknown else None
    for start in range(0, len(values), ROWS_AT_ONCE):
        part = values[start : start + ROWS_AT_ONCE]
        found = np.minimum(np.searchsorted(ids, part), len(ids) - 1)
        unknown = ids[found] != part
        if unknown.any():
            if not may_be_unknown:
                return None
            found[unknown] = -1
        place[start : start + len(part)] = found
    return place


class BoxColumns(NamedTuple):
    """N boxes without problems. The numbers are as in ``Detections``, and ``flat`` (F,) has the
    positions of boxes with a negative width or height.
    """

    image: IntArray
    category: IntArray
    score: Array
    bbox: Array
    flat: IntArray


def clean_boxes(
    columns: Columns, images: Sequence[Any], categories: Sequence[Any], may_be_unknown: bool
) -> BoxColumns | None:
    """Check columns of boxes.

    Args:
        columns (dict[str, np.ndarray]): Of N boxes.
        images (Sequence): Ids, ascending.
        categories (Sequence): Ids, ascending.
        may_be_unknown (bool): Whether categories may be unknown.

    Returns:
        BoxColumns | None: None if anything is odd: an unknown id, one that is not an integer, a
        number that is not finite, a negative score, or other units than pixels.
    """
    score, bbox = (_as_float(columns[name]) for name in COLUMNS[2:])
    if score is None or bbox is None or (score < 0).any() or _may_be_other_units(bbox):
        return None
    image = positions(columns['image_id'], images, False)
    category = positions(columns['category_id'], categories, may_be_unknown)
    if image is None or category is None:
        return None
    flat = np.flatnonzero((bbox[:, 2] < 0) | (bbox[:, 3] < 0))
    return BoxColumns(image, category, score, bbox, flat)


def _as_float(values: Any) -> Array | None:
    """Finite numbers as float, or None: shape (N, ...)."""
    parts = (values[i : i + ROWS_AT_ONCE] for i in range(0, len(values), ROWS_AT_ONCE))
    if values.dtype.kind not in 'iuf' or not all(np.isfinite(part).all() for part in parts):
        return None
    floats: Array = values if values.dtype.kind == 'f' else values.astype(np.float64)
    return floats


def _may_be_other_units(boxes: Array) -> bool:
    """Whether N boxes may be fractions or corners. True for all that ``layout_problems`` finds."""
    fractions = corners = len(boxes) > 0
    for start in range(0, len(boxes), ROWS_AT_ONCE):
        x, y, third, fourth = boxes[start : start + ROWS_AT_ONCE].T
        fractions = fractions and bool(((third <= 1.02) & (fourth <= 1.02)).all())
        corners = corners and bool(((x < third) & (y < fourth)).all())
    return fractions or corners
