"""The box head of R-CNN detectors, compared with the core on inputs flattened by hand."""

import pytest
import torch
from head_helpers import NMS, SHAPE, box_head, rois_of_two_images, total
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import ConfigDict

from alrp.ranking import alrp_loss, rank_sort_loss

of_each_loss = pytest.mark.parametrize('loss', ['aLRPLoss', 'APLoss', 'RankSortLoss'])


@pytest.mark.parametrize('agnostic', [False, True])
@pytest.mark.parametrize('num_classes', [1, 3, 500])
def test_box_head_ranks_all_rois(num_classes, agnostic):
    head = box_head(num_classes, reg_class_agnostic=agnostic)
    rois, labels, weights, targets = rois_of_two_images(num_classes)
    feats = torch.randn(12, 4, 2, 2, generator=torch.Generator().manual_seed(3))
    cls_score, bbox_pred = head(feats)
    assert cls_score.shape == (12, num_classes)
    losses = head.loss(cls_score, bbox_pred, rois, labels, weights, targets, targets)

    binary = torch.zeros(12, num_classes, dtype=torch.long)
    binary[4] = -1
    errors = []
    for i in (0, 1, 7):
        binary[i, labels[i]] = 1
        first = 0 if agnostic else 4 * labels[i]
        box = head.bbox_coder.decode(rois[i : i + 1, 1:], bbox_pred[i : i + 1, first : first + 4])
        errors.append(1 - bbox_overlaps(box, targets[i : i + 1], 'giou')[0, 0])
    loss_cls, loss_loc = alrp_loss(cls_score.flatten(), binary.flatten(), torch.stack(errors))
    assert losses['num_pos'] == 3
    assert losses['loss_cls'].item() == pytest.approx(loss_cls.item(), rel=1e-5)
    assert losses['loss_bbox'].item() == pytest.approx(50 * loss_loc.item(), rel=1e-5)
    parameters = list(head.parameters())
    ours = torch.autograd.grad(total(losses), parameters, retain_graph=True)
    for a, b in zip(ours, torch.autograd.grad(loss_cls + 50 * loss_loc, parameters)):
        assert a.any() or a.dim() == 1  # those of biases may cancel
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_box_head_by_rs_loss():
    head = box_head(loss_cls=dict(type='RankSortLoss'))
    rois, labels, weights, targets = rois_of_two_images(3)
    feats = torch.randn(12, 4, 2, 2, generator=torch.Generator().manual_seed(3))
    cls_score, bbox_pred = head(feats)
    losses = head.loss(cls_score, bbox_pred, rois, labels, weights, targets, targets)
    rank_targets = torch.zeros(12, 3)
    rank_targets[4] = -1
    for i in (0, 1, 7):
        first = 4 * labels[i]
        box = head.bbox_coder.decode(rois[i : i + 1, 1:], bbox_pred[i : i + 1, first : first + 4])
        rank_targets[i, labels[i]] = bbox_overlaps(box, targets[i : i + 1])[0, 0].detach()
    loss_rank, loss_sort = rank_sort_loss(cls_score.flatten(), rank_targets.flatten(), delta=0.5)
    assert losses['loss_rank'].item() == pytest.approx(loss_rank.item(), rel=1e-5)
    assert losses['loss_sort'].item() == pytest.approx(loss_sort.item(), rel=1e-5)
    assert losses['loss_bbox'].item() == pytest.approx((loss_rank + loss_sort).item(), rel=1e-5)


@pytest.mark.parametrize('bias_prob', [0.1, 0.5])
def test_box_head_starts_at_the_given_score(bias_prob):
    head = box_head(bias_prob=bias_prob)
    cls_score, _ = head(torch.randn(12, 4, 2, 2, generator=torch.Generator().manual_seed(3)))
    torch.testing.assert_close(
        cls_score.sigmoid(), torch.full_like(cls_score, bias_prob), rtol=0, atol=0.03
    )


@of_each_loss
@pytest.mark.parametrize('num_rois', [0, 12])
def test_box_head_without_objects(num_rois, loss):
    head = box_head(loss_cls=dict(type=loss))
    rois, labels, weights, targets = (x[:num_rois] for x in rois_of_two_images(3))
    cls_score, bbox_pred = head(torch.randn(num_rois, 4, 2, 2))
    labels = torch.full_like(labels, 3)
    loss = total(head.loss(cls_score, bbox_pred, rois, labels, weights, targets, targets))
    assert loss.item() == 0
    loss.backward()
    assert all(p.grad is not None for p in head.parameters())


def test_box_head_scores_start_low_and_have_no_background():
    head = box_head().eval()
    rois, *_ = rois_of_two_images(3)
    cls_score, bbox_pred = head(torch.randn(12, 4, 2, 2))
    assert cls_score.sigmoid().mean().item() == pytest.approx(0.1, rel=0.2)
    [found] = head.predict_by_feat(
        (rois,),
        (cls_score,),
        (bbox_pred,),
        [dict(img_shape=SHAPE, scale_factor=(1.0, 1.0))],
        rcnn_test_cfg=ConfigDict(score_thr=0.0, nms=NMS, max_per_img=100),
    )
    best = found[0]
    assert best.scores.item() == pytest.approx(cls_score.sigmoid().max().item())
    assert best.labels.item() == cls_score.max(dim=0).values.argmax()


@pytest.mark.parametrize('lacking', ['with_cls', 'with_reg'])
def test_box_head_needs_classes_and_boxes(lacking):
    with pytest.raises(ValueError, match=lacking):
        box_head(3, **{lacking: False})
