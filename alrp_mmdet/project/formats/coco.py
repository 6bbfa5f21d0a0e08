"""Reader for COCO-format annotations; fills in missing fields that follow from others."""

from itertools import count
from pathlib import Path

from alrp.coco import Entries, as_id
from alrp.coco.columns import malformed_boxes
from alrp.text import format_list, unicode_encoding

from ...datasets.annotation_file import AnnotationFile
from ...datasets.check import AnnotationError
from ..findings import Findings
from .coco_images import locate_images
from .other_formats import refuse_other_formats
from .split import Split


def read_coco(path: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a COCO JSON.

    Args:
        path (Path): The file.
        images (Path | None): Image folder; None to search for it near the file.
        findings (Findings): Gets a warning for each field that is filled in.

    Returns:
        dict[str, Split]: One split, ``train``.

    Raises:
        AnnotationError: If the file is not COCO format, or its images are not found.
    """
    file = AnnotationFile(str(path), 'train')
    problems = file.read(repair=True)
    if problems:
        refuse_other_formats(path)
        raise AnnotationError(f'{path}: {"; ".join(problems)}')
    empty = [key for key in ('images', 'categories') if not file.content[key]]
    if empty:
        raise AnnotationError(f'{path} has no {" and no ".join(empty)}: is this the right file?')
    for key, needed in (('images', ('id', 'file_name')), ('categories', ('id', 'name'))):
        problems = Entries(file.content[key], key).missing_keys(needed)
        if problems:
            raise AnnotationError(f'{path}: {"; ".join(problems)}')
    for repair in file.repairs:
        for label in repair.labels:
            findings.warning(path, repair.text, label)
    changed = _fill_in(file.content, path, findings) or bool(file.repairs)
    changed |= _renumber(file.content, path, findings)
    changed |= _is_other_unicode(path, findings)
    names = [image['file_name'] for image in file.content['images']]
    folder = locate_images(path, file.content, images, findings)
    changed |= names != [image['file_name'] for image in file.content['images']]
    return dict(train=Split(str(path), file.content, folder, None if changed else path))


def align_categories(split: Split, classes: tuple[str, ...], findings: Findings) -> None:
    """Give a split the categories of another, in the same order: MMDetection numbers classes by it.

    Args:
        split (Split): Changed in place.
        classes (tuple[str, ...]): Names of the categories that it should have.
        findings (Findings): Gets a warning if categories change, and an error for objects of
            other classes.
    """
    own = {category['name']: category for category in split.content['categories']}
    unknown = {own[name]['id']: name for name in own if name not in classes}
    for annotation in split.content['annotations']:
        if annotation.get('category_id') in unknown:
            findings.error(
                split.source,
                f'objects of class {unknown[annotation["category_id"]]!r}, which the training data '
                f'do not have; their classes are {format_list(map(repr, classes))}',
                annotation.get('read_from') or f'id {annotation.get("id")}',
            )
    split.content['annotations'] = [
        a for a in split.content['annotations'] if a.get('category_id') not in unknown
    ]
    if split.classes == classes:
        return
    ids = (c['id'] for c in split.content['categories'] if not isinstance(c['id'], str))
    free = int(max(ids, default=0)) + 1
    missing = {name: dict(id=free + i, name=name) for i, name in enumerate(classes)}
    ordered = [own.get(name, missing[name]) for name in classes]
    split.content = {**split.content, 'categories': ordered}
    if split.ann_file is not None:
        findings.warning(
            split.source, 'categories differ from the training data: changed to the same list'
        )
        split.ann_file = None


def _fill_in(content: dict, path: Path, findings: Findings) -> bool:
    """Fill in missing fields.

    Returns:
        bool: Whether anything was changed.
    """
    changed = False
    if content.get('annotations') is None:
        content['annotations'] = []
    for annotation in content['annotations']:
        where = f'id {annotation.get("id")}'
        box = annotation.get('bbox')
        if not annotation.get('area') and not _has_area(box):
            annotation['area'] = 0  # the box is reported
        elif not annotation.get('area'):
            annotation['area'] = box[2] * box[3]
            findings.warning(
                path, "annotations without 'area': set to width * height of the box", where
            )
            changed = True
        if 'iscrowd' not in annotation:
            annotation['iscrowd'] = 0
            findings.warning(path, "annotations without 'iscrowd': set to 0", where)
            changed = True
    if any(c.get('keypoints') for c in content['categories']):
        findings.warning(path, 'keypoints are ignored: the detector learns boxes')
    return changed


def _is_other_unicode(path: Path, findings: Findings) -> bool:
    """Whether the file is not plain UTF-8, which pycocotools needs."""
    with path.open('rb') as file:
        encoding = unicode_encoding(file.read(4))
    if encoding != 'utf-8':
        findings.warning(path, f'the encoding is {encoding.upper()}: converted to UTF-8')
    return encoding != 'utf-8'


def _renumber(content: dict, path: Path, findings: Findings) -> bool:
    """Give annotations ids of their own, and numbers to categories whose ids are text.

    Returns:
        bool: Whether anything was changed.
    """
    categories, annotations = content['categories'], content['annotations']
    of_categories = [c['id'] for c in categories]
    text_ids = any(isinstance(i, str) for i in of_categories)
    if text_ids and len(set(of_categories)) == len(of_categories):
        numbers = [as_id(i) for i in of_categories]
        if any(isinstance(i, str) for i in numbers) or len(set(numbers)) < len(numbers):
            numbers = range(1, len(numbers) + 1)
        known = dict(zip(of_categories, numbers))
        for category, number in zip(categories, numbers):
            category['id'] = number
        for annotation in annotations:
            old = annotation.get('category_id')
            annotation['category_id'] = known.get(old, old)
        findings.warning(path, "categories whose 'id' is text: numbered")
    before = [a.get('id') for a in annotations]
    ids = [*map(as_id, before)]
    if 0 in ids:  # Split.to_json numbers all from 1; until then, messages show the ids of the file
        findings.warning(path, 'annotation id 0 (no match in pycocotools): all numbered from 1')
    taken = {i for i in ids if isinstance(i, int | float)}
    free, seen = count(int(max(taken, default=0)) + 1), set()
    for annotation, number in zip(annotations, ids):
        if number not in taken or number in seen:
            where = f'id {annotation.get("id")} of image {annotation.get("image_id")}'
            annotation['id'] = next(free)
            text = 'annotations without an id, with text, or with the id of another: numbered'
            findings.warning(path, text, f'{where}, now {annotation["id"]}')
        else:
            annotation['id'] = number
        seen.add(number)
    return text_ids or before != [a['id'] for a in annotations] or 0 in ids


def _has_area(box) -> bool:
    return not malformed_boxes([box]) and min(box[2:]) > 0
