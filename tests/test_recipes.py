"""The configs hold what was published (arXiv 2009.13592), down to the last number."""

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
    if 'rpn_head' in cfg.model:
        rpn = cfg.model.rpn_head.loss_cls
        assert (rpn.tau, rpn.loss_weight) == (0.7, 0.2)
        assert cfg.model.train_cfg.rpn.assigner.pos_iou_thr == rpn.tau
    assigner = cfg.model.train_cfg.get('rcnn', cfg.model.train_cfg).get('assigner', {})
    if 'pos_iou_thr' in assigner:
        assert assigner.pos_iou_thr == head.loss_cls.tau


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('[!_]*/*.py')), ids=lambda path: path.stem)
def test_the_learning_rate_scales_with_the_batch(path):
    cfg = Config.fromfile(path)
    size = 4 if 'r18' in path.stem else 32 if '500' in path.stem else 16
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=size)
    assert size % cfg.train_dataloader.batch_size == 0
