import itertools
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from format_writers import make_coco, write_coco
from mmdet.registry import MODELS
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).parents[2]
CONFIG = """
_base_ = [{runtime!r}]
data_root = {data_root!r}
metainfo = dict(classes=('square', 'disc'))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset', metainfo=metainfo, data_root=data_root,
        ann_file='annotations.json', data_prefix=dict(img=''),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset', metainfo=metainfo, data_root=data_root,
        ann_file='annotations.json', data_prefix=dict(img=''),
        test_mode=True, pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + '/annotations.json', metric='bbox')
test_evaluator = val_evaluator
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[0, 0, 0], std=[99, 99, 99], pad_size_divisor=32
    ),
    backbone=dict(
        type='ResNet', depth=18, stem_channels=8, base_channels=8, norm_eval=False, init_cfg=None
    ),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, start_level=1, num_outs=3,
        add_extra_convs='on_input',
    ),
    bbox_head=dict(
        type='ALRPRetinaHead', num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=3, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='aLRPLoss'),
        loss_bbox=dict(type='GIoULoss'),
    ),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1, debug=False,
    ),
    test_cfg=dict(
        nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=20,
    ),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [dict(type='MultiStepLR', begin=0, end=3, milestones=[2])]
default_hooks = dict(logger=dict(interval=1))
"""
MASK_RCNN = """
train_pipeline[1]['with_mask'] = test_pipeline[3]['with_mask'] = True
val_evaluator['metric'] = ['bbox', 'segm']
box_coder = dict(type='DeltaXYWHBBoxCoder')
assigner = dict(
    type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3, ignore_iof_thr=-1
)
sampler = dict(
    type='RandomSampler', num=32, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=True
)
roi_extractor = dict(
    type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
    out_channels=16, featmap_strides=[8, 16],
)
proposals = dict(
    nms_pre=100, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0
)
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(model['data_preprocessor'], pad_mask=True),
    backbone=model['backbone'],
    neck=model['neck'],
    rpn_head=dict(
        type='RPNHead', in_channels=16, feat_channels=16, bbox_coder=box_coder,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[3], ratios=[1.0], strides=[8, 16, 32]
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss'),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, roi_feat_size=7,
            num_classes=2, bbox_coder=box_coder, loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='L1Loss'),
        ),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(
            type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16, num_classes=2,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
        ),
    ),
    train_cfg=dict(
        rpn=dict(assigner=assigner, sampler=sampler, allowed_border=-1, pos_weight=-1, debug=False),
        rpn_proposal=proposals,
        rcnn=dict(assigner=assigner, sampler=sampler, mask_size=14, pos_weight=-1, debug=False),
    ),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20,
            mask_thr_binary=0.5,
        ),
    ),
)
"""
SOLOV2 = """
train_pipeline[1]['with_mask'] = test_pipeline[3]['with_mask'] = True
val_evaluator['metric'] = 'segm'
norm_cfg = dict(type='GN', num_groups=4)
model = dict(
    type='SOLOv2',
    data_preprocessor=dict(model['data_preprocessor'], pad_mask=True),
    backbone=model['backbone'],
    neck=model['neck'],
    mask_head=dict(
        type='ALRPSOLOV2Head', num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1,
        strides=[8, 16, 32], scale_ranges=((1, 24), (20, 40), (30, 64)), pos_scale=0.2,
        num_grids=[6, 4, 3], norm_cfg=norm_cfg,
        mask_feature_head=dict(
            feat_channels=16, start_level=0, end_level=2, out_channels=16, mask_stride=8,
            norm_cfg=norm_cfg,
        ),
    ),
    test_cfg=dict(
        nms_pre=100, score_thr=0.0, mask_thr=0.5, filter_thr=0.0, kernel='gaussian', sigma=2.0,
        max_per_img=20,
    ),
)
"""
names = (f'run{i}' for i in itertools.count())


@pytest.fixture
def config(tmp_path) -> Path:
    """A config of a tiny detector on eight images of 64x64 pixels; tests append settings."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(8):
        picture = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        for category, side in ((1, 20), (2, 28)):
            x, y = (int(v) for v in rng.integers(0, 64 - side, 2))
            if category == 1:
                picture[y : y + side, x : x + side] = (40, 40, 250)
            else:
                cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, (40, 250, 40), -1)
            corners = [x, y, x + side, y, x + side, y + side, x, y + side]
            box = dict(bbox=[x, y, side, side], area=side * side, iscrowd=0, segmentation=[corners])
            annotations.append(
                dict(id=len(annotations) + 1, image_id=i + 1, category_id=category, **box)
            )
        cv2.imwrite(str(tmp_path / f'{i}.png'), picture)
        images.append(dict(id=i + 1, file_name=f'{i}.png', width=64, height=64))
    categories = [dict(id=1, name='square'), dict(id=2, name='disc')]
    content = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    path = tmp_path / 'tiny.py'
    runtime = str(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    path.write_text(CONFIG.format(runtime=runtime, data_root=str(tmp_path)))
    return path


@pytest.fixture
def mask_config(config) -> Path:
    """A config of MMDetection's Mask R-CNN, tiny, on the same images."""
    path = config.parent / 'masks.py'
    path.write_text(config.read_text() + MASK_RCNN)
    return path


@pytest.fixture
def mask_checkpoint(mask_config) -> Path:
    """A checkpoint of the Mask R-CNN in a work dir. Its boxes and masks cover the images."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(mask_config).model)
    torch.nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=0.3)
    torch.nn.init.constant_(model.roi_head.mask_head.conv_logits.bias, 0.1)
    work_dir = mask_config.parent / 'mask_run'
    work_dir.mkdir()
    path = work_dir / 'epoch_1.pth'
    meta = dict(dataset_meta=dict(CLASSES=('square', 'disc')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    shutil.copy(mask_config, work_dir)
    (work_dir / 'last_checkpoint').write_text(str(path))
    return path


@pytest.fixture
def solov2_checkpoint(config) -> Path:
    """A checkpoint of a tiny SOLOv2 on the same images, beside its config ``solov2.py``."""
    config.with_name('solov2.py').write_text(config.read_text() + SOLOV2)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config.with_name('solov2.py')).model)
    path = config.with_name('solov2.pth')
    meta = dict(dataset_meta=dict(CLASSES=('square', 'disc')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Runs a script of tools/ in this process, in ``tmp_path``, as the command line would."""

    def run(name: str, *args) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    return run


@pytest.fixture
def tool(script):
    """Runs tools/train.py or test.py in this process, as often as needed."""

    def run(name: str, *args, options: tuple[str, ...] = ()) -> None:
        # MMEngine keeps one logger and one visualizer per name in a process.
        run_name = next(names)
        unique = (f'experiment_name={run_name}', f'visualizer.name={run_name}')
        DetLocalVisualizer._instance_dict.clear()  # or all runs would use the first
        script(name, *args, '--cfg-options', *unique, *options)

    return run


@pytest.fixture
def command(tmp_path):
    """Runs a tool in a new process, which can import modules from ``tmp_path``."""

    def run(*args) -> subprocess.CompletedProcess:
        env = dict(os.environ, PYTHONPATH=str(tmp_path), OMP_NUM_THREADS='1', PYTHON=sys.executable)
        return subprocess.run(
            [*map(str, args)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
        )

    return run


@pytest.fixture(scope='session')
def new_project_main():
    """``main`` of tools/new_project.py, without the preview, which takes a second to draw."""
    main = runpy.run_path(str(ROOT / 'tools' / 'new_project.py'))['main']
    main.__globals__['draw_annotations'] = lambda *args: b'a picture'
    return main


@pytest.fixture
def new_project(new_project_main):
    """Runs tools/new_project.py in this process."""
    return lambda *args: new_project_main([str(arg) for arg in args])


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A COCO JSON, relative to ``tmp_path``, which becomes the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_coco(tmp_path, make_coco(tmp_path)).relative_to(tmp_path)
