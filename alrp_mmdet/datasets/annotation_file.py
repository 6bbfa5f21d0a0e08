"""Problems of a COCO-format annotation file for a dataset with certain classes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from alrp.coco import (
    ID,
    NUMBER,
    TEXT,
    CocoFormatError,
    Entries,
    Fields,
    Repair,
    as_id,
    label_annotation,
    read_annotations,
)
from alrp.coco.box_layout import box_layout_problem
from alrp.coco.columns import malformed_boxes
from alrp.text import counted, format_list, unicode_encoding

from .categories import category_problems, root_category, unused_categories
from .images import image_problems

INTEGER = (int,)
FLAG = (int, bool)
SCHEMA = dict(  # keys may be absent here: what is missing is reported with the other problems
    images=Fields(optional=dict(id=ID, file_name=TEXT, width=NUMBER, height=NUMBER)),
    annotations=Fields(
        optional=dict(
            id=ID, image_id=ID, category_id=INTEGER, area=NUMBER, iscrowd=FLAG, ignore=FLAG
        )
    ),
    categories=Fields(optional=dict(id=INTEGER, name=TEXT)),
)
ANY_IDS = dict(  # for a converter, which numbers categories itself
    images=SCHEMA['images'],
    annotations=Fields(optional={**SCHEMA['annotations'].optional, 'category_id': ID}),
    categories=Fields(optional=dict(id=ID, name=TEXT)),
)
FILLED_IN = dict(images=('width', 'height'), annotations=('id', 'area', 'iscrowd'))
REFERENCES = dict(image_id='images', category_id='categories')
DROP_HINT = ', or add this ann_file to the config to drop such boxes: drop_degenerate_boxes = [...]'


class AnnotationFile:
    """A COCO-format annotation file as read by a dataset with these classes.

    Args:
        path (str): Path of the file.
        split (str): ``train``, ``val`` or ``test``, which need different keys.
        classes (tuple[str, ...]): The dataset's classes.
        content (dict, optional): The parsed content, if the file has been read. Defaults to None.

    Attributes:
        warnings (list[str]): A sentence for each thing that training leaves out.
        repairs (list[Repair]): What ``read`` repaired.
        box_problems (list[str]): Those problems that would not be there without some boxes.
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
        self.repairs: list[Repair] = []
        self.box_problems: list[str] = []

    def problems(self, images: str | None, drop: bool) -> list[str]:
        """Everything that makes training or evaluation impossible or different from what was meant.

        Args:
            images (str | None): Folder that must hold the images; None skips this check.
            drop (bool): Whether boxes without area or outside of their image are dropped with a
                warning instead of being a problem.

        Returns:
            list[str]: A sentence for each problem.
        """
        problems = (
            self.read()
            or self._encoding_problems()
            or self.problems_of_content(images, drop, DROP_HINT)
        )
        return problems + self._repair_advice() if problems else []

    def read(self, repair: bool = False) -> list[str]:
        """Read the file into ``content``.

        Args:
            repair (bool): Whether to repair values, and to accept text as ids of categories, for a
                caller that writes a file of its own. Defaults to False.

        Returns:
            list[str]: A sentence for each reason why the file cannot be read.
        """
        options = dict(schema=ANY_IDS, repairs=self.repairs) if repair else dict(schema=SCHEMA)
        may_lack = ['annotations'] if self.split == 'test' else []
        try:
            self.content = read_annotations(self.path, may_lack=may_lack, **options)
        except FileNotFoundError:
            return ['no such file: check data_root and ann_file']
        except IsADirectoryError:
            return ['this is a folder: set ann_file to the annotation file in it']
        except CocoFormatError as error:
            return list(error.problems)
        except OSError as error:
            return [f'cannot be read: {error.strerror}']
        return []

    def _encoding_problems(self) -> list[str]:
        """UTF-16 and the like: ``json`` reads them, but pycocotools does not."""
        with open(self.path, 'rb') as file:
            encoding = unicode_encoding(file.read(4))
        if encoding == 'utf-8':
            return []
        return [f'the encoding is {encoding.upper()}: save the file as UTF-8 without a mark']

    def _repair_advice(self) -> list[str]:
        """What would be repaired by a tool that writes a new file; MMDetection reads this one."""
        file = AnnotationFile(self.path, self.split)
        if file.read(repair=True):
            return []
        repaired = {repair.key for repair in file.repairs}
        absent = [
            f'no {key!r} in {name}'
            for name, keys in FILLED_IN.items()
            for key in keys
            if key not in repaired and any(key not in e for e in file.content.get(name) or [])
        ]
        if not absent and not file.repairs:
            return []
        return [
            'alrp new-project writes a copy with this repaired: '
            f'{format_list([*file.repairs, *absent], 20)}'
        ]

    def problems_of_content(self, images: str | None, drop: bool, hint: str = '') -> list[str]:
        """``problems`` without reading the file.

        Args:
            images (str | None): See ``problems``.
            drop (bool): See ``problems``.
            hint (str): Added to messages about bad boxes: another way to deal with them.

        Returns:
            list[str]: A sentence for each problem.
        """
        empty = [key for key in ('images', 'categories') if not self.content[key]]
        if empty:  # else each class, image_id and category_id would be another problem
            return [f'the file has no {" and no ".join(empty)}: is this the right file?']
        names = [category.get('name') for category in self.content['categories']]
        of_categories = category_problems(names, self.classes)
        root = root_category(self.content['categories'], self.content.get('annotations') or [])
        if root is not None and root.get('name') in self.classes:
            self.warnings.append(
                f'category {root["name"]!r} has no objects and is the supercategory of all others: '
                'if it only groups them, as in exports of Roboflow, remove it from the classes and '
                'the file'
            )
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
            words = 'annotation is a crowd or difficult', 'annotations are crowds or difficult'
            why = f' ({counted(crowds, *words)})' if crowds else ''
            problems.append(f'nothing to train on: no image has an object of the classes{why}')
        return problems

    def warn_of_id_zero(self) -> None:
        """Warn of an object that pycocotools cannot match."""
        zero = [a for a in self.content.get('annotations') or [] if as_id(a.get('id')) == 0]
        if any(not a.get('iscrowd') for a in zero):
            self.warnings.append(
                f'annotation id 0 ({label_annotation(zero[0])}): pycocotools treats a match with '
                'it as no match, and CocoMetric counts its detection as a false positive. '
                'CocoLRPMetric evaluates it correctly. Number the annotations from 1'
            )

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
        annotations = self._lists['annotations']
        problems = annotations.malformed_boxes()
        self.box_problems = [*annotations.missing_keys(['bbox']), *problems]
        boxes = [a for a in self.content.get('annotations') or [] if 'bbox' in a]
        malformed = {*malformed_boxes([a['bbox'] for a in boxes])}
        boxes = [a for i, a in enumerate(boxes) if i not in malformed]
        sizes = [self._sizes.get(a.get('image_id')) for a in boxes]
        layout = box_layout_problem([a['bbox'] for a in boxes], sizes) if boxes else None
        if layout is not None:
            return [*problems, layout]  # else nearly every box would have another problem
        flat = [a for a in boxes if min(a['bbox'][2:]) <= 0]
        solid = [a for a in boxes if min(a['bbox'][2:]) > 0]
        zero = [a for a in solid if a.get('area', 1) <= 0]
        outside = [a for a in solid if is_outside(a['bbox'], self._sizes.get(a.get('image_id')))]
        of_box, layout = 'The width * height of the box will do. ', '[x, y, width, height]'
        for wrong, one, many, advice in (
            (flat, 'box has no area', 'boxes have no area', f'Boxes are {layout}. '),
            (zero, "annotation has an 'area' of 0", "annotations have an 'area' of 0", of_box),
            (outside, 'box lies outside of its image', 'boxes lie outside of their image', ''),
        ):
            if not wrong:
                continue
            labels = format_list(map(label_annotation, wrong))
            text = f'{counted(len(wrong), one, many)}: {labels}'
            if drop:
                self.warnings.append(f'dropped: {text}')
            else:
                problems.append(f'{text}. {advice}Correct this{hint}')
                if wrong is not zero:
                    self.box_problems.append(problems[-1])
        narrow = [a for a in solid if min(a['bbox'][2:]) < 1]
        if narrow:
            boxes = counted(len(narrow), 'box', 'boxes')
            self.warnings.append(f'dropped: {boxes} narrower than a pixel')
        return problems

    @cached_property
    def _sizes(self) -> dict[Any, tuple[float, float]]:
        return {
            image['id']: (image['width'], image['height'])
            for image in self.content['images']
            if {'id', 'width', 'height'} <= image.keys()
        }

    def _has_objects(self) -> bool:
        wanted = {c['id'] for c in self.content['categories'] if c.get('name') in self.classes}
        return any(
            a['category_id'] in wanted
            and min(a['bbox'][2:]) >= 1
            and a['area'] > 0
            and not a.get('iscrowd')
            and not a.get('ignore')
            for a in self.content['annotations']
        )


def is_outside(bbox: Sequence[float], size: tuple[float, float] | None) -> bool:
    """Whether a whole box is outside its image, so that MMDetection drops it."""
    (x, y, w, h), (width, height) = bbox, size or (float('inf'),) * 2
    return x >= width or y >= height or x + w <= 0 or y + h <= 0
