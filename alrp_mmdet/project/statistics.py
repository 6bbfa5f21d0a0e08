"""How many objects there are, and how large."""

from dataclasses import dataclass

import numpy as np

from alrp.lrp.matching import AREAS

from .formats import Split

# Square pixels. For AP, an object of just that area counts to both sides.
SMALL, LARGE = AREAS['small'][1], AREAS['large'][0]


@dataclass(frozen=True)
class Objects:
    """The N objects of a split that are trained on, crowds left out.

    Attributes:
        box (np.ndarray): Shape (N, 4), float64, x, y, width, height in pixels.
        area (np.ndarray): Shape (N,), float64, square pixels.
        label (np.ndarray): Shape (N,), int64, place of the class.
        image_size (np.ndarray): Shape (N, 2), float64, width and height of its image in pixels.
        image_sizes (np.ndarray): Shape (M, 2), likewise, of every image.
        with_objects (int): Number of images that have any.
        crowds (int): Number of objects left out.
    """

    box: np.ndarray
    area: np.ndarray
    label: np.ndarray
    image_size: np.ndarray
    image_sizes: np.ndarray
    with_objects: int
    crowds: int

    @property
    def median_size(self) -> tuple[float, float]:
        """Long and short side of the median image in pixels."""
        sizes = np.median(np.sort(self.image_sizes, axis=1), axis=0)
        return float(sizes[1]), float(sizes[0])


def objects_of(split: Split) -> Objects:
    """The objects of a split as arrays."""
    sizes = {i['id']: (i['width'], i['height']) for i in split.content['images']}
    label = {c['id']: i for i, c in enumerate(split.content['categories'])}
    entries = [a for a in split.content['annotations'] if not a['iscrowd']]
    return Objects(
        box=np.array([a['bbox'] for a in entries], dtype=np.float64).reshape(-1, 4),
        area=np.array([a['area'] for a in entries], dtype=np.float64),
        label=np.array([label[a['category_id']] for a in entries], dtype=np.int64),
        image_size=_pairs([sizes[a['image_id']] for a in entries]),
        image_sizes=_pairs(list(sizes.values())),
        with_objects=len({a['image_id'] for a in entries}),
        crowds=len(split.content['annotations']) - len(entries),
    )


def resize_factor(image_size: np.ndarray, scale: tuple[int, int]) -> np.ndarray:
    """What ``Resize(scale=scale, keep_ratio=True)`` multiplies the sides of images by.

    Args:
        image_size (np.ndarray): Shape (N, 2), width and height.
        scale (tuple[int, int]): Largest long and largest short side.

    Returns:
        np.ndarray: Shape (N,), float64.
    """
    return np.minimum(
        max(scale) / image_size.max(axis=1, initial=1), min(scale) / image_size.min(axis=1)
    )


def count_by_size(area: np.ndarray) -> tuple[int, int, int]:
    """Numbers of small, medium and large objects, as COCO calls them."""
    small, large = int((area < SMALL).sum()), int((area >= LARGE).sum())
    return small, len(area) - small - large, large


def _pairs(sizes: list) -> np.ndarray:
    return np.array(sizes, dtype=np.float64).reshape(-1, 2)
