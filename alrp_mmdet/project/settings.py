"""Training settings chosen from the data. The generated config explains each in a comment."""

import math
from dataclasses import dataclass

import numpy as np

from .anchor_fit import PAD_SIZE_DIVISOR, best_anchor_iou
from .recipes import Anchors, Recipe
from .statistics import Objects, resize_factor

MIN_SHORT_SIDE = 320  # pixels, of a resized image, if the recipe's limits allow it
MIN_OBJECT_SIZE = 16  # pixels: enlarge images up to twice so that nine of ten objects reach it
# Batch size per GPU by pixels per image, as in the published configs (512, 800, 1333x800).
BATCH_SIZES = ((512 * 512, 8), (800 * 800, 4), (math.inf, 2))
MIN_EPOCHS, MAX_EPOCHS = 12, 150
BASE_SCALES = 2, 4, 8  # anchor base scales to choose from
ANCHOR_IOU = 0.5  # IoU with an anchor from which an object counts as covered
MIN_CLASS_OBJECTS = 10  # classes with fewer objects do not vote on the anchors
MIN_RECALL_GAIN = 0.01  # smallest gain in anchor recall that justifies another scale than COCO's


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a config that depend on the data.

    Attributes:
        image_scale (tuple[int, int]): Long and short side of a resized image, pixels.
        batch_size (int): Images per step and GPU.
        epochs (int): Number of epochs.
        epochs_given (bool): Whether the user set ``epochs``.
        steps (int): Steps of all epochs, if there is at most one GPU.
        val_interval (int): Epochs between validations.
        warmup_steps (int): Steps in which the learning rate rises.
        anchor_recall (dict[int, float]): Share of objects covered by an anchor, by base scale;
            empty for anchor-free detectors.
        anchor_scale (int | None): The chosen base scale; None for anchor-free detectors.
    """

    image_scale: tuple[int, int]
    batch_size: int
    epochs: int
    epochs_given: bool
    steps: int
    val_interval: int
    warmup_steps: int
    anchor_recall: dict[int, float]
    anchor_scale: int | None


def choose_settings(recipe: Recipe, train: Objects, epochs: int | None = None) -> TrainingSettings:
    """Choose the training settings for a recipe and a training set.

    Args:
        recipe (Recipe): What to train.
        train (Objects): Objects of the training images, at least one.
        epochs (int, optional): Number of epochs. Defaults to None, to choose it by the number of
            images.

    Returns:
        TrainingSettings: The settings.
    """
    image_scale = choose_image_scale(train, recipe.max_scale)
    batch_size = min(
        choose_batch_size(image_scale), recipe.schedule.base_batch_size, train.with_objects
    )
    epochs_given = epochs is not None
    epochs = epochs if epochs_given else choose_epochs(train.with_objects)
    steps = epochs * math.ceil(train.with_objects / batch_size)
    recall = anchor_recall(recipe.anchors, train, image_scale) if recipe.anchors else {}
    anchor_scale = None
    if recall:
        best, default = max(recall, key=recall.get), recipe.anchors.default_scale
        anchor_scale = best if recall[best] > recall[default] + MIN_RECALL_GAIN else default
    return TrainingSettings(
        image_scale=image_scale,
        batch_size=batch_size,
        epochs=epochs,
        epochs_given=epochs_given,
        steps=steps,
        val_interval=max(1, epochs // 12),
        # LinearLR needs two steps to reach the full learning rate.
        warmup_steps=max(2, min(500, steps // 10)),
        anchor_recall=recall,
        anchor_scale=anchor_scale,
    )


def choose_image_scale(train: Objects, max_scale: tuple[int, int]) -> tuple[int, int]:
    """The long and short side of the median image, scaled into the limits.

    Args:
        train (Objects): Objects of the training images.
        max_scale (tuple[int, int]): Upper limits of the long and short side, pixels.

    Returns:
        tuple[int, int]: Long and short side in pixels, multiples of ``PAD_SIZE_DIVISOR``.
    """
    long, short = train.median_size
    object_size = np.quantile(np.sqrt(train.boxes[:, 2] * train.boxes[:, 3]), 0.1)
    wanted = max(np.clip(MIN_OBJECT_SIZE / object_size, 1, 2), MIN_SHORT_SIDE / short)
    factor = min(wanted, max_scale[0] / long, max_scale[1] / short)
    multiples = (round(length * factor / PAD_SIZE_DIVISOR) for length in (long, short))
    return tuple(max(1, multiple) * PAD_SIZE_DIVISOR for multiple in multiples)


def choose_batch_size(image_scale: tuple[int, int]) -> int:
    """Images per GPU for images of this size."""
    pixels = image_scale[0] * image_scale[1]
    return next(batch_size for limit, batch_size in BATCH_SIZES if pixels <= limit)


def choose_epochs(num_images: int) -> int:
    """Epochs for this many images: 12 from 8400 on, more for fewer.

    The number of epochs grows with 1 / sqrt(images), so the number of steps still falls with
    sqrt(images).
    """
    return int(np.clip(round(1100 / math.sqrt(num_images)), MIN_EPOCHS, MAX_EPOCHS))


def anchor_recall(
    anchors: Anchors, train: Objects, image_scale: tuple[int, int]
) -> dict[int, float]:
    """Share of objects that some anchor overlaps with IoU >= 0.5, for each base scale.

    It is averaged over classes, as AP is, so that a frequent class does not hide a rare one that
    no anchor fits. Classes with fewer than ``MIN_CLASS_OBJECTS`` objects are left out, unless all
    classes are that rare.

    Args:
        anchors (Anchors): Anchors of the detector.
        train (Objects): Objects of the training images.
        image_scale (tuple[int, int]): Long and short side of a resized image, pixels.

    Returns:
        dict[int, float]: A share for each of ``BASE_SCALES``.
    """
    factors = resize_factor(train.object_image_sizes, image_scale)[:, None]
    boxes, sizes = train.boxes * factors, train.object_image_sizes * factors
    classes, counts = np.unique(train.labels, return_counts=True)
    if counts.max() >= MIN_CLASS_OBJECTS:
        classes = classes[counts >= MIN_CLASS_OBJECTS]
    recall = {}
    for base_scale in BASE_SCALES:
        scales = anchors.scales(base_scale)
        covered = (
            best_anchor_iou(boxes, sizes, anchors.strides, scales, anchors.ratios) >= ANCHOR_IOU
        )
        recall[base_scale] = float(np.mean([covered[train.labels == c].mean() for c in classes]))
    return recall
