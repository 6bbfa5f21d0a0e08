"""What all heads have in common. Each is compared with the core on inputs flattened by hand."""

import pytest
import torch
import torch.nn.functional as F
from head_helpers import (
    HEADS,
    NOTHING,
    OBJECTS,
    OTHERS,
    SHAPE,
    batch,
    build,
    features,
    losses_of,
    total,
)
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData

from alrp.ranking import alrp_loss, rank_sort_loss

GIOU = dict(type='GIoULoss')
OF_SEVERAL_CLASSES = [name for name in HEADS if name != 'ALRPRPNHead']
OF_ENCODED_BOXES = [name for name in HEADS if name != 'ALRPPAAHead']
of_each_loss = pytest.mark.parametrize('loss', ['aLRPLoss', 'APLoss', 'RankSortLoss'])


def by_image(maps: list[torch.Tensor], image: int, channels: int) -> torch.Tensor:
    """Predictions of one image: levels, then places, then what is predicted there."""
    return torch.cat([x[image].permute(1, 2, 0).reshape(-1, channels) for x in maps])


def assigned_by_hand(head, image: int, objects, maps, encode=False):
    """Labels (-1: ignored, C: background) of one image, and its boxes with their targets, as the
    head regresses them or decoded."""
    cls_scores, bbox_preds = maps
    sizes = [x.shape[-2:] for x in cls_scores]
    priors = head.prior_generator.grid_priors(sizes, device='cpu')
    encoded = by_image(bbox_preds, image, 4)
    if type(head).__name__ == 'ALRPFoveaHead':
        labels, targets = head._get_targets_single(objects, sizes, priors)
        labels = torch.cat([x.flatten() for x in labels])
        targets = torch.cat([x.reshape(-1, 4) for x in targets])
        if encode:
            return labels, encoded, targets
        edges = torch.cat([p.new_full((len(p), 1), e) for p, e in zip(priors, (16, 32))])
        points = torch.cat(priors)
        signs = torch.tensor([-1, -1, 1, 1])
        boxes, wanted = (points.repeat(1, 2) + signs * edges * x.exp() for x in (encoded, targets))
        return labels, boxes, wanted
    if type(head).__name__ == 'ALRPPAAHead':
        return assigned_by_paa(image, objects, maps, head.num_classes)
    anchors = InstanceData(priors=torch.cat(priors))
    extra = [[len(p) for p in priors]] if type(head).__name__ == 'ALRPATSSHead' else []
    gt_inds = head.assigner.assign(anchors, *extra, objects).gt_inds
    labels = torch.full_like(gt_inds, head.num_classes).masked_fill(gt_inds < 0, -1)
    labels[gt_inds > 0] = objects.labels[gt_inds[gt_inds > 0] - 1]
    targets = objects.bboxes[(gt_inds - 1).clamp(min=0)]
    if encode:
        return labels, encoded, head.bbox_coder.encode(anchors.priors, targets)
    return labels, head.bbox_coder.decode(anchors.priors, encoded), targets


def assigned_by_paa(image: int, objects, maps, num_classes: int):
    """The same, by MMDetection's own PAA head."""
    focal = dict(type='FocalLoss', use_sigmoid=True)
    paa = build('ALRPPAAHead', num_classes, type='PAAHead', loss_cls=focal, loss_bbox=GIOU)
    scores, encoded = by_image(maps[0], image, num_classes), by_image(maps[1], image, 4)
    _, metas = batch(NOTHING)
    anchors, flags = paa.get_anchors([x.shape[-2:] for x in maps[0]], metas, device='cpu')
    targets = paa.get_targets(anchors, flags, [objects], metas)
    labels, weights, boxes, box_weights, pos_inds, gt_inds = (x[0] for x in targets)
    [losses] = paa.get_pos_loss(
        anchors[0], scores, encoded, labels, weights, boxes, box_weights, pos_inds
    )
    labels, weights, _, _ = paa.paa_reassign(
        losses.detach(), labels, weights, box_weights, pos_inds, gt_inds, anchors[0]
    )
    assert 0 < (labels < num_classes).sum() < len(pos_inds)
    labels = labels.masked_fill(weights == 0, -1)
    return labels, paa.bbox_coder.decode(torch.cat(anchors[0]), encoded), boxes


def flattened_by_hand(head, gt, maps):
    """Logits with their labels (1, 0, -1), and for each positive its IoU, 1 - GIoU, and its highest
    logit."""
    logits, labels, ious, errors, highest = [], [], [], [], []
    for image, objects in enumerate(gt):
        scores = by_image(maps[0], image, head.cls_out_channels)
        own_labels, boxes, targets = assigned_by_hand(head, image, objects, maps)
        for i, label in enumerate(own_labels.tolist()):
            logits.append(scores[i])
            labels.append(torch.full((len(scores[i]),), -1 if label < 0 else 0))
            if 0 <= label < head.num_classes:
                labels[-1][label] = 1
                pair = boxes[i : i + 1], targets[i : i + 1]
                ious.append(bbox_overlaps(*pair)[0, 0].detach())
                errors.append(1 - bbox_overlaps(*pair, 'giou')[0, 0])
                highest.append(scores[i].max().detach())
    positives = (torch.stack(x) for x in (ious, errors, highest))
    return torch.cat(logits), torch.cat(labels), *positives


@pytest.mark.parametrize('name', HEADS)
def test_losses_are_the_cores_on_inputs_flattened_by_hand(name):
    head = build(name)
    gt, metas = batch(OBJECTS, OTHERS)
    results = losses_of(head, gt, metas)
    logits, labels, ious, errors, _ = flattened_by_hand(head, gt, head(features()))
    loss_cls, loss_loc = alrp_loss(logits, labels, errors / (1 - head.loss_cls.tau) / 2)
    loss_cls, loss_bbox = (head.loss_cls.loss_weight * x for x in (loss_cls, 50 * loss_loc))
    expected = loss_cls + loss_bbox

    prefix = 'rpn_' if name == 'ALRPRPNHead' else ''
    if name in ('ALRPRetinaHead', 'ALRPRPNHead'):  # whose assigner knows what to ignore
        assert (labels == -1).any()
    assert results[f'{prefix}num_pos'] == len(errors) >= 3
    assert results[f'{prefix}loss_cls'].item() == pytest.approx(loss_cls.item(), rel=1e-5)
    assert results[f'{prefix}loss_bbox'].item() == pytest.approx(loss_bbox.item(), rel=1e-5)
    assert min(ious) <= results[f'{prefix}ranked_iou'] <= max(ious)
    parameters = list(head.parameters())
    ours = torch.autograd.grad(total(results), parameters)
    for a, b in zip(ours, torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('name', HEADS)
def test_rs_losses_are_the_cores_on_inputs_flattened_by_hand(name):
    head = build(name, loss_cls=dict(type='RankSortLoss', loss_weight=0.2))
    gt, metas = batch(OBJECTS, OTHERS)
    results = losses_of(head, gt, metas)
    logits, labels, ious, errors, highest = flattened_by_hand(head, gt, head(features()))
    targets = labels.float()
    targets[labels == 1] = ious.clamp(min=1e-9)
    loss_rank, loss_sort = rank_sort_loss(logits, targets, delta=0.5)
    loss_bbox = (highest.sigmoid() * errors).sum() / highest.sigmoid().sum()
    loss_bbox = loss_bbox * ((loss_rank + loss_sort) / loss_bbox).detach()

    prefix = 'rpn_' if name == 'ALRPRPNHead' else ''
    for key, value in dict(rank=loss_rank, sort=loss_sort, bbox=loss_bbox).items():
        result = results[f'{prefix}loss_{key}'].item()
        assert result == pytest.approx(0.2 * value.item(), rel=1e-5), key
    parameters = list(head.parameters())
    ours = torch.autograd.grad(total(results), parameters)
    expected = torch.autograd.grad(0.2 * (loss_rank + loss_sort + loss_bbox), parameters)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('loss', ['aLRPLoss', 'RankSortLoss'])
@pytest.mark.parametrize('num_classes', [1, 500])
@pytest.mark.parametrize('name', OF_SEVERAL_CLASSES)
def test_any_number_of_classes_is_learned(name, num_classes, loss):
    head = build(name, num_classes, loss_cls=dict(type=loss))
    gt, metas = batch((OBJECTS[0], [0, num_classes - 1]), NOTHING, shapes=[SHAPE, (40, 72)])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.002)
    seen = []
    for _ in range(15):
        losses = losses_of(head, gt, metas)
        ranking = losses.get('loss_rank', losses.get('loss_cls'))
        seen.append((ranking.item(), losses['ranked_iou'].item()))
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
    assert seen[-1][0] < seen[0][0]
    assert seen[-1][1] > seen[0][1]


@of_each_loss
@pytest.mark.parametrize('name', HEADS)
def test_without_objects_losses_are_zero_and_reach_every_parameter(name, loss):
    head = build(name, loss_cls=dict(type=loss))
    loss = total(losses_of(head, *batch(NOTHING, NOTHING)))
    assert loss.item() == 0
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


@pytest.mark.parametrize('name', HEADS)
def test_predicts_boxes_within_the_image(name):
    head = build(name).eval()
    shapes = [SHAPE, (40, 72)]
    _, metas = batch(NOTHING, NOTHING, shapes=shapes)
    for (height, width), found in zip(
        shapes, head.predict_by_feat(*head(features()), batch_img_metas=metas, rescale=False)
    ):
        assert len(found) > 0
        assert (found.scores >= 0).all() and (found.scores <= 1).all()
        assert (found.bboxes >= 0).all()
        limits = torch.tensor([width, height, width, height]) + 1e-3  # of voted boxes, rounded
        assert (found.bboxes <= limits).all()


@pytest.mark.parametrize('name', OF_ENCODED_BOXES)
def test_ap_loss_goes_with_encoded_boxes(name):
    kwargs = dict(loss_cls=dict(type='APLoss'), loss_bbox=dict(type='SmoothL1Loss', beta=0.11))
    if name != 'ALRPFoveaHead':
        kwargs['reg_decoded_bbox'] = False
    head = build(name, **kwargs)
    gt, metas = batch(OBJECTS, OTHERS)
    losses = losses_of(head, gt, metas)

    maps = head(features())
    boxes = []
    for image, objects in enumerate(gt):
        labels, encoded, targets = assigned_by_hand(head, image, objects, maps, encode=True)
        positive = (labels >= 0) & (labels < head.num_classes)
        boxes.append(torch.stack([encoded[positive], targets[positive]]))
    preds, targets = torch.cat(boxes, dim=1)
    expected = F.smooth_l1_loss(preds, targets, beta=0.11, reduction='none').sum(dim=1).mean()
    [loss_bbox] = [value for key, value in losses.items() if 'bbox' in key]
    assert loss_bbox.item() == pytest.approx(expected.item(), rel=1e-5)
    assert not any('ranked_iou' in key for key in losses)


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(
    'loss_cls', [dict(type='FocalLoss', use_sigmoid=True), dict(type='L1Loss')]
)
def test_a_loss_that_does_not_rank_is_refused(name, loss_cls):
    with pytest.raises(ValueError, match=f'{name} .*loss_cls.*aLRPLoss'):
        build(name, loss_cls=loss_cls)


@of_each_loss
@pytest.mark.parametrize('name', HEADS)
def test_a_prediction_gone_astray_leaves_losses_finite(name, loss):
    head = build(name, loss_cls=dict(type=loss))
    cls_scores, bbox_preds = head(features())
    for x in bbox_preds:
        x.data.fill_(1e4)
    gt, metas = batch(([OBJECTS[0][0]], [0]), NOTHING)
    assert total(head.loss_by_feat(cls_scores, bbox_preds, gt, metas)).isfinite()


@pytest.mark.parametrize(
    'loss, names',
    [
        ('aLRPLoss', ['loss_cls', 'loss_bbox', 'self_balance']),
        ('RankSortLoss', ['loss_rank', 'loss_sort', 'loss_bbox']),
    ],
)
def test_names_of_the_first_stage_differ_from_those_of_the_second(loss, names):
    losses = losses_of(build('ALRPRPNHead', loss_cls=dict(type=loss)), *batch(OBJECTS, OTHERS))
    assert set(losses) == {f'rpn_{name}' for name in (*names, 'num_pos', 'ranked_iou')}


def test_atss_has_its_own_layout_by_config():
    published = {name for name, _ in build('ALRPATSSHead').named_parameters()}
    own = build(
        'ALRPATSSHead', norm_cfg=dict(type='GN', num_groups=2), learnable_scales=True
    ).named_parameters()
    assert not any('scale' in name or 'centerness' in name or 'gn' in name for name in published)
    assert {'scales.0.scale', 'scales.1.scale', 'cls_convs.0.gn.weight'} <= {n for n, _ in own}


def test_atss_scales_its_boxes_by_what_it_learns():
    head = build('ALRPATSSHead', learnable_scales=True)
    before = head(features())
    head.scales[1].scale.data.fill_(2)
    after = head(features())
    torch.testing.assert_close(after[1], [before[1][0], 2 * before[1][1]])
    torch.testing.assert_close(after[0], before[0])
