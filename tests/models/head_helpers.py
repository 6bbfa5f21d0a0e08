"""Small heads with their batches, for the tests of all of them."""

import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

import alrp_mmdet.models  # noqa: F401 - registers

SHAPE = (64, 96)
STRIDES = (8, 16)
NMS = dict(type='nms', iou_threshold=0.5)
TEST_CFG = ConfigDict(nms_pre=50, score_thr=0.0, nms=NMS, max_per_img=10)
MAX_IOU = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0)
ANCHORS = dict(
    type='AnchorGenerator',
    octave_base_scale=4,
    scales_per_octave=1,
    ratios=[0.5, 1.0, 2.0],
    strides=STRIDES,
)
HEADS = dict(
    ALRPRetinaHead=dict(anchor_generator=ANCHORS, train_cfg=dict(assigner=MAX_IOU)),
    ALRPATSSHead=dict(
        anchor_generator={**ANCHORS, 'ratios': [1.0]},
        train_cfg=dict(assigner=dict(type='ATSSAssigner', topk=4)),
    ),
    ALRPPAAHead=dict(
        anchor_generator={**ANCHORS, 'ratios': [1.0]},
        norm_cfg=dict(type='GN', num_groups=2),
        train_cfg=dict(assigner=dict(MAX_IOU, pos_iou_thr=0.1, neg_iou_thr=0.1)),
    ),
    ALRPRPNHead=dict(anchor_generator=ANCHORS, train_cfg=dict(assigner=MAX_IOU)),
    ALRPFoveaHead=dict(
        strides=STRIDES, base_edge_list=(16, 32), scale_ranges=((1, 48), (32, 96)), train_cfg={}
    ),
)


def build(name: str, num_classes: int = 3, **kwargs) -> torch.nn.Module:
    torch.manual_seed(0)
    cfg = dict(type=name, in_channels=8, feat_channels=8, test_cfg=TEST_CFG, **HEADS[name])
    if name == 'ALRPRPNHead':
        cfg['test_cfg'] = ConfigDict(nms_pre=50, max_per_img=10, nms=NMS, min_bbox_size=0)
    else:
        cfg.update(num_classes=num_classes, stacked_convs=1)
    cfg['train_cfg'] = ConfigDict(allowed_border=-1, pos_weight=-1, **cfg['train_cfg'])
    head = MODELS.build({**cfg, **kwargs})
    head.init_weights()
    return head


def box_head(num_classes: int = 3, **kwargs) -> torch.nn.Module:
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type='ALRPBBoxHead',
            in_channels=4,
            fc_out_channels=16,
            roi_feat_size=2,
            num_classes=num_classes,
            **kwargs,
        )
    )
    head.init_weights()
    return head


def rois_of_two_images(num_classes: int):
    generator = torch.Generator().manual_seed(2)
    corners = torch.rand(12, 2, generator=generator) * 40
    boxes = torch.cat([corners, corners + 10 + torch.rand(12, 2, generator=generator) * 20], 1)
    images = torch.arange(12)[:, None] // 6
    labels = torch.full((12,), num_classes)
    labels[[0, 1, 7]] = torch.tensor([0, num_classes - 1, 0])
    weights = torch.ones(12)
    weights[4] = 0  # ignored
    targets = boxes + torch.rand(12, 4, generator=generator) * 4
    return torch.cat([images, boxes], 1), labels, weights, targets


def batch(*boxes_and_labels, shapes=None):
    gt = [
        InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.tensor(labels).long())
        for boxes, labels in boxes_and_labels
    ]
    shapes = shapes or [SHAPE] * len(gt)
    return gt, [dict(img_shape=s, pad_shape=SHAPE, scale_factor=(1.0, 1.0)) for s in shapes]


OBJECTS = ([[4.0, 4.0, 40.0, 36.0], [30.0, 10.0, 90.0, 60.0]], [0, 2])
OTHERS = ([[20.0, 20.0, 52.0, 52.0]], [1])
NOTHING = ([], [])


def features(batch_size: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = [(SHAPE[0] // stride, SHAPE[1] // stride) for stride in STRIDES]
    return [torch.randn(batch_size, 8, *size, generator=generator) for size in sizes]


def losses_of(head, gt, metas) -> dict[str, torch.Tensor]:
    if type(head).__name__ == 'ALRPRPNHead':
        for objects in gt:
            objects.labels = torch.zeros_like(objects.labels)
    return head.loss_by_feat(*head(features(len(gt))), gt, metas)


def total(losses) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)
