"""A device without float64, such as Apple's GPUs.

``Float32Device`` is a device on which float64 raises, as there: its tensors report the device type
'meta', hold their values in a tensor on the CPU, and cannot be mixed with tensors on the CPU.
"""

import numpy as np
import pytest
import torch
from helpers import random_ranking
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from alrp.ranking import alrp_loss, ap_loss, devices, rank_sort_loss, step_sums

DEVICE = torch.device('meta')


class OnDevice(torch.Tensor):
    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls, values.shape, values.stride(), dtype=values.dtype, device=DEVICE
        )

    def __init__(self, values):
        self.values = values

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f'{func} outside of the mode')


class Float32Device(TorchDispatchMode):
    """Runs the operations of the device. ``arrived`` counts tensors copied there."""

    arrived = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        on_device = [x for x in tensors if isinstance(x, OnDevice)]
        target = kwargs.get('device')
        if target is not None:
            kwargs['device'] = torch.device('cpu')
        to_device = target is not None and torch.device(target).type == DEVICE.type
        is_copy = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        if on_device and not is_copy:
            mixed = [x for x in tensors if not isinstance(x, OnDevice) and x.dim() > 0]
            if mixed:
                raise RuntimeError(f'{func}: tensors on two devices')
        args, kwargs = tree_map_only(OnDevice, lambda x: x.values, (args, kwargs))
        result = func(*args, **kwargs)
        if func == torch.ops.aten.copy_.default:
            stays = isinstance(tensors[0], OnDevice)
            if stays:
                return tensors[0]
        elif is_copy:
            stays = to_device or (target is None and bool(on_device))
            self.arrived += to_device and not on_device
        else:
            stays = to_device or (target is None and bool(on_device))
        return tree_map_only(torch.Tensor, self._wrap, result) if stays else result

    def _wrap(self, values):
        if values.dtype == torch.float64:
            raise TypeError('this device has no float64')
        return OnDevice(values)


@pytest.fixture
def device():
    with Float32Device() as mode:
        yield mode


def run(loss, logits, labels, errors, where):
    logits, labels, errors = (x.to(where) for x in (logits, labels, errors))
    logits, errors = logits.requires_grad_(), errors.requires_grad_()
    targets = labels.float().index_put((labels.cpu().eq(1).nonzero()[:, 0].to(where),), errors / 2)
    values = {
        'ap': lambda: [ap_loss(logits, labels)],
        'alrp': lambda: alrp_loss(logits, labels, errors),
        'rank_sort': lambda: rank_sort_loss(logits, targets.detach()),
    }[loss]()
    sum(values).backward()
    assert all(x.device == logits.device == logits.grad.device for x in values)
    results = [*values, logits.grad, errors.grad]
    return [None if x is None else x.detach().cpu() for x in results]


@pytest.mark.parametrize('loss', ['ap', 'alrp', 'rank_sort'])
def test_ranks_on_the_cpu_and_brings_the_gradient_back(loss, device, monkeypatch):
    monkeypatch.setattr(devices, 'WITHOUT_FLOAT64', {DEVICE.type})
    logits, labels, errors = random_ranking(np.random.default_rng(0), 30, 3000)
    args = [torch.as_tensor(x) for x in (logits, labels, errors)]
    args = [x.float() if x.is_floating_point() else x for x in args]
    ours, truth = run(loss, *args, DEVICE), run(loss, *args, 'cpu')
    for mine, theirs in zip(ours, truth):
        if theirs is not None:
            torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize('loss', ['ap', 'alrp', 'rank_sort'])
def test_the_device_here_does_refuse_float64(loss, device):
    """Without the way around, the losses fail on it."""
    args = random_ranking(np.random.default_rng(0), 30, 300)
    args = [torch.as_tensor(x) for x in args]
    args = [x.float() if x.is_floating_point() else x for x in args]
    with pytest.raises(TypeError, match='float64'):
        run(loss, *args, DEVICE)


def test_step_sums(device, monkeypatch):
    monkeypatch.setattr(devices, 'WITHOUT_FLOAT64', {DEVICE.type})
    queries, keys = torch.randn(5), torch.randn(40)
    ours = step_sums(queries.to(DEVICE), keys.to(DEVICE), 1.0)
    assert ours.device.type == 'cpu'
    torch.testing.assert_close(ours, step_sums(queries, keys, 1.0))


def test_mps_is_a_device_without_float64():
    assert 'mps' in devices.WITHOUT_FLOAT64
