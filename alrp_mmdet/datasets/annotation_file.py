"""Problems of a COCO-format annotation file for a dataset with certain classes."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from alrp.coco import (
    ID,
    NUMBER,
    TEXT,
    CocoFormatError,
    Entries,
    Fields,
    label_annotation,
    read_annotations,
)
from alrp.coco.columns import malformed_boxes
from alrp.text import format_list, unicode_encoding

from .categories import category_problems, unused_categories
from .images import image_problems

INTEGER = (int,)
FLAG = (int, bool)
SCHEMA = dict(  # keys may be absent here: what is missing is reported with the other problems
    images=Fields(optional=dict(id=ID, file_name=TEXT, width=NUMBER, height=NUMBER)),
    annotations=Fields(
        optional=dict(id=ID, image_id=ID, category_id=INTEGER, area=NUMBER, iscrowd=FLAG)
    ),
    categories=Fields(optional=dict(id=INTEGER, name=TEXT)),
)
REFERENCES = dict(image_id='images', category_id='categories')
DROP_HINT = ', or add this ann_file to the config to drop them: drop_degenerate_boxes = [...]'


class AnnotationFile:
    """A COCO-format annotation file as read by a dataset with these classes.

    Args:
        path (str): Path of the file.
        split (str): ``train``, ``val`` or ``test``, which need different keys.
        classes (tuple[str, ...]): The dataset's classes.
        content (dict, optional): The parsed content, if the file has been read. Defaults to None.

    Attributes:
        warnings (list[str]): A sentence for each thing that training leaves out.
    """

    def __init__(
        self,
        path: str,
        split: str,
        classes: tuple[str, ...] = (),
        content: dict[str, Any] | None = None,
    ):
        self.path = path
        self.split = split
        self.classes = classes
        self.content = content or {}
        self.warnings: list[str] = []

    def problems(self, images: str | None, drop: bool) -> list[str]:
        """Everything that makes training or evaluation impossible or different from what was meant.

        Args:
            images (str | None): Folder that must hold the images; None skips this check.
            drop (bool): Whether boxes without area or outside of their image are dropped with a
                warning instead of being a problem.

        Returns:
            list[str]: A sentence for each problem.
        """
        return (
            self.read()
            or self._encoding_problems()
            or self.problems_of_content(images, drop, DROP_HINT)
        )

    def read(self) -> list[str]:
        """Read the file into ``content``; return a sentence for each reason why that fails."""
        may_lack = ['annotations'] if self.split == 'test' else []
        try:
            self.content = read_annotations(self.path, SCHEMA, may_lack=may_lack)
        except FileNotFoundError:
            return ['no such file: check data_root and ann_file']
        except IsADirectoryError:
            return ['this is a folder: set ann_file to the annotation file in it']
        except CocoFormatError as error:
            return list(error.problems)
        return []

    def _encoding_problems(self) -> list[str]:
        """UTF-16 and the like: ``json`` reads them, but pycocotools does not."""
        with open(self.path, 'rb') as file:
            encoding = unicode_encoding(file.read(4))
        if encoding == 'utf-8':
            return []
        return [f'the encoding is {encoding.upper()}: save the file as UTF-8 without a mark']

    def problems_of_content(self, images: str | None, drop: bool, hint: str = '') -> list[str]:
        """``problems`` without reading the file.

        Args:
            images (str | None): See ``problems``.
            drop (bool): See ``problems``.
            hint (str): Added to messages about bad boxes: another way to deal with them.

        Returns:
            list[str]: A sentence for each problem.
        """
        names = [category.get('name') for category in self.content['categories']]
        of_categories = category_problems(names, self.classes)
        problems = [
            *of_categories,
            *self._entry_problems(),
            *self._box_problems(drop, hint),
            *image_problems(self.content['images'], images),
        ]
        unused = unused_categories(names, self.classes)
        if unused and not of_categories:
            self.warnings.append(f'ignored categories that are not classes: {format_list(unused)}')
        if not problems and self.split == 'train' and not self._has_objects():
            crowds = sum(bool(a.get('iscrowd')) for a in self.content['annotations'])
            why = f' ({crowds} annotations are crowds)' if crowds else ''
            problems.append(f'nothing to train on: no image has an object of the classes{why}')
        return problems

    @cached_property
    def _lists(self) -> Mapping[str, Entries]:
        return {key: Entries(self.content.get(key) or [], key) for key in SCHEMA}

    def _entry_problems(self) -> list[str]:
        annotations = self._lists['annotations']
        needed = ['image_id', 'category_id', 'bbox', 'area']
        if self.split != 'train':
            needed.append('iscrowd')  # used by the evaluation
        problems = []
        for entries in self._lists.values():
            problems += entries.missing_keys(['id'])
            problems += entries.shared_ids()
        problems += annotations.missing_keys(needed)
        for key, of in REFERENCES.items():
            known = dict.fromkeys(self._lists[of].values('id')).keys()
            problems += annotations.unknown_references(key, known, of)
        return problems

    def _box_problems(self, drop: bool, hint: str) -> list[str]:
        problems = self._lists['annotations'].malformed_boxes()
        boxes = [a for a in self.content.get('annotations') or [] if 'bbox' in a]
        malformed = {*malformed_boxes([a['bbox'] for a in boxes])}
        boxes = [a for i, a in enumerate(boxes) if i not in malformed]
        flat = [a for a in boxes if min(a['bbox'][2:]) <= 0]
        solid = [a for a in boxes if min(a['bbox'][2:]) > 0]
        zero = [a for a in solid if a.get('area', 1) <= 0]
        outside = [a for a in solid if self._is_outside(a)]
        for annotations, what, advice in (
            (flat, 'boxes have no area', 'Boxes are [x, y, width, height]. '),
            (zero, "annotations have an 'area' of 0", 'The width * height of the box will do. '),
            (outside, 'boxes lie outside of their image', ''),
        ):
            if not annotations:
                continue
            labels = format_list(map(label_annotation, annotations))
            text = f'{len(annotations)} {what}: {labels}'
            if drop:
                self.warnings.append(f'dropped: {text}')
            else:
                problems.append(f'{text}. {advice}Correct them{hint}')
        narrow = [a for a in solid if min(a['bbox'][2:]) < 1]
        if narrow:
            self.warnings.append(f'dropped: {len(narrow)} boxes narrower than a pixel')
        return problems

    @cached_property
    def _sizes(self) -> dict[Any, tuple[float, float]]:
        return {
            image['id']: (image['width'], image['height'])
            for image in self.content['images']
            if {'id', 'width', 'height'} <= image.keys()
        }

    def _is_outside(self, annotation: dict[str, Any]) -> bool:
        """Whether the whole box is outside its image, so that MMDetection drops it."""
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
