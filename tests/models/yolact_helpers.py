"""A small YOLACT and its batches."""

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from tiny_detectors import BASE

SIZE = (64, 96)
CLASSES = 3
TWO = ((4, 4, 36, 36, 0), (44, 8, 92, 56, 2))
ONE = ((20, 12, 68, 60, 1),)


def config(loss: str = 'RankSortLoss', max_masks: int = 100, bbox_head: dict | None = None) -> dict:
    cfg = Config.fromfile(BASE / 'rs_yolact_r50_fpn.py').model
    init_default_scope('mmdet')
    anchors = dict(octave_base_scale=4, strides=[8, 16, 32], base_sizes=[8, 16, 32], centers=None)
    changes = dict(
        backbone=dict(depth=18, stem_channels=4, base_channels=4, init_cfg=None),
        neck=dict(in_channels=[4, 8, 16, 32], out_channels=8, num_outs=3),
        bbox_head=dict(
            num_classes=CLASSES,
            in_channels=8,
            feat_channels=8,
            num_protos=4,
            anchor_generator=anchors,
            **{**(bbox_head or {}), 'loss_cls': dict(_delete_=True, type=loss)},
        ),
        mask_head=dict(
            num_classes=CLASSES,
            in_channels=8,
            num_protos=4,
            proto_channels=(8, None, 4),
            proto_kernel_sizes=(3, -2, 1),
            max_masks_to_train=max_masks,
        ),
        test_cfg=dict(score_thr=0.0),
    )
    cfg = Config(dict(model=cfg))
    cfg.merge_from_dict(dict(model=changes))
    return cfg.model


def build(*args, **kwargs) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(config(*args, **kwargs))
    model.init_weights()
    return model


def samples(*images) -> list[DetDataSample]:
    """Images of objects (x1, y1, x2, y2, label) that fill their boxes but for a corner."""
    results = []
    for rows in images:
        masks = np.zeros((len(rows), *SIZE), dtype=np.uint8)
        for mask, (x1, y1, x2, y2, _) in zip(masks, rows):
            mask[y1:y2, x1:x2] = 1
            mask[y1 : (y1 + y2) // 2, x1 : (x1 + x2) // 2] = 0
        values = torch.tensor(rows).reshape(-1, 5)
        sample = DetDataSample(
            metainfo=dict(
                img_shape=SIZE,
                ori_shape=SIZE,
                pad_shape=SIZE,
                batch_input_shape=SIZE,
                scale_factor=(1.0, 1.0),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=values[:, :4].float(), labels=values[:, 4], masks=BitmapMasks(masks, *SIZE)
        )
        results.append(sample)
    return results


def pictures(count: int) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def losses_of(model, *images) -> dict[str, torch.Tensor]:
    return model.loss(pictures(len(images)), samples(*images))


def total(losses) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)
