"""Boxes of COCO files that are not [x, y, width, height] in pixels."""

import re

import pytest
from format_writers import by_file, make_coco, write_coco
from load_helpers import as_written, load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data


def corners(content):
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + 20, y + 20, x + 20 + w, y + 20 + h]


@pytest.mark.parametrize('count', [1, 2])
def test_few_boxes_that_stick_out_are_no_corners(tmp_path, content, count):
    val = make_coco(tmp_path, seed=1)
    val['annotations'] = val['annotations'][:count]
    for annotation in val['annotations']:
        annotation['bbox'] = [1.0, 1.0, 64.0, 48.0]  # of 64x48 or larger
        annotation['image_id'] = 1
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors, str(data.findings)
    assert f'now clipped ({count}x' in str(data.findings)


def test_pages_that_stick_out_by_a_pixel_are_no_corners(tmp_path, content):
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    for annotation in content['annotations']:
        annotation['bbox'] = [1.0, 1.0, *map(float, sizes[annotation['image_id']])]
        annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
    assert 'now clipped (9x' in load_warnings(write_coco(tmp_path, content))


def test_corners_need_all_boxes(tmp_path, content):
    corners(content)
    path = write_coco(tmp_path, content)
    assert re.search(r'\[x1, y1, x2, y2\].*\d of \d go beyond', load_errors(path))
    for annotation in content['annotations']:
        if annotation['image_id'] == 2:
            annotation['bbox'] = [30.0, 5.0, 9.0, 9.0]
    assert 'now clipped' in load_warnings(write_coco(tmp_path, content))


@pytest.mark.parametrize('area', ['fraction', 'pixels', 'absent'])
def test_fractions_are_converted_to_pixels(tmp_path, content, area):
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    before = [list(a['bbox']) for a in content['annotations']]
    for annotation in content['annotations']:
        width, height = sizes[annotation['image_id']]
        x, y, w, h = annotation['bbox']
        annotation['segmentation'] = [[x / width, y / height, (x + w) / width, y / height, 0, 1.0]]
        annotation['bbox'] = [x / width, y / height, w / width, h / height]
        if area == 'fraction':
            annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
        if area == 'absent':
            del annotation['area']
    for image in content['images']:
        image.update(width=0.0, height=0.0)  # as Azure does
    written, found = as_written(write_coco(tmp_path, content))
    assert 'fractions' in found
    after = {a['id']: a for split in written for a in split['annotations']}
    for i, box in enumerate(before, 1):
        assert after[i]['bbox'] == pytest.approx(box)
        assert after[i]['area'] == pytest.approx(box[2] * box[3])
        x, y, *_ = after[i]['segmentation'][0]
        assert (x, y) == pytest.approx(tuple(box[:2]))


@pytest.mark.parametrize('only', [False, True])
def test_boxes_are_read_from_polygons(tmp_path, content, only):
    expected = by_file(content)
    for annotation in content['annotations'][: None if only else 4]:
        x, y, w, h = annotation.pop('bbox')
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    path = write_coco(tmp_path, content)
    assert load_by_file(path) == expected
    assert re.search(rf"without 'bbox'.*\({9 if only else 4}x: id 1 ", load_warnings(path))


def test_unusable_boxes_can_be_left_out(tmp_path, content):
    content['annotations'][1].update(bbox=[5, 5, 0, 3], area=0)
    content['annotations'][2]['bbox'] = [500, 5, 9, 9]
    content['annotations'][3]['bbox'] = [5, 'wide', 9, 9]
    del content['annotations'][4]['bbox'], content['annotations'][4]['area']
    path = write_coco(tmp_path, content)
    errors = load_errors(path)
    assert 'no area' in errors and 'outside' in errors and '--skip-missing' in errors
    assert "'wide'" in errors and "no 'bbox'" in errors
    assert "'area'" not in errors  # the area of a flat box is not another problem
    written, text = as_written(path, skip_missing=True)
    assert sum(len(content['annotations']) for content in written) == 5
    assert re.search(r'left out: .*area \(1x: id 2 of 0_2\.png\)', text)
    assert re.search(r'left out: .*outside.* \(1x: id 3 of 0_2\.png\)', text)
    assert re.search(r"left out: .*four finite numbers \(2x: id 4 of 0_3\.png: \[5, 'wide'", text)
