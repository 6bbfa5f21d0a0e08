"""Which detection takes which object, decided for many images and categories at once.

A detection chooses once per *setting*, an IoU threshold with a range of areas. The outcomes of all
settings are the bits of one integer, so that all settings are decided together.
"""

from typing import NamedTuple

import numpy as np

from .pairs import Pairs, first_equal
from .types import BitArray, BoolArray, FloatArray, IntArray


class Steps(NamedTuple):
    """The order in which pairs are decided.

    ``order`` (P,) has the first detections of all groups before the second ones, and the pairs of a
    detection by preference. For each k, ``rounds`` lists slices of ``order``: the most preferred
    object of each k-th detection, then the second most preferred one, and so on.
    """

    order: IntArray
    rounds: list[list[slice]]


def order_steps(pairs: Pairs, group: IntArray, first: IntArray) -> Steps:
    """The order of P pairs. ``first`` has the position of each detection's first pair."""
    preference = np.lexsort((-pairs.object, -pairs.iou, pairs.detection))
    count = np.diff(np.append(first, len(preference)))
    turn = np.arange(len(preference)) - np.repeat(first, count)
    group = group[pairs.detection[first]]
    round_ = np.repeat(np.arange(len(group)) - first_equal(group), count)
    order = np.lexsort((turn, round_))
    round_, turn = round_[order], turn[order]
    changes = np.diff(round_, prepend=-1).astype(bool) | np.diff(turn, prepend=-1).astype(bool)
    starts = np.flatnonzero(changes)
    rounds: list[list[slice]] = [[] for _ in range(round_.max(initial=-1) + 1)]
    ends = [*starts[1:].tolist(), len(order)]
    for k, low, high in zip(round_[starts].tolist(), starts.tolist(), ends):
        rounds[k].append(slice(low, high))
    return Steps(preference[order], rounds)


def choose(
    pairs: Pairs, steps: Steps, floor: FloatArray, counts: BoolArray, crowd: BoolArray
) -> tuple[BitArray, BitArray]:
    """The settings in which each pair is a match, and those in which each object counts.

    Args:
        pairs (Pairs): P pairs.
        steps (Steps): Their order.
        floor (np.ndarray): Shape (T,), the lowest IoU of a match.
        counts (np.ndarray): Shape (A, G), bool, whether an object counts.
        crowd (np.ndarray): Shape (G,), bool.

    Returns:
        tuple[np.ndarray, np.ndarray]: Shapes (P,) and (G,), uint64. Bit ``t * A + a`` stands for
        threshold t and range a.
    """
    num_areas = len(counts)
    area_bits = np.uint64(1) << np.arange(num_areas, dtype=np.uint64)
    one_threshold = (counts * area_bits[:, None]).sum(axis=0, dtype=np.uint64)
    counts_bits = np.zeros_like(one_threshold)
    reached: BitArray = np.zeros(len(pairs.iou), np.uint64)
    for t, least in enumerate(floor):
        shift = np.uint64(t * num_areas)
        counts_bits |= one_threshold << shift
        reached |= np.where(pairs.iou >= least, area_bits.sum() << shift, np.uint64(0))

    detection, obj = pairs.detection[steps.order], pairs.object[steps.order]
    reached = reached[steps.order]
    if_counting = reached & counts_bits[obj]
    if_ignored = reached ^ if_counting
    crowd = crowd[obj]
    open_ = np.full(pairs.detection.max(initial=-1) + 1, ~np.uint64(0))
    free = np.full(len(counts_bits), ~np.uint64(0))
    won = np.zeros_like(reached)
    # No detection and no object occurs twice in a slice: it has at most one detection per group.
    for turns in steps.rounds:
        for wanted in (if_counting, if_ignored):
            for part in turns:
                got = wanted[part] & free[obj[part]] & open_[detection[part]]
                won[part] |= got
                open_[detection[part]] &= ~got
                free[obj[part]] &= ~np.where(crowd[part], np.uint64(0), got)
    unsorted = np.empty_like(won)
    unsorted[steps.order] = won
    return unsorted, counts_bits


def by_detection(bits: BitArray, first: IntArray) -> BitArray:
    """The bits of each detection, of all its pairs, which begin at ``first``: (P,) to (M,)."""
    joined: BitArray = np.bitwise_or.reduceat(bits, first) if len(first) else bits
    return joined
