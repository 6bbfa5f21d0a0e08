"""A small Mask R-CNN and its batches."""

from pathlib import Path

import numpy as np
import torch
from head_helpers import SHAPE, batch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp_mmdet.models  # noqa: F401 - registers

CONFIGS = Path(__file__).parents[2] / 'configs' / 'mask_rcnn'


def build(loss: str = 'RankSortLoss', **roi_head) -> torch.nn.Module:
    name = 'rs' if loss == 'RankSortLoss' else 'alrp'
    cfg = Config.fromfile(CONFIGS / f'{name}_mask-rcnn_r18_fpn_8e_shapes.py')
    cfg.merge_from_dict(dict(model=dict(roi_head=roi_head)))
    if loss == 'APLoss':
        for head in (cfg.model.rpn_head, cfg.model.roi_head.bbox_head):
            head.loss_cls = dict(type=loss)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    return detector


def ellipses(boxes) -> BitmapMasks:
    """One mask per box, an ellipse that touches its sides."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    masks = np.zeros((len(boxes), *SHAPE), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, np.asarray(boxes).reshape(-1, 4)):
        radius = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2
        mask[radius <= 1] = 1
    return BitmapMasks(masks, *SHAPE)


def samples(*objects, with_masks: bool = True) -> tuple[torch.Tensor, list[DetDataSample]]:
    data_samples = []
    for gt_instances, meta in zip(*batch(*objects)):
        sample = DetDataSample(metainfo=dict(meta, batch_input_shape=SHAPE, ori_shape=SHAPE))
        if with_masks:
            gt_instances.masks = ellipses(gt_instances.bboxes)
        sample.gt_instances = gt_instances
        data_samples.append(sample)
    pictures = torch.randn(len(objects), 3, *SHAPE, generator=torch.Generator().manual_seed(1))
    return pictures, data_samples
