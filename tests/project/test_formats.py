"""Annotations written in three formats are read back; splits and categories are kept."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from format_writers import by_file, make_coco, write_coco, write_voc, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.formats import detect_format

BCCD = Path(__file__).parents[2].parent / 'shared' / 'data' / 'bccd'


def assert_close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, (size, objects) in expected.items():
        assert found[name][0] == size
        assert [o[0] for o in found[name][1]] == [o[0] for o in objects]
        assert [o[5] for o in found[name][1]] == [o[5] for o in objects]
        boxes = np.array([o[1:5] for o in found[name][1]]).reshape(-1, 4)
        wanted = np.array([o[1:5] for o in objects]).reshape(-1, 4)
        assert np.abs(boxes - wanted).max(initial=0) <= tolerance


# -- round trips


def test_voc_in_whole_pixels_is_read_exactly(tmp_path, content):
    write_voc(tmp_path, content)
    assert detect_format(tmp_path) == detect_format(tmp_path / 'Annotations') == 'voc'
    for source in (tmp_path, tmp_path / 'Annotations'):
        assert_close(load_by_file(source), by_file(content), 0)


def test_voc_corners_from_zero_are_recognised(tmp_path, content):
    content['annotations'][0]['bbox'][0] = 0.0
    write_voc(tmp_path, content, base=0)
    assert_close(load_by_file(tmp_path), by_file(content), 1e-9)
    assert re.search('corners .*from 0', load_warnings(tmp_path))


def test_yolo_is_read_to_a_millionth_of_a_pixel(tmp_path):
    content = make_coco(tmp_path, integer=False)
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    path = write_yolo(tmp_path, content)
    assert detect_format(path) == detect_format(tmp_path) == 'yolo'
    for source in (path, tmp_path):
        assert_close(load_by_file(source), by_file(content), 1e-6)


def test_yolo_with_a_file_of_classes(tmp_path, content):
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    write_yolo(tmp_path, content).unlink()
    (tmp_path / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    assert_close(load_by_file(tmp_path), by_file(content), 1e-6)
    # Labels next to the images, as labelImg writes them; then images elsewhere.
    shutil.copytree(tmp_path / 'images', tmp_path / 'mixed')
    for file in (tmp_path / 'labels').iterdir():
        shutil.copy(file, tmp_path / 'mixed')
    shutil.copy(tmp_path / 'classes.txt', tmp_path / 'mixed')
    assert_close(load_by_file(tmp_path / 'mixed'), by_file(content), 1e-6)
    (tmp_path / 'images').rename(tmp_path / 'photos')
    assert_close(load_by_file(tmp_path, images=tmp_path / 'photos'), by_file(content), 1e-6)


def test_coco_files_are_used_in_place(tmp_path, content):
    path = write_coco(tmp_path, content)
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors
    assert (data.train.ann_file, data.val.ann_file) == (path, val)
    assert data.train.image_folder == data.val.image_folder == tmp_path / 'images'


@pytest.mark.skipif(not BCCD.is_dir(), reason='needs the BCCD data in ../shared')
@pytest.mark.parametrize('write', [write_voc, write_yolo])
def test_bccd_survives_conversion(tmp_path, write):
    content = json.loads((BCCD / 'annotations' / 'instances_val.json').read_text())
    (tmp_path / 'images').mkdir()
    for image in content['images']:
        (tmp_path / 'images' / image['file_name']).symlink_to(BCCD / 'images' / image['file_name'])
    write(tmp_path, content)
    assert_close(load_by_file(tmp_path), by_file(content), 0 if write is write_voc else 1e-6)


# -- splits


def test_voc_image_sets(tmp_path, content):
    write_voc(tmp_path, content)
    sets = tmp_path / 'ImageSets' / 'Main'
    sets.mkdir(parents=True)
    (sets / 'train.txt').write_text('0_1\n0_2  1\n0_3 -1\n\n')
    (sets / 'val.txt').write_text('0_6\n')
    (sets / 'test.txt').write_text('0_4\n0_5\n')
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    assert [len(s.content['images']) for s in (data.train, data.val)] == [3, 1]
    assert re.search(r'test split .*\b2 images', ' '.join(data.notes))
    (sets / 'val.txt').write_text('0_6\nlost\n')
    assert re.search(r'not found in .*Annotations .*val\.txt:2 lost\.xml', load_errors(tmp_path))


def test_data_yaml_splits(tmp_path, content):
    (tmp_path / 'list.txt').write_text('./images/0_1.png\nimages/0_2.png\n\nimages/0_3.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', val=['../images'], nc=3)
    assert re.search(r'in both train and val.*0_1\.png', load_errors(path))  # Roboflow's ../images
    (tmp_path / 'rest.txt').write_text('images/0_5.png\nimages/0_6.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', valid='rest.txt', path='..')
    data = load_data(path)
    assert not data.findings.errors, str(data.findings)
    assert [len(s.content['images']) for s in (data.train, data.val)] == [3, 2]
    data = load_data(path, val_fraction=0.34)  # of the training images
    assert [len(s.content['images']) for s in (data.train, data.val)] == [2, 1]
    assert re.search(r'val split is not used \(2 images', ' '.join(data.notes))


def test_random_split_is_repeatable_and_keeps_copies_together(tmp_path, content):
    path = write_coco(tmp_path, content)
    # Otherwise the image would be used for both training and validation.
    for image in content['images'][1:3]:
        shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / image['file_name'])
        image.update(width=64, height=48)
    path = write_coco(tmp_path, content)
    runs = [load_data(path, val_fraction=0.5) for _ in range(2)]
    names = [[i['file_name'] for i in data.val.content['images']] for data in runs]
    assert names[0] == names[1]
    copies = {f'0_{i}.png' for i in (1, 2, 3)}
    assert len(copies & set(names[0])) in (0, 3)
    assert len(names[0]) >= 3
    assert re.search(r'duplicate images.*0_1\.png = 0_2\.png', str(runs[0].findings))


def test_validation_categories_are_aligned_with_training(tmp_path, content):
    path = write_coco(tmp_path, content)
    other = make_coco(tmp_path, seed=1)
    other['categories'] = other['categories'][::-1]
    val = write_coco(tmp_path, other, 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors, str(data.findings)
    assert data.val.ann_file is None and data.val.classes == ('bolt', 'nut', 'washer')
    assert by_file(data.val.content) == by_file(other)
    other['annotations'] = [a for a in other['annotations'] if a['category_id'] != 2]
    other['categories'] = [c for c in other['categories'] if c['name'] != 'nut']
    data = load_data(path, val=write_coco(tmp_path, other, 'val'))
    assert not data.findings.errors, str(data.findings)
    assert data.val.classes == ('bolt', 'nut', 'washer')
    assert by_file(data.val.content) == by_file(other)
    other['categories'][0]['name'] = 'screw'
    found = load_errors(path, val=write_coco(tmp_path, other, 'val'))
    assert re.search("class 'screw'.* 'bolt', 'nut', 'washer'", found)
