"""Checks of the boxes of a split."""

from alrp.coco.columns import malformed_boxes

from ..datasets.annotation_file import AnnotationFile, is_outside
from .findings import HOLD_OUT, Findings
from .formats import Split
from .mask_checks import check_masks

MALFORMED = 'boxes that are not four finite numbers'
TINY = 2  # pixels: a box of this width or height may come from an accidental click
CLIP_TOLERANCE = 0.5  # pixels that a box may extend beyond its image through rounding


def check_annotations(split: Split, name: str, findings: Findings, masks: bool = False) -> None:
    """Check entries with ``AnnotationFile``, then duplicates, boxes and masks.

    Args:
        split (Split): Boxes that extend beyond their image are clipped.
        name (str): ``train`` or ``val``.
        findings (Findings): Collects problems.
        masks (bool): Whether objects need masks. Defaults to False.
    """
    for key, what in (('images', 'images'), ('annotations', 'objects')):
        if not split.content[key]:
            advice = f': {HOLD_OUT}' if (key, name) == ('images', 'val') else ''
            findings.error(split.source, f'no {what} for {name}{advice}')
            return
    file = AnnotationFile(split.source, name, split.classes, split.content)
    problems = file.problems_of_content(images=None, drop=False)
    for text in problems:
        of_boxes = text in file.box_problems and not findings.skip_missing
        (findings.skippable if of_boxes else findings.error)(split.source, text)
    for text in file.warnings:
        findings.warning(split.source, text)
    if not problems:
        _check_boxes(split, findings)
        if masks:
            check_masks(split, findings)


def leave_out_boxes(split: Split, findings: Findings) -> None:
    """Remove boxes that cannot be trained on, if ``findings`` says so."""
    if not findings.skip_missing:
        return
    images = {image.get('id'): image for image in split.content['images']}
    kept = []
    for annotation in split.content['annotations']:
        text = _unusable(annotation.get('bbox'), images.get(annotation.get('image_id')))
        if text is None:
            kept.append(annotation)
            continue
        where = split.place_of(annotation, images[annotation['image_id']])
        if text == MALFORMED:
            where += f': {annotation.get("bbox")!r:.60}'
        findings.skippable(split.source, text, where)
        split.ann_file = None
    split.content['annotations'] = kept


def _unusable(box, image: dict | None) -> str | None:
    if image is None:
        return None  # reported as another problem
    if malformed_boxes([box]):
        return MALFORMED
    if min(box[2:]) <= 0:
        return 'boxes without area'
    outside = is_outside(box, (image['width'], image['height']))
    return 'boxes outside of their image' if outside else None


def _check_boxes(split: Split, findings: Findings) -> None:
    images = {image['id']: image for image in split.content['images']}
    seen, clipped = set(), []
    for annotation in split.content['annotations']:
        image = images[annotation['image_id']]
        where = split.place_of(annotation, image)
        if not annotation['iscrowd']:
            key = annotation['image_id'], annotation['category_id'], *annotation['bbox']
            if key in seen:
                findings.warning(split.source, 'duplicate objects (same box and class)', where)
            seen.add(key)
        if _clip(annotation, image):
            clipped.append(where)
        width, height = (round(side, 2) for side in annotation['bbox'][2:])
        if min(width, height) <= TINY and not annotation['iscrowd']:
            text = f'boxes at most {TINY} pixels wide or high: are they accidental clicks?'
            findings.warning(split.source, text, f'{where} ({width:g}x{height:g})')
    for where in clipped:
        split.ann_file = None
        findings.warning(split.source, 'boxes that extend beyond their image, now clipped', where)


def _clip(annotation: dict, image: dict) -> bool:
    """Clip a box to its image if it extends beyond by more than the tolerance.

    Returns:
        bool: Whether the box was clipped.
    """
    x, y, w, h = annotation['bbox']
    width, height = image['width'], image['height']
    if max(-x, -y, x + w - width, y + h - height) <= CLIP_TOLERANCE:
        return False
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    fills_box = annotation['area'] >= w * h
    annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
    clipped = (x2 - x1) * (y2 - y1)
    annotation['area'] = clipped if fills_box else min(annotation['area'], clipped)
    return True
