"""COCO-format ground truth and results, checked and turned into arrays.

Bad input is an error that names the file, the entries and the remedy: numbers from a file that was
only half understood look as good as any.
"""

import os
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from ..coco import (
    ANYTHING,
    ID,
    NUMBER,
    CocoFormatError,
    Entries,
    Fields,
    Repair,
    as_id,
    raise_problems,
    read_annotations,
    read_results,
)
from ..text import format_list
from .areas import area_problems, areas, areas_of_detections
from .arrays import (
    Columns,
    Rows,
    clean_boxes,
    columns_from,
    columns_of_entries,
    columns_of_file,
    is_columns,
)
from .boxes import Boxes
from .federated import Federation, read_federation, read_frequencies
from .input_checks import REFERENCES, flat_boxes_problem, layout_problems, match_ids, name_problems
from .iou_types import Entry, Regions
from .tasks import Task
from .types import BoolArray, FloatArray, IntArray

Results = str | os.PathLike[str] | Sequence[dict[str, Any]] | Mapping[str, ArrayLike]

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
        ignored (np.ndarray): Shape (G,), bool, whether the object counts neither for nor against
            the detector.
        crowd (np.ndarray): Shape (G,), bool, whether the object can be matched any number of times.
        regions (Regions): G boxes, masks or sets of keypoints.
        groups (list[str]): The group of each category, ``r`` for example; empty without groups.
        federation (Federation, optional): The classes that were searched for in each image; None if
            all were.
    """

    images: dict[Any, Entry]
    categories: dict[Any, Entry]
    labels: list[Any]
    image: IntArray
    category: IntArray
    area: FloatArray
    ignored: BoolArray
    crowd: BoolArray
    regions: Regions
    groups: list[str] = field(default_factory=list)
    federation: Federation | None = None

    @property
    def names(self) -> list[str]:
        """Names of the categories, or their ids as text, by ascending id."""
        return [str(category.get('name', i)) for i, category in self.categories.items()]


@dataclass(frozen=True)
class Detections:
    """N detections in the order of the input.

    Attributes:
        image (np.ndarray): Shape (N,), int, position of the image in the ground truth.
        category (np.ndarray): Shape (N,), int, position of the category in the ground truth; -1 for
            a category that LVIS does not know.
        score (np.ndarray): Shape (N,), float, >= 0.
        area (np.ndarray): Shape (N,), float64, square pixels, which decides about the range.
        regions (Regions): N boxes, masks or sets of keypoints.
    """

    image: IntArray
    category: IntArray
    score: FloatArray
    area: FloatArray
    regions: Regions


def read_ground_truth(ground_truth: object, task: Task, where: str) -> GroundTruth:
    """Read the ground truth into arrays.

    Args:
        ground_truth (object): Parsed content of a file of COCO-format annotations. Is not changed.
        task (Task): Says which keys are needed, and which objects are ignored or crowds.
        where (str): What to call the file in messages.

    Returns:
        GroundTruth: All objects; for LVIS, all with an area.

    Raises:
        ValueError: If a value is missing, of the wrong type, not finite, duplicated or unknown.
    """
    region = task.similarity
    references = dict.fromkeys(REFERENCES, ANYTHING)
    schema = dict(
        images=Fields(dict(id=ID)),
        categories=Fields(dict(id=ID)),
        annotations=Fields({**references, region.key: ANYTHING}, dict(id=ID, area=NUMBER)),
    )
    for key, required in task.required.items():
        schema[key] = Fields({**schema[key].required, **required}, schema[key].optional)
    repairs: list[Repair] = []
    content = read_annotations(
        ground_truth,
        schema,
        region.key,
        name=where,
        repairs=repairs,
        any_area=task.own_area,
    )
    if task.federated:  # as if they were not in the file
        having = [a for a in content['annotations'] if a.get('area', 1) > 0]
        content = {**content, 'annotations': having}
    lists = {key: Entries(content[key], key) for key in schema}
    raise_problems(where, [problem for key in schema for problem in lists[key].shared_ids()])
    images, categories = (_by_id(lists[key], where) for key in REFERENCES.values())
    annotations = lists['annotations']
    problems = annotations.unknown_references('image_id', images.keys(), 'images')
    problems += annotations.unknown_references('category_id', categories.keys(), 'categories')
    raise_problems(where, problems + (area_problems(annotations) if task.own_area else []))
    regions = region.read(annotations, images, where)
    warned = [str(found) for found in repairs if found.key not in SIZE or region.key != 'bbox']
    area, lacking = areas(content['annotations'], regions)
    if lacking:
        labels = format_list(annotations.label(i) for i in lacking)
        warned.append(f"{len(lacking)} annotations without 'area': set to {region.area}: {labels}")
    if any(as_id(a.get('id')) == 0 and not a.get('iscrowd') for a in content['annotations']):
        warned.append(
            'annotation id 0: evaluated correctly here, but pycocotools treats a match with it as '
            'no match, and counts its detection as a false positive. Number the annotations from 1'
        )
    warned += layout_problems(annotations, images, region.key)
    for text in warned:
        warnings.warn(f'{where}: {text}', stacklevel=4)
    image = _positions(annotations, 'image_id', images)
    category = _positions(annotations, 'category_id', categories)
    federation = None
    if task.federated:
        federation = read_federation(images, categories, image, category, where)
    return GroundTruth(
        images=images,
        categories=categories,
        labels=lists['categories'].values('id'),
        image=image,
        category=category,
        area=area,
        ignored=np.array([task.ignored(a) for a in content['annotations']], dtype=bool),
        crowd=np.array([task.crowd(a) for a in content['annotations']], dtype=bool),
        regions=regions,
        groups=read_frequencies(categories, where) if task.groups else [],
        federation=federation,
    )


def read_detections(results: object, truth: GroundTruth, task: Task, where: str) -> Detections:
    """Read results into arrays.

    Args:
        results (object): Path of a file of COCO-format results, or its content: a list, which may
            be empty, or annotations with scores; or a dict of arrays. Is not changed.
        truth (GroundTruth): The ground truth, which has their images and categories.
        task (Task): Says which key is needed, and what the area of a detection is.
        where (str): What to call the file in messages.

    Returns:
        Detections: All detections.

    Raises:
        ValueError: If a value is missing, of the wrong type, not finite, negative or unknown.
    """
    region = task.similarity
    if is_columns(results):
        columns = columns_from(cast(Mapping[str, Any], results), region.key, where)
        results = Rows(columns)
    detections = _clean_boxes(results, truth, task, where) if region.key == 'bbox' else None
    if detections is not None:
        return detections
    results = list(results) if isinstance(results, Rows) else results
    # An unknown category of LVIS is no error, unlike others, but it must be an id.
    references = dict(image_id=ANYTHING, category_id=ID if task.federated else ANYTHING)
    fields = Fields({**references, 'score': NUMBER, region.key: ANYTHING})
    entries = read_results(results, fields, where)
    entries = match_ids(entries, truth.images, truth.categories, where)
    score = np.array(entries.values('score'), dtype=np.float64)
    negative = np.flatnonzero(score < 0).tolist()
    problems = [entries.problem('score', negative, 'is negative')] if negative else []
    for (key, of), known in zip(REFERENCES.items(), (truth.images, truth.categories)):
        if key == 'category_id' and task.federated:
            continue  # an unknown category was not searched for
        lost = entries.unknown_references(key, known.keys(), f'the {of} of the ground truth')
        problems += [f'{problem}. Do the two files belong together?' for problem in lost]
    problems += name_problems(entries, truth.images, truth.categories)
    raise_problems(where, problems)
    regions = region.read(entries, truth.images, where)
    for text in layout_problems(entries, truth.images, region.key):
        warnings.warn(f'{where}: {text}', stacklevel=4)
    return Detections(
        image=_positions(entries, 'image_id', truth.images),
        category=_positions(entries, 'category_id', truth.categories, task.federated),
        score=score,
        area=areas_of_detections(entries, regions, task, truth.images, where),
        regions=regions,
    )


def _clean_boxes(results: Any, truth: GroundTruth, task: Task, where: str) -> Detections | None:
    """Boxes from a file, a list or ``Rows``, if nothing is wrong with them; else None."""
    if isinstance(results, Rows):
        columns: Columns | None = results.columns
    elif isinstance(results, str | os.PathLike):
        columns = columns_of_file(results)
    else:
        columns = columns_of_entries(results) if isinstance(results, list | tuple) else None
    if columns is None:
        return None
    boxes = clean_boxes(columns, [*truth.images], [*truth.categories], task.federated)
    if boxes is None:
        return None
    if len(boxes.flat):
        text = flat_boxes_problem(Entries(Rows(columns), 'results'), boxes.flat.tolist())
        warnings.warn(f'{where}: {text}', stacklevel=5)
    regions = Boxes(boxes.bbox)
    return Detections(boxes.image, boxes.category, boxes.score, regions.areas(), regions)


def _by_id(entries: Entries, where: str) -> dict[Any, Entry]:
    try:
        pairs = sorted(zip(entries.values('id'), entries.entries), key=itemgetter(0))
    except TypeError as error:
        raise CocoFormatError(
            where, [f'{entries.name} have ids of several types ({error}). Use numbers only']
        ) from error
    return dict(pairs)


def _positions(
    entries: Entries, key: str, known: Mapping[Any, Entry], may_be_unknown: bool = False
) -> IntArray:
    """Positions of N entries' references among the known ids, or -1: shape (N,), int64."""
    position = dict(zip(known, range(len(known))))
    references = entries.values(key)
    if may_be_unknown:
        position = defaultdict(lambda: -1, position)
    return np.fromiter(map(position.__getitem__, references), np.int64, len(references))
