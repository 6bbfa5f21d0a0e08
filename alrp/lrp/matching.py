"""COCO's matching of detections to objects, for all images and categories at once.

In each image and category, detections choose their objects one after another, the best first; what
one detection takes, the next ones cannot have. That is sequential within such a group, but groups
have nothing to do with each other: the k-th detections of all groups choose in one step.

A detection chooses once in each *setting*, a setting being an IoU threshold and a range of areas.
What is true or false in each setting is kept as the bits of one integer, so that all settings are
decided together.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .inputs import Detections, GroundTruth

AREAS = dict(all=(0, 1e10), small=(0, 32**2), medium=(32**2, 96**2), large=(96**2, 1e10))
PAIRS_AT_ONCE = 1 << 17  # so that what is computed for them stays in the processor's cache
WORD = 64  # bits


@dataclass(frozen=True)
class Matches:
    """Detections ranked and matched.

    N detections stand in the order in which they are evaluated: by category, then by descending
    score, ties as pycocotools has them (by image, then as they were given). T IoU thresholds, A
    ranges of areas, K categories. Only M detections have an object in sight whose IoU reaches any
    threshold; what they match is kept for them alone.

    Attributes:
        category (np.ndarray): Shape (N,), int64, ascending.
        score (np.ndarray): Shape (N,), float64.
        rank (np.ndarray): Shape (N,), int64, from 0, among those of the same image and category.
        in_range (np.ndarray): Shape (A, N), bool, whether the area of the detection is in the
            range. If not, it is ignored where it matches nothing.
        rows (np.ndarray): Shape (M,), int64, which detections may match, ascending.
        true_positive (np.ndarray): Shape (T, A, M), bool, matches an object that counts.
        ignored (np.ndarray): Shape (T, A, M), bool, matches a crowd or an object out of range.
        iou (np.ndarray): Shape (A, M), float64, at the first threshold, IoU with the object that
            counts, 0 where there is none.
        num_objects (np.ndarray): Shape (K, A), int64, objects that count.
    """

    category: np.ndarray
    score: np.ndarray
    rank: np.ndarray
    in_range: np.ndarray
    rows: np.ndarray
    true_positive: np.ndarray
    ignored: np.ndarray
    iou: np.ndarray
    num_objects: np.ndarray


class _Pairs(NamedTuple):
    """P pairs of a detection and an object near enough, those of one detection together.

    Attributes:
        detection (np.ndarray): Shape (P,), int64, ascending.
        object (np.ndarray): Shape (P,), int64, ascending for each detection.
        iou (np.ndarray): Shape (P,), float64.
    """

    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray


def match(
    detections: Detections, truth: GroundTruth, thresholds: np.ndarray, max_detections: int
) -> Matches:
    """The matching of pycocotools, in every image, category, range of areas, at every threshold.

    A detection takes the free object of the highest IoU that reaches the threshold, among equals
    the last one. Only where no object that counts is left does it take one that is ignored; a crowd
    can be taken any number of times.

    Args:
        detections (Detections): N detections.
        truth (GroundTruth): G objects.
        thresholds (np.ndarray): Shape (T,), float64, IoUs in (0, 1].
        max_detections (int): How many of an image and a category are considered, the best first.

    Returns:
        Matches: All detections, those beyond ``max_detections`` without a match.
    """
    order = _evaluation_order(detections)
    category = detections.category[order]
    group = category * len(truth.images) + detections.image[order]
    by_group = np.argsort(group, kind='stable')
    group = group[by_group]
    rank_by_group = np.arange(len(group)) - _first_of_its_kind(group)
    rank = np.empty_like(rank_by_group)
    rank[by_group] = rank_by_group

    # Objects take part in the order of their groups as well, but otherwise as they were given.
    object_group = truth.category * len(truth.images) + truth.image
    objects = np.argsort(object_group, kind='stable')
    crowd = truth.crowd[objects]
    counts = in_areas(truth.area[objects]) & ~crowd

    counting = [truth.category[objects][c] for c in counts]

    considered = np.flatnonzero(rank_by_group < max_detections)
    rows = by_group[considered]
    floor = np.minimum(thresholds, 1 - 1e-10)  # as pycocotools, which lets 1 - 1e-10 pass for 1
    pairs = _pairs(
        detections.regions,
        order[rows],
        group[considered],
        truth.regions,
        objects,
        object_group[objects],
        crowd,
        floor.min(),
    )
    matching, first = np.unique(pairs.detection, return_index=True)
    rows = rows[matching]
    by_row = np.argsort(rows)

    shape = len(thresholds), len(AREAS), len(rows)
    true_positive, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    iou = np.zeros(shape[1:])
    steps = _steps(pairs, group[considered], first)
    per_word = WORD // len(AREAS)
    for start in range(0, len(thresholds), per_word):
        part = slice(start, start + per_word)
        won, counts_bits = _choose(pairs, steps, floor[part], counts, crowd)
        won_counting = won & counts_bits[pairs.object]
        won_ignored = won ^ won_counting
        won_counting[truth.id_is_zero[objects][pairs.object]] = 0
        true_positive[part] = _by_setting(won_counting, first, true_positive[part].shape)
        ignored[part] = _by_setting(won_ignored, first, ignored[part].shape)
        if start == 0:
            row = np.repeat(np.arange(len(rows)), np.diff(np.append(first, len(won))))
            for a, hit in enumerate(_unpack(won_counting)[: len(AREAS)].astype(bool)):
                iou[a, row[hit]] = np.minimum(pairs.iou[hit], 1)  # it may be rounded up
    return Matches(
        category=category,
        score=detections.score[order],
        rank=rank,
        in_range=in_areas(detections.area[order]),
        rows=rows[by_row],
        true_positive=true_positive[..., by_row],
        ignored=ignored[..., by_row],
        iou=iou[:, by_row],
        num_objects=np.stack(
            [np.bincount(c, minlength=len(truth.categories)) for c in counting], 1
        ),
    )


def in_areas(area: np.ndarray) -> np.ndarray:
    """Which of the areas (N,) are in which range: (A, N), bool. The ends belong to both ranges."""
    return np.stack([(low <= area) & (area <= high) for low, high in AREAS.values()])


def _evaluation_order(detections: Detections) -> np.ndarray:
    """By category, then by descending score, then by image, then as they were given."""
    order = np.argsort(detections.image, kind='stable')
    order = order[np.argsort(-detections.score[order], kind='stable')]
    category = detections.category[order]
    if len(category) and category.max() < 1 << 16:
        category = category.astype(np.uint16)  # which NumPy sorts much faster
    return order[np.argsort(category, kind='stable')]


def _first_of_its_kind(values: np.ndarray) -> np.ndarray:
    """For each of some values, equal ones together, where the first equal one stands."""
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(new)
    return np.repeat(starts, np.diff(np.append(starts, len(values))))


def _pairs(
    regions, order, group, object_regions, objects, object_group, crowd, floor: float
) -> _Pairs:
    """All pairs of a detection and an object of the same group whose IoU is at least ``floor``.

    ``order`` (D,) and ``objects`` (G,) say which regions take part, ``group`` (D,) and
    ``object_group`` (G,), both ascending, in which group.
    """
    known, first, count = np.unique(object_group, return_index=True, return_counts=True)
    if len(known) == 0:
        return _Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    place = np.minimum(np.searchsorted(known, group), len(known) - 1)
    meeting = np.flatnonzero(known[place] == group)
    place = place[meeting]
    count, first = count[place], first[place]
    ends = count.cumsum()

    starts = np.flatnonzero(np.diff(place, prepend=-1))  # the first detection of each group
    part = np.concatenate([[0], ends])[starts] // PAIRS_AT_ONCE
    cuts = np.append(starts[np.flatnonzero(np.diff(part, prepend=-1))], len(meeting))
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for low, high in pairwise(cuts):
        n = count[low:high]
        mine = np.repeat(np.arange(low, high), n)
        step = first[low:high] - (ends[low:high] - n - (ends[low] - n[0]))
        theirs = np.repeat(step, n) + np.arange(len(mine))
        blocks = np.unique(place[low:high], return_index=True, return_counts=True)
        blocks = np.stack([blocks[2], n[blocks[1]]], axis=1)
        iou = regions.ious(
            object_regions, order[meeting[mine]], objects[theirs], crowd[theirs], blocks
        )
        near = np.flatnonzero(iou >= floor)
        found.append((meeting[mine[near]], theirs[near], iou[near]))
    return _Pairs(*map(np.concatenate, zip(*found)))


class _Steps(NamedTuple):
    """The order in which pairs are looked at.

    ``order`` (P,) puts all first detections of a group before all second ones, and among the pairs
    of one detection the most wanted one first. ``rounds`` lists, for each k, the slices of
    ``order`` with the most wanted object of each k-th detection, the second most wanted one, ...
    """

    order: np.ndarray
    rounds: list[list[slice]]


def _steps(pairs: _Pairs, group: np.ndarray, first: np.ndarray) -> _Steps:
    """The order of P pairs. ``first`` is where those of each detection begin."""
    preference = np.lexsort((-pairs.object, -pairs.iou, pairs.detection))
    count = np.diff(np.append(first, len(preference)))
    turn = np.arange(len(preference)) - np.repeat(first, count)
    group = group[pairs.detection[first]]
    round_ = np.repeat(np.arange(len(group)) - _first_of_its_kind(group), count)
    order = np.lexsort((turn, round_))
    round_, turn = round_[order], turn[order]
    changes = np.diff(round_, prepend=-1).astype(bool) | np.diff(turn, prepend=-1).astype(bool)
    starts = np.flatnonzero(changes)
    rounds = [[] for _ in range(round_.max(initial=-1) + 1)]
    for k, low, high in zip(round_[starts], starts, np.append(starts, len(order))[1:]):
        rounds[k].append(slice(low, high))
    return _Steps(preference[order], rounds)


def _choose(
    pairs: _Pairs, steps: _Steps, floor: np.ndarray, counts: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """In which settings each pair is a match, and in which each object counts.

    Args:
        pairs (_Pairs): P pairs.
        steps (_Steps): Their order.
        floor (np.ndarray): Shape (T,), the IoUs that are enough.
        counts (np.ndarray): Shape (A, G), bool, whether an object counts.
        crowd (np.ndarray): Shape (G,), bool.

    Returns:
        tuple[np.ndarray, np.ndarray]: Shapes (P,) and (G,), uint64. Bit ``t * A + a`` is that of
        threshold t and range a.
    """
    num_areas = len(counts)
    area_bits = np.uint64(1) << np.arange(num_areas, dtype=np.uint64)
    one_threshold = (counts * area_bits[:, None]).sum(axis=0, dtype=np.uint64)
    counts_bits = np.zeros_like(one_threshold)
    reached = np.zeros(len(pairs.iou), np.uint64)
    for t, enough in enumerate(floor):
        shift = np.uint64(t * num_areas)
        counts_bits |= one_threshold << shift
        reached |= np.where(pairs.iou >= enough, area_bits.sum() << shift, np.uint64(0))

    detection, obj, reached = (x[steps.order] for x in (pairs.detection, pairs.object, reached))
    if_counting = reached & counts_bits[obj]
    if_ignored = reached ^ if_counting
    crowd = crowd[obj]
    open_ = np.full(pairs.detection.max(initial=-1) + 1, ~np.uint64(0))
    free = np.full(len(counts_bits), ~np.uint64(0))
    won = np.zeros_like(reached)
    # In a slice no detection and no object occurs twice: one of each group at most takes its turn.
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


def _by_setting(bits: np.ndarray, first: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The bits of all pairs of a detection, which begin at ``first``: shape (T, A, M), bool."""
    if len(first):
        bits = np.bitwise_or.reduceat(bits, first)
    return _unpack(bits)[: shape[0] * shape[1]].reshape(shape)


def _unpack(bits: np.ndarray) -> np.ndarray:
    """The bits of N integers from the lowest: (64, N), uint8."""
    octets = np.ascontiguousarray(bits.astype('<u8')).view(np.uint8).reshape(-1, WORD // 8)
    return np.unpackbits(octets, axis=1, bitorder='little').T
