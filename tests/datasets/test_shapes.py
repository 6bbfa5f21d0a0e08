import hashlib
import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from pycocotools.coco import COCO

from alrp_mmdet.datasets import ShapesDataset
from alrp_mmdet.datasets.scene import CLASSES, HEIGHT, WIDTH, draw_scene, shape_polygon
from alrp_mmdet.datasets.shapes import generate_shapes

SMALL, LARGE = 32**2, 96**2  # square pixels, as COCO divides sizes


def scene(index: int, seed: int = 0):
    return draw_scene(np.random.default_rng([seed, 1, index]))


def build(data_root: Path, **kwargs) -> ShapesDataset:
    return DATASETS.build(
        {
            'type': 'mmdet.ShapesDataset',
            'data_root': str(data_root),
            'split': 'val',
            'num_images': 4,
            'pipeline': [],
            **kwargs,
        }
    )


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_picture_follows_from_its_seed_alone():
    picture, objects = scene(3)
    again, objects_again = scene(3)
    assert np.array_equal(picture, again)
    assert len(objects) == len(objects_again) > 0
    assert all(a.label == b.label for a, b in zip(objects, objects_again))
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(objects, objects_again))
    assert not np.array_equal(picture, scene(4)[0])
    assert not np.array_equal(picture, scene(3, seed=1)[0])


def test_the_same_arguments_give_the_same_files(tmp_path):
    for name in ('one', 'other'):
        generate_shapes(tmp_path / name, 'val', 3, 0)
    assert digests(tmp_path / 'one' / 'val') == digests(tmp_path / 'other' / 'val')
    assert len(digests(tmp_path / 'one' / 'val')) == 4


def test_files_hold_what_was_drawn_and_splits_share_no_picture(tmp_path):
    for split in ('train', 'val', 'test'):
        generate_shapes(tmp_path, split, 3, 0)
    stored = cv2.imread(str(tmp_path / 'val' / '000002.png'))
    assert np.array_equal(stored, scene(2)[0])
    pictures = [
        digest
        for split in ('train', 'val', 'test')
        for name, digest in digests(tmp_path / split).items()
        if name.endswith('.png')
    ]
    assert len(set(pictures)) == len(pictures) == 9


def test_masks_are_the_visible_pixels_and_boxes_are_tight_around_them(tmp_path):
    generate_shapes(tmp_path, 'val', 12, 0)
    coco = COCO(str(tmp_path / 'val' / 'annotations.json'))
    for index, image_id in enumerate(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        objects = scene(index)[1]
        assert len(annotations) == len(objects)
        taken = np.zeros((HEIGHT, WIDTH), int)
        for annotation, (label, mask) in zip(annotations, objects):
            rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
            x, y, w, h = annotation['bbox']
            assert (x, y) == (columns[0], rows[0])
            assert (x + w - 1, y + h - 1) == (columns[-1], rows[-1])
            assert annotation['category_id'] == label + 1
            assert np.array_equal(coco.annToMask(annotation), mask)
            assert annotation['area'] == mask.sum()
            taken += mask
        assert taken.max() <= 1  # a pixel shows one object


def test_objects_hide_each_other():
    # Without occlusion, every circle clear of the border would fill its box like an ellipse.
    filled = []
    for index in range(60):
        for label, mask in scene(index)[1]:
            x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
            inside = x > 0 and y > 0 and x + w < WIDTH and y + h < HEIGHT
            if CLASSES[label] == 'circle' and inside:
                filled.append(mask.sum() / (np.pi / 4 * w * h))
    assert min(filled) < 0.8
    assert np.median(filled) > 0.9


def test_visible_is_what_the_picture_shows(monkeypatch):
    colours = []

    def paint_grey(image, mask, rng):
        colours.append(30 * (len(colours) + 1))
        image[mask] = colours[-1]

    monkeypatch.setattr('alrp_mmdet.datasets.scene._paint', paint_grey)
    for index in range(40):
        colours.clear()
        picture, objects = scene(index)
        for _, mask in objects:
            distances = np.abs(picture[mask].astype(float) - np.median(picture[mask]))
            assert distances.mean() < 13  # noise; another shape is 30 or more away


def test_every_class_and_size_is_there():
    boxes = [
        (label, cv2.boundingRect(mask.astype(np.uint8))[2:])
        for index in range(80)
        for label, mask in scene(index)[1]
    ]
    of_class = np.bincount([label for label, _ in boxes], minlength=len(CLASSES))
    assert of_class.min() > 0.5 * of_class.mean()
    areas = np.array([w * h for _, (w, h) in boxes])
    assert (areas < SMALL).mean() > 0.1
    assert ((areas >= SMALL) & (areas < LARGE)).mean() > 0.1
    assert (areas >= LARGE).sum() >= 3


def test_colour_does_not_tell_the_class():
    colours = [[] for _ in CLASSES]
    for index in range(80):
        picture, objects = scene(index)
        for label, mask in objects:
            colours[label].append(picture[mask].mean(axis=0))
    means = np.array([np.mean(colour, axis=0) for colour in colours])
    spread = np.std(np.concatenate(colours), axis=0)
    assert (np.ptp(means, axis=0) < spread).all()


@pytest.mark.parametrize('name', CLASSES)
def test_polygons_have_radius_one(name):
    radii = np.linalg.norm(shape_polygon(name), axis=1)
    assert radii.max() == pytest.approx(1, abs=0.02)


def test_mmdetection_and_pycocotools_read_it(tmp_path):
    dataset = build(tmp_path, num_images=6)
    coco = COCO(dataset.ann_file)
    assert Path(dataset.ann_file) == tmp_path / 'val' / 'annotations.json'
    assert len(dataset) == len(coco.getImgIds()) == 6
    assert dataset.metainfo['classes'] == CLASSES
    assert len(dataset.metainfo['palette']) == len(CLASSES)
    assert sum(len(info['instances']) for info in dataset) == len(coco.getAnnIds())
    for info in dataset:
        assert cv2.imread(info['img_path']).shape == (info['height'], info['width'], 3)


def test_what_is_there_is_not_made_again(tmp_path):
    build(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    build(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')} == before


def test_several_processes_may_make_it_at_once(tmp_path):
    context = multiprocessing.get_context('fork')
    start = context.Barrier(3)

    def work():
        start.wait(timeout=30)
        generate_shapes(tmp_path / 'shared', 'val', 6, 0)

    processes = [context.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [path.name for path in (tmp_path / 'shared').iterdir()] == ['val']
    generate_shapes(tmp_path / 'alone', 'val', 6, 0)
    assert digests(tmp_path / 'shared' / 'val') == digests(tmp_path / 'alone' / 'val')


def test_an_interrupted_generation_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    written = []

    def write_two(path, picture):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr('alrp_mmdet.datasets.shapes.cv2.imwrite', write_two)
        with pytest.raises(KeyboardInterrupt):
            generate_shapes(tmp_path, 'val', 4, 0)
    assert len(written) == 2
    assert not (tmp_path / 'val').exists()
    assert len(build(tmp_path)) == 4


def test_what_a_killed_process_left_does_not_disturb(tmp_path):
    left = tmp_path / '.generating-killed' / 'val'
    left.mkdir(parents=True)
    (left / '000000.png').write_bytes(b'half a picture')
    assert len(build(tmp_path)) == 4


@pytest.mark.parametrize('other', [dict(num_images=5), dict(seed=1)])
def test_another_recipe_in_the_folder_is_refused(tmp_path, other):
    build(tmp_path)
    before = digests(tmp_path / 'val')
    [(name, value)] = other.items()
    with pytest.raises(ValueError, match=rf"val holds .*split .*'{name}': {value}.*data_root"):
        build(tmp_path, **other)
    assert digests(tmp_path / 'val') == before


def test_pictures_of_another_version_are_refused(tmp_path, monkeypatch):
    build(tmp_path)
    monkeypatch.setattr('alrp_mmdet.datasets.shapes.VERSION', -1)
    with pytest.raises(ValueError, match=r"'version': 6.*'version': -1.*data_root"):
        build(tmp_path)


@pytest.mark.parametrize('name', ['notes.txt', 'annotations.json'])
@pytest.mark.parametrize('text', ['{"info": {"description": "mine"}}', '["mine"]', '{"mine": '])
def test_a_folder_of_somebody_else_is_kept(tmp_path, name, text):
    theirs = tmp_path / 'val' / name
    theirs.parent.mkdir()
    theirs.write_text(text)
    with pytest.raises(ValueError, match=r"val holds .*'split': 'val'.*data_root"):
        build(tmp_path)
    assert [path.name for path in theirs.parent.iterdir()] == [name]
    assert theirs.read_text() == text


def test_a_missing_picture_is_noticed(tmp_path):
    build(tmp_path)
    (tmp_path / 'val' / '000001.png').unlink()
    with pytest.raises(ValueError, match=r'val .*\b3\b.*\b4\b.*pictures'):
        build(tmp_path)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(split='validation'), "split .*train, val, test.* 'validation'"),
        (dict(num_images=0), r'num_images .*integer.*\b1\b.* 0'),
        (dict(num_images=4.0), r'num_images .*integer.*\b1\b.* 4\.0'),
        (dict(seed=-1), r'seed .*integer.*\b0\b.* -1'),
        (dict(seed=None), r'seed .*integer.*\b0\b.* None'),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(tmp_path / 'new', **arguments)
    assert not (tmp_path / 'new').exists()
