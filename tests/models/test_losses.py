import pytest
import torch
from mmdet.registry import MODELS

from alrp.ranking import Ranking, alrp_loss, ap_loss, rank_sort_loss
from alrp_mmdet.models import APLoss, MaskLosses, RankingLoss, RankSortLoss, aLRPLoss

NUM_CLASSES = 3


@pytest.fixture
def batch():
    """Logits (100, C) with labels from -1, ignored, to C, background, and localisation losses."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(100, NUM_CLASSES, generator=generator)
    labels = torch.randint(-1, NUM_CLASSES + 1, (100,), generator=generator)
    num_pos = int(((labels >= 0) & (labels < NUM_CLASSES)).sum())
    loc_losses = torch.rand(num_pos, generator=generator)
    return logits.requires_grad_(), labels, loc_losses.requires_grad_()


def flattened(logits, labels):
    """Inputs of the core: one binary label per logit."""
    binary = torch.zeros_like(logits, dtype=torch.long)
    for row, label in zip(binary, labels.tolist()):
        if label < 0:
            row[:] = -1
        elif label < NUM_CLASSES:
            row[label] = 1
    return logits.flatten(), binary.flatten()


def test_registered_by_name():
    assert isinstance(MODELS.build(dict(type='aLRPLoss', delta=0.5)), aLRPLoss)
    assert isinstance(MODELS.build(dict(type='APLoss', interpolate=False)), APLoss)
    assert isinstance(MODELS.build(dict(type='RankSortLoss')), RankSortLoss)


@pytest.mark.parametrize('loss_weight', [1.0, 0.2])
def test_alrp_equals_the_core(batch, loss_weight):
    logits, labels, loc_losses = batch
    loss = aLRPLoss(delta=0.5, tau=0.7, self_balance=dict(start_weight=7), loss_weight=loss_weight)
    results = loss(logits, labels, loc_losses)
    loss_cls, loss_loc = alrp_loss(*flattened(logits, labels), loc_losses / 0.3, delta=0.5)
    assert results['loss_cls'].item() == pytest.approx(loss_weight * loss_cls.item())
    assert results['loss_bbox'].item() == pytest.approx(loss_weight * 7 * loss_loc.item())
    assert results['self_balance'] == 7
    assert results['num_pos'] == len(loc_losses)


@pytest.mark.parametrize('loss_type', [aLRPLoss, RankSortLoss])
def test_weight_of_boxes(batch, loss_type):
    logits, labels, loc_losses = batch
    masks = MaskLosses(loc_losses[:5].detach(), torch.arange(5))

    def losses(**kwargs):
        found = loss_type(**kwargs)(logits, labels, loc_losses, 1 - loc_losses, None, masks)
        return {name: value.item() for name, value in found.items() if 'loss' in name}

    plain, weighted = losses(), losses(bbox_weight=4)
    assert weighted.pop('loss_bbox') == pytest.approx(4 * plain.pop('loss_bbox'))
    assert weighted == plain and plain['loss_mask'] > 0
    for wrong in (0, -1, float('inf'), '1'):
        with pytest.raises(ValueError, match='bbox_weight'):
            loss_type(bbox_weight=wrong)


@pytest.mark.parametrize('loss_type', [aLRPLoss, APLoss, RankSortLoss])
@pytest.mark.parametrize('wrong', [-1, float('nan'), float('inf'), '1', None])
def test_wrong_weight_of_the_loss(loss_type, wrong):
    with pytest.raises(ValueError, match=f'loss_weight must be .* at least 0, got {wrong!r}'):
        loss_type(loss_weight=wrong)
    assert loss_type(loss_weight=0).loss_weight == 0


def test_ap_equals_the_core_and_averages_localisation(batch):
    logits, labels, loc_losses = batch
    results = APLoss(interpolate=False)(logits, labels, loc_losses)
    assert results['loss_cls'].item() == pytest.approx(
        ap_loss(*flattened(logits, labels), 1.0, False).item()
    )
    assert results['loss_bbox'].item() == pytest.approx(loc_losses.mean().item())


@pytest.mark.parametrize('loss_weight', [1.0, 0.2])
def test_rank_sort_matches_the_core_and_balances_each_step(batch, loss_weight):
    logits, labels, loc_losses = batch
    ious = torch.rand(len(loc_losses), generator=torch.Generator().manual_seed(1))
    ious[0] = 0  # stays a positive, with the lowest target
    results = RankSortLoss(loss_weight=loss_weight)(logits, labels, loc_losses, ious)
    flat_logits, binary = flattened(logits, labels)
    targets = binary.float()
    targets[binary == 1] = ious.clamp(min=1e-9)
    expected = rank_sort_loss(flat_logits, targets)
    for name, value in zip(('loss_rank', 'loss_sort'), expected):
        assert results[name].item() == pytest.approx(loss_weight * value.item(), rel=1e-6)
    assert results['loss_bbox'].item() == pytest.approx(
        loss_weight * sum(expected).item(), rel=1e-5
    )

    weights = logits[(labels >= 0) & (labels < NUM_CLASSES)].sigmoid().amax(dim=1).detach()
    mean_loss = (weights * loc_losses).sum() / weights.sum()
    [grad] = torch.autograd.grad(results['loss_bbox'], loc_losses, retain_graph=True)
    scale = results['loss_bbox'].item() / mean_loss.item()
    torch.testing.assert_close(grad, scale * weights / weights.sum())
    [grad] = torch.autograd.grad(results['loss_rank'] + results['loss_sort'], logits)
    [truth] = torch.autograd.grad(loss_weight * sum(expected), logits)
    torch.testing.assert_close(grad, truth)


def mask_losses_of(loc_losses, inds):
    values = torch.rand(len(inds), generator=torch.Generator().manual_seed(3)).requires_grad_()
    return MaskLosses(values.to(loc_losses), torch.tensor(inds)), values


@pytest.mark.parametrize('inds', [[7, 2, 11], list(range(40))])
def test_rank_sort_weights_masks_by_score_and_balances_them(batch, inds):
    logits, labels, loc_losses = batch
    inds = inds[: len(loc_losses)]
    masks, values = mask_losses_of(loc_losses, inds)
    ious = torch.rand(len(loc_losses), generator=torch.Generator().manual_seed(1))
    results = RankSortLoss(loss_weight=0.5)(
        logits, labels, loc_losses, ious=ious, mask_losses=masks
    )
    magnitude = (results['loss_rank'] + results['loss_sort']).item()
    assert results['loss_mask'].item() == pytest.approx(magnitude)
    scores = logits[(labels >= 0) & (labels < NUM_CLASSES)].sigmoid().amax(dim=1)[inds]
    [grad] = torch.autograd.grad(results['loss_mask'], values)
    expected = magnitude * scores / (scores * values).sum()
    torch.testing.assert_close(grad, expected.detach())


def test_alrp_weights_masks_by_rank(batch):
    logits, labels, loc_losses = batch
    everything = list(range(len(loc_losses)))
    masks, values = mask_losses_of(loc_losses, everything)
    loss = aLRPLoss(self_balance=dict(start_weight=7), loss_weight=0.5)
    results = loss(logits, labels, loc_losses, mask_losses=masks)
    ranking = Ranking(*flattened(logits, labels))
    expected = 0.0
    for score, rank in zip(ranking.pos_logits, ranking.rank):
        expected += values[ranking.pos_logits >= score].sum() / rank
    assert results['loss_mask'].item() == pytest.approx(
        3.5 * expected.item() / len(values), rel=1e-5
    )


def test_a_sample_of_the_masks_has_the_weight_of_all_in_alrp(batch):
    logits, labels, loc_losses = batch
    losses = []
    for count in (len(loc_losses), 4):
        masks = MaskLosses(torch.full((count,), 0.3), torch.arange(count))
        losses.append(aLRPLoss()(logits, labels, loc_losses, mask_losses=masks)['loss_mask'])
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    assert losses[0] > 0


def test_ap_averages_masks(batch):
    logits, labels, loc_losses = batch
    masks, values = mask_losses_of(loc_losses, [3, 1])
    results = APLoss()(logits, labels, loc_losses, mask_losses=masks)
    assert results['loss_mask'].item() == pytest.approx(values.mean().item())


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss(), RankSortLoss()])
def test_a_broken_mask_stops_training(batch, loss):
    logits, labels, loc_losses = batch
    masks = MaskLosses(torch.tensor([0.1, float('nan')]), torch.tensor([0, 1]))
    with pytest.raises(FloatingPointError, match='mask loss'):
        loss(logits, labels, loc_losses, torch.rand(len(loc_losses)), mask_losses=masks)


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss(), RankSortLoss()])
def test_log_does_not_take_part_in_the_loss(batch, loss):
    """MMEngine adds up every result whose name holds 'loss'."""
    logits, labels, loc_losses = batch
    results = loss(logits, labels, loc_losses, ious=1 - loc_losses.detach())
    names = {'loss_rank', 'loss_sort'} if isinstance(loss, RankSortLoss) else {'loss_cls'}
    assert {k for k in results if 'loss' in k} == {*names, 'loss_bbox'}
    assert 0 < results['ranked_iou'] < 1
    assert not any(v.requires_grad for k, v in results.items() if 'loss' not in k)


def test_ranked_iou_weights_the_top_of_the_ranking():
    logits, labels = torch.tensor([[3.0], [-3.0], [0.0]]), torch.tensor([0, 0, 1])
    good_first = aLRPLoss()(logits, labels, torch.zeros(2), ious=torch.tensor([0.9, 0.5]))
    bad_first = aLRPLoss()(logits, labels, torch.zeros(2), ious=torch.tensor([0.5, 0.9]))
    # ranks 1 and 3: the first positive counts 1 + 1/3, the second 1/3
    assert good_first['ranked_iou'].item() == pytest.approx((4 * 0.9 + 0.5) / 5)
    assert bad_first['ranked_iou'].item() == pytest.approx((4 * 0.5 + 0.9) / 5)


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss(), RankSortLoss()])
def test_no_positives(loss):
    logits = torch.randn(9, 1, requires_grad=True)
    loc_losses = torch.zeros(0, requires_grad=True)
    results = loss(logits, torch.ones(9, dtype=torch.long), loc_losses, ious=torch.zeros(0))
    losses = [value for name, value in results.items() if 'loss' in name]
    sum(losses).backward()
    assert len(losses) >= 2 and not any(losses) and results['ranked_iou'] == 0
    assert loc_losses.grad is not None
    assert logits.grad.shape == (9, 1) and not logits.grad.any()


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(delta=0), 'delta'),
        (dict(delta=-1), 'delta'),
        (dict(delta=float('nan')), 'delta'),
        (dict(tau=1), 'tau'),
        (dict(tau=-0.1), 'tau'),
        (dict(self_balance=dict(start_weight=0)), 'start_weight'),
        (dict(use_sigmoid=False), 'use_sigmoid'),
    ],
)
def test_bad_arguments(bad, message):
    with pytest.raises(ValueError, match=message):
        aLRPLoss(**bad)


def test_batch_has_what_a_loss_may_need(batch):
    logits, labels, loc_losses = batch
    ious = torch.rand(len(loc_losses))
    batches = []

    class Recorder(RankingLoss):
        self_count = 0.5

        def losses(self, batch):
            batches.append(batch)
            return dict(loss_cls=batch.logits.sum(), loss_bbox=batch.loc_losses.sum())

    Recorder(delta=0.3)(logits, labels, loc_losses, ious)
    [batch] = batches
    assert batch.logits.shape == (300,) and batch.logits.requires_grad
    is_positive = (labels >= 0) & (labels < NUM_CLASSES)
    torch.testing.assert_close(batch.pos_scores, logits[is_positive].sigmoid().amax(dim=1).detach())
    assert not batch.pos_scores.requires_grad
    assert batch.loc_losses is loc_losses and batch.ious is ious
    whole = Ranking(*flattened(logits, labels), 0.3)
    torch.testing.assert_close(batch.ranking.rank, whole.rank - 0.5)


@pytest.mark.parametrize('loss', [aLRPLoss(), APLoss(), RankSortLoss()])
@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_broken_box_stops_training(batch, loss, bad):
    logits, labels, loc_losses = batch
    broken = loc_losses.detach().clone()
    broken[3] = bad
    with pytest.raises(FloatingPointError, match='localisation loss'):
        loss(logits, labels, broken, torch.rand(len(broken)))


def test_rank_sort_gradient_of_nearly_perfect_boxes_is_bounded(batch):
    logits, labels, loc_losses = batch
    perfect = torch.zeros_like(loc_losses).requires_grad_()
    results = RankSortLoss()(logits, labels, perfect, torch.ones(len(perfect)))
    [grad] = torch.autograd.grad(results['loss_bbox'], perfect)
    assert results['loss_bbox'] == 0 and grad.sum() < 1e3


def test_quality_replaces_ious_for_the_loss_but_not_in_the_log(batch):
    logits, labels, loc_losses = batch
    ious, quality = torch.rand(2, len(loc_losses), generator=torch.Generator().manual_seed(2))
    plain = RankSortLoss()(logits, labels, loc_losses, ious)
    other = RankSortLoss()(logits, labels, loc_losses, ious, quality)
    swapped = RankSortLoss()(logits, labels, loc_losses, quality)
    assert other['loss_sort'] == swapped['loss_sort'] != plain['loss_sort']
    assert other['ranked_iou'] == plain['ranked_iou']
