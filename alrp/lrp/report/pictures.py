"""Crops of images with the worst errors of each class."""

import base64
import io
import os
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes
from ..error_types import FP_TYPES, NONE, TYPES, claims
from ..errors import Errors

PER_CLASS, MAX_CLASSES = 3, 30
KINDS = dict(
    missed='Objects without any detection, largest first',
    false='False positives, highest score first',
    loose='True positives, lowest IoU first',
)
WIDTH, HEIGHT = 240, 150  # of a crop, at most
OBJECT, DETECTION = '#009e73', '#e69f00'

Box = tuple[float, float, float, float]  # x, y, width, height


class Shape(NamedTuple):
    """What to draw: the outline of a mask of shape (height, width), uint8, or else a box."""

    box: Box
    mask: NDArray[np.uint8] | None = None


class Example(NamedTuple):
    """One error: positions of the class, the image, the object and the detection, -1 for none."""

    category: int
    kind: str
    image: int
    object: int
    detection: int
    caption: str


def find_examples(errors: Errors) -> list[Example]:
    """The worst errors of the classes with the highest oLRP, at the LRP-optimal thresholds.

    Args:
        errors (Errors): Of K classes.

    Returns:
        list[Example]: By class, worst first, then by kind.
    """
    evaluation, outcomes = errors.evaluation, errors.outcomes
    matches, truth, names = evaluation.matches, evaluation.truth, evaluation.category_names
    hit = outcomes.true_positive & outcomes.kept
    lost = outcomes.counts & (claims(evaluation, outcomes, outcomes.kept) == NONE)  # Miss errors
    lost[outcomes.object[hit]] = False
    olrp = np.where(evaluation.olrp[:, 0] == -1, -np.inf, evaluation.olrp[:, 0])
    wrong = outcomes.false_positive & outcomes.kept
    found = []
    for k in np.argsort(-olrp, kind='stable')[:MAX_CLASSES].tolist():
        objects = np.flatnonzero(lost & (truth.category == k))
        objects = objects[np.argsort(-truth.area[objects], kind='stable')]
        for i in objects[:PER_CLASS].tolist():
            caption = f'missed, {truth.area[i]:,.0f} pixels'
            found.append(Example(k, 'missed', int(truth.image[i]), i, -1, caption))
        for i in np.flatnonzero(wrong & (matches.category == k))[:PER_CLASS].tolist():
            image, object_ = int(matches.image[i]), int(outcomes.object[i])
            type_ = FP_TYPES[outcomes.type[i]]
            name = TYPES[type_]
            if type_ == 'Cls':
                name = f'{names[truth.category[object_]]} detected as {names[k]}'
            caption = f'{name}, score {matches.score[i]:.3g}'
            found.append(Example(k, 'false', image, object_, i, caption))
        detections = np.flatnonzero(hit & (matches.category == k))
        detections = detections[np.argsort(outcomes.iou[detections], kind='stable')]
        for i in detections[:PER_CLASS].tolist():
            caption = f'IoU {outcomes.iou[i]:.2f}, score {matches.score[i]:.3g}'
            image, object_ = int(matches.image[i]), int(outcomes.object[i])
            found.append(Example(k, 'loose', image, object_, i, caption))
    return found


def make_pictures(errors: Errors, folder: str, report_folder: str) -> list[dict[str, Any]]:
    """Crops with boxes or the outlines of masks drawn in, as data URLs.

    Args:
        errors (Errors): Of K classes.
        folder (str): Folder of the images, which are found by ``file_name``.
        report_folder (str): Folder of the report, to which links are relative.

    Returns:
        list[dict]: One per class: ``class`` and ``kinds``, which has ``title`` and ``pictures``
        with ``source``, ``link``, ``file`` and ``caption``.

    Raises:
        ValueError: If an image is missing or cannot be read.
    """
    from PIL import Image

    evaluation = errors.evaluation
    examples = find_examples(errors)
    entries = list(evaluation.truth.images.items())
    by_image = defaultdict(list)
    for number, example in enumerate(examples):
        by_image[example.image].append(number)
    pictures: dict[int, dict[str, Any]] = {}
    for position, numbers in by_image.items():
        path = _find(folder, *entries[position])
        try:
            with Image.open(path) as file:
                image = file.convert('RGB')
        except OSError as error:
            raise ValueError(f'{path}: cannot read this image: {error}') from error
        for number in numbers:
            example = examples[number]
            pictures[number] = dict(
                source=_crop(image, *_shapes(errors, example)),
                link=quote(Path(os.path.relpath(path, report_folder)).as_posix()),
                file=path.name,
                caption=example.caption,
            )
    classes: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for number, example in enumerate(examples):
        kinds = classes.setdefault(example.category, {kind: [] for kind in KINDS})
        kinds[example.kind].append(pictures[number])
    return [
        {
            'class': evaluation.category_names[k],
            'kinds': [
                dict(title=KINDS[kind], pictures=shown) for kind, shown in kinds.items() if shown
            ],
        }
        for k, kinds in classes.items()
    ]


def _find(folder: str, image_id: Any, entry: dict[str, Any]) -> Path:
    """The file of an image: LVIS has a ``coco_url`` instead of a ``file_name``."""
    name = str(entry.get('file_name') or entry.get('coco_url') or '').replace('\\', '/')
    if not name:
        raise ValueError(f"image {image_id!r} of the ground truth has no 'file_name'")
    paths = [Path(folder, name), Path(folder, name.rpartition('/')[2])]
    for path in paths:
        if path.is_file():
            return path
    raise ValueError(f'no such file: {paths[0]}, file_name of image {image_id!r}. Check --images')


def _shapes(errors: Errors, example: Example) -> tuple[Shape | None, Shape | None]:
    """The shapes of the object and the detection of an example."""
    regions = errors.evaluation.truth.regions
    object_ = None if example.object < 0 else _shape(regions, example.object)
    if example.detection < 0:
        return object_, None
    position = int(errors.evaluation.matches.order[example.detection])
    return object_, _shape(errors.detections.regions, position)


def _shape(regions: Any, position: int) -> Shape:
    if isinstance(regions, Boxes):
        sides = regions.x, regions.y, regions.width, regions.height
        x, y, width, height = (float(side[position]) for side in sides)
        return Shape((x, y, width, height))
    from pycocotools import mask

    rle = regions.rles[position]
    return Shape(tuple(mask.toBbox(rle).tolist()), mask.decode(rle))


def _crop(image: Any, object_: Shape | None, detection: Shape | None) -> str:
    """A small JPEG of the surroundings of the shapes, as a data URL."""
    from PIL import Image, ImageChops, ImageDraw, ImageFilter

    boxes = [shape.box for shape in (object_, detection) if shape is not None]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    bottom = max(box[1] + box[3] for box in boxes)
    margin = max(0.3 * max(right - left, bottom - top), 16)
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin, image.width), min(bottom + margin, image.height)
    if right - left < 1 or bottom - top < 1:  # a box outside of its image
        left, top, right, bottom = 0, 0, image.width, image.height
    scale = min(WIDTH / (right - left), HEIGHT / (bottom - top))
    size = max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1)
    crop = image.resize(size, box=(left, top, right, bottom))
    draw = ImageDraw.Draw(crop)
    for shape, colour, width in ((object_, OBJECT, 5), (detection, DETECTION, 2)):
        if shape is None:
            continue
        box, mask = shape
        if mask is not None:
            filled = Image.fromarray(255 * mask)
            # Unlike resize, transform takes masks of another size than the image.
            filled = filled.transform(size, Image.Transform.EXTENT, (left, top, right, bottom))
            inside = filled.filter(ImageFilter.MinFilter(2 * width + 1))
            crop.paste(colour, mask=ImageChops.subtract(filled, inside))
        else:
            # Sorted, because a detection may have a negative width or height.
            x = sorted(((box[0] - left) * scale, (box[0] + box[2] - left) * scale))
            y = sorted(((box[1] - top) * scale, (box[1] + box[3] - top) * scale))
            draw.rectangle((x[0], y[0], x[1], y[1]), outline=colour, width=width)
    content = io.BytesIO()
    crop.save(content, 'JPEG', quality=75)
    return 'data:image/jpeg;base64,' + base64.b64encode(content.getvalue()).decode()
