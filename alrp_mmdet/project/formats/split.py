"""The common form of annotated images that every format is read into."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


@dataclass
class Split:
    """Training or validation images in COCO format.

    An annotation may have ``read_from``, the file and line that messages name. Before
    ``convert_boxes_to_pixels``, it may have ``corners`` (Pascal VOC) or ``fractions`` (YOLO)
    instead of ``bbox``, and ``polygon``, fractions too, instead of ``segmentation``.

    Attributes:
        source (str): The folder or file that was read, for messages.
        content (dict): COCO's images, annotations and categories.
        image_folder (Path): Folder that the file names of the images are relative to.
        ann_file (Path | None): COCO-format file with exactly this content; None if there is none.
        doubtful (set): Ids of images whose boxes should be checked by eye.
    """

    source: str
    content: dict
    image_folder: Path
    ann_file: Path | None = None
    doubtful: set = field(default_factory=set)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(category['name'] for category in self.content['categories'])

    def image_path(self, image: dict) -> Path:
        return self.image_folder / image['file_name']

    @staticmethod
    def place_of(annotation: dict, image: dict) -> str:
        """What messages call an annotation: its file and line, or its id and image."""
        return annotation.get('read_from') or f'id {annotation["id"]} of {image["file_name"]}'

    def annotations_by_image(self) -> dict[int, list[dict]]:
        """The annotations of each image by image id; an empty list for images without any."""
        found = {image['id']: [] for image in self.content['images']}
        for annotation in self.content['annotations']:
            found[annotation['image_id']].append(annotation)
        return found

    def to_json(self) -> bytes:
        """The content of a COCO-format file, without annotation id 0, a defect of pycocotools."""
        annotations = [
            {key: value for key, value in annotation.items() if key != 'read_from'}
            for annotation in self.content['annotations']
        ]
        if any(annotation['id'] == 0 for annotation in annotations):
            for i, annotation in enumerate(annotations, 1):
                annotation['id'] = i
        return json.dumps({**self.content, 'annotations': annotations}).encode()


class ParsedImage(NamedTuple):
    """An image and its objects as read from Pascal VOC or YOLO files.

    Attributes:
        path (Path): The image file.
        size (dict): ``width`` and ``height`` in pixels; empty if the annotations lack them.
        objects (list[dict]): Annotations with ``label``, the index of their class.
    """

    path: Path
    size: dict
    objects: list[dict]


def build_split(source: str, images: Sequence[ParsedImage], classes: Sequence[str]) -> Split:
    """Convert parsed images to COCO format.

    Args:
        source (str): The folder or file that was read.
        images (Sequence[ParsedImage]): The images.
        classes (Sequence[str]): Names of the classes.

    Returns:
        Split: Ids count from 1; categories are in the order of ``classes``.
    """
    paths = [Path(os.path.abspath(image.path)) for image in images]
    folder = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    content = dict(images=[], annotations=[], categories=[])
    for image_id, (path, image) in enumerate(zip(paths, images), 1):
        name = path.relative_to(folder).as_posix()
        content['images'].append(dict(id=image_id, file_name=name, **image.size))
        for entry in image.objects:
            entry = dict(entry)
            ids = dict(image_id=image_id, category_id=entry.pop('label') + 1)
            count = len(content['annotations'])
            content['annotations'].append(dict(id=count + 1, **ids, iscrowd=0) | entry)
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return Split(source, content, folder)
