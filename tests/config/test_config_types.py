"""Types that are not plain names: classes, scoped names and import paths."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

import alrp_mmdet  # noqa: F401 - registers
from alrp_mmdet.config.file import read_config
from alrp_mmdet.config.types import normalise_types

CONFIGS = Path(__file__).parents[2] / 'configs'
NEW_STYLE = CONFIGS / '_new_style_' / 'alrp_retinanet_r18_fpn_demo_shapes.py'


def types(node) -> list:
    if isinstance(node, list | tuple):
        return [found for child in node for found in types(child)]
    if not isinstance(node, dict):
        return []
    own = [node['type']] if 'type' in node else []
    return own + [found for child in node.values() for found in types(child)]


def test_new_style_config_equals_the_one_of_the_demo():
    ours = read_config(NEW_STYLE).to_dict()
    demo = Config.fromfile(CONFIGS / 'retinanet' / NEW_STYLE.name).to_dict()
    del ours['model']['bbox_head']['loss_cls']['self_balance']['type']
    for key in ('num_stages', 'out_indices', 'style'):  # defaults
        del demo['model']['backbone'][key]
    assert demo.pop('custom_hooks') == [dict(type='NumClassCheckHook')]
    assert ours == demo  # custom_imports, too


@pytest.mark.parametrize('normalised', [False, True])
def test_a_dumped_new_style_config_is_read_as_the_original(tmp_path, normalised):
    cfg = Config.fromfile(NEW_STYLE)
    expected = read_config(NEW_STYLE).to_dict()
    (normalise_types(cfg) if normalised else cfg).dump(tmp_path / 'dumped.py')
    assert read_config(tmp_path / 'dumped.py').to_dict() == expected


@pytest.mark.parametrize(
    'given, expected',
    [
        ('mmdet.LoadImageFromFile', 'LoadImageFromFile'),
        ('mmengine.LoadImageFromFile', 'LoadImageFromFile'),
        ('mmcv.transforms.LoadImageFromFile', 'LoadImageFromFile'),
        ('mmdet.Resize', 'Resize'),
        ('alrp_mmdet.aLRPLoss', 'aLRPLoss'),
        ('alrp_mmdet.models.losses.alrp_loss.aLRPLoss', 'aLRPLoss'),
        ('mmengine.model.PretrainedInit', 'Pretrained'),
        ('torch.optim.SGD', 'SGD'),
        ('mmcv.ops.nms', 'nms'),
        ('mmcv.transforms.Resize', 'mmcv.transforms.Resize'),  # MMDetection's has that name
        ('json.JSONDecoder', 'json.JSONDecoder'),
        ('gone.Thing', 'gone.Thing'),
        ('Resize', 'Resize'),
    ],
)
def test_names(given, expected):
    cfg = Config(dict(a=[dict(b=(dict(type=given),))]))
    assert normalise_types(cfg).a[0].b[0].type == expected


def test_a_class_without_a_registered_name_stays():
    cfg = normalise_types(Config(dict(a=dict(type=json.JSONDecoder))))
    assert cfg.a.type is json.JSONDecoder


@pytest.mark.parametrize('where', [dict(default_scope='mmpretrain'), dict(_scope_='mmpretrain')])
def test_types_of_another_scope_stay(where):
    assert types(normalise_types(Config(dict(type='mmdet.Resize', **where))).to_dict()) == [
        'mmdet.Resize'
    ]
