import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData

import alrp_mmdet.models  # noqa: F401 - registers
from alrp_mmdet.ranking import NonFiniteLogitsError, alrp_loss

SHAPE = (64, 96)
ASSIGNER = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0)
TEST_CFG = ConfigDict(
    nms_pre=50, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10
)


def build(num_classes=3, **kwargs):
    torch.manual_seed(0)
    cfg = dict(
        type='ALRPRetinaHead',
        num_classes=num_classes,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=1,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16],
        ),
        train_cfg=dict(assigner=ASSIGNER, allowed_border=-1, pos_weight=-1, debug=False),
        test_cfg=TEST_CFG,
    )
    head = MODELS.build({**cfg, **kwargs})
    head.init_weights()
    return head


def images(*boxes_and_labels, shapes=None):
    """Ground truth and meta information of a batch, one (boxes, labels) per image."""
    gt = [
        InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.tensor(labels).long())
        for boxes, labels in boxes_and_labels
    ]
    shapes = shapes or [SHAPE] * len(gt)
    return gt, [dict(img_shape=s, pad_shape=SHAPE, scale_factor=(1.0, 1.0)) for s in shapes]


OBJECTS = ([[4.0, 4.0, 40.0, 36.0], [30.0, 10.0, 90.0, 60.0]], [0, 2])
NOTHING = ([], [])


def features(batch_size=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    sizes = [(SHAPE[0] // s, SHAPE[1] // s) for s in (8, 16)]
    return [torch.randn(batch_size, 8, *size, generator=generator).to(dtype) for size in sizes]


def losses_of(head, *args, **kwargs):
    gt, metas = images(*args, **kwargs)
    return head.loss_by_feat(*head(features(len(gt))), gt, metas)


def test_equals_the_core_on_hand_flattened_inputs():
    """Walk over images, levels, places and anchors in another order than the head does."""
    head = build()
    gt, metas = images(OBJECTS, ([[20.0, 20.0, 52.0, 52.0]], [1]))
    cls_scores, bbox_preds = head(features())
    results = head.loss_by_feat(cls_scores, bbox_preds, gt, metas)

    priors = head.prior_generator.grid_priors([x.shape[-2:] for x in cls_scores], device='cpu')
    logits, labels, errors, ious = [], [], [], []
    for image, objects in enumerate(gt):
        anchors, scores, deltas = [], [], []
        for level in range(2):
            anchors.append(priors[level])
            scores.append(cls_scores[level][image].permute(1, 2, 0).reshape(-1, 3))
            deltas.append(bbox_preds[level][image].permute(1, 2, 0).reshape(-1, 4))
        anchors, scores, deltas = torch.cat(anchors), torch.cat(scores), torch.cat(deltas)
        assigned = head.assigner.assign(InstanceData(priors=anchors), objects).gt_inds
        for i, gt_index in enumerate(assigned.tolist()):
            logits.append(scores[i])
            labels.append(torch.full((3,), -1 if gt_index < 0 else 0))
            if gt_index > 0:
                labels[-1][objects.labels[gt_index - 1]] = 1
                box = head.bbox_coder.decode(anchors[i : i + 1], deltas[i : i + 1])
                target = objects.bboxes[gt_index - 1 : gt_index]
                errors.append(1 - bbox_overlaps(box, target, 'giou')[0, 0])
                ious.append(bbox_overlaps(box, target)[0, 0])
    loss_cls, loss_loc = alrp_loss(torch.cat(logits), torch.cat(labels), torch.stack(errors))

    assert len(errors) > 5 and any(-1 in x for x in labels)
    assert results['num_pos'] == len(errors)
    assert results['loss_cls'].item() == pytest.approx(loss_cls.item(), rel=1e-5)
    assert results['loss_bbox'].item() == pytest.approx(50 * loss_loc.item(), rel=1e-5)
    assert min(ious) <= results['ranked_iou'] <= max(ious)

    parameters = list(head.parameters())
    ours = torch.autograd.grad(
        results['loss_cls'] + results['loss_bbox'], parameters, retain_graph=True
    )
    core = torch.autograd.grad(loss_cls + 50 * loss_loc, parameters)
    for a, b in zip(ours, core):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


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
        (results['loss_cls'] + results['loss_bbox']).backward()
        optimizer.step()
    last = losses_of(head, objects, NOTHING)
    assert last['loss_cls'] < first['loss_cls']
    # The better the ranking, the more a box counts in aLRP's localisation loss: look at the boxes.
    if 'ranked_iou' in first:
        assert last['ranked_iou'] > first['ranked_iou']
    else:
        assert last['loss_bbox'] < first['loss_bbox']
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_batch_without_objects_touches_every_parameter():
    head = build()
    results = losses_of(head, NOTHING, NOTHING)
    assert results['loss_cls'] == results['loss_bbox'] == 0
    (results['loss_cls'] + results['loss_bbox']).backward()
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


def test_ignored_regions_and_images_of_different_sizes():
    head = build(
        train_cfg=dict(
            assigner=dict(ASSIGNER, ignore_iof_thr=0.5),
            allowed_border=0,
            pos_weight=-1,
            debug=False,
        )
    )
    gt, metas = images(OBJECTS, OBJECTS, shapes=[SHAPE, (40, 50)])
    ignored = [InstanceData(bboxes=torch.tensor([[0.0, 0.0, 96.0, 64.0]]))] * 2
    outputs = [x.requires_grad_() for x in map(torch.Tensor.detach, head(features())[0])]
    bbox_preds = [torch.zeros(2, 12, *x.shape[-2:]) for x in outputs]
    head.loss_by_feat(outputs, bbox_preds, gt, metas, ignored)['loss_cls'].backward()
    everything = sum(x.grad.count_nonzero() for x in outputs)
    head.loss_by_feat(outputs, bbox_preds, gt, metas)['loss_cls'].backward()
    assert everything < sum(x.grad.count_nonzero() for x in outputs)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_predictions(dtype):
    head = build()
    gt, metas = images(OBJECTS, NOTHING)
    exact = head(features())
    half = [[x.detach().to(dtype).requires_grad_() for x in outputs] for outputs in exact]
    expected = head.loss_by_feat(
        *[[x.detach().float() for x in outputs] for outputs in half], gt, metas
    )
    results = head.loss_by_feat(*half, gt, metas)
    for name in ('loss_cls', 'loss_bbox'):
        assert results[name].dtype == torch.float32
        assert results[name].item() == pytest.approx(expected[name].item(), rel=1e-5)
    (results['loss_cls'] + results['loss_bbox']).backward()
    assert all(x.grad.dtype == dtype and x.grad.isfinite().all() for x in half[0] + half[1])


def test_prediction_is_that_of_retina_head():
    head, stock = (
        build(),
        build(type='RetinaHead', loss_cls=dict(type='FocalLoss', use_sigmoid=True)),
    )
    stock.load_state_dict(
        {k: v for k, v in head.state_dict().items() if not k.startswith('loss_cls')}
    )
    _, metas = images(NOTHING, NOTHING)
    for ours, theirs in zip(
        head.predict_by_feat(*head(features()), batch_img_metas=metas),
        stock.predict_by_feat(*stock(features()), batch_img_metas=metas),
    ):
        assert len(ours) > 0
        torch.testing.assert_close(ours.bboxes, theirs.bboxes)
        torch.testing.assert_close(ours.scores, theirs.scores)


@pytest.mark.parametrize('where', [0, 1])
def test_broken_predictions_stop_training_and_say_when(where):
    head = build()
    hub = MessageHub.get_instance('test_alrp_retina_head')
    hub.update_info('iter', 41)
    gt, metas = images(OBJECTS, NOTHING)
    outputs = head(features())
    outputs[where][0].data.fill_(float('nan'))
    error = NonFiniteLogitsError if where == 0 else FloatingPointError
    with pytest.raises(error, match='stopped at iteration 42'):
        head.loss_by_feat(*outputs, gt, metas)


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(loss_bbox=dict(type='SmoothL1Loss')), 'needs a bounded loss'),
        (dict(loss_bbox=dict(type='IoULoss')), "mode='linear'"),
        (dict(loss_bbox=dict(type='GIoULoss', loss_weight=2.0)), 'self-balance'),
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
        (dict(loss_cls=dict(type='aLRPLoss', delta=0)), 'delta'),
        (dict(loss_cls=dict(type='aLRPLoss', tau=1.0)), 'tau'),
    ],
)
def test_losses_that_do_not_go_together(bad, message):
    with pytest.raises(ValueError, match=message):
        build(**bad)
