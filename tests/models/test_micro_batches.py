"""A step in micro-batches is the step of the whole batch."""

import copy
from functools import partial

import pytest
import torch
from head_helpers import HEADS
from micro_batch_helpers import assert_equal_steps, make_batch, step, tiny
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from process_helpers import run_processes
from tiny_detectors import tiny_detector
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.checkpoint import checkpoint

from alrp_mmdet.models.micro_batches import MicroBatches
from alrp_mmdet.optim import CPUAmpOptimWrapper

LOSSES = ('aLRPLoss', 'APLoss', 'RankSortLoss')
STOCK = dict(type='RetinaHead', loss_cls=dict(type='FocalLoss', use_sigmoid=True))


EVERYDAY = {
    ('ALRPRetinaHead', 'aLRPLoss'),
    ('ALRPATSSHead', 'APLoss'),
    ('ALRPFoveaHead', 'RankSortLoss'),
    ('ALRPPAAHead', 'RankSortLoss'),
}


@pytest.mark.parametrize(
    'head, loss',
    [
        pytest.param(head, loss, marks=[] if (head, loss) in EVERYDAY else pytest.mark.slow)
        for head in HEADS
        for loss in LOSSES
        if head != 'ALRPRPNHead'
    ],
)
def test_gradients_are_those_of_the_whole_batch(head, loss):
    detector = tiny(head, loss_cls=dict(type=loss))
    whole = step(detector, None)
    assert whole[0]['num_pos'] > 0
    for size in (2, 4):  # five images: the last micro-batch has one
        assert_equal_steps(whole, step(detector, size))


def test_losses_that_do_not_rank_are_unaffected():
    detector = tiny(**STOCK)
    assert_equal_steps(step(detector, None), step(detector, 2))


def test_objects_in_no_image():
    images, samples = make_batch()
    for sample in samples:
        sample.gt_instances = sample.gt_instances[:0]
    detector = tiny(loss_cls=dict(type='RankSortLoss'))
    detector.train()
    MicroBatches(detector, 2).install()
    loss, _ = detector.parse_losses(detector.loss(images, samples))
    loss.backward()
    assert loss == 0 and all(value.grad is not None for value in detector.parameters())


FAMILIES = ['retinanet', 'atss', 'fovea', 'faster-rcnn', 'mask-rcnn', 'solov2']


@pytest.mark.slow
@pytest.mark.parametrize(
    'family, stock',
    [*((name, stock) for name in FAMILIES for stock in (False, True)), ('yolact', False)],
)
def test_whole_detectors(family, stock, nms_of_doubles):
    detector = tiny_detector(family, 3, stock=stock).double()
    detector.backbone.norm_eval = True
    for value in detector.parameters():
        value.data *= 0.1

    def batch():
        return make_batch(shape=(96, 128))

    assert_equal_steps(step(detector, None, batch), step(detector, 2, batch))


class Recorder(nn.Module):
    """Records how many images have an activation in memory."""

    def __init__(self):
        super().__init__()
        self.activations, self.peak = [], 0

    def forward(self, x):
        x = x * 1
        self.activations.append((StorageWeakRef(x.untyped_storage()), len(x)))
        alive = sum(count for ref, count in self.activations if not ref.expired())
        self.peak = max(self.peak, alive)
        return x


@pytest.mark.parametrize('size, expected', [(None, 5), (2, 2), (1, 1), (8, 5)])
def test_activations_are_kept_for_one_micro_batch(size, expected):
    detector = tiny(layer=Recorder()).train()
    if size is not None:
        MicroBatches(detector, size).install()
    loss, _ = detector.parse_losses(detector.loss(*make_batch()))
    loss.backward()
    assert detector.backbone.layer.peak == expected
    assert 'forward' not in vars(detector.bbox_head) and 'extract_feat' not in vars(detector)


def test_both_passes_draw_the_same_random_numbers():
    detector = tiny(layer=nn.Dropout(0.5)).train()
    images, samples = make_batch()

    torch.manual_seed(4)  # the same parts with graphs
    parts = [detector.bbox_head(detector.extract_feat(part)) for part in images.split(2)]
    outputs = [[torch.cat(level) for level in zip(*field)] for field in zip(*parts)]
    objects = [sample.gt_instances for sample in samples]
    losses = detector.bbox_head.loss_by_feat(*outputs, objects, [x.metainfo for x in samples])
    loss, logged = detector.parse_losses(losses)
    loss.backward()
    gradients = {name: value.grad for name, value in detector.named_parameters()}
    detector.zero_grad()
    assert_equal_steps((logged, gradients), step(detector, 2))


class Checkpointed(nn.Module):
    def __init__(self, use_reentrant: bool):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Dropout(0.0), nn.ReLU())
        self.use_reentrant = use_reentrant

    def forward(self, x):
        return checkpoint(self.conv, x, use_reentrant=self.use_reentrant)


@pytest.mark.parametrize('use_reentrant', [False, True])
def test_activation_checkpoints_of_the_backbone(use_reentrant):
    detector = tiny(layer=Checkpointed(use_reentrant))
    assert_equal_steps(step(detector, None), step(detector, 2))


def weights_after(detector, size, steps, wrapper=OptimWrapper, **kwargs):
    """Weights after some steps of a copy of a detector by an optimizer wrapper."""
    detector = copy.deepcopy(detector).train()
    if size is not None:
        MicroBatches(detector, size).install()
    optim = wrapper(torch.optim.SGD(detector.parameters(), lr=0.1, momentum=0.9), **kwargs)
    for i in range(steps):
        images, samples = make_batch(4 + i % 2)
        images = images.to(detector.backbone.stem.weight)
        detector.train_step(dict(inputs=images, data_samples=samples), optim)
    return detector.state_dict()


@pytest.mark.parametrize('head', [{}, STOCK])
def test_accumulation_and_clipping(head):
    detector = tiny(**head)
    settings = dict(steps=4, accumulative_counts=2, clip_grad=dict(max_norm=0.1))
    whole = weights_after(detector, None, **copy.deepcopy(settings))
    parts = weights_after(detector, 3, **copy.deepcopy(settings))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-9, atol=1e-12)
    moved = (whole['backbone.stem.weight'] - detector.backbone.stem.weight).abs().max()
    assert moved > 1e-4


def test_mixed_precision():
    detector = tiny(loss_cls=dict(type='RankSortLoss')).float()
    weights = [
        weights_after(detector, size, 1, wrapper)
        for size, wrapper in (
            (None, OptimWrapper),
            (None, CPUAmpOptimWrapper),
            (2, CPUAmpOptimWrapper),
        )
    ]
    start = detector.state_dict()
    single, whole, parts = (
        torch.cat([(w[name] - start[name]).flatten() for name in start]) for w in weights
    )
    rounding = (whole - single).norm()
    assert 0 < rounding < 0.1 * single.norm()
    assert (parts - whole).norm() < rounding


def test_a_copy_is_independent():
    detector = tiny().train()
    MicroBatches(detector, 2).install()
    other = copy.deepcopy(detector)
    loss, _ = other.parse_losses(other.loss(*make_batch()))
    loss.backward()
    assert all(value.grad is None for value in detector.parameters())
    assert all(value.grad is not None for value in other.parameters())


class FrozenNorm(nn.BatchNorm2d):
    def train(self, mode: bool = True):
        return super().train(False)


def test_frozen_batch_normalisation_is_exact():
    detector = tiny(layer=FrozenNorm(8))
    assert_equal_steps(step(detector, None), step(detector, 2))


def train_in_process(size: int | None, rank: int) -> dict:
    detector = tiny(layer=nn.Dropout(0.0)).train()
    if size is not None:
        MicroBatches(detector, size).install()
    model = MMDistributedDataParallel(detector)
    reduced = []

    def count(state, bucket):
        reduced.append(len(bucket.parameters()))
        return default_hooks.allreduce_hook(state, bucket)

    model.register_comm_hook(None, count)
    optim = OptimWrapper(torch.optim.SGD(detector.parameters(), lr=0.1), accumulative_counts=2)
    for i in range(4):
        images, samples = make_batch(5 if rank == 0 else 4 + i % 2)
        model.train_step(dict(inputs=images * (1 + rank), data_samples=samples), optim)
    assert sum(reduced) == 2 * len(list(detector.parameters()))  # once in each update
    return detector.state_dict()


@pytest.mark.slow
def test_processes_reduce_gradients_once_per_update(tmp_path):
    whole, _ = run_processes(2, partial(train_in_process, None), tmp_path)
    parts, of_other = run_processes(2, partial(train_in_process, 2), tmp_path)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-9, atol=1e-12)
        if 'self_balance' not in name:
            assert torch.equal(parts[name], of_other[name])
