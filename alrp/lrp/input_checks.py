"""Do ground truth and results belong together, and are boxes what they should be?"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from ..coco import Entries, as_id
from ..coco.box_layout import box_layout_problem
from ..coco.columns import unknown
from ..text import format_list
from .iou_types import Entry

ById = Mapping[Any, Entry]  # every image's or category's entry
REFERENCES = dict(image_id='images', category_id='categories')


def match_ids(entries: Entries, images: ById, categories: ById, where: str) -> Entries:
    """Replace ids that the ground truth writes differently, such as ``1`` for ``'1'``."""
    for (key, of), known in zip(REFERENCES.items(), (images, categories)):
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
                stacklevel=5,
            )
            entries = Entries(changed, entries.name, entries.around)
    return entries


def name_problems(entries: Entries, images: ById, categories: ById) -> list[str]:
    """Images and categories of a file of results that have other names in the ground truth."""
    problems = []
    for key, name, known in (
        ('images', 'file_name', images),
        ('categories', 'name', categories),
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


def layout_problems(entries: Entries, images: ById, key: str) -> list[str]:
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
    # Detectors may predict boxes without width or height, clipped at the border of the image.
    least = 0 if may_extend else np.nextafter(0, 1)
    flat = [i for i, box in enumerate(boxes) if box[2] < least or box[3] < least]
    problems = [flat_boxes_problem(entries, flat)] if flat else []
    return problems if problem is None else [*problems, problem]


def flat_boxes_problem(entries: Entries, flat: Sequence[int]) -> str:
    """The sentence about boxes without width or height, at these positions."""
    return entries.problem('bbox', flat, 'has no area: nothing can match it')
