import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from pycocotools import mask as mask_utils

from .scene import CLASSES, HEIGHT, WIDTH, draw_scene

VERSION = 6  # of pictures and annotations; changes whenever they do
SPLITS = ('train', 'val', 'test')


@DATASETS.register_module()
class ShapesDataset(CocoDataset):
    """A small synthetic detection dataset that needs no download: shapes among clutter.

    The four classes differ by shape, not by colour. Objects of 28 to 130 pixels in pictures of
    256x192 are rotated, distorted, textured and partly hidden, among strokes and scraps that are
    not objects, under noise. Masks are the visible pixels, and boxes are tight around them. The
    first use generates the images and a COCO annotation file (``SPLIT/annotations.json``) in
    ``data_root``, which ``CocoMetric`` can evaluate. Annotations are the same on all machines;
    pictures may differ in a few pixels along edges between versions of OpenCV.

    Args:
        data_root (str): Folder of the splits, created if needed. Other content is never
            overwritten.
        split (str): ``train``, ``val`` or ``test``, which share no picture.
        num_images (int): Number of pictures, at least 1.
        seed (int): Seed of the pictures, at least 0. Defaults to 0.
        **kwargs: Arguments of ``CocoDataset`` except ``ann_file`` and ``data_prefix``.

    Raises:
        ValueError: If an argument is out of range, or if ``data_root`` holds another split.
    """

    METAINFO = dict(
        classes=CLASSES,
        palette=[
            (230, 60, 60),
            (60, 180, 75),
            (66, 110, 240),
            (200, 110, 20),
        ],
    )
    generates_annotations = True

    def __init__(self, data_root: str, split: str, num_images: int, seed: int = 0, **kwargs):
        if split not in SPLITS:
            raise ValueError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
        for name, value, least in (('num_images', num_images, 1), ('seed', seed, 0)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f'{name} must be an integer of at least {least}, got {value!r}')
        generate_shapes(Path(data_root), split, num_images, seed)
        super().__init__(
            data_root=data_root,
            ann_file=f'{split}/annotations.json',
            data_prefix=dict(img=f'{split}/'),
            **kwargs,
        )


def generate_shapes(data_root: Path, split: str, num_images: int, seed: int) -> None:
    """Write a split of the dataset unless it exists. Several processes may do so at once.

    Raises:
        ValueError: If the folder holds something else.
    """
    recipe = dict(version=VERSION, split=split, num_images=num_images, seed=seed)
    place = data_root / split
    if not place.exists():
        data_root.mkdir(parents=True, exist_ok=True)
        # Atomic: pictures are written to a temporary folder, which is then renamed.
        with tempfile.TemporaryDirectory(dir=data_root, prefix='.generating-') as workspace:
            folder = Path(workspace, split)
            _write_split(folder, recipe)
            try:
                folder.rename(place)
            except OSError:  # another process was first
                if not place.exists():
                    raise
    found = _recipe_of(place / 'annotations.json')
    if found != recipe:
        raise ValueError(
            f'{place} holds {found} instead of the requested split {recipe}: set another '
            'data_root, or delete that folder if you do not need it'
        )
    pictures = sum(1 for _ in place.glob('*.png'))
    if pictures != num_images:
        raise ValueError(
            f'{place} holds {pictures} of {num_images} pictures: delete that folder to generate it '
            'again'
        )


def _recipe_of(annotations: Path) -> object:
    """The recipe stored in an annotation file, or None."""
    try:
        content = json.loads(annotations.read_bytes())
    except (OSError, ValueError):
        return None
    return content.get('info') if isinstance(content, dict) else None


def _write_split(folder: Path, recipe: dict) -> None:
    folder.mkdir()
    images, annotations = [], []
    for i in range(recipe['num_images']):
        rng = np.random.default_rng([recipe['seed'], SPLITS.index(recipe['split']), i])
        picture, objects = draw_scene(rng)
        name = f'{i:06d}.png'
        cv2.imwrite(str(folder / name), picture)
        images.append(dict(id=i + 1, file_name=name, width=WIDTH, height=HEIGHT))
        for label, mask in objects:
            x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i + 1,
                    category_id=label + 1,
                    bbox=[x, y, w, h],
                    area=int(mask.sum()),
                    segmentation=_encode(mask),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    content = dict(info=recipe, images=images, annotations=annotations, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(content))


def _encode(mask: np.ndarray) -> dict:
    """A mask, shape (H, W), as COCO's run-length encoding in JSON."""
    encoded = mask_utils.encode(np.asfortranarray(mask, np.uint8))
    return dict(size=encoded['size'], counts=encoded['counts'].decode())
