"""Checks a config's COCO-format annotations before training.

MMDetection silently drops what it cannot use: categories whose names differ, boxes without area,
images without objects. Training would run on less data than was meant.
"""

import logging
import os

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from alrp.coco import NUMBER, label_annotation
from alrp.coco.columns import of_wrong_type
from alrp.text import counted, format_list

from ..config.nodes import heads_of
from ..errors import rank
from .annotation_file import AnnotationFile
from .evaluators import evaluator_problems
from .filtering import check_filter
from .image_sample import check_image_files
from .leaves import ann_file_of, classes_of, is_local_coco, leaves
from .monitors import monitor_problems
from .setting_types import type_problems


class AnnotationError(ValueError):
    """Annotations cannot be used, or do not fit the config. Names the file and the remedy."""


def check_datasets(cfg: Config, splits: tuple[str, ...], open_images: bool = True) -> None:
    """Check every COCO-format dataset that a run uses, and its evaluators.

    Args:
        cfg (Config): A config of MMDetection. Its ``drop_degenerate_boxes`` lists each ``ann_file``
            whose boxes without area are dropped with a warning instead of being an error.
        splits (tuple[str, ...]): The splits in use, of ``train``, ``val`` and ``test``.
        open_images (bool): Whether to open images, for a few seconds. Defaults to True.

    Raises:
        AnnotationError: If files are missing or malformed, if class names, annotations and
            ``num_classes`` disagree, if boxes have no area, or if evaluators do not fit each other,
            the datasets or the hooks. Lists all problems.
    """
    if rank() > 0:
        return  # the first process reports, and ends the job
    wrong = type_problems(cfg, splits)
    if wrong:
        raise AnnotationError('; '.join(wrong))
    drop = cfg.get('drop_degenerate_boxes') or []
    drop = [drop] if isinstance(drop, str) else drop
    problems = {}
    checked, logged = set(), set()
    for split in splits:
        for dataset in leaves(cfg.get(f'{split}_dataloader')):
            if not is_local_coco(dataset):
                continue
            ann_file = ann_file_of(dataset)
            classes = classes_of(dataset)
            key = ann_file, str(classes), split == 'train'
            if key in checked:
                continue
            checked.add(key)
            file = AnnotationFile(ann_file, split, classes)
            found = (
                _problems_of_notation(dataset, classes)
                or file.problems(_images(dataset), drop=dataset.get('ann_file') in drop)
                or _problems_of_heads(cfg.get('model', {}), classes)
                or _problems_of_masks(dataset, file.content, classes)
            )
            if not found:
                found, dropped = check_filter(dataset, file.content, classes, split)
                file.warnings += dropped
            if not found and open_images and _images(dataset) is not None:
                found, changed = check_image_files(dataset, file.content, _images(dataset))
                file.warnings += changed
            if split != 'train' and cfg.get(f'{split}_evaluator'):
                file.warn_of_id_zero()
            warnings = dict.fromkeys(f'{ann_file}: {text}' for text in file.warnings)
            for text in [text for text in warnings if text not in logged]:
                print_log(text, logger='current', level=logging.WARNING)
            logged |= warnings.keys()
            if found and found not in problems.values():
                problems[f'{split} dataset, {ann_file}'] = found
        if split != 'train':
            found = evaluator_problems(cfg, split)
            found += monitor_problems(cfg) if 'train' in splits else []
            if found:
                problems[f'{split}_evaluator'] = found
    if problems:
        raise AnnotationError(
            '\n'.join(
                f'{place}:\n' + '\n'.join(f'  - {problem}' for problem in found)
                for place, found in problems.items()
            )
        )


def _images(dataset: ConfigDict) -> str | None:
    """Folder of the images, or None if it is not on the local disk."""
    prefix = dataset['data_prefix']['img']
    return None if '://' in prefix else os.path.join(dataset.get('data_root') or '', prefix)


def _problems_of_notation(dataset: ConfigDict, classes: tuple[str, ...] | str) -> list[str]:
    problems = []
    if isinstance(classes, str):
        problems.append(
            f'metainfo.classes is the text {classes!r}, but there is no such file of names. Write '
            f'a single class with a comma: metainfo=dict(classes=({classes!r},))'
        )
    prefix = dataset.get('data_prefix')
    if not isinstance(prefix, dict) or not isinstance(prefix.get('img'), str):
        problems.append(
            "data_prefix has no key 'img': set data_prefix=dict(img='FOLDER/') to the folder of "
            "the images in data_root, or '' for data_root itself"
        )
    return problems


def _problems_of_heads(model: ConfigDict, classes: tuple[str, ...]) -> list[str]:
    return [
        f'{path}.num_classes is {num_classes!r}, but the dataset has {len(classes)} classes '
        f'({format_list(classes)}): set it to {len(classes)}'
        for path, num_classes in heads_of(model)
        if type(num_classes) is not int or num_classes != len(classes)
    ]


def _problems_of_masks(dataset: ConfigDict, content: dict, classes: tuple[str, ...]) -> list[str]:
    """MMDetection stops at the first object without a usable mask, with a traceback."""
    if not any(transform.get('with_mask') for transform in dataset.get('pipeline') or []):
        return []
    cat_ids = {c['id'] for c in content['categories'] if c.get('name') in classes}
    wanted = [a for a in content.get('annotations') or [] if a['category_id'] in cat_ids]
    lacking = [a for a in wanted if not a.get('segmentation')]
    malformed = [a for a in wanted if a.get('segmentation') and not _is_mask(a['segmentation'])]
    having = 'has', 'have', f'of {len(wanted)} annotations'
    problems = []
    if lacking:
        problems.append(
            f"{counted(len(lacking), *having)} no mask ('segmentation'), but the "
            f'pipeline has with_mask=True: {format_list(map(label_annotation, lacking))}. Add '
            'masks, or set iscrowd to 1 and the mask to the box'
        )
    if malformed:
        problems.append(
            f"{counted(len(malformed), *having)} a malformed 'segmentation': "
            f'{format_list(map(label_annotation, malformed))}. Expected polygons as lists of '
            'numbers x1, y1, x2, y2, ..., or run lengths with the keys counts and size'
        )
    return problems


def _is_mask(segmentation: object) -> bool:
    if isinstance(segmentation, dict):
        return {'counts', 'size'} <= segmentation.keys()
    return isinstance(segmentation, list) and all(
        isinstance(polygon, list) and not of_wrong_type(polygon, NUMBER) for polygon in segmentation
    )
