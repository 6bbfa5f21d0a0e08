"""Annotated images, as all formats are read into."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What OpenCV reads, which is what MMDetection reads images with.
SUFFIXES = {
    *('.avif', '.bmp', '.dib', '.gif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm', '.png'),
    *('.pnm', '.ppm', '.tif', '.tiff', '.webp'),
}


@dataclass
class Split:
    """Images to train on, or to validate on, in COCO format.

    An annotation may have ``read_from``, the file and line that messages name. Until
    ``pixels.to_pixels`` it may have ``corners``, as Pascal VOC counts them, or ``fractions`` of its
    image, as YOLO does, in place of ``bbox``.

    Attributes:
        source (str): The folder or file that was read, for messages.
        content (dict): Images, annotations and categories.
        images (Path): The folder that the file names of the images start from.
        file (Path | None): A COCO-format file that says just this; None if there is none.
    """

    source: str
    content: dict
    images: Path
    file: Path | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(category['name'] for category in self.content['categories'])

    def path_of(self, image: dict) -> Path:
        return self.images / image['file_name']

    def by_image(self) -> dict[int, list[dict]]:
        """The annotations of each image, by its id, an empty list where it has none."""
        found = {image['id']: [] for image in self.content['images']}
        for annotation in self.content['annotations']:
            found[annotation['image_id']].append(annotation)
        return found

    def to_json(self) -> bytes:
        """A COCO-format file."""
        hidden = {'read_from'}
        annotations = [
            {key: value for key, value in annotation.items() if key not in hidden}
            for annotation in self.content['annotations']
        ]
        return json.dumps({**self.content, 'annotations': annotations}).encode()


def make_split(
    source: str, images: Sequence[tuple[Path, dict, list[dict]]], classes: Sequence[str]
) -> Split:
    """Number what was read from another format.

    Args:
        source (str): The folder or file that was read.
        images (Sequence[tuple]): Path of each image, what is known of it (``width``, ``height``)
            and its annotations, which have a ``label``, the place of their class.
        classes (Sequence[str]): Names of the classes.

    Returns:
        Split: With category ids from 1 in the order of the classes.
    """
    paths = [Path(os.path.abspath(path)) for path, _, _ in images]
    folder = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    content = dict(images=[], annotations=[], categories=[])
    for number, (path, (_, known, objects)) in enumerate(zip(paths, images), 1):
        name = path.relative_to(folder).as_posix()
        content['images'].append(dict(id=number, file_name=name, **known))
        for entry in objects:
            entry = dict(entry)
            ids = dict(image_id=number, category_id=entry.pop('label') + 1)
            count = len(content['annotations'])
            content['annotations'].append(dict(id=count + 1, **ids, iscrowd=0) | entry)
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return Split(source, content, folder)


def images_in(folder: Path) -> list[Path]:
    """All images in a folder and the folders in it, sorted."""
    return sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES and p.is_file())


def first_folder(candidates: Iterable[Path]) -> Path | None:
    return next((folder for folder in candidates if folder.is_dir()), None)
