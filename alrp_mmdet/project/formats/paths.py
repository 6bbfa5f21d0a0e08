"""Files and folders as annotations name them, and as they are on this machine."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

# MMDetection reads images with OpenCV; these are its formats.
IMAGE_SUFFIXES = {
    *('.avif', '.bmp', '.dib', '.gif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm', '.png'),
    *('.pnm', '.ppm', '.tif', '.tiff', '.webp'),
}
NOT_PICTURES = 'annot', 'depth', 'label', 'mask', 'seg'  # in names of folders of other images
LEFTOVERS = '__macosx', 'thumbs.db', 'desktop.ini'
MASK_FOLDER = re.compile('segmentation', re.IGNORECASE)  # such as SegmentationClass
SPLIT_WORDS = {
    **dict.fromkeys(('train', 'training', 'trainset'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation', 'validate', 'valset', 'dev', 'eval'), 'val'),
    **dict.fromkeys(('test', 'testing', 'testset'), 'test'),
}
FILL_WORDS = {  # that may surround the name of a split: obj_train_data, instances_val2017
    *('annotation', 'annotations', 'coco', 'data', 'image', 'images', 'img', 'imgs', 'instances'),
    *('json', 'label', 'labels', 'obj', 'set', 'split'),
}


def split_named(name: str) -> str | None:
    """The split that a file or folder is named after, in any capitalisation.

    Args:
        name (str): Such as ``Validation``, ``obj_train_data`` or ``instances_val2017``.

    Returns:
        str | None: ``train``, ``val`` or ``test``; None if the name has no split, several, or other
        words too.
    """
    words = {word.lower() for word in re.findall('[A-Z]?[a-z]+|[A-Z]+', name)} - FILL_WORDS
    return SPLIT_WORDS.get(words.pop()) if len(words) == 1 else None


def is_leftover(path: Path, folder: Path) -> bool:
    """Whether a path in a folder belongs to the system or an editor, such as ``._1.xml``."""
    parts = path.relative_to(folder).parts
    return any(part.startswith('.') or part.lower() in LEFTOVERS for part in parts)


def list_files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The files in a folder and its subfolders with these suffixes, sorted, without left-overs."""
    suffixes = {*suffixes}
    found = (path for path in folder.rglob('*') if path.suffix.lower() in suffixes)
    return sorted(path for path in found if path.is_file() and not is_leftover(path, folder))


def list_images(folder: Path) -> list[Path]:
    """All images in a folder and its subfolders, sorted, without left-overs and mask folders."""
    return [
        path
        for path in list_files(folder, IMAGE_SUFFIXES)
        if not any(map(MASK_FOLDER.match, path.relative_to(folder).parts[:-1]))
    ]


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without left-overs and mask folders; [] if unreadable."""
    try:
        with os.scandir(folder) as entries:  # does not look at every file, as Path.is_dir would
            found = [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return []
    return sorted(
        path for path in found if not is_leftover(path, folder) and not MASK_FOLDER.match(path.name)
    )


def first_existing_folder(candidates: Iterable[Path]) -> Path | None:
    return next((folder for folder in candidates if folder.is_dir()), None)


def posix_path(text: str) -> str:
    """A path from an annotation file, with ``/`` between folders and without quotes."""
    return text.strip().strip('"\'').replace('\\', '/')


def path_tails(text: str) -> Iterable[str]:
    """A path as it is written, then with ``/`` for backslashes, then without its first folders.

    Lists from other machines name files as ``C:\\data\\images\\1.jpg`` or ``data/images/1.jpg``.
    """
    text = text.strip()
    parts = PurePosixPath(posix_path(text)).parts
    tails = (str(PurePosixPath(*parts[start:])) for start in range(len(parts)))
    return dict.fromkeys((text, *tails))


def find_file(text: str, folders: Sequence[Path], any_case: bool = False) -> Path | None:
    """Find a file that annotations name; the longest part of its path that exists wins.

    Args:
        text (str): The path, of any operating system.
        folders (Sequence[Path]): Folders that it may be relative to.
        any_case (bool): Whether to ignore capitalisation if nothing else is found. Defaults to
            False.

    Returns:
        Path | None: The file.
    """
    for tail in path_tails(text):
        for folder in folders:
            if (folder / tail).is_file():
                return folder / tail
    if any_case:
        name = PurePosixPath(posix_path(text)).name.lower()
        for folder in folders:
            for entry in sorted(os.listdir(folder)) if folder.is_dir() else []:
                if entry.lower() == name and (folder / entry).is_file():
                    return folder / entry
    return None


def find_image(text: str, folders: Sequence[Path]) -> Path | None:
    """Like ``find_file``, for an image that may be named without its suffix."""
    found = find_file(text, folders)
    if found is not None or Path(posix_path(text)).suffix.lower() in IMAGE_SUFFIXES:
        return found
    options = (find_file(text.strip() + suffix, folders) for suffix in sorted(IMAGE_SUFFIXES))
    return next((path for path in options if path is not None), None)
