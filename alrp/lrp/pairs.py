"""Pairs of a detection and an object that are close enough to match."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .iou_types import Regions
from .types import Array, BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 1 << 17  # so that their temporaries stay in the processor's cache


class Pairs(NamedTuple):
    """P pairs of a detection and an object, grouped by detection.

    Attributes:
        detection (np.ndarray): Shape (P,), int64, ascending.
        object (np.ndarray): Shape (P,), int64, ascending within a detection.
        iou (np.ndarray): Shape (P,), float64.
    """

    detection: IntArray
    object: IntArray
    iou: FloatArray


def find_pairs(
    regions: Regions,
    order: IntArray,
    group: IntArray,
    object_regions: Regions,
    objects: IntArray,
    object_group: IntArray,
    crowd: BoolArray,
    floor: float,
) -> Pairs:
    """All pairs within a group whose IoU is at least ``floor``.

    Args:
        regions (Regions): Regions of the detections.
        order (np.ndarray): Shape (D,), int64, the detections that take part.
        group (np.ndarray): Shape (D,), int64, ascending, the group of each detection.
        object_regions (Regions): Regions of the objects.
        objects (np.ndarray): Shape (G,), int64, the objects that take part.
        object_group (np.ndarray): Shape (G,), int64, ascending, the group of each object.
        crowd (np.ndarray): Shape (G,), bool, whether the object is a crowd.
        floor (float): The lowest IoU.

    Returns:
        Pairs: Positions in ``order`` and ``objects``.
    """
    found: list[tuple[IntArray, IntArray, FloatArray]] = [
        (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    ]
    known, first, count = np.unique(object_group, return_index=True, return_counts=True)
    if len(known) == 0:
        return Pairs(*found[0])
    place = np.minimum(np.searchsorted(known, group), len(known) - 1)
    meeting = np.flatnonzero(known[place] == group)
    place = place[meeting]
    count, first = count[place], first[place]
    ends = count.cumsum()

    starts = np.flatnonzero(np.diff(place, prepend=-1))  # the first detection of each group
    part = np.concatenate([[0], ends])[starts] // PAIRS_AT_ONCE
    cuts = np.append(starts[np.flatnonzero(np.diff(part, prepend=-1))], len(meeting))
    for low, high in pairwise(cuts.tolist()):
        n = count[low:high]
        mine = np.repeat(np.arange(low, high), n)
        step = first[low:high] - (ends[low:high] - n - (ends[low] - n[0]))
        theirs = np.repeat(step, n) + np.arange(len(mine))
        _, row, rows = np.unique(place[low:high], return_index=True, return_counts=True)
        blocks = np.stack([rows, n[row]], axis=1)
        iou = regions.ious(
            object_regions, order[meeting[mine]], objects[theirs], crowd[theirs], blocks
        )
        near = np.flatnonzero(iou >= floor)
        found.append((meeting[mine[near]], theirs[near], iou[near]))
    return Pairs(*map(np.concatenate, zip(*found)))


def first_equal(values: Array) -> IntArray:
    """Position of the first equal value for each value: shape (N,) to (N,), int64.

    Equal values must be adjacent.
    """
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(new)
    return np.repeat(starts, np.diff(np.append(starts, len(values))))
