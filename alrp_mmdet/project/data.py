"""Annotated images, read and checked as a whole."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..datasets.check import AnnotationError
from .findings import Findings
from .formats import Split, conform, detect_format, read_splits, to_pixels
from .holdout import split_off
from .image_checks import check_annotations, check_images, check_overlap
from .image_files import inspect_images

NAMES = dict(coco='COCO', voc='Pascal VOC', yolo='YOLO')  # of FORMATS
FRACTION = 0.2  # of the images, for validation where nothing else is said


@dataclass
class Data:
    """What a project is made from.

    Attributes:
        format (str): The format it was read from.
        train (Split): Images to train on.
        val (Split): Images to validate on.
        findings (Findings): Warnings; and errors, with which it must not be used.
        notes (list[str]): Sentences on how it was read.
    """

    format: str
    train: Split
    val: Split | None
    findings: Findings
    notes: list[str]


def load_data(
    source: Path,
    val: Path | None = None,
    val_fraction: float | None = None,
    format: str | None = None,
    images: Path | None = None,
    progress: Callable[[int], Callable[[], None]] = lambda total: lambda: None,
) -> Data:
    """Read and check images for training and validation.

    Args:
        source (Path): Annotations, in one of ``FORMATS``.
        val (Path, optional): Annotations for validation, in the same format. Defaults to None.
        val_fraction (float, optional): Fraction of the images of ``source`` to validate on. If None
            and neither ``val`` nor ``source`` has images for that, it is ``FRACTION``.
        format (str, optional): Key of ``FORMATS``. Defaults to None, by what is there.
        images (Path, optional): Folder of the images. Defaults to None, to look for it.
        progress (Callable): Called with the number of images, and what it returns after each.

    Returns:
        Data: Its ``val`` is None only beside errors.

    Raises:
        AnnotationError: If anything cannot be read at all, or the arguments contradict each other.
    """
    findings, notes = Findings(), []
    for path in (images, val):
        if path is not None and not path.exists():
            raise AnnotationError(f'there is no {path}')
    detected = format or detect_format(source)
    notes.append(f'{source}: {NAMES[detected]}{"" if format else ", detected"}')
    splits = read_splits(source, detected, images, findings)
    train, own_val = splits['train'], splits.get('val')
    if own_val is not None and (val is not None or val_fraction is not None):
        raise AnnotationError(
            f'{source} has images for validation of its own: leave out --val and --val-fraction'
        )
    if 'test' in splits:
        number = len(splits['test'].content['images'])
        notes.append(f'{source}: {number:,} images of its test split are not used')
    if val is not None:
        found = _read_val(val, detected, images, findings)
        own_val = found.get('val', found['train'])
    both = [train] if own_val is None else [train, own_val]
    notes += [f'images in {folder}' for folder in dict.fromkeys(split.images for split in both)]

    paths = [split.path_of(image) for split in both for image in split.content['images']]
    files = inspect_images(paths, progress(len(set(paths))))
    for split in both:
        check_images(split, files, findings)
    to_pixels(both, findings)
    if own_val is not None:
        conform(own_val, train.classes, findings)
        check_overlap(train, own_val, files, findings)
    elif len(train.content['images']) > 1:
        fraction = FRACTION if val_fraction is None else val_fraction
        train, own_val = split_off(train, fraction, files)
        notes.append(f'{fraction:.0%} of the images, taken at random, are for validation')
    for split, name in ((train, 'train'), (own_val, 'val')):
        if split is not None:
            check_annotations(split, name, findings)
        else:
            findings.error(source, f'there are no images for {name}')
    return Data(detected, train, own_val, findings, notes)


def _read_val(val: Path, name: str, images: Path | None, findings: Findings) -> dict[str, Split]:
    """The images of ``val`` are in the folder given, or else, if that is of training, elsewhere."""
    try:
        return read_splits(val, name, images, findings)
    except AnnotationError:
        if images is not None and name != 'voc':
            with contextlib.suppress(AnnotationError):  # the first one names the given folder
                return read_splits(val, name, None, findings)
        raise
