"""Everything that depends on the type of region: its key, how to read it, and its similarity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from numbers import Integral
from typing import Any, Protocol

import numpy as np

from ..coco import CocoFormatError, Entries, raise_problems
from .boxes import Boxes
from .keypoints import KeypointObjects, Keypoints
from .masks import Masks, masks_from
from .types import BoolArray, FloatArray, IntArray

Entry = dict[str, Any]


class Regions(Protocol):
    """N boxes, masks or sets of keypoints."""

    def areas(self) -> FloatArray:
        """Shape (N,), float64, square pixels."""
        ...

    def ious(
        self,
        others: Any,
        mine: IntArray,
        theirs: IntArray,
        crowd: BoolArray,
        blocks: IntArray,
    ) -> FloatArray:
        """IoU of pairs, or the share of mine that is covered where theirs is a crowd; OKS.

        Args:
            others (Regions): M regions of objects.
            mine (np.ndarray): Shape (P,), int64, positions among the N regions.
            theirs (np.ndarray): Shape (P,), int64, positions among the M regions.
            crowd (np.ndarray): Shape (P,), bool, whether the other region is a crowd.
            blocks (np.ndarray): Shape (B, 2), int64. The pairs are B blocks, one after another; in
                each, all of ``blocks[b, 0]`` regions meet all of ``blocks[b, 1]`` others.

        Returns:
            np.ndarray: Shape (P,), float64.
        """
        ...


@dataclass(frozen=True)
class IouType:
    """One type of region, and its similarity.

    Attributes:
        key (str): The key of an entry's region.
        area (str): What the area of a region is, for messages.
        read (Callable): Reads the regions of entries that all have this key. Takes the entries, the
            images by id, and what to call the file in messages. Raises ``CocoFormatError`` if a
            region is malformed.
    """

    key: str
    area: str
    read: Callable[[Entries, Mapping[Any, Entry], str], Regions]


def read_boxes(entries: Entries, images: Mapping[Any, Entry], where: str) -> Boxes:
    raise_problems(where, entries.malformed_boxes())
    boxes = entries.values('bbox')
    numbers = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes))
    return Boxes(numbers.reshape(-1, 4))


def _read_masks(entries: Entries, images: Mapping[Any, Entry], where: str) -> Masks:
    sizes: list[tuple[int, int]] = []
    for image_id in entries.values('image_id'):
        image = images[image_id]
        size = _whole(image.get('height')), _whole(image.get('width'))
        if size[0] is None or size[1] is None:
            raise CocoFormatError(
                where,
                [
                    f'masks need the size of their image, but image {image_id!r} of the '
                    "ground truth has no whole numbers 'height' and 'width'"
                ],
            )
        sizes.append((size[0], size[1]))
    return masks_from(entries.values('segmentation'), sizes, f'{where}, {entries.name}')


def _whole(number: object) -> int | None:
    """A whole number, which may be written as a decimal; None for anything else."""
    if isinstance(number, Integral) or (isinstance(number, float) and number.is_integer()):
        return int(number)
    return None


def _read_keypoints(
    entries: Entries, images: Mapping[Any, Entry], where: str, sigmas: tuple[float, ...]
) -> Regions:
    raise_problems(where, entries.malformed_keypoints(len(sigmas)))
    lists = entries.values('keypoints')
    count = 3 * len(sigmas)
    numbers = np.fromiter(chain.from_iterable(lists), np.float64, count * len(lists))
    keypoints = numbers.reshape(len(lists), len(sigmas), 3)
    if entries.name != 'annotations':
        return Keypoints(keypoints)
    areas = np.array(entries.values('area'), dtype=np.float64)
    return KeypointObjects(keypoints, read_boxes(entries, images, where), areas, sigmas)


BOXES = IouType('bbox', 'width * height of the box', read_boxes)
MASKS = IouType('segmentation', 'the area of the mask', _read_masks)


def keypoints(sigmas: tuple[float, ...]) -> IouType:
    """Keypoints with these sigmas, compared by object keypoint similarity (OKS)."""
    return IouType(
        'keypoints', 'the extent of the keypoints', partial(_read_keypoints, sigmas=sigmas)
    )
