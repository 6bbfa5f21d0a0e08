"""Detections cut off at thresholds: the file, models of all kinds, and the hook of a runner."""

import copy
import json
import logging
import math
import pickle
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from coco_helpers import make_data
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.models import DetTTAModel
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from mmengine.structures import InstanceData

import alrp_mmdet  # noqa: F401 - registers
from alrp.lrp import evaluate_lrp
from alrp_mmdet.cli import exit_on_error
from alrp_mmdet.deploy.thresholds import ThresholdsError, apply_thresholds, read_thresholds

CONFIGS = Path(__file__).parents[2] / 'configs'
CLASSES = ('cat', 'dog', 'bird')
SCORES, LABELS = [0.9, 0.5, 0.5, 0.3, 0.1], [0, 1, 0, 2, 1]


@pytest.fixture(autouse=True)
def logged(caplog, monkeypatch):
    """What MMEngine's logger says."""
    logger = MMLogger.get_instance('thresholds')
    monkeypatch.setattr(logger, 'handlers', [caplog.handler])
    monkeypatch.setattr(MMLogger, 'get_current_instance', classmethod(lambda cls: logger))
    caplog.set_level(logging.INFO)
    return caplog


def write(tmp_path, thresholds):
    path = tmp_path / 'thresholds.json'
    path.write_text(json.dumps(dict(thresholds=thresholds, iou_type='bbox')))
    return path


def sample(scores=SCORES, labels=LABELS, **fields):
    n = len(scores)
    found = InstanceData(
        scores=torch.tensor(scores, dtype=torch.float32).reshape(n),
        labels=torch.tensor(labels, dtype=torch.long).reshape(n),
        bboxes=torch.arange(4.0 * n).reshape(n, 4),
        **fields,
    )
    meta = dict(img_id=0, ori_shape=(48, 64), flip=False, flip_direction=None)
    return DetDataSample(metainfo=meta, pred_instances=found)


class Detector(BaseModel):
    """Finds what it is told to find, one sample after the other."""

    def __init__(self, *samples):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.samples = samples

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.weight.sum())
        chosen = self.samples if inputs is None else [self.samples[int(i)] for i in inputs]
        return copy.deepcopy(list(chosen))


def with_views(detector, type='nms', **nms):
    nms = dict(type=type, iou_threshold=0.5, **nms)
    return DetTTAModel(ConfigDict(nms=nms, max_per_img=9), module=detector)


def scores_of(samples):
    return [s.pred_instances.scores.tolist() for s in samples]


def kept(*expected):
    return [pytest.approx(scores) for scores in expected]


class TestFile:
    def test_classes_go_by_their_names(self, tmp_path, logged):
        path = write(tmp_path, dict(bird=0.25, cat=1, dog=0.7))
        thresholds = read_thresholds(path, CLASSES)
        assert thresholds.dtype == torch.float32
        assert thresholds.tolist() == [1, pytest.approx(0.7), 0.25]
        assert logged.text == ''

    def test_undefined_thresholds_are_out_of_reach(self, tmp_path, logged):
        path = write(tmp_path, dict(bird=None, cat=0.5, dog=None))
        assert read_thresholds(str(path), CLASSES).tolist() == [0.5, math.inf, math.inf]
        [record] = logged.records
        assert record.levelname == 'WARNING'
        assert 'no threshold for dog, bird (null' in record.message

    @pytest.mark.parametrize(
        'by_class, message',
        [
            (dict(cat=1, dog=1), 'it has no threshold for bird$'),
            (dict(cat=1, dog=1, bird=1, cow=1), 'the model has no class cow$'),
            (dict(cat=1, cow=1), 'no threshold for dog, bird, and the model has no class cow$'),
        ],
    )
    def test_of_other_classes(self, tmp_path, by_class, message):
        with pytest.raises(ThresholdsError, match=rf'thresholds\.json is not for this.*{message}'):
            read_thresholds(write(tmp_path, by_class), CLASSES)

    @pytest.mark.parametrize(
        'content, message',
        [
            (b'', 'is not JSON'),
            (b'{"thresholds": {"cat": 0.5', 'is not JSON'),
            (b'\xff\xfe\x00', 'is not JSON'),
            (b'{}', 'needs an object "thresholds"'),
            (b'[0.5]', 'needs an object "thresholds"'),
            (b'{"thresholds": [0.5]}', 'needs an object "thresholds"'),
            (b'{"thresholds": {"cat": "0.5"}}', "threshold of cat must be a number.*is '0.5'"),
            (b'{"thresholds": {"cat": true}}', 'threshold of cat must be a number.*is True'),
            (b'{"thresholds": {"cat": [1]}}', 'threshold of cat must be a number'),
            (b'{"thresholds": {"cat": NaN}}', 'threshold of cat must be a number.*is nan'),
            (b'{"thresholds": {"cat": Infinity}}', 'threshold of cat must be a number'),
        ],
    )
    def test_malformed(self, tmp_path, content, message):
        path = tmp_path / 'bad.json'
        path.write_bytes(content)
        with pytest.raises(ThresholdsError, match=rf'bad\.json.*{message}') as error:
            read_thresholds(path, ['cat'])
        assert isinstance(error.value, ValueError)

    def test_is_told_in_a_line_by_the_tools(self, tmp_path):
        path = write(tmp_path, dict(cat=1))
        with pytest.raises(SystemExit, match=r'^error: .*for dog, bird$'), exit_on_error():
            read_thresholds(path, CLASSES)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r'there is no file .*gone\.json'):
            read_thresholds(tmp_path / 'gone.json', CLASSES)


class TestModel:
    thresholds = [0.5, 0.2, math.inf]

    def test_keeps_what_reaches_the_threshold_of_its_class(self):
        panoptic = DetDataSample()
        model = Detector(sample(), sample([], []), panoptic, sample([0.4, 0.2], [0, 1]))
        apply_thresholds(model, torch.tensor(self.thresholds))
        found = model.test_step(dict(inputs=None))
        assert scores_of([found[0], found[1], found[3]]) == kept([0.9, 0.5, 0.5], [], [0.2])
        assert found[0].pred_instances.labels.tolist() == [0, 1, 0]
        assert 'pred_instances' not in found[2]

    def test_everything_of_a_detection_goes_with_it(self):
        pixels = torch.arange(5)[:, None, None].expand(5, 4, 6)
        model = Detector(sample(masks=pixels, names=list('abcde'), areas=np.arange(5)))
        apply_thresholds(model, self.thresholds)
        found = model.test_step(dict(inputs=None))[0].pred_instances
        assert found.bboxes[:, 0].tolist() == [0, 4, 8]
        assert found.masks[:, 0, 0].tolist() == [0, 1, 2]
        assert (found.names, found.areas.tolist()) == (['a', 'b', 'c'], [0, 1, 2])
        with apply_thresholds(model, [math.inf] * 3):
            nothing = model.test_step(dict(inputs=None))[0].pred_instances
        assert nothing.masks.shape == (0, 4, 6) and nothing.names == []

    def test_scores_of_half_precision(self):
        found = sample()
        found.pred_instances.scores = found.pred_instances.scores.half()
        model = Detector(found)
        apply_thresholds(model, [*found.pred_instances.scores[[0, 1]].tolist(), 0])
        assert scores_of(model.test_step(dict(inputs=None))) == [
            [found.pred_instances.scores[i].item() for i in (0, 1, 3)]
        ]

    def test_other_modes_and_weights_stay(self):
        model = Detector(sample())
        names = list(model.state_dict())
        apply_thresholds(model, self.thresholds)
        assert list(model.state_dict()) == names
        assert scores_of(model(None)) == scores_of(model(None, mode='tensor')) == kept(SCORES)
        assert model(None, None, 'loss').keys() == {'loss'}
        assert scores_of(model(None, None, 'predict')) == kept(SCORES[:3])

    @pytest.mark.parametrize('augmented', [False, True])
    def test_undone(self, augmented):
        model, data = Detector(sample()), dict(inputs=[0])
        if augmented:
            model, data = with_views(model), dict(inputs=[[0]])
        before = set(vars(model))
        first = apply_thresholds(model, self.thresholds)
        assert scores_of(model.test_step(data)) == kept(SCORES[:3])
        second = apply_thresholds(model, [0.9, 0.6, 0])  # instead of the first, not on top of it
        assert scores_of(model.test_step(data)) == kept([0.9, 0.3])
        first.remove()
        assert scores_of(model.test_step(data)) == kept([0.9, 0.3])
        second.remove()
        second.remove()
        assert scores_of(model.test_step(data)) == kept(SCORES)
        assert set(vars(model)) == before
        assert not model._forward_hooks
        with apply_thresholds(model, self.thresholds), pytest.raises(KeyError):
            raise KeyError
        assert scores_of(model.test_step(data)) == kept(SCORES)

    @pytest.mark.parametrize('augmented', [False, True])
    @pytest.mark.parametrize('duplicate', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_a_copy_has_thresholds_of_its_own(self, augmented, duplicate):
        model, data = Detector(sample()), dict(inputs=[0])
        if augmented:
            model, data = with_views(model), dict(inputs=[[0]])
        apply_thresholds(model, self.thresholds)
        other = duplicate(model)
        apply_thresholds(other, [1, 1, 1])
        assert scores_of(other.test_step(data)) == [[]]
        other.applied_thresholds.remove()
        assert scores_of(other.test_step(data)) == kept(SCORES)
        assert scores_of(model.test_step(data)) == kept(SCORES[:3])

    def test_behind_the_merging_of_augmented_views(self):
        """Where soft NMS lowers scores, what counts are the scores that come out."""
        views = [sample([0.9], [0]), sample([0.6], [0])]  # one object, seen twice
        for view in views:
            view.pred_instances.bboxes = torch.tensor([[0.0, 0, 10, 10]])
        model = with_views(Detector(*views), type='soft_nms', min_score=0.0)
        data = dict(inputs=[[0], [1]])
        merged = scores_of(model.test_step(data))[0]
        assert len(merged) == 2 and merged[1] < 0.5
        apply_thresholds(model, self.thresholds)
        assert scores_of(model.test_step(data)) == kept([0.9])

    def test_within_data_parallel(self):
        model = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
        torch.nn.Module.__init__(model)  # and not the wrapper's own, which waits for processes
        model.module = Detector(sample())
        applied = apply_thresholds(model, self.thresholds)
        assert scores_of(model.test_step(dict(inputs=None))) == kept(SCORES[:3])
        applied.remove()
        assert scores_of(model.test_step(dict(inputs=None))) == kept(SCORES)

    @pytest.mark.parametrize(
        'model, thresholds, error, message',
        [
            (torch.nn.Linear(1, 1), [0.5], TypeError, 'but this is a Linear'),
            (Detector(), 0.5, ValueError, r'one number per class, but are 0\.5'),
            (Detector(), [[0.5]], ValueError, 'one number per class'),
            (Detector(), [0.5, math.nan], ValueError, 'one number per class.*nan'),
        ],
    )
    def test_wrong_use(self, model, thresholds, error, message):
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
def test_the_ways_in_which_mmdetection_runs_a_detector(prepare, config):
    """Fresh weights find something; of the class that is found most, half is to be left."""
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


class Images(list):
    metainfo = dict(classes=('kind 2', 'kind 5', 'kind 9'))


def truth_and_detector(tmp_path, seed):
    """Objects of three classes, none of them of the last, and what is found; no score twice."""
    truth, results = make_data(seed, 16, 40, grid=4, num_scores=10**6)
    truth['categories'] = [dict(id=i, name=f'kind {i}') for i in (2, 5, 9)]
    results[0]['category_id'] = 9
    samples = []
    for image in truth['images']:
        mine = [r for r in results if r['image_id'] == image['id']]
        boxes = torch.tensor([r['bbox'] for r in mine]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        found = sample(
            [r['score'] for r in mine], [(2, 5, 9).index(r['category_id']) for r in mine]
        )
        found.pred_instances.bboxes = boxes
        found.set_metainfo(dict(img_id=image['id']))
        samples.append(found)
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    return Detector(*samples)


@pytest.mark.parametrize('seed', range(3))
def test_a_run_that_finds_its_thresholds_and_tests_at_them(tmp_path, seed, logged):
    truth, file = str(tmp_path / 'truth.json'), tmp_path / 'thresholds.json'
    model = truth_and_detector(tmp_path, seed)
    data = dict(
        dataset=Images(dict(inputs=i) for i in range(3)),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=2,
    )
    metric = dict(type='CocoLRPMetric', ann_file=truth, thresholds_file=str(file))
    runner = Runner(
        model,
        str(tmp_path / 'run'),
        train_dataloader=data,
        val_dataloader=data,
        test_dataloader=data,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        val_cfg=dict(),
        test_cfg=dict(),
        val_evaluator=dict(metric, outfile_prefix=str(tmp_path / 'val')),
        test_evaluator=dict(metric, outfile_prefix=str(tmp_path / 'test')),
        custom_hooks=[dict(type='LRPThresholdsHook', thresholds_file=str(file))],
        default_hooks=dict(checkpoint=None),
        default_scope='mmdet',
        experiment_name=f'{tmp_path.name}_{seed}',
    )
    runner.logger.addHandler(logged.handler)
    runner.train()
    in_training, written = runner.val(), file.read_text()
    tested = runner.test()
    before, after = (evaluate_lrp(truth, str(tmp_path / f'{x}.bbox.json')) for x in ('val', 'test'))

    assert in_training['coco/bbox_oLRP'] == before.summary['oLRP'] < 1
    # At the thresholds, the LRP error is what was the least, and nothing is left to cut off.
    for k, category in enumerate(after.category_ids[:2]):
        curve = after.curve(category)
        assert curve.error.error[-1] == before.olrp[k, 0]
        assert curve.score[-1] == before.lrp_opt_thr[k, 0]
        assert len(curve.score) < len(before.curve(category).score)
    assert (after.matches.num_objects == before.matches.num_objects).all()
    assert len(after.curve(9).score) == 0 < len(before.curve(9).score)
    assert tested['coco/bbox_oLRP'] == in_training['coco/bbox_oLRP']
    assert tested['coco/bbox_mAP'] <= in_training['coco/bbox_mAP']

    assert file.read_text() == written
    assert f'does not write its thresholds_file, {file}' in logged.text
    assert runner.test_evaluator.metrics[0].thresholds_file == str(file)
    assert runner.val() == in_training  # without them, again


def test_classes_of_the_test_must_be_known(tmp_path):
    data = dict(dataset=[dict(inputs=0)], sampler=dict(type='DefaultSampler'), batch_size=1)
    runner = Runner(
        Detector(sample()),
        str(tmp_path / 'run'),
        test_dataloader=data,
        test_cfg=dict(),
        test_evaluator=dict(type='CocoLRPMetric'),
        custom_hooks=[dict(type='LRPThresholdsHook', thresholds_file='any.json')],
        default_scope='mmdet',
        experiment_name=tmp_path.name,
    )
    with pytest.raises(ThresholdsError, match='does not name its classes'):
        runner.test()


def test_a_missing_file_of_the_hook_is_told_in_a_line():
    hook = HOOKS.build(dict(type='LRPThresholdsHook', thresholds_file='absent.json'))
    runner = mock.Mock()
    runner.test_dataloader.dataset.metainfo = dict(classes=CLASSES)
    with (
        pytest.raises(SystemExit, match=r'LRPThresholdsHook: there is no file absent\.json'),
        exit_on_error(),
    ):
        hook.before_test(runner)
