"""Mistakes in evaluators, and datasets that cannot be evaluated, are found before training."""

import json
import re
from copy import deepcopy

import pytest
from mmdet.evaluation import CocoMetric
from mmengine.config import Config

from alrp_mmdet.datasets.check import AnnotationError, check_datasets

CONTENT = dict(
    images=[dict(id=i, file_name=f'{i}.jpg', width=64, height=48) for i in (1, 2)],
    annotations=[
        dict(id=i, image_id=i, category_id=1, bbox=[2, 3, 10, 20], area=200, iscrowd=0)
        for i in (1, 2)
    ],
    categories=[dict(id=1, name='cell')],
)


@pytest.fixture
def content():
    return deepcopy(CONTENT)


@pytest.fixture
def config(tmp_path, content):
    for name in ('train', 'val', 'other'):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    for image in content['images']:
        (tmp_path / image['file_name']).touch()

    def dataset(name):
        return dict(
            type='CocoDataset',
            data_root=str(tmp_path),
            ann_file=f'{name}.json',
            data_prefix=dict(img=''),
            metainfo=dict(classes=('cell',)),
            test_mode=name == 'val',
            pipeline=[dict(type='PackDetInputs', meta_keys=('img_id',))],
        )

    return Config(
        dict(
            train_dataloader=dict(dataset=dataset('train')),
            val_dataloader=dict(dataset=dataset('val')),
            val_evaluator=dict(type='CocoLRPMetric', ann_file=f'{tmp_path}/val.json'),
            model=dict(bbox_head=dict(num_classes=1), test_cfg=dict(mask_thr_binary=0.5)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
        )
    )


def refused(config, splits=('train', 'val')) -> str:
    with pytest.raises(AnnotationError) as error:
        check_datasets(config, splits)
    return str(error.value)


def test_a_correct_config_passes(config, logged):
    check_datasets(config, ('train', 'val'))
    config.default_hooks.checkpoint.save_best = 'coco/bbox_oLRP_fp'
    check_datasets(config, ('train', 'val'))
    assert not logged


def test_annotation_id_0_of_a_file_that_trains_too(config, content, logged, tmp_path):
    content['annotations'][0]['id'] = 0
    (tmp_path / 'train.json').write_text(json.dumps(content))
    config.val_dataloader.dataset.ann_file = 'train.json'
    config.val_evaluator.ann_file = f'{tmp_path}/train.json'
    check_datasets(config, ('train', 'val'))
    [text] = logged
    assert 'train.json' in text and 'id 0' in text and 'CocoLRPMetric' in text


@pytest.mark.parametrize('metric', ['CocoMetric', 'CocoLRPMetric', 'mmdet.CocoMetric'])
@pytest.mark.parametrize('as_list', [False, True])
def test_without_ann_file(config, metric, as_list):
    evaluator = dict(type=metric)
    config.val_evaluator = [evaluator] if as_list else evaluator
    message = refused(config)
    name = 'val_evaluator[0]' if as_list else 'val_evaluator'
    assert re.search(rf'{re.escape(name)} has no ann_file.*val\.json', message)
    packing = config.val_dataloader.dataset.pipeline[0]
    packing.meta_keys = ('img_id', 'instances')
    check_datasets(config, ('train', 'val'))


def test_ann_file_that_does_not_exist(config):
    config.val_evaluator.ann_file = 'data/coco/annotations/instances_val2017.json'
    message = refused(config)
    assert re.search(r'val_evaluator\.ann_file.*instances_val2017.*Set.*val\.json', message)


@pytest.mark.parametrize('key, name', [('images', 'file_name'), ('categories', 'name')])
def test_ann_file_of_other_images_or_categories(config, content, tmp_path, key, name):
    config.val_evaluator.ann_file = f'{tmp_path}/other.json'
    check_datasets(config, ('train', 'val'))  # a copy
    content[key][0][name] = 'changed'
    (tmp_path / 'other.json').write_text(json.dumps(content))
    message = refused(config)
    assert re.search(rf'other\.json.*val\.json, with other {key}: 1: ', message)


def test_ann_file_with_more_images(config, content, tmp_path):
    content['images'].append(dict(id=3, file_name='3.jpg', width=64, height=48))
    (tmp_path / 'other.json').write_text(json.dumps(content))
    config.val_evaluator.ann_file = f'{tmp_path}/other.json'
    assert 'with other images' in refused(config)


def test_test_evaluator(config):
    config.test_dataloader = config.val_dataloader
    config.test_evaluator = dict(type='CocoMetric')
    check_datasets(config, ('train', 'val'))
    assert 'test_evaluator has no ann_file' in refused(config, ('test',))


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(format_only=True), 'outfile_prefix'),
        (dict(metric='box'), 'box'),
        (dict(proposal_nums=[100]), 'proposal_nums'),
        (dict(metric_items=['oLPR']), 'oLPR'),
        (dict(no_such_argument=1), 'no_such_argument'),
    ],
)
def test_settings_of_a_metric(config, changes, named):
    config.val_evaluator.update(changes)
    message = refused(config)
    assert 'val_evaluator' in message and named in message


@pytest.mark.parametrize(
    'first, second, shared',
    [
        (dict(type='CocoMetric'), dict(type='CocoLRPMetric'), 'coco/bbox_mAP'),
        (dict(type='CocoMetric', prefix='a'), dict(type='CocoMetric', prefix='a'), 'a/bbox_mAP'),
        (dict(type='CocoMetric', metric=['segm', 'bbox']), dict(type='CocoMetric'), 'coco/bbox'),
        (
            dict(type='CocoMetric', classwise=True),
            dict(type='CocoMetric', classwise=True, metric='segm'),
            '_precision',
        ),
        (dict(type='CocoMetric', metric='segm'), dict(type='CocoMetric'), None),
        (dict(type='CocoMetric', prefix='a'), dict(type='CocoMetric'), None),
        (
            dict(type='CocoMetric', format_only=True, outfile_prefix='x'),
            dict(type='CocoMetric'),
            None,
        ),
    ],
)
def test_metrics_that_log_the_same_names(config, first, second, shared):
    ann_file = config.val_evaluator.ann_file
    config.val_evaluator = [dict(metric, ann_file=ann_file) for metric in (first, second)]
    if shared is None:
        check_datasets(config, ('train', 'val'))
    else:
        message = refused(config)
        assert 'val_evaluator[0] and val_evaluator[1]' in message
        assert shared in message and 'prefix' in message


def test_masks_need_a_model_that_predicts_them(config):
    config.val_evaluator.metric = ['bbox', 'segm']
    config.model.pop('test_cfg')
    assert re.search("val_evaluator: metric has 'segm'", refused(config))
    config.model.mask_head = dict(type='FCNMaskHead', num_classes=1)
    check_datasets(config, ('train', 'val'))


def test_several_datasets(config, tmp_path):
    leaf = config.val_dataloader.dataset.to_dict()
    other = dict(leaf, ann_file='other.json')
    config.val_dataloader.dataset = dict(type='ConcatDataset', datasets=[leaf, other])
    message = refused(config)
    assert 'val_dataloader.dataset consists of 2 datasets' in message
    assert 'MultiDatasetsEvaluator' in message
    metric = config.val_evaluator.to_dict()
    second = dict(metric, ann_file=f'{tmp_path}/other.json')
    evaluator = dict(type='MultiDatasetsEvaluator', dataset_prefixes=['a', 'b'])
    config.val_evaluator = dict(evaluator, metrics=[metric, second])
    check_datasets(config, ('train', 'val'))
    config.val_evaluator.metrics[1].pop('ann_file')
    assert re.search(r'val_evaluator\.metrics\[1\].*other\.json', refused(config))
    config.val_evaluator = dict(evaluator, metrics=[metric])
    assert '1 metrics' in refused(config) and '2 datasets' in refused(config)


def test_several_datasets_with_a_merged_file(config, content, tmp_path):
    second = deepcopy(content)
    for entries in (second['images'], second['annotations']):
        for entry in entries:
            entry.update({key: entry[key] + 10 for key in ('id', 'image_id') if key in entry})
    merged = {
        key: content[key] + second[key] * (key != 'categories')
        for key in ('images', 'annotations', 'categories')
    }
    for name, file in (('other', second), ('merged', merged)):
        (tmp_path / f'{name}.json').write_text(json.dumps(file))
    leaf = config.val_dataloader.dataset.to_dict()
    parts = [leaf, dict(leaf, ann_file='other.json')]
    config.val_dataloader.dataset = dict(type='ConcatDataset', datasets=parts)
    config.val_evaluator.ann_file = f'{tmp_path}/merged.json'
    check_datasets(config, ('train', 'val'))
    for twice in (
        dict(type='RepeatDataset', times=2, dataset=config.val_dataloader.dataset),
        dict(
            type='ConcatDataset',
            datasets=[dict(type='RepeatDataset', times=2, dataset=parts[0]), parts[1]],
        ),
    ):
        changed = deepcopy(config)
        changed.val_dataloader.dataset = twice
        assert 'RepeatDataset evaluates images several times' in refused(changed)
    for wrong in (dict(merged, images=merged['images'][1:]), dict(merged, categories=[])):
        (tmp_path / 'merged.json').write_text(json.dumps(wrong))
        assert 'consists of 2 datasets' in refused(config)


class OwnMetric(CocoMetric):
    """A user's metric, which needs ann_file and logs a number of its own."""

    def __init__(self, ann_file, **kwargs):
        super().__init__(ann_file=ann_file, **kwargs)

    def compute_metrics(self, results):
        return super().compute_metrics(results) | dict(own_score=1)


@pytest.mark.parametrize('kind', [OwnMetric, 'mmdet.OVCocoMetric'])
def test_other_metrics_may_need_and_log_more(config, kind):
    key = 'coco/own_score' if kind is OwnMetric else 'coco/novel_ap50'
    config.default_hooks.checkpoint.save_best = key
    config.val_evaluator.type = kind
    check_datasets(config, ('train', 'val'))
    metric = config.val_evaluator.to_dict()
    config.val_evaluator = [dict(metric, metric='bbox'), dict(metric, metric='segm')]
    check_datasets(config, ('train', 'val'))
    config.val_evaluator = [metric, dict(metric, type='CocoMetric')]
    assert 'log the same names' in refused(config)
    config.val_evaluator = dict(metric, type='CocoMetric')
    assert key in refused(config)


def test_repeated_images_are_not_evaluated(config):
    leaf = config.val_dataloader.dataset.to_dict()
    config.val_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=leaf)
    assert 'RepeatDataset' in refused(config)
    config.val_dataloader.dataset = dict(type='ConcatDataset', datasets=[leaf])
    check_datasets(config, ('train', 'val'))


@pytest.mark.parametrize(
    'evaluator, key, passes',
    [
        (dict(metric='bbox'), 'coco/segm_mAP', False),
        (dict(metric=['bbox', 'segm']), 'coco/segm_oLRP', True),
        (dict(type='CocoMetric'), 'coco/bbox_oLRP', False),
        (dict(prefix='mine'), 'coco/bbox_mAP', False),
        (dict(metric_items=['oLRP']), 'coco/bbox_mAP', False),
        (dict(metric_items=['oLRP']), 'coco/bbox_oLRP', True),
        (dict(classwise=True), 'coco/bbox_cell_oLRP', True),
        (dict(classwise=True), 'coco/cell_precision', True),
        (dict(classwise=False), 'coco/cell_precision', False),
        (dict(metric='proposal'), 'coco/AR@300', True),
        (dict(format_only=True, outfile_prefix='x'), 'coco/bbox_mAP', False),
        (dict(), 'auto', True),
    ],
)
def test_numbers_that_hooks_need(config, evaluator, key, passes):
    config.val_evaluator.update(evaluator)
    for change in (
        dict(default_hooks=dict(checkpoint=dict(save_best=key))),
        dict(default_hooks={}, custom_hooks=[dict(type='EarlyStoppingHook', monitor=key)]),
    ):
        changed = Config({**config.to_dict(), **change})
        if passes:
            check_datasets(changed, ('train', 'val'))
        else:
            assert repr(key) in refused(changed)


# -- filter_cfg


def test_images_that_are_too_small(config, content, logged, tmp_path):
    config.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True, min_size=32)
    check_datasets(config, ('train', 'val'))
    assert not logged
    content['images'][1].update(height=20)
    content['annotations'][1]['bbox'] = [2, 3, 10, 10]
    (tmp_path / 'train.json').write_text(json.dumps(content))
    check_datasets(config, ('train', 'val'))
    [text] = logged
    assert re.search(r'filter_cfg.* 2, 1 has .*min_size=32.*: 2\.jpg \(64x20\).*min_size=1', text)
    content['images'][0].update(width=31)
    (tmp_path / 'train.json').write_text(json.dumps(content))
    assert re.search(r'filter_cfg drops all 2 images; 2 .*min_size=32', refused(config))
    config.train_dataloader.dataset.filter_cfg = dict(min_size=1)
    check_datasets(config, ('train', 'val'))


def test_images_without_objects_are_dropped_silently(config, content, logged, tmp_path):
    config.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True, min_size=32)
    content['annotations'].pop()
    (tmp_path / 'train.json').write_text(json.dumps(content))
    check_datasets(config, ('train', 'val'))
    assert not logged
    content['images'][0].update(width=31)
    (tmp_path / 'train.json').write_text(json.dumps(content))
    assert re.search(r'all 2 images; 1 has a side.*; 1 has no objects', refused(config))


def test_images_that_are_dropped_before_the_evaluation(config, content, logged, tmp_path):
    content['annotations'].pop()
    (tmp_path / 'val.json').write_text(json.dumps(content))
    dataset = config.val_dataloader.dataset
    dataset.filter_cfg = dict(filter_empty_gt=True, min_size=32)
    check_datasets(config, ('train', 'val'))
    assert not logged
    dataset.test_mode = False
    check_datasets(config, ('train', 'val'))
    [text] = logged
    assert re.search(r'val\.json.*1 of 2 images.*test_mode=True', text)
