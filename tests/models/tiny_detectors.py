"""Whole detectors, as the configs have them but for their size, for tests of their weights."""

import copy
import functools
import json
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp_mmdet.models  # noqa: F401 - registers

BASE = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
SMALL = dict(in_channels=8, feat_channels=8)
HEADS = dict(
    retinanet=dict(bbox_head=dict(**SMALL, stacked_convs=1)),
    atss=dict(bbox_head=dict(**SMALL, stacked_convs=1)),
    fovea=dict(bbox_head=dict(**SMALL, stacked_convs=1)),
)
HEADS['faster-rcnn'] = dict(
    rpn_head=SMALL,
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=8), bbox_head=dict(in_channels=8, fc_out_channels=16)
    ),
)
HEADS['mask-rcnn'] = dict(
    rpn_head=SMALL,
    roi_head=dict(
        **HEADS['faster-rcnn']['roi_head'],
        mask_roi_extractor=dict(out_channels=8),
        mask_head=dict(num_convs=1, in_channels=8, conv_out_channels=8),
    ),
)
HEADS['solov2'] = dict(
    mask_head=dict(
        in_channels=8,
        feat_channels=32,
        stacked_convs=1,
        mask_feature_head=dict(feat_channels=32, out_channels=32),
    )
)
HEADS['yolact'] = dict(
    bbox_head=dict(**SMALL, num_protos=4),
    mask_head=dict(
        in_channels=8, num_protos=4, proto_channels=(8, None, 4), proto_kernel_sizes=(3, -2, 1)
    ),
)
# What a ranking head becomes with MMDetection's own losses.
STOCK = dict(
    solov2=('SOLOV2Head', dict(type='FocalLoss', use_sigmoid=True)),
    yolact=('YOLACTHead', dict(type='CrossEntropyLoss', use_sigmoid=False)),
    retinanet=('RetinaHead', dict(type='FocalLoss', use_sigmoid=True)),
    atss=('ATSSHead', dict(type='FocalLoss', use_sigmoid=True)),
    fovea=('FoveaHead', dict(type='FocalLoss', use_sigmoid=True)),
)


@functools.cache
def _base(name: str) -> Config:
    return Config.fromfile(BASE / f'{name}_r50_fpn.py')


def tiny_config(family: str, num_classes: int, stock: bool = False, depth: int = 18) -> Config:
    """Config of a detector of a few channels; ``stock``: with MMDetection's own head and loss."""
    loss = 'rs' if family in ('solov2', 'yolact') else 'alrp'
    if stock and family in ('faster-rcnn', 'mask-rcnn'):
        loss = 'ce_l1'
    cfg = copy.deepcopy(_base(f'{loss}_{family}'))
    channels = [4, 8, 16, 32] if depth == 18 else [16, 32, 64, 128]
    backbone = dict(depth=depth, stem_channels=4, base_channels=4, init_cfg=None)
    neck = dict(in_channels=channels, out_channels=8)
    cfg.merge_from_dict(dict(model=dict(backbone=backbone, neck=neck)))
    cfg.merge_from_dict(dict(model=HEADS[family]))
    parent = cfg.model.get('roi_head', cfg.model)
    heads = [parent[name] for name in ('bbox_head', 'mask_head') if name in parent]
    for head in heads:
        head.num_classes = num_classes
    if stock and family in STOCK:
        heads[0].type, heads[0].loss_cls = STOCK[family]
        if family == 'atss':
            heads[0].norm_cfg = None
        if family == 'yolact':
            cfg.model.type = 'YOLACT'
    return cfg


@functools.cache
def _built(family: str, num_classes: int, stock: bool, head: str) -> torch.nn.Module:
    cfg = tiny_config(family, num_classes, stock)
    if head != '{}':
        cfg.model.get('roi_head', cfg.model).bbox_head.update(json.loads(head))
    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def tiny_detector(family: str, num_classes: int, *, stock: bool = False, seed: int = 0, **head):
    """A detector with random weights; ``head`` changes the config of its box head."""
    model = copy.deepcopy(_built(family, num_classes, stock, json.dumps(head)))
    generator = torch.Generator().manual_seed(seed)
    for value in model.parameters():
        value.data = torch.randn(value.shape, generator=generator)
    return model
