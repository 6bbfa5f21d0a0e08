"""W processes with ranking='global' on parts of a batch equal one process on the whole batch."""

from functools import partial
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from head_helpers import NOTHING, OBJECTS, OTHERS, SHAPE, batch, build, features, total
from mmdet.models.dense_heads import rpn_head
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import init_default_scope
from process_helpers import counting_collectives, run_processes
from tiny_detectors import tiny_config
from torch.nn.parallel import DistributedDataParallel

from alrp_mmdet.models import MaskLosses
from alrp_mmdet.models.micro_batches import MicroBatches

NUM_CLASSES = 3
LOSSES = 'APLoss', 'aLRPLoss', 'RankSortLoss'
PARTS = {2: [(0, 1, 2), (3, 4)], 4: [(0,), (1, 2), (3,), (4,)]}  # images; the fourth is empty
IMAGES = [
    OBJECTS,
    OTHERS,
    ([[8.0, 4.0, 44.0, 40.0], [50.0, 20.0, 86.0, 56.0], [0.0, 0.0, 30.0, 60.0]], [1, 1, 0]),
    NOTHING,
    ([[60.0, 8.0, 92.0, 40.0]], [2]),
]


def detector(family: str, loss: str, ranking: str) -> torch.nn.Module:
    """In float64, with frozen batch normalisation."""
    cfg = tiny_config(family, 3).model
    cfg.backbone.norm_eval = True
    cfg.backbone.frozen_stages = -1
    roi_head = cfg.get('roi_head', cfg)
    for head in (cfg.get('rpn_head'), roi_head.get('bbox_head'), roi_head.get('mask_head')):
        if head is not None and 'loss_cls' in head:
            head.loss_cls = dict(type=loss, ranking=ranking)
            if loss == 'aLRPLoss':
                head.loss_cls.update(self_balance=dict(start_weight=3))
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg).double()
    model.init_weights()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.requires_grad_(False)
    for value in model.parameters():
        value.data += torch.randn(value.shape, dtype=value.dtype) * 0.05
    return model.train()


def masks_of(boxes: torch.Tensor) -> BitmapMasks:
    masks = np.zeros((len(boxes), *SHAPE), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
        mask[top:bottom, left:right] = 1
    return BitmapMasks(masks, *SHAPE)


def losses_and_gradients(model, images) -> tuple[dict, dict]:
    pictures = torch.randn(len(IMAGES), 3, *SHAPE, generator=torch.Generator().manual_seed(1))
    samples = []
    for gt_instances, meta in zip(*batch(*(IMAGES[i] for i in images))):
        gt_instances.masks = masks_of(gt_instances.bboxes)
        sample = DetDataSample(metainfo=dict(meta, batch_input_shape=SHAPE))
        sample.gt_instances = gt_instances
        samples.append(sample)
    losses = model(pictures[list(images)].double(), samples, mode='loss')
    losses = {name: value for name, value in losses.items() if torch.is_tensor(value)}
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    gradients = {
        name.removeprefix('module.'): parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    return {name: value.item() for name, value in losses.items()}, gradients


def nms_in_float32(nms, boxes, scores, *args, **kwargs):
    return nms(boxes.float(), scores.float(), *args, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize('size', PARTS)
@pytest.mark.parametrize(
    'family',
    ['retinanet', 'atss', 'fovea', 'faster-rcnn', 'mask-rcnn', 'yolact', 'solov2'],
)
def test_processes_equal_one(tmp_path, monkeypatch, family, size):
    """Every loss, every logged value and the gradient of every parameter."""
    nms = partial(nms_in_float32, rpn_head.batched_nms)  # MMCV's has no float64
    monkeypatch.setattr(rpn_head, 'batched_nms', nms)
    expected = [
        losses_and_gradients(detector(family, loss, 'process'), range(len(IMAGES)))
        for loss in LOSSES
    ]

    def work(rank):
        return [
            losses_and_gradients(
                DistributedDataParallel(detector(family, loss, 'global')), PARTS[size][rank]
            )
            for loss in LOSSES
        ]

    for result in run_processes(size, work, tmp_path, timeout=600):
        for (losses, gradients), (own_losses, own_gradients) in zip(expected, result):
            # SOLOv2 logs a float32.
            ranked = {k: (own_losses.pop(k), losses[k]) for k in losses if 'ranked_iou' in k}
            assert all(own == pytest.approx(one, rel=1e-6) for own, one in ranked.values())
            compared = {k: v for k, v in losses.items() if k not in ranked}
            assert own_losses == pytest.approx(compared, rel=1e-9)
            num_pos = [value for name, value in losses.items() if 'num_pos' in name]
            assert min(num_pos) > 0 and len(num_pos) == 1 + ('rcnn' in family)
            assert own_gradients.keys() == gradients.keys()
            for name, gradient in gradients.items():
                assert gradient.any(), name
                scale = gradient.abs().max().item()
                torch.testing.assert_close(
                    own_gradients[name], gradient, rtol=1e-9, atol=1e-9 * scale, msg=name
                )


@pytest.mark.slow
def test_processes_with_micro_batches_equal_one(tmp_path):
    """Processes have two and one micro-batches."""
    losses, gradients = losses_and_gradients(detector('atss', 'aLRPLoss', 'process'), range(3))

    def work(rank):
        model = detector('atss', 'aLRPLoss', 'global')
        MicroBatches(model, 1).install()
        return losses_and_gradients(DistributedDataParallel(model), [(0, 1), (2,)][rank])

    for own_losses, own_gradients in run_processes(2, work, tmp_path):
        assert own_losses == pytest.approx(losses, rel=1e-9)
        for name, gradient in gradients.items():
            scale = gradient.abs().max().item()
            torch.testing.assert_close(
                own_gradients[name], gradient, rtol=1e-9, atol=1e-9 * scale, msg=name
            )


def draw_positives(seed: int):
    """Logits (20, C), labels, and for each positive a localisation loss, an IoU, and a mask loss
    or NaN."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, NUM_CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, NUM_CLASSES + 1, (20,), generator=generator)
    if seed == 1:
        labels.fill_(NUM_CLASSES)
    num_pos = int(((labels >= 0) & (labels < NUM_CLASSES)).sum())
    values = torch.rand(3, num_pos, generator=generator, dtype=torch.float64)
    values[2, ::3] = float('nan')
    return logits, labels, values


def with_masks(loss, logits, labels, values) -> tuple[dict, list]:
    logits, values = logits.clone().requires_grad_(), values.clone().requires_grad_()
    inds = (~values[2].isnan()).nonzero()[:, 0].flip(0)  # in any order
    masks = MaskLosses(values[2][inds], inds)
    results = loss(logits, labels, values[0], values[1].detach(), None, masks)
    total = sum(value for name, value in results.items() if 'loss' in name)
    total.backward()
    return {name: value.item() for name, value in results.items()}, [logits.grad, values.grad]


@pytest.mark.slow
def test_masks_are_weighted_by_the_global_ranking(tmp_path):
    parts = [draw_positives(seed) for seed in range(2)]

    def work(rank):
        return [
            with_masks(MODELS.build(dict(type=loss, ranking='global')), *parts[rank])
            for loss in LOSSES
        ]

    results = run_processes(2, work, tmp_path)
    whole = [torch.cat([a, b], dim=-1 if a.shape[0] == 3 else 0) for a, b in zip(*parts)]
    for loss, (first, first_grads), (second, second_grads) in zip(LOSSES, *results):
        expected, grads = with_masks(MODELS.build(dict(type=loss)), *whole)
        assert first == second and first == pytest.approx(expected, rel=1e-12)
        torch.testing.assert_close(torch.cat([first_grads[0], second_grads[0]]) / 2, grads[0])
        torch.testing.assert_close(torch.cat([first_grads[1], second_grads[1]], 1) / 2, grads[1])


@pytest.mark.slow
@pytest.mark.parametrize('size', [2, 7])
def test_self_balance_is_that_of_the_global_ranking(tmp_path, size):
    """The losses of seven processes must not be rounded when they are averaged."""
    parts = [draw_positives(seed)[:2] for seed in range(3, 3 + size)]

    def weights(ranking, logits, labels):
        loss = MODELS.build(dict(type='aLRPLoss', ranking=ranking, self_balance=dict(interval=1)))
        num_pos = int(((labels >= 0) & (labels < NUM_CLASSES)).sum())
        # In float32, as the state.
        logits = logits.float()
        states = []
        for factor in (1, 0.7, 0.3):
            loss(logits * factor, labels, torch.full((num_pos,), 0.37 * factor))
            states.append((loss.self_balance.weight.item(), *loss.self_balance.loss_sums.tolist()))
        return states

    results = run_processes(size, lambda rank: weights('global', *parts[rank]), tmp_path)
    assert all(states == results[0] for states in results)
    expected = weights('process', *(torch.cat(x) for x in zip(*parts)))
    for states, of_one in zip(results[0], expected):
        assert states == pytest.approx(of_one, rel=1e-6)
        # loss_cls comes from float64 sums: the nearest float32 on any number of processes.
        assert states[1] == of_one[1]
    assert results[0][2][0] != results[0][1][0] != 50


@pytest.mark.slow
def test_one_process_communicates_nothing(tmp_path):
    inputs = draw_positives(0)

    def work(rank):
        results = []
        with counting_collectives() as calls:
            for loss in LOSSES:
                for ranking in ('process', 'global'):
                    module = MODELS.build(dict(type=loss, ranking=ranking))
                    results.append(with_masks(module, *inputs))
        return results, list(calls)

    [(results, calls)] = run_processes(1, work, tmp_path)
    assert calls == []
    for one, other in zip(results[::2], results[1::2]):
        assert_identical(one, other)


@pytest.mark.parametrize('loss', LOSSES)
def test_without_a_job_nothing_changes(loss):
    one, other = (
        with_masks(MODELS.build(dict(type=loss, ranking=ranking)), *draw_positives(0))
        for ranking in ('process', 'global')
    )
    assert not dist.is_initialized()
    assert_identical(one, other)


def assert_identical(one, other) -> None:
    assert one[0] == other[0]
    assert all(torch.equal(a, b) for a, b in zip(one[1], other[1]))


@pytest.mark.slow
def test_paa_equals_one_process(tmp_path):
    def run(ranking, images):
        head = build('ALRPPAAHead', loss_cls=dict(type='RankSortLoss', ranking=ranking)).double()
        gt, metas = batch(*([OBJECTS, OTHERS][i] for i in images))
        maps = [x.double()[images] for x in features()]
        losses = head.loss_by_feat(*head(maps), gt, metas)
        total(losses).backward()
        return (
            {name: value.item() for name, value in losses.items()},
            [parameter.grad for parameter in head.parameters()],
        )

    results = run_processes(2, lambda rank: run('global', [rank]), tmp_path)
    losses, gradients = run('process', [0, 1])
    assert losses['num_pos'] > 2
    for own_losses, _ in results:
        assert own_losses == pytest.approx(losses, rel=1e-9)
    for gradient, *parts in zip(gradients, *(grads for _, grads in results)):
        torch.testing.assert_close(sum(parts) / 2, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize('where', [0, 1])
def test_an_infinite_value_on_one_process_stops_all(tmp_path, where):
    """In the logits, or in a localisation loss. Process 0 does not even have a positive."""

    def work(rank):
        logits, labels, values = draw_positives(1 - rank)
        if rank == 1:
            (logits, values)[where].flatten()[4] = float('inf')
        with mock.patch('mmengine.logging.MessageHub.get_info', return_value=7):
            return with_masks(
                MODELS.build(dict(type='RankSortLoss', ranking='global')), logits, labels, values
            )

    for error in run_processes(2, work, tmp_path):
        assert isinstance(error, FloatingPointError)
        assert str(error).startswith('process 1: ')


def test_an_unknown_kind_of_ranking_is_refused():
    with pytest.raises(ValueError, match=r"'process' or 'global'.*'gpu'"):
        MODELS.build(dict(type='APLoss', ranking='gpu'))
