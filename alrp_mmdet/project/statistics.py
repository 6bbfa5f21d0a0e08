"""Number and size of the objects in a split."""

from dataclasses import dataclass

import numpy as np

from alrp.lrp.tasks import AREAS

from .formats import Split

# Square pixels. COCO's AP counts an object of exactly this area in both size ranges.
SMALL, LARGE = AREAS['small'][1], AREAS['large'][0]


@dataclass(frozen=True)
class Objects:
    """The N objects of a split, without crowds, and its M images.

    Attributes:
        boxes (np.ndarray): Shape (N, 4), float64, x, y, width, height in pixels.
        areas (np.ndarray): Shape (N,), float64, square pixels.
        labels (np.ndarray): Shape (N,), int64, index of the class.
        object_image_sizes (np.ndarray): Shape (N, 2), float64, width and height of each object's
            image in pixels.
        image_sizes (np.ndarray): Shape (M, 2), float64, width and height of each image in pixels.
        with_objects (int): Number of images with objects.
        crowds (int): Number of crowds.
    """

    boxes: np.ndarray
    areas: np.ndarray
    labels: np.ndarray
    object_image_sizes: np.ndarray
    image_sizes: np.ndarray
    with_objects: int
    crowds: int

    @property
    def median_size(self) -> tuple[float, float]:
        """Median long and median short side of the images in pixels."""
        sizes = np.median(np.sort(self.image_sizes, axis=1), axis=0)
        return float(sizes[1]), float(sizes[0])


def collect_objects(split: Split) -> Objects:
    """The objects of a split as arrays."""
    sizes = {i['id']: (i['width'], i['height']) for i in split.content['images']}
    labels = {c['id']: i for i, c in enumerate(split.content['categories'])}
    entries = [a for a in split.content['annotations'] if not a['iscrowd']]
    return Objects(
        boxes=np.array([a['bbox'] for a in entries], dtype=np.float64).reshape(-1, 4),
        areas=np.array([a['area'] for a in entries], dtype=np.float64),
        labels=np.array([labels[a['category_id']] for a in entries], dtype=np.int64),
        object_image_sizes=_pairs([sizes[a['image_id']] for a in entries]),
        image_sizes=_pairs(list(sizes.values())),
        with_objects=len({a['image_id'] for a in entries}),
        crowds=len(split.content['annotations']) - len(entries),
    )


def resize_factor(image_sizes: np.ndarray, image_scale: tuple[int, int]) -> np.ndarray:
    """Factor by which ``Resize(scale=image_scale, keep_ratio=True)`` scales images.

    Args:
        image_sizes (np.ndarray): Shape (N, 2), width and height.
        image_scale (tuple[int, int]): Largest long and largest short side.

    Returns:
        np.ndarray: Shape (N,), float64.
    """
    return np.minimum(
        max(image_scale) / image_sizes.max(axis=1, initial=1),
        min(image_scale) / image_sizes.min(axis=1),
    )


def count_by_size(areas: np.ndarray) -> tuple[int, int, int]:
    """Number of small, medium and large objects, by COCO's definition."""
    small, large = int((areas < SMALL).sum()), int((areas >= LARGE).sum())
    return small, len(areas) - small - large, large


def classes_without_objects(classes: tuple[str, ...], objects: Objects) -> list[str]:
    """Names of the classes that have no object in a split."""
    present = set(objects.labels.tolist())
    return [name for i, name in enumerate(classes) if i not in present]


def _pairs(sizes: list) -> np.ndarray:
    return np.array(sizes, dtype=np.float64).reshape(-1, 2)
