"""Conversion of Pascal VOC corners and YOLO fractions to COCO boxes and polygons in pixels."""

from collections.abc import Iterable
from itertools import cycle

from ..findings import Findings
from .split import Split


def convert_boxes_to_pixels(splits: Iterable[Split], findings: Findings) -> None:
    """Set ``bbox``, ``area`` and any ``segmentation`` of every annotation, in place.

    Pascal VOC counts pixels from 1 and includes the last one: 1, 1, 10, 10 is a box of 10x10
    pixels in the corner of the image. Many tools write corners from 0 without saying so. A single
    corner below 1 shows this; all splits are then read from 0.

    Args:
        splits (Iterable[Split]): Splits whose images have ``width`` and ``height``.
        findings (Findings): Gets a warning if corners are read from 0.
    """
    splits = list(splits)
    from_zero = [split for split in splits if _has_corner_below_one(split)]
    for split in splits:
        images = {image['id']: image for image in split.content['images']}
        for annotation in split.content['annotations']:
            if 'corners' in annotation:
                x1, y1, x2, y2 = annotation.pop('corners')
                if from_zero:
                    box = [x1, y1, x2 - x1, y2 - y1]
                else:
                    box = [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]
            elif 'fractions' in annotation:
                cx, cy, w, h = annotation.pop('fractions')
                image = images[annotation['image_id']]
                width, height = image['width'], image['height']
                box = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]
                polygon = annotation.pop('polygon', None)
                if polygon is not None:
                    pixels = [x * size for x, size in zip(polygon, cycle((width, height)))]
                    annotation['segmentation'] = [pixels]
            else:
                continue
            annotation.update(bbox=box, area=box[2] * box[3])
    for split in from_zero:
        findings.warning(
            split.source, 'corners below 1: read as counting from 0, not from 1 as in Pascal VOC'
        )


def _has_corner_below_one(split: Split) -> bool:
    return any(min(a.get('corners', [1])) < 1 for a in split.content['annotations'])
