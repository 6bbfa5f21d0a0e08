"""Masks of COCO and YOLO annotations: read, checked and carried through the conversion."""

import json
import re

import numpy as np
import pytest
from format_writers import make_coco, write_coco, write_voc, write_yolo
from load_helpers import load_errors
from pycocotools import mask as mask_api

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.datasets.masks import decode, encode
from alrp_mmdet.project.data import ProjectData, load_data


def polygon(box: list[float]) -> list[float]:
    """A rhombus in a box."""
    x, y, w, h = box
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]


@pytest.fixture
def content(tmp_path):
    """COCO content with a polygon for each object: ids 1, 3, 5, ... have run lengths instead."""
    content = make_coco(tmp_path)
    sizes = {image['id']: (image['height'], image['width']) for image in content['images']}
    for annotation in content['annotations']:
        annotation['segmentation'] = [polygon(annotation['bbox'])]
        if annotation['id'] % 2:
            rle = mask_api.frPyObjects(annotation['segmentation'], *sizes[annotation['image_id']])
            annotation['segmentation'] = dict(rle[0], counts=rle[0]['counts'].decode())
    return content


def load(path, **options) -> ProjectData:
    data = load_data(path, masks=True, **options)
    assert not data.findings.errors, str(data.findings)
    return data


def annotations_of(data: ProjectData) -> dict[int, dict]:
    splits = (json.loads(split.to_json()) for split in (data.train, data.val))
    return {a['id']: a for split in splits for a in split['annotations']}


def test_valid_masks_are_kept_in_place(tmp_path, content):
    path = write_coco(tmp_path, content)
    val = write_coco(tmp_path, make_val(tmp_path), 'val')
    data = load(path, val=val)
    assert not data.findings.warnings, str(data.findings)
    assert (data.train.ann_file, data.val.ann_file) == (path, val)


def make_val(tmp_path) -> dict:
    val = make_coco(tmp_path, seed=1)
    for annotation in val['annotations']:
        annotation['segmentation'] = [polygon(annotation['bbox'])]
    return val


def test_masks_survive_a_random_split(tmp_path, content):
    found = annotations_of(load(write_coco(tmp_path, content)))
    expected = {a['id']: a for a in content['annotations']}
    assert found == expected


def test_uncompressed_run_lengths(tmp_path, content):
    a = content['annotations'][1]
    image = next(i for i in content['images'] if i['id'] == a['image_id'])
    size = image['height'], image['width']
    pixels = decode(encode(a['segmentation'], *size)).ravel(order='F')
    ends = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff([0, *ends, pixels.size]).tolist()
    a['segmentation'] = dict(size=[*size], counts=counts)
    data = load(write_coco(tmp_path, content))
    assert not data.findings.warnings
    rle = encode(annotations_of(data)[a['id']]['segmentation'], *size)
    assert mask_api.area(rle) == pixels.sum()


@pytest.mark.parametrize(
    'segmentation, warning',
    [
        (None, 'without a mask'),
        ([], 'without a mask'),
        ([[5, 5, 9, 9]], 'without a mask'),
        ([[5.1, 5.1, 5.2, 5.1, 5.2, 5.2]], 'no pixel'),
        ([[900, 5, 990, 5, 990, 50]], 'no pixel'),
    ],
)
def test_an_object_without_a_mask_is_ignored(tmp_path, content, segmentation, warning):
    chosen = content['annotations'][1]
    if segmentation is None:
        del chosen['segmentation']
    else:
        chosen['segmentation'] = segmentation
    data = load(write_coco(tmp_path, content))
    assert re.search(
        rf'{warning}.*iscrowd.*\(1x: id 2 of {name_of(content, chosen)}\)', str(data.findings)
    )
    ignored = annotations_of(data)[2]
    x, y, w, h = chosen['bbox']
    assert ignored['iscrowd'] == 1 and ignored['bbox'] == chosen['bbox']
    assert ignored['segmentation'] == [[x, y, x + w, y, x + w, y + h, x, y + h]]
    assert data.train.ann_file is None  # the converted file is used, not the original one


def name_of(content: dict, annotation: dict) -> str:
    return next(i for i in content['images'] if i['id'] == annotation['image_id'])['file_name']


def test_a_crowd_without_a_mask_needs_no_warning(tmp_path, content):
    [crowd] = [a for a in content['annotations'] if a['iscrowd']]
    del crowd['segmentation']
    data = load(write_coco(tmp_path, content))
    assert not data.findings.warnings
    assert len(annotations_of(data)[crowd['id']]['segmentation'][0]) == 8


def test_short_polygons_are_removed(tmp_path, content):
    chosen = content['annotations'][1]
    chosen['segmentation'] += [[3, 3, 4, 4], []]
    data = load(write_coco(tmp_path, content))
    assert re.search(r'fewer than 3 points.*\(1x: id 2 of ', str(data.findings))
    kept = annotations_of(data)[2]
    assert kept['segmentation'] == [polygon(chosen['bbox'])] and kept['iscrowd'] == 0


@pytest.mark.parametrize(
    'segmentation, facts',
    [
        (dict(size=[10, 12], counts=[120]), r"'size' is \[10, 12\].* \[\d+, \d+\]"),
        (dict(counts=[120]), "'size'"),
        (dict(size=None, counts='0'), 'NoneType'),
        ([[1, 2, 3, 4, 5, 6, 7]], '7 numbers'),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], r'1\.0.* list'),
        ([[1, 2, 3, float('nan'), 5, 6]], 'finite'),
        ('mask.png', 'str'),
    ],
)
def test_malformed_masks_are_errors(tmp_path, content, segmentation, facts):
    chosen = content['annotations'][1]
    chosen['segmentation'] = segmentation
    errors = load_errors(write_coco(tmp_path, content), masks=True)
    assert re.search(rf'masks .*\(1x: id 2 of {name_of(content, chosen)}: .*{facts}', errors)


def test_run_lengths_that_do_not_fill_the_image_are_errors(tmp_path, content):
    chosen = content['annotations'][0]
    chosen['segmentation']['counts'] += '1'
    image = next(i for i in content['images'] if i['id'] == chosen['image_id'])
    errors = load_errors(write_coco(tmp_path, content), masks=True)
    assert re.search(rf'id 1 of .*run lengths.* {image["height"]} x {image["width"]}', errors)


@pytest.mark.parametrize('how_many', ['most', 'all'])
def test_annotations_of_boxes_are_refused(tmp_path, content, how_many):
    objects = [a for a in content['annotations'] if not a['iscrowd']]
    for annotation in objects[how_many == 'most' :]:
        del annotation['segmentation']
    val = write_coco(tmp_path, make_val(tmp_path), 'val')
    errors = load_errors(write_coco(tmp_path, content), val=val, masks=True)
    lacking = len(objects) - (how_many == 'most')
    assert re.search(rf"\b{lacking} of {len(objects)} objects .*'segmentation'.*--masks", errors)
    load_data(tmp_path / 'annotations' / 'train.json', val=val)  # boxes can be trained


def test_masks_in_another_place_than_the_box(tmp_path, content):
    objects = [a for a in content['annotations'] if not a['iscrowd']]
    x, y, w, h = objects[1]['bbox']
    objects[1]['segmentation'] = [polygon([x + w, y, w, h])]
    objects[2]['segmentation'] = [polygon([x + 1, y, w, h])]
    objects[2]['bbox'] = [x, y, w, h]  # a pixel does not matter
    val = write_coco(tmp_path, make_val(tmp_path), 'val')
    path = write_coco(tmp_path, content)
    data = load(path, val=val)
    assert re.search(rf'IoU below 0\.5 \(1x: id {objects[1]["id"]} of', str(data.findings))
    assert data.train.ann_file == path  # nothing changes
    for a in objects:
        x, y, w, h = a['bbox']
        a['segmentation'] = [polygon([x + w, y, w, h])]
    errors = load_errors(write_coco(tmp_path, content), val=val, masks=True)
    assert re.search(rf'\b\d+ of {len(objects)} masks', errors)


def test_clipped_boxes_keep_their_masks(tmp_path, content):
    chosen = content['annotations'][1]
    image = next(i for i in content['images'] if i['id'] == chosen['image_id'])
    chosen['bbox'] = [image['width'] - 10, 5, 15, 12]
    chosen['segmentation'] = [polygon(chosen['bbox'])]
    found = annotations_of(load(write_coco(tmp_path, content)))[2]
    assert found['bbox'] == [image['width'] - 10, 5, 10, 12]
    assert found['segmentation'] == chosen['segmentation']


def yolo_polygons(tmp_path) -> tuple[dict, str]:
    """A YOLO data set of rhombi, and the COCO content that it comes from."""
    content = make_coco(tmp_path)
    path = write_yolo(tmp_path, content)
    for image in content['images']:
        lines = []
        for a in content['annotations']:
            if a['image_id'] == image['id']:
                numbers = np.reshape(polygon(a['bbox']), (-1, 2)) / [
                    image['width'],
                    image['height'],
                ]
                lines.append(' '.join(map(str, [a['category_id'] - 1, *numbers.ravel()])))
        if lines:
            label_file = tmp_path / 'labels' / image['file_name'].replace('.png', '.txt')
            label_file.write_text('\n'.join(lines))
    return content, path


def test_yolo_polygons_are_masks(tmp_path):
    content, path = yolo_polygons(tmp_path)
    data = load(path)
    assert all('label file' in text for _, text in data.findings.warnings)
    assert re.search(r'polygons.*boxes.*--masks.*\(\d+x: labels', str(load_data(path).findings))
    found = annotations_of(data)
    assert len(found) == len(content['annotations'])
    for a in content['annotations']:
        np.testing.assert_allclose(found[a['id']]['bbox'], a['bbox'], atol=1e-6)
        [points] = found[a['id']]['segmentation']
        np.testing.assert_allclose(points, polygon(a['bbox']), atol=1e-6)
        assert found[a['id']]['area'] == pytest.approx(a['area'] / 2, rel=0.3)  # of the rhombus


def test_yolo_rows_of_boxes_and_polygons(tmp_path):
    _, path = yolo_polygons(tmp_path)
    label_file = tmp_path / 'labels' / '0_2.txt'
    lines = label_file.read_text().splitlines()
    label_file.write_text('\n'.join(['0 .5 .5 .2 .2', *lines[1:]]))
    data = load(path)
    assert re.search(r'without a mask.*\(1x: labels/0_2\.txt:1\)', str(data.findings))


def test_pascal_voc_has_no_masks(tmp_path, content):
    write_voc(tmp_path, content)
    with pytest.raises(AnnotationError, match=r'Pascal VOC.*COCO.*--masks'):
        load_data(tmp_path, masks=True)
