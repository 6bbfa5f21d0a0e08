"""What the matching finds: the detections of a data set in order, and their matches."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .types import BitArray, BoolArray, FloatArray, IntArray

WORD = 64  # bits


@dataclass(frozen=True)
class Matches:
    """Detections, ranked and matched.

    N detections in the order of evaluation: by category, then by descending score; ties as in
    pycocotools, by image, then by input order. T IoU thresholds, A ranges of areas, K categories.
    Only M detections have an object whose IoU reaches any threshold; matches are stored for these.
    Integers have 32 bits where these suffice.

    Attributes:
        category (np.ndarray): Shape (N,), int, ascending.
        image (np.ndarray): Shape (N,), int, position of the image in the ground truth.
        order (np.ndarray): Shape (N,), int, position of each detection in the results.
        score (np.ndarray): Shape (N,), float.
        rank (np.ndarray): Shape (N,), int, from 0, within the same image and category, or within
            the same image if the limit on detections holds for images.
        in_range (np.ndarray): Shape (A, N), bool, whether the area of the detection is in the range
            and, for LVIS, its class is exhaustively annotated in its image. If not, the detection
            is ignored where it matches nothing.
        rows (np.ndarray): Shape (M,), int, the detections that may match, ascending.
        won (np.ndarray): Shape (W, M), uint64, ``true_positive`` as bits. See ``unpack``.
        won_ignored (np.ndarray): Shape (W, M), uint64, ``ignored`` as bits.
        iou (np.ndarray): Shape (A, M), float64, at the first threshold, IoU with the object that
            counts, 0 without one.
        object (np.ndarray): Shape (M,), int, position of that object in the ground truth, in the
            first range of areas; -1 without one.
        num_thresholds (int): T.
        num_objects (np.ndarray): Shape (K, A), int64, objects that count.
    """

    category: IntArray
    image: IntArray
    order: IntArray
    score: FloatArray
    rank: IntArray
    in_range: BoolArray
    rows: IntArray
    won: BitArray
    won_ignored: BitArray
    iou: FloatArray
    object: IntArray
    num_thresholds: int
    num_objects: IntArray

    @property
    def true_positive(self) -> BoolArray:
        """Whether a detection matches an object that counts. Shape (T, A, M)."""
        return unpack(self.won, self.num_objects.shape[1], range(self.num_thresholds))

    @property
    def ignored(self) -> BoolArray:
        """Whether it matches an object that is ignored or out of range. Shape (T, A, M)."""
        return unpack(self.won_ignored, self.num_objects.shape[1], range(self.num_thresholds))

    def of_categories(self, low: int, high: int) -> 'Matches':
        """The detections of the categories from ``low`` up to ``high``, exclusive."""
        dtype = self.category.dtype
        start, end = np.searchsorted(self.category, np.array([low, high], dtype))
        first, last = np.searchsorted(self.rows, np.array([start, end], self.rows.dtype))
        of_detections = 'category', 'image', 'order', 'score', 'rank', 'in_range'
        of_matches = 'rows', 'won', 'won_ignored', 'iou', 'object'
        part: dict[str, Any] = {x: getattr(self, x)[..., start:end] for x in of_detections}
        part |= {x: getattr(self, x)[..., first:last] for x in of_matches}
        part['category'] = part['category'] - dtype.type(low)
        part['rows'] = part['rows'] - self.rows.dtype.type(start)
        return replace(self, **part, num_objects=self.num_objects[low:high])


def thresholds_per_word(num_areas: int) -> int:
    """The number of thresholds whose settings have room in a word of bits."""
    return WORD // num_areas


def unpack(words: BitArray, num_areas: int, thresholds: range) -> BoolArray:
    """Bits as bools: (W, M) to (thresholds, A, M).

    With ``n = thresholds_per_word(A)``, threshold t and range a are bit ``t % n * A + a`` of word
    ``t // n``.
    """
    octets = np.ascontiguousarray(words, '<u8').view(np.uint8).reshape(*words.shape, WORD // 8)
    flags = np.empty((len(thresholds), num_areas, words.shape[1]), bool)
    for i, t in enumerate(thresholds):
        word, place = divmod(t, thresholds_per_word(num_areas))
        for a in range(num_areas):
            octet, bit = divmod(place * num_areas + a, 8)
            np.not_equal(octets[word, :, octet] & np.uint8(1 << bit), 0, out=flags[i, a])
    return flags
