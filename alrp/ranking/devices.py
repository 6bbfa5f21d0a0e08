"""Where rankings are computed: on the device of the logits, if it has float64."""

import torch
from torch import Tensor

# Sums over millions of logits need float64. Apple's GPUs have none, and compensated float32 would
# take several times as many operations in as many kernels, so rankings are computed on the CPU: per
# step, the logits are copied there twice, and their gradient is copied back once.
WITHOUT_FLOAT64 = {'mps'}
CPUS = {'cpu'}  # tests empty it, to run on a CPU what runs on a GPU


def has_float64(device: torch.device) -> bool:
    """Whether a device can rank."""
    return device.type not in WITHOUT_FLOAT64


def to_ranking_device(x: Tensor) -> Tensor:
    """Detached, on the device where it can be ranked."""
    return x.detach() if has_float64(x.device) else x.detach().cpu()


def to_float64(x: Tensor) -> Tensor:
    """Detached and in float64, on the device where it can be ranked."""
    return to_ranking_device(x).double()


def cast_like(x: Tensor, other: Tensor) -> Tensor:
    """In the dtype and on the device of another tensor."""
    return x.to(other.dtype).to(other.device)  # the device may not have the dtype of x


def on_gpu(device: torch.device) -> bool:
    """Whether a device is a GPU: anything but a CPU."""
    return device.type not in CPUS
