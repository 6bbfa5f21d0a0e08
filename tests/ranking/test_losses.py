"""What the losses are: the reference's values, the papers' theorems, and what follows from them."""

import numpy as np
import pytest
import reference
import torch
from helpers import random_ranking, rankings, run_alrp, run_ap
from hypothesis import assume, given
from hypothesis import strategies as st

from alrp.ranking import alrp_loss


@given(rankings())
def test_alrp_equals_the_reference(ranking):
    for ours, truth in zip(run_alrp(*ranking), reference.alrp(*ranking)):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-13)


@given(rankings(), st.booleans())
def test_ap_equals_the_reference(ranking, interpolate):
    logits, labels, _, delta = ranking
    theirs = reference.ap(logits, labels, delta, interpolate)
    for ours, truth in zip(run_ap(logits, labels, delta, interpolate), theirs):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-13)


@given(rankings(min_pos=1))
def test_theorem_1_primary_terms_add_up_to_the_loss(ranking):
    """The negatives receive, all in all, the error of the positives that have false positives."""
    logits, labels, errors, delta = ranking
    too_few_to_count = reference.EPS
    loss, grad = run_ap(logits, labels, delta, interpolate=False)
    assert grad[labels == 0].sum() == pytest.approx(loss, abs=too_few_to_count)
    # Perfect boxes leave of the LRP error what loss_cls is the mean of.
    loss_cls, _, grad, _ = run_alrp(logits, labels, np.zeros_like(errors), delta)
    assert grad[labels == 0].sum() == pytest.approx(float(loss_cls), abs=too_few_to_count)


@given(rankings(min_pos=1))
def test_theorem_2_positive_and_negative_gradients_balance(ranking):
    logits, labels, _, delta = ranking
    for grad in (run_alrp(*ranking)[2], run_ap(logits, labels, delta)[1]):
        assert (grad[labels == 1] <= 0).all() and (grad[labels == 0] >= 0).all()
        assert not grad[labels == -1].any()
        assert grad[labels == 0].sum() == pytest.approx(-grad[labels == 1].sum(), rel=1e-9)


@given(rankings(), st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(ranking, random):
    logits, labels, errors, delta = ranking
    order = np.array(random.sample(range(len(labels)), len(labels)), dtype=int)
    error_of = np.zeros(len(labels))
    error_of[labels == 1] = errors
    pos_order = order[labels[order] == 1]
    loss_cls, loss_loc, grad_cls, grad_loc = run_alrp(*ranking)
    grad_loc_of = np.zeros(len(labels))
    grad_loc_of[labels == 1] = grad_loc
    shuffled = run_alrp(logits[order], labels[order], error_of[pos_order], delta)
    expected = loss_cls, loss_loc, grad_cls[order], grad_loc_of[pos_order]
    for ours, truth in zip(shuffled, expected):
        np.testing.assert_allclose(ours, truth, atol=1e-12)


@given(rankings(min_pos=1), st.floats(-50, 50))
def test_only_differences_of_logits_count(ranking, shift):
    logits, labels, errors, delta = ranking
    assume(np.abs(logits).max() < 100)
    for shifted, plain in zip(run_alrp(logits + shift, labels, errors, delta), run_alrp(*ranking)):
        np.testing.assert_allclose(shifted, plain, atol=1e-9 / delta)


@given(rankings(min_pos=1))
def test_ignored_and_hopeless_logits_do_not_count(ranking):
    logits, labels, errors, delta = ranking
    lowest = logits[labels == 1].min() - delta
    hopeless = (labels == 0) & (logits <= lowest)
    changed = np.where(labels == -1, 1e3, np.where(hopeless, lowest - 7, logits))
    before, after = run_alrp(*ranking), run_alrp(changed, labels, errors, delta)
    assert not before[2][hopeless | (labels == -1)].any()
    for a, b in zip(after, before):
        np.testing.assert_array_equal(a, b)


@given(rankings(min_pos=1), st.floats(1e-3, 10), st.booleans())
def test_a_higher_negative_never_lowers_the_loss(ranking, raised_by, interpolate):
    logits, labels, errors, delta = ranking
    assume((labels == 0).any())
    higher = logits.copy()
    higher[np.flatnonzero(labels == 0)[0]] += raised_by
    rounding = 1e-14 * (1 + np.ptp(higher) / delta)
    before = run_ap(logits, labels, delta, interpolate)[0]
    assert run_ap(higher, labels, delta, interpolate)[0] >= before - rounding
    loss_cls, loss_loc, *_ = run_alrp(*ranking)
    higher_cls, higher_loc, *_ = run_alrp(higher, labels, errors, delta)
    assert higher_cls >= loss_cls - rounding
    assert higher_loc <= loss_loc + rounding  # the boxes count less


@given(rankings(max_size=12))
def test_localisation_is_the_mean_over_all_orders_of_ties(ranking):
    logits, labels, errors, delta = ranking
    assume(0 < len(errors) <= 6)
    orders = list(reference.ascending_orders(logits, labels))
    losses = [reference.alrp_loc_of_order(logits, labels, errors, delta, o) for o in orders]
    assert float(run_alrp(*ranking)[1]) == pytest.approx(np.mean(losses), rel=1e-9)


@pytest.mark.parametrize('interpolate', [True, False])
def test_ap_becomes_average_precision_as_delta_vanishes(interpolate):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=200), rng.choice([0, 1], 200, p=[0.8, 0.2])
    hits = labels[np.argsort(-logits)]
    precision = np.cumsum(hits) / np.arange(1, 201)
    if interpolate:
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    loss, _ = run_ap(logits, labels, 1e-9, interpolate)
    assert loss == pytest.approx(1 - precision[hits == 1].mean(), abs=1e-9)


@pytest.mark.parametrize('false_positives, is_driven', [(0.9e-5, False), (1.1e-5, True)])
def test_a_positive_with_next_to_no_false_positives_is_left_alone(false_positives, is_driven):
    """At a distance of delta below the positive, H begins to rise with slope 1 / (2 delta)."""
    logits = np.array([0.0, -1 + 2 * false_positives])
    grad = run_ap(logits, np.array([1, 0]))[1]
    error = false_positives / (1 + false_positives) if is_driven else 0
    np.testing.assert_allclose(grad, [-error, error], rtol=1e-6)


def test_gradient_of_localisation_by_finite_differences():
    logits, labels, errors = random_ranking(np.random.default_rng(0), 15, 40)
    logits, labels = torch.as_tensor(logits), torch.as_tensor(labels)
    errors = torch.as_tensor(errors).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: alrp_loss(logits, labels, e)[1], [errors])


def test_badly_localised_positives_above_increase_the_pull():
    """Of two equals, the one with the better box shall come out on top."""
    logits, labels = np.zeros(12), np.array([1, 1] + [0] * 10)
    grad = run_alrp(logits, labels, np.array([0.1, 0.9]))[2]
    assert grad[0] < grad[1] < 0
