"""Exchange of positives between the processes of a job, so that they can be ranked together.

Every process gets the positives of all and computes the same loss from them. So no gradient has to
be exchanged: each process takes its part of the gradient, times the number of processes, because
``DistributedDataParallel`` then takes the mean.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .compiling import outside_of_graphs
from .labels import NonFiniteLogitsError

# What an error of one process becomes on all: the first that it is an instance of. Other types may
# need more than a message, or be unknown to another process.
ERRORS = NonFiniteLogitsError, FloatingPointError, ValueError, RuntimeError


class Processes:
    """The processes of a group; without a group, this process alone.

    Args:
        group (torch.distributed.ProcessGroup, optional): The group.

    Raises:
        ValueError: If this process is not in the group.

    Attributes:
        size (int): Number of processes.
        own (slice): This process's positives among all. They are ordered by process.
    """

    def __init__(self, group: 'dist.ProcessGroup | None' = None) -> None:
        self.size = 1 if group is None else dist.get_world_size(group)
        if self.size < 1:
            raise ValueError('group: this process is not in the group')
        self.own = slice(None)
        self._group = group

    def gather(
        self, collect: Callable[[], dict[str, Tensor]], device: torch.device
    ) -> dict[str, Tensor]:
        """Collect values of positives on each process, and gather them from all.

        Takes two collective operations, or one if there are no positives: counts, with an error
        flag, then values in float64, padded to the largest count.

        Args:
            collect (Callable): Returns values of this process's positives by name, each of shape
                (P_own,). The same names on all processes.
            device (torch.device): Where to exchange.

        Returns:
            dict[str, Tensor]: Values of all positives, each of shape (P,), in their own dtype. The
            gradient of a value reaches this process's part of it.

        Raises:
            Exception: If ``collect`` raises one on any process, all raise it, and name the process.
                Its type is a ``NonFiniteLogitsError``, ``FloatingPointError`` or ``ValueError`` if
                it was an instance of that, otherwise a ``RuntimeError``.
        """
        if self.size == 1:
            return collect()
        values: dict[str, Tensor] = {}
        error: Exception | None = None
        try:
            values = collect()
        except Exception as caught:  # the others wait for this process
            error = caught
        count = 0 if error is not None else len(next(iter(values.values())))
        counts = self._gather_counts(count, error, device)
        ends = list(accumulate(counts))
        rank = dist.get_rank(self._group)
        self.own = slice(ends[rank] - count, ends[rank])
        if ends[-1] == 0:
            return values

        padded = torch.zeros(len(values), max(counts), dtype=torch.float64, device=device)
        padded[:, :count] = torch.stack([value.detach().double() for value in values.values()])
        received = padded.new_empty(self.size, *padded.shape)
        dist.all_gather(list(received), padded, self._group)
        rows = torch.cat([part[:, :num] for part, num in zip(received, counts)], dim=1)
        return {
            name: _with_own_gradient(value, row, self.own, self.size)
            for (name, value), row in zip(values.items(), rows)
        }

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all processes, in place. The same shape, not empty, on all of them."""
        if self.size > 1:
            dist.all_reduce(values, group=self._group)
        return values

    def _gather_counts(
        self, count: int, error: Exception | None, device: torch.device
    ) -> list[int]:
        """The number of positives of each process. Raises the error of the first that has one."""
        header = torch.tensor([count if error is None else -1], device=device)
        received = header.new_empty(self.size, 1)
        dist.all_gather(list(received), header, self._group)
        counts: list[int] = received[:, 0].tolist()
        if min(counts) >= 0:
            return counts
        assert self._group is not None
        first = dist.get_global_rank(self._group, counts.index(-1))
        error_type = next((i for i, known in enumerate(ERRORS) if isinstance(error, known)), -1)
        box: list[Any] = [error_type, str(error)]
        dist.broadcast_object_list(box, src=first, group=self._group, device=device)
        error_type, message = box
        raise ERRORS[error_type](f'process {first}: {message}') from error


def _with_own_gradient(own: Tensor, values: Tensor, part: slice, scale: int) -> Tensor:
    """Values of all processes, of which this process's own part has a gradient."""
    result: Tensor = _OwnGradient.apply(own, values.to(own.dtype), part, scale)  # type: ignore[no-untyped-call]
    return result


class _OwnGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, values: Tensor, part: slice, scale: int) -> Tensor:
        ctx.part, ctx.scale = part, scale
        return values.clone()

    @staticmethod
    @outside_of_graphs  # the part differs from step to step
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        return grad_output[ctx.part] * ctx.scale, None, None, None
