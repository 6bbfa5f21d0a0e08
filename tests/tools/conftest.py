import itertools
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import make_coco, write_coco
from mmdet.visualization import DetLocalVisualizer

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
            box = dict(bbox=[x, y, side, side], area=side * side, iscrowd=0)
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
    main.__globals__['draw_annotations'] = lambda split: b'a picture'
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
