"""Mixed precision on the CPU, which MMEngine's ``AmpOptimWrapper`` refuses."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import ConfigDict
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .config.file import ConfigError
from .config.types import type_name


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Runs the forward pass in bfloat16 where torch's autocast does so on the CPU.

    bfloat16 has the range of float32, so that losses need no scaling.

    Args:
        **kwargs: Arguments of ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """The context of a forward pass."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield


def use_amp_of_device(optim_wrapper: ConfigDict | None) -> None:
    """Use ``CPUAmpOptimWrapper`` instead of ``AmpOptimWrapper`` if there is only a CPU.

    Args:
        optim_wrapper (ConfigDict | None): ``optim_wrapper`` of a config, changed in place.

    Raises:
        ConfigError: If mixed precision is set, but not bfloat16.
    """
    amp = isinstance(optim_wrapper, dict) and 'type' in optim_wrapper
    if not amp or type_name(optim_wrapper) != 'AmpOptimWrapper' or get_device() != 'cpu':
        return
    dtype = optim_wrapper.pop('dtype', None)
    if dtype not in ('bfloat16', torch.bfloat16):
        raise ConfigError(
            f'mixed precision in {dtype or "float16"} (--amp, or AmpOptimWrapper in the config) '
            "needs a GPU, but there is none. Set optim_wrapper.dtype='bfloat16', which works on "
            "the CPU, or optim_wrapper.type='OptimWrapper' for none"
        )
    for key in ('loss_scale', 'use_fsdp'):
        optim_wrapper.pop(key, None)
    optim_wrapper.type = 'CPUAmpOptimWrapper'
    print_log('There is no GPU: mixed precision in bfloat16 on the CPU', logger='current')
