"""The sums that GPUs compute, without atomics: on the CPU they must agree with those of the CPU."""

import math
import warnings

import numpy as np
import pytest
import reference
import torch
import torch.distributed as dist
from helpers import random_ranking, rankings, run_alrp, run_ap, run_rank_sort
from helpers_torch import HostReads
from hypothesis import given, settings
from hypothesis import strategies as st
from process_helpers import run_processes

from alrp.ranking import Labels, Ranking, alrp_loss, ap_loss, devices, rank_sort_loss, step_sums
from alrp.ranking.running_sums import running_sums


@pytest.fixture(scope='module', autouse=True)
def gpu_path():
    before = devices.CPUS
    devices.CPUS = set()
    yield
    devices.CPUS = before


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr('alrp.ranking.chunking.GPU_CHUNK', (1 << 9, 1 << 13))


def on_the_cpu_path(run):
    gpu, devices.CPUS = devices.CPUS, {'cpu'}
    try:
        return run()
    finally:
        devices.CPUS = gpu


@settings(max_examples=15)
@given(rankings())
def test_losses_match_the_reference(drawn):
    logits, labels, errors, delta = drawn
    loss_cls, loss_loc, grad, _ = run_alrp(logits, labels, errors, delta)
    for ours, truth in zip(
        (loss_cls, loss_loc, grad), reference.alrp(logits, labels, errors, delta)
    ):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-12)
    for ours, truth in zip(run_ap(logits, labels, delta), reference.ap(logits, labels, delta)):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('spread', [0.01, 1.0, 1000.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_many_chunks_match_the_cpu_path(small_chunks, spread, dtype):
    rng = np.random.default_rng(0)
    logits, labels, errors = random_ranking(rng, 300, 12_000, spread)
    labels[rng.uniform(size=len(labels)) < 0.1] *= -1
    labels = np.where(labels == 0, rng.choice([0, 0, 0, -1], len(labels)), labels)
    errors = errors[: (labels == 1).sum()]
    targets = labels * rng.uniform(0.01, 1, len(labels)).astype(float)
    targets = np.where(labels > 0, targets, labels)

    def run():
        return [
            *run_alrp(logits, labels, errors, dtype=dtype),
            *run_ap(logits, labels, dtype=dtype),
            *run_rank_sort(logits, targets, dtype=dtype),
        ]

    for ours, theirs in zip(run(), on_the_cpu_path(run)):
        atol = 1e-12 * np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=atol)


@pytest.mark.parametrize('torch_2_6', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_few_negatives_near_the_positives_match_the_cpu_path(dtype, torch_2_6, monkeypatch):
    rng = np.random.default_rng(0)
    logits, labels, errors = random_ranking(rng, 300, 12_000)
    logits = logits + 5 * labels
    logits[rng.uniform(size=len(labels)) < 0.02] += 5  # some negatives as well
    labels = np.where(labels == 0, rng.choice([0, 0, 0, -1], len(labels)), labels)
    targets = labels.astype(float)
    targets[labels == 1] = errors / 2
    sizes = []

    def nonzero_static(mask, *, size):
        sizes.append(size)
        if torch_2_6:
            raise NotImplementedError
        return original(mask, size=size)

    original = torch.nonzero_static
    monkeypatch.setattr(torch, 'nonzero_static', nonzero_static)

    def run():
        return [
            *run_alrp(logits, labels, errors, dtype=dtype),
            *run_ap(logits, labels, dtype=dtype),
            *run_rank_sort(logits, targets, dtype=dtype),
        ]

    for ours, theirs in zip(run(), on_the_cpu_path(run)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * np.abs(theirs).max())
    assert len(sizes) == 3 and all(300 < size < len(logits) / 16 for size in sizes)


def test_negatives_near_the_positives_of_another_process_only(tmp_path):
    def work(rank):
        logits = torch.full((500,), -20.0)
        logits[0] = 10 - 10 * rank  # the positive
        logits[1:9] = 5 - 10 * rank
        ranking = Ranking(logits, (torch.arange(500) == 0).long(), group=dist.group.WORLD)
        gradient = ranking.errors_to_negatives(ranking.rank).write_out(logits)
        return ranking.false_positives.tolist(), gradient.nonzero()[:, 0].tolist()

    of_the_first, of_the_second = run_processes(2, work, tmp_path)
    assert of_the_first == ([0, 8], [*range(1, 9)])
    assert of_the_second == ([0, 8], [0])


@pytest.mark.parametrize('spread', [1e-3, 1.0, 1e4])
@pytest.mark.parametrize('weighted', [False, True])
def test_sums_are_as_exact_as_fsum(small_chunks, spread, weighted):
    """Prefix sums cancel: what is left must be right relative to itself, not to what cancelled."""
    rng = np.random.default_rng(1)
    keys = rng.normal(size=10_000) * spread
    queries = np.concatenate([rng.normal(size=20), [keys.max() + 1 - 1e-9, -4, 4]]) * 1.0
    queries[:20] *= spread
    weights = rng.uniform(0, 1, len(keys)) if weighted else None
    args = [None if x is None else torch.as_tensor(x) for x in (queries, keys, weights)]
    ours = step_sums(args[0], args[1], 1.0, args[2])
    truth = reference.step_sums(queries, keys, 1.0, weights)
    np.testing.assert_allclose(ours, truth, rtol=1e-14 * max(spread, 1), atol=1e-16)


def test_small_sums_keep_their_relative_precision(small_chunks):
    keys = np.concatenate([np.linspace(-900, -100, 5000), [1e-9 - 1]])
    ours = step_sums(torch.tensor([0.0, -500.0]), torch.as_tensor(keys), 1.0)
    assert ours[0].item() == pytest.approx(0.5e-9, rel=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 5000), st.integers(0, 2**32 - 1))
def test_running_sums(num, seed):
    values = torch.rand(num, generator=torch.Generator().manual_seed(seed)).double() - 0.3
    sums = running_sums(values)
    assert sums.shape == (num + 1,) and sums[0] == 0
    exact = [math.fsum(values[:end].tolist()) for end in {0, num // 3, num}]
    np.testing.assert_allclose(sums[[*{0, num // 3, num}]], exact, rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize('cpus', [set(), {'cpu'}])
@pytest.mark.parametrize('num_classes', [1, 3, 80])
def test_labels_of_rows_are_those_of_their_logits(small_chunks, monkeypatch, num_classes, cpus):
    monkeypatch.setattr(devices, 'CPUS', cpus)
    monkeypatch.setattr('alrp.ranking.chunking.CPU_CHUNK', 1 << 10)
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(-1, num_classes + 1, (500,), generator=generator)
    classes[torch.rand(500, generator=generator) < 0.9] = num_classes
    logits = torch.randn(500 * num_classes, generator=generator, dtype=torch.float64)
    binary = (classes[:, None] == torch.arange(num_classes)).long()
    binary[classes < 0] = -1
    for shift in (0.0, 9.0):  # all negatives count, and few of them
        shifted = logits + shift * (binary.flatten() == 1)
        rows = Ranking(shifted, Labels(classes, num_classes))
        flat = Ranking(shifted, binary.flatten())
        assert torch.equal(rows.pos_inds, flat.pos_inds)
        known = Labels(classes, num_classes, pos_rows=rows.pos_inds // num_classes)
        assert torch.equal(Ranking(shifted, known).rank, rows.rank)
        torch.testing.assert_close(rows.rank, flat.rank, rtol=1e-12, atol=0)
        gradients = [x.errors_to_negatives(x.rank).write_out(shifted) for x in (rows, flat)]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=0)
        assert not gradients[0][binary.flatten() < 0].any()


@pytest.mark.parametrize('near', [0, 9], ids=['many near', 'few near'])
@pytest.mark.parametrize('num_pos', [20, 900])
def test_a_gpu_is_waited_for_three_times_at_most(num_pos, near, small_chunks):
    logits, labels, errors = map(
        torch.as_tensor, random_ranking(np.random.default_rng(0), num_pos, 20_000)
    )
    logits += near * labels
    targets = labels.double()
    targets[labels == 1] = errors / 2
    logits.requires_grad_()
    of_the_ranking = ['nonzero', 'cpu']  # where the positives are; are labels and logits in range
    for loss, of_the_loss in (
        (lambda: ap_loss(logits, labels), []),
        (lambda: sum(alrp_loss(logits, labels, errors)), ['cpu']),  # errors in range?
        (lambda: sum(rank_sort_loss(logits, targets)), ['cpu']),  # targets in range?
    ):
        with HostReads() as waits:
            loss().backward()
        assert waits.names == of_the_ranking + of_the_loss


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('near', [0, 9], ids=['many near', 'few near'])
@pytest.mark.parametrize('num_pos', [20, 900])
def test_cuda_waits_three_times_at_most(num_pos, near, recwarn):
    logits, labels, errors = (
        torch.as_tensor(x, device='cuda')
        for x in random_ranking(np.random.default_rng(0), num_pos, 200_000)
    )
    logits += near * labels
    logits.requires_grad_()
    warnings.simplefilter('always')  # a line may wait more than once
    torch.cuda.set_sync_debug_mode('warn')
    try:
        sum(alrp_loss(logits, labels, errors)).backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert 1 <= len([x for x in recwarn if 'called a synchronizing' in str(x.message)]) <= 3
