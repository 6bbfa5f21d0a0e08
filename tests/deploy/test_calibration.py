"""Calibration applied to models, alone and with thresholds."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from mmdet.models import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from thresholds_helpers import CLASSES, LABELS, SCORES, FixedDetector, sample

from alrp.lrp.calibration import Calibration, CalibrationError, ScoreCurve
from alrp_mmdet.deploy.calibration import apply_calibration, read_calibration
from alrp_mmdet.deploy.thresholds import apply_thresholds


def curve(x, y):
    return ScoreCurve(np.array([0, x, 1.0]), np.array([0, y, 1.0]))


CALIBRATION = Calibration(
    dict(cat=curve(0.5, 0.2), dog=curve(0.1, 0.8), bird=curve(0.3, 0.31)), ('bird',)
)
# Of SCORES, before the detections are sorted.
CALIBRATED = [0.2 + 0.8 * 0.8, 0.8 + 0.2 * 4 / 9, 0.2, 0.31, 0.8]
DATA = dict(inputs=None)


def found_by(model, data=DATA):
    [result] = model.test_step(data)
    return result.pred_instances


def test_scores_are_calibrated_by_class_and_sorted():
    panoptic = DetDataSample()
    model = FixedDetector(sample(names=list('abcde')), panoptic, sample([], []))
    apply_calibration(model, CALIBRATION)
    first, second, third = model.test_step(DATA)
    order = np.argsort(-np.array(CALIBRATED), kind='stable')
    found = first.pred_instances
    assert found.scores.dtype == torch.float64
    np.testing.assert_allclose(found.scores, np.array(CALIBRATED)[order], atol=1e-7)
    assert found.labels.tolist() == np.array(LABELS)[order].tolist()
    assert found.names == [list('abcde')[i] for i in order]
    assert found.bboxes[:, 0].tolist() == [4.0 * i for i in order]
    assert 'pred_instances' not in second and len(third.pred_instances) == 0


def test_scores_that_float32_cannot_tell_apart_stay_different():
    scores = np.nextafter(np.float32(0.5), np.float32([0, 1])).astype(float).tolist()
    flat = ScoreCurve(np.array([0, 1.0]), np.array([0.5, 0.5001]))
    model = FixedDetector(sample(scores, [0, 0]))
    apply_calibration(model, Calibration(dict.fromkeys(CLASSES, flat)))
    high, low = found_by(model).scores.tolist()
    assert high > low and np.float32(high) == np.float32(low)


class OnAppleGPU(torch.Tensor):
    """Has no float64 until it is on the CPU."""

    def __deepcopy__(self, memo):
        return self

    def double(self):
        raise TypeError('the MPS framework does not support float64')

    def cpu(self):
        return torch.tensor(self.tolist(), dtype=self.dtype)


def test_devices_without_float64():
    detections = sample()
    detections.pred_instances.scores = detections.pred_instances.scores.as_subclass(OnAppleGPU)
    model = FixedDetector(detections)
    apply_calibration(model, CALIBRATION)
    np.testing.assert_allclose(
        found_by(model).scores.tolist(), sorted(CALIBRATED, reverse=True), atol=1e-7
    )


@pytest.mark.parametrize('calibration_first', [False, True])
@pytest.mark.parametrize('augmented', [False, True])
def test_thresholds_are_for_the_scores_of_the_model(calibration_first, augmented):
    model, data = FixedDetector(sample()), dict(inputs=[0])
    if augmented:
        nms = dict(type='nms', iou_threshold=0.99)
        model = DetTTAModel(ConfigDict(nms=nms, max_per_img=9), module=model)
        data = dict(inputs=[[0]])
    before = set(vars(model))
    steps = [
        lambda: apply_thresholds(model, [0.6, 0.2, math.inf]),
        lambda: apply_calibration(model, CALIBRATION),
    ]
    applied = [step() for step in (reversed(steps) if calibration_first else steps)]
    expected = sorted(CALIBRATED[:2], reverse=True)
    assert found_by(model, data).scores.tolist() == pytest.approx(expected)
    if not augmented:
        other = copy.deepcopy(model)
        other.prediction_steps.steps[0].remove()
        assert len(found_by(other, data)) == len(SCORES)
        assert len(found_by(model, data)) == 2
    for step in applied:
        step.remove()
        step.remove()
    assert found_by(model, data).scores.tolist() == pytest.approx(SCORES)
    assert set(vars(model)) == before and not model._forward_hooks


def test_each_step_is_removed_alone():
    model = FixedDetector(sample())
    thresholds, calibration = (
        apply_thresholds(model, [0.6, 0.2, 0]),
        apply_calibration(model, CALIBRATION),
    )
    thresholds.remove()
    assert len(found_by(model)) == len(SCORES)
    thresholds = apply_thresholds(model, [0.6, 0.2, 0])
    calibration.remove()
    assert found_by(model).scores.tolist() == pytest.approx([0.9, 0.5, 0.3])
    with apply_calibration(model, CALIBRATION):
        assert len(found_by(model)) == 3 and found_by(model).scores[0] > 0.88
    assert found_by(model).scores.tolist() == pytest.approx([0.9, 0.5, 0.3])


@pytest.mark.parametrize('score_thr', [0, 0.25, 0.85, 1])
def test_a_threshold_for_calibrated_scores(score_thr):
    model = FixedDetector(sample())
    apply_calibration(model, CALIBRATION, score_thr)
    kept = [x for x in CALIBRATED if x >= score_thr]
    assert found_by(model).scores.tolist() == pytest.approx(sorted(kept, reverse=True))


def test_files_and_models_that_do_not_fit(tmp_path, mmengine_log):
    path = tmp_path / 'calibration.json'
    path.write_text(CALIBRATION.to_json())
    for classes in itertools.permutations(CLASSES):
        read = read_calibration(path, classes)
        assert tuple(read.curves) == classes
        assert read.curves['dog'](0.1) == pytest.approx(0.8)
    assert str(path) in mmengine_log.text and 'bird' in mmengine_log.text
    with pytest.raises(CalibrationError, match=r'calibration\.json.*no curve .*fish'):
        read_calibration(path, (*CLASSES, 'fish'))
    with pytest.raises(TypeError, match='got a Linear'):
        apply_calibration(torch.nn.Linear(1, 1), CALIBRATION)
