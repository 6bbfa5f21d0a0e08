"""Annotation formats that are not read: says what to export instead."""

from pathlib import Path
from xml.parsers import expat

from ...datasets.check import AnnotationError
from .voc import parse_with_lines, refuse_cvat


def refuse_other_formats(source: Path) -> None:
    """Raise ``AnnotationError`` with advice if a file has a known format that is not read."""
    if source.suffix.lower() == '.xml':
        try:
            tree = parse_with_lines(source)
        except expat.ExpatError as error:
            raise AnnotationError(f'{source} is not valid XML: {error}') from None
        refuse_cvat(tree, source)
        raise AnnotationError(f'{source} is a single XML file: name the folder {source.parent}')
