"""Masks: areas and IoU by pycocotools, and checks that keep pycocotools from hanging."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coco import CocoFormatError
from .types import BoolArray, FloatArray, IntArray

BATCH = 4096  # masks whose run lengths are added up at once
MOST_PIXELS = 2**32 - 1  # a run length of pycocotools has 32 bits

Rle = dict[str, Any]


class Masks:
    """N masks.

    Args:
        rles (list[dict]): Compressed run lengths in the format of pycocotools, with ``size``
            (height, width) and ``counts`` (bytes).
    """

    def __init__(self, rles: list[Rle]):
        self.rles = rles

    def areas(self) -> FloatArray:
        """Shape (N,), float64, pixels."""
        from pycocotools import mask

        # One by one: with NumPy 2, pycocotools 2.0.11 fails on lists of more than 255 masks.
        return np.array([mask.area(rle) for rle in self.rles], dtype=np.float64)

    def ious(
        self,
        others: 'Masks',
        mine: IntArray,
        theirs: IntArray,
        crowd: BoolArray,
        blocks: IntArray,
    ) -> FloatArray:
        """IoU of pairs, or the share of mine that is covered where theirs is a crowd.

        Args:
            others (Masks): M other masks.
            mine (np.ndarray): Shape (P,), int64, positions among the N masks.
            theirs (np.ndarray): Shape (P,), int64, positions among the M masks.
            crowd (np.ndarray): Shape (P,), bool, whether the other mask is a crowd.
            blocks (np.ndarray): Shape (B, 2), int64. The pairs are B blocks, one after another; in
                each, all of ``blocks[b, 0]`` masks meet all of ``blocks[b, 1]`` others.

        Returns:
            np.ndarray: Shape (P,), float64.
        """
        from pycocotools import mask

        ious = np.zeros(len(mine))
        end = 0
        for rows, columns in blocks.tolist():
            start, end = end, end + rows * columns
            ious[start:end] = mask.iou(
                [self.rles[i] for i in mine[start:end:columns]],
                [others.rles[i] for i in theirs[start : start + columns]],
                crowd[start : start + columns].astype(np.uint8),
            ).ravel()
        return ious


def masks_from(segmentations: list[Any], sizes: list[tuple[int, int]], where: str) -> Masks:
    """Masks from any of COCO's three formats: polygons, run lengths, compressed run lengths.

    Args:
        segmentations (list): One per mask.
        sizes (list[tuple[int, int]]): Height and width of each mask's image.
        where (str): What they belong to, for messages.

    Returns:
        Masks: All masks.

    Raises:
        CocoFormatError: If one is malformed or does not have the size of its image.
    """
    rles = []
    for i, (segmentation, size) in enumerate(zip(segmentations, sizes)):
        try:
            rles.append(to_rle(segmentation, size))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            problem = (
                f'the segmentation of entry {i} (counted from 0) is malformed ({error}). Expected '
                'a list of polygons [x1, y1, x2, y2, x3, y3, ...] or run lengths with the keys '
                "'size' and 'counts'"
            )
            raise CocoFormatError(where, [problem]) from error
    counts = [rle['counts'] for rle in rles]
    batches = (counts[i : i + BATCH] for i in range(0, len(counts), BATCH))
    covered = np.concatenate([np.zeros(0, np.int64), *map(run_length_sums, batches)])
    expected = np.array([height * width for height, width in sizes], dtype=np.int64)
    wrong = np.flatnonzero(covered != expected)
    if len(wrong):  # pycocotools would loop forever over such a mask
        problem = (
            f'the run lengths of {len(wrong)} of {len(rles)} masks do not add up to the height '
            f'times width of their image. The first is entry {wrong[0]} (counted from 0)'
        )
        raise CocoFormatError(where, [problem])
    return Masks(rles)


def to_rle(segmentation: Any, size: tuple[int, int]) -> Rle:
    """Compressed run lengths of a mask. Their sum is not checked.

    Args:
        segmentation (list | dict): Polygons, run lengths or compressed run lengths.
        size (tuple[int, int]): Height and width of the image.

    Raises:
        TypeError, ValueError, KeyError, AttributeError: If the mask is malformed or has another
            size, or if the image is too large for pycocotools.
    """
    from pycocotools import mask

    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f'pycocotools cannot hold a mask of {size[0]} x {size[1]} pixels')
    if isinstance(segmentation, list):
        if not segmentation:
            raise ValueError('it has no polygon')
        for polygon in segmentation:
            if not isinstance(polygon, list | tuple):
                raise TypeError(f'a polygon is {polygon!r}, not a list of numbers')
            if len(polygon) < 6 or len(polygon) % 2:
                raise ValueError(f'a polygon has {len(polygon)} numbers')
            if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
                raise ValueError('a polygon has numbers that are not finite')
        merged: Rle = mask.merge(mask.frPyObjects(segmentation, *size))
        return merged
    if not isinstance(segmentation, dict):
        raise TypeError(f'it is a {type(segmentation).__name__}')
    if tuple(segmentation['size']) != size:
        raise ValueError(f"'size' is {segmentation['size']}, but its image has {[*size]}")
    counts = segmentation['counts']
    if isinstance(counts, list):
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError("'counts' are not whole numbers from 0")
        compressed: Rle = mask.frPyObjects(segmentation, *size)
        return compressed
    return dict(size=[*size], counts=counts.encode() if isinstance(counts, str) else bytes(counts))


def run_length_sums(counts: Sequence[bytes]) -> IntArray:
    """Number of pixels that compressed run lengths cover, -1 if they are malformed.

    From the fourth count on, the difference from the last but one is stored instead of the count.
    A number is written in groups of five bits, the lowest first, as characters from '0' up. Bit 32
    is set in all groups but the last; bit 16 of the last group is the sign.

    Args:
        counts (Sequence[bytes]): N strings.

    Returns:
        np.ndarray: Shape (N,), int64.
    """
    lengths = np.fromiter(map(len, counts), np.int64, len(counts))
    sums = np.full(len(counts), -1)
    if not lengths.sum():
        return sums
    digits = np.frombuffer(b''.join(counts), np.uint8).astype(np.int64) - 48
    last = digits & 32 == 0
    ends = lengths.cumsum()
    filled = lengths > 0
    sound = filled.copy()
    sound[filled] = (
        np.logical_and.reduceat((digits >= 0) & (digits < 64), (ends - lengths)[filled])
        & last[ends[filled] - 1]
    )
    if not sound.all():
        kept = np.flatnonzero(sound)
        sums[kept] = run_length_sums([counts[i] for i in kept.tolist()])
        return sums

    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])  # first digit of each number
    place = np.arange(len(digits)) - np.repeat(starts, np.diff(np.append(starts, len(digits))))
    shift = np.minimum(5 * place, 60)
    numbers = np.add.reduceat((digits & 31) << shift, starts)
    numbers -= np.where(digits[last] & 16, 32 << shift[last], 0)

    of_mask = np.searchsorted(ends, starts, side='right')
    first = np.searchsorted(of_mask, np.arange(len(counts)))
    index = np.arange(len(numbers)) - first[of_mask]
    # A count is the sum of every second difference up to it. So each difference counts once for
    # itself and once for every second count after it, and no count has to be computed.
    total = np.bincount(of_mask, minlength=len(counts))[of_mask]
    times = np.where(index > 0, (total - index + 1) // 2, 1)
    np.add.at(sums, of_mask, numbers * times)
    return sums + 1
