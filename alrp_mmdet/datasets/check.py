"""Looks at a config's COCO-format annotations before anything is trained on them.

MMDetection leaves out silently what it cannot use: categories whose names differ, boxes without
area, images without objects. Training then runs, on less than was meant.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

SHOWN = 5  # entries that a message names


class AnnotationError(ValueError):
    """Annotations and config do not go together; says where, and what to do."""


def check_datasets(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check every COCO-format dataset that a config is going to use.

    Args:
        cfg (Config): A config of MMDetection. ``drop_degenerate_boxes=True`` in it turns boxes
            without area from an error into a warning.
        splits (tuple[str, ...]): Of ``train``, ``val`` and ``test``.

    Raises:
        AnnotationError: If files are missing or malformed, if class names, annotations and
            ``num_classes`` do not agree, or if boxes have no area. Names all that was found.
    """
    if int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0))) > 0:
        return  # the first process tells, and ends the job
    problems = {}
    checked = set()
    for split in splits:
        for dataset in _leaves((cfg.get(f'{split}_dataloader') or {}).get('dataset')):
            dataset_type = DATASETS.get(dataset.type)
            if not (isinstance(dataset_type, type) and issubclass(dataset_type, CocoDataset)):
                continue
            if getattr(dataset_type, 'generates_annotations', False):
                continue
            classes = _classes(dataset, dataset_type)
            ann_file = _joined(dataset, dataset.get('ann_file', ''))
            if (ann_file, classes) in checked:
                continue
            checked.add((ann_file, classes))
            found = _AnnotationFile(ann_file, split).problems(
                classes, _images(dataset), cfg.get('drop_degenerate_boxes', False)
            )
            found = found or _problems_of_heads(cfg.get('model', {}), classes)
            if found:
                problems[f'{split} dataset, {ann_file}'] = found
    if problems:
        raise AnnotationError(
            '\n'.join(
                f'{place}:\n' + '\n'.join(f'  - {problem}' for problem in found)
                for place, found in problems.items()
            )
        )


class _AnnotationFile:
    def __init__(self, path: str, split: str):
        self.path = path
        self.split = split
        self.content = {}

    def problems(self, classes: tuple[str, ...], images: str | None, drop: bool) -> list[str]:
        if '://' in self.path:
            return []  # on a remote file system, whose client MMDetection knows
        try:
            self.content = json.loads(Path(self.path).read_text(encoding='utf-8'))
        except FileNotFoundError:
            return ['there is no such file: check data_root and ann_file']
        except IsADirectoryError:
            return ['this is a folder: name the annotation file in ann_file']
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return [f'this is not JSON ({error}): export the annotations again, as COCO JSON']
        needed = ['images', 'categories']
        if self.split != 'test':  # a test set may come without
            needed.append('annotations')
        content = self.content if isinstance(self.content, dict) else {}
        missing = [key for key in needed if not isinstance(content.get(key), list)]
        if missing:
            return [f'this is not COCO format, it has no list {", ".join(map(repr, missing))}']
        return [
            *self._problems_of_categories(classes),
            *self._problems_of_entries(),
            *self._problems_of_boxes(classes, drop),
            *self._problems_of_images(images),
        ]

    def _problems_of_categories(self, classes: tuple[str, ...]) -> list[str]:
        names = [category.get('name') for category in self.content['categories']]
        unknown = [name for name in classes if name not in names]
        unused = [name for name in names if name not in classes]
        if unknown:
            pasted = ', '.join(repr(name) for name in names)
            return [
                f'{len(unknown)} of the {len(classes)} classes have no category of this name: '
                f'{_few(unknown)}. The file has {_few(names, 20)}. Upper and lower case count. To '
                f'use its categories, set in the dataset: metainfo=dict(classes=({pasted},))'
            ]
        if unused:
            _warn(self.path, f'categories that are no class are left out: {_few(unused)}')
        return []

    def _problems_of_entries(self) -> list[str]:
        problems = []
        annotations = self.content.get('annotations', [])
        for key in ('images', 'annotations', 'categories'):
            ids = Counter(entry.get('id') for entry in self.content.get(key, []))
            if None in ids:
                problems.append(f"{ids[None]} of the {key} have no 'id'")
            repeated = [i for i, count in ids.items() if count > 1 and i is not None]
            if repeated:
                problems.append(f'{key} share an id: {_few(repeated)}')
        for key in ('image_id', 'category_id', 'bbox', 'area', 'iscrowd'):
            lacking = [a.get('id') for a in annotations if key not in a]
            if lacking:
                hint = {'area': ' (width * height of the box will do)', 'iscrowd': ' (0 will do)'}
                problems.append(
                    f"{len(lacking)} annotations have no '{key}'{hint.get(key, '')}, "
                    f'ids {_few(lacking)}'
                )
        for key, of in (('image_id', 'images'), ('category_id', 'categories')):
            known = {entry.get('id') for entry in self.content[of]}
            lost = [a.get('id') for a in annotations if key in a and a[key] not in known]
            if lost:
                problems.append(
                    f'{len(lost)} annotations have a {key} that is not in {of}, ids {_few(lost)}'
                )
        return problems

    def _problems_of_boxes(self, classes: tuple[str, ...], drop: bool) -> list[str]:
        problems = []
        boxes = [a for a in self.content.get('annotations', []) if 'bbox' in a]
        malformed = [a.get('id') for a in boxes if not _is_box(a['bbox'])]
        if malformed:
            problems.append(
                f'{len(malformed)} annotations have a bbox other than four finite numbers '
                f'[x, y, width, height], ids {_few(malformed)}'
            )
        boxes = [a for a in boxes if _is_box(a['bbox'])]
        flat = [a for a in boxes if a['bbox'][2] <= 0 or a['bbox'][3] <= 0]
        if flat:
            places = [f'{a.get("id")} (image {a.get("image_id")}, {a["bbox"]})' for a in flat]
            text = f'{len(flat)} boxes have no area, ids {_few(places)}'
            if drop:
                _warn(self.path, f'{text}: dropped')
            else:
                problems.append(
                    f'{text}. Boxes are [x, y, width, height]. Correct them, or set '
                    'drop_degenerate_boxes = True in the config to train without them'
                )
        small = sum(0 < min(a['bbox'][2:]) < 1 for a in boxes)
        if small:
            _warn(self.path, f'{small} boxes are narrower than a pixel: MMDetection drops them')
        if self.split == 'train' and not problems and len(boxes) == len(flat):
            problems.append('there is no object to train on')
        return problems

    def _problems_of_images(self, folder: str | None) -> list[str]:
        images = self.content['images']
        lacking = [i.get('id') for i in images if not {'file_name', 'height', 'width'} <= set(i)]
        if lacking:
            return [f"images without 'file_name', 'height' or 'width', ids {_few(lacking)}"]
        if folder is None:
            return []
        there = {}
        missing = []
        for image in images:
            path = Path(folder, image['file_name'])
            if path.parent not in there:
                there[path.parent] = set(os.listdir(path.parent)) if path.parent.is_dir() else set()
            if path.name not in there[path.parent]:
                missing.append(image['file_name'])
        if not missing:
            return []
        return [
            f'{len(missing)} of {len(images)} images are not in {folder}: {_few(missing)}. Check '
            'data_root and data_prefix'
        ]


def _leaves(dataset: ConfigDict | None) -> Iterator[ConfigDict]:
    """The datasets within wrappers, such as ConcatDataset or RepeatDataset."""
    if not isinstance(dataset, dict):
        return
    wrapped = [dataset.get('dataset'), *(dataset.get('datasets') or [])]
    if any(inner is not None for inner in wrapped):
        for inner in wrapped:
            yield from _leaves(inner)
    else:
        yield dataset


def _classes(dataset: ConfigDict, dataset_type: type) -> tuple[str, ...]:
    classes = (dataset.get('metainfo') or {}).get('classes') or dataset_type.METAINFO['classes']
    if isinstance(classes, str):  # a file with one name a line
        classes = Path(classes).read_text(encoding='utf-8').split('\n')
        classes = [name for name in classes if name]
    return tuple(classes)


def _joined(dataset: ConfigDict, path: str) -> str:
    root = dataset.get('data_root') or ''
    return path if '://' in path else os.path.join(root, path)


def _images(dataset: ConfigDict) -> str | None:
    """Folder of the images, unless they come from elsewhere than the local disk."""
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    folder = _joined(dataset, prefix)
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    return None if '://' in folder or backend != 'local' else folder


def _problems_of_heads(model: ConfigDict, classes: tuple[str, ...]) -> list[str]:
    return [
        f'{path}.num_classes is {num_classes}, but the dataset has {len(classes)} classes '
        f'({_few(classes)}): set it to {len(classes)}'
        for path, num_classes in _heads(model, 'model')
        if num_classes != len(classes)
    ]


def _heads(node, path: str) -> Iterator[tuple[str, int]]:
    """Path and number of classes of every head but region proposal networks, which have one."""
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from _heads(child, f'{path}[{i}]')
    elif isinstance(node, dict):
        is_head = 'head' in path.split('.')[-1]
        if is_head and 'num_classes' in node and 'RPN' not in str(node.get('type')):
            yield path, node['num_classes']
        for key, child in node.items():
            yield from _heads(child, f'{path}.{key}')


def _is_box(box) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(x, (int, float)) and isfinite(x) for x in box)
    )


def _few(entries, shown: int = SHOWN) -> str:
    entries = [str(entry) for entry in entries]
    rest = f' and {len(entries) - shown} more' if len(entries) > shown else ''
    return ', '.join(entries[:shown]) + rest


def _warn(path: str, text: str) -> None:
    print_log(f'{path}: {text}', logger='current', level=logging.WARNING)
