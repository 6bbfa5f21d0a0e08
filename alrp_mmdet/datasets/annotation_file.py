"""What can be wrong with a file of COCO-format annotations, and what to do about it."""

import json
import os
from collections import Counter
from difflib import get_close_matches
from functools import cached_property
from math import isfinite
from pathlib import Path

from alrp.text import format_list

from .annotation_kind import wrong_kind

NUMBER = (int, float)
TYPES = dict(
    images=dict(id=(int, str), file_name=str, width=NUMBER, height=NUMBER),
    annotations=dict(id=(int, str), image_id=(int, str), category_id=int, area=NUMBER, iscrowd=int),
    categories=dict(id=int, name=str),
)


class AnnotationFile:
    """A file of COCO-format annotations, as a dataset with these classes will read it.

    Args:
        path (str): Path of the file.
        split (str): ``train``, ``val`` or ``test``, which need different entries.
        classes (tuple[str, ...]): The dataset's classes.
        content (dict, optional): What is in the file, if it is read already. An annotation may say
            under ``read_from`` what messages should call it. Defaults to None.

    Attributes:
        warnings (list[str]): A sentence for each thing that training will do without.
    """

    def __init__(
        self, path: str, split: str, classes: tuple[str, ...] = (), content: dict | None = None
    ):
        self.path = path
        self.split = split
        self.classes = classes
        self.content = content or {}
        self.warnings = []

    def problems(self, images: str | None, drop: bool) -> list[str]:
        """All that keeps the file from being used as it was meant.

        Args:
            images (str | None): Folder in which its images must be; None to take that on trust.
            drop (bool): Whether boxes without area, or outside of their image, are dropped instead
                of being a problem.

        Returns:
            list[str]: A sentence for each problem.
        """
        hint = (
            ', or list this ann_file in the config to do without them: drop_degenerate_boxes = '
            '[...]'
        )
        return self.read() or self.problems_of_content(images, drop, hint)

    def read(self) -> list[str]:
        """Read the file into ``content``; a sentence for each reason why it cannot be used."""
        try:
            self.content = json.loads(Path(self.path).read_text(encoding='utf-8'))
        except FileNotFoundError:
            return ['there is no such file: check data_root and ann_file']
        except IsADirectoryError:
            return ['this is a folder: name the annotation file in ann_file']
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return [f'this is not JSON ({error}): export the annotations again, as COCO JSON']
        kind = wrong_kind(self.content)
        if kind is not None:
            return [kind]
        needed = ['images', 'categories']
        if self.split != 'test':  # a test set may come without
            needed.append('annotations')
        content = self.content if isinstance(self.content, dict) else {}
        missing = [key for key in needed if not _is_list_of_dicts(content.get(key))]
        if missing:
            return [
                f'this is not COCO format, it has no list of entries {format_list(map(repr, missing))}: '
                'export the annotations again, as COCO JSON for object detection'
            ]
        return self._problems_of_types()

    def problems_of_content(self, images: str | None, drop: bool, hint: str = '') -> list[str]:
        """As ``problems``, of what has been read; ``hint`` is what else to do about bad boxes."""
        problems = [
            *self._problems_of_categories(),
            *self._problems_of_entries(),
            *self._problems_of_boxes(drop, hint),
            *self._problems_of_images(images),
        ]
        if not problems and self.split == 'train' and not self._has_objects():
            problems.append('no image has an object of the classes: nothing to train on')
        return problems

    def _problems_of_types(self) -> list[str]:
        problems = []
        for key, types in TYPES.items():
            for name, accepted in types.items():
                named = [entry for entry in self._entries(key) if name in entry]
                wrong = [entry for entry in named if not isinstance(entry[name], accepted)]
                if wrong:
                    problems.append(
                        f"{len(wrong)} of the {key} have as '{name}' "
                        f'{format_list(repr(e[name]) for e in wrong)}, which is no '
                        f'{"text" if accepted is str else "number"}: ids '
                        f'{format_list(e.get("id") for e in wrong)}'
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
                f'{format_list(unknown)}. The file has {format_list(unused, 20)}, which are no classes. '
                + (f'Perhaps {format_list(hints)}; upper and lower case count. ' if hints else '')
                + 'To use its categories, set in the dataset: '
                + f'metainfo=dict(classes=({", ".join(map(repr, names))},))'
            ]
        if len(used) > len(self.classes):
            repeated = [name for name, count in Counter(used).items() if count > 1]
            return [
                f'categories share a name: {format_list(repeated)}. Give each a name of its own'
            ]
        if tuple(used) != self.classes:
            return [
                'the classes stand in another order than the categories of the file, by which '
                f'MMDetection counts them: set in the dataset {to_paste}, and order the '
                'categories of all annotation files alike'
            ]
        if unused:
            self.warnings.append(
                f'categories that are no class are left out: {format_list(unused)}'
            )
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
                    f'{len(repeated)} {key} share their id with others: {format_list(repeated)}'
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

    def _problems_of_boxes(self, drop: bool, hint: str) -> list[str]:
        problems = []
        annotations = [a for a in self._entries('annotations') if 'bbox' in a]
        boxes = [a for a in annotations if _is_box(a['bbox'])]
        malformed = [a for a in annotations if not _is_box(a['bbox'])]
        flat = [a for a in boxes if min(a['bbox'][2:]) <= 0]
        zero = [a for a in boxes if min(a['bbox'][2:]) > 0 and a.get('area', 1) <= 0]
        outside = [a for a in boxes if min(a['bbox'][2:]) > 0 and self._is_outside(a)]
        if malformed:
            problems.append(
                f'{len(malformed)} annotations have a bbox other than four finite numbers '
                f'[x, y, width, height]: {_few_annotations(malformed)}'
            )
        for annotations, what, advice in (
            (flat, 'boxes have no area', 'Boxes are [x, y, width, height]. '),
            (zero, "annotations have an 'area' of 0", 'Width * height of the box will do. '),
            (outside, 'boxes lie outside of their image', ''),
        ):
            if not annotations:
                continue
            text = f'{len(annotations)} {what}: {_few_annotations(annotations)}'
            if drop:
                self.warnings.append(f'{text}: dropped')
            else:
                problems.append(f'{text}. {advice}Correct them{hint}')
        small = [a for a in boxes if 0 < min(a['bbox'][2:]) < 1]
        if small:
            self.warnings.append(f'{len(small)} boxes narrower than a pixel are dropped')
        return problems

    @cached_property
    def _sizes(self) -> dict:
        return {
            image['id']: (image['width'], image['height'])
            for image in self.content['images']
            if {'id', 'width', 'height'} <= set(image)
        }

    def _is_outside(self, annotation: dict) -> bool:
        """Whether no part of a box lies in its image, so that MMDetection leaves it out."""
        x, y, w, h = annotation['bbox']
        width, height = self._sizes.get(annotation.get('image_id'), (float('inf'),) * 2)
        return x >= width or y >= height or x + w <= 0 or y + h <= 0

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
                f'ids {format_list(lacking)}'
            ]
        names = Counter(os.path.normpath(image['file_name']) for image in images)
        repeated = [name for name, count in names.items() if count > 1]
        if repeated:
            return [
                f'{len(repeated)} images are listed more than once, so that each entry lacks the '
                f"others' objects: {format_list(repeated)}. Give all their annotations to one entry"
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
            f'{len(missing)} of {len(images)} images are not in {folder or "."}: {format_list(missing)}. '
            'Check data_root and data_prefix'
        ]


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
    return format_list(
        a.get('read_from') or f'id {a.get("id")} of image {a.get("image_id")}' for a in annotations
    )
