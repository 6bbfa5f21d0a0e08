"""RS Loss: the reference's values, what follows from the paper, and edge cases."""

import numpy as np
import pytest
import reference
import torch
from helpers import DEVICES, rankings, run_rank_sort
from hypothesis import given
from hypothesis import strategies as st

from alrp.ranking import (
    NonFiniteLogitsError,
    Ranking,
    rank_sort_loss,
    rank_sort_loss_from_ranking,
)
from alrp.ranking import lower_target_sums as sums_module


@st.composite
def sorted_rankings(draw, min_pos=0):
    """Logits, targets and delta; targets on a grid have many ties."""
    logits, labels, _, delta = draw(rankings(min_pos=min_pos))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = labels.astype(float)
    targets[labels == 1] = rng.uniform(1e-3, 1, (labels == 1).sum())
    if draw(st.booleans()):
        targets[labels == 1] = np.ceil(targets[labels == 1] * 4) / 4
    return logits, targets, delta


@pytest.fixture(scope='module', params=[False, True], ids=['pairs', 'bits'])
def by_bits(request):
    """Both ways in which sums over lower targets are computed."""
    before = sums_module.MAX_PAIRWISE
    sums_module.MAX_PAIRWISE = 0 if request.param else before
    yield
    sums_module.MAX_PAIRWISE = before


@given(ranking=sorted_rankings())
def test_matches_the_reference(by_bits, ranking):
    for ours, truth in zip(run_rank_sort(*ranking), reference.rank_sort(*ranking)):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-12)


@given(ranking=sorted_rankings(min_pos=1))
def test_gradients_balance_and_stay_with_those_to_blame(ranking):
    logits, targets, delta = ranking
    *_, rank_grad, sort_grad = run_rank_sort(logits, targets, delta)
    assert rank_grad.sum() == pytest.approx(0, abs=1e-12)
    assert sort_grad.sum() == pytest.approx(0, abs=1e-12)
    assert not rank_grad[targets == -1].any()
    assert (rank_grad[targets > 0] <= 0).all() and (rank_grad[targets == 0] >= 0).all()
    assert not sort_grad[targets <= 0].any()


@given(ranking=sorted_rankings(min_pos=1))
def test_equal_targets_leave_nothing_to_sort(ranking):
    logits, targets, delta = ranking
    targets = np.where(targets > 0, 0.5, targets)
    _, loss_sort, _, sort_grad = run_rank_sort(logits, targets, delta)
    assert loss_sort == pytest.approx(0, abs=1e-12) and not sort_grad.any()


def test_sorted_and_separated_positives_have_no_loss():
    logits, targets = np.array([9.0, 6.0, 3.0, 0.0]), np.array([0.9, 0.8, 0.2, 0.0])
    loss_rank, loss_sort, *grads = run_rank_sort(logits, targets)
    assert loss_rank == 0 and loss_sort == pytest.approx(0, abs=1e-15)
    assert not np.any(grads)


def test_the_better_box_is_pulled_above_the_worse():
    *_, sort_grad = run_rank_sort(np.zeros(2), np.array([0.9, 0.3]))
    assert sort_grad[0] < 0 < sort_grad[1]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('num_pos', [799, 800, 801, 3000])
def test_any_number_of_positives(num_pos, device):
    rng = np.random.default_rng(num_pos)
    targets = np.concatenate([rng.uniform(0.01, 1, num_pos), np.zeros(500)])
    logits = rng.normal(size=len(targets)) * 3
    ours = run_rank_sort(logits, targets, device=device)
    for mine, truth in zip(ours, reference.rank_sort(logits, targets)):
        np.testing.assert_allclose(mine, truth, rtol=1e-9, atol=1e-14)


@pytest.mark.slow
def test_many_positives_are_not_compared_in_pairs(monkeypatch):
    """100,000 x 100,000 pairs would take 80 GB."""
    monkeypatch.delattr(sums_module, '_by_pairs')
    num_pos = 100_000
    rng = np.random.default_rng(3)
    targets = np.concatenate([rng.uniform(0.01, 1, num_pos), np.zeros(num_pos)])
    logits = rng.normal(size=len(targets)) * 3
    loss_rank, loss_sort, rank_grad, sort_grad = run_rank_sort(logits, targets)
    assert 0 < loss_rank < 1 and 0 < loss_sort < 1
    for grad in (rank_grad, sort_grad):
        assert np.isfinite(grad).all() and abs(grad.sum()) < 1e-9


def test_pairs_are_compared_up_to_the_measured_number(monkeypatch):
    calls = []
    by_pairs = sums_module._by_pairs
    monkeypatch.setattr(
        sums_module, '_by_pairs', lambda *args: calls.append(len(args[0])) or by_pairs(*args)
    )
    for num_pos in (sums_module.MAX_PAIRWISE, sums_module.MAX_PAIRWISE + 1):
        targets = np.linspace(0.1, 1, num_pos)
        run_rank_sort(targets * 3, targets)
    assert calls and set(calls) == {sums_module.MAX_PAIRWISE}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_right_for_the_rounded_logits(dtype):
    rng = np.random.default_rng(2)
    targets = np.concatenate([rng.uniform(0.01, 1, 40), np.zeros(400)])
    logits = torch.as_tensor(rng.normal(size=440)).to(dtype)
    truth = reference.rank_sort(logits.double().numpy(), targets)
    ours = run_rank_sort(logits, targets, dtype=dtype)
    np.testing.assert_allclose(ours[:2], truth[:2], rtol=1e-6)
    resolution = torch.finfo(dtype)
    for mine, theirs in zip(ours[2:], truth[2:]):
        np.testing.assert_allclose(mine, theirs, rtol=2 * resolution.eps, atol=1e-6)


@pytest.mark.parametrize('targets', [[], [0.0], [-1.0], [0.0, -1.0]])
def test_no_positives_give_a_zero_that_reaches_the_logits(targets):
    logits = torch.randn(len(targets), requires_grad=True)
    loss_rank, loss_sort = rank_sort_loss(logits, torch.tensor(targets))
    assert loss_rank == loss_sort == 0
    (loss_rank + loss_sort).backward()
    assert logits.grad.shape == logits.shape and not logits.grad.any()


def test_no_negatives():
    targets = np.array([0.5, 0.7, 1.0])
    ours = run_rank_sort(np.array([1.0, 0.5, 0.2]), targets)
    truth = reference.rank_sort(np.array([1.0, 0.5, 0.2]), targets)
    assert ours[0] == 0 and not ours[2].any()
    np.testing.assert_allclose(ours[1], truth[1])
    np.testing.assert_allclose(ours[3], truth[3])


@pytest.mark.parametrize(
    'targets, error, message',
    [
        (torch.tensor([1, 0]), ValueError, 'int64'),
        (torch.tensor([0.5, 1.5]), ValueError, '1.5 at index 1'),
        (torch.tensor([-0.5, 0.5]), ValueError, '-0.5 at index 0'),
        (torch.tensor([float('nan'), 0.5]), FloatingPointError, 'NaN'),
        (torch.tensor([0.5]), ValueError, 'shapes'),
    ],
)
def test_bad_targets(targets, error, message):
    with pytest.raises(error, match=message):
        rank_sort_loss(torch.zeros(2), targets)


def test_bad_logits_and_delta():
    with pytest.raises(NonFiniteLogitsError):
        rank_sort_loss(torch.tensor([0.0, float('inf')]), torch.tensor([0.5, 0.0]))
    with pytest.raises(ValueError, match='delta'):
        rank_sort_loss(torch.zeros(1), torch.ones(1), delta=0)


def test_the_ranking_must_be_one_for_rs_loss():
    logits, labels = torch.zeros(3), torch.tensor([1, 1, 0])
    with pytest.raises(ValueError, match='self_count'):
        rank_sort_loss_from_ranking(Ranking(logits, labels), torch.ones(2))
    with pytest.raises(ValueError, match=r'\(2,\).*\(3,\)'):
        rank_sort_loss_from_ranking(Ranking(logits, labels, self_count=0.5), torch.ones(3))
