"""One ranking over several processes equals the ranking of one process with all logits."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from process_helpers import counting_collectives, run_processes

from alrp.ranking import NonFiniteLogitsError, Ranking, alrp_loss, ap_loss, rank_sort_loss

LOSSES = 'ap', 'ap without interpolation', 'alrp', 'rs'


def draw(seed: int, size: int):
    """Logits, labels and one error per positive of each of several processes, some without
    positives or without logits; every other one on a grid, with ties across processes."""
    rng = np.random.default_rng(seed)
    parts = []
    for rank in range(size):
        num_pos = 0 if rank == seed % (size + 2) else rng.integers(1, 12)
        num_neg = rng.integers(0, 60) if rank != seed % (size + 3) else 0
        labels = np.repeat([1, 0, -1], [num_pos, num_neg, 3 if num_neg else 0])
        rng.shuffle(labels)
        logits = rng.normal(size=len(labels)) * 2 + labels
        if seed % 2:
            logits = logits.round()
        errors = rng.uniform(0.01, 1, num_pos)
        errors = errors if seed % 4 < 2 else np.ceil(errors * 3) / 3
        parts.append([torch.as_tensor(x) for x in (logits, labels, errors)])
    return parts


def run(loss: str, logits, labels, errors, group=None):
    """Losses, the gradient of the logits and that of the errors."""
    logits, errors = logits.clone().requires_grad_(), errors.clone().requires_grad_()
    if loss == 'alrp':
        losses = alrp_loss(logits, labels, errors, 0.7, group)
    elif loss == 'rs':
        targets = labels.to(errors.dtype)
        targets[labels == 1] = errors.detach()
        losses = rank_sort_loss(logits, targets, 0.7, group)
    else:
        losses = (ap_loss(logits, labels, 0.7, loss == 'ap', group),)
    grads = torch.autograd.grad(sum(losses), [logits, errors], allow_unused=True)
    return torch.stack(losses).detach(), grads[0], grads[1]


def check(size: int, folder, seeds) -> None:
    def work(rank):
        group = dist.group.WORLD
        return [run(loss, *draw(seed, size)[rank], group) for seed in seeds for loss in LOSSES]

    results = run_processes(size, work, folder)
    assert not any(isinstance(result, Exception) for result in results), results
    expected = []
    for seed in seeds:
        whole = [torch.cat(x) for x in zip(*draw(seed, size))]
        expected.extend(run(loss, *whole) for loss in LOSSES)
    total = 0
    for (losses, logit_grad, error_grad), parts in zip(expected, zip(*results)):
        for part in parts:
            torch.testing.assert_close(part[0], losses, rtol=1e-12, atol=1e-14)
            assert torch.equal(part[0], parts[0][0])  # bit for bit
        grad = torch.cat([part[1] for part in parts]) / size
        torch.testing.assert_close(grad, logit_grad, rtol=1e-11, atol=1e-14)
        if error_grad is not None:
            grad = torch.cat([part[2] for part in parts]) / size
            torch.testing.assert_close(grad, error_grad, rtol=1e-11, atol=1e-14)
        total += losses.sum()
    assert total > 1


def test_two_processes_equal_one(tmp_path):
    check(2, tmp_path, range(4))


@pytest.mark.slow
@pytest.mark.parametrize('size', [2, 3, 4])
def test_processes_equal_one(tmp_path, size):
    check(size, tmp_path, range(100))


def test_an_error_of_one_process_is_raised_on_all(tmp_path):
    nan = float('nan')
    good = torch.arange(4.0), torch.tensor([1, 0, 0, 1]), torch.rand(2)
    bad = [
        ('alrp', (torch.tensor([0.0, nan]), torch.tensor([1, 0]), torch.rand(1))),
        ('ap', (torch.randn(2), torch.tensor([7, 0]), torch.rand(1))),
        ('ap', (torch.randn(2), torch.tensor([1, 0, 0]), torch.rand(1))),
        ('alrp', (torch.randn(2), torch.tensor([1, 0]), torch.rand(2))),
        ('alrp', (torch.randn(2), torch.tensor([1, 0]), torch.tensor([nan]))),
        ('rs', (torch.randn(2), torch.tensor([1, 0]), torch.tensor([nan]))),
        ('rs', (torch.randn(2), torch.tensor([1, 0]), torch.tensor([1.5]))),
    ]

    def work(rank):
        errors = []
        for loss, inputs in bad:
            try:
                run(loss, *(inputs if rank else good), dist.group.WORLD)
            except Exception as error:
                errors.append(error)
        return errors, run('ap', *good, dist.group.WORLD)[0]  # still in step

    results = run_processes(2, work, tmp_path)
    facts = ['index 1', '7', r'(3,)', r'(2,)', 'loc_errors', 'NaN', '1.5']
    types = [NonFiniteLogitsError, *[ValueError] * 3, *[FloatingPointError] * 2, ValueError]
    for errors, value in results:
        assert [type(error) for error in errors] == types
        assert all(str(error).startswith('process 1: ') for error in errors)
        assert all(fact in str(error) for fact, error in zip(facts, errors))
        assert value > 0


class OwnError(ValueError):
    """Cannot be created from a message, and another process may not know it."""

    def __init__(self, index, message):
        super().__init__(f'{message} {index}')


def fail(pos_inds):
    raise OwnError(4, 'box')


@pytest.mark.slow
@pytest.mark.parametrize(
    'loss, good, bad, fact',
    [
        (rank_sort_loss, torch.tensor([1.0, 0.0]), torch.tensor([1, 0]), 'int64'),
        (
            lambda logits, pos_values, group: Ranking(
                logits, torch.tensor([1, 0]), group=group, pos_values=pos_values
            ),
            lambda pos_inds: dict(errors=torch.rand(len(pos_inds))),
            fail,
            'box 4',
        ),
    ],
)
def test_no_error_of_one_process_leaves_the_others_waiting(tmp_path, loss, good, bad, fact):
    def work(rank):
        loss(torch.randn(2), bad if rank else good, group=dist.group.WORLD)

    for error in run_processes(2, work, tmp_path, timeout=20):
        assert type(error) is ValueError
        assert str(error).startswith('process 1: ') and fact in str(error)


@pytest.mark.slow
def test_communication_does_not_grow_with_the_negatives(tmp_path):
    def work(rank):
        counts = []
        for num_neg in (100, 10_000):
            labels = torch.tensor([1] * 5 + [0] * num_neg)
            with counting_collectives() as calls:
                run('alrp', torch.randn(len(labels)), labels, torch.rand(5), dist.group.WORLD)
            counts.append(list(calls))
        with counting_collectives() as calls:
            run('rs', torch.randn(9), torch.zeros(9).int(), torch.rand(0), dist.group.WORLD)
        return [*counts, list(calls)]

    for few, many, no_positives in run_processes(2, work, tmp_path):
        assert few == many and len(few) == 3
        # A count; logit and error of 5 positives; false positives of all 10.
        assert sum(nbytes for _, nbytes in few) == 8 + 5 * 2 * 8 + 10 * 8
        assert [name for name, _ in no_positives] == ['all_gather']


@pytest.mark.slow
def test_a_group_of_one_changes_nothing_and_communicates_nothing(tmp_path):
    def work(rank):
        alone = dist.new_group([0])
        with counting_collectives() as calls:
            results = [
                run(loss, *parts, group)
                for group in (alone, None)
                for loss in LOSSES
                for parts in draw(5, 3)
            ]
        return results, list(calls)

    [(results, calls)] = run_processes(1, work, tmp_path)
    assert calls == [] and len(results) == 2 * 4 * 3
    for with_group, without in zip(results[:12], results[12:]):
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(with_group, without))


@pytest.mark.slow
def test_a_group_of_some_processes_ranks_apart(tmp_path):
    """The ranks in messages are those of the job."""

    def work(rank):
        groups = [dist.new_group([0]), dist.new_group([1, 2])]
        group = groups[rank > 0]
        logits, labels, errors = draw(0, 3)[rank]
        losses, *_ = run('alrp', logits, labels, errors, group)
        message = None
        if rank > 0:
            try:
                Ranking(logits * (float('inf') if rank == 2 else 1), labels, group=group)
            except NonFiniteLogitsError as error:
                message = str(error)
        return losses, message

    results = run_processes(3, work, tmp_path)
    first, *others = draw(0, 3)
    torch.testing.assert_close(results[0][0], run('alrp', *first)[0])
    both = [torch.cat(x) for x in zip(*others)]
    for losses, message in results[1:]:
        torch.testing.assert_close(losses, run('alrp', *both)[0])
        assert message.startswith('process 2: ')
