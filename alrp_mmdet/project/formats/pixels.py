"""Boxes as COCO has them, from what Pascal VOC and YOLO write."""

from collections.abc import Iterable

from ..findings import Findings
from .split import Split


def to_pixels(splits: Iterable[Split], findings: Findings) -> None:
    """Give every annotation of the splits its ``bbox`` and ``area``, in place.

    Pascal VOC counts pixels from 1 and its corners belong to the box: 1, 1, 10, 10 are ten pixels
    by ten at the corner of the image. Many programs write corners from 0 instead, and say so
    nowhere; a single corner below 1 gives them away. All splits are taken alike.

    Args:
        splits (Iterable[Split]): Whose images have a ``width`` and a ``height``.
        findings (Findings): Takes how corners were read, if against Pascal VOC.
    """
    splits = list(splits)
    from_zero = [s for s in splits if any(min(a.get('corners', [1])) < 1 for a in _entries(s))]
    for split in splits:
        images = {image['id']: image for image in split.content['images']}
        for annotation in _entries(split):
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
            else:
                continue
            annotation.update(bbox=box, area=box[2] * box[3])
    for split in from_zero:
        findings.warning(
            split.source,
            'corners below 1: they are taken to count from 0, and not from 1 as in Pascal VOC',
        )


def _entries(split: Split) -> list[dict]:
    return split.content['annotations']
