"""Readers for COCO, Pascal VOC and YOLO annotations; all give COCO-format content."""

import os
from pathlib import Path

from alrp.text import format_list

from ...datasets.check import AnnotationError
from ..findings import Findings
from .coco import align_categories, read_coco
from .coco_fractions import convert_fractions
from .other_formats import refuse_other_formats
from .paths import list_files, split_named
from .pixel_boxes import convert_boxes_to_pixels
from .root_category import remove_root_categories
from .split import Split
from .voc import read_voc
from .voc_sets import find_xml_folder
from .yolo import find_yolo, read_yolo, refuse_labels_without_classes

__all__ = [
    'FORMATS',
    'Split',
    'align_categories',
    'convert_boxes_to_pixels',
    'convert_fractions',
    'detect_format',
    'read_splits',
    'remove_root_categories',
    'unused_validation',
]

FORMATS = dict(coco=read_coco, voc=read_voc, yolo=read_yolo)
FORMAT_OF_SUFFIX = {
    '.json': 'coco',
    **dict.fromkeys(('.yaml', '.yml', '.data', '.names'), 'yolo'),
}


def detect_format(source: Path) -> str:
    """Detect the annotation format from the names of the files.

    Args:
        source (Path): A file or folder.

    Returns:
        str: A key of ``FORMATS``.

    Raises:
        AnnotationError: If the path does not exist or has no known format.
    """
    if not source.exists():
        raise AnnotationError(f'{source} does not exist')
    if source.is_file():
        if source.suffix.lower() in FORMAT_OF_SUFFIX:
            return FORMAT_OF_SUFFIX[source.suffix.lower()]
        refuse_other_formats(source)
    elif find_xml_folder(source) is not None:
        return 'voc'
    elif find_yolo(source) is not None:
        return 'yolo'
    refuse_other_formats(source)
    found = list_files(source, ['.json', '.yaml']) if source.is_dir() else []
    if not found:
        refuse_labels_without_classes(source)
    raise AnnotationError(
        f'{source}: unknown annotation format. Expected a COCO .json, a folder of Pascal VOC .xml '
        'files (or with a subfolder Annotations), a YOLO data.yaml or obj.data, or a folder of '
        'YOLO labels with a classes.txt'
        + (f'. The folder has {format_list(found)}: name one of them' if found else '')
    )


def unused_validation(source: Path) -> Path | None:
    """Annotations next to ``source`` that are named as its validation split, or None.

    Args:
        source (Path): Such as ``instances_train.json`` or ``train/_annotations.coco.json``.
    """
    source = Path(os.path.abspath(source))
    for path in (source, source.parent):
        if split_named(path.stem) != 'train':
            continue
        for sibling in sorted(path.parent.iterdir()):
            other = sibling / source.relative_to(path)
            same_kind = other.suffix == source.suffix and other.exists()
            if split_named(sibling.stem) == 'val' and same_kind:
                return other
    return None


def read_splits(
    source: Path, format: str, images: Path | None, findings: Findings
) -> dict[str, Split]:
    """Read annotations.

    Args:
        source (Path): A file or folder.
        format (str): A key of ``FORMATS``.
        images (Path | None): Image folder; None to search for it.
        findings (Findings): Collects problems.

    Returns:
        dict[str, Split]: ``train``, and ``val`` and ``test`` if the data have such splits.

    Raises:
        AnnotationError: If the annotations cannot be read at all.
    """
    if format != 'yolo' and source.is_dir() != (format == 'voc'):
        kind = 'folder' if format == 'voc' else 'file'
        raise AnnotationError(f'{source}: {format} annotations must be a {kind}')
    try:
        splits = FORMATS[format](source, images, findings)
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f'{source} cannot be read: {error}') from None
    if not splits.get('train'):
        raise AnnotationError(f'{source}: no annotated images to train on')
    return splits
