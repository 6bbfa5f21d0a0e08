"""Segments of many images, and which pairs of them share pixels."""

from typing import Any, NamedTuple

import numpy as np

from ..types import BoolArray, FloatArray, IntArray

VOID = 0  # the id of pixels without a segment
NUM_IDS = 256**3  # an id is the colour of a pixel: R + 256 G + 65536 B


class Categories(NamedTuple):
    """K categories by ascending id."""

    ids: list[Any]
    names: list[str]
    isthing: list[bool]


class Segments(NamedTuple):
    """S segments of N images.

    ``image``, ``id`` and ``category`` are int64, and have shape (S,) as all others. ``image`` and
    ``category`` are positions, not ids. ``area``, float64, and ``crowd``, bool, come from the
    file. Predictions do not use them.
    """

    image: IntArray
    id: IntArray
    category: IntArray
    area: FloatArray
    crowd: BoolArray

    @property
    def key(self) -> IntArray:
        """One number for image and id. Shape (S,), int64."""
        return self.image * NUM_IDS + self.id

    def find(self, image: IntArray, ids: IntArray) -> IntArray:
        """Positions of the segments with these ids, -1 if there is none. Shape (P,), int64."""
        wanted = image * NUM_IDS + ids
        order = np.argsort(self.key, kind='stable')
        if not len(order):
            return np.full(len(wanted), -1)
        found = order[np.searchsorted(self.key, wanted, sorter=order).clip(max=len(order) - 1)]
        return np.where(self.key[found] == wanted, found, -1)


class Overlaps(NamedTuple):
    """P pairs of ids that share pixels of an image. Arrays of shape (P,), int64.

    Every pixel is counted once. The ids need not belong to segments.
    """

    image: IntArray
    truth_id: IntArray
    result_id: IntArray
    pixels: IntArray
