"""COCO-format ground truth and results, checked and turned into arrays.

What is wrong with a file is said at once, with the entry and what to do about it: numbers that come
out of a file that was only half understood look as good as any.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Real
from pathlib import Path

import numpy as np

from ..text import format_list
from .regions import Boxes, Regions, masks_from

IOU_TYPES = dict(bbox='bbox', segm='segmentation')  # and the key of an entry's region


@dataclass(frozen=True)
class GroundTruth:
    """The G objects of a data set. ``image`` and ``category`` are places among the sorted ids.

    Attributes:
        images (dict): What is known of every image, by id, in ascending order.
        categories (dict): Likewise.
        labels (list): The ids of the categories in the order in which they were given.
        image (np.ndarray): Shape (G,), int64.
        category (np.ndarray): Shape (G,), int64.
        area (np.ndarray): Shape (G,), float64, square pixels, of the object and not of its box.
        crowd (np.ndarray): Shape (G,), bool: a region that may be detected any number of times,
            which counts neither for nor against the detector.
        id_is_zero (np.ndarray): Shape (G,), bool: pycocotools takes a match with such an object for
            no match.
        regions (Regions): G boxes or masks.
    """

    images: dict
    categories: dict
    labels: list
    image: np.ndarray
    category: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    id_is_zero: np.ndarray
    regions: Regions


@dataclass(frozen=True)
class Detections:
    """N detections, in the order in which they were given.

    Attributes:
        image (np.ndarray): Shape (N,), int64, place of the image in the ground truth.
        category (np.ndarray): Shape (N,), int64, place of the category in the ground truth.
        score (np.ndarray): Shape (N,), float64, >= 0.
        area (np.ndarray): Shape (N,), float64, square pixels, of what ``regions`` holds.
        regions (Regions): N boxes or masks.
    """

    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    area: np.ndarray
    regions: Regions


def read_ground_truth(ground_truth: str | os.PathLike | dict, iou_type: str) -> GroundTruth:
    """Ground truth as arrays.

    As in pycocotools, an object is ignored if it is a crowd, and an ``ignore`` of its own does not
    count.

    Args:
        ground_truth (str | os.PathLike | dict): Path of a file of COCO-format annotations, or what
            is in it. Is not changed.
        iou_type (str): ``bbox`` or ``segm``.

    Returns:
        GroundTruth: All its objects.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If anything is missing, of a wrong type, not finite, duplicated or unknown.
    """
    key = _region_key(iou_type)
    content, where = _load(ground_truth, 'the ground truth')
    if not isinstance(content, dict):
        raise ValueError(
            f'{where} is a {type(content).__name__} instead of an object with images, annotations '
            'and categories. Is it the results? The ground truth comes first'
        )
    for name in ('images', 'annotations', 'categories'):
        entries = content.get(name)
        if not isinstance(entries, list) or not set(map(type, entries)) <= {dict}:
            raise ValueError(
                f'{where} has no list of entries {name!r}: this is not COCO format. Export the '
                'annotations again, as COCO JSON for object detection'
            )
    images = _by_id(content['images'], f'{where}, images')
    categories = _by_id(content['categories'], f'{where}, categories')
    annotations, where = content['annotations'], f'{where}, annotations'
    ids = _column(annotations, 'id', where)
    _check_unique(ids, where)
    truth = GroundTruth(
        images=images,
        categories=categories,
        labels=[category['id'] for category in content['categories']],
        image=_places(_column(annotations, 'image_id', where), images, 'image_id', where),
        category=_places(
            _column(annotations, 'category_id', where), categories, 'category_id', where
        ),
        area=_numbers(_column(annotations, 'area', where), 'area', where),
        crowd=np.array([bool(a.get('iscrowd')) for a in annotations], dtype=bool),
        id_is_zero=np.array([i == 0 for i in ids], dtype=bool),
        regions=_regions(annotations, key, images, where),
    )
    if (truth.id_is_zero & ~truth.crowd).any():
        warnings.warn(
            f'{where}: one has the id 0, which pycocotools takes, once matched, for no match. To '
            'give the same numbers we do so too: its detection is a false positive. Number the '
            'annotations from 1',
            stacklevel=3,
        )
    return truth


def read_detections(
    results: str | os.PathLike | list[dict], truth: GroundTruth, iou_type: str
) -> Detections:
    """Results as arrays.

    The area of a detection, by which it belongs to a range of areas or not, is that of its box for
    ``bbox`` and that of its mask for ``segm``, even where the result has a box as well.

    Args:
        results (str | os.PathLike | list[dict]): Path of a file of results in COCO format, or what
            is in it. May be empty. Is not changed.
        truth (GroundTruth): To which images and categories they must belong.
        iou_type (str): ``bbox`` or ``segm``.

    Returns:
        Detections: All of them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If anything is missing, of a wrong type, not finite, negative or unknown.
    """
    key = _region_key(iou_type)
    entries, where = _load(results, 'the results')
    if not isinstance(entries, (list, tuple)) or not set(map(type, entries)) <= {dict}:
        hint = ' Is it the ground truth? It comes first' if isinstance(entries, dict) else ''
        raise ValueError(
            f'{where}: this is not COCO format, which is a list of entries with image_id, '
            f'category_id, score and {key}.{hint}'
        )
    score = _numbers(_column(entries, 'score', where), 'score', where)
    if len(score) and score.min() < 0:
        _refuse(np.flatnonzero(score < 0), score, 'score', 'is negative', where)
    image = _places(_column(entries, 'image_id', where), truth.images, 'image_id', where)
    category = _places(
        _column(entries, 'category_id', where), truth.categories, 'category_id', where
    )
    regions = _regions(entries, key, truth.images, where)
    return Detections(image, category, score, regions.areas(), regions)


def _region_key(iou_type: str) -> str:
    if iou_type not in IOU_TYPES:
        raise ValueError(f'iou_type must be one of {", ".join(IOU_TYPES)}, but is {iou_type!r}')
    return IOU_TYPES[iou_type]


def _load(source, name: str) -> tuple[object, str]:
    """What is in a file, and how to call it in a message; what is no path is returned as it is."""
    if not isinstance(source, (str, os.PathLike)):
        return source, name
    try:
        return json.loads(Path(source).read_bytes()), os.fspath(source)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f'{os.fspath(source)} is not JSON ({error}). Was it written to the end? Write it again'
        ) from error


def _by_id(entries: list[dict], where: str) -> dict:
    ids = _column(entries, 'id', where)
    _check_unique(ids, where)
    try:
        return dict(sorted(zip(ids, entries), key=lambda pair: pair[0]))
    except TypeError as error:
        raise ValueError(f'{where}: ids are of several types ({error}). Use numbers') from error


def _column(entries: Sequence[dict], key: str, where: str) -> list:
    try:
        return [entry[key] for entry in entries]
    except KeyError:
        lacking = [i for i, entry in enumerate(entries) if key not in entry]
        advice = '. The width * height of the box will do' if key == 'area' else ''
        raise ValueError(
            f'{where}: {len(lacking)} of {len(entries)} entries have no {key!r}, at '
            f'{format_list(lacking)} (counted from 0){advice}'
        ) from None


def _check_unique(ids: list, where: str) -> None:
    try:
        repeated = [i for i, count in Counter(ids).items() if count > 1] if ids else []
    except TypeError as error:
        raise ValueError(f"{where}: an 'id' is neither a number nor text ({error})") from error
    if repeated:
        raise ValueError(
            f'{where}: {len(repeated)} ids stand for several entries: {format_list(repeated)}. '
            'Give each entry an id of its own'
        )


def _places(ids: list, known: dict, key: str, where: str) -> np.ndarray:
    """Where each of the ids stands among the known ones."""
    place = dict(zip(known, range(len(known))))
    try:
        return np.fromiter(map(place.__getitem__, ids), np.int64, len(ids))
    except (KeyError, TypeError):
        lost = [i for i, x in enumerate(ids) if not _is_hashable(x) or x not in place]
        kind = 'images' if key == 'image_id' else 'categories'
        raise ValueError(
            f'{where}: {len(lost)} of {len(ids)} entries have a {key} that is not among the '
            f'{kind} of the ground truth: {format_list(f"{ids[i]!r} at {i}" for i in lost)} (counted from '
            f'0). There, ids are {format_list(map(repr, known))}. Do the two files belong together?'
        ) from None


def _is_hashable(x) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def _numbers(values: list, key: str, where: str, per_entry: int = 1) -> np.ndarray:
    """Finite numbers as float64. ``per_entry`` of the values belong to each entry."""
    if not all(map(_is_number, set(map(type, values)))):
        wrong = [i for i, x in enumerate(values) if not _is_number(type(x))]
        _refuse(wrong, values, key, 'is no number', where, per_entry)
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise ValueError(f'{where}: a {key} is no finite number ({error})') from error
    finite = np.isfinite(numbers)
    if not finite.all():
        _refuse(np.flatnonzero(~finite), values, key, 'is no finite number', where, per_entry)
    return numbers


def _is_number(kind: type) -> bool:
    return issubclass(kind, Real) and kind is not bool


def _refuse(
    wrong: Sequence[int], values: Sequence, key: str, what: str, where: str, per_entry: int = 1
) -> None:
    raise ValueError(
        f'{where}: {len({i // per_entry for i in wrong})} of {len(values) // per_entry} entries '
        f'have a {key} that {what}: {format_list(f"{values[i]} at {i // per_entry}" for i in wrong)} '
        '(counted from 0)'
    )


def _regions(entries: list[dict], key: str, images: dict, where: str) -> Regions:
    regions = _column(entries, key, where)
    if key == 'bbox':
        return _boxes(regions, where)
    sizes = []
    for entry in entries:
        image = images.get(entry['image_id'], {})
        if not isinstance(image.get('height'), Integral) or not isinstance(
            image.get('width'), Integral
        ):
            raise ValueError(
                f'{where}: masks need the size of their image, but the image {entry["image_id"]!r} '
                "of the ground truth has no 'height' and 'width'"
            )
        sizes.append((image['height'], image['width']))
    return masks_from(regions, sizes, where)


def _boxes(boxes: list, where: str) -> Boxes:
    accepted = list, tuple, np.ndarray
    if not all(issubclass(t, accepted) for t in set(map(type, boxes))) or {*map(len, boxes)} - {4}:
        wrong = [i for i, b in enumerate(boxes) if not isinstance(b, accepted) or len(b) != 4]
        _refuse(wrong, boxes, 'bbox', 'is not [x, y, width, height]', where)
    numbers = _numbers(list(chain.from_iterable(boxes)), 'bbox with a number', where, per_entry=4)
    return Boxes(numbers.reshape(-1, 4))
