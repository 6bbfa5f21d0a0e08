"""Reading and checking the images and annotations of a project."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..datasets.check import AnnotationError
from ..datasets.image_files import inspect_images
from .annotation_checks import check_annotations, leave_out_boxes
from .class_names import check_class_names
from .findings import Findings
from .formats import (
    Split,
    align_categories,
    convert_boxes_to_pixels,
    convert_fractions,
    detect_format,
    read_splits,
    remove_root_categories,
    unused_validation,
)
from .holdout import hold_out
from .image_checks import check_images, check_overlap

FORMAT_NAMES = dict(coco='COCO', voc='Pascal VOC', yolo='YOLO')
DEFAULT_VAL_FRACTION = 0.2


@dataclass
class ProjectData:
    """The data of a project.

    Attributes:
        train (Split): Training images.
        val (Split | None): Validation images; None only if there are errors.
        findings (Findings): Warnings, and errors that must be fixed before training.
        notes (list[str]): How the data were read, a sentence each.
    """

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
    *,
    masks: bool = False,
    skip_missing: bool = False,
    findings: Findings | None = None,
) -> ProjectData:
    """Read and check images for training and validation.

    Args:
        source (Path): Annotations in one of ``FORMATS``.
        val (Path, optional): Annotations for validation, in the same format. Defaults to None.
        val_fraction (float, optional): Share of the images of ``source`` to validate on. Defaults
            to None: ``DEFAULT_VAL_FRACTION``, unless ``val`` or ``source`` has validation images.
            If given, validation images of ``source`` are not used.
        format (str, optional): Key of ``FORMATS``. Defaults to None, to detect it.
        images (Path, optional): Image folder. Defaults to None, to search for it.
        progress (Callable): Called with the number of images; returns a function that is called
            after each.
        masks (bool): Whether objects need masks. Defaults to False.
        skip_missing (bool): Whether to leave out images that are missing or cannot be decoded, and
            boxes that cannot be trained on, with a warning. Defaults to False.
        findings (Findings, optional): Collects the problems, so that the caller has them even if
            an error follows. Defaults to None, for new ones.

    Returns:
        ProjectData: The data, with all problems that were found.

    Raises:
        AnnotationError: If the data cannot be read at all, or the arguments contradict each other.
    """
    findings, notes = Findings() if findings is None else findings, []
    findings.skip_missing = skip_missing
    findings.unused = {'test'} if val is None and val_fraction is None else {'test', 'val'}
    for path in (images, val):
        if path is not None and not path.exists():
            raise AnnotationError(f'{path} does not exist')
    detected = format or detect_format(source)
    notes.append(f'{source}: {FORMAT_NAMES[detected]} format{"" if format else " (detected)"}')
    if masks and detected == 'voc':
        raise AnnotationError(
            f'{source}: masks of Pascal VOC (SegmentationObject) are not read. Convert them to '
            'COCO, or remove --masks'
        )
    splits = read_splits(source, detected, images, findings)
    train, val_split = splits['train'], splits.pop('val', None)
    if val_split is not None and (val is not None or val_fraction is not None):
        splits['val'], val_split = val_split, None
    for name in splits.keys() - {'train'}:
        number = len(splits[name].content['images'])
        notes.append(f'{source}: the {name} split is not used ({number:,} images)')
    if val is not None:
        findings.unused = {'test'}
        found = _read_val(val, detected, images, findings)
        val_split = found.get('val', found['train'])
    both = [train] if val_split is None else [train, val_split]
    notes += [f'images: {folder}' for folder in dict.fromkeys(s.image_folder for s in both)]

    remove_root_categories(both, findings)
    paths = [split.image_path(image) for split in both for image in split.content['images']]
    files = inspect_images(paths, progress(len(set(paths))))
    for split in both:
        check_images(split, files, findings)
    convert_boxes_to_pixels(both, findings)
    if detected == 'coco':
        convert_fractions(both, findings)
    for split in both:  # before images are held out, or one without objects may be chosen
        leave_out_boxes(split, findings)
    if detected == 'yolo' and not masks:
        _report_polygons(both, findings)
    held_out = val_split is None
    if not held_out:
        align_categories(val_split, train.classes, findings)
        check_overlap(train, val_split, files, findings)
    elif len(train.content['images']) > 1:
        fraction = DEFAULT_VAL_FRACTION if val_fraction is None else val_fraction
        train, val_split = hold_out(train, fraction, files)
        note = f'validation: {fraction:.0%} of the images, chosen at random'
        if val_fraction is None:
            note += '; --val-fraction sets another share, --val names images of your own'
        notes.append(note)
        unused = unused_validation(source) if val_fraction is None else None
        if unused is not None:
            findings.warning(source, f'{unused} is not used: --val {unused} validates on it')
    check_class_names([train] if val_split is None else [train, val_split], detected, findings)
    check_annotations(train, 'train', findings, masks)
    if held_out and not train.content['annotations']:
        return ProjectData(train, val_split, findings, notes)  # nothing more to say about val
    if val_split is not None:
        check_annotations(val_split, 'val', findings, masks)
    else:
        text = 'no images for val: one image cannot be divided; --val names images of your own'
        findings.error(source, text)
    return ProjectData(train, val_split, findings, notes)


def _report_polygons(splits: Iterable[Split], findings: Findings) -> None:
    for split in splits:
        for annotation in split.content['annotations']:
            if 'segmentation' in annotation:
                text = 'polygons: only their bounding boxes are trained; --masks trains masks'
                findings.warning(split.source, text, annotation['read_from'])


def _read_val(val: Path, format: str, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read validation data with the given image folder, or else with the folder found near it."""
    try:
        return read_splits(val, format, images, findings)
    except AnnotationError:
        if images is not None and format != 'voc':
            with contextlib.suppress(AnnotationError):  # the first error names the given folder
                return read_splits(val, format, None, findings)
        raise
