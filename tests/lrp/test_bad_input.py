"""Bad input is refused with an error that names the file, the entries and the values."""

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
        (dict(image_id=99), ['image_id', '99 (entry 4', 'images of the ground truth', '3, 7, 12']),
        (dict(image_id=None), ['image_id', 'None (entry 4']),
        (dict(image_id=[3]), ['image_id', '[3] (entry 4']),
        (dict(category_id=99), ['category_id', '99 (entry 4', 'categories', '2, 5']),
        (dict(score=NAN), ['score', 'finite number', 'nan (entry 4']),
        (dict(score=INF), ['score', 'finite number', 'inf (entry 4']),
        (dict(score=10**400), ['score', 'finite number', '(entry 4']),
        (dict(score=-0.25), ['score', 'negative', '-0.25 (entry 4']),
        (dict(score='0.5'), ['score', 'number', "'0.5' (entry 4"]),
        (dict(score=True), ['score', 'number', 'True (entry 4']),
        (dict(score=None), ['score', 'number', 'None (entry 4']),
        (dict(bbox=[1, 2, 3]), ['bbox', '[x, y, width, height]', '[1, 2, 3] (entry 4']),
        (dict(bbox=[]), ['bbox', '[x, y, width, height]', '[] (entry 4']),
        (dict(bbox='1234'), ['bbox', '[x, y, width, height]', "'1234' (entry 4"]),
        (dict(bbox=7), ['bbox', '[x, y, width, height]', '7 (entry 4']),
        (dict(bbox=[1, 2, NAN, 4]), ['bbox', 'finite numbers', '[1, 2, nan, 4] (entry 4']),
        (dict(bbox=[1, 2, '3', 4]), ['bbox', 'numbers', "[1, 2, '3', 4] (entry 4"]),
    ],
)
def test_result(data, changes, named):
    data[1][4].update(changes)
    message = refused(*data)
    assert all(part in message for part in ['the results: 1 of 12', *named]), message


@pytest.mark.parametrize('key', ['image_id', 'category_id', 'score', 'bbox'])
def test_result_without(data, key):
    del data[1][4][key], data[1][7][key]
    message = refused(*data)
    assert f"the results: 2 of 12 results have no '{key}'" in message
    assert 'entry 4' in message and 'entry 7' in message


def test_all_problems_of_the_results_are_listed(data):
    data[1][2].update(image_id=99)
    data[1][4].update(category_id=98, score=-1)
    message = refused(*data)
    assert all(part in message for part in ['99 (entry 2', '98 (entry 4', '-1 (entry 4']), message


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(image_id=99), ['image_id', 'not in images', '99 (id 96 of image 99)']),
        (dict(category_id=99), ['category_id', 'not in categories', '99 (id 96 of image']),
        (dict(bbox=[1, 2, INF, 4]), ['bbox', 'finite numbers', '[1, 2, inf, 4] (id 96']),
        (dict(id=100), ['1 id', 'shared', 'annotations', '100']),
        (dict(id=[1]), ['1 of 6 annotations', 'an id', 'number or text', '[1] (id [1]']),
    ],
)
def test_annotation(data, changes, named):
    data[0]['annotations'][4].update(changes)
    message = refused(*data)
    assert all(part in message for part in ['the ground truth: 1 ', *named]), message


@pytest.mark.parametrize('key', ['images', 'categories', 'annotations'])
def test_duplicated_ids(data, key):
    data[0][key].append(dict(data[0][key][0]))
    message = refused(*data)
    repeated = data[0][key][0]['id']
    assert f'the ground truth: 1 id is shared by several {key}: {repeated}' in message


@pytest.mark.parametrize('key', ['images', 'categories', 'annotations'])
@pytest.mark.parametrize('content', [None, {}, [1]])
def test_ground_truth_that_is_not_coco(data, key, content):
    data[0][key] = content
    message = refused(*data)
    assert 'not COCO format' in message and repr(key) in message


def test_ids_of_several_types(data):
    data[0]['images'].append(dict(id='a'))
    message = refused(*data)
    assert all(part in message for part in ('images', 'ids', "'str'", "'int'")), message


def test_arguments_in_the_wrong_order(data):
    assert 'results of a detector' in refused(data[1], data[0])
    message = refused(data[0], data[0])
    assert 'the results' in message and 'If this is the ground truth' in message
    assert 'If these are results' in refused([], data[0])


@pytest.mark.parametrize('results', [{}, None, [1, 2], 3])
def test_results_that_are_not_coco(data, results):
    assert 'image_id, category_id, score, bbox' in refused(data[0], results)


@pytest.mark.parametrize(
    'keys, iou_type, named',
    [
        (['caption'], 'bbox', 'captions'),
        (['segments_info'], 'segm', 'panoptic segments'),
        (['keypoints', 'segmentation'], 'bbox', 'keypoints'),
        (['segmentation'], 'bbox', 'masks'),
        (['bbox'], 'segm', 'boxes'),
    ],
)
def test_annotations_of_another_kind(data, keys, iou_type, named):
    for annotation in data[0]['annotations']:
        del annotation['bbox'], annotation['segmentation']
        annotation |= {key: [] for key in keys}
    message = refused(*data, iou_type)
    assert f'these are {named}' in message
    assert repr('bbox' if iou_type == 'bbox' else 'segmentation') in message


@pytest.mark.parametrize('which', [0, 1])
@pytest.mark.parametrize('text', ['', '{"images": [', 'image_id,score', b'\xff\xfe{'])
def test_malformed_json(data, which, text, tmp_path):
    path = tmp_path / 'broken.json'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = list(data)
    arguments[which] = path
    message = refused(*arguments)
    problem = 'not UTF-8' if isinstance(text, bytes) else 'not JSON'
    assert str(path) in message and problem in message


def test_not_a_number_in_a_file(data, tmp_path):
    data[1][4]['score'] = NAN
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(data[1]))
    assert f'{path}: 1 of 12' in refused(data[0], path)


def test_no_such_file(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.json'):
        evaluate_lrp(tmp_path / 'nowhere.json', data[1])


def test_no_such_type_of_iou(data):
    message = refused(*data, 'boxes')
    assert 'iou_type' in message and 'bbox, segm, keypoints' in message and "'boxes'" in message


@pytest.mark.parametrize(
    'options, named',
    [
        (dict(max_dets=()), 'max_dets'),
        (dict(max_dets=(0, 10)), 'max_dets'),
        (dict(max_dets=100), 'max_dets'),
        (dict(max_dets='100'), 'max_dets'),
        (dict(max_dets=[1, 2.5]), 'max_dets'),
        (dict(iou_thresholds=[]), 'iou_thresholds'),
        (dict(iou_thresholds=[0.5, NAN]), 'iou_thresholds'),
        (dict(iou_thresholds=[0.0]), 'iou_thresholds'),
        (dict(iou_thresholds=[1.5]), 'iou_thresholds'),
    ],
)
def test_options(data, options, named):
    message = refused(*data, **options)
    assert named in message and str(options[named]) in message


@pytest.mark.parametrize(
    'segmentation, named',
    [
        ([], 'no polygon'),
        ([[1, 2, 3, 4]], 'a polygon has 4 numbers'),
        ([[1, 2, 3, 4, 5, 6, 7]], 'a polygon has 7 numbers'),
        ([[1, 2, 3, 4, 5, NAN]], 'not finite'),
        ([['a'] * 6], 'malformed'),
        ([5], 'malformed'),
        ('mask', 'a str'),
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
    assert named in message and 'entry 4' in message and 'the results' in message


def test_masks_without_size_of_image(data):
    del data[0]['images'][1]['height']
    message = refused(*data, 'segm')
    assert 'image 3' in message and "'height'" in message and 'the ground truth' in message


def test_masks_of_an_image_too_large_for_pycocotools(data):
    pytest.importorskip('pycocotools')
    for height in (2**30, 2**70):  # pycocotools would read 2**30 * 64 as 0
        data[0]['images'][0]['height'] = height
        message = refused(*data, 'segm')
        assert 'the ground truth' in message and f'{height} x 64' in message


def test_masks_that_are_missing(data):
    pytest.importorskip('pycocotools')
    del data[1][4]['segmentation']
    message = refused(*data, 'segm')
    assert "1 of 12 results has no 'segmentation'" in message and 'entry 4' in message


@pytest.mark.parametrize('box', [np.zeros(5), np.zeros(()), np.zeros((4, 2)), np.float64(3)])
def test_numpy_boxes_of_a_wrong_shape(data, box):
    data[1][4]['bbox'] = box
    message = refused(*data)
    assert '[x, y, width, height]' in message and 'entry 4' in message
