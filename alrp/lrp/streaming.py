"""LRP and AP in your own loop: add detections and objects of images, then compute."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .average_precision import IOU_THRESHOLDS
from .boxes import Boxes
from .checked import checked_limits, checked_thresholds
from .evaluate import evaluate_arrays
from .evaluation import Evaluation
from .inputs import Detections, GroundTruth
from .iou_types import Regions
from .masks import Masks
from .streaming_checks import (
    BOX_FORMATS,
    Image,
    Side,
    check_ids,
    check_mask_sizes,
    read_image_id,
    read_side,
)
from .tasks import TASKS
from .types import IntArray

STREAMING_IOU_TYPES = 'bbox', 'segm'


class LRPMetric:
    """AP and LRP of detections that come image by image, equal to ``evaluate_lrp`` on all of them.

    It takes the dicts of torchvision and torchmetrics. Values are torch tensors on any device,
    NumPy arrays or lists; torch is not needed::

        metric = LRPMetric()
        for images, targets in loader:
            metric.update(model(images), targets)
        metric.compute().summary['oLRP']

    Detections with equal scores count in the order of their images: by ``image_id`` if the targets
    have it, else in the order of updates. Metrics can be pickled.

    Args:
        box_format (str): ``xyxy`` (corners), ``xywh`` (corner and size) or ``cxcywh`` (centre and
            size), all in pixels. Defaults to ``xyxy``.
        iou_type (str): ``bbox`` or ``segm``. Masks need pycocotools. Defaults to ``bbox``.
        classes (Sequence[str], optional): Names of the labels 0, 1, ... Defaults to the labels that
            occur, which need not start at 0.
        max_dets (Sequence[int], optional): Limits on the detections per image and class. Defaults
            to 1, 10 and 100.
        iou_thresholds (ArrayLike): IoUs in (0, 1] over which AP and AR are averaged.
        sync_on_compute (bool): Whether ``compute`` collects the images of all processes, if
            ``torch.distributed`` is initialised. Defaults to True.

    Raises:
        ValueError: If an argument is not as described.
    """

    def __init__(
        self,
        box_format: str = 'xyxy',
        iou_type: str = 'bbox',
        classes: Sequence[str] | None = None,
        max_dets: Sequence[int] | None = None,
        iou_thresholds: ArrayLike = IOU_THRESHOLDS,
        sync_on_compute: bool = True,
    ):
        if box_format not in BOX_FORMATS:
            known = ', '.join(BOX_FORMATS)
            raise ValueError(f'box_format must be one of {known}, got {box_format!r}')
        if iou_type not in STREAMING_IOU_TYPES:
            known = ', '.join(STREAMING_IOU_TYPES)
            raise ValueError(f'iou_type must be one of {known}, got {iou_type!r}')
        if isinstance(classes, str):
            raise ValueError(f'classes must be a sequence of names, got {classes!r}')
        self.box_format = box_format
        self.iou_type = iou_type
        self.classes = None if classes is None else [str(name) for name in classes]
        self.max_dets = checked_limits(max_dets)
        self.iou_thresholds = checked_thresholds(iou_thresholds)
        self.sync_on_compute = sync_on_compute
        self._images: list[Image] = []
        self._ids: set[Any] = set()

    def __len__(self) -> int:
        """Number of images since the last reset, in this process."""
        return len(self._images)

    def update(
        self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add images. If one is malformed, none is added.

        Args:
            predictions (Sequence[dict]): One per image, for N detections: ``boxes`` (N, 4),
                ``scores`` (N,), at least 0, and ``labels`` (N,), whole numbers. With masks,
                ``masks`` (N, height, width), bool or 0 and 1, replaces ``boxes``.
            targets (Sequence[dict]): One per image, for G objects: ``boxes`` or ``masks``,
                ``labels``, and optionally ``iscrowd`` (G,), ``area`` (G,), in square pixels,
                by default the area of the box or mask, and ``image_id``, unique.

        Raises:
            ValueError: If a key is missing, a shape or type is not as described, a number is not
                finite, or a label or image id is unknown or repeated.
        """
        for name, entries in dict(predictions=predictions, targets=targets).items():
            if isinstance(entries, Mapping) or not isinstance(entries, Sequence):
                raise ValueError(
                    f'{name} must be a list with one dict per image, got a {type(entries).__name__}'
                )
        if len(predictions) != len(targets):
            raise ValueError(
                'predictions and targets must have one dict per image, got '
                f'{len(predictions)} and {len(targets)}'
            )
        num_classes = None if self.classes is None else len(self.classes)
        options = self.box_format, self.iou_type, num_classes
        images = [
            Image(
                read_image_id(target, f'targets[{i}]'),
                read_side(prediction, f'predictions[{i}]', True, *options),
                read_side(target, f'targets[{i}]', False, *options),
            )
            for i, (prediction, target) in enumerate(zip(predictions, targets))
        ]
        for i, image in enumerate(images):
            check_mask_sizes(image, f'of image {i}')
        self._check_new(images)
        self._images += images
        self._ids |= {image.id for image in images}

    def merge_state(self, others: Iterable['LRPMetric']) -> 'LRPMetric':
        """Add the images of other metrics, such as the metrics of other processes.

        An image with an ``image_id`` that is there already is left out: samplers repeat images so
        that all processes have equally many.

        Args:
            others (Iterable[LRPMetric]): Metrics with the same settings.

        Returns:
            LRPMetric: This metric.

        Raises:
            ValueError: If the settings differ.
        """
        images = [self._images]
        for other in others:
            for name in ('iou_type', 'classes', 'max_dets', 'iou_thresholds'):
                mine, theirs = getattr(self, name), getattr(other, name)
                if not np.array_equal(mine, theirs):
                    raise ValueError(f'metrics have different {name}: {mine!r} and {theirs!r}')
            images.append(other._images)
        self._images = _merged(images)
        self._ids = {image.id for image in self._images}
        return self

    def reset(self) -> None:
        """Remove all images."""
        self._images, self._ids = [], set()

    def compute(self) -> Evaluation:
        """Evaluate all images.

        Returns:
            Evaluation: The same as from ``evaluate_lrp``, with labels as category ids.

        Raises:
            ValueError: If there are no images.
        """
        images = _merged(_of_all_processes(self._images)) if self.sync_on_compute else self._images
        if not images:
            raise ValueError('no images: call update before compute')
        if images[0].id is not None:
            try:
                images = sorted(images, key=lambda image: image.id)
            except TypeError as error:
                raise ValueError(f'image ids must have one type ({error})') from error
        names = self._names(images)
        position = {label: k for k, label in enumerate(names)}
        task = TASKS[self.iou_type, 'coco']
        mine, theirs = ([getattr(image, s) for image in images] for s in Image._fields[1:])
        crowd = _joined([side.crowd for side in theirs], bool)
        truth = GroundTruth(
            images={i if x.id is None else x.id: {} for i, x in enumerate(images)},
            categories={label: dict(id=label, name=name) for label, name in names.items()},
            labels=list(names),
            image=_image_positions(theirs),
            category=_categories(theirs, position),
            area=_joined([side.area for side in theirs]),
            ignored=crowd,
            crowd=crowd,
            regions=_regions(theirs, self.iou_type),
        )
        regions = _regions(mine, self.iou_type)
        detections = Detections(
            image=_image_positions(mine),
            category=_categories(mine, position),
            score=_joined([side.scores for side in mine]),
            area=regions.areas(),
            regions=regions,
        )
        return evaluate_arrays(truth, detections, task, self.max_dets, self.iou_thresholds)

    def _check_new(self, images: list[Image]) -> None:
        """Check the ids of new images. Looks at all images only if something may be wrong."""
        ids = {image.id for image in images}
        if ids == {None} and self._ids <= {None}:
            return
        mixed = None in ids or None in self._ids
        if mixed or len(ids) < len(images) or not ids.isdisjoint(self._ids):
            check_ids(self._images + images)

    def _names(self, images: list[Image]) -> dict[int, str]:
        """Class names by label, labels ascending."""
        if self.classes is not None:
            return dict(enumerate(self.classes))
        sides = [side for image in images for side in image[1:]]
        labels = np.unique(np.concatenate([side.labels for side in sides]))
        return {label: str(label) for label in labels.tolist()}


def _merged(parts: Iterable[list[Image]]) -> list[Image]:
    """The images of several processes, without repeated ids."""
    images = [image for part in parts for image in part]
    ids = [image.id for image in images]
    if None in ids:
        check_ids(images)
        return images
    first: dict[Any, Image] = {}
    for image in images:
        first.setdefault(image.id, image)
    return list(first.values())


def _of_all_processes(images: list[Image]) -> list[list[Image]]:
    """The images of each process, if ``torch.distributed`` is in use."""
    distributed = sys.modules.get('torch.distributed')  # else it cannot be initialised
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return [images]
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, images)
    return parts


def _image_positions(sides: list[Side]) -> IntArray:
    counts = [len(side.labels) for side in sides]
    return np.repeat(np.arange(len(sides)), counts)


def _categories(sides: list[Side], position: dict[int, int]) -> IntArray:
    labels = _joined([side.labels for side in sides], np.int64).tolist()
    return np.fromiter(map(position.__getitem__, labels), np.int64, len(labels))


def _joined(arrays: list[Any], dtype: type = float) -> Any:
    return np.concatenate([np.zeros(0, dtype), *arrays])


def _regions(sides: list[Side], iou_type: str) -> Regions:
    if iou_type == 'segm':
        return Masks([rle for side in sides for rle in side.regions])
    return Boxes(np.concatenate([np.zeros((0, 4)), *(side.regions for side in sides)]))
