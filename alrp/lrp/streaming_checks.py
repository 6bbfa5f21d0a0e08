"""Reads the predictions or targets of an image into arrays, and checks them."""

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..text import format_list
from .arrays import as_array
from .masks import Masks, Rle
from .types import Array, BoolArray, FloatArray, IntArray

BOX_FORMATS = 'xyxy', 'xywh', 'cxcywh'


class Side(NamedTuple):
    """N detections or objects of an image.

    Attributes:
        regions (np.ndarray | list[dict]): Boxes x, y, width, height (N, 4), float64, or N masks as
            compressed run lengths.
        labels (np.ndarray): Shape (N,), int64.
        scores (np.ndarray): Shape (N,), float64; empty for objects.
        area (np.ndarray): Shape (N,), float64, square pixels; empty for detections.
        crowd (np.ndarray): Shape (N,), bool; empty for detections.
    """

    regions: Any
    labels: IntArray
    scores: FloatArray
    area: FloatArray
    crowd: BoolArray


class Image(NamedTuple):
    """One image: its detections, its objects, and its id, None for the order of updates."""

    id: Any
    detections: Side
    objects: Side


def read_side(
    entry: Any,
    where: str,
    scored: bool,
    box_format: str,
    iou_type: str,
    num_classes: int | None,
) -> Side:
    """Read the dict of an image.

    Args:
        entry (Any): The dict.
        where (str): What to call it in messages.
        scored (bool): True for predictions, False for targets.
        box_format (str): One of ``BOX_FORMATS``.
        iou_type (str): ``bbox`` or ``segm``.
        num_classes (int, optional): Labels must be less. None for any label.

    Returns:
        Side: The arrays.

    Raises:
        ValueError: If a key is missing or a value is malformed. Names the key.
    """
    region = 'boxes' if iou_type == 'bbox' else 'masks'
    if not isinstance(entry, Mapping):
        raise ValueError(f'{where}: expected a dict, got a {type(entry).__name__}')
    needed = [region, 'labels', *(['scores'] if scored else [])]
    lacking = [key for key in needed if key not in entry]
    if lacking:
        raise ValueError(
            f'{where}: no key {", ".join(map(repr, lacking))}; it has '
            f'{", ".join(map(repr, entry)) or "no keys"}'
        )
    labels = _labels(entry['labels'], f"{where}['labels']", num_classes)
    count = len(labels)
    where_region = f'{where}[{region!r}]'
    regions: Any
    if iou_type == 'segm':
        regions = _masks(entry['masks'], where_region, count)
    else:
        regions = _boxes(entry['boxes'], where_region, count, box_format)
        if (regions[:, 2:] < 0).any():
            problem = (
                f'a box has a negative width or height in the format {box_format!r}. Is box_format '
                'right?'
            )
            if not scored:
                raise ValueError(f'{where_region}: {problem}')
            # Some detectors predict such boxes early in training. Without `where`: shown once.
            warnings.warn(f'predictions: {problem} Nothing can match it', stacklevel=3)
    if scored:
        scores = _not_negative(entry['scores'], f"{where}['scores']", count)
        return Side(regions, labels, scores, np.zeros(0), np.zeros(0, bool))
    areas = Masks(regions).areas() if iou_type == 'segm' else regions[:, 2] * regions[:, 3]
    if entry.get('area') is not None:
        given = _not_negative(entry['area'], f"{where}['area']", count)
        areas = np.where(given > 0, given, areas)  # 0 is unknown, as in evaluate_lrp
    crowd = np.zeros(count, bool)
    if entry.get('iscrowd') is not None:
        crowd = _not_negative(entry['iscrowd'], f"{where}['iscrowd']", count) != 0
    return Side(regions, labels, np.zeros(0), areas, crowd)


def read_image_id(target: Any, where: str) -> Any:
    """The image id of a target: a number or text, or None."""
    image_id: Any = target.get('image_id') if isinstance(target, Mapping) else None
    if hasattr(image_id, 'tolist'):  # a tensor or an array with one value
        image_id = image_id.tolist()
        if isinstance(image_id, list) and len(image_id) == 1:
            [image_id] = image_id
    if isinstance(image_id, float) and image_id.is_integer():
        return int(image_id)
    if image_id is not None and not isinstance(image_id, int | str):
        raise ValueError(f"{where}['image_id']: expected a whole number or text, got {image_id!r}")
    return image_id


def check_mask_sizes(image: Image, which: str) -> None:
    """Check that all masks of an image have the same size.

    Raises:
        ValueError: If not. ``which`` is what to call the image.
    """
    sizes = {tuple(r['size']) for side in image[1:] for r in side.regions if isinstance(r, dict)}
    if len(sizes) > 1:
        text = ' and '.join(f'{height} x {width}' for height, width in sorted(sizes))
        raise ValueError(
            f'masks {which} have different heights and widths in predictions and targets: {text}'
        )


def check_ids(images: list[Image]) -> None:
    """Check that all images have an id, or none, and that no two have the same.

    Raises:
        ValueError: If not.
    """
    ids = [image.id for image in images]
    lacking = ids.count(None)
    if lacking == len(ids):
        return
    if lacking:
        raise ValueError(
            f"{lacking} of {len(ids)} targets have no 'image_id': give one to all of them, or none"
        )
    repeated = [i for i, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(
            f'images were added twice, with image_id {format_list(map(repr, repeated))}. Call '
            'reset before each evaluation'
        )


def _shaped(array: Array, where: str, count: int, *shape: int) -> Array:
    """An array of shape (count, ...); any empty array means none."""
    if array.size == 0 and count == 0:
        return array.reshape(0, *shape)
    if array.shape != (count, *shape):
        expected = (count, *shape)
        raise ValueError(
            f'{where}: expected the shape {expected}, as there are {count} labels, got '
            f'{array.shape}'
        )
    return array


def _finite(value: Any, where: str, count: int, *shape: int) -> FloatArray:
    array = _shaped(as_array(value, where), where, count, *shape).astype(np.float64)
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise ValueError(f'{where}: {array[at]} at position {at[0]} is not finite')
    return array


def _not_negative(value: Any, where: str, count: int) -> FloatArray:
    array = _finite(value, where, count)
    wrong = np.flatnonzero(array < 0)
    if len(wrong):
        raise ValueError(f'{where}: {array[wrong[0]]} at position {wrong[0]} is negative')
    return array


def _labels(value: Any, where: str, num_classes: int | None) -> IntArray:
    array = as_array(value, where)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in 'iu':
        raise ValueError(
            f'{where}: expected whole numbers of shape (N,), got {array.dtype} of shape '
            f'{array.shape}'
        )
    labels = array.astype(np.int64)
    if num_classes is not None:
        wrong = labels[(labels < 0) | (labels >= num_classes)]
        if len(wrong):
            raise ValueError(
                f'{where}: label {wrong[0]} is not one of the {num_classes} classes, which have '
                f'the labels 0 to {num_classes - 1}'
            )
    return labels


def _boxes(value: Any, where: str, count: int, box_format: str) -> FloatArray:
    """Boxes as x, y, width, height, computed in float64."""
    boxes = _finite(value, where, count, 4)
    if box_format == 'xyxy':
        boxes[:, 2:] -= boxes[:, :2]
    elif box_format == 'cxcywh':
        boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes


def _masks(value: Any, where: str, count: int) -> list[Rle]:
    from pycocotools import mask

    masks = as_array(value, where)
    if masks.size == 0 and count == 0:
        return []
    if masks.ndim != 3 or len(masks) != count:
        raise ValueError(
            f'{where}: expected the shape ({count}, height, width), as there are {count} labels, '
            f'got {masks.shape}'
        )
    if masks.dtype.kind == 'f' or (masks.dtype != bool and not np.isin(masks, (0, 1)).all()):
        most = masks.max(initial=0)
        threshold = 0.5 if most <= 1 else 127 if most == 255 else 'THRESHOLD'
        raise ValueError(
            f'{where}: expected bool, or whole numbers 0 and 1, got {masks.dtype} up to {most:g}. '
            f'Apply a threshold: masks > {threshold}'
        )
    return [mask.encode(np.asfortranarray(m, dtype=np.uint8)) for m in masks]
