"""What can be wrong with annotated images beside what is wrong with the annotation file."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from ..datasets.annotation_file import AnnotationFile
from .findings import Findings
from .formats import Split
from .image_files import ImageFile

ROUNDING = 0.5  # pixels that a box may stick out of its image by


def check_images(split: Split, files: dict[Path, ImageFile], findings: Findings) -> None:
    """Look for images that cannot be used or are not what the annotations say, and fill in sizes.

    Args:
        split (Split): Gets ``width`` and ``height`` of images that lack them, and loses the images
            whose size cannot be known.
        files (dict[Path, ImageFile]): Its images.
        findings (Findings): Takes what is wrong.
    """
    by_content, lost = defaultdict(list), set()
    for image in split.content['images']:
        name, file = image['file_name'], files.get(split.path_of(image))
        if file.problem == 'missing':
            findings.error(split.source, f'images that are not in {split.images}', name)
        elif file.problem is not None:
            findings.error(split.source, 'images that do not open', f'{name} {file.problem}')
        actual = file.width, file.height
        if not ('width' in image and 'height' in image):
            if not file.width:
                lost.add(image['id'])
            image.update(width=file.width, height=file.height)
            split.file = None
        elif file.problem is None and actual != (image['width'], image['height']):
            findings.error(
                split.source,
                'images of another size than the annotations say',
                f'{name} is {actual[0]}x{actual[1]}, not {image["width"]}x{image["height"]}'
                + (' (by its EXIF rotation?)' if actual[::-1] == _size(image) else ''),
            )
        if file.digest:
            by_content[file.digest].append(name)
    if lost:
        content = split.content
        content['images'] = [i for i in content['images'] if i['id'] not in lost]
        content['annotations'] = [
            a for a in content['annotations'] if a.get('image_id') not in lost
        ]
    for names in by_content.values():
        if len(names) > 1:
            findings.warning(split.source, 'images that are there twice', ' = '.join(names[:3]))


def check_overlap(
    train: Split, val: Split, files: dict[Path, ImageFile], findings: Findings
) -> None:
    """Look for images that are both trained and validated on, whatever they are called."""
    trained = {files[train.path_of(i)].digest: i['file_name'] for i in train.content['images']}
    for image in val.content['images']:
        digest = files[val.path_of(image)].digest
        if digest and digest in trained:
            other = trained[digest]
            name = image['file_name']
            findings.error(
                val.source,
                'images that are trained on as well, so that validation shows too much',
                name if other == name else f'{name} = {other}',
            )


def check_annotations(split: Split, name: str, findings: Findings) -> None:
    """Check entries by ``AnnotationFile``, and boxes and classes for what training survives.

    Args:
        split (Split): Boxes that stick out of their image are clipped.
        name (str): ``train`` or ``val``.
        findings (Findings): Takes what is wrong.
    """
    file = AnnotationFile(split.source, name, split.classes, split.content)
    problems = file.problems_of_content(images=None, drop=False)
    for text in problems:
        findings.error(split.source, text)
    for text in file.warnings:
        findings.warning(split.source, text)
    _check_names(split, findings)
    if not split.content['images']:
        findings.error(split.source, f'there are no images for {name}')
    elif not split.content['annotations']:
        findings.error(split.source, f'there are no objects for {name}')
    if not problems:
        _check_boxes(split, findings)


def _size(image: dict) -> tuple:
    return image['width'], image['height']


def _check_names(split: Split, findings: Findings) -> None:
    counts = Counter(split.classes)
    for name in [name for name, count in counts.items() if count > 1]:
        findings.error(split.source, 'classes that share their name', repr(name))
    by_blanks = _alike(counts, lambda name: ' '.join(name.split()))
    by_case = _alike(by_blanks, str.lower)
    for groups, what, tell in (
        (by_blanks, 'blanks', findings.error),
        (by_case, 'upper and lower case', findings.warning),
    ):
        for names in groups.values():
            if len(names) > 1:
                shown = ' and '.join(map(repr, names))
                tell(split.source, f'names of classes that differ by {what} only', shown)


def _alike(names: Iterable[str], fold: Callable[[str], str]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for name in names:
        groups[fold(name)].append(name)
    return groups


def _check_boxes(split: Split, findings: Findings) -> None:
    images = {image['id']: image for image in split.content['images']}
    seen, clipped = Counter(), []
    for annotation in split.content['annotations']:
        image = images[annotation['image_id']]
        where = annotation.get('read_from') or f'id {annotation["id"]} of {image["file_name"]}'
        if not annotation['iscrowd']:
            key = annotation['image_id'], annotation['category_id'], *annotation['bbox']
            seen[key] += 1
            if seen[key] > 1:
                findings.warning(split.source, 'objects that are there twice, box and class', where)
        if _clip(annotation, image):
            clipped.append(where)
    if 2 * len(clipped) > len(split.content['annotations']):
        findings.error(
            split.source,
            'most boxes stick out of their image: [x, y, width, height] is needed, are they '
            '[x1, y1, x2, y2]?',
        )
    for where in clipped:
        split.file = None
        findings.warning(split.source, 'boxes that stick out of their image: clipped to it', where)


def _clip(annotation: dict, image: dict) -> bool:
    """Clip a box that sticks out by more than rounding; whether it did."""
    x, y, w, h = annotation['bbox']
    width, height = _size(image)
    if max(-x, -y, x + w - width, y + h - height) <= ROUNDING:
        return False
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    whole = annotation['area'] >= w * h
    annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
    clipped = (x2 - x1) * (y2 - y1)
    annotation['area'] = clipped if whole else min(annotation['area'], clipped)
    return True
