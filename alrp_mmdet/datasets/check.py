"""Checks a config's COCO-format annotations before training.

MMDetection silently drops what it cannot use: categories whose names differ, boxes without area,
images without objects. Training would run on less data than was meant.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from alrp.coco import label_annotation
from alrp.text import format_list

from ..config_types import resolve_type
from ..errors import rank
from .annotation_file import AnnotationFile


class AnnotationError(ValueError):
    """Annotations cannot be used, or do not fit the config. Names the file and the remedy."""


def check_datasets(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check every COCO-format dataset that a run uses.

    Args:
        cfg (Config): A config of MMDetection. Its ``drop_degenerate_boxes`` lists each ``ann_file``
            whose boxes without area are dropped with a warning instead of being an error.
        splits (tuple[str, ...]): The splits in use, of ``train``, ``val`` and ``test``.

    Raises:
        AnnotationError: If files are missing or malformed, if class names, annotations and
            ``num_classes`` disagree, or if boxes have no area. Lists all problems.
    """
    if rank() > 0:
        return  # the first process reports, and ends the job
    problems = {}
    checked = set()
    for split in splits:
        for dataset in leaves(cfg.get(f'{split}_dataloader')):
            if not _is_local_coco(dataset):
                continue
            ann_file = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file', ''))
            classes = _classes(dataset)
            if (ann_file, str(classes)) in checked:
                continue
            checked.add((ann_file, str(classes)))
            file = AnnotationFile(ann_file, split, classes)
            found = (
                _problems_of_notation(dataset, classes)
                or file.problems(
                    _images(dataset),
                    drop=dataset.get('ann_file') in cfg.get('drop_degenerate_boxes', []),
                )
                or _problems_of_heads(cfg.get('model', {}), classes)
                or _problems_of_masks(dataset, file.content, classes)
            )
            for text in file.warnings:
                print_log(f'{ann_file}: {text}', logger='current', level=logging.WARNING)
            if found:
                problems[f'{split} dataset, {ann_file}'] = found
    if problems:
        raise AnnotationError(
            '\n'.join(
                f'{place}:\n' + '\n'.join(f'  - {problem}' for problem in found)
                for place, found in problems.items()
            )
        )


def leaves(dataset: ConfigDict | None) -> Iterator[ConfigDict]:
    """The datasets inside wrappers such as ConcatDataset or RepeatDataset."""
    if not isinstance(dataset, dict):
        return
    wrapped = [dataset.get('dataset'), *(dataset.get('datasets') or [])]
    if any(inner is not None for inner in wrapped):
        for inner in wrapped:
            yield from leaves(inner)
    else:
        yield dataset


def _is_local_coco(dataset: ConfigDict) -> bool:
    """Whether a dataset reads COCO format from the local disk as ``CocoDataset`` does."""
    dataset_type = resolve_type(dataset, DATASETS)
    return (
        isinstance(dataset_type, type)
        and issubclass(dataset_type, CocoDataset)
        and dataset_type.load_data_list is CocoDataset.load_data_list
        and dataset_type.parse_data_info is CocoDataset.parse_data_info
        and not getattr(dataset_type, 'generates_annotations', False)
        and (dataset.get('backend_args') or {}).get('backend', 'local') == 'local'
        and '://' not in f'{dataset.get("data_root")} {dataset.get("ann_file")}'
    )


def _classes(dataset: ConfigDict) -> tuple[str, ...] | str:
    classes = (dataset.get('metainfo') or {}).get('classes') or resolve_type(
        dataset, DATASETS
    ).METAINFO['classes']
    if not isinstance(classes, str):
        return tuple(classes)
    if not os.path.isfile(classes):
        return classes
    return tuple(Path(classes).read_text(encoding='utf-8').splitlines())  # one name a line


def _images(dataset: ConfigDict) -> str | None:
    """Folder of the images, or None if it is not on the local disk."""
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return None if '://' in prefix else os.path.join(dataset.get('data_root') or '', prefix)


def _problems_of_notation(dataset: ConfigDict, classes: tuple[str, ...] | str) -> list[str]:
    problems = []
    if isinstance(classes, str):
        problems.append(
            f'metainfo.classes is the text {classes!r}, but there is no such file of names. Write '
            f'a single class with a comma: metainfo=dict(classes=({classes!r},))'
        )
    if 'img' not in (dataset.get('data_prefix') or {}):
        problems.append(
            "data_prefix has no key 'img': set data_prefix=dict(img='FOLDER/') to the folder of "
            "the images in data_root, or '' for data_root itself"
        )
    return problems


def _problems_of_heads(model: ConfigDict, classes: tuple[str, ...]) -> list[str]:
    return [
        f'{path}.num_classes is {num_classes}, but the dataset has {len(classes)} classes '
        f'({format_list(classes)}): set it to {len(classes)}'
        for path, num_classes in heads_of(model, 'model')
        if num_classes != len(classes)
    ]


def _problems_of_masks(dataset: ConfigDict, content: dict, classes: tuple[str, ...]) -> list[str]:
    """MMDetection stops at the first object without a mask, with a KeyError."""
    if not any(transform.get('with_mask') for transform in dataset.get('pipeline') or []):
        return []
    cat_ids = {c['id'] for c in content['categories'] if c.get('name') in classes}
    wanted = [a for a in content.get('annotations') or [] if a['category_id'] in cat_ids]
    lacking = [a for a in wanted if not a.get('segmentation')]
    if not lacking:
        return []
    return [
        f"{len(lacking)} of {len(wanted)} annotations have no mask ('segmentation'), but the "
        f'pipeline has with_mask=True: {format_list(map(label_annotation, lacking))}. Add masks, '
        'or set iscrowd to 1 and the mask to the box'
    ]


def heads_of(node, path: str) -> Iterator[tuple[str, int]]:
    """Path and number of classes of every ``bbox_head`` and ``mask_head``, alone or in a list."""
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from heads_of(child, f'{path}[{i}]')
    elif isinstance(node, dict):
        head = path.split('.')[-1].startswith(('bbox_head', 'mask_head'))
        if head and 'num_classes' in node:
            yield path, node['num_classes']
        for key, child in node.items():
            yield from heads_of(child, f'{path}.{key}')
