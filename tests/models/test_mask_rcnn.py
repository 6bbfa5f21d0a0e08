"""Mask R-CNN with one ranking for classes, boxes and masks."""

import numpy as np
import pytest
import torch
from head_helpers import NOTHING, OBJECTS, OTHERS, SHAPE, total
from mask_rcnn_helpers import build, samples
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmengine.structures import InstanceData

from alrp.ranking import Ranking

LOSSES = ['aLRPLoss', 'APLoss', 'RankSortLoss']


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


def dice_loss(head, features, roi, label, objects, gt_ind) -> torch.Tensor:
    """Of the mask of a RoI (image, x1, y1, x2, y2), by definition."""
    prob = head._mask_forward(features, roi[None])['mask_preds'][0, label].sigmoid()
    corners = roi[None, 1:].numpy().clip(0, [SHAPE[1], SHAPE[0]] * 2)
    target = objects.masks.crop_and_resize(corners, (28, 28), np.array([int(gt_ind)]), 'cpu')
    target = target.to_tensor(torch.float, 'cpu')
    return 1 - 2 * (prob * target).sum() / ((prob**2).sum() + (target**2).sum() + 0.002)


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
    result = results[0]
    assert len(losses) == len(result.pos_priors)
    for i, box in enumerate(result.pos_priors):
        roi = torch.cat([torch.zeros(1), box])
        label = 0 if class_agnostic else result.pos_gt_labels[i]
        dice = dice_loss(head, features, roi, label, objects[0], result.pos_assigned_gt_inds[i])
        assert losses[i].item() == pytest.approx(dice.item(), abs=1e-3)


@pytest.mark.parametrize('loss', LOSSES)
def test_each_mask_has_the_weight_of_its_box(loss, monkeypatch):
    """Found from the coordinates of RoIs and the logits of the box head."""
    detector = build(loss, max_masks=10)
    head = detector.roi_head
    for layer, std in ((head.bbox_head.fc_cls, 0.5), (head.mask_head.conv_logits, 1.0)):
        torch.nn.init.normal_(layer.weight, std=std)
    pictures, data_samples = samples(OBJECTS, OTHERS)
    features = detector.extract_feat(pictures)
    results, objects = sampled(detector, data_samples)
    drawn, forward = [], head._mask_forward
    monkeypatch.setattr(
        head, '_mask_forward', lambda x, rois: drawn.append(rois) or forward(x, rois)
    )
    losses = head.mask_loss(features, results, None, objects)['loss_mask']
    monkeypatch.undo()

    rois = bbox2roi([result.priors for result in results])
    logits = head._bbox_forward(features, rois)['cls_score']
    ious = [bbox_overlaps(roi[None, 1:], objects[int(roi[0])].bboxes)[0] for roi in rois]
    owners = [int(of_roi.argmax()) for of_roi in ious]
    labels = torch.zeros_like(logits, dtype=torch.long)
    for row, roi in enumerate(rois):
        if ious[row].max() >= 0.5:
            labels[row, objects[int(roi[0])].labels[owners[row]]] = 1
    positive = labels.any(dim=1)
    assert losses['num_pos'] == positive.sum() > len(drawn[0]) == 10
    assert set(drawn[0][:, 0].tolist()) == {0, 1}

    all_weights = torch.zeros(len(rois))
    if loss == 'RankSortLoss':
        all_weights[positive] = logits[positive].detach().sigmoid().amax(dim=1)
    elif loss == 'aLRPLoss':
        ranking = Ranking(logits.detach().flatten(), labels.flatten())
        all_weights[positive] = ranking.localisation_weights.float()
    else:
        all_weights[positive] = 1.0
    weights, dice = [], []
    for roi in drawn[0]:
        [row] = (rois == roi).all(dim=1).nonzero()[:, 0].tolist()
        of_image = objects[int(roi[0])]
        weights.append(all_weights[row])
        label = of_image.labels[owners[row]]
        dice.append(dice_loss(head, features, roi, label, of_image, owners[row]))
    weights, dice = torch.stack(weights), torch.stack(dice)
    assert loss == 'APLoss' or weights.max() > 1.2 * weights.min()
    expected = (weights * dice).sum() / weights.sum()
    if loss == 'RankSortLoss':
        expected = (
            (losses['loss_rank'] + losses['loss_sort']).detach() / expected.detach() * expected
        )
    elif loss == 'aLRPLoss':
        expected = 50 * all_weights.sum() * expected
    assert losses['loss_mask'].item() == pytest.approx(expected.item(), rel=1e-3)
    parameters = list(head.mask_head.parameters())
    grads = torch.autograd.grad(losses['loss_mask'], parameters, retain_graph=True)
    for grad, wanted in zip(grads, torch.autograd.grad(expected, parameters)):
        torch.testing.assert_close(grad, wanted, rtol=1e-3, atol=1e-3 * wanted.abs().max().item())


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
        (dict(mask_head=dict(loss_mask=dict(use_sigmoid=False))), 'DiceLoss.*use_sigmoid=False'),
        (dict(mask_head=dict(loss_mask=dict(loss_weight=7.0))), r'loss_mask\.loss_weight.*7\.0'),
        (dict(max_masks=0), 'max_masks'),
        (dict(max_masks=1.5), 'max_masks.* 1.5'),
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
