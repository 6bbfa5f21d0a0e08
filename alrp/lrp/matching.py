"""COCO's matching of detections to objects, for many images and categories at once.

Within an image and category, detections choose objects one after another, best first, and an object
that is taken is gone. This is sequential within such a group, but groups are independent: the k-th
detections of all groups choose in one step. Images are processed in parts, which bounds memory.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .choosing import by_detection, choose, order_steps
from .inputs import Detections, GroundTruth
from .matches import Matches, thresholds_per_word, unpack
from .pairs import find_pairs, first_equal
from .tasks import Task
from .types import BitArray, BoolArray, FloatArray, IntArray, index_type

DETECTIONS_AT_ONCE = 1 << 17


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
    num_categories, num_areas = len(truth.categories), len(task.areas)
    by_image, starts = _by_image(detections.image, len(truth.images))
    objects, object_starts = _by_image(truth.image, len(truth.images))
    rank = np.empty(len(by_image), index_type(len(by_image)))
    in_range = np.empty((num_areas, len(by_image)), bool)
    end, found = 0, _Found(len(thresholds), num_areas)
    for low, high in pairwise(_cuts(starts)):
        part = _match_part(
            detections,
            truth,
            by_image[starts[low] : starts[high]],
            objects[object_starts[low] : object_starts[high]],
            np.minimum(thresholds, 1 - 1e-10),  # as in pycocotools
            max_detections,
            task,
        )
        start, end = end, end + len(part.position)
        by_image[start:end] = part.position  # not beyond what was read
        rank[start:end] = part.rank
        in_range[:, start:end] = part.in_range
        found.add(part, start, starts[high] / max(len(by_image), 1))
    position, rank, in_range = by_image[:end], rank[:end], in_range[:, :end]

    order = _evaluation_order(
        detections.category[position], detections.score[position], num_categories
    )
    of_row = np.full(end, -1, index_type(end))
    of_row[found.pop('rows')] = np.arange(found.count)
    of_row = of_row[order]
    rows = np.flatnonzero(of_row >= 0).astype(index_type(end))
    of_row = of_row[rows]
    matched: dict[str, Any] = {name: found.pop(name)[..., of_row] for name in list(found.arrays)}
    in_range = in_range[:, order]
    rank = rank[order]
    order = position[order]
    counting = task.in_areas(truth.area) & ~truth.ignored
    return Matches(
        category=detections.category[order],
        image=detections.image[order],
        order=order,
        score=detections.score[order],
        rank=rank,
        in_range=in_range,
        rows=rows,
        num_thresholds=len(thresholds),
        num_objects=np.stack(
            [np.bincount(truth.category[c], minlength=num_categories) for c in counting], 1
        ),
        **matched,
    )


class _Found:
    """The matches of all parts, in arrays that are larger than needed, so that they rarely move.

    Many small arrays would be kept apart by freed memory. Only memory that is written to is used.
    """

    def __init__(self, num_thresholds: int, num_areas: int):
        words = -(-num_thresholds // thresholds_per_word(num_areas))
        self.count = 0
        self.arrays: dict[str, Any] = dict(
            rows=np.empty(0, np.int64),
            won=np.empty((words, 0), np.uint64),
            won_ignored=np.empty((words, 0), np.uint64),
            object=np.empty(0, np.int32),
            iou=np.empty((num_areas, 0)),
        )

    def add(self, part: '_Part', start: int, share: float) -> None:
        """Add a part, whose detections begin at ``start``. ``share`` of all have been seen then."""
        count, self.count = self.count, self.count + len(part.rows)
        for name, array in self.arrays.items():
            if self.count > array.shape[-1]:
                expected = int(1.1 * self.count / share)
                self.arrays[name] = np.empty((*array.shape[:-1], expected), array.dtype)
                self.arrays[name][..., :count] = array[..., :count]
            self.arrays[name][..., count : self.count] = getattr(part, name)
        self.arrays['rows'][count : self.count] += start

    def pop(self, name: str) -> Any:
        """One of the arrays, which is freed after use."""
        return self.arrays.pop(name)[..., : self.count]


class _Part(NamedTuple):
    """N detections of some images, M of which may match. As in ``Matches``, but for the order.

    Attributes:
        position (np.ndarray): Shape (N,), position in the results.
        rank (np.ndarray): Shape (N,).
        in_range (np.ndarray): Shape (A, N), bool.
        rows (np.ndarray): Shape (M,), positions among the N, in any order.
        won (np.ndarray): Shape (W, M), uint64.
        won_ignored (np.ndarray): Shape (W, M), uint64.
        iou (np.ndarray): Shape (A, M), float64.
        object (np.ndarray): Shape (M,).
    """

    position: IntArray
    rank: IntArray
    in_range: BoolArray
    rows: IntArray
    won: BitArray
    won_ignored: BitArray
    iou: FloatArray
    object: IntArray


def _match_part(
    detections: Detections,
    truth: GroundTruth,
    position: IntArray,
    objects: IntArray,
    floor: FloatArray,
    max_detections: int,
    task: Task,
) -> _Part:
    """Match the detections of some images, at ``position`` (N,), to all ``objects`` (G,) of them.

    Both are ordered by image, then in input order. ``floor`` (T,) is the lowest IoU of a match.
    """
    image = detections.image[position].astype(np.int64)
    category = detections.category[position].astype(np.int64)
    score, area = detections.score[position], detections.area[position]
    rank = _rank_in_image(image, score) if task.limit_per_image else None
    in_range = task.in_areas(area)
    if truth.federation is not None:
        kept = truth.federation.is_searched(image, category) & (area > 0)
        position, image, category = position[kept], image[kept], category[kept]
        score, in_range = score[kept], in_range[:, kept]
        rank = None if rank is None else rank[kept]
        in_range &= truth.federation.is_exhaustive(image, category)
    group = image * len(truth.categories) + category
    by_group = np.argsort(-score, kind='stable')
    by_group = by_group[np.argsort(group[by_group], kind='stable')]
    group = group[by_group]
    if rank is None:
        rank = np.empty_like(by_group)
        rank[by_group] = np.arange(len(group)) - first_equal(group)
    considered = np.flatnonzero(rank[by_group] < max_detections)
    rows, group = by_group[considered], group[considered]

    # Objects are ordered by group as well, and in input order within a group.
    object_group = truth.image[objects] * len(truth.categories) + truth.category[objects]
    objects = objects[np.argsort(object_group, kind='stable')]
    crowd = truth.crowd[objects]
    counts = task.in_areas(truth.area[objects]) & ~truth.ignored[objects]
    pairs = find_pairs(
        detections.regions,
        position[rows],
        group,
        truth.regions,
        objects,
        np.sort(object_group),
        crowd,
        float(floor.min()),
    )
    matching, first = np.unique(pairs.detection, return_index=True)
    rows = rows[matching]
    iou, taken = np.zeros((len(task.areas), len(rows))), np.full(len(rows), -1)
    steps = order_steps(pairs, group, first)
    per_word = thresholds_per_word(len(task.areas))
    words: list[tuple[BitArray, BitArray]] = []
    for start in range(0, len(floor), per_word):
        won, counts_bits = choose(pairs, steps, floor[start : start + per_word], counts, crowd)
        won_counting = won & counts_bits[pairs.object]
        words.append((by_detection(won_counting, first), by_detection(won ^ won_counting, first)))
        if start == 0:
            row = np.repeat(np.arange(len(rows)), np.diff(np.append(first, len(won))))
            for a, hit in enumerate(unpack(won_counting[None], len(task.areas), range(1))[0]):
                iou[a, row[hit]] = np.minimum(pairs.iou[hit], 1)  # it may be rounded up
                if a == 0:
                    taken[row[hit]] = objects[pairs.object[hit]]
    won, won_ignored = (np.stack(bits) for bits in zip(*words))
    return _Part(position, rank, in_range, rows, won, won_ignored, iou, taken)


def _by_image(image: IntArray, num_images: int) -> tuple[IntArray, IntArray]:
    """Positions by image, then in input order, and where each image starts: (N,), (images + 1,)."""
    starts = np.append(0, np.bincount(image, minlength=num_images).cumsum())
    if (image[1:] >= image[:-1]).all():
        return np.arange(len(image), dtype=index_type(len(image))), starts
    return np.argsort(image, kind='stable').astype(index_type(len(image))), starts


def _cuts(starts: IntArray) -> list[int]:
    """Positions at which to cut images into parts: ascending, with both ends.

    ``starts`` (images + 1,) has the number of detections before each image.
    """
    full = np.flatnonzero(np.diff(starts // DETECTIONS_AT_ONCE)) + 1
    return sorted({0, *full.tolist(), len(starts) - 1})


def _rank_in_image(image: IntArray, score: FloatArray) -> IntArray:
    """Rank of each detection among all of its image, from 0; ties in input order."""
    by_image = np.lexsort((-score, image))
    rank = np.empty_like(by_image)
    rank[by_image] = np.arange(len(by_image)) - first_equal(image[by_image])
    return rank


def _evaluation_order(category: IntArray, score: FloatArray, num_categories: int) -> IntArray:
    """By category, then by descending score, then in input order: shape (N,)."""
    key = category
    if num_categories <= 1 << 16:  # NumPy sorts 16 bits much faster
        key = category.astype(np.uint16)
    order = np.argsort(key, kind='stable').astype(index_type(len(key)))
    ends = np.bincount(category, minlength=num_categories).cumsum()
    for low, high in pairwise([0, *ends.tolist()]):
        if high - low > 1:
            part = order[low:high]
            part[:] = part[np.argsort(-score[part], kind='stable')]
    return order
