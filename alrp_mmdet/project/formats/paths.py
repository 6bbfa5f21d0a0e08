"""Files and folders as annotations name them, and as they are on this machine."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from .similar_names import SimilarNames

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
    suffixes, found, seen = {*suffixes}, [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder that contains it
            folders.clear()
            continue
        seen.add(real)
        paths = (Path(place, name) for name in names)
        found += [path for path in paths if path.suffix.lower() in suffixes]
    return sorted(path for path in found if is_file(path) and not is_leftover(path, folder))


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
    """A path from an annotation file, with ``/`` between folders and without quotes.

    Of a URL, the path; of Label Studio's ``/data/local-files/?d=PATH``, what it stands for.
    """
    text = text.strip().strip('"\'').replace('\\', '/')
    local = re.search(r'/local-files/\?(?:.*&)?d=([^&]+)', text)
    if local is not None:
        return unquote(local[1])
    url = re.match(r'\w[\w+.-]+://[^/?#]*([^?#]*)', text)
    return text if url is None else unquote(url[1])


def path_tails(text: str) -> Iterable[str]:
    """A path as it is written, then with ``/`` for backslashes, then without its first folders.

    Lists from other machines name files as ``C:\\data\\images\\1.jpg`` or ``data/images/1.jpg``.
    """
    text = text.strip()
    parts = PurePosixPath(posix_path(text)).parts
    tails = (str(PurePosixPath(*parts[start:])) for start in range(len(parts)))
    return dict.fromkeys((text, *tails))


def is_file(path: Path) -> bool:
    """Like ``Path.is_file``, which raises an error for a name that is too long, such as a URL."""
    try:
        return path.is_file()
    except OSError:
        return False


def find_file(
    text: str, folders: Sequence[Path], similar: SimilarNames | None = None
) -> Path | None:
    """Find a file that annotations name; the longest part of its path that exists wins.

    Args:
        text (str): The path, of any operating system.
        folders (Sequence[Path]): Folders that it may be relative to.
        similar (SimilarNames, optional): If given, similar names count if nothing else is found.
            Defaults to None.

    Returns:
        Path | None: The file.
    """
    options = [(folder, tail) for tail in path_tails(text) for folder in folders]
    exact = next((f / tail for f, tail in options if is_file(f / tail)), None)
    if exact is not None or similar is None:
        return exact
    found = (similar.find(folder, tail) for folder, tail in options)
    return next((path for path in found if path is not None), None)


def find_image(text: str, folders: Sequence[Path], similar: SimilarNames) -> Path | None:
    """Like ``find_file``, for an image that may be named without its suffix."""
    names = [text]
    if Path(posix_path(text)).suffix.lower() not in IMAGE_SUFFIXES:
        names += [text.strip() + suffix for suffix in sorted(IMAGE_SUFFIXES)]
    for lookup in (None, similar):
        options = (find_file(name, folders, lookup) for name in names)
        found = next((path for path in options if path is not None), None)
        if found is not None:
            return found
    return None
