"""Bad input of the metric for your own loop, and images without anything."""

import numpy as np
import pytest

from alrp.lrp import LRPMetric

GOOD_PREDICTION = dict(boxes=[[0, 0, 4, 4]], scores=[0.5], labels=[1])
GOOD_TARGET = dict(boxes=[[0, 0, 4, 4], [1, 1, 2, 2]], labels=[1, 0])
WRONG = {
    'not a list': (GOOD_PREDICTION, [GOOD_TARGET], ['predictions', 'dict']),
    'other length': ([GOOD_PREDICTION] * 2, [GOOD_TARGET], ['2', '1']),
    'not a dict': ([[]], [GOOD_TARGET], ['predictions[0]', 'list']),
    'no scores': ([GOOD_TARGET], [GOOD_TARGET], ['predictions[0]', "'scores'"]),
    'scores': (dict(scores=[0.1, 0.2]), {}, ["predictions[0]['scores']", '(1,)', '(2,)']),
    'negative score': (dict(scores=[-0.25]), {}, ["predictions[0]['scores']", '-0.25']),
    'NaN score': (dict(scores=[float('nan')]), {}, ["predictions[0]['scores']", 'nan']),
    'boxes': ({}, dict(boxes=[[0, 0, 1]]), ["targets[0]['boxes']", '(2, 4)', '(1, 3)']),
    'ragged': ({}, dict(boxes=[[0, 0, 1], [1]]), ["targets[0]['boxes']"]),
    'text': (dict(boxes=[['a'] * 4]), {}, ["predictions[0]['boxes']", 'a']),
    'infinite': (dict(boxes=[[0, 0, 1, float('inf')]]), {}, ["predictions[0]['boxes']", 'inf']),
    'format': ({}, dict(boxes=[[9, 9, 1, 1]] * 2), ["targets[0]['boxes']", 'xyxy', 'box_format']),
    'float labels': (dict(labels=[0.5]), {}, ["predictions[0]['labels']", 'float64']),
    'label': (dict(labels=[2]), {}, ["predictions[0]['labels']", '2', '0 to 1']),
    'area': ({}, dict(area=[1.0]), ["targets[0]['area']", '(2,)', '(1,)']),
    'crowd': ({}, dict(iscrowd=[-1, 0]), ["targets[0]['iscrowd']", '-1']),
    'id': ({}, dict(image_id=[1, 2]), ["targets[0]['image_id']", '[1, 2]']),
}


@pytest.mark.parametrize('case', WRONG)
def test_bad_input_is_named(case):
    prediction, target, facts = WRONG[case]
    if isinstance(prediction, dict) and isinstance(target, dict):
        prediction, target = [GOOD_PREDICTION | prediction], [GOOD_TARGET | target]
    metric = LRPMetric(classes=['a', 'b'])
    metric.update([GOOD_PREDICTION], [GOOD_TARGET])
    with pytest.raises(ValueError) as error:
        metric.update(prediction, target)
    assert all(fact in str(error.value) for fact in facts), str(error.value)
    assert len(metric) == 1  # nothing was added


def test_bad_masks_are_named():
    pytest.importorskip('pycocotools')
    target = dict(masks=np.ones((1, 4, 5), bool), labels=[0])
    metric = LRPMetric(iou_type='segm')
    for masks, facts in (
        (np.ones((1, 1, 4, 5)), ['(1, 1, 4, 5)']),
        (np.full((1, 4, 5), 0.7), ['float64', '0.5']),
        (np.full((1, 4, 5), 255), ['int64', '0 and 1', '255', '> 127']),
        (np.full((1, 4, 5), 7.3), ['float64', 'up to 7.3', '> THRESHOLD']),
        (np.ones((1, 0, 5)), ['float64', 'up to 0']),
        (np.ones((1, 5, 4), bool), ['5 x 4', '4 x 5']),
    ):
        with pytest.raises(ValueError) as error:
            metric.update([dict(masks=masks, labels=[0], scores=[1])], [target])
        assert all(fact in str(error.value) for fact in facts), str(error.value)
    assert len(metric) == 0


@pytest.mark.parametrize(
    ('arguments', 'fact'),
    [
        (dict(box_format='yxyx'), 'xyxy, xywh, cxcywh'),
        (dict(iou_type='keypoints'), 'bbox, segm'),
        (dict(classes='cat'), 'cat'),
        (dict(max_dets=[0]), 'max_dets'),
        (dict(iou_thresholds=[0]), 'iou_thresholds'),
    ],
)
def test_bad_arguments_are_named(arguments, fact):
    with pytest.raises(ValueError, match=fact):
        LRPMetric(**arguments)


def test_some_images_without_an_id():
    metric = LRPMetric()
    with pytest.raises(ValueError, match=r"1 of 2 .*'image_id'"):
        metric.update([GOOD_PREDICTION] * 2, [GOOD_TARGET, dict(**GOOD_TARGET, image_id='a')])


def test_ids_of_several_updates():
    metric = LRPMetric()
    for image_id in (1, 2):
        metric.update([GOOD_PREDICTION], [dict(GOOD_TARGET, image_id=image_id)])
    for target, facts in (
        (dict(GOOD_TARGET, image_id=1), r'twice.*1'),
        (GOOD_TARGET, r"1 of 3 .*'image_id'"),
    ):
        with pytest.raises(ValueError, match=facts):
            metric.update([GOOD_PREDICTION], [target])
    assert len(metric) == 2
    metric.reset()
    metric.update([GOOD_PREDICTION], [GOOD_TARGET])
    with pytest.raises(ValueError, match=r"1 of 2 .*'image_id'"):
        metric.update([GOOD_PREDICTION], [dict(GOOD_TARGET, image_id=1)])


@pytest.mark.parametrize('with_ids', [False, True])
def test_an_update_does_not_look_at_earlier_images(with_ids, monkeypatch):
    """Else the time for N images would grow with N squared."""
    monkeypatch.setattr('alrp.lrp.streaming.check_ids', None)
    metric = LRPMetric()
    for image_id in range(3):
        target = dict(GOOD_TARGET, image_id=image_id) if with_ids else GOOD_TARGET
        metric.update([GOOD_PREDICTION], [target])
    assert len(metric) == 3


def test_images_without_anything():
    """No detections: AP 0, LRP 1. Neither detections nor objects: undefined."""
    nothing = dict(boxes=[], scores=[], labels=[])
    metric = LRPMetric()
    metric.update([nothing], [dict(boxes=np.zeros((0, 4)), labels=np.zeros(0))])
    assert metric.compute().summary['oLRP'] == -1
    metric.update([nothing], [GOOD_TARGET])
    assert metric.compute().summary['oLRP'] == 1 and metric.compute().summary['AP'] == 0


def test_predictions_of_negative_size_give_a_warning():
    metric = LRPMetric()
    with pytest.warns(UserWarning, match="negative width or height in the format 'xyxy'"):
        metric.update([dict(GOOD_PREDICTION, boxes=[[9, 9, 1, 1]])], [GOOD_TARGET])
    assert metric.compute().summary['AP'] == 0


def test_whole_numbers_are_ids():
    metric = LRPMetric()
    metric.update([GOOD_PREDICTION], [dict(GOOD_TARGET, image_id=1.0)])
    with pytest.raises(ValueError, match='twice, with image_id 1'):
        metric.update([GOOD_PREDICTION], [dict(GOOD_TARGET, image_id=1)])
    with pytest.raises(ValueError, match=r'whole number or text, got 1\.5'):
        metric.update([GOOD_PREDICTION], [dict(GOOD_TARGET, image_id=1.5)])
