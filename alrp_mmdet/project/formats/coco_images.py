"""Finds the images of a COCO-format file."""

import os
from pathlib import Path, PurePosixPath

from ...datasets.check import AnnotationError
from ..findings import Findings
from .paths import NOT_PICTURES, is_file, list_folders, posix_path, split_named
from .similar_names import SimilarNames

NUM_PROBES = 50  # images to look up in each candidate folder
RENAMED = (
    'file names that differ from the files (backslashes, folders of another machine, URLs, capital '
    'letters): replaced by the names of the files'
)


def locate_images(path: Path, content: dict, images: Path | None, findings: Findings) -> Path:
    """Find the folder of the images of a COCO-format file.

    Of several folders, that with the most images is taken, then one that is named after the same
    split as the file. Folders inside that of the file come first. A ``file_name`` with backslashes,
    with folders that are not on this machine, or with other capital letters than the file is
    changed to that of the image.

    Args:
        path (Path): The file; its folder and the parent folder are searched.
        content (dict): Content of the file; changed in place.
        images (Path | None): The folder to look in, with its subfolders; None to search.
        findings (Findings): Gets a warning if names are changed, or if other folders have images of
            the same names.

    Returns:
        Path: The folder.

    Raises:
        AnnotationError: If no image is found.
    """
    names = [image['file_name'] for image in content['images']]
    folders = _candidates(path, images)
    split = split_named(path.stem) or split_named(path.parent.name)

    def rank(candidate: tuple[int, int, Path]) -> tuple:
        count, dropped, folder = candidate
        splits = (split_named(part) for part in reversed(folder.parts[-3:]))
        own = next((s for s in splits if s is not None), None)
        other_split = 1 if own is None or split is None else 2 * (own != split)
        inside = path.parent in (folder, *folder.parents)
        far = not (inside and 2 * count >= most)  # another dataset may have the same names
        odd = any(word in folder.name.lower() for word in NOT_PICTURES)
        return far, -count, dropped, other_split, odd

    similar, few = SimilarNames(), names[:: max(1, len(names) // NUM_PROBES)]
    for probes, lookup in ((few, _find), (names, _find), (few, similar.find)):
        levels = range(max(len(_parts(name)) for name in probes) + 1)
        found = [
            (count, dropped, folder)
            for dropped in levels
            for folder in folders
            if (count := sum(lookup(folder, _drop(name, dropped)) is not None for name in probes))
        ]
        if found:
            break
    else:
        near = f'{path.parent}, {path.parent.parent} or their subfolders'
        raise AnnotationError(
            f'{path}: its images, such as {names[0]}, are not in '
            f'{near if images is None else images}. Use --images to give the folder that their '
            'file_name is relative to'
        )
    most = max(count for count, *_ in found)
    found.sort(key=rank)
    _, dropped, folder = found[0]
    for other in found[1:]:
        if rank(other)[:4] == rank(found[0])[:4]:
            text = (
                f'images are taken from {folder}, but other folders have images of the same names'
            )
            findings.warning(path, f'{text}; --images gives the folder', str(other[2]))
    _rename(content, folder, dropped, similar, path, findings)
    return folder


def _candidates(path: Path, images: Path | None) -> list[Path]:
    if images is None:
        folders = _inner(path.parent, 3) + _inner(path.parent.parent, 2)
    else:
        folders = [f for place in (images, *_other_splits(images)) for f in _inner(place, 2)]
    distinct = {}
    for folder in folders:
        distinct.setdefault(folder.resolve(), folder)
    return list(distinct.values())


def _inner(folder: Path, depth: int) -> list[Path]:
    """A folder and its subfolders, to a depth."""
    levels = [[folder]]
    for _ in range(depth):
        levels.append([inner for outer in levels[-1] for inner in list_folders(outer)])
    return [folder for level in levels for folder in level]


def _other_splits(images: Path) -> list[Path]:
    """Where other splits have their images: images/val or val/images for images/train."""
    images = Path(os.path.abspath(images))
    for folder in (images, images.parent):
        if split_named(folder.name) is not None:
            siblings = [f for f in list_folders(folder.parent) if split_named(f.name) is not None]
            return [sibling / images.relative_to(folder) for sibling in siblings]
    return []


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(posix_path(name)).parts


def _drop(name: str, number: int) -> str:
    """A name without some of its leading folders; of 0, the name as it is written."""
    if number == 0:
        return name
    parts = _parts(name)
    return str(PurePosixPath(*parts[min(number - 1, len(parts) - 1) :]))


def _find(folder: Path, name: str) -> Path | None:
    return folder / name if is_file(folder / name) else None


def _rename(
    content: dict, folder: Path, dropped: int, similar: SimilarNames, path: Path, findings: Findings
) -> None:
    """Change names to those of the files; names of missing images keep all their folders."""
    for image in content['images']:
        name = image['file_name']
        options = [_drop(name, number) for number in (*range(dropped + 1), 1)]
        new = next((option for option in options if is_file(folder / option)), None)
        if new is None:
            others = (similar.find(folder, option) for option in options)
            found = next((other for other in others if other is not None), None)
            if found is None:
                new = options[-1] if dropped or '\\' in name else name
            else:
                new = found.relative_to(folder).as_posix()
        if new != name:
            image['file_name'] = new
            findings.warning(path, RENAMED, f'{name} is {new}')
