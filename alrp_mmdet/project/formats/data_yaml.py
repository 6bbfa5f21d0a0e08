"""The ``data.yaml`` of a YOLO dataset: class names, and where the images of each split are."""

import re
from pathlib import Path
from typing import Any

import yaml

from ...datasets.check import AnnotationError
from ..findings import HOLD_OUT, Findings
from .image_lists import divide, find_lists, read_image_list
from .paths import SPLIT_WORDS, find_file, list_images, path_tails, posix_path
from .text_files import read_lines, read_text

NO_NAMES = "there is no key 'names' with the class names, such as names: [cat, dog]"
NO_VALUE = '~', 'null', 'none'
OTHER_KEYS = 'names', 'nc', 'path', 'download', 'roboflow', 'channels'


def find_data_yaml(folder: Path) -> Path | None:
    """The YAML file that describes a dataset; None if there is none, or several."""
    if (folder / 'data.yaml').is_file():
        return folder / 'data.yaml'
    files = [p for p in sorted(folder.glob('*.[yY]*[mM][lL]')) if not p.name.startswith('.')]
    found = [p for p in files if p.is_file() and b'names:' in p.read_bytes().replace(b'\0', b'')]
    return found[0] if len(found) == 1 else None


def read_data_yaml(
    path: Path, findings: Findings
) -> tuple[list[str], dict[str, dict[Path, Path | None]]]:
    """Read class names and images of a ``data.yaml``.

    Without validation images, the images are divided by a list such as ``val.txt`` next to the
    file, or by subfolders such as ``images/val``.

    Args:
        path (Path): The file.
        findings (Findings): Collects problems.

    Returns:
        tuple[list[str], dict[str, dict[Path, Path | None]]]: Class names, and for each split its
        images with their label files or None. There is no split if the file has only names.

    Raises:
        AnnotationError: If the file cannot be used.
    """
    content = _load(path)
    names = _read_names(content, path)
    root = path.parent / posix_path(_text(content.get('path')))
    root = root if root.is_dir() else path.parent
    sets, folders = {}, []
    keys = _split_keys(content, path, findings)
    if not keys and root == path.parent:  # supervision writes names only
        return names, {}
    for key, split in keys.items():
        entry, of_split = content[key], findings.of_split(split)
        for part in entry if isinstance(entry, list) else [entry]:
            place = _find_place(_text(part), root, path.parent)
            if place is None:
                advice = f'; {HOLD_OUT}' if split == 'val' else ''
                of_split.error(path, f'{key}: {part} does not exist in {root}{advice}')
            elif place.is_dir():
                sets.setdefault(split, {}).update(dict.fromkeys(list_images(place)))
                folders.append(place)
            else:
                found = read_image_list(place, [root], path, of_split)
                sets.setdefault(split, {}).update(found)
    if not sets.get('train'):
        raise AnnotationError(f'{path}: {_no_images(content)}')
    if 'val' not in sets:
        _find_validation(sets, folders, root, path, findings)
    return names, sets


def _load(path: Path) -> dict[str, Any]:
    """Parse the file, with every value as the text that was written, and keys in lower case.

    YAML would turn the class names 010, 1_000 and no into 8, 1000 and False.
    """
    try:
        content = yaml.load(read_text(path), yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise AnnotationError(f'{path} is not valid YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict):
        raise AnnotationError(f'{path}: {NO_NAMES}')
    content = {str(key).strip().lower(): value for key, value in content.items()}
    if 'kpt_shape' in content:
        raise AnnotationError(f'{path} describes keypoints (kpt_shape), not boxes')
    return content


def _read_names(content: dict[str, Any], path: Path) -> list[str]:
    if 'names' not in content:
        raise AnnotationError(f'{path}: {NO_NAMES}')
    names = content['names']
    if isinstance(names, dict):
        try:
            numbered = {int(key): name for key, name in names.items()}
        except ValueError:
            numbered = {}
        if len(numbered) < len(names) or sorted(numbered) != list(range(len(names))):
            got = ', '.join(names)
            raise AnnotationError(f'{path}: names must be numbered 0, 1, ..., got [{got}]')
        names = [numbered[i] for i in range(len(names))]
    elif isinstance(names, str):
        file = find_file(names, [path.parent]) if names else None
        if file is None:
            raise AnnotationError(f'{path}: names must be a list of classes, got {names!r}')
        names = [line for _, line in read_lines(file)]
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise AnnotationError(f'{path}: names: class {i} is {name!r}, not a name')
    stated = _text(content.get('nc')) or str(len(names))
    if stated.removesuffix('.0') != str(len(names)):
        raise AnnotationError(f'{path}: nc is {stated}, but names has {len(names)} entries')
    return names


def _split_keys(content: dict[str, Any], path: Path, findings: Findings) -> dict[str, str]:
    """The keys with images, and their splits; a single one with another name is trained on."""
    keys = {
        key: SPLIT_WORDS[key]
        for key, value in content.items()
        if key in SPLIT_WORDS and (_text(value) or (isinstance(value, list) and value))
    }
    others = [
        key
        for key, value in content.items()
        if key not in (*OTHER_KEYS, *SPLIT_WORDS)
        and isinstance(value, str)
        and (value.lower().endswith('.txt') or (path.parent / posix_path(value)).is_dir())
    ]
    if 'train' not in keys.values() and len(others) == 1:
        return {others[0]: 'train', **keys}
    for key in others:
        findings.warning(path, 'entries that are neither train, val nor test: not used', key)
    return keys


def _find_place(part: str, root: Path, parent: Path) -> Path | None:
    """The folder of images, or the file that lists them, of an entry."""
    # Roboflow writes ../train/images for a folder next to data.yaml; other readers accept it too.
    if not part:
        return None
    # Only the folders of another machine may be left out: val must not become another folder.
    foreign = re.match(r'/|\w:/|\.\./', posix_path(part))
    for tail in path_tails(part) if foreign else (part, posix_path(part)):
        for place in (root / tail, parent / tail):
            if place.exists():
                return place
    return None


def _no_images(content: dict[str, Any]) -> str:
    if 'train' in content:
        return f'no training images found (train: {content["train"]})'
    return "there is no key 'train' with the folder of the training images, such as train: images"


def _find_validation(
    sets: dict[str, dict], folders: list[Path], root: Path, path: Path, findings: Findings
) -> None:
    """Take the validation images of a list or subfolder, if the file names none."""
    places = dict.fromkeys((path.parent, root))
    lists = {place: find_lists(place, sets['train']) for place in places}
    for place in (place for place in places if 'val' in lists[place]):
        for split in ('val', 'test'):
            for file in lists[place].get(split, []):
                found = read_image_list(file, [root], path, findings.of_split(split))
                sets.setdefault(split, {}).update(found)
                findings.warning(
                    path, 'lists next to the file that it does not name: used', file.name
                )
        held_out = {image for split in ('val', 'test') for image in sets.get(split, ())}
        sets['train'] = {p: label for p, label in sets['train'].items() if p not in held_out}
        return
    for folder in folders:
        divided, _ = divide([p for p in sets['train'] if p.is_relative_to(folder)], folder)
        for split in divided.keys() - {'train'}:
            moved = {image: sets['train'].pop(image) for image in divided[split]}
            sets.setdefault(split, {}).update(moved)
            findings.warning(path, 'subfolders named like a split: used', f'{folder.name}: {split}')


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ''
    return '' if text.lower() in NO_VALUE else text
