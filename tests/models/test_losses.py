import pytest
import torch
from mmdet.registry import MODELS

from alrp.ranking import alrp_loss, ap_loss
from alrp_mmdet.models import APLoss, aLRPLoss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, generator=generator)
    labels = torch.randint(-1, 2, (300,), generator=generator)
    num_pos = int((labels == 1).sum())
    loc_losses = 2 * torch.rand(num_pos, generator=generator)
    return logits.requires_grad_(), labels, loc_losses.requires_grad_()


def test_registered_by_name():
    assert isinstance(MODELS.build(dict(type='aLRPLoss', delta=0.5)), aLRPLoss)
    assert isinstance(MODELS.build(dict(type='APLoss', interpolate=False)), APLoss)


@pytest.mark.parametrize('loss_weight', [1.0, 0.2])
def test_alrp_equals_the_core(batch, loss_weight):
    logits, labels, loc_losses = batch
    loss = aLRPLoss(delta=0.5, tau=0.7, self_balance=dict(start_weight=7), loss_weight=loss_weight)
    results = loss(logits, labels, loc_losses)
    loss_cls, loss_loc = alrp_loss(logits, labels, loc_losses / (2 * 0.3), delta=0.5)
    assert results['loss_cls'].item() == pytest.approx(loss_weight * loss_cls.item())
    assert results['loss_bbox'].item() == pytest.approx(loss_weight * 7 * loss_loc.item())
    assert results['self_balance'] == 7
    assert results['num_pos'] == len(loc_losses)


def test_ap_equals_the_core_and_averages_localisation(batch):
    logits, labels, loc_losses = batch
    results = APLoss(interpolate=False)(logits, labels, loc_losses)
    assert results['loss_cls'].item() == pytest.approx(ap_loss(logits, labels, 1.0, False).item())
    assert results['loss_bbox'].item() == pytest.approx(loc_losses.mean().item())


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss()])
def test_log_does_not_take_part_in_the_loss(batch, loss):
    """MMEngine adds up every result whose name holds 'loss'."""
    logits, labels, loc_losses = batch
    results = loss(logits, labels, loc_losses, ious=1 - loc_losses.detach() / 2)
    assert {k for k in results if 'loss' in k} == {'loss_cls', 'loss_bbox'}
    assert 0 < results['ranked_iou'] < 1
    assert not any(v.requires_grad for k, v in results.items() if 'loss' not in k)


def test_ranked_iou_weights_the_top_of_the_ranking():
    logits, labels = torch.tensor([3.0, -3.0, 0.0]), torch.tensor([1, 1, 0])
    good_first = aLRPLoss()(logits, labels, torch.zeros(2), ious=torch.tensor([0.9, 0.5]))
    bad_first = aLRPLoss()(logits, labels, torch.zeros(2), ious=torch.tensor([0.5, 0.9]))
    # ranks 1 and 3: the first positive counts 1 + 1/3, the second 1/3
    assert good_first['ranked_iou'].item() == pytest.approx((4 * 0.9 + 0.5) / 5)
    assert bad_first['ranked_iou'].item() == pytest.approx((4 * 0.5 + 0.9) / 5)


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss()])
def test_no_positives(loss):
    logits = torch.randn(9, requires_grad=True)
    loc_losses = torch.zeros(0, requires_grad=True)
    results = loss(logits, torch.zeros(9, dtype=torch.long), loc_losses, ious=torch.zeros(0))
    (results['loss_cls'] + results['loss_bbox']).backward()
    assert results['loss_cls'] == results['loss_bbox'] == results['ranked_iou'] == 0
    assert logits.grad.shape == (9,) and not logits.grad.any()


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(delta=0), 'delta'),
        (dict(delta=-1), 'delta'),
        (dict(delta=float('nan')), 'delta'),
        (dict(tau=1), 'tau'),
        (dict(tau=-0.1), 'tau'),
        (dict(loc_range=0), 'loc_range'),
        (dict(use_sigmoid=False), 'use_sigmoid'),
    ],
)
def test_bad_arguments(bad, message):
    with pytest.raises(ValueError, match=message):
        aLRPLoss(**bad)
