"""Where there is little to rank, where input is bad, and how the losses behave in autograd."""

import numpy as np
import pytest
import reference
import torch
from helpers import DEVICES, random_ranking, run_alrp, run_ap

from alrp.ranking import (
    Labels,
    NonFiniteLogitsError,
    Ranking,
    alrp_loss,
    ap_loss,
    rank_sort_loss,
)

INF = float('inf')
NAN = float('nan')


@pytest.fixture
def ranking():
    return [torch.as_tensor(x) for x in random_ranking(np.random.default_rng(0), 10, 40)]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize('labels', [[], [0], [-1], [0, 0, -1], [-1, -1]])
def test_no_positives_give_a_zero_that_reaches_the_logits(labels, dtype, device):
    logits = torch.randn(len(labels), device=device).to(dtype).requires_grad_()
    errors = torch.zeros(0, device=device, requires_grad=True)
    labels = torch.tensor(labels, dtype=torch.long, device=device)
    loss_cls, loss_loc = alrp_loss(logits, labels, errors)
    loss = ap_loss(logits, labels)
    assert loss_cls == loss_loc == loss == 0
    assert loss.shape == loss_cls.shape == loss_loc.shape == ()
    (loss_cls + loss_loc).backward()
    assert logits.grad.shape == logits.shape and not logits.grad.any()
    assert errors.grad.shape == (0,)
    logits.grad = None
    loss.backward()
    assert logits.grad.shape == logits.shape and not logits.grad.any()


@pytest.mark.parametrize('labels', [[1, 1, 1], [1, -1, 1], [1]])
def test_no_negatives(labels):
    labels = np.array(labels)
    logits, errors = np.array([2.0, 9.0, -1.0])[: len(labels)], np.ones((labels == 1).sum()) / 3
    loss_cls, loss_loc, grad_cls, _ = run_alrp(logits, labels, errors)
    assert loss_cls == 0 and not grad_cls.any()
    assert float(loss_loc) == pytest.approx(reference.alrp(logits, labels, errors)[1])
    loss, grad = run_ap(logits, labels)
    assert loss == 0 and not grad.any()


def test_one_positive_level_with_one_negative():
    """Half a false positive at rank 1.5."""
    loss_cls, loss_loc, grad_cls, grad_loc = run_alrp([3.0, 3.0], [0, 1], [0.6])
    np.testing.assert_allclose([loss_cls, loss_loc], [1 / 3, 0.4])
    np.testing.assert_allclose(grad_cls, [1 / 3, -1 / 3])
    np.testing.assert_allclose(grad_loc, [2 / 3])


@pytest.mark.parametrize('labels', [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, -1, 0]])
@pytest.mark.parametrize('bad', [NAN, INF, -INF])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_that_are_not_finite_are_refused(bad, dtype, labels):
    logits = torch.tensor([0.0, 1.0, bad, 2.0], dtype=dtype)
    labels = torch.tensor(labels)
    with pytest.raises(NonFiniteLogitsError, match=r'1 of 4 logits .* index 2'):
        ap_loss(logits, labels)
    with pytest.raises(NonFiniteLogitsError, match=r'1 of 4 logits .* index 2'):
        alrp_loss(logits, labels, torch.zeros(int((labels == 1).sum())))
    assert issubclass(NonFiniteLogitsError, FloatingPointError)


@pytest.mark.parametrize('largest, delta', [(1e17, 1.0), (-1e30, 1.0), (1.0, 1e-16)])
def test_positives_that_lose_their_step_in_rounding_are_refused(largest, delta):
    """Their counts would be 0, as of a perfect ranking."""
    logits, labels = torch.tensor([largest, 2 * abs(largest), -1.0]), torch.tensor([1, 0, 0])
    losses = (
        lambda: ap_loss(logits, labels, delta),
        lambda: alrp_loss(logits, labels, torch.zeros(1), delta),
        lambda: rank_sort_loss(logits, labels * 0.5, delta),
        lambda: Ranking(logits, Labels(torch.tensor([0]), 3), delta),
    )
    for loss in losses:
        with pytest.raises(FloatingPointError, match=rf'{abs(largest):g}'.replace('+', r'\+')):
            loss()


def test_negatives_may_be_masked_by_any_finite_value():
    logits = torch.tensor([0.0, 0.0, -3e38, 3e38])
    assert ap_loss(logits, torch.tensor([1, 0, 0, -1])) == pytest.approx(0.5 / 1.5)
    assert ap_loss(logits, torch.tensor([1, 0, 0, 0])) == pytest.approx(1.5 / 2.5)


@pytest.mark.parametrize('bad', [NAN, INF])
def test_localisation_errors_that_are_not_finite_are_refused(bad):
    with pytest.raises(FloatingPointError, match='localisation error'):
        alrp_loss(torch.zeros(2), torch.tensor([1, 0]), torch.tensor([bad]))


@pytest.mark.parametrize(
    'logits, labels, message',
    [
        (torch.zeros(2, 2), torch.ones(2, 2).long(), 'one-dimensional'),
        (torch.zeros(()), torch.ones(()).long(), 'one-dimensional'),
        (np.zeros(2), torch.ones(2).long(), 'logits must be a tensor, got a ndarray'),
        (torch.zeros(1), [1], 'labels must be a tensor, got a list'),
        (torch.zeros(2), torch.ones(3).long(), 'equally long'),
        (torch.zeros(2).long(), torch.ones(2).long(), 'logits must be .* float64, got int64'),
        (torch.zeros(2).to(torch.complex64), torch.ones(2).long(), 'got complex64'),
        (torch.zeros(2), torch.ones(2), 'labels must be bool, .* int64, got float32'),
        (torch.zeros(2), torch.ones(2).to(torch.uint16), 'labels must be .*, got uint16'),
        (torch.zeros(2), torch.ones(2).long().to('meta'), 'labels .* device, got cpu and meta'),
        (torch.zeros(2), torch.tensor([1, 2]), 'from 1 to 2'),
        (torch.zeros(2), torch.tensor([1, -2]), 'from -2'),
        (torch.zeros(2).half(), torch.tensor([1, 10**6]), 'from 1 to'),
    ],
)
def test_bad_logits_and_labels(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        ap_loss(logits, labels)
    with pytest.raises(ValueError, match=message):
        alrp_loss(logits, labels, torch.zeros(1))


def test_other_values_on_another_device():
    logits, labels = torch.zeros(2), torch.tensor([1, 0])
    with pytest.raises(ValueError, match=r'logits and targets .* same device, got cpu and meta'):
        Ranking(logits, Labels(torch.zeros(2, device='meta'), soft=True))
    elsewhere = torch.zeros(1, device='meta')
    with pytest.raises(ValueError, match='loc must be on the device of the logits, cpu, got meta'):
        Ranking(logits, labels, pos_values=lambda inds: dict(loc=elsewhere))


@pytest.mark.parametrize('delta', [0.0, -1.0, NAN, INF, '1', None])
@pytest.mark.parametrize('labels', [[], [0, 0], [1, 0]])
def test_bad_delta(delta, labels):
    logits, labels = torch.zeros(len(labels)), torch.tensor(labels, dtype=torch.long)
    with pytest.raises(ValueError, match='delta'):
        ap_loss(logits, labels, delta)
    with pytest.raises(ValueError, match='delta'):
        alrp_loss(logits, labels, torch.zeros(int((labels == 1).sum())), delta)


@pytest.mark.parametrize(
    'labels, loc_errors, message',
    [
        ([1, 0], torch.zeros(2), r'loc_errors.* shape \(1,\)'),
        ([1, 1], torch.zeros(1), r'loc_errors.* shape \(1,\)'),
        ([0, 0], torch.zeros(1), r'loc_errors.* shape \(1,\)'),
        ([1, 0], torch.zeros(()), r'loc_errors.* shape \(1,\)'),
        ([1, 0], torch.zeros(1, 1), r'loc_errors.* shape \(1,\)'),
        ([1, 1], torch.tensor([0.5, -0.5]), r'loc_errors.* negative.* -0\.5'),
        ([1, 0], torch.zeros(1).long(), 'floating-point'),
    ],
)
def test_bad_localisation_errors(labels, loc_errors, message):
    with pytest.raises(ValueError, match=message):
        alrp_loss(torch.zeros(2), torch.tensor(labels), loc_errors)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int8, torch.int32, torch.int64, torch.bool])
def test_label_dtypes(dtype, ranking):
    logits, labels, errors = ranking
    assert ap_loss(logits, labels.to(dtype)) == ap_loss(logits, labels)
    assert alrp_loss(logits, labels.to(dtype), errors) == alrp_loss(logits, labels, errors)


def test_strides_do_not_matter(ranking):
    wide = [torch.stack([x, x.flip(0)], dim=1) for x in ranking]
    views = [x[:, 0] for x in wide]
    assert not any(x.is_contiguous() for x in views)
    assert ap_loss(*views[:2]) == ap_loss(*ranking[:2])
    assert alrp_loss(*views) == alrp_loss(*ranking)
    leaf = wide[0].clone().requires_grad_()
    ap_loss(leaf[:, 0], views[1]).backward()
    np.testing.assert_array_equal(leaf.grad[:, 0], run_ap(*ranking[:2])[1])
    assert not leaf.grad[:, 1].any()


def test_input_is_left_as_it_was(ranking):
    copies = [x.clone() for x in ranking]
    alrp_loss(*ranking)
    ap_loss(*ranking[:2])
    for tensor, copy in zip(ranking, copies):
        assert torch.equal(tensor, copy)


def test_no_gradient_where_none_is_asked_for(ranking):
    logits, labels, errors = ranking
    assert not any(x.requires_grad for x in [ap_loss(logits, labels), *alrp_loss(*ranking)])
    logits.requires_grad_()
    loss_cls, loss_loc = alrp_loss(logits, labels, errors)
    assert loss_cls.requires_grad and not loss_loc.requires_grad
    with torch.no_grad():
        assert not ap_loss(logits, labels).requires_grad
    loss_cls, loss_loc = alrp_loss(logits.detach(), labels, errors.requires_grad_())
    assert loss_loc.requires_grad and not loss_cls.requires_grad


def test_gradient_scales_and_adds_up(ranking):
    logits, labels, _ = ranking
    logits.requires_grad_()
    loss = ap_loss(logits, labels)
    (once,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (again,) = torch.autograd.grad(loss, logits, retain_graph=True)
    assert torch.equal(once, again)
    (more,) = torch.autograd.grad(3 * loss - loss / 2, logits)
    torch.testing.assert_close(more, 2.5 * once)


@pytest.fixture(params=[{'cpu'}, set()], ids=['cpu', 'gpu'])
def path(request, monkeypatch):
    monkeypatch.setattr('alrp.ranking.devices.CPUS', request.param)


@pytest.mark.parametrize('num_neg', [3, 3000])
@pytest.mark.parametrize('lowest, delta', [(-65504, 1.0), (-40_000, 1e5)])
def test_only_negatives_count_at_the_end_of_the_range(lowest, delta, num_neg, path):
    """A step of a positive begins below the lowest float16."""
    labels = torch.tensor([1, 1, -1] + [0] * num_neg)
    logits = torch.where(labels == 0, 0, lowest).half().requires_grad_()
    above = min(-lowest / (2 * delta) + 0.5, 1)
    ranking = Ranking(logits, labels, delta)
    assert ranking.false_positives.tolist() == pytest.approx([num_neg * above] * 2)
    alrp_loss(logits, labels, torch.ones(2), delta)[0].backward()
    assert logits.grad.isfinite().all() and logits.grad[2] == 0 and logits.grad[:2].all()


@pytest.mark.parametrize('dtype', [torch.bool, torch.uint8, torch.int8, torch.int32])
def test_classes_in_any_dtype(dtype, path):
    classes = torch.tensor([1, 0, 1]).to(dtype)
    for num_classes in (2, 300, 1203):  # more than an int8 holds
        logits = torch.zeros(3 * num_classes)
        found = Ranking(logits, Labels(classes, num_classes))
        assert found.pos_inds.tolist() == [1, num_classes, 2 * num_classes + 1]
        assert found.false_positives.tolist() == [(len(logits) - 3) / 2] * 3


@pytest.mark.parametrize('num, classes', [(5, [0]), (7, [3, 0]), (3, [0, 1]), (0, [0])])
def test_rows_of_another_length_are_refused(num, classes, path):
    with pytest.raises(ValueError, match=rf'3 per label.* \({num},\) and \({len(classes)},\)'):
        Ranking(torch.zeros(num), Labels(torch.tensor(classes), 3))
