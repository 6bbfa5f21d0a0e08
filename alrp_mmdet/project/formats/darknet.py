"""Darknet's ``.data`` file: where the lists of images and the class names are.

CVAT exports YOLO 1.1 in this form.
"""

import contextlib
from pathlib import Path

from ...datasets.check import AnnotationError
from ..findings import HOLD_OUT, Findings
from .image_lists import read_image_list, report_unused
from .paths import SPLIT_WORDS, find_file, list_images
from .similar_names import SimilarNames
from .text_files import read_lines

OTHER_KEYS = 'backup', 'classes', 'eval', 'names', 'top', 'results', 'difficult', 'map', 'labels'


def find_darknet_file(folder: Path) -> Path | None:
    """The only ``.data`` file in a folder that names a list of images."""
    found = []
    for path in sorted(folder.glob('*.[dD][aA][tT][aA]')):
        with contextlib.suppress(AnnotationError, IsADirectoryError):  # data of another kind
            if {*_split_keys(_parse(path)).values()} - {None}:
                found.append(path)
    return found[0] if len(found) == 1 else None


def read_darknet(
    path: Path, images: Path | None, findings: Findings
) -> tuple[list[str], dict[str, dict[Path, Path | None]]]:
    """Read a ``.data`` file and the files that it names.

    Args:
        path (Path): The file. What it names is searched relative to its folder.
        images (Path | None): Another folder with the images.
        findings (Findings): Collects problems.

    Returns:
        tuple[list[str], dict[str, dict[Path, Path | None]]]: Class names, and for each split its
        images with their label files or None.

    Raises:
        AnnotationError: If the names are not found or differ in number from ``classes``.
    """
    entries, folder = _parse(path), path.parent
    if not entries.get('names'):
        raise AnnotationError(f"{path} has no line 'names = FILE' with the class names")
    names_file = find_file(entries['names'], [folder], SimilarNames())
    if names_file is None:
        raise AnnotationError(f'{path}: names = {entries["names"]}: there is no such file')
    names = [line for _, line in read_lines(names_file)]
    stated = entries.get('classes', str(len(names)))
    if stated != str(len(names)):
        raise AnnotationError(
            f'{path}: classes is {stated}, but {names_file.name} has {len(names)} names'
        )
    folders = [folder] if images is None else [images, folder]
    sets = {}
    for key, split in _split_keys(entries).items():
        file = find_file(entries[key], [folder], SimilarNames())
        if split is None:
            if file is not None:
                findings.warning(path, 'lists that are neither train nor valid: not used', key)
        elif file is None:
            advice = f'; {HOLD_OUT}' if split == 'val' else ''
            text = f'{key} = {entries[key]}: there is no such list of images{advice}'
            findings.of_split(split).error(path, text)
        else:
            found = read_image_list(file, folders, path, findings.of_split(split))
            sets.setdefault(split, {}).update(found)
    used = {image for found in sets.values() for image in found}
    report_unused([p for p in list_images(images or folder) if p not in used], path, findings)
    return names, sets


def _parse(path: Path) -> dict[str, str]:
    """The ``key = value`` lines of a file, keys in lower case."""
    lines = [line for _, line in read_lines(path) if not line.startswith('#') and '=' in line]
    pairs = (line.partition('=') for line in lines)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _split_keys(entries: dict[str, str]) -> dict[str, str | None]:
    """Keys that name a list of images, with their split; None for a name that is no split.

    A set with a name of the user's own is trained on if no other is.
    """
    keys = {key: SPLIT_WORDS.get(key) for key in entries if key not in OTHER_KEYS}
    others = [key for key, split in keys.items() if split is None]
    if 'train' not in keys.values() and len(others) == 1:
        keys[others[0]] = 'train'
    return keys
