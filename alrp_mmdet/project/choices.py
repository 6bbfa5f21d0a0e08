"""What a config for one's own data is given, by rules that it states in its comments."""

import math
from dataclasses import dataclass

import numpy as np

from .anchor_fit import PAD_SIZE_DIVISOR, best_iou
from .statistics import Objects, resize_factor

LEAST = 320  # pixels: the short side of a resized image, if that is within the limits
SMALLEST = 16  # pixels: nine of ten objects should be as large, if enlarging twice is enough
# Images a GPU has in a step, by their pixels: as in the published configs of 512, 800 and 1333x800.
BATCHES = ((512 * 512, 8), (800 * 800, 4), (math.inf, 2))
EPOCHS = 12, 150
BASE_SCALES = 2, 4, 8
ENOUGH = 10  # objects of a class, to say which anchors fit it
WORTH = 0.01  # share of objects with a fitting anchor that makes it worth to leave COCO's anchors


@dataclass(frozen=True)
class Anchors:
    """The anchors of a detector, but for their ``base`` scale; sides are in strides."""

    strides: tuple[int, ...]
    octaves: tuple[float, ...]
    ratios: tuple[float, ...]
    default: int

    def scales(self, base: int) -> list[float]:
        return [base * octave for octave in self.octaves]


@dataclass(frozen=True)
class Schedule:
    """How a detector is trained.

    Attributes:
        base (str): File of schedules in configs/_base_.
        images (int): Images of a step that learning rates are for.
        decay (str): Key of ``config_text.DECAYS``.
    """

    base: str
    images: int
    decay: str


@dataclass(frozen=True)
class Detector:
    """What can be trained.

    Attributes:
        title (str): What it is called.
        heads (str): Key of ``config_text.MODELS``.
        base (str): Its file of models in configs/_base_.
        lr (float): Its learning rate, for ``schedule.images``.
        anchors (Anchors | None): Its anchors, if it has some.
        schedule (Schedule): What it is trained with.
        limits (tuple[int, int]): Upper ones of long and short side of a resized image, pixels.
    """

    title: str
    heads: str
    base: str
    lr: float
    anchors: Anchors | None = None
    schedule: Schedule = Schedule('schedule_1x.py', 16, 'steps')
    limits: tuple[int, int] = (1344, 800)


STRIDES, RATIOS = (8, 16, 32, 64, 128), (0.5, 1.0, 2.0)
RETINANET_ANCHORS = Anchors(STRIDES, (1, 2**0.5), RATIOS, 4)
DETECTORS = {
    'atss': Detector(
        'ATSS', 'dense', 'alrp_atss_r50_fpn.py', 0.004, Anchors(STRIDES, (1, 2**0.5), (1.0,), 4)
    ),
    'retinanet': Detector(
        'RetinaNet', 'dense', 'alrp_retinanet_r50_fpn.py', 0.004, RETINANET_ANCHORS
    ),
    'foveabox': Detector('FoveaBox', 'points', 'alrp_fovea_r50_fpn.py', 0.004),
    'faster-rcnn': Detector(
        'Faster R-CNN',
        'two stages',
        'alrp_faster-rcnn_r50_fpn.py',
        0.006,
        Anchors((4, 8, 16, 32, 64), (1,), RATIOS, 8),
    ),
    # For a machine without a GPU, and without pretrained weights.
    'retinanet-small': Detector(
        'A small RetinaNet',
        'dense',
        'alrp_retinanet_r18_fpn-gn_small.py',
        0.002,
        RETINANET_ANCHORS,
        Schedule('schedule_12e_small_adamw.py', 4, 'cosine'),
        (544, 320),
    ),
}


@dataclass(frozen=True)
class Choices:
    """What was chosen.

    Attributes:
        scale (tuple[int, int]): Long and short side of a resized image, pixels.
        batch_size (int): Images in a step of one GPU.
        epochs (int): Their number.
        epochs_asked_for (bool): Whether that was given, and not chosen.
        steps (int): Those of all epochs, on one GPU.
        val_interval (int): Epochs between two validations.
        warmup (int): Steps in which the learning rate rises.
        anchor_shares (dict[int, float]): Share of objects with an anchor of IoU >= 0.5, averaged
            over the classes, by base scale; empty without anchors.
        base_scale (int | None): The chosen one of these.
    """

    scale: tuple[int, int]
    batch_size: int
    epochs: int
    epochs_asked_for: bool
    steps: int
    val_interval: int
    warmup: int
    anchor_shares: dict[int, float]
    base_scale: int | None


def choose(detector: Detector, train: Objects, epochs: int | None = None) -> Choices:
    """Choose for a detector and the objects to train it on, of which there must be some.

    Args:
        detector (Detector): What is trained.
        train (Objects): On these.
        epochs (int, optional): For so long. Defaults to None, by the number of images.

    Returns:
        Choices: All that the config needs.
    """
    scale = image_scale(train, detector.limits)
    batch_size = min(batch_for(scale), detector.schedule.images, train.with_objects)
    asked_for = epochs is not None
    epochs = epochs if asked_for else epochs_for(train.with_objects)
    steps = epochs * math.ceil(train.with_objects / batch_size)
    shares = anchor_shares(detector.anchors, train, scale) if detector.anchors else {}
    base_scale = None
    if shares:
        best = max(shares, key=shares.get)
        default = detector.anchors.default
        base_scale = best if shares[best] > shares[default] + WORTH else default
    return Choices(
        scale=scale,
        batch_size=batch_size,
        epochs=epochs,
        epochs_asked_for=asked_for,
        steps=steps,
        val_interval=max(1, epochs // 12),
        warmup=max(2, min(500, steps // 10)),  # within one step, LinearLR would not arrive
        anchor_shares=shares,
        base_scale=base_scale,
    )


def image_scale(train: Objects, limits: tuple[int, int]) -> tuple[int, int]:
    """Long and short side: those of the median image, brought between the limits."""
    long, short = train.median_size
    side = np.quantile(np.sqrt(train.box[:, 2] * train.box[:, 3]), 0.1)
    wanted = max(np.clip(SMALLEST / side, 1, 2), LEAST / short)
    factor = min(wanted, limits[0] / long, limits[1] / short)
    multiples = (round(length * factor / PAD_SIZE_DIVISOR) for length in (long, short))
    return tuple(max(1, multiple) * PAD_SIZE_DIVISOR for multiple in multiples)


def batch_for(scale: tuple[int, int]) -> int:
    return next(batch for pixels, batch in BATCHES if scale[0] * scale[1] <= pixels)


def epochs_for(num_images: int) -> int:
    """MMDetection's 12 from 8400 images on; for fewer, the steps fall as the square root."""
    return int(np.clip(round(1100 / math.sqrt(num_images)), *EPOCHS))


def anchor_shares(anchors: Anchors, train: Objects, scale: tuple[int, int]) -> dict[int, float]:
    """Share of objects with an anchor of IoU >= 0.5, by base scale.

    It is that of each class, averaged, as AP is: else the many objects of one class would hide that
    the few of another fit none. Classes of fewer than ``ENOUGH`` objects count if all are so.
    """
    factor = resize_factor(train.image_size, scale)[:, None]
    box, size = train.box * factor, train.image_size * factor
    classes, counts = np.unique(train.label, return_counts=True)
    if counts.max() >= ENOUGH:
        classes = classes[counts >= ENOUGH]
    shares = {}
    for base in BASE_SCALES:
        iou = best_iou(box, size, anchors.strides, anchors.scales(base), anchors.ratios)
        of_classes = [(iou[train.label == c] >= 0.5).mean() for c in classes]
        shares[base] = float(np.mean(of_classes))
    return shares
