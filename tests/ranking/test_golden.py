"""Inputs and outputs of the published losses, and the slow reference, agree with ours."""

from pathlib import Path

import numpy as np
import pytest
import reference
from helpers import DEVICES, run_alrp, run_ap, run_rank_sort

GOLDEN = Path(__file__).parents[1] / 'data' / 'ranking_losses.npz'


def golden_cases():
    cases = {}
    with np.load(GOLDEN) as file:
        for name in file.files:
            case, field = name.split('/')
            cases.setdefault(case, {})[field] = file[name]
    return cases


CASES = golden_cases()


@pytest.fixture(params=CASES)
def golden(request):
    return CASES[request.param]


def inputs(golden):
    return golden['logits'], golden['labels'], golden['loc_error'], float(golden['delta'])


def assert_published(golden, alrp_cls, alrp_loc, alrp_grad, ap, ap_grad, rtol):
    logits, labels, errors, delta = inputs(golden)
    np.testing.assert_allclose(alrp_cls, golden['alrp_cls'], rtol=rtol)
    np.testing.assert_allclose(alrp_grad, golden['alrp_grad'], rtol=rtol)
    np.testing.assert_allclose(ap, golden['ap'], rtol=rtol)
    np.testing.assert_allclose(ap_grad, golden['ap_grad'], rtol=rtol)
    # The published value is that of one order of the ties, ours the mean over all.
    least, most = (
        reference.alrp_loc_of_order(logits, labels, errors, delta, order)
        for order in reference.extreme_orders(logits, labels, errors)
    )
    assert least * (1 - rtol) <= golden['alrp_loc'] <= most * (1 + rtol)
    assert alrp_loc == pytest.approx((least + most) / 2, rel=rtol)
    if least == most:
        assert alrp_loc == pytest.approx(float(golden['alrp_loc']), rel=rtol)


def test_reference_equals_published(golden):
    logits, labels, errors, delta = inputs(golden)
    ap = reference.ap(logits, labels, delta)
    assert_published(golden, *reference.alrp(logits, labels, errors, delta), *ap, rtol=1e-12)


@pytest.mark.parametrize('device', DEVICES)
def test_losses_equal_published(golden, device):
    logits, labels, errors, delta = inputs(golden)
    alrp = run_alrp(logits, labels, errors, delta, device=device)
    ap = run_ap(logits, labels, delta, device=device)
    assert_published(golden, *alrp[:3], *ap, rtol=1e-9)


def assert_published_rank_sort(golden, loss_rank, loss_sort, rank_grad, sort_grad, rtol):
    np.testing.assert_allclose(loss_rank, golden['rs_rank'], rtol=rtol)
    np.testing.assert_allclose(loss_sort, golden['rs_sort'], rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(rank_grad + sort_grad, golden['rs_grad'], rtol=rtol, atol=1e-13)


def test_rank_sort_reference_matches_published(golden):
    delta = float(golden['delta'])
    ours = reference.rank_sort(golden['logits'], golden['rs_targets'], delta)
    assert_published_rank_sort(golden, *ours, rtol=1e-12)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('by_bits', [False, True])
def test_rank_sort_matches_published(golden, device, by_bits, monkeypatch):
    if by_bits:
        for name in ('MAX_PAIRWISE', 'MAX_PAIRWISE_ON_GPU'):
            monkeypatch.setattr(f'alrp.ranking.lower_target_sums.{name}', 0)
    delta = float(golden['delta'])
    ours = run_rank_sort(golden['logits'], golden['rs_targets'], delta, device=device)
    assert_published_rank_sort(golden, *ours, rtol=1e-9)
