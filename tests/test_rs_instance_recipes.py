"""RS Loss in one-stage instance segmentation: the configs match the published ones, setting by
setting: kemaloksuz/RankSortLoss for YOLACT, kemaloksuz/RankSortLoss-Solov2 for SOLOv2."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

CONFIGS = Path(__file__).parents[1] / 'configs'
RS = dict(type='RankSortLoss', delta=0.5)
# depth, images on each of 4 GPUs, learning rate, widths of head and kernels, convolutions, largest
# object of the first level
SOLOV2 = {
    'rs_solov2-light_r34_fpn_3x_coco': (34, 8, 0.012, (256, 128), 2, 56),
    'rs_solov2_r101_fpn_3x_coco': (101, 4, 0.006, (512, 256), 4, 96),
}


@pytest.mark.parametrize('name', SOLOV2)
def test_published_solov2(name):
    depth, images, lr, widths, convolutions, range_end = SOLOV2[name]
    cfg = Config.fromfile(CONFIGS / f'solov2/{name}.py')
    head, neck = cfg.model.mask_head, cfg.model.neck
    assert (cfg.model.type, cfg.model.backbone.depth) == ('SOLOv2', depth)
    assert neck.in_channels == ([64, 128, 256, 512] if depth == 34 else [256, 512, 1024, 2048])
    assert (neck.start_level, neck.num_outs) == (0, 5)
    assert (head.type, head.loss_cls, head.loss_mask) == (
        'ALRPSOLOV2Head',
        RS,
        dict(type='DiceLoss'),
    )
    assert (head.feat_channels, head.mask_feature_head.out_channels) == widths
    assert (head.stacked_convs, head.pos_scale) == (convolutions, 0.2)
    assert (head.strides, head.num_grids) == ([8, 8, 16, 32, 32], [40, 36, 24, 16, 12])
    assert [high for _, high in head.scale_ranges][:4] == [range_end * 2**i for i in range(4)]
    assert [low for low, _ in head.scale_ranges][1:] == [range_end * 2**i // 2 for i in range(4)]
    assert head.scale_ranges[4][1] == (896 if depth == 34 else 2048)
    assert head.mask_feature_head.feat_channels == 128
    test_cfg = cfg.model.test_cfg
    assert (test_cfg.score_thr, test_cfg.filter_thr, test_cfg.nms_pre) == (0.2, 0.05, 500)
    assert (test_cfg.kernel, test_cfg.sigma, test_cfg.max_per_img) == ('gaussian', 2.0, 100)

    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=0.0001),
        clip_grad=dict(max_norm=35, norm_type=2),
    )
    warm_up, drops = cfg.param_scheduler
    assert (warm_up.type, warm_up.start_factor, warm_up.end) == ('LinearLR', 0.01, 500)
    assert (drops.milestones, drops.end, cfg.train_cfg.max_epochs) == ([27, 33], 36, 36)
    assert cfg.train_dataloader.batch_size == images
    assert cfg.auto_scale_lr.base_batch_size == 4 * images
    _, annotations, resize, flip, _ = cfg.train_dataloader.dataset.pipeline
    assert annotations.with_mask and flip == dict(type='RandomFlip', prob=0.5)
    scales = [(768, side) for side in (352, 384, 416, 448, 480, 512)]
    if depth == 101:
        scales = [(1333, side) for side in (640, 672, 704, 736, 768, 800)]
    assert resize == dict(type='RandomChoiceResize', scales=scales, keep_ratio=True)
    test_scale = cfg.test_dataloader.dataset.pipeline[1].scale
    assert test_scale == ((768, 448) if depth == 34 else (1333, 800))
    assert cfg.val_evaluator.metric == cfg.test_evaluator.metric == 'segm'


def test_published_yolact():
    cfg = Config.fromfile(CONFIGS / 'yolact/rs_yolact_r50_fpn_55e_coco.py')
    model, head = cfg.model, cfg.model.bbox_head
    assert (model.type, head.type) == ('ALRPYOLACT', 'ALRPYOLACTHead')
    backbone, neck = model.backbone, model.neck
    assert (backbone.depth, backbone.frozen_stages, backbone.norm_eval) == (50, -1, False)
    assert (neck.add_extra_convs, neck.start_level, neck.num_outs) == ('on_input', 1, 5)
    assert (head.loss_cls, head.loss_bbox) == (RS, dict(type='GIoULoss'))
    assert (head.num_protos, head.num_head_convs, head.feat_channels) == (32, 1, 256)
    anchors = head.anchor_generator
    assert (anchors.octave_base_scale, anchors.scales_per_octave) == (3, 1)
    assert (anchors.base_sizes, anchors.ratios) == ([8, 16, 32, 64, 128], [0.5, 1.0, 2.0])
    assert anchors.strides == pytest.approx([550 / x for x in (69, 35, 18, 9, 5)])
    assert [x for x, _ in anchors.centers] == pytest.approx([x / 2 for x in anchors.strides])
    assert head.bbox_coder.target_stds == [0.1, 0.1, 0.2, 0.2]
    assert not model.mask_head.with_seg_branch
    assigner = model.train_cfg.assigner
    assert (assigner.pos_iou_thr, assigner.neg_iou_thr, assigner.min_pos_iou) == (0.5, 0.4, 0)
    test_cfg = model.test_cfg
    assert (test_cfg.nms_pre, test_cfg.score_thr, test_cfg.iou_thr) == (1000, 0.05, 0.5)
    assert (test_cfg.top_k, test_cfg.max_per_img) == (200, 100)

    optimizer = dict(type='SGD', lr=0.006, momentum=0.9, weight_decay=0.0005)
    assert cfg.optim_wrapper == dict(type='OptimWrapper', optimizer=optimizer)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.type, warm_up.start_factor, warm_up.end) == ('LinearLR', 0.1, 500)
    assert (cosine.type, cosine.T_max, cosine.eta_min) == ('CosineAnnealingLR', 55, 0.0)
    assert cfg.train_cfg.max_epochs == 55
    assert (cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size) == (8, 32)
    pipeline = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert pipeline['LoadAnnotations'].with_mask
    assert pipeline['FilterAnnotations'].min_gt_bbox_wh == (4.0, 4.0)
    assert pipeline['Expand'].ratio_range == (1, 4)
    for resize in (pipeline['Resize'], cfg.test_dataloader.dataset.pipeline[1]):
        assert resize == dict(type='Resize', scale=(550, 550), keep_ratio=False)
    assert cfg.val_evaluator.metric == ['bbox', 'segm']


def test_published_figures_are_in_the_metafiles():
    paths = [CONFIGS / name / 'metafile.yml' for name in ('solov2', 'yolact')]
    models = {m['Name']: m for p in paths for m in yaml.safe_load(p.read_text())['Models']}
    figures = {
        name: [list(result['Metrics'].values()) for result in model['Results']]
        for name, model in models.items()
        if model['Metadata']['Figures'] == 'published'
    }
    assert figures == {
        'rs_solov2-light_r34_fpn_3x_coco': [[32.6, 72.7]],
        'rs_solov2_r101_fpn_3x_coco': [[39.7, 66.9]],
        'rs_yolact_r50_fpn_55e_coco': [[33.8, 71.8], [29.9, 74.7]],
    }
