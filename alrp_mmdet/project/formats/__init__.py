"""Annotated images in COCO, Pascal VOC and YOLO format, read into COCO format."""

from pathlib import Path

from ...datasets.check import AnnotationError
from ..findings import Findings
from .coco import conform, read_coco
from .pixels import to_pixels
from .split import Split
from .voc import annotation_folder, read_voc
from .yolo import class_file, read_yolo, yaml_in

__all__ = ['FORMATS', 'Split', 'conform', 'detect_format', 'read_splits', 'to_pixels']

FORMATS = dict(coco=read_coco, voc=read_voc, yolo=read_yolo)


def detect_format(source: Path) -> str:
    """The format of annotations, from what files there are.

    Args:
        source (Path): A file or folder.

    Returns:
        str: A key of ``FORMATS``.

    Raises:
        AnnotationError: If there is no such path, or nothing in it that is known.
    """
    if not source.exists():
        raise AnnotationError(f'there is no {source}')
    if source.is_file():
        kinds = {'.json': 'coco', '.yaml': 'yolo', '.yml': 'yolo'}
        if source.suffix.lower() in kinds:
            return kinds[source.suffix.lower()]
    elif annotation_folder(source) is not None:
        return 'voc'
    elif yaml_in(source) is not None or class_file(source) is not None:
        return 'yolo'
    raise AnnotationError(
        f'{source} is no annotations of a format that is known. Name a COCO .json, a folder of '
        'Pascal VOC .xml files (or with Annotations in it), or a YOLO data.yaml (or a folder of '
        'labels with a classes.txt)'
    )


def read_splits(
    source: Path, name: str, images: Path | None, findings: Findings
) -> dict[str, Split]:
    """Read annotations.

    Args:
        source (Path): A file or folder.
        name (str): A key of ``FORMATS``.
        images (Path | None): Folder of the images; None to look for it.
        findings (Findings): Takes what is wrong with them.

    Returns:
        dict[str, Split]: At least ``train``; ``val`` and ``test`` if they are told apart.

    Raises:
        AnnotationError: If they cannot be read at all.
    """
    if name != 'yolo' and source.is_dir() != (name == 'voc'):
        kind = 'folder' if name == 'voc' else 'file'
        raise AnnotationError(f'{source}: {name} annotations are read from a {kind}')
    try:
        splits = FORMATS[name](source, images, findings)
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f'{source} cannot be read: {error}') from None
    if not splits.get('train'):
        raise AnnotationError(f'{source}: there are no annotated images to train on')
    return splits
