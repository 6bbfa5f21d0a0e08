"""Checks of the image files of a split against its annotations."""

from collections import defaultdict
from pathlib import Path

from ..datasets.image_files import OTHER_SIZE, ImageFile, compare_size
from .findings import HOLD_OUT, Findings
from .formats import Split


def check_images(split: Split, files: dict[Path, ImageFile], findings: Findings) -> None:
    """Find images that cannot be used or differ from their annotations, and fill in missing sizes.

    Args:
        split (Split): Images without ``width`` or ``height`` get both; images of unknown size, and
            those that ``findings`` leaves out, are removed.
        files (dict[Path, ImageFile]): The image files, by path.
        findings (Findings): Collects problems.
    """
    by_content, left_out = defaultdict(list), set()
    for image in split.content['images']:
        name, file = image['file_name'], files[split.image_path(image)]
        if file.problem == 'missing':
            findings.skippable(split.source, f'images not found in {split.image_folder}', name)
        elif file.problem is not None:
            findings.skippable(split.source, 'unusable images', f'{name} {file.problem}')
        if file.problem is not None and findings.skip_missing:
            left_out.add(image['id'])
            split.ann_file = None
            continue
        has_size = 'width' in image and 'height' in image
        if not has_size:
            if not file.width:
                left_out.add(image['id'])
            image.update(width=file.width, height=file.height)
            split.ann_file = None
        if file.problem is None:
            _check_size(split, image, file, has_size, findings)
            for text, detail in file.changes.items():
                findings.warning(split.source, text, f'{name} ({detail})')
        if file.digest:
            by_content[file.digest].append(name)
    if left_out:
        content = split.content
        content['images'] = [i for i in content['images'] if i['id'] not in left_out]
        content['annotations'] = [
            a for a in content['annotations'] if a.get('image_id') not in left_out
        ]
    for names in by_content.values():
        if len(names) > 1:
            findings.warning(split.source, 'duplicate images', ' = '.join(names[:3]))


def _check_size(
    split: Split, image: dict, file: ImageFile, has_size: bool, findings: Findings
) -> None:
    """Report a size that differs from the annotations, or rotation by EXIF."""
    name = image['file_name']
    difference = compare_size(file, image['width'], image['height'], has_size)
    if difference is None:
        return
    text, detail = difference
    if text == OTHER_SIZE:
        findings.error(split.source, text, f'{name} {detail}')
    else:
        split.doubtful.add(image['id'])
        findings.warning(split.source, f'{text} Look at annotations.png', f'{name} ({detail})')


def check_overlap(
    train: Split, val: Split, files: dict[Path, ImageFile], findings: Findings
) -> None:
    """Find images in both splits by their content, even if the file names differ."""
    trained = {}
    for image in train.content['images']:
        trained.setdefault(files[train.image_path(image)].digest, []).append(image)
    annotated = {
        id(split): {a.get('image_id') for a in split.content['annotations']}
        for split in (train, val)
    }
    shared = {}
    for image in val.content['images']:
        digest = files[val.image_path(image)].digest
        if digest and digest in trained:
            name, names = image['file_name'], [i['file_name'] for i in trained[digest]]
            empty = image['id'] not in annotated[id(val)] and not any(
                i['id'] in annotated[id(train)] for i in trained[digest]
            )
            shared[name if name in names else f'{name} = {names[0]}'] = empty
    if val.content['images'] and len(shared) == len(val.content['images']):
        some = ', '.join([*shared][:2])
        text = f'all {len(shared)} validation images are training images too, for example {some}'
        findings.error(val.source, f'{text}: {HOLD_OUT}')
        return
    for name, empty in shared.items():
        if empty:
            findings.warning(val.source, 'images without objects in both train and val', name)
        else:
            text = 'images in both train and val: validation results would be too optimistic'
            findings.error(val.source, f'{text}. Remove them from one, or {HOLD_OUT}', name)
