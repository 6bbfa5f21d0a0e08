"""COCO-format ground truth and results, checked and turned into arrays.

Bad input is an error that names the file, the entries and the remedy: numbers from a file that was
only half understood look as good as any.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from ..coco import (
    ANYTHING,
    ID,
    NUMBER,
    CocoFormatError,
    Entries,
    Fields,
    describe_source,
    raise_problems,
    read_annotations,
    read_results,
)
from .iou_types import Entry, Regions, find_iou_type
from .types import BoolArray, FloatArray, IntArray

REFERENCES = dict(image_id='images', category_id='categories')


@dataclass(frozen=True)
class GroundTruth:
    """The G objects of a data set. ``image`` and ``category`` are positions in the sorted ids.

    Attributes:
        images (dict): Every image's entry by id, ids ascending.
        categories (dict): Every category's entry by id, ids ascending.
        labels (list): The ids of the categories in the order of the file.
        image (np.ndarray): Shape (G,), int64.
        category (np.ndarray): Shape (G,), int64.
        area (np.ndarray): Shape (G,), float64, square pixels, of the object, not of its box.
        crowd (np.ndarray): Shape (G,), bool: a region that may be detected any number of times,
            which counts neither for nor against the detector.
        id_is_zero (np.ndarray): Shape (G,), bool: annotation id 0. pycocotools treats a match with
            it as no match.
        regions (Regions): G boxes or masks.
    """

    images: dict[Any, Entry]
    categories: dict[Any, Entry]
    labels: list[Any]
    image: IntArray
    category: IntArray
    area: FloatArray
    crowd: BoolArray
    id_is_zero: BoolArray
    regions: Regions


@dataclass(frozen=True)
class Detections:
    """N detections in the order of the input.

    Attributes:
        image (np.ndarray): Shape (N,), int64, position of the image in the ground truth.
        category (np.ndarray): Shape (N,), int64, position of the category in the ground truth.
        score (np.ndarray): Shape (N,), float64, >= 0.
        area (np.ndarray): Shape (N,), float64, square pixels, of the region.
        regions (Regions): N boxes or masks.
    """

    image: IntArray
    category: IntArray
    score: FloatArray
    area: FloatArray
    regions: Regions


def read_ground_truth(
    ground_truth: str | os.PathLike[str] | Mapping[str, Any], iou_type: str
) -> GroundTruth:
    """Read the ground truth into arrays.

    As in pycocotools, an object is ignored if it is a crowd; its own ``ignore`` does not count.

    Args:
        ground_truth (str | os.PathLike | dict): Path of a file of COCO-format annotations, or its
            content. Is not changed.
        iou_type (str): ``bbox`` or ``segm``.

    Returns:
        GroundTruth: All objects.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is missing, of the wrong type, not finite, duplicated or unknown.
    """
    iou = find_iou_type(iou_type)
    references = dict.fromkeys(REFERENCES, ANYTHING)
    schema = dict(
        images=Fields(dict(id=ID)),
        categories=Fields(dict(id=ID)),
        annotations=Fields({'id': ID, **references, 'area': NUMBER, iou.key: ANYTHING}),
    )
    name = 'the ground truth'
    content = read_annotations(ground_truth, schema, iou.key, name=name)
    where = describe_source(ground_truth, name)
    lists = {key: Entries(content[key], key) for key in schema}
    raise_problems(where, [problem for key in schema for problem in lists[key].shared_ids()])
    images, categories = (_by_id(lists[key], where) for key in REFERENCES.values())
    annotations = lists['annotations']
    problems = annotations.unknown_references('image_id', images.keys(), 'images')
    problems += annotations.unknown_references('category_id', categories.keys(), 'categories')
    raise_problems(where, problems)
    truth = GroundTruth(
        images=images,
        categories=categories,
        labels=lists['categories'].values('id'),
        image=_positions(annotations, 'image_id', images),
        category=_positions(annotations, 'category_id', categories),
        area=np.array(annotations.values('area'), dtype=np.float64),
        crowd=np.array([bool(a.get('iscrowd')) for a in content['annotations']], dtype=bool),
        id_is_zero=np.array([i == 0 for i in annotations.values('id')], dtype=bool),
        regions=iou.read(annotations, images, where),
    )
    if (truth.id_is_zero & ~truth.crowd).any():
        warnings.warn(
            f'{where}: annotation id 0: pycocotools treats a match with it as no match, so its '
            'detection counts as a false positive here as well. Number the annotations from 1',
            stacklevel=3,
        )
    return truth


def read_detections(
    results: str | os.PathLike[str] | Sequence[Entry], truth: GroundTruth, iou_type: str
) -> Detections:
    """Read results into arrays.

    The area that decides about a detection's range of areas is the area of its box for ``bbox`` and
    of its mask for ``segm``, even if the result has a box as well.

    Args:
        results (str | os.PathLike | list[dict]): Path of a file of COCO-format results, or its
            content. May be empty. Is not changed.
        truth (GroundTruth): The ground truth, which has their images and categories.
        iou_type (str): ``bbox`` or ``segm``.

    Returns:
        Detections: All detections.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is missing, of the wrong type, not finite, negative or unknown.
    """
    iou = find_iou_type(iou_type)
    references = dict.fromkeys(REFERENCES, ANYTHING)
    fields = Fields({**references, 'score': NUMBER, iou.key: ANYTHING})
    name = 'the results'
    entries, where = read_results(results, fields, name), describe_source(results, name)
    score = np.array(entries.values('score'), dtype=np.float64)
    negative = np.flatnonzero(score < 0).tolist()
    problems = [entries.problem('score', negative, 'is negative')] if negative else []
    for (key, of), known in zip(REFERENCES.items(), (truth.images, truth.categories)):
        lost = entries.unknown_references(key, known.keys(), f'the {of} of the ground truth')
        problems += [f'{problem}. Do the two files belong together?' for problem in lost]
    raise_problems(where, problems)
    regions = iou.read(entries, truth.images, where)
    return Detections(
        image=_positions(entries, 'image_id', truth.images),
        category=_positions(entries, 'category_id', truth.categories),
        score=score,
        area=regions.areas(),
        regions=regions,
    )


def _by_id(entries: Entries, where: str) -> dict[Any, Entry]:
    try:
        pairs = sorted(zip(entries.values('id'), entries.entries), key=itemgetter(0))
    except TypeError as error:
        raise CocoFormatError(
            where, [f'{entries.name} have ids of several types ({error}). Use numbers only']
        ) from error
    return dict(pairs)


def _positions(entries: Entries, key: str, known: Mapping[Any, Entry]) -> IntArray:
    """Positions of N entries' references among the known ids: shape (N,), int64."""
    position = dict(zip(known, range(len(known))))
    references = entries.values(key)
    return np.fromiter(map(position.__getitem__, references), np.int64, len(references))
