"""Ground truth and results that are read in the one way that makes sense, with a warning."""

import json
import warnings
from copy import deepcopy

import numpy as np
import pytest
from coco_helpers import assert_equals_pycocotools, coco_eval, make_data

from alrp.lrp import evaluate_lrp

NAN = float('nan')


@pytest.fixture
def data():
    ground_truth, results = deepcopy(make_data(0, 6, 12, num_scores=10**6))  # no ties
    for annotation in ground_truth['annotations']:
        annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
    return ground_truth, results


def evaluate(ground_truth, results, iou_type='bbox'):
    """The evaluation, and all warnings."""
    before = deepcopy((ground_truth, results))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        evaluation = evaluate_lrp(ground_truth, results, iou_type)
    assert repr((ground_truth, results)) == repr(before)
    return evaluation, [str(warning.message) for warning in caught]


def refused(ground_truth, results):
    with pytest.raises(ValueError) as error:
        evaluate_lrp(ground_truth, results)
    return str(error.value)


def assert_same(found, expected):
    assert found.summary == expected.summary
    np.testing.assert_array_equal(found.precision, expected.precision)


@pytest.mark.parametrize('value', [0, '0', 0.0])
def test_annotation_id_0_is_evaluated_like_any_other(data, value):
    expected = coco_eval(*data)
    for i, annotation in enumerate(data[0]['annotations']):
        annotation['id'] = i
        annotation['iscrowd'] = 0 if i == 0 else annotation['iscrowd']
    expected = deepcopy(data[0])
    for annotation in expected['annotations']:
        annotation['id'] += 1
    expected = coco_eval(expected, data[1])
    data[0]['annotations'][0]['id'] = value
    evaluation, [message] = evaluate(*data)
    assert_equals_pycocotools(evaluation, expected)
    assert 'id 0' in message and 'pycocotools' in message


def test_ids_other_than_0_are_not_warned_about(data):
    evaluation, messages = evaluate(*data)
    assert messages == []
    data[0]['annotations'][0].pop('id')  # not needed
    found, messages = evaluate(*data)
    assert_same(found, evaluation)
    assert messages == []


@pytest.mark.parametrize('value', [None, 0, '', NAN, -1, 'large'])
def test_area_that_is_not_known(data, value):
    expected, _ = evaluate(*data)
    data[0]['annotations'][2]['area'] = value
    del data[0]['annotations'][4]['area']
    found, messages = evaluate(*data)
    assert_same(found, expected)
    assert len(messages) == 2
    assert "'area'" in messages[0] and 'id 98 of image' in messages[0]
    assert messages[1].startswith("the ground truth: 2 annotations without 'area'")
    assert 'width * height' in messages[1] and 'id 96 of image' in messages[1]


def test_numbers_written_as_text(data):
    expected, _ = evaluate(*data)
    for annotation in data[0]['annotations']:
        annotation['bbox'] = list(map(str, annotation['bbox']))
        annotation['area'] = str(annotation['area'])
        annotation['iscrowd'] = 'true' if annotation['iscrowd'] else 'False'
    found, messages = evaluate(*data)
    assert_same(found, expected)
    for message, key in zip(messages, ("'bbox'", "'area'", "'iscrowd'"), strict=True):
        assert key in message and '6x' in message


@pytest.mark.parametrize('value', [None, 'unspecified', 'nein', [], NAN])
def test_unknown_flags_are_no_crowds(data, value):
    for annotation in data[0]['annotations']:
        annotation['iscrowd'] = 0
    expected, _ = evaluate(*data)
    data[0]['annotations'][0]['iscrowd'] = value
    found, [message] = evaluate(*data)
    assert_same(found, expected)
    assert "'iscrowd'" in message and 'id 100' in message


def test_area_of_masks(data):
    pytest.importorskip('pycocotools')
    runs = dict(size=[48, 64], counts=[0, 100, 48 * 64 - 100])
    for entry in [*data[0]['annotations'], *data[1]]:
        entry['segmentation'] = runs
    for annotation in data[0]['annotations']:
        annotation['area'] = 100
    expected, _ = evaluate(*data, 'segm')
    for annotation in data[0]['annotations']:
        del annotation['area']
    for image in data[0]['images']:
        image.update(width='64', height=48.0)
    found, messages = evaluate(*data, 'segm')
    assert_same(found, expected)
    assert 'the area of the mask' in messages[-1]


@pytest.mark.parametrize('where', ['truth', 'results'])
@pytest.mark.parametrize('as_type', [str, float])
def test_ids_of_another_type(data, where, as_type):
    expected, _ = evaluate(*data)
    if where == 'truth':
        for key in ('images', 'categories'):
            for entry in data[0][key]:
                entry['id'] = as_type(entry['id'])
    changed = data[0]['annotations'] if where == 'truth' else data[1]
    for entry in changed:
        entry.update(image_id=as_type(entry['image_id']), category_id=as_type(entry['category_id']))
    found, messages = evaluate(*data)
    assert_same(found, expected)
    assert len(messages) == (2 if as_type is str else 0)
    assert all("'image_id'" in m or "'category_id'" in m for m in messages)


def test_ids_of_two_types_in_one_file(data):
    expected, _ = evaluate(*data)
    data[0]['images'][0]['id'] = '12'
    data[0]['annotations'][1]['category_id'] = str(data[0]['annotations'][1]['category_id'])
    found, messages = evaluate(*data)
    assert_same(found, expected)
    assert any("images with 'id'" in message for message in messages)
    data[0]['images'].append(dict(id=12))
    assert "'str'" in refused(*data)


@pytest.mark.parametrize('key', ['annotations', 'predictions'])
def test_results_in_a_coco_file(data, key, tmp_path):
    expected, _ = evaluate(*data)
    listed = [dict(result, id=i) for i, result in enumerate(data[1])]
    content = {**data[0], 'annotations': [], key: listed}
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(content))
    found, messages = evaluate(data[0], path)
    assert_same(found, expected)
    assert messages == []
    content['images'][1]['file_name'] = 'elsewhere/other.jpg'
    content['categories'] = content['categories'] + [dict(id=1, name='more')]
    message = refused(make_data(0, 6, 12)[0], content)
    assert '1 images' in message and "'other.jpg'" in message and "'3.jpg'" in message
    content['images'][1]['file_name'] = 'C:\\data\\3.jpg'
    content['categories'][0]['name'] = 'kind 2'
    message = refused(make_data(0, 6, 12)[0], content)
    assert '1 categories' in message and "'kind 5'" in message and "'kind 2'" in message


def test_a_result_without_a_score_in_a_coco_file(data):
    del data[1][3]['score']
    message = refused(data[0], dict(annotations=data[1]))
    assert "1 of 12 results has no 'score'" in message and 'entry 3' in message


def as_fractions(entry):
    x, y, w, h = entry['bbox']
    entry['bbox'] = [x / 640, y / 640, w / 640, h / 640]


def as_corners(entry):
    entry['bbox'] = [40.0, 40.0, 100.0, 110.0]


@pytest.mark.parametrize('where', ['the ground truth', 'the results'])
@pytest.mark.parametrize(
    'change, named', [(as_fractions, 'fractions'), (as_corners, '[x1, y1, x2, y2]')]
)
def test_boxes_that_are_not_in_pixels(data, where, change, named):
    for image in data[0]['images']:
        image.update(width=130, height=130)
    for entry in data[0]['annotations'] if where == 'the ground truth' else data[1]:
        change(entry)
    _, [message] = evaluate(*data)
    assert message.startswith(where) and named in message


def test_boxes_without_area_are_reported(data):
    for entries, size in zip((data[0]['annotations'], data[1]), (0, -3)):
        entries[0]['bbox'][2] = size
    _, messages = evaluate(*data)
    assert [('annotations' in m, 'results' in m) for m in messages] == [
        (True, False),
        (False, True),
    ]
    assert all(m.count('bbox that has no area') == 1 for m in messages)


def test_boxes_are_read_from_polygons(data):
    expected, _ = evaluate(*data)
    for annotation in data[0]['annotations']:
        x, y, w, h = annotation.pop('bbox')
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    found, [message] = evaluate(*data)
    np.testing.assert_allclose(list(found.summary.values()), list(expected.summary.values()))
    assert "'bbox'" in message and 'polygons' in message


def test_ids_with_leading_zeros(data):
    expected, _ = evaluate(*data)
    for result in data[1]:
        result['image_id'] = f'{result["image_id"]:06d}'
    found, [message] = evaluate(*data)
    assert_same(found, expected)
    assert "'image_id'" in message
    data[0]['images'] = [dict(id=str(i)) for i in ('1', '01')]
    data[0]['annotations'] = []
    for result in data[1]:
        result['image_id'] = 1
    assert "'01'" in refused(*data)
