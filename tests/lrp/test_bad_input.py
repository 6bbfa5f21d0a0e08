"""Whatever is wrong with a file is refused with what, where and what to do."""

import json
from copy import deepcopy

import numpy as np
import pytest
from coco_helpers import make_data

from alrp.lrp import evaluate_lrp

NAN, INF = float('nan'), float('inf')
RLE = dict(size=[48, 64], counts=[0, 100, 48 * 64 - 100])


@pytest.fixture
def data():
    ground_truth, results = deepcopy(make_data(0, 6, 12))
    for entry in [*ground_truth['annotations'], *results]:
        entry['segmentation'] = deepcopy(RLE)
    return ground_truth, results


def refused(ground_truth, results, iou_type='bbox', **options):
    with pytest.raises(ValueError) as error:
        evaluate_lrp(ground_truth, results, iou_type, **options)
    return str(error.value)


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(image_id=99), ['the results: 1 of 12', 'image_id', '99 at 4', 'belong together']),
        (dict(image_id=None), ['image_id', 'None at 4']),
        (dict(image_id=[3]), ['image_id', '[3] at 4']),
        (dict(category_id=99), ['category_id', '99 at 4', 'categories', '2, 5']),
        (dict(score=NAN), ['score', 'no finite number', 'nan at 4']),
        (dict(score=INF), ['score', 'no finite number', 'inf at 4']),
        (dict(score=10**400), ['score', 'no finite number']),
        (dict(score=-0.25), ['score', 'is negative', '-0.25 at 4']),
        (dict(score='0.5'), ['score', 'is no number', '0.5 at 4']),
        (dict(score=True), ['score', 'is no number', 'True at 4']),
        (dict(score=None), ['score', 'is no number', 'None at 4']),
        (dict(bbox=[1, 2, 3]), ['bbox', '[x, y, width, height]', '[1, 2, 3] at 4']),
        (dict(bbox=[]), ['bbox', '[x, y, width, height]', '[] at 4']),
        (dict(bbox='1234'), ['bbox', '[x, y, width, height]', '1234 at 4']),
        (dict(bbox=7), ['bbox', '[x, y, width, height]', '7 at 4']),
        (dict(bbox=[1, 2, NAN, 4]), ['1 of 12', 'bbox', 'no finite number', 'nan at 4']),
        (dict(bbox=[1, 2, '3', 4]), ['bbox', 'is no number', '3 at 4']),
    ],
)
def test_result(data, changes, named):
    data[1][4].update(changes)
    message = refused(*data)
    assert all(part in message for part in named), message


@pytest.mark.parametrize('key', ['image_id', 'category_id', 'score', 'bbox'])
def test_result_without(data, key):
    del data[1][4][key], data[1][7][key]
    message = refused(*data)
    assert f"the results: 2 of 12 entries have no '{key}', at 4, 7" in message


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(image_id=99), ['the ground truth, annotations: 1 of 6', 'image_id', '99 at 4']),
        (dict(category_id=99), ['category_id', '99 at 4']),
        (dict(area=NAN), ['area', 'no finite number']),
        (dict(area='1'), ['area', 'is no number']),
        (dict(bbox=[1, 2, INF, 4]), ['bbox', 'no finite number']),
        (dict(id=100), ['1 ids stand for several entries: 100']),
        (dict(id=[1]), ["'id' is neither"]),
    ],
)
def test_annotation(data, changes, named):
    data[0]['annotations'][4].update(changes)
    message = refused(*data)
    assert all(part in message for part in named), message


def test_annotation_without_area(data):
    del data[0]['annotations'][2]['area']
    assert 'width * height' in refused(*data)


@pytest.mark.parametrize('key', ['images', 'categories', 'annotations'])
def test_duplicated_ids(data, key):
    data[0][key].append(dict(data[0][key][0]))
    message = refused(*data)
    assert f'the ground truth, {key}: 1 ids stand for several entries' in message


@pytest.mark.parametrize('key', ['images', 'categories', 'annotations'])
@pytest.mark.parametrize('content', [None, {}, [1]])
def test_ground_truth_that_is_not_coco(data, key, content):
    data[0][key] = content
    message = refused(*data)
    assert f'no list of entries {key!r}' in message and 'COCO' in message


def test_ids_of_several_types(data):
    data[0]['images'].append(dict(id='a'))
    assert 'ids are of several types' in refused(*data)


def test_arguments_in_the_wrong_order(data):
    assert 'comes first' in refused(data[1], data[0])
    assert 'It comes first' in refused(data[0], data[0])


@pytest.mark.parametrize('results', [{}, None, [1, 2], 3])
def test_results_that_are_not_coco(data, results):
    assert 'a list of entries with image_id' in refused(data[0], results)


@pytest.mark.parametrize('which', [0, 1])
@pytest.mark.parametrize('text', ['', '{"images": [', 'image_id,score'])
def test_malformed_json(data, which, text, tmp_path):
    path = tmp_path / 'broken.json'
    path.write_text(text, encoding='utf-8')
    arguments = list(data)
    arguments[which] = path
    message = refused(*arguments)
    assert str(path) in message and 'is not JSON' in message


def test_not_a_number_in_a_file(data, tmp_path):
    data[1][4]['score'] = NAN
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(data[1]))
    assert f'{path}: 1 of 12' in refused(data[0], path)


def test_no_such_file(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.json'):
        evaluate_lrp(tmp_path / 'nowhere.json', data[1])


def test_no_such_type_of_iou(data):
    assert 'bbox, segm' in refused(*data, 'keypoints')


@pytest.mark.parametrize(
    'options, named',
    [
        (dict(max_dets=()), 'max_dets'),
        (dict(max_dets=(0, 10)), 'max_dets'),
        (dict(iou_thresholds=[]), 'iou_thresholds'),
        (dict(iou_thresholds=[0.5, NAN]), 'iou_thresholds'),
        (dict(iou_thresholds=[0.0]), 'iou_thresholds'),
        (dict(iou_thresholds=[1.5]), 'iou_thresholds'),
    ],
)
def test_options(data, options, named):
    assert named in refused(*data, **options)


@pytest.mark.parametrize(
    'segmentation, named',
    [
        ([], 'there is no polygon'),
        ([[1, 2, 3, 4]], 'a polygon has 4 numbers'),
        ([[1, 2, 3, 4, 5, 6, 7]], 'a polygon has 7 numbers'),
        ([[1, 2, 3, 4, 5, NAN]], 'not finite'),
        ([['a'] * 6], 'malformed'),
        ([5], 'malformed'),
        ('mask', 'it is a str'),
        (dict(size=[48, 64]), 'counts'),
        (dict(RLE, size=[64, 48]), "'size' is [64, 48], but its image has [48, 64]"),
        (dict(RLE, size=5), 'malformed'),
        (dict(RLE, counts=[0, -5]), 'whole numbers'),
        (dict(RLE, counts=[0, 100, 1]), 'do not add up'),
        (dict(RLE, counts='abc'), 'do not add up'),
        (dict(RLE, counts=''), 'do not add up'),
        (dict(RLE, counts=[]), 'do not add up'),
        (dict(RLE, counts=3.5), 'malformed'),
        (dict(RLE, counts='\u20ac'), 'do not add up'),
    ],
)
def test_segmentation(data, segmentation, named):
    pytest.importorskip('pycocotools')
    data[1][4]['segmentation'] = segmentation
    message = refused(*data, 'segm')
    assert named in message and 'entry 4' in message


def test_masks_without_size_of_image(data):
    del data[0]['images'][1]['height']
    assert "no 'height' and 'width'" in refused(*data, 'segm')


def test_masks_that_are_missing(data):
    del data[1][4]['segmentation']
    assert "have no 'segmentation', at 4" in refused(*data, 'segm')


def test_numpy_boxes_of_a_wrong_length(data):
    data[1][4]['bbox'] = np.zeros(5)
    assert '[x, y, width, height]' in refused(*data)
