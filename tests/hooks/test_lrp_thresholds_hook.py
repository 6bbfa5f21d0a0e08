import json
from unittest import mock

import pytest
import torch
from coco_helpers import make_data
from mmdet.registry import HOOKS
from mmengine.runner import Runner
from thresholds_helpers import CLASSES, FixedDetector, sample

import alrp_mmdet  # noqa: F401 - registers
from alrp.lrp import evaluate_lrp
from alrp_mmdet.cli import exit_on_error
from alrp_mmdet.deploy.thresholds import ThresholdsError


class Images(list):
    metainfo = dict(classes=('kind 2', 'kind 5', 'kind 9'))


def truth_and_detector(tmp_path, seed):
    """Objects of two of three classes, and a detector with distinct scores."""
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
    return FixedDetector(*samples)


@pytest.mark.parametrize('seed', range(3))
def test_a_run_finds_thresholds_and_tests_with_them(tmp_path, seed, mmengine_log):
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
    runner.logger.addHandler(mmengine_log.handler)
    runner.train()
    in_training, written = runner.val(), file.read_text()
    tested = runner.test()
    before, after = (evaluate_lrp(truth, str(tmp_path / f'{x}.bbox.json')) for x in ('val', 'test'))

    assert in_training['coco/bbox_oLRP'] == before.summary['oLRP'] < 1
    # The thresholds minimise the LRP error, so that its minimum is now at the lowest score.
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
    assert f'Not writing thresholds_file {file}' in mmengine_log.text
    assert runner.test_evaluator.metrics[0].thresholds_file == str(file)
    assert runner.val() == in_training  # without thresholds, as before


def test_the_test_dataset_must_have_classes(tmp_path):
    data = dict(dataset=[dict(inputs=0)], sampler=dict(type='DefaultSampler'), batch_size=1)
    runner = Runner(
        FixedDetector(sample()),
        str(tmp_path / 'run'),
        test_dataloader=data,
        test_cfg=dict(),
        test_evaluator=dict(type='CocoLRPMetric'),
        custom_hooks=[dict(type='LRPThresholdsHook', thresholds_file='any.json')],
        default_scope='mmdet',
        experiment_name=tmp_path.name,
    )
    with pytest.raises(ThresholdsError, match=r'test dataset .*classes'):
        runner.test()


@pytest.mark.parametrize('other, is_used', [(CLASSES, True), (CLASSES[::-1], False)])
def test_concatenated_datasets_must_have_the_same_classes(tmp_path, other, is_used):
    file = tmp_path / 'thresholds.json'
    file.write_text(json.dumps(dict(thresholds=dict.fromkeys(CLASSES, 0.5))))
    hook = HOOKS.build(dict(type='LRPThresholdsHook', thresholds_file=str(file)))
    runner = mock.Mock(model=FixedDetector(sample()))
    runner.test_evaluator.metrics = []
    # MMDetection's ConcatDataset has a list if other entries of metainfo differ.
    parts = [dict(classes=CLASSES, palette=[1]), dict(classes=other, palette=[2])]
    runner.test_dataloader.dataset.metainfo = parts
    if is_used:
        hook.before_test(runner)
        hook.after_test(runner)
    else:
        with pytest.raises(ThresholdsError, match='parts that differ'):
            hook.before_test(runner)


def test_a_missing_file_is_an_error_of_one_line():
    hook = HOOKS.build(dict(type='LRPThresholdsHook', thresholds_file='absent.json'))
    runner = mock.Mock()
    runner.test_dataloader.dataset.metainfo = dict(classes=CLASSES)
    with (
        pytest.raises(SystemExit, match=r'LRPThresholdsHook.* absent\.json$'),
        exit_on_error(),
    ):
        hook.before_test(runner)
