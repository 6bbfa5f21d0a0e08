"""Thresholds applied to models of all kinds."""

import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.models import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.model import MMDistributedDataParallel
from thresholds_helpers import SCORES, FixedDetector, sample

import alrp_mmdet  # noqa: F401 - registers
from alrp_mmdet.deploy.thresholds import apply_thresholds

CONFIGS = Path(__file__).parents[2] / 'configs'
THRESHOLDS = [0.5, 0.2, math.inf]


def with_views(detector, type='nms', **nms):
    """The detector with test-time augmentation."""
    nms = dict(type=type, iou_threshold=0.5, **nms)
    return DetTTAModel(ConfigDict(nms=nms, max_per_img=9), module=detector)


def scores_of(samples):
    return [s.pred_instances.scores.tolist() for s in samples]


def kept(*expected):
    return [pytest.approx(scores) for scores in expected]


def test_detections_below_the_threshold_of_their_class_are_dropped():
    panoptic = DetDataSample()
    model = FixedDetector(sample(), sample([], []), panoptic, sample([0.4, 0.2], [0, 1]))
    apply_thresholds(model, torch.tensor(THRESHOLDS))
    found = model.test_step(dict(inputs=None))
    assert scores_of([found[0], found[1], found[3]]) == kept([0.9, 0.5, 0.5], [], [0.2])
    assert found[0].pred_instances.labels.tolist() == [0, 1, 0]
    assert 'pred_instances' not in found[2]


def test_all_fields_of_a_detection_are_dropped():
    pixels = torch.arange(5)[:, None, None].expand(5, 4, 6)
    model = FixedDetector(sample(masks=pixels, names=list('abcde'), areas=np.arange(5)))
    apply_thresholds(model, THRESHOLDS)
    found = model.test_step(dict(inputs=None))[0].pred_instances
    assert found.bboxes[:, 0].tolist() == [0, 4, 8]
    assert found.masks[:, 0, 0].tolist() == [0, 1, 2]
    assert (found.names, found.areas.tolist()) == (['a', 'b', 'c'], [0, 1, 2])
    with apply_thresholds(model, [math.inf] * 3):
        nothing = model.test_step(dict(inputs=None))[0].pred_instances
    assert nothing.masks.shape == (0, 4, 6) and nothing.names == []


def test_half_precision_scores():
    found = sample()
    found.pred_instances.scores = found.pred_instances.scores.half()
    model = FixedDetector(found)
    apply_thresholds(model, [*found.pred_instances.scores[[0, 1]].tolist(), 0])
    assert scores_of(model.test_step(dict(inputs=None))) == [
        [found.pred_instances.scores[i].item() for i in (0, 1, 3)]
    ]


def test_other_modes_and_the_state_dict_do_not_change():
    model = FixedDetector(sample())
    names = list(model.state_dict())
    apply_thresholds(model, THRESHOLDS)
    assert list(model.state_dict()) == names
    assert scores_of(model(None)) == scores_of(model(None, mode='tensor')) == kept(SCORES)
    assert model(None, None, 'loss').keys() == {'loss'}
    assert scores_of(model(None, None, 'predict')) == kept(SCORES[:3])


@pytest.mark.parametrize('augmented', [False, True])
def test_removal(augmented):
    model, data = FixedDetector(sample()), dict(inputs=[0])
    if augmented:
        model, data = with_views(model), dict(inputs=[[0]])
    before = set(vars(model))
    first = apply_thresholds(model, THRESHOLDS)
    assert scores_of(model.test_step(data)) == kept(SCORES[:3])
    second = apply_thresholds(model, [0.9, 0.6, 0])  # replaces the first
    assert scores_of(model.test_step(data)) == kept([0.9, 0.3])
    first.remove()
    assert scores_of(model.test_step(data)) == kept([0.9, 0.3])
    second.remove()
    second.remove()
    assert scores_of(model.test_step(data)) == kept(SCORES)
    assert set(vars(model)) == before
    assert not model._forward_hooks
    with apply_thresholds(model, THRESHOLDS), pytest.raises(KeyError):
        raise KeyError
    assert scores_of(model.test_step(data)) == kept(SCORES)


@pytest.mark.parametrize('augmented', [False, True])
@pytest.mark.parametrize('duplicate', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_its_own_thresholds(augmented, duplicate):
    model, data = FixedDetector(sample()), dict(inputs=[0])
    if augmented:
        model, data = with_views(model), dict(inputs=[[0]])
    apply_thresholds(model, THRESHOLDS)
    other = duplicate(model)
    apply_thresholds(other, [1, 1, 1])
    assert scores_of(other.test_step(data)) == [[]]
    other.prediction_steps.steps[0].remove()
    assert scores_of(other.test_step(data)) == kept(SCORES)
    assert scores_of(model.test_step(data)) == kept(SCORES[:3])


def test_thresholds_apply_after_augmented_views_are_merged():
    """Soft NMS lowers scores. The lowered scores count."""
    views = [sample([0.9], [0]), sample([0.6], [0])]  # one object, seen twice
    for view in views:
        view.pred_instances.bboxes = torch.tensor([[0.0, 0, 10, 10]])
    model = with_views(FixedDetector(*views), type='soft_nms', min_score=0.0)
    data = dict(inputs=[[0], [1]])
    merged = scores_of(model.test_step(data))[0]
    assert len(merged) == 2 and merged[1] < 0.5
    apply_thresholds(model, THRESHOLDS)
    assert scores_of(model.test_step(data)) == kept([0.9])


def test_within_data_parallel():
    model = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    torch.nn.Module.__init__(model)  # the constructor of the wrapper would wait for other processes
    model.module = FixedDetector(sample())
    applied = apply_thresholds(model, THRESHOLDS)
    assert scores_of(model.test_step(dict(inputs=None))) == kept(SCORES[:3])
    applied.remove()
    assert scores_of(model.test_step(dict(inputs=None))) == kept(SCORES)


@pytest.mark.parametrize(
    'model, thresholds, error, message',
    [
        (torch.nn.Linear(1, 1), [0.5], TypeError, 'got a Linear'),
        (FixedDetector(), 0.5, ValueError, r'one threshold per class, got 0\.5'),
        (FixedDetector(), [[0.5]], ValueError, r'one threshold per class, got \[\[0\.5'),
        (FixedDetector(), [0.5, math.nan], ValueError, 'one threshold per class.*nan'),
    ],
)
def test_wrong_use(model, thresholds, error, message):
    with pytest.raises(error, match=message):
        apply_thresholds(model, thresholds)


def by_init_detector(config):
    model = init_detector(config, device='cpu')
    return model, lambda picture: inference_detector(model, picture)


def by_inferencer(config):
    inferencer = DetInferencer(config, device='cpu', show_progress=False)
    options = dict(no_save_vis=True, return_datasamples=True)
    return inferencer.model, lambda picture: inferencer(picture, **options)['predictions'][0]


@pytest.mark.filterwarnings('ignore::UserWarning')  # there is no checkpoint
@pytest.mark.parametrize(
    'prepare, config',
    [
        (by_init_detector, 'faster_rcnn/alrp_faster-rcnn_r18_fpn_12e_bccd'),
        (by_inferencer, 'atss/focal_atss_r18_fpn_12e_bccd'),
    ],
)
def test_the_apis_of_mmdetection_apply_thresholds(prepare, config):
    """Keep the better half of the most frequent class of an untrained detector."""
    torch.manual_seed(0)
    model, detect = prepare(str(CONFIGS / f'{config}.py'))
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    whole = detect(picture).pred_instances
    label = whole.labels.mode().values
    median = whole.scores[whole.labels == label].median()
    expected = whole[(whole.labels == label) & (whole.scores >= median)]
    assert 1 < len(expected) < len(whole)
    thresholds = torch.full((3,), math.inf)
    thresholds[label] = median
    apply_thresholds(model, thresholds)
    found = detect(picture).pred_instances
    for name in ('scores', 'labels', 'bboxes'):
        assert torch.equal(found[name], expected[name])
