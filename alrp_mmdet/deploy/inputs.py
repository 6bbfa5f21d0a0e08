"""Find images and videos, their names, and their ids in a COCO file."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from mmdet.apis.det_inferencer import IMG_EXTENSIONS

from alrp.coco import ID, TEXT, CocoFormatError, Fields, read_annotations
from alrp.text import format_list

VIDEO_EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')


class InputError(ValueError):
    """The inputs of a tool are missing or inconsistent."""


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_EXTENSIONS


def find_inputs(paths: Sequence[str], exclude: str | os.PathLike) -> list[Path]:
    """Find images and videos, in the order of ``paths``, sorted within a folder.

    Args:
        paths (Sequence[str]): Files with any extension, and folders. A folder is searched
            recursively for files with the extension of an image or video. Hidden files and folders
            are skipped.
        exclude (str | os.PathLike): Folder to skip, with results of an earlier run.

    Returns:
        list[Path]: Absolute paths without duplicates.

    Raises:
        InputError: If a path does not exist, or a folder has neither images nor videos.
    """
    found = {}
    exclude = Path(exclude).resolve()
    for name in paths:
        path = Path(os.path.abspath(name))
        if path.is_dir():
            inside = [p for p in sorted(path.rglob('*')) if _is_input(p, path, exclude)]
            if not inside:
                raise InputError(
                    f'no images ({", ".join(IMG_EXTENSIONS)}) or videos '
                    f'({", ".join(VIDEO_EXTENSIONS)}) in the folder {name}'
                )
            found.update(dict.fromkeys(inside))
        elif path.is_file():
            found[path] = None
        else:
            raise InputError(f'no such image, video or folder: {name}')
    return list(found)


def _is_input(path: Path, folder: Path, exclude: Path) -> bool:
    known = path.suffix.lower() in (*IMG_EXTENSIONS, *VIDEO_EXTENSIONS)
    hidden = any(part.startswith('.') for part in path.relative_to(folder).parts)
    return known and not hidden and path.is_file() and exclude not in path.resolve().parents


def relative_names(paths: Sequence[Path]) -> list[str]:
    """Name files by their paths relative to their common folder.

    Args:
        paths (Sequence[Path]): At least one absolute path, without duplicates.

    Returns:
        list[str]: Distinct names, with ``/`` between folders.
    """
    folder = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(folder).as_posix() for path in paths]


def find_coco_ids(
    ann_file: str, paths: Sequence[Path], classes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Find the ids of images and classes in a COCO file.

    A path matches the image whose ``file_name`` it ends with.

    Args:
        ann_file (str): The file. Only ``images`` and ``categories`` are used.
        paths (Sequence[Path]): Absolute paths of the images.
        classes (Sequence[str]): Class names in the order of labels.

    Returns:
        tuple[list[int], list[int]]: Ids of the images, and of the categories.

    Raises:
        InputError: If the file is not in COCO format, an image or class is not in it, or two paths
            match the same image.
    """
    images, categories = _read_coco(ann_file)
    by_name = {category['name']: category['id'] for category in categories}
    unknown = [name for name in classes if name not in by_name]
    if unknown:
        raise InputError(f'{ann_file} has no category {format_list(unknown)}, a class of the model')
    by_path = {
        PurePath(image['file_name'].replace('\\', '/')).parts: image['id'] for image in images
    }
    ids = [_find_id(path.parts, by_path) for path in paths]
    absent = [path for path, image_id in zip(paths, ids) if image_id is None]
    if absent:
        raise InputError(f'{ann_file} has no image whose file_name matches {format_list(absent)}')
    first = {}
    for path, image_id in zip(paths, ids):
        if first.setdefault(image_id, path) is not path:
            raise InputError(
                f'{first[image_id]} and {path} both match image {image_id} in {ann_file}'
            )
    return ids, [by_name[name] for name in classes]


def _find_id(parts: tuple[str, ...], by_path: dict[tuple[str, ...], int]) -> int | None:
    """The id of the image with the longest matching ``file_name``, or None."""
    tails = (parts[start:] for start in range(len(parts)))
    return next((by_path[tail] for tail in tails if tail in by_path), None)


def _read_coco(ann_file: str) -> tuple[list[dict], list[dict]]:
    schema = dict(
        images=Fields(dict(id=ID, file_name=TEXT)), categories=Fields(dict(id=ID, name=TEXT))
    )
    try:
        content = read_annotations(ann_file, schema)
    except FileNotFoundError:
        raise InputError(f'no such file: {ann_file}') from None
    except OSError as error:
        raise InputError(f'cannot read {ann_file}: {error.strerror}') from None
    except CocoFormatError as error:
        raise InputError(f'{ann_file}: {"; ".join(error.problems)}') from None
    return content['images'], content['categories']
