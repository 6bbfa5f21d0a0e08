"""The same numbers in every dtype, at every size, on every device."""

import numpy as np
import pytest
import reference
import torch
from helpers import DEVICES, random_ranking, run_alrp, run_ap

from alrp.ranking import alrp_loss, ap_loss

SIZES = [2**14 - 1, 2**14, 2**17 - 1, 2**17, 2**17 + 1, 2**18 + 1]


def assert_close(ours, theirs, rtol):
    """Relative to each value, except where it is negligible compared with the largest."""
    for a, b in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-3 * rtol * np.abs(b).max(initial=0))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('spread', [0.01, 1.0, 1000.0])
def test_any_number_of_logits(size, spread, device):
    """Sizes around those at which an implementation in blocks, or a sort, may change its ways."""
    logits, labels, errors = random_ranking(np.random.default_rng(size), 20, size - 20, spread)
    labels[size // 2 : size // 2 + 1000] = np.minimum(labels[size // 2 : size // 2 + 1000], 0) - 1
    errors = errors[: (labels == 1).sum()]
    assert_close(
        run_alrp(logits, labels, errors, device=device),
        reference.alrp(logits, labels, errors),
        rtol=1e-9,
    )
    assert_close(run_ap(logits, labels, device=device), reference.ap(logits, labels), rtol=1e-9)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('num_pos', [1, 300, 2000])
@pytest.mark.parametrize('num_neg', [50, 20_000])
@pytest.mark.parametrize('delta', [0.1, 1.0])
def test_float32_is_true_to_its_rounding(num_pos, num_neg, delta, device):
    """Ten times better than 1e-5 of the float64 truth: nothing may be summed in float32."""
    logits, labels, errors = random_ranking(np.random.default_rng(1), num_pos, num_neg)
    logits, errors = logits.astype(np.float32), errors.astype(np.float32)
    truth = reference.alrp(logits, labels, errors.astype(np.float64), delta)
    ours = run_alrp(logits, labels, errors, delta, torch.float32, device)
    assert_close(ours, truth, rtol=1e-6)
    ours = run_ap(logits, labels, delta, dtype=torch.float32, device=device)
    assert_close(ours, reference.ap(logits, labels, delta), rtol=1e-6)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_right_for_the_rounded_logits(dtype, autocast, device):
    logits, labels, errors = random_ranking(np.random.default_rng(2), 30, 2000)
    logits, errors = (torch.as_tensor(x).to(dtype) for x in (logits, errors))
    truth = reference.alrp(logits.double().numpy(), labels, errors.double().numpy())
    with torch.autocast(device, dtype=dtype, enabled=autocast):
        loss_cls, loss_loc, grad_cls, _ = run_alrp(logits, labels, errors, 1.0, dtype, device)
    assert_close([loss_cls, loss_loc], truth[:2], rtol=1e-6)
    resolution = torch.finfo(dtype)
    np.testing.assert_allclose(
        grad_cls, truth[2], rtol=resolution.eps, atol=resolution.smallest_normal * resolution.eps
    )


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize(
    'dtype, positive, negative',
    [(torch.bfloat16, -3.953125, -4.9375), (torch.float16, -1023.5, -1024.0)],
)
def test_the_window_does_not_end_where_half_precision_rounds_it_to(
    dtype, positive, negative, device
):
    """One delta below the positive lies between two values of the dtype, the upper a negative's."""
    logits = torch.tensor([positive] + [negative] * 400)
    assert torch.equal(logits.to(dtype).float(), logits)
    labels = np.array([1] + [0] * 400)
    delta = 1.0 if dtype == torch.bfloat16 else 0.875
    truth = reference.ap(logits.double().numpy(), labels, delta)
    assert_close(run_ap(logits, labels, delta, True, dtype, device), truth, torch.finfo(dtype).eps)


@pytest.mark.parametrize('device', DEVICES)
def test_autocast_leaves_float32_alone(device):
    logits, labels, errors = (
        torch.as_tensor(x, device=device) for x in random_ranking(np.random.default_rng(3), 9, 90)
    )
    outside = [*alrp_loss(logits, labels, errors), ap_loss(logits, labels)]
    with torch.autocast(device, dtype=torch.bfloat16):
        inside = [*alrp_loss(logits, labels, errors), ap_loss(logits, labels)]
    torch.testing.assert_close(inside, outside, rtol=1e-12, atol=0)


@pytest.mark.parametrize('device', DEVICES)
def test_half_precision_gradients_survive_a_loss_scale(device):
    """A gradient too small for float16 must not be lost before it is multiplied by the scale."""
    logits = torch.linspace(-1, 1, 20000).half().to(device).requires_grad_()
    labels = (torch.arange(20000, device=device) % 100 == 0).int()
    ap_loss(logits, labels).mul(65536).backward()
    truth = reference.ap(logits.detach().cpu().double().numpy(), labels.cpu().numpy())[1] * 65536
    assert np.abs(truth / 65536)[truth > 0].min() < torch.finfo(torch.float16).smallest_normal
    np.testing.assert_allclose(logits.grad.cpu().double().numpy(), truth, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_extreme_logits(dtype):
    args = np.array([1e4, -1e4, 1e4, -1e4, 0.0]), np.array([1, 1, 0, 0, 0]), np.array([0.5, 1.0])
    resolution = max(torch.finfo(dtype).eps, 1e-12)
    assert_close(run_alrp(*args, dtype=dtype), reference.alrp(*args), rtol=resolution)


def test_the_same_input_gives_the_same_bits():
    logits, labels, errors = random_ranking(np.random.default_rng(4), 100, 300_000)
    first, second = (run_alrp(logits, labels, errors, dtype=torch.float32) for _ in range(2))
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
