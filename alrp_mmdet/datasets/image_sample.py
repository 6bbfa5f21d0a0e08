"""Opens images before a run, as the data loader will: a bad one would stop it hours later."""

import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from alrp.text import format_list

from ..config.types import type_name
from .image_files import compare_size, inspect_images

SECONDS = 5.0  # per dataset; after that, the images opened so far count as a sample
AT_ONCE = 64
USUAL = dict(color_type='color', imdecode_backend='cv2', backend_args=None, file_client_args=None)


def check_image_files(
    dataset: ConfigDict, content: dict[str, Any], folder: str
) -> tuple[list[str], list[str]]:
    """Open the images of a dataset, in random order, for a limited time.

    Args:
        dataset (ConfigDict): A ``CocoDataset``.
        content (dict): Its annotation file, without problems.
        folder (str): Folder of its images.

    Returns:
        tuple[list[str], list[str]]: Problems and warnings, a sentence each; none if ``dataset``
        reads images in its own way.
    """
    if not _reads_as_usual(dataset):
        return [], []
    images = list(content['images'])
    if (dataset.get('filter_cfg') or {}).get('filter_empty_gt') and not dataset.get('test_mode'):
        used = {annotation['image_id'] for annotation in content.get('annotations') or []}
        images = [image for image in images if image['id'] in used]
    random.Random(0).shuffle(images)
    bad, found, end, opened = [], defaultdict(list), time.monotonic() + SECONDS, 0
    while opened < len(images) and (opened == 0 or time.monotonic() < end):
        paths = {
            Path(folder, image['file_name']): image for image in images[opened : opened + AT_ONCE]
        }
        opened += len(paths)
        for path, file in inspect_images(paths).items():
            name = paths[path]['file_name']
            if file.problem is not None:
                bad.append(f'{name} ({file.problem})')
                continue
            difference = compare_size(file, paths[path]['width'], paths[path]['height'])
            for text, detail in [*file.changes.items(), *([difference] if difference else [])]:
                found[text].append(f'{name} ({detail})')
    warnings = [
        f'{text}: {len(names)} of {opened}, {format_list(names)}' for text, names in found.items()
    ]
    if not bad:
        return [], warnings
    return [
        f'{len(bad)} of {opened} images that were opened cannot be used: {format_list(bad)}. '
        'Restore them, or write annotations without them: alrp new-project --skip-missing'
    ], warnings


def _reads_as_usual(dataset: ConfigDict) -> bool:
    pipeline = dataset.get('pipeline') or [{}]
    first = pipeline[0]
    if type_name(first) != 'LoadImageFromFile':
        return False
    settings = {key: first.get(key, value) for key, value in USUAL.items()}
    if (settings['backend_args'] or {}).get('backend') == 'local':
        settings['backend_args'] = None
    return settings == USUAL
