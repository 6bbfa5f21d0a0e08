"""Conversion of COCO-format boxes that are fractions of the image size, as Azure exports them."""

from collections.abc import Iterable
from itertools import cycle

from alrp.coco.box_layout import are_fractions
from alrp.coco.columns import malformed_boxes

from ..findings import Findings
from .split import Split


def convert_fractions(splits: Iterable[Split], findings: Findings) -> None:
    """Convert fractions to pixels, in place, if all boxes of a split are fractions.

    Args:
        splits (Iterable[Split]): Splits whose images have ``width`` and ``height``.
        findings (Findings): Gets a warning for each split that is converted.
    """
    for split in splits:
        sizes = {i['id']: (i['width'], i['height']) for i in split.content['images']}
        annotations = [a for a in split.content['annotations'] if a.get('image_id') in sizes]
        malformed = {*malformed_boxes([a.get('bbox') for a in annotations])}
        annotations = [a for i, a in enumerate(annotations) if i not in malformed]
        boxes = [a['bbox'] for a in annotations]
        if not boxes:
            continue
        if not are_fractions(boxes, [sizes[a['image_id']] for a in annotations]):
            continue
        for annotation in annotations:
            width, height = sizes[annotation['image_id']]
            annotation['bbox'] = _scale(annotation['bbox'], width, height)
            if annotation['area'] <= 1:
                annotation['area'] *= width * height
            polygons = annotation.get('segmentation')
            if isinstance(polygons, list) and all(map(_is_fraction, polygons)):
                annotation['segmentation'] = [_scale(p, width, height) for p in polygons]
        split.ann_file = None
        findings.warning(
            split.source,
            f'the coordinates of all {len(boxes)} boxes are between 0 and 1: converted from '
            'fractions of the image size to pixels',
        )


def _scale(numbers: list[float], width: float, height: float) -> list[float]:
    return [number * size for number, size in zip(numbers, cycle((width, height)))]


def _is_fraction(polygon) -> bool:
    return isinstance(polygon, list) and all(
        isinstance(x, int | float) and -0.01 <= x <= 1.01 for x in polygon
    )
