"""COCO-format annotations: found, read, and completed where nothing has to be guessed."""

from pathlib import Path

from alrp.coco import Entries
from alrp.text import format_list

from ...datasets.annotation_file import AnnotationFile
from ...datasets.check import AnnotationError
from ..findings import Findings
from .split import Split

LOOKED_UP = 50  # images by which the right folder is recognised


def read_coco(path: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a COCO JSON.

    Args:
        path (Path): The file.
        images (Path | None): Folder of its images; None to look for it around the file.
        findings (Findings): Takes what is completed.

    Returns:
        dict[str, Split]: One split, ``train``, whatever the file is called.

    Raises:
        AnnotationError: If the file is none of this kind.
    """
    file = AnnotationFile(str(path), 'train')
    problems = file.read()
    if problems:
        raise AnnotationError(f'{path}: {"; ".join(problems)}')
    for key, needed in (('images', ('id', 'file_name')), ('categories', ('id', 'name'))):
        problems = Entries(file.content[key], key).missing_keys(needed)
        if problems or not file.content[key]:
            raise AnnotationError(f'{path}: {"; ".join(problems) or f"it has no {key}"}')
    changed = _complete(file.content, path, findings)
    folder = find_images(path, file.content, images)
    return dict(train=Split(str(path), file.content, folder, None if changed else path))


def find_images(path: Path, content: dict, images: Path | None) -> Path:
    """The folder that the images of a COCO JSON are in.

    Raises:
        AnnotationError: If none has any of them.
    """
    names = [image['file_name'] for image in content['images']]
    sample = names[:: max(1, len(names) // LOOKED_UP)]
    near = [path.parent, path.parent.parent]
    candidates = near + [f for parent in near for f in sorted(parent.iterdir()) if f.is_dir()]
    if images is not None:
        candidates = [images]
    found = [sum((folder / name).is_file() for name in sample) for folder in candidates]
    if sample and not max(found):
        where = images if images is not None else f'{near[0]}, {near[1]} or a folder in them'
        raise AnnotationError(
            f'{path}: its images, such as {names[0]}, are not in {where}. Name the folder that '
            'their file_name starts from with --images'
        )
    return candidates[found.index(max(found))]


def conform(split: Split, classes: tuple[str, ...], findings: Findings) -> None:
    """Give a split the categories of another in the same order, which MMDetection counts by.

    Args:
        split (Split): Changed in place.
        classes (tuple[str, ...]): Names of the categories that it should have.
        findings (Findings): Takes what was changed, and objects of other classes, an error.
    """
    own = {category['name']: category for category in split.content['categories']}
    unknown = {own[name]['id']: name for name in own if name not in classes}
    for annotation in split.content['annotations']:
        if annotation.get('category_id') in unknown:
            findings.error(
                split.source,
                f'objects of the class {unknown[annotation["category_id"]]!r}, which the training '
                f'data do not have: these are {format_list(map(repr, classes))}',
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
    if split.file is not None:
        findings.warning(
            split.source, 'its categories are not those of the training data: put in their order'
        )
        split.file = None


def _complete(content: dict, path: Path, findings: Findings) -> bool:
    """Fill in what follows from the rest; whether there was anything."""
    changed = False
    if content.get('annotations') is None:
        content['annotations'] = []
    for annotation in content['annotations']:
        where = f'id {annotation.get("id")}'
        box = annotation.get('bbox')
        if not annotation.get('area') and _has_area(box):
            annotation['area'] = box[2] * box[3]
            findings.warning(path, "annotations without an 'area': that of the box is taken", where)
            changed = True
        if 'iscrowd' not in annotation:
            annotation['iscrowd'] = 0
            findings.warning(path, "annotations without 'iscrowd': 0 is taken", where)
            changed = True
    if any(c.get('keypoints') for c in content['categories']):
        findings.warning(path, 'keypoints are left out: boxes are what a detector learns')
    return changed


def _has_area(box) -> bool:
    numbers = isinstance(box, list) and all(isinstance(x, int | float) for x in box)
    return numbers and len(box) == 4 and min(box[2:]) > 0
