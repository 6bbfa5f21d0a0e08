import json
import re

import pytest

from alrp_mmdet.datasets.check import AnnotationError


@pytest.mark.parametrize('bbox', [[1, 2, 3], [1, 2, 3, 'x'], [1, 2, float('nan'), 4], None])
def test_malformed_box(refused, content, bbox):
    content['annotations'][1]['bbox'] = bbox
    message = refused(content)
    assert re.search(r'1 of 4 annotations .*bbox.*four finite numbers.*id 1 of image 2', message)
    assert repr(bbox) in message


@pytest.mark.parametrize('key', ['image_id', 'category_id', 'bbox', 'area'])
def test_missing_key(refused, content, key):
    del content['annotations'][2][key]
    assert re.search(f"1 of 4 annotations has no '{key}'.*id 2", refused(content))


def test_only_evaluation_needs_iscrowd(tmp_path, check, content):
    for annotation in content['annotations']:
        del annotation['iscrowd']
    check(content)
    (tmp_path / 'val.json').write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="4 of 4 annotations have no 'iscrowd'"):
        check(content)


@pytest.mark.parametrize('bbox', [[5, 5, 0, 9], [5, 5, 9, -2]])
def test_box_without_area(refused, check, config, content, bbox):
    content['annotations'][0]['bbox'] = bbox
    assert re.search('1 box has no area: id 0 of image 1.*drop_degenerate_boxes', refused(content))
    config.drop_degenerate_boxes = ['somebody/elses.json']
    refused(content)
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)


@pytest.mark.parametrize('bbox', [[64, 5, 9, 9], [5, 48.5, 9, 9], [-9, 5, 9, 9], [5, -10, 9, 9]])
def test_box_outside_of_its_image(refused, check, config, content, bbox):
    content['annotations'][0]['bbox'] = bbox
    assert re.search('1 box .*outside.*: id 0 of image 1.*drop_degenerate', refused(content))
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)
    config.drop_degenerate_boxes = []
    content['annotations'][0]['bbox'] = [63, 47, 9, 9]  # a corner of it is inside
    check(content)


def test_area_of_zero(refused, check, config, content):
    content['annotations'][0]['area'] = 0
    assert re.search("1 annotation has an 'area' of 0: id 0 of image 1", refused(content))
    config.drop_degenerate_boxes = ['somebody/elses.json']
    refused(content)
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)


@pytest.mark.parametrize(
    'key, name, value, message',
    [
        ('annotations', 'area', None, r'1 of 4 annotations .*area.*number: None \(id 0'),
        ('annotations', 'area', '81', r"1 of 4 annotations .*area.*number: '81' \(id 0"),
        ('annotations', 'area', float('nan'), r'1 of 4 annotations .*area.*number: nan \(id 0'),
        ('annotations', 'image_id', [1], r'1 of 4 annotations .*image_id.*: \[1\] \(id 0'),
        (
            'annotations',
            'category_id',
            1.5,
            r'1 of 4 annotations .*category_id.*whole number: 1\.5',
        ),
        ('annotations', 'iscrowd', '0', r"1 of 4 annotations .*iscrowd.*whole number: '0'"),
        ('images', 'file_name', None, r'1 of 2 images .*file_name.*text: None \(id 1\)'),
        ('categories', 'name', 7, r'1 of 2 categories .*name.*text: 7 \(id 1\)'),
    ],
)
def test_values_of_another_type(refused, content, key, name, value, message):
    content[key][0][name] = value
    assert re.search(message, refused(content))


def test_annotations_without_masks_are_refused_if_the_pipeline_loads_masks(
    config, check, refused, content
):
    config.pop('val_dataloader')
    config.train_dataloader.dataset.pipeline = [dict(type='LoadAnnotations', with_mask=True)]
    for annotation in content['annotations']:
        annotation['segmentation'] = [[2, 3, 12, 3, 12, 23]]
    check(content)
    del content['annotations'][1]['segmentation']
    content['annotations'][3]['segmentation'] = []
    message = refused(content)
    assert "2 of 4 annotations have no mask ('segmentation')" in message
    assert 'with_mask=True: id 1 of image 2, id 3 of image 2' in message
    content['categories'][1]['name'] = 'dish'  # both are of a category that is no class
    content['categories'].append(dict(id=7, name='plate'))
    check(content)


@pytest.mark.parametrize(
    'key, values',
    [
        ('annotations', dict(area='210')),
        ('annotations', dict(iscrowd='0')),
        ('annotations', dict(ignore='false')),
        ('annotations', dict(image_id='1')),
        ('images', dict(width='64')),
        ('images', dict(height=None)),
    ],
)
def test_repairable_values_name_new_project(refused, content, key, values):
    content[key][0].update(values)
    message = refused(content)
    assert re.search(f'{next(iter(values))}.*alrp new-project.*1x: id', message, re.DOTALL)


@pytest.mark.parametrize('key, name', [('images', 'height'), ('annotations', 'area')])
def test_missing_values_name_new_project(refused, content, key, name):
    del content[key][0][name]
    assert re.search(f"alrp new-project.*no '{name}' in {key}", refused(content))


def test_whole_floats_pass(check, content):
    for key in ('images', 'annotations', 'categories'):
        for entry in content[key]:
            entry.update({k: float(v) for k, v in entry.items() if k.endswith(('id', 'iscrowd'))})
    check(content)


@pytest.mark.parametrize(
    'mask', [[1, 2, 9, 2, 9, 9], [['1', 2, 9, 2, 9, 9]], dict(counts=[9]), 'abc']
)
def test_malformed_masks(refused, config, content, mask):
    for annotation in content['annotations']:
        annotation['segmentation'] = [[1, 2, 9, 2, 9, 9]]
    content['annotations'][2]['segmentation'] = mask
    config.train_dataloader.dataset.pipeline = [dict(type='LoadAnnotations', with_mask=True)]
    assert re.search("1 of 4 .*'segmentation': id 2 of image 1", refused(content))


@pytest.mark.parametrize(
    'box, named', [([0.1, 0.2, 0.5, 0.25], 'fractions'), ([30, 20, 60, 47], '[x1, y1, x2, y2]')]
)
def test_boxes_that_are_not_in_pixels(refused, content, box, named):
    for annotation in content['annotations']:
        annotation['bbox'] = box
    message = refused(content)
    assert named in message
    assert message.count('\n  - ') == 1
