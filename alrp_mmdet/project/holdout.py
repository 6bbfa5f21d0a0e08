"""Taking images for validation out of those for training."""

import random
from pathlib import Path

from .formats import Split
from .image_files import ImageFile


def split_off(
    split: Split, fraction: float, files: dict[Path, ImageFile], seed: int = 0
) -> tuple[Split, Split]:
    """Share out images at random; the same images and seed give the same shares.

    Args:
        split (Split): All images.
        fraction (float): Of the images that are for validation, in (0, 1); at least one is, and at
            least one is left. Files with the same content stay together, and may make it more.
        files (dict[Path, ImageFile]): The images.
        seed (int): Another seed gives other shares. Defaults to 0.

    Returns:
        tuple[Split, Split]: What is left for training, and what is for validation.
    """
    groups = {}
    for image in split.content['images']:
        path = split.path_of(image)
        groups.setdefault(files[path].digest or str(path), []).append(image['id'])
    order = [groups[key] for key in sorted(groups)]
    random.Random(seed).shuffle(order)
    wanted = max(1, round(fraction * len(split.content['images'])))
    taken = set()
    for ids in order[:-1]:
        if len(taken) >= wanted:
            break
        taken.update(ids)
    return _part(split, lambda i: i not in taken), _part(split, taken.__contains__)


def _part(split: Split, wanted) -> Split:
    content = {
        **split.content,
        'images': [i for i in split.content['images'] if wanted(i['id'])],
        'annotations': [a for a in split.content['annotations'] if wanted(a['image_id'])],
    }
    return Split(split.source, content, split.images)
