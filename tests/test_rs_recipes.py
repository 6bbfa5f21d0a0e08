"""RS Loss: the configs match the published ones (arXiv 2107.11669), setting by setting."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

CONFIGS = Path(__file__).parents[1] / 'configs'
# config: backbone depth, epochs, learning rate, deformable convolutions, neck
PUBLISHED = {
    'atss/rs_atss_r50_fpn_1x_coco': (50, 12, 0.008, False, 'FPN'),
    'paa/rs_paa_r50_fpn_1x_coco': (50, 12, 0.008, False, 'FPN'),
    'faster_rcnn/rs_faster-rcnn_r50_fpn_1x_coco': (50, 12, 0.012, False, 'FPN'),
    'faster_rcnn/rs_faster-rcnn_r50_fpn-carafe_1x_coco': (50, 12, 0.012, False, 'FPN_CARAFE'),
    'faster_rcnn/rs_faster-rcnn_r101-dconv-c3-c5_fpn_ms-3x_coco': (101, 36, 0.012, True, 'FPN'),
    'faster_rcnn/rs_faster-rcnn_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco': (
        101,
        36,
        0.012,
        True,
        'FPN_CARAFE',
    ),
    'cascade_rcnn/rs_cascade-rcnn_r50_fpn_1x_coco': (50, 12, 0.012, False, 'FPN'),
    'mask_rcnn/rs_mask-rcnn_r50_fpn_1x_coco': (50, 12, 0.012, False, 'FPN'),
    'mask_rcnn/rs_mask-rcnn_r50_fpn-carafe_1x_coco': (50, 12, 0.012, False, 'FPN_CARAFE'),
    'mask_rcnn/rs_mask-rcnn_r101_fpn_ms-640-800-3x_coco': (101, 36, 0.012, False, 'FPN'),
    'mask_rcnn/rs_mask-rcnn_r101_fpn-carafe_ms-3x_coco': (101, 36, 0.012, False, 'FPN_CARAFE'),
    'mask_rcnn/rs_mask-rcnn_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco': (
        101,
        36,
        0.012,
        True,
        'FPN_CARAFE',
    ),
    'mask_rcnn/rs_mask-rcnn_x101-64x4d-dconv-c3-c5_fpn-carafe_ms-3x_coco': (
        101,
        36,
        0.012,
        True,
        'FPN_CARAFE',
    ),
    'mask_rcnn/rs_mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1': (50, 12, 0.012, False, 'FPN'),
}
RS = dict(type='RankSortLoss', delta=0.5)
STDS = [0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_recipe(name):
    depth, epochs, lr, deformable, neck = PUBLISHED[name]
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    backbone = cfg.model.backbone
    assert (backbone.depth, cfg.model.neck.type) == (depth, neck)
    assert backbone.get('dcn') == (
        dict(type='DCNv2', deform_groups=4, fallback_on_stride=False) if deformable else None
    )
    warm_up, drops = cfg.param_scheduler
    assert (warm_up.type, warm_up.start_factor, warm_up.end) == ('LinearLR', 0.001, 500)
    assert drops.milestones == ([8, 11] if epochs == 12 else [24, 33])
    assert drops.end == cfg.train_cfg.max_epochs == epochs
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=lr, momentum=0.9, weight_decay=0.0001)
    assert (cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size) == (4, 16)

    dataset = cfg.train_dataloader.dataset
    _, annotations, resize, *_ = dataset.get('dataset', dataset).pipeline
    assert annotations.get('with_mask', False) == ('mask' in name)
    if '_ms-' not in name:
        assert resize == dict(type='Resize', scale=(1333, 800), keep_ratio=True)
    else:
        sides = [480, 560, 640, 720, 800, 880, 960]
        if '640-800' in name or 'lvis' in name:
            sides = [640, 672, 704, 736, 768, 800]
        scales = [(1333, side) for side in sides]
        assert resize == dict(type='RandomChoiceResize', scales=scales, keep_ratio=True)
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (1333, 800)


@pytest.mark.parametrize('name', ['atss/rs_atss_r50_fpn_1x_coco', 'paa/rs_paa_r50_fpn_1x_coco'])
def test_published_dense_head(name):
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    head, neck = model.bbox_head, model.neck
    assert (neck.add_extra_convs, neck.start_level, neck.num_outs) == ('on_output', 1, 5)
    anchors = head.anchor_generator
    assert (anchors.octave_base_scale, anchors.scales_per_octave, anchors.ratios) == (4, 3, [1.0])
    assert head.norm_cfg == dict(type='GN', num_groups=32, requires_grad=True)
    assert (head.learnable_scales, head.stacked_convs) == (True, 4)
    assert (head.loss_cls, head.loss_bbox) == (RS, dict(type='GIoULoss'))
    assert head.bbox_coder.target_stds == STDS
    assert (model.test_cfg.score_thr, model.test_cfg.nms.iou_threshold) == (0.05, 0.6)
    assigner = model.train_cfg.assigner
    if 'paa' in name:
        assert (head.type, head.topk, head.score_voting) == ('ALRPPAAHead', 9, True)
        assert (assigner.pos_iou_thr, assigner.neg_iou_thr, assigner.min_pos_iou) == (0.1, 0.1, 0)
    else:
        assert assigner == dict(type='ATSSAssigner', topk=9)


@pytest.mark.parametrize('name', [name for name in PUBLISHED if 'rcnn' in name])
def test_published_stages(name):
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    rpn, roi_head = model.rpn_head, model.roi_head
    assert (rpn.loss_cls, rpn.loss_bbox) == (dict(RS, loss_weight=0.2), dict(type='GIoULoss'))
    assert rpn.bbox_coder.target_stds == STDS
    assert model.train_cfg.rpn.sampler.type == 'PseudoSampler'
    assert model.test_cfg.rcnn.score_thr == (0.6 if 'lvis' in name else 0.4)
    assert model.test_cfg.rcnn.max_per_img == (300 if 'lvis' in name else 100)
    heads, stages, ious = [roi_head.bbox_head], [model.train_cfg.rcnn], [0.5]
    if 'cascade' in name:
        assert (roi_head.num_stages, roi_head.stage_loss_weights) == (3, [1, 1, 1])
        heads, stages, ious = roi_head.bbox_head, model.train_cfg.rcnn, [0.5, 0.6, 0.7]
    assert len(heads) == len(stages) == len(ious)
    for head, stage, iou in zip(heads, stages, ious):
        assert (head.loss_cls, head.loss_bbox) == (RS, dict(type='GIoULoss'))
        assert head.bbox_coder.target_stds == STDS
        assert head.reg_class_agnostic == ('cascade' in name)
        assert head.bias_prob == 0.5
        assert stage.sampler.add_gt_as_proposals and stage.sampler.num > 1_000_000
        assert stage.assigner.pos_iou_thr == stage.assigner.neg_iou_thr == iou


@pytest.mark.parametrize('name', [name for name in PUBLISHED if 'mask' in name])
def test_published_masks(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    roi_head, rcnn = cfg.model.roi_head, cfg.model.train_cfg.rcnn
    assert (cfg.model.type, roi_head.type) == ('MaskRCNN', 'ALRPMaskRoIHead')
    assert (roi_head.max_masks, rcnn.mask_size) == (200, 28)
    head = roi_head.mask_head
    assert (head.type, head.num_convs, head.loss_mask) == ('FCNMaskHead', 4, dict(type='DiceLoss'))
    assert head.num_classes == roi_head.bbox_head.num_classes == (1203 if 'lvis' in name else 80)
    assert roi_head.mask_roi_extractor.roi_layer.output_size == 14
    assert cfg.val_evaluator.metric == ['bbox', 'segm']
    if 'lvis' in name:
        dataset = cfg.train_dataloader.dataset
        assert (dataset.type, dataset.oversample_thr) == ('ClassBalancedDataset', 1e-3)
        assert cfg.val_evaluator.type == 'LVISLRPMetric'


def test_published_figures_are_in_the_metafiles():
    """AP and oLRP of boxes, then of masks, from the paper and the README of its code."""
    paths = [CONFIGS / name.partition('/')[0] / 'metafile.yml' for name in PUBLISHED]
    models = {m['Name']: m for p in set(paths) for m in yaml.safe_load(p.read_text())['Models']}
    figures = {
        name: [list(result['Metrics'].values()) for result in model['Results']]
        for name, model in models.items()
        if model['Metadata']['Figures'] == 'published' and name.startswith('rs_')
    }
    assert figures == {
        'rs_atss_r50_fpn_1x_coco': [[39.9, 67.9]],
        'rs_paa_r50_fpn_1x_coco': [[41.0, 67.3]],
        'rs_faster-rcnn_r50_fpn_1x_coco': [[39.6, 67.9]],
        'rs_faster-rcnn_r50_fpn-carafe_1x_coco': [[40.8, 66.9]],
        'rs_faster-rcnn_r101-dconv-c3-c5_fpn_ms-3x_coco': [[47.6, 61.1]],
        'rs_faster-rcnn_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco': [[47.7, 60.9]],
        'rs_cascade-rcnn_r50_fpn_1x_coco': [[41.3, 66.6]],
        'rs_mask-rcnn_r50_fpn_1x_coco': [[40.0, 67.5], [36.4, 70.1]],
        'rs_mask-rcnn_r50_fpn-carafe_1x_coco': [[41.1, 66.6], [37.3, 69.4]],
        'rs_mask-rcnn_r101_fpn_ms-640-800-3x_coco': [[44.7, 63.7], [40.3, 66.9]],
        'rs_mask-rcnn_r101_fpn-carafe_ms-3x_coco': [[46.2, 62.6], [41.5, 65.9]],
        'rs_mask-rcnn_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco': [[48.8, 60.2], [43.6, 64.0]],
        'rs_mask-rcnn_x101-64x4d-dconv-c3-c5_fpn-carafe_ms-3x_coco': [[49.9, 59.1], [44.4, 63.1]],
        'rs_mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1': [[25.9], [25.2]],
    }
