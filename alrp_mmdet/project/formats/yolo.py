"""Reader for YOLO datasets: a ``data.yaml``, a Darknet ``.data`` file, or a folder of labels."""

from collections.abc import Mapping
from pathlib import Path

from ...datasets.check import AnnotationError
from ..findings import Findings
from .darknet import find_darknet_file, read_darknet
from .data_yaml import find_data_yaml, read_data_yaml
from .image_lists import divide, find_lists, read_image_list, report_unused
from .paths import IMAGE_SUFFIXES, first_existing_folder, list_files, list_folders, list_images
from .similar_names import SimilarNames, warn_of_similar_name
from .split import ParsedImage, Split, build_split
from .text_files import read_text
from .yolo_labels import (
    class_numbers,
    find_label_file,
    has_labels,
    looks_like_labels,
    read_labels,
    short_path,
)

CLASS_FILES = 'classes.txt', 'obj.names', 'classes.names', '_darknet.labels'
NO_CLASSES = """no data.yaml and no classes.txt with the names of the classes.
Add a data.yaml, with folders relative to it, such as
  train: images
  names: [cat, dog]
or a classes.txt, with one name a line, in the order of the numbers of the classes"""


def find_yolo(folder: Path) -> Path | None:
    """The file that describes a YOLO dataset or names its classes; None if there is none."""
    return find_data_yaml(folder) or find_darknet_file(folder) or find_class_file(folder)


def refuse_labels_without_classes(folder: Path) -> None:
    """Raise ``AnnotationError`` for a folder of YOLO labels without the names of the classes."""
    for file in list_files(folder, ['.txt']):
        if has_labels(file):
            labels = f'YOLO labels, such as {short_path(file)}'
            raise AnnotationError(f'{folder} has {labels}, but {NO_CLASSES}')


def find_class_file(folder: Path) -> Path | None:
    """The file of class names in a folder or its subfolders; None if there is none.

    Raises:
        AnnotationError: If two files differ: the labels then have no common numbering.
    """
    folders = [folder, folder / 'labels', *list_folders(folder)]
    folders += list_folders(folder / 'labels')
    found = [place / name for place in folders for name in CLASS_FILES if (place / name).is_file()]
    for other in found[1:]:
        if _read_classes(other) != _read_classes(found[0]):
            raise AnnotationError(f'{found[0]} and {other} differ: which classes do labels count?')
    return found[0] if found else None


def read_yolo(path: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a ``data.yaml``, a Darknet ``.data`` file, or a folder with a file of class names.

    A polygon is an object's mask and gives its box. An image without a label file has no objects.

    Args:
        path (Path): The file or folder.
        images (Path | None): Image folder, unless a ``data.yaml`` names it; None to search for it.
        findings (Findings): Collects problems.

    Returns:
        dict[str, Split]: ``train``, and ``val`` and ``test`` if there are such splits. Boxes are
        ``fractions``, and masks ``polygon``.

    Raises:
        AnnotationError: If classes or images are not found, or ``images`` contradicts a
            ``data.yaml``.
    """
    file = path if path.is_file() else find_yolo(path)
    if file is None:
        raise AnnotationError(f'{path}: {NO_CLASSES}')
    if file.suffix.lower() in ('.yaml', '.yml'):
        classes, sets = read_data_yaml(file, findings)
        if sets and images is not None:
            raise AnnotationError(f'{file} already names its images: remove --images')
        sets = sets or _find_sets(file.parent, images, findings)
    elif file.suffix.lower() == '.data':
        classes, sets = read_darknet(file, images, findings)
    else:
        classes = _read_classes(file)
        sets = _find_sets(file.parent if path.is_file() else path, images, findings)
    if not classes:
        raise AnnotationError(f'{path}: the list of classes is empty')
    splits, label_files = {}, []
    outside = _explain_outside(len(classes), file)
    for name, pairs in sets.items():
        pairs = {image: file or find_label_file(image) for image, file in pairs.items()}
        of_split = findings.of_split(name)
        _find_similar_labels(pairs, path, of_split)
        parsed = [
            ParsedImage(
                image, {}, read_labels(image, label_file, len(classes), outside, path, of_split)
            )
            for image, label_file in pairs.items()
        ]
        label_files += pairs.values()
        splits[name] = build_split(str(path), parsed, classes)
        _check_labels(pairs, path, of_split)
    if (str(path), outside) in findings.errors:
        numbers = {number for label_file in label_files for number in class_numbers(label_file)}
        if min(numbers) == 1 and max(numbers) == len(classes):
            text = f'the classes of all lines are from 1 to {len(classes)}: do they count from 1?'
            findings.error(path, f'{text} YOLO counts from 0: subtract 1 in all lines')
    return splits


def _explain_outside(num_classes: int, file: Path) -> str:
    """The problem of lines with a class that has no name in a file."""
    known = f'in 0 to {num_classes - 1}' if num_classes > 1 else '0'
    where = file.name
    if file.suffix.lower() in ('.yaml', '.yml'):
        where = f"'names' in {file.name}"
    elif file.suffix.lower() == '.data':
        where = f'the names file of {file.name}'
    return f'lines whose class is not {known}: add its name to {where}, or correct the line'


def _read_classes(file: Path) -> list[str]:
    names = [line.strip() for line in read_text(file).strip('\r\n ').splitlines()]
    if '' in names:
        raise AnnotationError(
            f'{file}:{names.index("") + 1}: blank line between class names. Remove it, or name the '
            'class'
        )
    return names


def _find_sets(
    path: Path, images: Path | None, findings: Findings
) -> dict[str, dict[Path, Path | None]]:
    """The images of each split of a folder without data.yaml, and their label files."""
    parent = path.parent if path.name.lower() == 'labels' else path
    folder = images or first_existing_folder([parent / 'images', parent / 'Images', path])
    labels = first_existing_folder([path / 'labels', path / 'Labels', path])
    found = list_images(folder)
    lists = next((lists for p in (parent, folder, labels) if (lists := find_lists(p, found))), {})
    if lists:
        sets = {
            split: {
                image: label_file
                for file in files
                for image, label_file in read_image_list(
                    file, [folder, parent], path, findings.of_split(split)
                ).items()
            }
            for split, files in lists.items()
        }
        used = {image.resolve() for listed in sets.values() for image in listed}
        rest = [image for image in found if image.resolve() not in used]
        if 'train' in sets:
            report_unused(rest, path, findings)
        else:
            sets['train'] = dict.fromkeys(rest)
    else:
        divided, rest = divide(found, folder)
        report_unused(rest, path, findings)
        sets = {split: dict.fromkeys(images) for split, images in divided.items()}
    if not sets['train']:
        raise AnnotationError(f'{path}: no images in {folder}; use --images to give their folder')
    return {
        split: {image: file or _find_labels(image, folder, labels) for image, file in pairs.items()}
        for split, pairs in sets.items()
    }


def _find_labels(image: Path, folder: Path, labels: Path) -> Path:
    near = find_label_file(image)
    if not image.is_relative_to(folder):
        return near
    mirrored = (labels / image.relative_to(folder)).with_suffix('.txt')
    return near if near.is_file() and not mirrored.is_file() else mirrored


def _find_similar_labels(pairs: dict[Path, Path], place: Path, findings: Findings) -> None:
    """Replace label files that do not exist by files of similar names, such as 1.TXT for 1.txt."""
    similar, used = SimilarNames(), {file for file in pairs.values() if file.is_file()}
    for image, file in pairs.items():
        found = None if file in used else similar.find(file.parent, file.name)
        if found is not None and found not in used:
            pairs[image] = found
            warn_of_similar_name(place, file.name, found, findings)


def _check_labels(pairs: Mapping[Path, Path], place: Path, findings: Findings) -> None:
    """Find label files without an image, and images that share a label file."""
    owners = {}
    for image, label_file in pairs.items():
        if label_file.is_file() and label_file in owners:
            shared = f'{owners[label_file].name}, {image.name}'
            findings.error(place, 'images that share a label file: remove or rename one', shared)
        owners.setdefault(label_file, image)
    folders = {file.parent: image.parent for file, image in owners.items()}
    for label_folder, image_folder in sorted(folders.items()):
        stems = {path.stem for path in image_folder.iterdir() if _is_image(path)}
        for file in sorted(label_folder.glob('*.txt')):
            hidden = file.name.startswith('.')
            used = file.stem in stems or file in owners
            if not used and not hidden and looks_like_labels(file):
                findings.skippable(place, 'label files without an image', short_path(file))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES
