"""Settings of another type than MMDetection expects are named before anything is read."""

import json
from copy import deepcopy

import pytest
from mmengine.config import Config

from alrp_mmdet.datasets import AnnotationError, check_datasets
from alrp_mmdet.datasets.palettes import set_palettes
from alrp_mmdet.datasets.setting_types import missing_settings

CONTENT = dict(
    images=[dict(id=1, file_name='1.jpg', width=64, height=48)],
    annotations=[
        dict(id=1, image_id=1, category_id=1, bbox=[2, 3, 10, 20], area=200, iscrowd=0),
    ],
    categories=[dict(id=1, name='cell')],
)


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(CONTENT))
    (tmp_path / '1.jpg').touch()
    dataset = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='a.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('cell',)),
    )
    return dict(
        train_dataloader=dict(dataset=dataset),
        val_dataloader=dict(dataset=dict(deepcopy(dataset), test_mode=True)),
        val_evaluator=dict(type='CocoMetric', ann_file=str(tmp_path / 'a.json')),
        model=dict(bbox_head=dict(num_classes=1)),
    )


def check(config, change):
    config = deepcopy(config)
    change(config, config['train_dataloader']['dataset'])
    config = Config(config)
    check_datasets(config, ('train', 'val'))
    set_palettes(config)


@pytest.mark.parametrize(
    'change, facts',
    [
        (lambda c, d: d.update(ann_file=['a', 'b']), ['ann_file', "['a', 'b']", 'ConcatDataset']),
        (lambda c, d: d['metainfo'].update(classes=1), ['train_dataloader', 'metainfo', '1']),
        (lambda c, d: d.update(metainfo='cell'), ['metainfo', "'cell'"]),
        (lambda c, d: d.update(metainfo=dict(CLASSES=('cell',))), ['CLASSES', '2.x']),
        (lambda c, d: d.update(filter_cfg=dict(min_size=None)), ['min_size', 'None']),
        (lambda c, d: d.update(pipeline=[dict(type='A'), 'B']), ['pipeline[1]', "'B'"]),
        (lambda c, d: d.update(data_prefix=dict(img=None)), ['data_prefix', "'img'"]),
        (lambda c, d: d.update(data_prefix='img/'), ['data_prefix', "'img'"]),
        (lambda c, d: d.pop('type'), ['train_dataloader.dataset', 'type']),
        (lambda c, d: c['train_dataloader'].update(dataset=None), ['train_dataloader', 'dataset=']),
        (lambda c, d: c.update(val_dataloader=[d]), ['val_dataloader']),
        (lambda c, d: c.update(val_evaluator='CocoMetric'), ['val_evaluator', 'type']),
        (lambda c, d: c.update(val_evaluator=[None]), ['val_evaluator', 'type']),
        (lambda c, d: c['val_evaluator'].update(metric=None), ['val_evaluator', 'None']),
        (lambda c, d: c['model']['bbox_head'].update(num_classes='1'), ["num_classes is '1'"]),
        (lambda c, d: c['model']['bbox_head'].update(num_classes=1.0), ['num_classes is 1.0']),
        (lambda c, d: c.update(default_hooks=dict(a=dict(save_best=True))), ['save_best', 'True']),
    ],
)
def test_wrong_types_are_named(config, change, facts):
    with pytest.raises(AnnotationError) as error:
        check(config, change)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


@pytest.mark.parametrize(
    'change',
    [
        lambda c, d: d.update(filter_cfg=None, pipeline=None, metainfo=dict(classes=['cell'])),
        lambda c, d: d['metainfo'].update(palette=[]),
        lambda c, d: c.update(default_hooks=dict(checkpoint=None), custom_hooks=None),
        lambda c, d: c.update(drop_degenerate_boxes=None),
        lambda c, d: c.update(val_dataloader=None, val_evaluator=None),
        lambda c, d: c['train_dataloader'].update(dataset=dict(type='RepeatDataset', dataset=d)),
    ],
)
def test_other_values_pass(config, change):
    check(config, change)


def test_settings_that_belong_together():
    cfg = dict(train_dataloader={}, train_cfg={}, optim_wrapper={}, val_dataloader={}, val_cfg={})
    [problem] = missing_settings(Config(cfg), ('train', 'val'))
    assert problem.endswith('but lacks val_evaluator')
    cfg = {key: value for key, value in cfg.items() if not key.startswith('val')}
    assert missing_settings(Config(cfg), ('train', 'val')) == []
    for partly in (dict(test_dataloader={}), dict(test_dataloader={}, test_cfg={})):
        [problem] = missing_settings(Config(cfg | partly), ('train', 'val'))  # MMEngine refuses it
        assert 'None for all' in problem and 'lacks test_' in problem
    [problem] = missing_settings(Config(cfg), ('test',))
    assert all(key in problem for key in ('test_dataloader', 'test_cfg', 'test_evaluator'))
