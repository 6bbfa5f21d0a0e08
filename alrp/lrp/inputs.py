"""COCO-format ground truth and results, checked and turned into arrays.

Bad input is an error that names the file, the entries and the remedy: numbers from a file that was
only half understood look as good as any.
"""

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from operator import itemgetter
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from ..coco import (
    ANYTHING,
    ID,
    NUMBER,
    CocoFormatError,
    Entries,
    Fields,
    Repair,
    as_id,
    describe_source,
    raise_problems,
    read_annotations,
    read_results,
)
from ..coco.box_layout import box_layout_problem
from ..coco.columns import unknown
from ..text import format_list
from .iou_types import Entry, Regions, find_iou_type
from .types import BoolArray, FloatArray, IntArray

REFERENCES = dict(image_id='images', category_id='categories')
SIZE = 'width', 'height'  # needed by masks only


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
        regions (Regions): G boxes or masks.
    """

    images: dict[Any, Entry]
    categories: dict[Any, Entry]
    labels: list[Any]
    image: IntArray
    category: IntArray
    area: FloatArray
    crowd: BoolArray
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
        annotations=Fields({**references, iou.key: ANYTHING}, dict(id=ID, area=NUMBER)),
    )
    name = 'the ground truth'
    repairs: list[Repair] = []
    content = read_annotations(ground_truth, schema, iou.key, name=name, repairs=repairs)
    where = describe_source(ground_truth, name)
    lists = {key: Entries(content[key], key) for key in schema}
    raise_problems(where, [problem for key in schema for problem in lists[key].shared_ids()])
    images, categories = (_by_id(lists[key], where) for key in REFERENCES.values())
    annotations = lists['annotations']
    problems = annotations.unknown_references('image_id', images.keys(), 'images')
    problems += annotations.unknown_references('category_id', categories.keys(), 'categories')
    raise_problems(where, problems)
    regions = iou.read(annotations, images, where)
    warned = [str(found) for found in repairs if found.key not in SIZE or iou.key != 'bbox']
    area, lacking = _areas(content['annotations'], regions)
    if lacking:
        labels = format_list(annotations.label(i) for i in lacking)
        warned.append(f"{len(lacking)} annotations without 'area': set to {iou.area}: {labels}")
    if any(as_id(a.get('id')) == 0 and not a.get('iscrowd') for a in content['annotations']):
        warned.append(
            'annotation id 0: evaluated correctly here, but pycocotools treats a match with it as '
            'no match, and counts its detection as a false positive. Number the annotations from 1'
        )
    warned += _layout_problems(annotations, images, iou.key)
    for text in warned:
        warnings.warn(f'{where}: {text}', stacklevel=3)
    return GroundTruth(
        images=images,
        categories=categories,
        labels=lists['categories'].values('id'),
        image=_positions(annotations, 'image_id', images),
        category=_positions(annotations, 'category_id', categories),
        area=area,
        crowd=np.array([bool(a.get('iscrowd')) for a in content['annotations']], dtype=bool),
        regions=regions,
    )


def read_detections(
    results: str | os.PathLike[str] | Sequence[Entry], truth: GroundTruth, iou_type: str
) -> Detections:
    """Read results into arrays.

    The area that decides about a detection's range of areas is the area of its box for ``bbox`` and
    of its mask for ``segm``, even if the result has a box as well.

    Args:
        results (str | os.PathLike | list[dict] | dict): Path of a file of COCO-format results, or
            its content: a list, which may be empty, or annotations with scores. Is not changed.
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
    entries = _match_ids(entries, truth, where)
    score = np.array(entries.values('score'), dtype=np.float64)
    negative = np.flatnonzero(score < 0).tolist()
    problems = [entries.problem('score', negative, 'is negative')] if negative else []
    for (key, of), known in zip(REFERENCES.items(), (truth.images, truth.categories)):
        lost = entries.unknown_references(key, known.keys(), f'the {of} of the ground truth')
        problems += [f'{problem}. Do the two files belong together?' for problem in lost]
    raise_problems(where, problems + _name_problems(entries, truth))
    regions = iou.read(entries, truth.images, where)
    for text in _layout_problems(entries, truth.images, iou.key):
        warnings.warn(f'{where}: {text}', stacklevel=3)
    return Detections(
        image=_positions(entries, 'image_id', truth.images),
        category=_positions(entries, 'category_id', truth.categories),
        score=score,
        area=regions.areas(),
        regions=regions,
    )


def _match_ids(entries: Entries, truth: GroundTruth, where: str) -> Entries:
    """Replace ids that the ground truth writes differently, such as ``1`` for ``'1'``."""
    for (key, of), known in zip(REFERENCES.items(), (truth.images, truth.categories)):
        same = Counter(map(as_id, known))  # '1' and '01' may be two images
        by_number = {as_id(i): i for i in known if same[as_id(i)] == 1}
        values, changed = entries.values(key), list(entries.entries)
        lost = [i for i in unknown(values, known.keys()) if isinstance(values[i], str | Real)]
        found = [i for i in lost if as_id(values[i]) in by_number]
        if found:
            for i in found:
                changed[i] = {**changed[i], key: by_number[as_id(values[i])]}
            warnings.warn(
                f'{where}: {len(found)} results with {key!r} written as text, or as a number where '
                f'{of} of the ground truth have text: read as the same number, as for '
                f'{entries.label(found[0])}',
                stacklevel=4,
            )
            entries = Entries(changed, entries.name, entries.around)
    return entries


def _name_problems(entries: Entries, truth: GroundTruth) -> list[str]:
    """Images and categories of a file of results that have other names in the ground truth."""
    problems = []
    for key, name, known in (
        ('images', 'file_name', truth.images),
        ('categories', 'name', truth.categories),
    ):
        listed = entries.around.get(key)
        theirs = {
            entry['id']: _base_name(entry.get(name))
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get('id'), str | Real)
        }
        different = [
            f'{i} is {known[i][name]!r} in the ground truth, {theirs[i]!r} in the results'
            for i in theirs
            if i in known and theirs[i] and _base_name(known[i].get(name)) not in (None, theirs[i])
        ]
        if different:
            problems.append(
                f'{len(different)} {key} of the same id have another {name!r}: '
                f'{format_list(different)}. Do the two files belong together?'
            )
    return problems


def _base_name(name: object) -> str | None:
    """The last part of a path with any slashes; None for anything but text."""
    return PureWindowsPath(name).name if isinstance(name, str) else None


def _layout_problems(entries: Entries, images: Mapping[Any, Entry], key: str) -> list[str]:
    """A sentence if boxes are not in pixels as x, y, width, height."""
    if key != 'bbox' or not len(entries.entries):
        return []
    size_of = {
        i: (image['width'], image['height'])
        for i, image in images.items()
        if isinstance(image.get('width'), Real) and isinstance(image.get('height'), Real)
    }
    sizes = [size_of.get(i) for i in entries.values('image_id')]
    may_extend = entries.name == 'results'
    boxes = entries.values('bbox')
    problem = box_layout_problem(boxes, sizes, may_extend)
    flat = [i for i, box in enumerate(boxes) if box[2] <= 0 or box[3] <= 0]
    problems = [entries.problem('bbox', flat, 'has no area: nothing can match it')] if flat else []
    return problems if problem is None else [*problems, problem]


def _areas(annotations: Sequence[Entry], regions: Regions) -> tuple[FloatArray, list[int]]:
    """The areas of G objects, shape (G,), and positions of those that have only their region's."""
    lacking = [i for i, annotation in enumerate(annotations) if 'area' not in annotation]
    if not lacking:
        return np.array([a['area'] for a in annotations], dtype=np.float64), lacking
    areas = regions.areas().astype(np.float64)
    having = sorted({*range(len(annotations))} - {*lacking})
    areas[having] = [annotations[i]['area'] for i in having]
    return areas, lacking


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
