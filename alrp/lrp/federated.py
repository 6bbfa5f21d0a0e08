"""LVIS's federated annotations: which classes were searched for in which image.

An image has all objects of some classes, its positive ones, and none of others, its negative ones.
Nobody searched for the rest, so that their detections are neither right nor wrong. Classes that
are not exhaustively annotated in an image have some of their objects there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coco import ID, CocoFormatError, as_id
from ..coco.columns import not_finite, of_wrong_type
from ..text import format_list
from .iou_types import Entry
from .tasks import FREQUENCIES, LVIS_LISTS
from .types import BoolArray, IntArray


@dataclass(frozen=True)
class Federation:
    """The classes that were searched for in each of the images.

    Attributes:
        num_categories (int): K.
        searched (np.ndarray): Int64, ascending, ``image * K + category`` where the class was
            searched for, as positions.
        not_exhaustive (np.ndarray): Int64, ascending, likewise where some objects may be missing.
    """

    num_categories: int
    searched: IntArray
    not_exhaustive: IntArray

    def is_searched(self, image: IntArray, category: IntArray) -> BoolArray:
        """Whether a class was searched for in an image: (N,) and (N,) to (N,), bool.

        The category of an unknown class is -1.
        """
        known = category >= 0
        return known & _is_in(image * self.num_categories + category, self.searched)

    def is_exhaustive(self, image: IntArray, category: IntArray) -> BoolArray:
        """Whether all objects of a class in an image are annotated: (N,), (N,) to (N,), bool."""
        return ~_is_in(image * self.num_categories + category, self.not_exhaustive)


def read_federation(
    images: Mapping[Any, Entry],
    categories: Mapping[Any, Entry],
    image: IntArray,
    category: IntArray,
    where: str,
) -> Federation:
    """Read the lists of the images.

    Args:
        images (Mapping): Every image's entry by id, with both lists.
        categories (Mapping): Every category's entry by id.
        image (np.ndarray): Shape (G,), int64, position of the image of each object.
        category (np.ndarray): Shape (G,), int64, position of the category of each object.
        where (str): What to call the file in messages.

    Returns:
        Federation: The classes. Unknown ids in the lists are ignored.

    Raises:
        CocoFormatError: If a list of an image is not a list.
    """
    position = {as_id(category_id): k for k, category_id in enumerate(categories)}
    negative, not_exhaustive = (
        _codes(key, images, position, len(categories), where) for key in LVIS_LISTS
    )
    positive = image * len(categories) + category
    return Federation(len(categories), np.union1d(positive, negative), np.unique(not_exhaustive))


def read_frequencies(categories: Mapping[Any, Entry], where: str) -> list[str]:
    """The ``frequency`` of each category: ``r``, ``c`` or ``f``.

    Raises:
        CocoFormatError: If it is something else.
    """
    wrong = {i: c['frequency'] for i, c in categories.items() if c['frequency'] not in FREQUENCIES}
    if wrong:
        examples = format_list(f'{value!r} (id {i})' for i, value in wrong.items())
        known = ', '.join(f'{key} ({name})' for key, name in FREQUENCIES.items())
        raise CocoFormatError(
            where,
            [f'{len(wrong)} categories have a frequency that is none of {known}: {examples}'],
        )
    return [category['frequency'] for category in categories.values()]


def _codes(
    key: str,
    images: Mapping[Any, Entry],
    position: Mapping[Any, int],
    num_categories: int,
    where: str,
) -> IntArray:
    """``image * K + category`` for each known category in the images' lists."""
    wrong = {i: entry[key] for i, entry in images.items() if not _is_list(entry[key])}
    if wrong:
        examples = format_list(f'{value!r} (id {i})' for i, value in wrong.items())
        raise CocoFormatError(
            where, [f'{len(wrong)} images have {key} that are not a list of ids: {examples}']
        )
    codes = [
        i * num_categories + position[category_id]
        for i, entry in enumerate(images.values())
        for category_id in map(as_id, entry[key])
        if category_id in position
    ]
    return np.array(codes, dtype=np.int64)


def _is_list(value: object) -> bool:
    if not isinstance(value, list | tuple) or of_wrong_type(value, ID):
        return False
    return not not_finite([x for x in value if not isinstance(x, str)])


def _is_in(values: IntArray, known: IntArray) -> BoolArray:
    """Whether each value is among known ones, ascending: (N,) to (N,), bool."""
    if not len(known):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: BoolArray = known[place] == values
    return found
