"""Boxes and masks: their areas, and the IoU of pairs of them, to the last bit as pycocotools."""

from collections.abc import Sequence

import numpy as np

BATCH = 4096  # masks whose run lengths are added up at once


class Boxes:
    """N boxes.

    Args:
        boxes (np.ndarray): Shape (N, 4), float64, [x, y, width, height] in pixels.
    """

    def __init__(self, boxes: np.ndarray):
        self.x, self.y, self.width, self.height = np.ascontiguousarray(boxes.T)

    def areas(self) -> np.ndarray:
        """Shape (N,), float64, square pixels."""
        return self.width * self.height

    def ious(
        self, others: 'Boxes', mine: np.ndarray, theirs: np.ndarray, crowd: np.ndarray, blocks=None
    ) -> np.ndarray:
        """IoU of pairs, or how much of mine is covered where theirs is a crowd.

        A box of no area has an IoU of 0 with any other.

        Args:
            others (Boxes): The other boxes, M of them.
            mine (np.ndarray): Shape (P,), int64, places among the N boxes.
            theirs (np.ndarray): Shape (P,), int64, places among the M boxes.
            crowd (np.ndarray): Shape (P,), bool, whether the other box is a crowd.
            blocks: Not needed here.

        Returns:
            np.ndarray: Shape (P,), float64.
        """
        x, width = self.x[mine], self.width[mine]
        other_x, other_width = others.x[theirs], others.width[theirs]
        shared_width = np.minimum(width + x, other_width + other_x) - np.maximum(x, other_x)
        y, height = self.y[mine], self.height[mine]
        other_y, other_height = others.y[theirs], others.height[theirs]
        shared_height = np.minimum(height + y, other_height + other_y) - np.maximum(y, other_y)
        overlap = (shared_width > 0) & (shared_height > 0)
        shared = shared_width * shared_height
        area = width * height
        union = np.where(crowd, area, area + other_width * other_height - shared)
        return np.divide(shared, union, out=np.zeros(len(mine)), where=overlap)


class Masks:
    """N masks.

    Args:
        rles (list[dict]): Compressed run lengths, as pycocotools has them, with ``size`` (height,
            width) and ``counts`` (bytes).
    """

    def __init__(self, rles: list[dict]):
        self.rles = rles

    def areas(self) -> np.ndarray:
        """Shape (N,), float64, pixels."""
        from pycocotools import mask

        # One by one: pycocotools 2.0.11 fails, with NumPy 2, on lists of more than 255.
        return np.array([mask.area(rle) for rle in self.rles], dtype=np.float64)

    def ious(
        self,
        others: 'Masks',
        mine: np.ndarray,
        theirs: np.ndarray,
        crowd: np.ndarray,
        blocks: np.ndarray,
    ) -> np.ndarray:
        """IoU of pairs, or how much of mine is covered where theirs is a crowd.

        Args:
            others (Masks): The other masks, M of them.
            mine (np.ndarray): Shape (P,), int64, places among the N masks.
            theirs (np.ndarray): Shape (P,), int64, places among the M masks.
            crowd (np.ndarray): Shape (P,), bool, whether the other mask is a crowd.
            blocks (np.ndarray): Shape (B, 2), int64. The pairs are B blocks, one after another; in
                each, every one of ``blocks[b, 0]`` masks meets all of ``blocks[b, 1]`` others.

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


Regions = Boxes | Masks


def masks_from(segmentations: list, sizes: list[tuple[int, int]], where: str) -> Masks:
    """Masks of any of COCO's three kinds: polygons, run lengths, compressed run lengths.

    Args:
        segmentations (list): One per mask.
        sizes (list[tuple[int, int]]): Height and width of the image of each.
        where (str): What they belong to, for messages.

    Returns:
        Masks: All of them.

    Raises:
        ValueError: If one is malformed or does not have the size of its image.
    """
    rles = []
    for i, (segmentation, size) in enumerate(zip(segmentations, sizes)):
        try:
            rles.append(_rle(segmentation, size))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(
                f'{where}: the segmentation of entry {i} (counted from 0) is malformed ({error}). '
                'It must be a list of polygons [x1, y1, x2, y2, x3, y3, ...] or run lengths with '
                "'size' and 'counts'"
            ) from error
    counts = [rle['counts'] for rle in rles]
    batches = (counts[i : i + BATCH] for i in range(0, len(counts), BATCH))
    covered = np.concatenate([np.zeros(0, np.int64), *map(run_length_sums, batches)])
    wrong = np.flatnonzero(covered != [height * width for height, width in sizes])
    if len(wrong):  # pycocotools would never come to the end of such a mask
        raise ValueError(
            f'{where}: the run lengths of {len(wrong)} of {len(rles)} masks do not add up to '
            f'height times width of their image, first those of entry {wrong[0]} (counted from 0)'
        )
    return Masks(rles)


def _rle(segmentation: list | dict, size: tuple[int, int]) -> dict:
    from pycocotools import mask

    if isinstance(segmentation, list):
        if not segmentation:
            raise ValueError('there is no polygon')
        for polygon in segmentation:
            if len(polygon) < 6 or len(polygon) % 2:
                raise ValueError(f'a polygon has {len(polygon)} numbers')
            if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
                raise ValueError('a polygon has numbers that are not finite')
        return mask.merge(mask.frPyObjects(segmentation, *size))
    if not isinstance(segmentation, dict):
        raise TypeError(f'it is a {type(segmentation).__name__}')
    if tuple(segmentation['size']) != size:
        raise ValueError(f"'size' is {segmentation['size']}, but its image has {[*size]}")
    counts = segmentation['counts']
    if isinstance(counts, list):
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError("'counts' are not whole numbers from 0")
        return mask.frPyObjects(segmentation, *size)
    return dict(size=[*size], counts=counts.encode() if isinstance(counts, str) else bytes(counts))


def run_length_sums(counts: Sequence[bytes]) -> np.ndarray:
    """How many pixels each of some compressed run lengths is long, -1 where that makes no sense.

    A count is written as its difference from the last but one, from the fourth count on, in groups
    of five bits from the lowest: characters from '0' up, with 32 added while there are more to come
    and 16 in the last one for a negative number.

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
        sums[kept] = run_length_sums([counts[i] for i in kept])
        return sums

    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])  # of each number's digits
    place = np.arange(len(digits)) - np.repeat(starts, np.diff(np.append(starts, len(digits))))
    shift = np.minimum(5 * place, 60)
    numbers = np.add.reduceat((digits & 31) << shift, starts)
    numbers -= np.where(digits[last] & 16, 32 << shift[last], 0)

    of_mask = np.searchsorted(ends, starts, side='right')
    first = np.searchsorted(of_mask, np.arange(len(counts)))
    index = np.arange(len(numbers)) - first[of_mask]
    # The differences of every second count add up to it: once it is written, and once again for
    # each one after it. Its own sum is therefore never needed.
    total = np.bincount(of_mask, minlength=len(counts))[of_mask]
    times = np.where(index > 0, (total - index + 1) // 2, 1)
    np.add.at(sums, of_mask, numbers * times)
    return sums + 1
