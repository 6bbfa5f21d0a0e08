"""Counts what ``filter_cfg`` of a dataset drops: MMDetection says nothing."""

from typing import Any

from mmengine.config import ConfigDict

from alrp.text import counted, format_list


def check_filter(
    dataset: ConfigDict, content: dict[str, Any], classes: tuple[str, ...], split: str
) -> tuple[list[str], list[str]]:
    """Find images that ``filter_cfg`` drops although they were probably meant to be used.

    Args:
        dataset (ConfigDict): A ``CocoDataset``.
        content (dict): Its annotation file, without problems.
        classes (tuple[str, ...]): Its classes.
        split (str): ``train``, ``val`` or ``test``.

    Returns:
        tuple[list[str], list[str]]: Problems and warnings, a sentence each.
    """
    settings = dataset.get('filter_cfg') or {}
    if dataset.get('test_mode') or not settings:
        return [], []
    min_size = settings.get('min_size', 0)
    images = content['images']
    small = [i for i in images if min(i['width'], i['height']) < min_size]
    empty = []
    if settings.get('filter_empty_gt'):
        cat_ids = {c['id'] for c in content['categories'] if c.get('name') in classes}
        annotations = content.get('annotations') or []
        having = {a['image_id'] for a in annotations if a['category_id'] in cat_ids}
        empty = [i for i in images if i['id'] not in having]
    dropped = {image['id'] for image in small + empty}
    sizes = (f'{image["file_name"]} ({image["width"]}x{image["height"]})' for image in small)
    having = counted(len(small), 'has', 'have')
    too_small = f'{having} a side below min_size={min_size} pixels: {format_list(sizes)}'
    without = f'{counted(len(empty), "has", "have")} no objects'
    if split != 'train':
        if not dropped:
            return [], []
        return [], [
            f'filter_cfg drops {len(dropped)} of {len(images)} images, and their objects count as '
            'missed. Set test_mode=True in this dataset'
        ]
    if len(dropped) == len(images):
        reasons = ([too_small] if small else []) + ([without] if empty else [])
        return [
            f'filter_cfg drops all {len(images)} images; {"; ".join(reasons)}. Set '
            'filter_cfg=dict(min_size=1) in this dataset'
        ], []
    if small:
        return [], [
            f'filter_cfg drops images: of {len(images)}, {too_small}. To train on them, set '
            'filter_cfg=dict(min_size=1) in this dataset'
        ]
    return [], []
