"""YOLO: a text file for each image, a line for each object, numbers as fractions of the image."""

from math import isfinite
from pathlib import Path

import yaml

from ...datasets.check import AnnotationError
from ..findings import Findings
from .split import SUFFIXES, Split, first_folder, images_in, make_split

Pair = tuple[Path, Path]  # an image, and its labels
CLASS_FILES = 'classes.txt', 'obj.names', 'classes.names'
SETS = dict(train=('train',), val=('val', 'valid', 'validation'), test=('test',))
NO_LABELS = {*CLASS_FILES, 'train.txt', 'val.txt', 'valid.txt', 'test.txt', 'readme.txt'}


def yaml_in(folder: Path) -> Path | None:
    """The file of a folder that describes a YOLO dataset; None if there is none, or several."""
    if (folder / 'data.yaml').is_file():
        return folder / 'data.yaml'
    found = [p for p in sorted(folder.glob('*.y*ml')) if 'names:' in p.read_text(errors='replace')]
    return found[0] if len(found) == 1 else None


def class_file(folder: Path) -> Path | None:
    """The file of a folder, or of its labels, that names the classes; None if there is none."""
    places = [folder / part / name for part in ('', 'labels') for name in CLASS_FILES]
    return next((path for path in places if path.is_file()), None)


def read_yolo(path: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a ``data.yaml``, or a folder with labels and a file of classes.

    Polygons become the boxes around them. An image without a file of labels has no objects.

    Args:
        path (Path): The file or folder.
        images (Path | None): Folder of the images, for a folder with a file of classes.
        findings (Findings): Takes what is wrong.

    Returns:
        dict[str, Split]: By ``train``, ``val`` and ``test``, as there are. Boxes are ``fractions``,
        for ``to_pixels``.

    Raises:
        AnnotationError: If classes or images cannot be found, or images are told twice.
    """
    described = path if path.is_file() else yaml_in(path)
    if described is not None:
        if images is not None:
            raise AnnotationError(f'{described} says where its images are: leave out --images')
        classes, sets = _described(described, findings)
    else:
        names = class_file(path)
        if names is None:
            raise AnnotationError(f'{path}: there is neither a data.yaml nor a classes.txt in it')
        classes = [line.strip() for line in names.read_text(encoding='utf-8-sig').splitlines()]
        classes = [name for name in classes if name]
        sets = _undescribed(path, images)
    if not classes:
        raise AnnotationError(f'{path}: it names no classes')
    splits = {}
    for name, pairs in sets.items():
        found = [(pair[0], {}, _labels(*pair, len(classes), path, findings)) for pair in pairs]
        splits[name] = make_split(str(path), found, classes)
    _look_for_lost_labels([pair for pairs in sets.values() for pair in pairs], path, findings)
    return splits


def _described(path: Path, findings: Findings) -> tuple[list[str], dict[str, list[Pair]]]:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8-sig'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AnnotationError(f'{path} is not YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict) or 'names' not in content:
        raise AnnotationError(f"{path}: it has no 'names' of classes, as a YOLO data.yaml has")
    if 'kpt_shape' in content:
        raise AnnotationError(f'{path}: these are keypoints (kpt_shape), not boxes')
    names = content['names']
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise AnnotationError(f'{path}: names must be numbered 0, 1, ..., but are {[*names]}')
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise AnnotationError(f'{path}: names must be a list of classes, but are {names!r}')
    if content.get('nc', len(names)) != len(names):
        raise AnnotationError(f'{path}: nc is {content["nc"]}, but there are {len(names)} names')
    root = path.parent / str(content.get('path') or '')
    root = root if root.is_dir() else path.parent
    sets = {}
    for name, keys in SETS.items():
        entry = next((content[key] for key in keys if content.get(key)), None)
        for part in entry if isinstance(entry, list) else [entry] if entry else []:
            images = _images(str(part), root, path, findings)
            sets.setdefault(name, []).extend((image, label_file(image)) for image in images)
    if not sets.get('train'):
        raise AnnotationError(f'{path}: there are no images of train ({content.get("train")})')
    return [str(name) for name in names], sets


def _images(part: str, root: Path, path: Path, findings: Findings) -> list[Path]:
    """The images of an entry of data.yaml: a folder, or a file that lists them."""
    # Roboflow writes ../train/images beside the folder train, which other readers mend likewise.
    places = [root / part, path.parent / part, path.parent / part.removeprefix('../')]
    place = next((place for place in places if place.exists()), None)
    if place is None:
        findings.error(path, f'there is no {part} in {root}')
        return []
    if place.is_dir():
        return images_in(place)
    listed = []
    for number, line in enumerate(place.read_text(encoding='utf-8-sig').splitlines(), 1):
        if not line.strip():
            continue
        options = [folder / line.strip() for folder in (root, place.parent)]
        listed.append(next((option for option in options if option.is_file()), None))
        if listed[-1] is None:
            findings.error(path, 'images that are missing', f'{place}:{number} {line.strip()}')
    return [image for image in listed if image is not None]


def _undescribed(path: Path, images: Path | None) -> dict[str, list[Pair]]:
    beside = path.parent if path.name == 'labels' else path
    folder = images or first_folder([beside / 'images', path])
    labels = first_folder([path / 'labels', path])
    parts = {
        name: part
        for name, keys in SETS.items()
        if (part := first_folder(folder / key for key in keys)) is not None
    }
    if 'train' not in parts:
        parts = dict(train=folder)
    sets = {
        name: [(i, (labels / i.relative_to(folder)).with_suffix('.txt')) for i in images_in(part)]
        for name, part in parts.items()
    }
    if not sets['train']:
        raise AnnotationError(f'{path}: there are no images in {folder}. Name it with --images')
    return sets


def label_file(image: Path) -> Path:
    """Where the labels of an image are, or would be: in ``labels`` for ``images``, or beside it."""
    parts = list(image.parts)
    beside = image.with_suffix('.txt')
    if 'images' in parts[:-1] and not beside.is_file():
        parts[len(parts) - 2 - parts[-2::-1].index('images')] = 'labels'
        return Path(*parts).with_suffix('.txt')
    return beside


def _labels(
    image: Path, file: Path, num_classes: int, place: Path, findings: Findings
) -> list[dict]:
    if not file.is_file():
        findings.warning(
            place, 'images without a file of labels, taken to have no objects', image.name
        )
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding='utf-8-sig').splitlines(), 1):
        values = line.split()
        if not values:
            continue
        where = f'{_shown(file)}:{number}'
        problem, entry = _object(values, num_classes)
        if problem is not None:
            findings.error(place, problem, f'{where} {line.strip():.60}')
        else:
            if len(values) > 5:
                findings.warning(place, 'polygons, of which the boxes around them are taken', where)
            found.append(dict(**entry, read_from=where))
    return found


def _object(values: list[str], num_classes: int) -> tuple[str | None, dict]:
    """What is wrong with a line, and the object that it says."""
    try:
        numbers = [float(value) for value in values[1:]]
    except ValueError:
        return 'lines with something else than numbers', {}
    if not values[0].isdigit() or int(values[0]) >= num_classes:
        return f'lines whose class is none of 0 to {num_classes - 1}', {}
    if len(numbers) == 5:
        return 'lines with six numbers, as detections with a score have', {}
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return 'lines that are not: class x y width height', {}
    if not all(map(isfinite, numbers)) or max(map(abs, numbers)) > 2:
        return 'lines whose numbers are no fractions of the image', {}
    if len(numbers) > 4:
        xs, ys = numbers[::2], numbers[1::2]
        w, h = max(xs) - min(xs), max(ys) - min(ys)
        numbers = [min(xs) + w / 2, min(ys) + h / 2, w, h]
    return None, dict(label=int(values[0]), fractions=numbers)


def _look_for_lost_labels(pairs: list[Pair], place: Path, findings: Findings) -> None:
    folders = {label.parent: image.parent for image, label in pairs}
    for labels, images in sorted(folders.items()):
        stems = {image.stem for image in images.iterdir() if image.suffix.lower() in SUFFIXES}
        for file in sorted(labels.glob('*.txt')):
            if file.stem not in stems and file.name.lower() not in NO_LABELS:
                findings.error(place, 'files of labels without an image', _shown(file))


def _shown(file: Path) -> str:
    return '/'.join(file.parts[-2:])
