"""What holds for all heads and needs to be seen at one: losses, precision, what is ignored."""

import pytest
import torch
from head_helpers import MAX_IOU, NOTHING, OBJECTS, SHAPE, batch, features, total
from head_helpers import build as build_head
from head_helpers import losses_of as losses_of_batch
from mmdet.models.losses import GIoULoss, SmoothL1Loss
from mmdet.registry import MODELS
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData

from alrp.ranking import NonFiniteLogitsError
from alrp_mmdet.models import Targets


def build(num_classes=3, **kwargs):
    return build_head('ALRPRetinaHead', num_classes, **kwargs)


def losses_of(head, *boxes_and_labels):
    return losses_of_batch(head, *batch(*boxes_and_labels))


@pytest.mark.parametrize(
    'loss_bbox, upper_bound',
    [
        (dict(type='GIoULoss'), 2),
        (dict(type='IoULoss', mode='linear'), 1),
        (dict(type='DIoULoss'), 2),
        (dict(type='CIoULoss'), 2),
        (dict(type='SIoULoss', neg_gamma=True), 2),
    ],
)
def test_bounded_localisation_losses_are_scaled_to_1(loss_bbox, upper_bound):
    """A box far away has nearly the largest loss."""
    head = build(loss_bbox=loss_bbox)
    assert head.loc_scale == upper_bound
    far = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([[1e5, 1e5, 1e5 + 10, 1e5 + 10]])
    assert 0.49 < head._loc_losses(*far) <= 1


def test_bounded_iou_loss_with_squares():
    assert build(loss_bbox=dict(type='IoULoss', mode='square')).loc_scale == 1


@MODELS.register_module()
class OwnSmoothL1Loss(SmoothL1Loss):
    """A user's loss of what the head regresses."""


@MODELS.register_module()
class OwnEncodedLoss(torch.nn.Module):
    compares_boxes = False


@pytest.mark.parametrize('loss_bbox', ['OwnSmoothL1Loss', 'OwnEncodedLoss'])
def test_losses_of_the_user_may_compare_encoded_boxes(loss_bbox):
    losses = dict(loss_cls=dict(type='APLoss'), loss_bbox=dict(type=loss_bbox))
    assert not build(**losses, reg_decoded_bbox=False).compares_boxes
    with pytest.raises(ValueError, match='reg_decoded_bbox=False'):
        build(**losses, reg_decoded_bbox=True)


@pytest.mark.parametrize(
    'losses',
    [
        dict(),
        dict(loss_bbox=dict(type='IoULoss', mode='linear')),
        dict(loss_bbox=dict(type='DIoULoss')),
        dict(loss_bbox=dict(type='CIoULoss')),
        dict(loss_bbox=dict(type='SIoULoss')),
        dict(loss_cls=dict(type='APLoss')),
        dict(
            loss_cls=dict(type='APLoss'),
            loss_bbox=dict(type='SmoothL1Loss'),
            reg_decoded_bbox=False,
        ),
        dict(loss_cls=dict(type='RankSortLoss')),
        dict(loss_cls=dict(type='RankSortLoss'), loss_bbox=dict(type='EIoULoss')),
    ],
)
@pytest.mark.parametrize('num_classes', [1, 3, 500])
def test_a_few_steps_improve_ranking_and_boxes(losses, num_classes):
    head = build(num_classes, **losses)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.002)
    objects = ([OBJECTS[0][0]], [num_classes - 1])
    first = losses_of(head, objects, NOTHING)
    for _ in range(15):
        results = losses_of(head, objects, NOTHING)
        optimizer.zero_grad()
        total(results).backward()
        optimizer.step()
    last = losses_of(head, objects, NOTHING)
    ranking = 'loss_rank' if 'loss_rank' in first else 'loss_cls'
    assert last[ranking] < first[ranking]
    # The better the ranking, the more a box counts in aLRP's localisation loss: look at the boxes.
    if 'ranked_iou' in first:
        assert last['ranked_iou'] > first['ranked_iou']
    else:
        assert last['loss_bbox'] < first['loss_bbox']
    assert all(p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize(
    'name, assigner',
    [('ALRPRetinaHead', MAX_IOU), ('ALRPATSSHead', dict(type='ATSSAssigner', topk=9))],
)
def test_ignored_regions_and_images_of_different_sizes(name, assigner):
    head = build_head(
        name,
        train_cfg=dict(
            assigner=dict(assigner, ignore_iof_thr=0.5),
            allowed_border=0,
            pos_weight=-1,
            debug=False,
        ),
    )
    gt, metas = batch(OBJECTS, OBJECTS, shapes=[SHAPE, (40, 50)])
    ignored = [InstanceData(bboxes=torch.tensor([[0.0, 0.0, 96.0, 64.0]]))] * 2
    outputs, bbox_preds = ([x.detach() for x in maps] for maps in head(features()))
    for x in outputs:
        x.requires_grad_()
    head.loss_by_feat(outputs, bbox_preds, gt, metas, ignored)['loss_cls'].backward()
    everything = sum(x.grad.count_nonzero() for x in outputs)
    head.loss_by_feat(outputs, bbox_preds, gt, metas)['loss_cls'].backward()
    assert everything < sum(x.grad.count_nonzero() for x in outputs)


@pytest.mark.parametrize('loss', ['aLRPLoss', 'RankSortLoss'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_predictions(dtype, loss):
    head = build(loss_cls=dict(type=loss))
    gt, metas = batch(OBJECTS, NOTHING)
    exact = head(features())
    half = [[x.detach().to(dtype).requires_grad_() for x in outputs] for outputs in exact]
    expected = head.loss_by_feat(
        *[[x.detach().float() for x in outputs] for outputs in half], gt, metas
    )
    results = head.loss_by_feat(*half, gt, metas)
    for name in (name for name in results if 'loss' in name):
        assert results[name].dtype == torch.float32
        assert results[name].item() == pytest.approx(expected[name].item(), rel=1e-5)
    total(results).backward()
    assert all(x.grad.dtype == dtype and x.grad.isfinite().all() for x in half[0] + half[1])


def test_prediction_is_that_of_retina_head():
    head, stock = (
        build(),
        build(type='RetinaHead', loss_cls=dict(type='FocalLoss', use_sigmoid=True)),
    )
    stock.load_state_dict(
        {k: v for k, v in head.state_dict().items() if not k.startswith('loss_cls')}
    )
    _, metas = batch(NOTHING, NOTHING)
    for ours, theirs in zip(
        head.predict_by_feat(*head(features()), batch_img_metas=metas),
        stock.predict_by_feat(*stock(features()), batch_img_metas=metas),
    ):
        assert len(ours) > 0
        torch.testing.assert_close(ours.bboxes, theirs.bboxes)
        torch.testing.assert_close(ours.scores, theirs.scores)


@pytest.mark.parametrize('loss', ['aLRPLoss', 'RankSortLoss'])
@pytest.mark.parametrize('where', [0, 1])
def test_broken_predictions_stop_training_and_say_when(where, loss):
    head = build(loss_cls=dict(type=loss))
    hub = MessageHub.get_instance('test_alrp_retina_head')
    hub.update_info('iter', 41)
    gt, metas = batch(OBJECTS, NOTHING)
    outputs = head(features())
    outputs[where][0].data.fill_(float('nan'))
    error = NonFiniteLogitsError if where == 0 else FloatingPointError
    with pytest.raises(error, match='stopped at iteration 42'):
        head.loss_by_feat(*outputs, gt, metas)


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(loss_bbox=dict(type='SmoothL1Loss')), 'bounded.*SmoothL1Loss'),
        (dict(loss_bbox=dict(type='IoULoss')), "mode='linear'"),
        (dict(loss_bbox=dict(type='GIoULoss', loss_weight=2.0)), r'loss_bbox.loss_weight.* 2\.0'),
        (dict(reg_decoded_bbox=False), 'reg_decoded_bbox=True'),
        (
            dict(loss_cls=dict(type='APLoss'), loss_bbox=dict(type='SmoothL1Loss')),
            'reg_decoded_bbox=False',
        ),
        (
            dict(
                loss_cls=dict(type='APLoss'),
                loss_bbox=dict(type='EIoULoss'),
                reg_decoded_bbox=False,
            ),
            'EIoULoss compares boxes: set reg_decoded_bbox=True',
        ),
        (
            dict(
                loss_cls=dict(type='RankSortLoss'),
                loss_bbox=dict(type='L1Loss'),
                reg_decoded_bbox=False,
            ),
            'RankSortLoss.*IoU.*L1Loss',
        ),
        (
            dict(
                loss_cls=dict(type='RankSortLoss'),
                loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
            ),
            r'RankSortLoss balances.*loss_bbox\.loss_weight.* 2\.0',
        ),
        (dict(loss_cls=dict(type='RankSortLoss', delta=0)), 'delta'),
        (dict(loss_cls=dict(type='aLRPLoss', delta=0)), 'delta'),
        (dict(loss_cls=dict(type='aLRPLoss', tau=1.0)), 'tau'),
    ],
)
def test_losses_that_do_not_go_together(bad, message):
    with pytest.raises(ValueError, match=message):
        build(**bad)


def test_a_head_can_set_the_quality_of_positives(monkeypatch):
    head = build(loss_cls=dict(type='RankSortLoss'))
    plain = losses_of(head, OBJECTS, NOTHING)
    assign = head.assign

    def with_quality(predictions, *args):
        targets = assign(predictions, *args)
        quality = torch.linspace(0, 1, len(targets.labels), requires_grad=True)
        return Targets(targets.labels, targets.boxes, quality)

    monkeypatch.setattr(head, 'assign', with_quality)
    sorted_by_quality = losses_of(head, OBJECTS, NOTHING)
    assert sorted_by_quality['loss_sort'] != plain['loss_sort']
    assert sorted_by_quality['loss_rank'] == plain['loss_rank']
    assert sorted_by_quality['ranked_iou'] == plain['ranked_iou']


def test_an_iou_loss_of_ones_own_says_its_upper_bound():
    @MODELS.register_module()
    class HalfIoULoss(GIoULoss):
        upper_bound = 2.0

    try:
        assert build(loss_bbox=dict(type='HalfIoULoss')).loc_scale == 2
    finally:
        MODELS._module_dict.pop('HalfIoULoss')
