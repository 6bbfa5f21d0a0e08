"""The parts that a new loss is made of: a ranking, its gradients, and attaching them."""

import numpy as np
import pytest
import reference
import torch
from helpers import rankings
from hypothesis import given
from hypothesis import strategies as st

from alrp.ranking import Ranking, with_gradient


def ranked(logits, labels, delta, **kwargs):
    return Ranking(torch.as_tensor(logits), torch.as_tensor(labels), delta, **kwargs)


def outranking(ranking, targets):
    [count] = ranking.sum_over_lower_targets(targets, torch.ones(1, len(targets)))
    return count


@given(rankings(), st.sampled_from([0.5, 1.0]))
def test_ranks_match_the_reference(drawn, self_count):
    logits, labels, _, delta = drawn
    ranking = ranked(logits, labels, delta, self_count=self_count)
    values, pos, neg = reference.split(logits, labels)
    for i in range(len(pos)):
        over_pos, over_neg, rank = reference.rank_one(values, pos, neg, i, delta)
        assert ranking.false_positives[i].item() == pytest.approx(over_neg.sum(), abs=1e-9)
        pos_rank = self_count + over_pos.sum()
        assert ranking.pos_rank[i].item() == pytest.approx(pos_rank, abs=1e-9)
        assert ranking.rank[i].item() == pytest.approx(rank - 1 + self_count, abs=1e-9)


@given(rankings(), st.integers(0, 2**32 - 1))
def test_errors_to_positives_match_the_reference(drawn, seed):
    """Targets on a coarse grid: positives of equal target do not blame each other."""
    logits, labels, errors, delta = drawn
    targets = np.random.default_rng(seed).integers(1, 5, len(errors)) / 4
    ranking, by_target = ranked(logits, labels, delta), torch.as_tensor(targets)
    grad = ranking.errors_to_positives(
        torch.as_tensor(errors), by_target, outranking(ranking, by_target)
    )
    values, pos, _ = reference.split(logits, labels)
    expected = reference.update_positives(values, pos, delta, errors, targets)
    grad = grad.write_out(ranking.logits)
    np.testing.assert_allclose(grad, expected, rtol=1e-9, atol=1e-13)
    assert grad.sum().item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('eps, is_driven', [(1e-5, True), (0.6, False)])
def test_eps_is_the_least_count_that_drives_a_positive(eps, is_driven):
    """Both positives and the negative have equal logits: every count is H(0) = 0.5."""
    ranking = ranked(np.zeros(3), np.array([1, 1, 0]), 1.0)
    errors, targets = torch.ones(2).double(), torch.tensor([0.9, 0.1])
    to_negatives = ranking.errors_to_negatives(errors, eps).write_out(ranking.logits)
    assert to_negatives.any() == is_driven
    to_positives = ranking.errors_to_positives(errors, targets, outranking(ranking, targets), eps)
    to_positives = to_positives.write_out(ranking.logits)
    np.testing.assert_allclose(to_positives, np.array([-0.5, 0.5, 0]) * is_driven)


@pytest.mark.parametrize('labels', [[], [0], [0, -1]])
def test_no_positives_give_zero_gradients(labels):
    ranking = ranked(np.zeros(len(labels)), np.array(labels, int), 1.0)
    nothing = torch.zeros(0).double()
    for grad in (
        ranking.errors_to_negatives(nothing),
        ranking.errors_to_positives(nothing, nothing, nothing),
    ):
        grad = grad.write_out(ranking.logits)
        assert grad.shape == (len(labels),) and not grad.any()
    assert ranking.mean(nothing) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64])
def test_with_gradient_scales_by_what_comes_from_above(dtype):
    inputs = torch.randn(4, 3).to(dtype).requires_grad_()
    gradient = torch.randn(4, 3)
    value = with_gradient(torch.tensor(7.0, dtype=torch.float64), inputs, gradient)
    assert value == 7 and value.dtype == torch.promote_types(dtype, torch.float32)
    (grad,) = torch.autograd.grad(3 * value, inputs)
    assert grad.dtype == dtype
    torch.testing.assert_close(grad, (3 * gradient).to(dtype))
    assert not with_gradient(value.detach(), inputs.detach(), gradient).requires_grad


def test_with_gradient_needs_a_scalar():
    """A mean that is forgotten would scale the gradient by the number of positives."""
    ranking = Ranking(torch.zeros(3), torch.tensor([1, 1, 0]))
    errors = ranking.false_positives
    for gradient in (torch.zeros(3), ranking.errors_to_negatives(errors)):
        with pytest.raises(ValueError, match=r'scalar.*\(2,\)'):
            with_gradient(errors, ranking.logits, gradient)


def test_with_gradient_needs_the_shape_of_its_inputs():
    with pytest.raises(ValueError, match=r'\(3,\).*\(1, 3\)'):
        with_gradient(torch.tensor(0.0), torch.zeros(3), torch.zeros(1, 3))
