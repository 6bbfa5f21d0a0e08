"""Which images and videos are meant, what they are called, and their ids in a COCO file."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from mmdet.apis.det_inferencer import IMG_EXTENSIONS

from alrp.coco import ID, TEXT, CocoFormatError, Fields, read_annotations
from alrp.text import format_list

VIDEO_EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')


class InputError(ValueError):
    """There is nothing to detect objects in, or it does not go together; says what to do."""


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_EXTENSIONS


def find_inputs(paths: Sequence[str], leave_out: str | os.PathLike) -> list[Path]:
    """Images and videos, each once, in the order of ``paths`` and by name within a folder.

    Args:
        paths (Sequence[str]): Files, whatever their extension, and folders. Of a folder, what has
            the extension of an image or a video, with all folders in it; nothing whose name, or
            folder's name, begins with a dot.
        leave_out (str | os.PathLike): Folder in which nothing is looked for, the results of an
            earlier run.

    Returns:
        list[Path]: Absolute paths.

    Raises:
        InputError: If a path does not exist, or if a folder has neither images nor videos.
    """
    found = {}
    leave_out = Path(leave_out).resolve()
    for name in paths:
        path = Path(os.path.abspath(name))
        if path.is_dir():
            inside = [p for p in sorted(path.rglob('*')) if _is_meant(p, path, leave_out)]
            if not inside:
                raise InputError(
                    f'the folder {name} has neither images ({", ".join(IMG_EXTENSIONS)}) nor '
                    f'videos ({", ".join(VIDEO_EXTENSIONS)})'
                )
            found.update(dict.fromkeys(inside))
        elif path.is_file():
            found[path] = None
        else:
            raise InputError(f'there is no image, video or folder {name}')
    return list(found)


def _is_meant(path: Path, folder: Path, leave_out: Path) -> bool:
    known = path.suffix.lower() in (*IMG_EXTENSIONS, *VIDEO_EXTENSIONS)
    hidden = any(part.startswith('.') for part in path.relative_to(folder).parts)
    return known and not hidden and path.is_file() and leave_out not in path.resolve().parents


def names_of(paths: Sequence[Path]) -> list[str]:
    """What different files are called: their paths from the folder that has all of them.

    Args:
        paths (Sequence[Path]): Absolute paths, no two alike, at least one.

    Returns:
        list[str]: With ``/`` between folders. No two alike.
    """
    folder = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(folder).as_posix() for path in paths]


def coco_ids(
    ann_file: str, paths: Sequence[Path], classes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Ids that images and classes have in a COCO file.

    An image is the one whose ``file_name`` its path ends with.

    Args:
        ann_file (str): The file. ``images`` and ``categories`` are all that is read of it.
        paths (Sequence[Path]): Absolute paths of the images.
        classes (Sequence[str]): Names of the classes, in the order of labels.

    Returns:
        tuple[list[int], list[int]]: Ids of the images, and of the categories.

    Raises:
        InputError: If the file is not COCO format, or has no such image or class; if two images
            are the same one of the file.
    """
    images, categories = _read_coco(ann_file)
    by_name = {category['name']: category['id'] for category in categories}
    unknown = [name for name in classes if name not in by_name]
    if unknown:
        raise InputError(
            f'{ann_file} has no category {format_list(unknown)}, which the model detects'
        )
    by_path = {PurePath(image['file_name']).parts: image['id'] for image in images}
    ids = [_id_of(path.parts, by_path) for path in paths]
    absent = [path for path, image_id in zip(paths, ids) if image_id is None]
    if absent:
        raise InputError(f'{ann_file} has no image with the file_name of {format_list(absent)}')
    first = {}
    for path, image_id in zip(paths, ids):
        if first.setdefault(image_id, path) is not path:
            raise InputError(
                f'{first[image_id]} and {path} are both image {image_id} of {ann_file}'
            )
    return ids, [by_name[name] for name in classes]


def _id_of(parts: tuple[str, ...], by_path: dict[tuple[str, ...], int]) -> int | None:
    """The id of the image with the longest name that a path ends with."""
    tails = (parts[start:] for start in range(len(parts)))
    return next((by_path[tail] for tail in tails if tail in by_path), None)


def _read_coco(ann_file: str) -> tuple[list[dict], list[dict]]:
    schema = dict(
        images=Fields(dict(id=ID, file_name=TEXT)), categories=Fields(dict(id=ID, name=TEXT))
    )
    try:
        content = read_annotations(ann_file, schema)
    except FileNotFoundError:
        raise InputError(f'there is no file {ann_file}') from None
    except CocoFormatError as error:
        raise InputError(f'{ann_file} is not COCO format: {"; ".join(error.problems)}') from None
    return content['images'], content['categories']
