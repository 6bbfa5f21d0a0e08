"""The config of a published checkpoint is found from the shapes of its weights."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from published_checkpoints import CONFIG, renamed, shapes_of

from alrp_mmdet.transfer.checkpoint_config import parse_literals
from alrp_mmdet.transfer.published import identify_detector, published_config
from alrp_mmdet.transfer.safe_loading import CheckpointError

CONFIGS = Path(__file__).parents[2] / 'configs'


def layout(detector: str, **kwargs) -> dict:
    full = dict(classes=80, width=64, stem=64, fpn=256, hidden=1024, convs=4)
    shapes = shapes_of(detector, **full | kwargs)
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


X101 = dict(depth=101, groups=64, base_width=4)


@pytest.mark.parametrize(
    'detector, options, config',
    [
        ('retinanet', {}, 'retinanet/alrp_retinanet_r50_fpn_100e_coco500'),
        ('atss', {}, 'atss/alrp_atss_r50_fpn_100e_coco500'),
        ('atss', dict(atss='retina'), 'atss/alrp_atss_r50_fpn_100e_coco500'),
        ('atss', dict(depth=101), 'atss/alrp_atss_r101_fpn_100e_coco500'),
        ('atss', dict(depth=101, anchors=3), 'atss/alrp_atss_r101_fpn_100e_coco800'),
        ('atss', X101, 'atss/alrp_atss_x101-64x4d_fpn_100e_coco500'),
        ('atss', dict(X101, anchors=3), 'atss/alrp_atss_x101-64x4d_fpn_100e_coco800'),
        ('fovea', {}, 'foveabox/alrp_fovea_r50_fpn_100e_coco500'),
        ('faster-rcnn', {}, 'faster_rcnn/alrp_faster-rcnn_r50_fpn_100e_coco500'),
    ],
)
def test_config_is_found_and_all_shapes_match_its_model(detector, options, config):
    weights = layout(detector, **options)
    trained = parse_literals(CONFIG[detector])['model']
    path = published_config(weights, 'old.pth', CONFIGS, trained)
    assert path == CONFIGS / f'{config}.py'
    init_default_scope('mmdet')
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(path).model)
    own = {k: v.shape for k, v in model.state_dict().items() if 'self_balance' not in k}
    assert {renamed(detector, k): v.shape for k, v in weights.items()} == own


def test_deformable_convolutions_are_recognised():
    weights = layout('atss', **X101, anchors=3)
    weights['backbone.layer4.0.conv2.conv_offset.weight'] = torch.empty(1)
    path = published_config(weights, 'old.pth', CONFIGS)
    assert path.stem == 'alrp_atss_x101-64x4d-dconv-c3-c5_fpn_100e_coco800'


def test_detector_without_a_config():
    with pytest.raises(
        CheckpointError, match=r'FoveaBox .* r101, .*alrp_fovea_r101_fpn_100e_coco500\.py'
    ):
        published_config(layout('fovea', depth=101), 'old.pth', CONFIGS)


@pytest.mark.parametrize(
    'names, message',
    [
        (['bbox_head.fc_cls.weight', 'bbox_head.fc_reg.weight'], 'MMDetection 1'),
        (
            ['bbox_head.conv_cls.weight', 'bbox_head.conv_centerness.weight'],
            'RetinaNet, ATSS, PAA, FoveaBox, Faster R-CNN, Cascade R-CNN, Mask R-CNN, YOLACT',
        ),
        (['conv1.weight', 'fc.weight'], r'RetinaNet, .* conv1 \(weight\), fc \(weight\)'),
    ],
)
def test_another_layout(names, message):
    with pytest.raises(CheckpointError, match=rf'old\.pth.*{message}'):
        identify_detector({name: torch.ones(1) for name in names}, 'old.pth')
