import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from yolact_helpers import (
    CLASSES,
    ONE,
    SIZE,
    TWO,
    build,
    config,
    losses_of,
    pictures,
    samples,
    total,
)

from alrp.ranking import alrp_loss, ap_loss, rank_sort_loss

LOSSES = ['aLRPLoss', 'APLoss', 'RankSortLoss']


def flattened_by_hand(model, *images):
    """Logits with their labels (1, 0, -1), and for each positive in the order of the logits: its
    IoU, GIoU loss, mask loss and highest score. Anchor by anchor."""
    head = model.bbox_head
    x = model.extract_feat(pictures(len(images)))
    scores, boxes, coeffs = head(x)
    priors = head.prior_generator.grid_priors([level.shape[-2:] for level in scores], device='cpu')
    prototypes = model.mask_head.protonet(x[0])
    height, width = prototypes.shape[-2:]
    logits, labels, ious, errors, mask_errors, highest = [], [], [], [], [], []
    assigned = []
    for sample in samples(*images):
        anchors = InstanceData(priors=torch.cat(priors))
        gt_inds = head.assigner.assign(anchors, sample.gt_instances).gt_inds
        assigned.append(gt_inds.split([len(p) for p in priors]))
    for level, level_priors in enumerate(priors):
        for image, sample in enumerate(samples(*images)):
            objects = sample.gt_instances
            rows = [
                maps[level][image].permute(1, 2, 0).reshape(len(level_priors), -1)
                for maps in (scores, boxes, coeffs)
            ]
            decoded = head.bbox_coder.decode(level_priors, rows[1])
            for i, gt in enumerate(assigned[image][level].tolist()):
                logits.append(rows[0][i])
                labels.append(torch.full((CLASSES,), -1 if gt < 0 else 0))
                if gt <= 0:
                    continue
                labels[-1][objects.labels[gt - 1]] = 1
                target = objects.bboxes[gt - 1 : gt]
                ious.append(bbox_overlaps(decoded[i : i + 1], target)[0, 0].detach())
                errors.append(1 - bbox_overlaps(decoded[i : i + 1], target, 'giou')[0, 0])
                highest.append(rows[0][i].max().sigmoid().detach())
                mask = (rows[2][i][:, None, None] * prototypes[image]).sum(0).sigmoid()
                x1, y1, x2, y2 = (target[0] * width / SIZE[1]).tolist()
                ys, xs = torch.arange(height)[:, None], torch.arange(width)[None]
                inside = (xs >= x1 - 1) & (xs < x2 + 1) & (ys >= y1 - 1) & (ys < y2 + 1)
                mask = mask * inside
                truth = torch.from_numpy(objects.masks.masks[gt - 1]).float()[None, None]
                truth = F.avg_pool2d(truth, SIZE[0] // height)[0, 0]
                overlap = 2 * (mask * truth).sum()
                mask_errors.append(1 - overlap / ((mask**2).sum() + (truth**2).sum() + 0.002))
    positives = (torch.stack(x) for x in (ious, errors, mask_errors, highest))
    return torch.cat(logits), torch.cat(labels), *positives


@pytest.mark.parametrize('images', [(TWO, ONE), ((), TWO)])
@pytest.mark.parametrize('loss', LOSSES)
def test_losses_are_the_cores_on_anchors_labelled_by_hand(loss, images):
    model = build(loss).eval()  # so that two passes are equal
    results = losses_of(model, *images)
    logits, labels, ious, errors, mask_errors, highest = flattened_by_hand(model, *images)
    assert results['num_pos'] == (labels == 1).sum() == len(ious) > 3
    assert mask_errors.min() > 0.1
    if loss == 'RankSortLoss':
        targets = labels.float()
        targets[labels == 1] = ious.clamp(min=1e-9)
        rank_and_sort = sum(rank_sort_loss(logits, targets))
        mean, mask_mean = ((highest * x).sum() / highest.sum() for x in (errors, mask_errors))
        size = rank_and_sort.detach()
        loss_mask = size / mask_mean.detach() * mask_mean
        expected = rank_and_sort + size / mean.detach() * mean + loss_mask
    elif loss == 'aLRPLoss':
        loss_cls, loss_loc = alrp_loss(logits, labels, errors)
        loss_mask = 50 * alrp_loss(logits, labels, mask_errors)[1]
        expected = loss_cls + 50 * loss_loc + loss_mask
    else:
        loss_mask = mask_errors.mean()
        expected = ap_loss(logits, labels) + errors.mean() + loss_mask
    assert results['loss_mask'].item() == pytest.approx(loss_mask.item(), rel=1e-4)
    assert total(results).item() == pytest.approx(expected.item(), rel=1e-4)
    parameters = [p for p in model.parameters() if p.requires_grad]
    grads = torch.autograd.grad(total(results), parameters)
    truth = torch.autograd.grad(expected, parameters)
    for grad, wanted in zip(grads, truth):
        torch.testing.assert_close(grad, wanted, rtol=1e-3, atol=1e-5 + 1e-3 * wanted.abs().max())


@pytest.mark.parametrize('loss', LOSSES)
def test_every_parameter_is_trained(loss):
    model = build(loss)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    losses = losses_of(model, TWO, ())
    assert {'loss_bbox', 'loss_mask'} < set(losses)
    grads = torch.autograd.grad(total(losses), list(parameters.values()))
    # The last layer of a residual block starts at zero, and the gradient of scores sums to zero.
    zero = [name for name, grad in zip(parameters, grads) if not grad.any()]
    assert not [name for name in zero if not name.startswith('backbone') and 'cls' not in name]
    losses = losses_of(model, (), ())
    assert losses['num_pos'] == total(losses) == 0
    grads = torch.autograd.grad(total(losses), list(parameters.values()))
    assert not any(grad.any() for grad in grads)


def test_masks_are_sampled_per_image():
    model = build(max_masks=2)
    recorded = []

    def record(*args, mask_losses, **kwargs):
        recorded.append(mask_losses)
        return {}

    model.bbox_head.rank = record
    losses_of(model, TWO, (), TWO)
    everything = build()
    everything.bbox_head.rank = record
    losses_of(everything, TWO, (), TWO)
    sampled, of_all = recorded
    assert len(of_all.losses) > 6 and len(sampled.losses) == 4
    assert of_all.inds.sort().values.tolist() == list(range(len(of_all.inds)))
    by_ind = dict(zip(of_all.inds.tolist(), of_all.losses.tolist()))
    for ind, loss in zip(sampled.inds.tolist(), sampled.losses.tolist()):
        assert loss == pytest.approx(by_ind[ind], rel=1e-4)


def test_bfloat16():
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(model, TWO, ONE)
    assert all(value.isfinite() for value in losses.values())
    assert losses['loss_mask'].dtype == torch.float32
    total(losses).backward()


def test_predicts_masks():
    model = build().eval()
    with torch.no_grad():
        [result] = model.predict(pictures(1), samples(()))
    found = result.pred_instances
    assert len(found) > 0
    assert found.masks.shape == (len(found), *SIZE) and found.masks.dtype == torch.bool
    rows, columns = np.arange(SIZE[0])[:, None], np.arange(SIZE[1])[None]
    for mask, (x1, y1, x2, y2) in zip(found.masks, found.bboxes.tolist()):
        margin = 8  # cropped at the stride of the prototypes
        inside = (columns > x1 - margin) & (columns < x2 + margin)
        inside = inside & (rows > y1 - margin) & (rows < y2 + margin)
        assert not mask[torch.from_numpy(~inside)].any()


@pytest.mark.parametrize(
    'changes, facts',
    [
        (dict(mask_head=dict(with_seg_branch=True)), ['with_seg_branch=False']),
        (dict(mask_head=dict(loss_mask_weight=6.125)), ['loss_mask_weight=1']),
        (
            dict(bbox_head=dict(type='YOLACTHead', loss_cls=dict(type='CrossEntropyLoss'))),
            ['YOLACTHead', 'ALRPYOLACTHead'],
        ),
        (dict(bbox_head=dict(loss_cls=dict(type='CrossEntropyLoss'))), ['CrossEntropyLoss']),
        (dict(bbox_head=dict(loss_bbox=dict(type='SmoothL1Loss'))), ['SmoothL1Loss']),
    ],
)
def test_bad_configs(changes, facts):
    cfg = config()
    for part, values in changes.items():
        cfg[part].update(values)
    with pytest.raises(ValueError) as error:
        MODELS.build(cfg)
    assert all(fact in str(error.value) for fact in facts)


def test_the_head_needs_its_detector():
    cfg = config()
    cfg.type = 'YOLACT'
    model = MODELS.build(cfg)
    with pytest.raises(ValueError, match='ALRPYOLACT'):
        losses_of(model, TWO)
