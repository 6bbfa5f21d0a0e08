"""COCO's matching of detections to objects, for all images and categories at once.

Within an image and category, detections choose objects one after another, best first, and an object
that is taken is gone. This is sequential within such a group, but groups are independent: the k-th
detections of all groups choose in one step.

A detection chooses once per *setting*, an IoU threshold with a range of areas. The outcomes of all
settings are the bits of one integer, so that all settings are decided together.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .federated import Federation
from .inputs import Detections, GroundTruth
from .pairs import Pairs, find_pairs, first_equal
from .tasks import Task
from .types import BitArray, BoolArray, FloatArray, IntArray

WORD = 64  # bits


@dataclass(frozen=True)
class Matches:
    """Detections, ranked and matched.

    N detections in the order of evaluation: by category, then by descending score; ties as in
    pycocotools, by image, then by input order. T IoU thresholds, A ranges of areas, K categories.
    Only M detections have an object whose IoU reaches any threshold; matches are stored for these.

    Attributes:
        category (np.ndarray): Shape (N,), int64, ascending.
        score (np.ndarray): Shape (N,), float64.
        rank (np.ndarray): Shape (N,), int64, from 0, within the same image and category, or within
            the same image if the limit on detections holds for images.
        in_range (np.ndarray): Shape (A, N), bool, whether the area of the detection is in the range
            and, for LVIS, its class is exhaustively annotated in its image. If not, the detection
            is ignored where it matches nothing.
        rows (np.ndarray): Shape (M,), int64, the detections that may match, ascending.
        true_positive (np.ndarray): Shape (T, A, M), bool, matches an object that counts.
        ignored (np.ndarray): Shape (T, A, M), bool, matches an object that is ignored or out of
            range.
        iou (np.ndarray): Shape (A, M), float64, at the first threshold, IoU with the object that
            counts, 0 without one.
        object (np.ndarray): Shape (M,), int64, position of that object in the ground truth, in the
            first range of areas; -1 without one.
        order (np.ndarray): Shape (N,), int64, position of each detection in the results.
        image (np.ndarray): Shape (N,), int64, position of its image in the ground truth.
        num_objects (np.ndarray): Shape (K, A), int64, objects that count.
    """

    category: IntArray
    score: FloatArray
    rank: IntArray
    in_range: BoolArray
    rows: IntArray
    true_positive: BoolArray
    ignored: BoolArray
    iou: FloatArray
    object: IntArray
    order: IntArray
    image: IntArray
    num_objects: IntArray


def match(
    detections: Detections,
    truth: GroundTruth,
    thresholds: FloatArray,
    max_detections: int,
    task: Task,
) -> Matches:
    """Match as pycocotools does, per image, category, range of areas and threshold.

    A detection takes the free object with the highest IoU that reaches the threshold; among equals,
    the last one. It takes an ignored object only if no object that counts is left. A crowd can be
    taken any number of times.

    Args:
        detections (Detections): N detections.
        truth (GroundTruth): G objects.
        thresholds (np.ndarray): Shape (T,), float64, IoUs in (0, 1].
        max_detections (int): The limit per image and category, or per image, best first.
        task (Task): The ranges of areas, and what the limit means.

    Returns:
        Matches: All detections that take part. Detections beyond ``max_detections`` have no match.
    """
    order = _evaluation_order(detections)
    if truth.federation is not None:
        order = order[_take_part(detections, truth.federation)[order]]
    category = detections.category[order]
    group = category * len(truth.images) + detections.image[order]
    by_group = np.argsort(group, kind='stable')
    group = group[by_group]
    if task.limit_per_image:
        rank = _rank_in_image(detections)[order]
        rank_by_group = rank[by_group]
    else:
        rank_by_group = np.arange(len(group)) - first_equal(group)
        rank = np.empty_like(rank_by_group)
        rank[by_group] = rank_by_group

    # Objects are ordered by group as well, and in input order within a group.
    object_group = truth.category * len(truth.images) + truth.image
    objects = np.argsort(object_group, kind='stable')
    crowd = truth.crowd[objects]
    counts = task.in_areas(truth.area[objects]) & ~truth.ignored[objects]
    counting = [truth.category[objects][c] for c in counts]

    considered = np.flatnonzero(rank_by_group < max_detections)
    rows = by_group[considered]
    floor = np.minimum(thresholds, 1 - 1e-10)  # as in pycocotools
    pairs = find_pairs(
        detections.regions,
        order[rows],
        group[considered],
        truth.regions,
        objects,
        object_group[objects],
        crowd,
        float(floor.min()),
    )
    matching, first = np.unique(pairs.detection, return_index=True)
    rows = rows[matching]
    by_row = np.argsort(rows)

    shape = len(thresholds), len(task.areas), len(rows)
    true_positive, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    iou, taken = np.zeros(shape[1:]), np.full(len(rows), -1)
    steps = _steps(pairs, group[considered], first)
    per_word = WORD // len(task.areas)
    for start in range(0, len(thresholds), per_word):
        part = slice(start, start + per_word)
        won, counts_bits = _choose(pairs, steps, floor[part], counts, crowd)
        won_counting = won & counts_bits[pairs.object]
        won_ignored = won ^ won_counting
        true_positive[part] = _by_setting(won_counting, first, true_positive[part].shape)
        ignored[part] = _by_setting(won_ignored, first, ignored[part].shape)
        if start == 0:
            row = np.repeat(np.arange(len(rows)), np.diff(np.append(first, len(won))))
            for a, hit in enumerate(_unpack(won_counting)[: len(task.areas)].astype(bool)):
                iou[a, row[hit]] = np.minimum(pairs.iou[hit], 1)  # it may be rounded up
                if a == 0:
                    taken[row[hit]] = objects[pairs.object[hit]]
    in_range = task.in_areas(detections.area[order])
    if truth.federation is not None:
        in_range &= truth.federation.is_exhaustive(detections.image[order], category)
    return Matches(
        category=category,
        score=detections.score[order],
        rank=rank,
        in_range=in_range,
        rows=rows[by_row],
        true_positive=true_positive[..., by_row],
        ignored=ignored[..., by_row],
        iou=iou[:, by_row],
        object=taken[by_row],
        order=order,
        image=detections.image[order],
        num_objects=np.stack(
            [np.bincount(c, minlength=len(truth.categories)) for c in counting], 1
        ),
    )


def _take_part(detections: Detections, federation: Federation) -> BoolArray:
    """Whether each detection has an area, and its class was searched for in its image."""
    searched = federation.is_searched(detections.image, detections.category)
    return searched & (detections.area > 0)


def _rank_in_image(detections: Detections) -> IntArray:
    """Rank of each detection among all of its image, from 0; ties in input order."""
    by_image = np.lexsort((-detections.score, detections.image))
    rank = np.empty_like(by_image)
    rank[by_image] = np.arange(len(by_image)) - first_equal(detections.image[by_image])
    return rank


def _evaluation_order(detections: Detections) -> IntArray:
    """By category, then by descending score, then by image, then in input order."""
    order = np.argsort(detections.image, kind='stable')
    order = order[np.argsort(-detections.score[order], kind='stable')]
    category = detections.category[order]
    if len(category) and category.max() < 1 << 16:  # NumPy sorts 16 bits much faster
        return order[np.argsort(category.astype(np.uint16), kind='stable')]
    return order[np.argsort(category, kind='stable')]


class _Steps(NamedTuple):
    """The order in which pairs are decided.

    ``order`` (P,) has the first detections of all groups before the second ones, and the pairs of a
    detection by preference. For each k, ``rounds`` lists slices of ``order``: the most preferred
    object of each k-th detection, then the second most preferred one, and so on.
    """

    order: IntArray
    rounds: list[list[slice]]


def _steps(pairs: Pairs, group: IntArray, first: IntArray) -> _Steps:
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
    return _Steps(preference[order], rounds)


def _choose(
    pairs: Pairs, steps: _Steps, floor: FloatArray, counts: BoolArray, crowd: BoolArray
) -> tuple[BitArray, BitArray]:
    """The settings in which each pair is a match, and those in which each object counts.

    Args:
        pairs (Pairs): P pairs.
        steps (_Steps): Their order.
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


def _by_setting(bits: BitArray, first: IntArray, shape: tuple[int, ...]) -> BoolArray:
    """The bits of each detection's pairs, which begin at ``first``, as bools of shape (T, A, M)."""
    if len(first):
        bits = np.bitwise_or.reduceat(bits, first)
    return _unpack(bits)[: shape[0] * shape[1]].reshape(shape).astype(bool)


def _unpack(bits: BitArray) -> NDArray[np.uint8]:
    """The bits of N integers, the lowest first: shape (64, N)."""
    octets = np.ascontiguousarray(bits.astype('<u8')).view(np.uint8).reshape(-1, WORD // 8)
    unpacked: NDArray[np.uint8] = np.unpackbits(octets, axis=1, bitorder='little').T
    return unpacked
