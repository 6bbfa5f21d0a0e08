import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from solov2_helpers import (
    CLASSES,
    GRIDS,
    LOSSES,
    OVERLAPPING,
    SIZE,
    TWO,
    build,
    features,
    losses_of,
    objects,
    total,
)

from alrp.ranking import alrp_loss, ap_loss, rank_sort_loss


def flattened_by_hand(head, images):
    """Each cell's logits, their labels (1 or 0), and for each positive in the order of logits: its
    Dice loss, its mask's IoU and its highest score. Cell by cell, from the definition."""
    kernels, scores, feats = head(features(len(images)))
    logits, labels, dice, ious, highest = [], [], [], [], []
    for level, grid in enumerate(GRIDS):
        low, high = head.scale_ranges[level]
        for image, rows in enumerate(images):
            masks = objects(*rows).masks.masks
            for y in range(grid):
                for x in range(grid):
                    owner = None
                    for i, (x1, y1, x2, y2, _) in enumerate(rows):
                        if not low <= ((x2 - x1) * (y2 - y1)) ** 0.5 <= high:
                            continue
                        # The cells that hold the middle fifth of the box around its mass centre,
                        # at most one beside the cell of the centre.
                        inside = True
                        for cell, side, axis in ((x, x2 - x1, 1), (y, y2 - y1, 0)):
                            centre = np.nonzero(masks[i])[axis].mean()
                            at = [
                                int((centre + shift) / SIZE[axis] * grid)
                                for shift in (-side / 10, 0, side / 10)
                            ]
                            inside &= max(at[0], at[1] - 1) <= cell <= min(at[2], at[1] + 1)
                        if inside:
                            owner = i
                    score = scores[level][image, :, y, x]
                    logits.append(score)
                    labels.append(torch.zeros(CLASSES, dtype=torch.long))
                    if owner is None:
                        continue
                    labels[-1][rows[owner][4]] = 1
                    mask = (kernels[level][image, :, y, x][:, None, None] * feats[image]).sum(0)
                    target = torch.from_numpy(masks[owner][::4, ::4].astype(np.float32))
                    soft = mask.sigmoid()
                    overlap = 2 * (soft * target).sum()
                    dice.append(1 - overlap / (soft**2).sum().add((target**2).sum() + 0.002))
                    hard = soft > 0.5
                    union = (hard | (target > 0)).sum()
                    ious.append((hard & (target > 0)).sum() / union)
                    highest.append(score.max().sigmoid().detach())
    positives = (torch.stack(x) for x in (dice, ious, highest))
    return torch.cat(logits), torch.cat(labels), *positives


@pytest.mark.parametrize('images', [(TWO, OVERLAPPING), (OVERLAPPING, ())])
@pytest.mark.parametrize('loss', LOSSES)
def test_losses_are_the_cores_on_cells_labelled_by_hand(loss, images):
    head = build(loss)
    results = losses_of(head, *images)
    logits, labels, dice, ious, highest = flattened_by_hand(head, images)
    assert results['num_pos'] == labels.sum() == len(dice) > 5
    if loss == 'RankSortLoss':
        targets = labels.float()
        targets[labels == 1] = (1 - dice).detach()
        expected = rank_sort_loss(logits, targets)
        for name, value in zip(('loss_rank', 'loss_sort'), expected):
            assert results[name].item() == pytest.approx(value.item(), rel=1e-4)
        mean = (highest * dice).sum() / highest.sum()
        mask_loss = sum(expected).detach() / mean.detach() * mean
        expected = sum(expected) + mask_loss
    elif loss == 'aLRPLoss':
        loss_cls, loss_loc = alrp_loss(logits, labels, dice)
        mask_loss = 50 * loss_loc
        expected = loss_cls + mask_loss
    else:
        mask_loss = dice.mean()
        expected = ap_loss(logits, labels) + mask_loss
    assert results['loss_mask'].item() == pytest.approx(mask_loss.item(), rel=1e-4)
    assert total(results).item() == pytest.approx(expected.item(), rel=1e-4)
    assert 0 < results['ranked_iou'] < 1
    assert ious.min() <= results['ranked_iou'] <= ious.max()
    parameters = list(head.parameters())
    grads = torch.autograd.grad(total(results), parameters)
    truth = torch.autograd.grad(expected, parameters)
    for grad, wanted in zip(grads, truth):
        torch.testing.assert_close(grad, wanted, rtol=1e-3, atol=1e-5 + 1e-4 * wanted.abs().max())


def test_a_cell_of_several_objects_is_one_positive():
    """MMDetection gives it one label, of the last object, but a mask for each."""
    head = build('RankSortLoss')
    *_, feats = head(features(1))
    _, labels, _, cells = head._get_targets_single(objects(*OVERLAPPING), feats.shape[-2:])
    num_labelled = sum(int((x < CLASSES).sum()) for x in labels)
    assert sum(map(len, cells)) > num_labelled
    assert losses_of(head, OVERLAPPING)['num_pos'] == num_labelled


@pytest.mark.parametrize('loss', LOSSES)
def test_no_objects(loss):
    """Zero losses, and still a gradient for every parameter, as distributed training needs."""
    head = build(loss)
    losses = losses_of(head, (), ())
    assert losses['num_pos'] == 0
    assert total(losses) == 0
    grads = torch.autograd.grad(total(losses), list(head.parameters()))
    assert not any(grad.any() for grad in grads)


def test_an_object_without_pixels_is_not_trained():
    """Objects can lose all pixels when a picture is cropped."""
    head = build('RankSortLoss')
    gone = objects(*TWO)
    gone.masks.masks[:] = 0
    losses = head.loss_by_feat(*head(features(1)), [gone], [{}])
    assert losses['num_pos'] == total(losses) == 0


@pytest.mark.parametrize('loss', LOSSES)
def test_half_precision(loss):
    head = build(loss)
    kernels, scores, feats = head(features(2))
    kernels, scores = ([x.half() for x in maps] for maps in (kernels, scores))
    gt = [objects(*TWO), objects(*OVERLAPPING)]
    # Masks beyond the range of a sum in half precision, and saturated scores.
    outputs = kernels, [x * 1000 for x in scores], feats.half() * 100
    losses = head.loss_by_feat(*outputs, gt, [{}, {}])
    grads = torch.autograd.grad(total(losses), list(head.parameters()))
    assert all(value.isfinite() for value in losses.values())
    assert all(grad.isfinite().all() for grad in grads)
    half = head.loss_by_feat(kernels, scores, feats.half(), gt, [{}, {}])
    assert total(half).item() == pytest.approx(
        total(losses_of(build(loss), TWO, OVERLAPPING)).item(), rel=0.02
    )


def test_a_broken_mask_stops_training():
    head = build()
    kernels, scores, feats = head(features(1))
    feats[0, 0, 0, 0] = float('nan')
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 41)
    with pytest.raises(FloatingPointError, match='iteration 42'):
        head.loss_by_feat(kernels, scores, feats, [objects(*TWO)], [{}])
    hub.pop_info('iter')


def test_learns_and_predicts_masks():
    """A few steps on one picture: its objects are found, with their masks."""
    head = build('RankSortLoss')
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    first = None
    for _ in range(40):
        losses = losses_of(head, TWO)
        first = first or total(losses).item()
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
    assert total(losses).item() < first / 2
    head.eval()
    metas = [dict(img_shape=SIZE, ori_shape=SIZE)]
    with torch.no_grad():
        [found] = head.predict_by_feat(*head(features(1)), batch_img_metas=metas)
    assert found.labels[:2].sort().values.tolist() == [0, 2]
    gt = objects(*TWO)
    for mask, label in zip(found.masks[:2], found.labels[:2]):
        truth = torch.from_numpy(gt.masks.masks[gt.labels == label][0]).bool()
        assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    for mask, (x1, y1, x2, y2) in zip(found.masks, found.bboxes.int().tolist()):
        rows, columns = mask.any(dim=1).nonzero(), mask.any(dim=0).nonzero()
        assert (x1, x2) == (columns[0], columns[-1] + 1) and (y1, y2) == (rows[0], rows[-1] + 1)


def test_layers_are_those_of_solov2():
    stock = build(type='SOLOV2Head', loss_cls=dict(type='FocalLoss', use_sigmoid=True))
    ours = build('RankSortLoss')
    assert list(ours.state_dict()) == list(stock.state_dict())
    for one, other in zip(ours(features(1)), stock(features(1))):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    'bad, facts',
    [
        (dict(loss_cls=dict(type='FocalLoss')), ['FocalLoss', 'ranking loss']),
        (dict(loss_mask=dict(type='CrossEntropyLoss')), ['CrossEntropyLoss', 'DiceLoss']),
        (dict(loss_mask=dict(type='DiceLoss', activate=False)), ['activate']),
        (dict(loss_mask=dict(type='DiceLoss', loss_weight=3.0)), ['loss_weight', '3.0']),
    ],
)
@pytest.mark.parametrize('loss', ['aLRPLoss', 'RankSortLoss'])
def test_bad_losses(loss, bad, facts):
    with pytest.raises(ValueError) as error:
        build(loss, **bad)
    assert all(fact in str(error.value) for fact in facts)


def test_ap_loss_leaves_the_weight_of_masks_to_the_config():
    plain, weighted = (
        losses_of(build('APLoss', loss_mask=dict(type='DiceLoss', loss_weight=weight)), TWO)
        for weight in (1.0, 3.0)
    )
    assert weighted['loss_mask'].item() == pytest.approx(3 * plain['loss_mask'].item())
    assert weighted['loss_cls'] == plain['loss_cls']
