"""YOLO label files: a line per object, with coordinates as fractions of the image size."""

import re
from math import isfinite
from pathlib import Path

from ...datasets.check import AnnotationError
from ..findings import Findings
from .text_files import read_lines

BROKEN = (  # a defect of single lines; the other problems are those of all lines
    'lines that are neither "class x y width height" nor a polygon; correct them in the label file'
)
OUTSIDE = 'lines whose class has no name'
MANY = 10_000  # classes, while their number is not known


def find_label_file(image: Path) -> Path:
    """Where the label file of an image is, or would be.

    It is next to the image, or in the folder ``labels`` that corresponds to ``images``.
    """
    sibling = image.with_suffix('.txt')
    parts = [part.lower() for part in image.parts[:-1]]
    if 'images' not in parts or sibling.is_file():
        return sibling
    last = len(parts) - 1 - parts[::-1].index('images')
    names = 'labels', 'Labels'
    options = [
        Path(*image.parts[:last], name, *image.parts[last + 1 :]).with_suffix('.txt')
        for name in names
    ]
    return next((option for option in options if option.is_file()), options[0])


def read_labels(
    image: Path, label_file: Path, num_classes: int, outside: str, place: Path, findings: Findings
) -> list[dict]:
    """Read the objects of an image.

    Args:
        image (Path): The image file.
        label_file (Path): Its label file, which may be missing.
        num_classes (int): Number of classes.
        outside (str): The problem of lines with a class that has no name.
        place (Path): The dataset, for messages.
        findings (Findings): Collects problems.

    Returns:
        list[dict]: Annotations with ``label``, ``fractions``, ``read_from`` and, of a polygon,
        ``polygon``.
    """
    if not label_file.is_file():
        findings.warning(place, 'images without a label file: treated as empty', image.name)
        return []
    objects = []
    for number, line in read_lines(label_file):
        values = _split(line)
        where = f'{short_path(label_file)}:{number}'
        problem, entry = _parse_line(values, num_classes)
        if problem is None:
            objects.append(dict(**entry, read_from=where))
        else:
            report = findings.skippable if problem == BROKEN else findings.error
            report(place, outside if problem == OUTSIDE else problem, f'{where} {line:.60}')
    return objects


def class_numbers(file: Path) -> set[float]:
    """The classes of the lines of a label file, as they are written; none if it is missing."""
    lines = [_split(line) for _, line in read_lines(file)] if file.is_file() else []
    return {number for values in lines for number in _parse_numbers(values[:1]) or []}


def looks_like_labels(file: Path) -> bool:
    """Whether a text file is empty or has a line of numbers: a README or notes have none."""
    try:
        lines = [_split(line) for _, line in read_lines(file)]
    except AnnotationError:
        return False
    return not lines or any(
        len(values) >= 5 and _parse_numbers(values) is not None for values in lines
    )


def has_labels(file: Path) -> bool:
    """Whether a line of a text file is an object of some class."""
    try:
        lines = [_split(line) for _, line in read_lines(file)]
    except AnnotationError:
        return False
    return any(_parse_line(values, num_classes=MANY)[0] is None for values in lines)


def short_path(file: Path) -> str:
    """The last folder and the file name."""
    return '/'.join(file.parts[-2:])


def _split(line: str) -> list[str]:
    """The values of a line, between blanks, commas or semicolons; ``0,5`` is not split."""
    values = [value.strip() for value in re.split('[,;]', line)]
    return line.split() if any(len(value.split()) > 1 for value in values) else values


def _parse_numbers(values: list[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def _has_keypoints(numbers: list[float]) -> bool:
    """Whether x, y and visibility of keypoints follow a box; no point of a polygon is at 2."""
    flags = numbers[6::3]
    return len(numbers) > 4 and len(numbers) % 3 == 1 and 2 in flags and {*flags} <= {0, 1, 2}


def _parse_line(values: list[str], num_classes: int) -> tuple[str | None, dict]:
    """The problem of a line, or None, and its object."""
    numbers = _parse_numbers(values[1:])
    if numbers is None or not all(map(isfinite, numbers)):
        return BROKEN, {}
    label = (_parse_numbers(values[:1]) or [-1.0])[0]  # np.savetxt writes whole floats
    if not (label.is_integer() and 0 <= label < num_classes):
        return OUTSIDE, {}
    if len(numbers) == 5:
        return (
            'lines with six values: these look like rotated boxes, or detections with a score. '
            'Export boxes only',
            {},
        )
    if _has_keypoints(numbers):
        return 'lines with a box and keypoints: export boxes only', {}
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return BROKEN, {}
    if max(map(abs, numbers)) > 2:
        text = 'lines with coordinates that are not fractions of the image size: divide pixels by'
        return f'{text} its width and height', {}
    entry = dict(label=int(label), fractions=numbers)
    if len(numbers) > 4:
        xs, ys = numbers[::2], numbers[1::2]
        w, h = max(xs) - min(xs), max(ys) - min(ys)
        entry.update(fractions=[min(xs) + w / 2, min(ys) + h / 2, w, h], polygon=numbers)
    return None, entry
