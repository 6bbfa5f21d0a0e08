"""Checks of the image files of a split against its annotations."""

from collections import defaultdict
from pathlib import Path

from .findings import Findings
from .formats import Split
from .image_files import ImageFile


def check_images(split: Split, files: dict[Path, ImageFile], findings: Findings) -> None:
    """Find images that cannot be used or differ from their annotations, and fill in missing sizes.

    Args:
        split (Split): Images without ``width`` or ``height`` get both; images of unknown size are
            removed.
        files (dict[Path, ImageFile]): The image files, by path.
        findings (Findings): Collects problems.
    """
    by_content, unknown_size = defaultdict(list), set()
    for image in split.content['images']:
        name, file = image['file_name'], files.get(split.image_path(image))
        if file.problem == 'missing':
            findings.error(split.source, f'images not found in {split.image_folder}', name)
        elif file.problem is not None:
            findings.error(split.source, 'unusable images', f'{name} {file.problem}')
        actual = file.width, file.height
        if not ('width' in image and 'height' in image):
            if not file.width:
                unknown_size.add(image['id'])
            image.update(width=file.width, height=file.height)
            split.ann_file = None
        elif file.problem is None and actual != (image['width'], image['height']):
            transposed = actual[::-1] == (image['width'], image['height'])
            findings.error(
                split.source,
                'image size differs from the annotations',
                f'{name} is {actual[0]}x{actual[1]}, annotated as '
                f'{image["width"]}x{image["height"]}' + (' (EXIF rotation?)' if transposed else ''),
            )
        if file.digest:
            by_content[file.digest].append(name)
    if unknown_size:
        content = split.content
        content['images'] = [i for i in content['images'] if i['id'] not in unknown_size]
        content['annotations'] = [
            a for a in content['annotations'] if a.get('image_id') not in unknown_size
        ]
    for names in by_content.values():
        if len(names) > 1:
            findings.warning(split.source, 'duplicate images', ' = '.join(names[:3]))


def check_overlap(
    train: Split, val: Split, files: dict[Path, ImageFile], findings: Findings
) -> None:
    """Find images in both splits by their content, even if the file names differ."""
    trained = {files[train.image_path(i)].digest: i['file_name'] for i in train.content['images']}
    for image in val.content['images']:
        digest = files[val.image_path(image)].digest
        if digest and digest in trained:
            name, train_name = image['file_name'], trained[digest]
            findings.error(
                val.source,
                'images in both train and val: validation results would be too optimistic',
                name if train_name == name else f'{name} = {train_name}',
            )
