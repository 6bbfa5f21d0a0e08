"""Running sums in a fixed order."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .devices import on_gpu

ROW = 1024


def running_sums(values: Tensor) -> Tensor:
    """Exclusive running sums: (N,) to (N + 1,), starting with 0.

    The same input gives the same bits on every run. A GPU scans a single row of numbers in an order
    that depends on the timing of its blocks, but several rows each in a fixed order.
    """
    zero = values.new_zeros(1)
    if not on_gpu(values.device) or len(values) == 0 or not values.is_floating_point():
        return torch.cat([zero, values.cumsum(0, dtype=values.dtype)])
    num_rows = len(values) // ROW + 2  # at least two
    rows = F.pad(values, (0, num_rows * ROW - len(values))).view(num_rows, ROW).cumsum(1)
    ends = rows[:, -1].expand(2, -1).cumsum(1)[0]
    rows[1:] += ends[:-1, None]
    return torch.cat([zero, rows.flatten()[: len(values)]])


def sums_from_top(values: Tensor) -> Tensor:
    """``out[i] = sum(values[i:])``, summed from the end, where small ranks need precision."""
    return running_sums(values.flip(0))[1:].flip(0)
