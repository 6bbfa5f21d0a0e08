"""A small SOLOv2 head and its batches."""

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

import alrp_mmdet.models  # noqa: F401 - registers

SIZE = (64, 96)
GRIDS = (8, 6, 4)
CLASSES = 3
TEST_CFG = ConfigDict(
    nms_pre=50,
    score_thr=0.0,
    mask_thr=0.5,
    filter_thr=0.0,
    kernel='gaussian',
    sigma=2.0,
    max_per_img=10,
)
LOSSES = dict(
    aLRPLoss=dict(type='aLRPLoss', tau=0.0),
    APLoss=dict(type='APLoss'),
    RankSortLoss=dict(type='RankSortLoss'),
)


def build(loss: str = 'aLRPLoss', **kwargs) -> torch.nn.Module:
    torch.manual_seed(0)
    cfg = dict(
        type='ALRPSOLOV2Head',
        num_classes=CLASSES,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        strides=(8, 8, 16),
        scale_ranges=((1, 40), (20, 60), (40, 200)),
        pos_scale=0.2,
        num_grids=GRIDS,
        norm_cfg=dict(type='GN', num_groups=2),
        mask_feature_head=ConfigDict(
            feat_channels=8,
            start_level=0,
            end_level=2,
            out_channels=8,
            norm_cfg=dict(type='GN', num_groups=2),
        ),
        loss_cls=LOSSES[loss],
        test_cfg=TEST_CFG,
    )
    head = MODELS.build({**cfg, **kwargs})
    head.init_weights()
    return head


def features(images: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = [(SIZE[0] // stride, SIZE[1] // stride) for stride in (4, 8, 16)]
    return [torch.randn(images, 8, *size, generator=generator) for size in sizes]


def objects(*boxes_and_labels) -> InstanceData:
    """Objects that fill their boxes (x1, y1, x2, y2) but for a corner."""
    masks = np.zeros((len(boxes_and_labels), *SIZE), dtype=np.uint8)
    for mask, (x1, y1, x2, y2, _) in zip(masks, boxes_and_labels):
        mask[y1:y2, x1:x2] = 1
        mask[y1 : y1 + (y2 - y1) // 4, x1 : x1 + (x2 - x1) // 4] = 0
    rows = torch.tensor(boxes_and_labels).reshape(-1, 5)
    return InstanceData(
        bboxes=rows[:, :4].float(), labels=rows[:, 4], masks=BitmapMasks(masks, *SIZE)
    )


# Multiples of 4 pixels, so that masks are exact at the stride of the features.
TWO = ((4, 4, 36, 36, 0), (44, 8, 92, 56, 2))
# The centres of the last two share cells.
OVERLAPPING = ((12, 8, 28, 24, 1), (20, 12, 68, 60, 1), (24, 12, 72, 60, 0))


def losses_of(head, *images) -> dict[str, torch.Tensor]:
    metas = [{} for _ in images]
    return head.loss_by_feat(*head(features(len(images))), [objects(*x) for x in images], metas)


def total(losses) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)
