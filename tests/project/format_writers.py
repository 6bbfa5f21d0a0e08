"""Writes a small set of annotated images in COCO, Pascal VOC and YOLO format."""

import json
from pathlib import Path

import cv2
import numpy as np
import yaml

CLASSES = 'bolt', 'nut', 'washer'
SIZES = (64, 48), (80, 60), (50, 90), (64, 64), (96, 40), (64, 48)


def make_coco(folder: Path, integer: bool = True, seed: int = 0) -> dict:
    """Write noise images to ``folder/images`` and return their COCO annotations."""
    rng = np.random.default_rng(seed)
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    content = dict(images=[], annotations=[], categories=[])
    for i, (width, height) in enumerate(SIZES, 1):
        name = f'{seed}_{i}.png'
        picture = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / 'images' / name), picture)
        content['images'].append(dict(id=i, file_name=name, width=width, height=height))
        for label in range(i % 4):
            x, y = rng.uniform(0, 20, 2)
            w, h = rng.uniform(8, 20, 2)
            box = [float(round(v)) if integer else float(v) for v in (x, y, w, h)]
            entry = dict(id=len(content['annotations']) + 1, image_id=i, category_id=label + 1)
            content['annotations'].append(
                dict(**entry, bbox=box, area=box[2] * box[3], iscrowd=int(label == 2 and i == 3))
            )
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
    return content


def write_coco(folder: Path, content: dict, name: str = 'train') -> Path:
    path = folder / 'annotations' / f'{name}.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def add_triangles(path: Path) -> None:
    """Give each object of a COCO file a triangle as its mask."""
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['segmentation'] = [[x, y, x + w, y, x, y + h]]
    path.write_text(json.dumps(content))


def _objects(content: dict, image: dict) -> list[tuple[dict, str]]:
    names = {c['id']: c['name'] for c in content['categories']}
    of_image = [a for a in content['annotations'] if a['image_id'] == image['id']]
    return [(a, names[a['category_id']]) for a in of_image]


def write_voc(folder: Path, content: dict, base: int = 1, images: str | None = None) -> Path:
    """Write ``folder/Annotations``; corners count from ``base``, inclusive if that is 1."""
    (folder / 'Annotations').mkdir(exist_ok=True)
    for image in content['images']:
        lines = ['<annotation>', f'<filename>{image["file_name"]}</filename>']
        size = ''.join(f'<{key}>{image[key]}</{key}>' for key in ('width', 'height'))
        lines.append(f'<size>{size}<depth>3</depth></size>')
        for annotation, name in _objects(content, image):
            x, y, w, h = annotation['bbox']
            corners = dict(xmin=x + base, ymin=y + base, xmax=x + w, ymax=y + h)
            box = ''.join(f'<{key}>{value:.17g}</{key}>' for key, value in corners.items())
            lines.append(
                f'<object><name>{name}</name><difficult>{annotation["iscrowd"]}</difficult>'
                f'<bndbox>{box}</bndbox>'
                '<part><name>hole</name><bndbox><xmin>1</xmin></bndbox></part></object>'
            )
        lines.append('</annotation>')
        stem = Path(image['file_name']).stem
        (folder / 'Annotations' / f'{stem}.xml').write_text('\n'.join(lines))
    return folder


def write_yolo(folder: Path, content: dict, **yaml_keys) -> Path:
    """Write ``folder/labels``, and ``data.yaml`` with the given keys besides the classes."""
    (folder / 'labels').mkdir(exist_ok=True)
    for image in content['images']:
        lines = []
        for annotation, name in _objects(content, image):
            x, y, w, h = annotation['bbox']
            width, height = image['width'], image['height']
            numbers = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
            label = [c['name'] for c in content['categories']].index(name)
            lines.append(' '.join([str(label), *(f'{n:.17g}' for n in numbers)]))
        if lines:
            stem = Path(image['file_name']).stem
            (folder / 'labels' / f'{stem}.txt').write_text('\n'.join(lines) + '\n')
    path = folder / 'data.yaml'
    names = [c['name'] for c in content['categories']]
    path.write_text(yaml.safe_dump(dict(train='images', names=names) | yaml_keys))
    return path


def by_file(content: dict, crowds: bool = True) -> dict[str, list[tuple]]:
    """For comparison: image size and objects (class, box, crowd) in order, by image file."""
    found = {}
    for image in content['images']:
        objects = [
            (name, *annotation['bbox'], annotation['iscrowd'] if crowds else 0)
            for annotation, name in _objects(content, image)
        ]
        name = Path(image['file_name']).name
        found[name] = [(image['width'], image['height'])], objects
    return found
