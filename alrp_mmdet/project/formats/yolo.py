"""Reader for YOLO datasets: a ``data.yaml``, or a folder of labels with a file of class names."""

from pathlib import Path

import yaml

from ...datasets.check import AnnotationError
from ..findings import Findings
from .split import (
    IMAGE_SUFFIXES,
    ParsedImage,
    Split,
    build_split,
    first_existing_folder,
    list_images,
)
from .yolo_labels import find_label_file, read_labels, short_path

ImageAndLabels = tuple[Path, Path]  # an image file and its label file
CLASS_FILES = 'classes.txt', 'obj.names', 'classes.names'
SPLIT_NAMES = dict(train=('train',), val=('val', 'valid', 'validation'), test=('test',))
NOT_LABEL_FILES = {*CLASS_FILES, 'train.txt', 'val.txt', 'valid.txt', 'test.txt', 'readme.txt'}


def find_data_yaml(folder: Path) -> Path | None:
    """The YAML file that describes a dataset; None if there is none, or several."""
    if (folder / 'data.yaml').is_file():
        return folder / 'data.yaml'
    found = [p for p in sorted(folder.glob('*.y*ml')) if 'names:' in p.read_text(errors='replace')]
    return found[0] if len(found) == 1 else None


def find_class_file(folder: Path) -> Path | None:
    """The file of class names in a folder or its subfolder ``labels``; None if there is none."""
    places = [folder / part / name for part in ('', 'labels') for name in CLASS_FILES]
    return next((path for path in places if path.is_file()), None)


def read_yolo(path: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a ``data.yaml``, or a folder of labels with a file of class names.

    A polygon is an object's mask and gives its box. An image without a label file has no objects.

    Args:
        path (Path): The file or folder.
        images (Path | None): Image folder, only for a folder of labels; None to search for it.
        findings (Findings): Collects problems.

    Returns:
        dict[str, Split]: ``train``, and ``val`` and ``test`` if there are such splits. Boxes are
        ``fractions``, and masks ``polygon``.

    Raises:
        AnnotationError: If classes or images are not found, or ``images`` contradicts a
            ``data.yaml``.
    """
    data_yaml = path if path.is_file() else find_data_yaml(path)
    if data_yaml is not None:
        if images is not None:
            raise AnnotationError(f'{data_yaml} already names its images: remove --images')
        classes, sets = _read_data_yaml(data_yaml, findings)
    else:
        class_file = find_class_file(path)
        if class_file is None:
            raise AnnotationError(f'{path}: no data.yaml and no classes.txt in this folder')
        lines = class_file.read_text(encoding='utf-8-sig').splitlines()
        classes = [line.strip() for line in lines if line.strip()]
        sets = _find_images_and_labels(path, images)
    if not classes:
        raise AnnotationError(f'{path}: the list of classes is empty')
    splits = {}
    for name, pairs in sets.items():
        parsed = [
            ParsedImage(image, {}, read_labels(image, file, len(classes), path, findings))
            for image, file in pairs
        ]
        splits[name] = build_split(str(path), parsed, classes)
    _check_orphaned_labels([pair for pairs in sets.values() for pair in pairs], path, findings)
    return splits


def _read_data_yaml(
    path: Path, findings: Findings
) -> tuple[list[str], dict[str, list[ImageAndLabels]]]:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8-sig'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AnnotationError(f'{path} is not valid YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict) or 'names' not in content:
        raise AnnotationError(f"{path} has no key 'names' with the class names")
    if 'kpt_shape' in content:
        raise AnnotationError(f'{path} describes keypoints (kpt_shape), not boxes')
    names = content['names']
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise AnnotationError(f'{path}: names must be numbered 0, 1, ..., got {[*names]}')
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise AnnotationError(f'{path}: names must be a list of classes, got {names!r}')
    if content.get('nc', len(names)) != len(names):
        raise AnnotationError(f'{path}: nc is {content["nc"]}, but names has {len(names)} entries')
    root = path.parent / str(content.get('path') or '')
    root = root if root.is_dir() else path.parent
    sets = {}
    for name, keys in SPLIT_NAMES.items():
        entry = next((content[key] for key in keys if content.get(key)), None)
        for part in entry if isinstance(entry, list) else [entry] if entry else []:
            images = _resolve_images(str(part), root, path, findings)
            sets.setdefault(name, []).extend((image, find_label_file(image)) for image in images)
    if not sets.get('train'):
        raise AnnotationError(f'{path}: no training images found (train: {content.get("train")})')
    return [str(name) for name in names], sets


def _resolve_images(part: str, root: Path, data_yaml: Path, findings: Findings) -> list[Path]:
    """The images of an entry of data.yaml: a folder, or a file that lists them."""
    # Roboflow writes ../train/images for a folder next to data.yaml; other readers accept it too.
    parent = data_yaml.parent
    places = [root / part, parent / part, parent / part.removeprefix('../')]
    place = next((place for place in places if place.exists()), None)
    if place is None:
        findings.error(data_yaml, f'{part} does not exist in {root}')
        return []
    if place.is_dir():
        return list_images(place)
    images = []
    for number, line in enumerate(place.read_text(encoding='utf-8-sig').splitlines(), 1):
        if not line.strip():
            continue
        options = [folder / line.strip() for folder in (root, place.parent)]
        image = next((option for option in options if option.is_file()), None)
        if image is None:
            findings.error(data_yaml, 'images not found', f'{place}:{number} {line.strip()}')
        else:
            images.append(image)
    return images


def _find_images_and_labels(path: Path, images: Path | None) -> dict[str, list[ImageAndLabels]]:
    """Pair images and label files of a folder without data.yaml."""
    parent = path.parent if path.name == 'labels' else path
    folder = images or first_existing_folder([parent / 'images', path])
    labels = first_existing_folder([path / 'labels', path])
    subfolders = {
        name: subfolder
        for name, keys in SPLIT_NAMES.items()
        if (subfolder := first_existing_folder(folder / key for key in keys)) is not None
    }
    if 'train' not in subfolders:
        subfolders = dict(train=folder)
    sets = {
        name: [
            (image, (labels / image.relative_to(folder)).with_suffix('.txt'))
            for image in list_images(subfolder)
        ]
        for name, subfolder in subfolders.items()
    }
    if not sets['train']:
        raise AnnotationError(f'{path}: no images in {folder}; use --images to give their folder')
    return sets


def _check_orphaned_labels(pairs: list[ImageAndLabels], place: Path, findings: Findings) -> None:
    folders = {label_file.parent: image.parent for image, label_file in pairs}
    for label_folder, image_folder in sorted(folders.items()):
        stems = {
            image.stem for image in image_folder.iterdir() if image.suffix.lower() in IMAGE_SUFFIXES
        }
        for file in sorted(label_folder.glob('*.txt')):
            if file.stem not in stems and file.name.lower() not in NOT_LABEL_FILES:
                findings.error(place, 'label files without an image', short_path(file))
