"""Reader for COCO-format annotations; fills in missing fields that follow from others."""

from pathlib import Path

from alrp.coco import Entries
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
    problems = file.read()
    if problems:
        refuse_other_formats(path)
        raise AnnotationError(f'{path}: {"; ".join(problems)}')
    for key, needed in (('images', ('id', 'file_name')), ('categories', ('id', 'name'))):
        problems = Entries(file.content[key], key).missing_keys(needed)
        if not file.content[key]:
            problems = [f'the list of {key} is empty']
        if problems:
            raise AnnotationError(f'{path}: {"; ".join(problems)}')
    changed = _fill_in(file.content, path, findings)
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
    free = 1 + max((c['id'] for c in split.content['categories']), default=0)
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
        if not annotation.get('area') and _has_area(box):
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


def _has_area(box) -> bool:
    numbers = isinstance(box, list) and all(isinstance(x, int | float) for x in box)
    return numbers and len(box) == 4 and min(box[2:]) > 0
