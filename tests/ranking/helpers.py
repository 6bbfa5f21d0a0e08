"""What the tests of the losses share: running them, and drawing rankings at random."""

import numpy as np
import torch
from hypothesis import strategies as st

from alrp.ranking import alrp_loss, ap_loss, rank_sort_loss

DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


def run_alrp(logits, labels, loc_errors, delta=1.0, dtype=torch.float64, device='cpu'):
    """loss_cls, loss_loc, gradient of loss_cls, gradient of loss_loc, all as NumPy in float64."""
    logits = torch.as_tensor(logits).to(device, dtype).requires_grad_()
    errors = torch.as_tensor(loc_errors).to(device, dtype).requires_grad_()
    loss_cls, loss_loc = alrp_loss(logits, torch.as_tensor(labels).to(device), errors, delta)
    grad_cls = torch.autograd.grad(loss_cls, [logits, errors], allow_unused=True)
    grad_loc = torch.autograd.grad(loss_loc, [errors, logits], allow_unused=True)
    assert grad_cls[1] is None and grad_loc[1] is None
    assert grad_cls[0].dtype == dtype and grad_loc[0].dtype == dtype
    results = loss_cls, loss_loc, grad_cls[0], grad_loc[0]
    return [x.detach().cpu().double().numpy() for x in results]


def run_ap(logits, labels, delta=1.0, interpolate=True, dtype=torch.float64, device='cpu'):
    """The loss and its gradient, as NumPy in float64."""
    logits = torch.as_tensor(logits).to(device, dtype).requires_grad_()
    loss = ap_loss(logits, torch.as_tensor(labels).to(device), delta, interpolate)
    (grad,) = torch.autograd.grad(loss, logits)
    assert grad.dtype == dtype
    return loss.item(), grad.cpu().double().numpy()


def run_rank_sort(logits, targets, delta=0.5, dtype=torch.float64, device='cpu'):
    """loss_rank, loss_sort and the gradient of each, as NumPy in float64."""
    logits = torch.as_tensor(logits).to(device, dtype).requires_grad_()
    losses = rank_sort_loss(logits, torch.as_tensor(targets).to(device), delta)
    grads = [torch.autograd.grad(loss, logits)[0] for loss in losses]
    assert all(grad.dtype == dtype for grad in grads)
    return [x.detach().cpu().double().numpy() for x in (*losses, *grads)]


def random_ranking(rng, num_pos, num_neg, spread=1.0):
    """Shuffled logits and labels, and localisation errors: positives score higher on average."""
    labels = rng.permutation(np.repeat([1, 0], [num_pos, num_neg]))
    logits = (rng.normal(-3, 1, len(labels)) + 2 * labels) * spread
    return logits, labels, rng.uniform(0, 2, num_pos)


@st.composite
def rankings(draw, min_pos=0, max_size=40):
    """Logits, labels, localisation errors and delta; on a grid, there are many ties."""
    num_pos = draw(st.integers(min_pos, max_size // 2))
    num_rest = draw(st.integers(0, max_size))
    scale = draw(st.sampled_from([0.01, 1.0, 5.0, 1e4]))
    on_grid = draw(st.booleans())
    delta = draw(st.sampled_from([0.05, 0.5, 1.0, 3.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.ones(num_pos, int), rng.choice([0, 0, 0, -1], num_rest)])
    rng.shuffle(labels)
    logits = rng.normal(size=len(labels)) * scale
    if on_grid:
        logits = np.round(logits / scale * 2) * scale / 2
    return logits, labels, rng.uniform(0, 2, num_pos), delta
