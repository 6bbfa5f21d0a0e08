"""The configs match the published ones (arXiv 2009.13592), setting by setting."""

import math
import re
from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).parents[1] / 'configs'
EARLY, LATE = [60, 80], [75, 95]
ALRP, AP = ('aLRPLoss', 'GIoULoss'), ('APLoss', 'SmoothL1Loss')
CE_L1, CE_GIOU = ('CrossEntropyLoss', 'L1Loss'), ('CrossEntropyLoss', 'GIoULoss')
FOCAL = ('FocalLoss', 'SmoothL1Loss')

# config: backbone, size, learning rate, steps, losses, scales and ratios of anchors
PUBLISHED = {
    'retinanet/alrp_retinanet_r50_fpn_100e_coco500': ('R50', 500, 0.008, EARLY, ALRP, 2, 3),
    'atss/alrp_atss_r50_fpn_100e_coco500': ('R50', 500, 0.008, LATE, ALRP, 2, 1),
    'atss/alrp_atss_r101_fpn_100e_coco500': ('R101', 500, 0.008, LATE, ALRP, 2, 1),
    'atss/alrp_atss_x101-64x4d_fpn_100e_coco500': ('X101', 500, 0.008, LATE, ALRP, 2, 1),
    'atss/alrp_atss_r101_fpn_100e_coco800': ('R101', 800, 0.004, EARLY, ALRP, 3, 1),
    'atss/alrp_atss_x101-64x4d_fpn_100e_coco800': ('X101', 800, 0.004, EARLY, ALRP, 3, 1),
    'atss/alrp_atss_x101-64x4d-dconv-c3-c5_fpn_100e_coco800': (
        'X101-DCN',
        800,
        0.004,
        EARLY,
        ALRP,
        3,
        1,
    ),
    'retinanet/ap_retinanet_r50_fpn_100e_coco500': ('R50', 500, 0.002, EARLY, AP, 2, 3),
    'foveabox/alrp_fovea_r50_fpn_100e_coco500': ('R50', 500, 0.008, LATE, ALRP, None, None),
    'foveabox/ap_fovea_r50_fpn_100e_coco500': ('R50', 500, 0.002, LATE, AP, None, None),
    'foveabox/focal_fovea_r50_fpn_100e_coco500': ('R50', 500, 0.02, LATE, FOCAL, None, None),
    'faster_rcnn/alrp_faster-rcnn_r50_fpn_100e_coco500': ('R50', 500, 0.012, LATE, ALRP, 1, 3),
    'faster_rcnn/ce_l1_faster-rcnn_r50_fpn_100e_coco500': ('R50', 500, 0.04, LATE, CE_L1, 1, 3),
    'faster_rcnn/ce_giou_faster-rcnn_r50_fpn_100e_coco500': ('R50', 500, 0.04, LATE, CE_GIOU, 1, 3),
}
BATCH = {500: 32, 800: 16}
PERIOD = 3665  # steps between two updates of self-balance, in all published heads


def backbone_of(cfg: Config) -> str:
    backbone = cfg.model.backbone
    letter = 'X' if backbone.type == 'ResNeXt' else 'R'
    if letter == 'X':
        assert (backbone.groups, backbone.base_width) == (64, 4)
    if 'dcn' not in backbone:
        return f'{letter}{backbone.depth}'
    assert (backbone.dcn.type, backbone.stage_with_dcn) == ('DCNv2', (False, True, True, True))
    return f'{letter}{backbone.depth}-DCN'


def step_of(pipeline: list, name: str) -> dict:
    [step] = [step for step in pipeline if step.type == name]
    return step


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_recipe(name):
    backbone, size, lr, steps, losses, scales, ratios = PUBLISHED[name]
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    head = cfg.model.get('roi_head', cfg.model).bbox_head
    anchors = cfg.model.get('rpn_head', head).get('anchor_generator')

    assert backbone_of(cfg) == backbone
    assert (head.loss_cls.type, head.loss_bbox.type) == losses
    if anchors is not None:
        assert anchors.get('scales_per_octave', len(anchors.get('scales', ()))) == scales
        assert len(anchors.ratios) == ratios

    warm_up, drops = cfg.param_scheduler
    assert (warm_up.type, warm_up.start_factor, warm_up.end) == ('LinearLR', 0.001, 500)
    assert (drops.milestones, drops.gamma, cfg.train_cfg.max_epochs) == (steps, 0.1, 100)
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=lr, momentum=0.9, weight_decay=0.0001)
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=BATCH[size])

    augmentation = cfg.train_dataloader.dataset.pipeline
    width = {500: 512, 800: 800}[size]
    resize = step_of(augmentation, 'Resize')
    assert (resize.scale, resize.keep_ratio) == ((width, width), False)
    assert step_of(augmentation, 'Expand').ratio_range == (1, 4)
    assert step_of(augmentation, 'MinIoURandomCrop').min_ious == (0.1, 0.3, 0.5, 0.7, 0.9)
    resize = step_of(cfg.test_dataloader.dataset.pipeline, 'Resize')
    assert (resize.scale, resize.keep_ratio) == ({500: (833, 500), 800: (1333, 800)}[size], True)


@pytest.mark.parametrize('name', [name for name in PUBLISHED if '/alrp_' in name])
def test_published_alrp_loss(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    head = cfg.model.get('roi_head', cfg.model).bbox_head
    assert head.loss_cls == dict(
        type='aLRPLoss', delta=1.0, tau=0.5, self_balance=dict(start_weight=50.0)
    )
    if 'bbox_coder' in head:
        assert head.bbox_coder.target_stds == [0.1, 0.1, 0.2, 0.2]
    assigner = cfg.model.train_cfg.get('rcnn', cfg.model.train_cfg).get('assigner', {})
    if 'pos_iou_thr' in assigner:
        assert assigner.pos_iou_thr == head.loss_cls.tau


FASTER_RCNN = [name for name in PUBLISHED if name.startswith('faster_rcnn/')]


@pytest.mark.parametrize('name', FASTER_RCNN)
def test_published_first_stage(name):
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    rpn, training = model.rpn_head, model.train_cfg
    if rpn.type == 'ALRPRPNHead':
        assert rpn.loss_cls == dict(
            type='aLRPLoss',
            delta=1.0,
            tau=0.7,
            loss_weight=0.2,
            self_balance=dict(start_weight=50.0),
        )
        assert rpn.loss_bbox == dict(type='GIoULoss')
        assert rpn.bbox_coder.target_stds == [0.1, 0.1, 0.2, 0.2]
        assert training.rpn.sampler.type == training.rcnn.sampler.type == 'PseudoSampler'
    else:
        assert rpn.type == 'RPNHead'
        assert rpn.loss_cls == dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0)
        assert rpn.loss_bbox == dict(type='L1Loss', loss_weight=1.0)
        assert rpn.bbox_coder.target_stds == [1.0, 1.0, 1.0, 1.0]
        assert (training.rpn.sampler.num, training.rpn.sampler.pos_fraction) == (256, 0.5)
        assert (training.rcnn.sampler.num, training.rcnn.sampler.pos_fraction) == (512, 0.25)
    assert model.roi_head.bbox_head.bbox_coder.target_stds == [0.1, 0.1, 0.2, 0.2]
    assert (rpn.anchor_generator.scales, rpn.anchor_generator.strides) == ([8], [4, 8, 16, 32, 64])
    assigner = training.rpn.assigner
    assert (assigner.pos_iou_thr, assigner.neg_iou_thr, assigner.min_pos_iou) == (0.7, 0.3, 0.3)
    proposals = dict(max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0)
    assert training.rpn_proposal == dict(nms_pre=2000, **proposals)
    assert model.test_cfg.rpn == dict(nms_pre=1000, **proposals)


def test_published_giou_baseline_weighs_boxes_by_ten():
    name = 'faster_rcnn/ce_giou_faster-rcnn_r50_fpn_100e_coco500'
    head = Config.fromfile(CONFIGS / f'{name}.py').model.roi_head.bbox_head
    assert (head.reg_decoded_bbox, head.loss_bbox.loss_weight) == (True, 10.0)


@pytest.mark.parametrize('stem', ['alrp', 'ce_l1'])
def test_bccd_keeps_the_settings_it_was_measured_with(stem):
    """The published first stage differs; docs/models.md has figures of these settings."""
    path = CONFIGS / 'faster_rcnn' / f'{stem}_faster-rcnn_r18_fpn_12e_bccd.py'
    model = Config.fromfile(path).model
    assert model.rpn_head.bbox_coder.target_stds == [0.1, 0.1, 0.2, 0.2]
    for proposals in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        assert (proposals.nms_pre, proposals.max_per_img) == (2000, 300)


def test_published_period_of_self_balance():
    """One epoch of COCO: 117,266 training images with objects, 32 a step."""
    assert math.ceil(117_266 / 32) == PERIOD
    page = CONFIGS.parent / 'docs' / 'migration.md'
    if not page.is_file():
        pytest.skip('installed without its documentation')
    periods = re.findall(r'(?:self\.period = |interval=)(\d+)', page.read_text(encoding='utf-8'))
    assert periods and set(periods) == {str(PERIOD)}


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('[!_]*/*.py')), ids=lambda path: path.stem)
def test_the_learning_rate_scales_with_the_batch(path):
    cfg = Config.fromfile(path)
    small = 'r18' in path.stem or 'mobilenet' in path.stem
    large = any(name in path.stem for name in ('500', 'solov2-light', 'yolact'))
    size = 4 if small else 32 if large else 16
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=size)
    assert size % cfg.train_dataloader.batch_size == 0
