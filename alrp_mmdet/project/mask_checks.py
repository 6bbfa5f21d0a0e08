"""Checks of the masks of a split."""

from alrp.text import counted

from ..datasets.masks import area_and_box, encode
from .findings import Findings
from .formats import Split

MIN_IOU = 0.5  # of a box and the bounding box of its mask
TOLERANCE = 2  # pixels by which the edges of these boxes may differ in any case
IGNORED = 'not trained on and not counted as missed (iscrowd = 1)'


def check_masks(split: Split, findings: Findings) -> None:
    """Check that every object has a mask, in the size of its image and within its box.

    MMDetection stops at an object without a mask. Such objects become crowds, whose mask is the
    box. Polygons with fewer than three points are removed.

    Args:
        split (Split): Annotations with valid boxes; changed in place.
        findings (Findings): Collects problems.
    """
    images = {image['id']: image for image in split.content['images']}
    objects = [a for a in split.content['annotations'] if not a['iscrowd']]
    absent, apart = [], []
    for annotation in split.content['annotations']:
        image = images[annotation['image_id']]
        where = split.place_of(annotation, image)
        _remove_short_polygons(split, annotation, where, findings)
        if not annotation.get('segmentation'):
            absent.append((annotation, f'objects without a mask: {IGNORED}', where))
            continue
        try:
            rle = encode(annotation['segmentation'], image['height'], image['width'])
        except ValueError as error:
            findings.error(
                split.source,
                'masks that are malformed, or differ in size from their image',
                f'{where}: {error}',
            )
            continue
        area, box = area_and_box(rle)
        if area == 0:
            absent.append((annotation, f'masks that cover no pixel: {IGNORED}', where))
        elif not annotation['iscrowd'] and not _agree(annotation['bbox'], box):
            apart.append(where)
        if 'read_from' in annotation and area:  # the format has no area of its own
            annotation['area'] = area
    lacking = [entry for entry in absent if not entry[0]['iscrowd']]
    if 2 * len(lacking) > len(objects):
        count = counted(len(lacking), 'has', 'have', f'of {len(objects)} objects')
        findings.error(
            split.source,
            f"{count} no mask: add masks ('segmentation'), or train boxes without --masks",
        )
        return
    for entry in absent:
        _ignore(split, *entry, findings)
    if 2 * len(apart) > len(objects):
        words = 'lies outside its box', 'lie outside their box'
        found = counted(len(apart), *words, f'of {len(objects)} masks')
        findings.error(split.source, f'{found}: are masks in pixels of the image, as x, y?')
    for where in apart:
        findings.warning(
            split.source,
            f'masks whose bounding box overlaps the box with an IoU below {MIN_IOU}',
            where,
        )


def _remove_short_polygons(split: Split, annotation: dict, where: str, findings: Findings) -> None:
    polygons = annotation.get('segmentation')
    if not isinstance(polygons, list):
        return
    kept = [p for p in polygons if not isinstance(p, list) or len(p) not in (0, 2, 4)]
    if len(kept) < len(polygons):
        annotation['segmentation'], split.ann_file = kept, None
        findings.warning(split.source, 'polygons with fewer than 3 points, now removed', where)


def _ignore(split: Split, annotation: dict, text: str, where: str, findings: Findings) -> None:
    """Make an object a crowd with its box as the mask."""
    if not annotation['iscrowd']:
        findings.warning(split.source, text, where)
    x, y, w, h = annotation['bbox']
    annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    annotation['iscrowd'], split.ann_file = 1, None


def _agree(box: list[float], of_mask: list[float]) -> bool:
    """Whether two boxes x, y, width, height are about the same."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = box, of_mask
    edges = (x1, x2), (y1, y2), (x1 + w1, x2 + w2), (y1 + h1, y2 + h2)
    if all(abs(a - b) <= TOLERANCE for a, b in edges):
        return True
    width, height = (min(*edges[i + 2]) - max(*edges[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    return shared >= MIN_IOU * (w1 * h1 + w2 * h2 - shared)
