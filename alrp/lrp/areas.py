"""The areas of objects and detections, which decide about their range."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..coco import CocoFormatError, Entries
from ..text import format_list
from .iou_types import Entry, Regions, read_boxes
from .tasks import Task
from .types import FloatArray


def areas_of_detections(
    entries: Entries, regions: Regions, task: Task, images: Mapping[Any, Entry], where: str
) -> FloatArray:
    """The areas that decide about the range of N detections: shape (N,), float64.

    For boxes and masks by COCO's rules this is the area of the region, even if a mask comes with a
    box.
    """
    first = entries.entries[0] if len(entries.entries) else {}
    if not task.area_of_box or task.similarity.key == 'bbox' or not _has_box(first):
        return regions.areas()
    problems = entries.missing_keys(['bbox'])
    if problems:
        what = 'The first result has one, so its area decides about the range for all'
        raise CocoFormatError(where, [f'{problem}. {what}' for problem in problems])
    return read_boxes(entries, images, where).areas()


def _has_box(entry: Entry) -> bool:
    box = entry.get('bbox')
    return box is not None and not (hasattr(box, '__len__') and len(box) == 0)


def area_problems(annotations: Entries) -> list[str]:
    """Missing areas, for tasks in which the area of the region cannot replace them."""
    lacking = [annotations.label(i) for i, a in enumerate(annotations.entries) if 'area' not in a]
    if not lacking:
        return []
    count = f'{len(lacking)} of {len(annotations.entries)} annotations'
    return [
        f"{count} have no 'area', the object's area in square pixels, which this task needs: "
        f'{format_list(lacking)}'
    ]


def areas(annotations: Sequence[Entry], regions: Regions) -> tuple[FloatArray, list[int]]:
    """The areas of G objects, shape (G,), and positions of those that have only their region's."""
    lacking = [i for i, annotation in enumerate(annotations) if 'area' not in annotation]
    if not lacking:
        return np.array([a['area'] for a in annotations], dtype=np.float64), lacking
    found = regions.areas().astype(np.float64)
    having = sorted({*range(len(annotations))} - {*lacking})
    found[having] = [annotations[i]['area'] for i in having]
    return found, lacking
