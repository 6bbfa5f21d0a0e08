"""Looks at a config's COCO-format annotations before anything is trained on them.

MMDetection leaves out silently what it cannot use: categories whose names differ, boxes without
area, images without objects. Training then runs, on less than was meant.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

SHOWN = 5  # entries that a message names
NUMBER = (int, float)
TYPES = dict(
    images=dict(id=(int, str), file_name=str, width=NUMBER, height=NUMBER),
    annotations=dict(id=(int, str), image_id=(int, str), category_id=int, area=NUMBER, iscrowd=int),
    categories=dict(id=int, name=str),
)


class AnnotationError(ValueError):
    """Annotations and config do not go together; says where, and what to do."""


def check_datasets(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check every COCO-format dataset that a config is going to use.

    Args:
        cfg (Config): A config of MMDetection. ``drop_degenerate_boxes`` in it lists the
            ``ann_file`` in which boxes without area are known of and not an error but a warning.
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
        for dataset in _leaves(cfg.get(f'{split}_dataloader')):
            if not _is_local_coco(dataset):
                continue
            ann_file = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file', ''))
            classes = _classes(dataset)
            if (ann_file, str(classes)) in checked:
                continue
            checked.add((ann_file, str(classes)))
            found = (
                _problems_of_notation(dataset, classes)
                or _AnnotationFile(ann_file, split, classes).problems(
                    _images(dataset),
                    drop=dataset.get('ann_file') in cfg.get('drop_degenerate_boxes', []),
                )
                or _problems_of_heads(cfg.get('model', {}), classes)
            )
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
    def __init__(self, path: str, split: str, classes: tuple[str, ...]):
        self.path = path
        self.split = split
        self.classes = classes
        self.content = {}

    def problems(self, images: str | None, drop: bool) -> list[str]:
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
        missing = [key for key in needed if not _is_list_of_dicts(content.get(key))]
        if missing:
            return [
                f'this is not COCO format, it has no list of entries {_few(map(repr, missing))}: '
                'export the annotations again, as COCO JSON for object detection'
            ]
        wrong_types = self._problems_of_types()
        if wrong_types:
            return wrong_types
        problems = [
            *self._problems_of_categories(),
            *self._problems_of_entries(),
            *self._problems_of_boxes(drop),
            *self._problems_of_images(images),
        ]
        if not problems and self.split == 'train' and not self._has_objects():
            problems.append('no image has an object of the classes: nothing to train on')
        return problems

    def _problems_of_types(self) -> list[str]:
        problems = []
        for key, types in TYPES.items():
            for name, accepted in types.items():
                wrong = [e for e in self._entries(key) if not isinstance(e.get(name, 0), accepted)]
                if wrong:
                    problems.append(
                        f"{len(wrong)} of the {key} have as '{name}' "
                        f'{_few(repr(e[name]) for e in wrong)}, which is no '
                        f'{"text" if accepted is str else "number"}: ids '
                        f'{_few(e.get("id") for e in wrong)}'
                    )
        return problems

    def _entries(self, key: str) -> list[dict]:
        return self.content.get(key) or []  # a test set may do without annotations

    def _problems_of_categories(self) -> list[str]:
        names = [category.get('name') for category in self.content['categories']]
        unknown = [name for name in self.classes if name not in names]
        unused = [name for name in names if name not in self.classes]
        used = [name for name in names if name in self.classes]
        to_paste = f'metainfo=dict(classes=({", ".join(map(repr, used or names))},))'
        if unknown:
            close = {name: get_close_matches(name.lower(), _lower(unused), n=1) for name in unknown}
            hints = [f'{name!r} for {_lower(unused)[c[0]]!r}' for name, c in close.items() if c]
            return [
                f'{len(unknown)} of the {len(self.classes)} classes have no category of this name: '
                f'{_few(unknown)}. The file has {_few(unused, 20)}, which are no classes. '
                + (f'Perhaps {_few(hints)}; upper and lower case count. ' if hints else '')
                + 'To use its categories, set in the dataset: '
                + f'metainfo=dict(classes=({", ".join(map(repr, names))},))'
            ]
        if len(used) > len(self.classes):
            repeated = [name for name, count in Counter(used).items() if count > 1]
            return [f'categories share a name: {_few(repeated)}. Give each a name of its own']
        if tuple(used) != self.classes:
            return [
                'the classes stand in another order than the categories of the file, by which '
                f'MMDetection counts them: set in the dataset {to_paste}, and order the '
                'categories of all annotation files alike'
            ]
        if unused:
            _warn(self.path, f'categories that are no class are left out: {_few(unused)}')
        return []

    def _problems_of_entries(self) -> list[str]:
        problems = []
        annotations = self._entries('annotations')
        for key in ('images', 'annotations', 'categories'):
            ids = Counter(entry.get('id') for entry in self._entries(key))
            if None in ids:
                problems.append(f"{ids[None]} of the {key} have no 'id'")
            repeated = [i for i, count in ids.items() if count > 1 and i is not None]
            if repeated:
                problems.append(
                    f'{len(repeated)} {key} share their id with others: {_few(repeated)}'
                )
        needed = dict(image_id='', category_id='', bbox='', area=' (width * height will do)')
        if self.split != 'train':
            needed['iscrowd'] = ' (0 will do)'  # the evaluation asks for it
        for key, advice in needed.items():
            lacking = [a for a in annotations if key not in a]
            if lacking:
                which = _few_annotations(lacking)
                problems.append(f"{len(lacking)} annotations have no '{key}'{advice}: {which}")
        for key, of in (('image_id', 'images'), ('category_id', 'categories')):
            known = {entry.get('id') for entry in self.content[of]}
            lost = [a for a in annotations if key in a and a[key] not in known]
            if lost:
                problems.append(
                    f'{len(lost)} annotations have a {key} that is not in {of}: '
                    f'{_few_annotations(lost)}'
                )
        return problems

    def _problems_of_boxes(self, drop: bool) -> list[str]:
        problems = []
        annotations = [a for a in self._entries('annotations') if 'bbox' in a]
        boxes = [a for a in annotations if _is_box(a['bbox'])]
        malformed = [a for a in annotations if not _is_box(a['bbox'])]
        flat = [a for a in boxes if min(a['bbox'][2:]) <= 0]
        zero = [a for a in boxes if min(a['bbox'][2:]) > 0 and a.get('area', 1) <= 0]
        if malformed:
            problems.append(
                f'{len(malformed)} annotations have a bbox other than four finite numbers '
                f'[x, y, width, height]: {_few_annotations(malformed)}'
            )
        for annotations, what, advice in (
            (flat, 'boxes have no area', 'Boxes are [x, y, width, height]. Correct them'),
            (zero, "annotations have an 'area' of 0", 'Width * height of the box will do'),
        ):
            if not annotations:
                continue
            text = f'{len(annotations)} {what}: {_few_annotations(annotations)}'
            if drop:
                _warn(self.path, f'{text}: dropped')
            else:
                problems.append(
                    f'{text}. {advice}, or list this ann_file in the config to do without them: '
                    'drop_degenerate_boxes = [...]'
                )
        small = [a for a in boxes if 0 < min(a['bbox'][2:]) < 1]
        if small:
            _warn(self.path, f'{len(small)} boxes narrower than a pixel are dropped')
        return problems

    def _has_objects(self) -> bool:
        wanted = {c['id'] for c in self.content['categories'] if c.get('name') in self.classes}
        return any(
            a['category_id'] in wanted
            and min(a['bbox'][2:]) >= 1
            and a['area'] > 0
            and not a.get('iscrowd')
            for a in self.content['annotations']
        )

    def _problems_of_images(self, folder: str | None) -> list[str]:
        images = self.content['images']
        lacking = [i.get('id') for i in images if not {'file_name', 'height', 'width'} <= set(i)]
        if lacking:
            return [
                f"{len(lacking)} images have no 'file_name', 'height' or 'width', "
                f'ids {_few(lacking)}'
            ]
        if folder is None:
            return []
        there = {}
        missing = []
        for image in images:
            parent, name = os.path.split(os.path.join(folder, image['file_name']))
            if parent not in there:  # a listing is cheaper than a look at every file
                there[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
            if name not in there[parent]:
                missing.append(image['file_name'])
        if not missing:
            return []
        return [
            f'{len(missing)} of {len(images)} images are not in {folder or "."}: {_few(missing)}. '
            'Check data_root and data_prefix'
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


def _is_local_coco(dataset: ConfigDict) -> bool:
    """Whether a dataset reads COCO format from the local disk, just as ``CocoDataset`` does."""
    dataset_type = _type(dataset)
    return (
        isinstance(dataset_type, type)
        and issubclass(dataset_type, CocoDataset)
        and dataset_type.load_data_list is CocoDataset.load_data_list
        and dataset_type.parse_data_info is CocoDataset.parse_data_info
        and not getattr(dataset_type, 'generates_annotations', False)
        and (dataset.get('backend_args') or {}).get('backend', 'local') == 'local'
        and '://' not in f'{dataset.get("data_root")} {dataset.get("ann_file")}'
    )


def _type(dataset: ConfigDict) -> type | None:
    name = dataset.get('type', '')
    return name if isinstance(name, type) else DATASETS.get(name)


def _classes(dataset: ConfigDict) -> tuple[str, ...] | str:
    classes = (dataset.get('metainfo') or {}).get('classes') or _type(dataset).METAINFO['classes']
    if not isinstance(classes, str):
        return tuple(classes)
    if not os.path.isfile(classes):
        return classes
    return tuple(Path(classes).read_text(encoding='utf-8').splitlines())  # one name a line


def _images(dataset: ConfigDict) -> str | None:
    """Folder of the images; None if they are not on the local disk."""
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return None if '://' in prefix else os.path.join(dataset.get('data_root') or '', prefix)


def _problems_of_notation(dataset: ConfigDict, classes: tuple[str, ...] | str) -> list[str]:
    problems = []
    if isinstance(classes, str):
        problems.append(
            f'metainfo.classes is the text {classes!r}, and there is no such file of names. A '
            f'single class is written with a comma: metainfo=dict(classes=({classes!r},))'
        )
    if 'img' not in (dataset.get('data_prefix') or {}):
        problems.append(
            'data_prefix does not say in which folder of data_root the images are: set '
            "data_prefix=dict(img='FOLDER/'), with '' for data_root itself"
        )
    return problems


def _problems_of_heads(model: ConfigDict, classes: tuple[str, ...]) -> list[str]:
    return [
        f'{path}.num_classes is {num_classes}, but the dataset has {len(classes)} classes '
        f'({_few(classes)}): set it to {len(classes)}'
        for path, num_classes in _heads(model, 'model')
        if num_classes != len(classes)
    ]


def _heads(node, path: str) -> Iterator[tuple[str, int]]:
    """Path and number of classes of every ``bbox_head``, which may be a list of them."""
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from _heads(child, f'{path}[{i}]')
    elif isinstance(node, dict):
        if path.split('.')[-1].startswith('bbox_head') and 'num_classes' in node:
            yield path, node['num_classes']
        for key, child in node.items():
            yield from _heads(child, f'{path}.{key}')


def _is_list_of_dicts(entries) -> bool:
    return isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)


def _is_box(box) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(x, (int, float)) and isfinite(x) for x in box)
    )


def _lower(names: list[str]) -> dict[str, str]:
    return {str(name).lower(): name for name in names}


def _few_annotations(annotations: list[dict]) -> str:
    return _few(f'id {a.get("id")} of image {a.get("image_id")}' for a in annotations)


def _few(entries, shown: int = SHOWN) -> str:
    entries = [str(entry) for entry in entries]
    rest = f' and {len(entries) - shown} more' if len(entries) > shown else ''
    return ', '.join(entries[:shown]) + rest


def _warn(path: str, text: str) -> None:
    print_log(f'{path}: {text}', logger='current', level=logging.WARNING)
