"""Holding out a random part of the training images for validation."""

import random
from collections.abc import Callable
from pathlib import Path

from ..datasets.image_files import ImageFile
from .formats import Split


def hold_out(split: Split, fraction: float, files: dict[Path, ImageFile]) -> tuple[Split, Split]:
    """Split images at random into training and validation, the same way each time.

    Args:
        split (Split): All images, at least two.
        fraction (float): Share of the images to hold out, in (0, 1). At least one image is held
            out and at least one is kept. The share becomes larger to keep files with the same
            content together, and to hold out an image with objects.
        files (dict[Path, ImageFile]): The image files, by path.

    Returns:
        tuple[Split, Split]: Training and validation.
    """
    groups = {}
    for image in split.content['images']:
        path = split.image_path(image)
        groups.setdefault(files[path].digest or str(path), []).append(image['id'])
    shuffled = [groups[key] for key in sorted(groups)]
    random.Random(0).shuffle(shuffled)
    num_wanted = max(1, round(fraction * len(split.content['images'])))
    annotated = {a.get('image_id') for a in split.content['annotations']}
    held_out = set()
    for ids in shuffled[:-1]:
        if len(held_out) >= num_wanted and (held_out & annotated or not annotated):
            break
        held_out.update(ids)
    # An annotation without a valid image_id stays in training, where it is reported.
    return _subset(split, lambda i: i not in held_out), _subset(split, held_out.__contains__)


def _subset(split: Split, selects: Callable[[int], bool]) -> Split:
    content = {
        **split.content,
        'images': [i for i in split.content['images'] if selects(i['id'])],
        'annotations': [a for a in split.content['annotations'] if selects(a.get('image_id'))],
    }
    return Split(split.source, content, split.image_folder, None, split.doubtful)
