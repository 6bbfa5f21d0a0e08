"""Bad input of keypoints and LVIS: errors with the file, the entries and the values."""

import json
import re

import pytest
from task_data import keypoint_data, lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.tasks import find_iou_type, find_task

NAN = float('nan')


def refused(data, iou_type, **options):
    with pytest.raises(ValueError) as error:
        evaluate_lrp(*data, iou_type, **options)
    return str(error.value)


def assert_names(message, *facts):
    assert all(fact in message for fact in facts), message


@pytest.mark.parametrize(
    'entry, changes, facts',
    [
        (
            'annotations',
            dict(keypoints=[1, 2, 2]),
            ['1 of 12', 'keypoints', '51', '17', '(lengths found: 3)'],
        ),
        ('annotations', dict(keypoints=[NAN] * 51), ['1 of 12', 'keypoints', 'finite']),
        ('annotations', dict(keypoints=None), ['1 of 12', 'keypoints', '51']),
        ('annotations', dict(num_keypoints=NAN), ['num_keypoints', 'nan']),
        ('annotations', dict(num_keypoints='7'), ['num_keypoints', "'7'"]),
        ('annotations', dict(bbox=[1, 2, 3]), ['bbox', '[1, 2, 3]']),
        ('results', dict(keypoints=[1.0] * 42), ['1 of 40', 'entry 4', '51', '17', '42']),
        ('results', dict(keypoints=[NAN] * 51), ['1 of 40', 'entry 4', 'keypoints', 'finite']),
        ('results', dict(keypoints=['1'] * 51), ['1 of 40', 'entry 4', 'keypoints', 'finite']),
        ('results', dict(bbox=[0, 0, NAN, 1]), ['bbox', 'nan', 'entry 4']),
        ('results', dict(score=NAN), ['score', 'nan', 'entry 4']),
    ],
)
def test_keypoints(entry, changes, facts):
    data = keypoint_data(0)
    entries = data[0]['annotations'] if entry == 'annotations' else data[1]
    entries[4].update(changes)
    where = 'id 5 of image' if entry == 'annotations' else ''
    file = 'the ground truth: ' if entry == 'annotations' else 'the results: '
    assert_names(refused(data, 'keypoints'), file, where, *facts)


@pytest.mark.parametrize('key', ['keypoints', 'num_keypoints', 'bbox', 'area'])
def test_annotation_of_keypoints_without(key, tmp_path):
    truth, results = keypoint_data(0)
    del truth['annotations'][4][key]
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    message = refused((path, results), 'keypoints')
    assert_names(message, str(path), '1 of 12 annotations', f"'{key}'", 'id 5 of image')


def test_result_of_keypoints_without_box_after_one_with():
    data = keypoint_data(0)
    del data[1][4]['bbox']
    assert_names(refused(data, 'keypoints'), 'the results: 1 of 40', "'bbox'", 'entry 4', 'first')


def test_keypoints_in_a_file_without():
    data = lvis_data(0)
    assert_names(refused(data, 'keypoints'), 'boxes', "'keypoints'")


@pytest.mark.parametrize(
    'sigmas, facts',
    [
        ([0.1] * 3, ['17 keypoints', '3 sigmas']),
        ([0.1] * 16 + [0], ['sigmas', 'positive']),
        ([0.1] * 16 + [NAN], ['sigmas', 'positive']),
        ([], ['sigmas', '[]']),
    ],
)
def test_sigmas(sigmas, facts):
    assert_names(refused(keypoint_data(0), 'keypoints', sigmas=sigmas), *facts)


def test_unknown_sigmas():
    message = refused(keypoint_data(0, num_keypoints=5), 'keypoints')
    assert_names(message, '5 keypoints', '17 (COCO)', '14 (CrowdPose)', '5 sigmas')


def test_sigmas_are_for_keypoints():
    assert_names(refused(lvis_data(0), 'bbox', sigmas=[0.1]), 'sigmas', 'keypoints', "'bbox'")


def test_other_keypoints_of_the_same_number():
    truth, results = keypoint_data(0, num_keypoints=14)
    names = [
        'right_shoulder',
        'right_elbow',
        'right_wrist',
        'left_shoulder',
        'left_elbow',
        'left_wrist',
    ]
    truth['categories'][0]['keypoints'] = [*names, *'abcdefgh']
    with pytest.warns(UserWarning, match=r"CrowdPose.*keypoint 1 .*'right_elbow'.*'shoulder'"):
        evaluate_lrp(truth, results, 'keypoints')


@pytest.mark.parametrize('key', ['neg_category_ids', 'not_exhaustive_category_ids'])
@pytest.mark.parametrize('value', [None, 5, 'text', {}, [[1]], [1, NAN], [True]])
def test_lists_of_lvis(key, value):
    data = lvis_data(0)
    data[0]['images'][1][key] = value
    message = refused(data, 'bbox')
    assert_names(message, 'the ground truth: 1 images', key, repr(value), 'id 3')
    del data[0]['images'][1][key]
    message = refused(data, 'bbox')
    assert_names(message, 'the ground truth: 1 of 3 images', f"'{key}'", 'id 3')


def test_frequency_of_lvis():
    data = lvis_data(0)
    data[0]['categories'][1]['frequency'] = 'often'
    assert_names(refused(data, 'bbox'), '1 categories', 'frequency', "'often' (id 4)", 'r (rare)')
    del data[0]['categories'][1]['frequency']
    assert_names(refused(data, 'bbox'), '1 of 5 categories', "'frequency'", 'id 4')


def test_unknown_image_of_lvis():
    data = lvis_data(0)
    data[1][4]['image_id'] = 99
    assert_names(refused(data, 'bbox'), 'image_id', '99', 'entry 4')


@pytest.mark.parametrize('value', [[1], {}, None, NAN, True])
def test_category_of_lvis_that_is_no_id(value):
    data = lvis_data(0)
    data[1][4]['category_id'] = value
    assert_names(refused(data, 'bbox'), '1 of', 'category_id', f'{value!r} (entry 4')


def test_first_result_without_keypoints():
    """Results are not evaluated as boxes because one of them lacks its keypoints."""
    data = keypoint_data(0)
    del data[1][0]['keypoints']
    assert_names(refused(data, None), '1 of', "'keypoints'", 'entry 0')


def test_rules():
    data = keypoint_data(0)
    assert_names(refused(data, 'keypoints', rules='lvis'), 'LVIS', 'keypoints')
    assert_names(refused(data, 'bbox', rules='mine'), 'rules', 'coco, lvis', "'mine'")
    assert_names(refused(data, 'bbox', rules='lvis'), '3 of 3 images', "'neg_category_ids'")


@pytest.mark.parametrize('data', [keypoint_data(0), lvis_data(0)])
def test_no_detections_at_all(data):
    iou_type = 'keypoints' if 'keypoints' in data[1][0] else 'bbox'
    evaluation = evaluate_lrp(data[0], [], iou_type)
    assert (evaluation.summary['AP'], evaluation.summary['oLRP']) == (0, 1)
    assert evaluation.summary['oLRP_fn'] == 1 and evaluation.summary['oLRP_loc'] == -1
    per_category = evaluation.to_dict()['per_category']
    for name in ('olrp_loc', 'olrp_fp', 'lrp_opt_thr'):
        assert {value for row in per_category[name] for value in row} <= {None, -1}


def test_no_objects_at_all():
    for truth, results in (keypoint_data(0), lvis_data(0)):
        iou_type = 'keypoints' if 'keypoints' in results[0] else 'bbox'
        evaluation = evaluate_lrp(dict(truth, annotations=[]), results, iou_type)
        assert set(evaluation.summary.values()) == {-1}
        assert (evaluation.olrp == -1).all()


def test_task_is_found_in_the_files():
    keypoints, lvis = keypoint_data(0), lvis_data(0)
    assert str(evaluate_lrp(*keypoints, None).task) == 'keypoints, COCO rules'
    assert str(evaluate_lrp(*lvis, None).task) == 'bbox, LVIS rules'
    assert str(evaluate_lrp(*lvis, None, rules='coco').task) == 'bbox, COCO rules'
    assert find_iou_type(lvis[0], keypoints[1]) == 'bbox'  # no keypoints to compare with
    assert find_iou_type(keypoints[0], lvis[1]) == 'bbox'
    assert find_iou_type(lvis[0], [dict(segmentation={}, score=1)]) == 'segm'
    with pytest.warns(UserWarning, match='boxes and masks: boxes are evaluated.*--iou-type segm'):
        both = [dict(bbox=[0, 0, 1, 1], segmentation=dict(size=[1, 1], counts='11'), score=1)]
        assert find_iou_type(lvis[0], both) == 'bbox'
    assert find_iou_type(keypoints[0], []) == 'keypoints'
    v05 = [dict(id=1, not_exhaustive_category_ids=[])]
    assert find_task(dict(images=v05)).rules == 'lvis'
    assert find_task(dict(categories=[dict(id=1, frequency=3)])).rules == 'coco'
    for odd in (None, [], dict(images=7, annotations={}), dict(images=[1])):
        assert (find_task(odd).rules, find_iou_type(odd, odd)) == ('coco', 'bbox')


def test_areas_of_lvis_are_kept_as_they_are():
    """For COCO, an area that is not positive is replaced by that of the box."""
    truth, results = lvis_data(0)
    for annotation in truth['annotations']:
        annotation['area'] = -1
    assert set(evaluate_lrp(truth, results).summary.values()) == {-1}


def test_more_detections_than_the_limit_of_an_image():
    """Classes that were not searched for use up places, and so do empty boxes."""
    truth, _ = lvis_data(0, num_objects=1)
    [found] = truth['annotations']
    found.update(area=500.0, ignore=0)
    image = next(i for i in truth['images'] if i['id'] == found['image_id'])
    image['neg_category_ids'], image['not_exhaustive_category_ids'] = [], []
    good = dict(image_id=found['image_id'], category_id=found['category_id'], bbox=found['bbox'])
    other = dict(good, category_id=77, score=0.9)
    empty = dict(good, bbox=[1, 1, 0, 5], score=0.8)
    results = [dict(good, score=0.5), *[other] * 200, *[empty] * 99]
    evaluation = evaluate_lrp(truth, results)
    assert evaluation.summary['oLRP'] == 0 and len(evaluation.matches.score) == 1
    assert evaluate_lrp(truth, [*results, empty]).summary['oLRP'] == 1


def test_report_of_any_task(tmp_path):
    pytest.importorskip('plotly')
    from alrp.lrp.report import make_report

    for data, names in (
        (keypoint_data(0), ['AR50', 'OKS', 'medium', 'keypoints']),
        (lvis_data(0), ['rare', 'frequent', 'per image<', 'rules of LVIS']),
    ):
        evaluation = evaluate_lrp(*data, None)
        page = make_report(dict(a=evaluation, b=evaluation))
        assert all(name in page for name in names[1:])
        content = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
        assert content['sizes']['names'] == evaluation.areas[1:]
        assert content['measure'] == evaluation.task.measure
        head = re.findall(r'<button type="button">([^<]+)</button></th>', page)
        assert ('Small' in head) == ('Frequency' in head) == ('small' in evaluation.areas)
