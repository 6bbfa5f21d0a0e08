"""Mask R-CNN with one ranking for classes, boxes and masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from head_helpers import NOTHING, OBJECTS, SHAPE, batch, total
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import alrp_mmdet.models  # noqa: F401 - registers

CONFIGS = Path(__file__).parents[2] / 'configs' / 'mask_rcnn'
LOSSES = ['aLRPLoss', 'APLoss', 'RankSortLoss']


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


def sampled(detector, data_samples):
    """The RoI head's sampling results: the objects and boxes around them, 24 per image."""
    head = detector.roi_head
    objects, _, _ = unpack_gt_instances(data_samples)
    results = []
    for of_image in objects:
        near = of_image.bboxes.repeat(12, 1)
        proposals = InstanceData(priors=near + torch.randn_like(near))
        assigned = head.bbox_assigner.assign(proposals, of_image)
        results.append(head.bbox_sampler.sample(assigned, proposals, of_image))
    return results, objects


@pytest.mark.parametrize('loss', LOSSES)
def test_trains_and_predicts_by_every_loss(loss):
    detector = build(loss)
    losses = detector.loss(*samples(OBJECTS, NOTHING))
    names = {'loss_rank', 'loss_sort'} if loss == 'RankSortLoss' else {'loss_cls'}
    stage = {name for name in losses if 'loss' in name and not name.startswith('rpn_')}
    assert stage == {*names, 'loss_bbox', 'loss_mask'}
    assert all(losses[name] > 0 for name in stage)
    total(losses).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    assert detector.roi_head.mask_head.conv_logits.weight.grad.any()

    with torch.no_grad():
        [found] = detector.eval().predict(*samples(NOTHING), rescale=False)
    assert found.pred_instances.masks.shape == (len(found.pred_instances), *SHAPE)
    assert found.pred_instances.masks.dtype == torch.bool and len(found.pred_instances) > 0


@pytest.mark.parametrize('loss', LOSSES)
def test_without_objects_losses_are_zero_and_reach_every_parameter(loss):
    detector = build(loss)
    losses = detector.loss(*samples(NOTHING, NOTHING))
    total(losses).backward()
    assert total(losses) == 0 and 'loss_mask' in losses
    assert all(p.grad is not None and not p.grad.any() for p in detector.parameters())


def test_each_mask_of_a_sample_keeps_its_positive():
    """The published code shuffles the weights, but not the masks."""
    detector = build()
    head = detector.roi_head
    pictures, data_samples = samples(OBJECTS, OBJECTS)
    features = detector.extract_feat(pictures)
    results, objects = sampled(detector, data_samples)
    num_pos = sum(len(result.pos_priors) for result in results)
    everything = head._mask_losses(features, results, objects)
    assert everything.inds.tolist() == list(range(num_pos)) and num_pos > 20
    head.max_masks = 10
    few = [head._mask_losses(features, results, objects) for _ in range(2)]
    for masks in few:
        assert len(masks.inds) == 10 and len(set(masks.inds.tolist())) == 10
        torch.testing.assert_close(masks.losses, everything.losses[masks.inds])
    assert few[0].inds.tolist() != few[1].inds.tolist()


@pytest.mark.parametrize('class_agnostic', [False, True])
def test_mask_losses_are_dice_losses_of_the_positives(class_agnostic):
    detector = build(mask_head=dict(class_agnostic=class_agnostic))
    head = detector.roi_head
    pictures, data_samples = samples(OBJECTS, NOTHING)
    features = detector.extract_feat(pictures)
    results, objects = sampled(detector, data_samples)
    losses = head._mask_losses(features, results, objects).losses
    result, masks = results[0], objects[0].masks
    assert len(losses) == len(result.pos_priors)
    for i, box in enumerate(result.pos_priors):
        rois = torch.cat([torch.zeros(1), box])[None]
        logits = head._mask_forward(features, rois)['mask_preds'][0]
        prob = logits[0 if class_agnostic else result.pos_gt_labels[i]].sigmoid()
        inds = result.pos_assigned_gt_inds[[i]].numpy()
        corners = box[None].numpy().clip(0, [SHAPE[1], SHAPE[0]] * 2)
        target = masks.crop_and_resize(corners, (28, 28), inds, 'cpu').to_tensor(torch.float, 'cpu')
        dice = 2 * (prob * target).sum() / ((prob**2).sum() + (target**2).sum())
        assert losses[i].item() == pytest.approx(1 - dice.item(), abs=1e-3)


def test_masks_of_half_precision_are_compared_in_single_precision(monkeypatch):
    head = build().roi_head
    _, data_samples = samples(OBJECTS)
    results, objects = sampled(build(), data_samples)

    def half(_, rois):
        return dict(mask_preds=torch.full((len(rois), 4, 28, 28), 0.1, dtype=torch.float16))

    monkeypatch.setattr(head, '_mask_forward', half)
    losses = head._mask_losses([torch.zeros(1)], results, objects).losses
    assert losses.dtype == torch.float32 and losses.isfinite().all()


@pytest.mark.parametrize(
    'change, facts',
    [
        (dict(mask_head=dict(loss_mask=dict(_delete_=True, type='CrossEntropyLoss'))), 'DiceLoss'),
        (dict(mask_head=dict(loss_mask=dict(activate=False))), 'DiceLoss.*activate=False'),
        (dict(mask_head=dict(loss_mask=dict(loss_weight=7.0))), r'loss_mask\.loss_weight.*7\.0'),
        (dict(max_masks=0), 'max_masks'),
        (dict(mask_head=None), 'StandardRoIHead'),
        (
            dict(
                bbox_head=dict(
                    _delete_=True,
                    type='Shared2FCBBoxHead',
                    in_channels=64,
                    num_classes=4,
                    bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
                )
            ),
            'ALRPBBoxHead',
        ),
    ],
)
def test_bad_arguments(change, facts):
    with pytest.raises(ValueError, match=facts):
        build(**change)


def test_images_without_masks():
    with pytest.raises(ValueError, match='with_mask=True'):
        build().loss(*samples(OBJECTS, NOTHING, with_masks=False))
