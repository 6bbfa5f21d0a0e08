"""A ranking of logits, and the gradient that an error-driven update makes of it.

A ranking-based loss is the mean of an error ``l(i)`` over the ``P`` positives. Ranks have no useful
derivative, so the error of each positive is distributed instead: to what outranks it, in proportion
to the smoothed step ``H`` (AP Loss, arXiv 1904.06373; aLRP Loss, arXiv 2009.13592, Section 3;
RS Loss, arXiv 2107.11669, Section 3)::

    dL/ds_i = -l*(i) / P                                     the positive is pulled up
    dL/ds_j = 1/P sum_i l*(i) p(j|i),   p(j|i) = H(s_j - s_i) / sum_j' H(s_j' - s_i)

``l*`` is the error above its target value. The shares of one positive sum to its error, so every
gradient sums to zero (Theorem 2 of arXiv 2009.13592).
"""

from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor

from .lower_target_sums import lower_target_sums
from .processes import Processes
from .step_sums import Located, Steps, chunks
from .with_gradient import loss_dtype

EPS = 1e-5  # below this many outranking logits, a positive gets no gradient (published code)


class NonFiniteLogitsError(FloatingPointError):
    """A logit is NaN or infinite, so the logits cannot be ranked."""


class Ranking:
    """The rank of every positive among the logits. All counts are smoothed by ``H``.

    With a group, the logits of all its processes are one ranking. Results for each positive, shape
    (P,), are then of the positives of all processes, ordered by process, and equal on all of them.
    Gradients are of this process's logits, times the number of processes: averaged over the
    processes, as ``DistributedDataParallel`` does, the gradient of each parameter is that of one
    process with all logits.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        labels (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0. Defaults
            to 1.
        self_count (float): What a positive counts in its own rank: 1 (the default, as in AP and
            aLRP Loss) or ``H(0)`` = 0.5 (as in RS Loss).
        group (torch.distributed.ProcessGroup, optional): Processes that rank together, such as
            ``torch.distributed.group.WORLD``. All of them must create the ranking. By default, or
            with a group of one, this process ranks alone and nothing is communicated.
        pos_values (Callable, optional): Called with ``pos_inds``, returns further values of this
            process's positives by name, each of shape (P_own,), to be gathered from all processes.
            The names must be the same on all. What it raises is raised on all processes.

    Attributes:
        logits (Tensor): Shape (M,), the logits, with their graph.
        delta (float): As given.
        self_count (float): As given.
        pos_inds (Tensor): Shape (P_own,), int64, ascending: indices of this process's positives.
        pos_logits (Tensor): Shape (P,), logits of the positives, detached.
        pos_values (dict[str, Tensor]): What the argument returned, shape (P,) each. Gradients reach
            this process's part, times the number of processes.
        false_positives (Tensor): Shape (P,), float64. ``FP(i)``, the negatives above positive i.
        pos_rank (Tensor): Shape (P,), float64. Rank of positive i among the positives.
        rank (Tensor): Shape (P,), float64. Rank of positive i: ``pos_rank + false_positives``.

    Raises:
        ValueError: If shapes, dtypes, labels or delta are not as described.
        NonFiniteLogitsError: If a logit is NaN or infinite. An error of one process is raised on
            all, and names it.
    """

    def __init__(
        self,
        logits: Tensor,
        labels: Tensor,
        delta: float = 1.0,
        self_count: float = 1.0,
        group: 'dist.ProcessGroup | None' = None,
        pos_values: Callable[[Tensor], dict[str, Tensor]] | None = None,
    ) -> None:
        self.logits = logits
        self.delta = delta
        self.self_count = self_count

        def of_this_process() -> dict[str, Tensor]:
            _check(logits, labels)
            self.pos_inds = (labels == 1).nonzero()[:, 0]
            values = {} if pos_values is None else pos_values(self.pos_inds)
            _check_lengths(values, len(self.pos_inds))
            return {**values, 'logits': logits.detach()[self.pos_inds]}

        self._processes = Processes(group)
        self.pos_values = self._processes.gather(of_this_process, logits.device)
        self.pos_logits = self.pos_values.pop('logits')
        self._pos_double = self.pos_logits.double()
        self._steps = Steps(self.pos_logits, delta)
        self._negatives = list(self._locate_negatives(labels))
        self.false_positives = self._steps.collect(
            (located, None) for _, located in self._negatives
        )
        if len(self) > 0:
            self._processes.sum(self.false_positives)
        ones = torch.ones_like(self.false_positives)
        self.pos_rank = self_count + self.sum_over_higher_positives(ones)
        self.rank = self.pos_rank + self.false_positives

    def __len__(self) -> int:
        return len(self.pos_logits)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of one value per positive, shape (P,); 0 without positives."""
        return values.sum() / max(len(self), 1)

    def sum_over_higher_positives(self, values: Tensor) -> Tensor:
        """``out[i] = sum_{k != i} values[k] * H(s_k - s_i)`` over the positives. Shape (P,)."""
        including_itself = self._steps.collect([(self._steps.locate(self.pos_logits), values)])
        return including_itself - values / 2  # H(0) = 1/2

    def errors_to_negatives(self, errors: Tensor, eps: float = EPS) -> Tensor:
        """Gradient of the mean error, distributed to the negatives above each positive.

        Args:
            errors (Tensor): Shape (P,). ``l*(i)``, the error of each positive above its target.
            eps (float): A positive with ``FP(i) <= eps`` gets no gradient. Defaults to 1e-5.

        Returns:
            Tensor: Shape (M,), the gradient of the logits, in their dtype but at least float32.
        """
        grad = torch.zeros_like(self.logits, dtype=loss_dtype(self.logits))
        if len(self) == 0:
            return grad
        outranked = self.false_positives > eps
        errors = torch.where(outranked, errors / self._grad_divisor, 0.0)
        share = self._steps.spread(torch.where(outranked, errors / self.false_positives, 0.0))
        for grad_part, (inds, located) in zip(chunks(grad), self._negatives):
            grad_part.index_copy_(0, inds, share(located).to(grad.dtype))
        grad[self.pos_inds] = -errors[self._processes.own].to(grad.dtype)
        return grad

    def errors_to_positives(
        self, errors: Tensor, targets: Tensor, outranking: Tensor, eps: float = EPS
    ) -> Tensor:
        """Gradient of the mean error, distributed to the positives of lower target above each
        positive, as in the sorting term of RS Loss.

        Args:
            errors (Tensor): Shape (P,). The error of each positive above its target.
            targets (Tensor): Shape (P,). The order in which the positives should be ranked.
            outranking (Tensor): Shape (P,), float64. The number of positives of lower target above
                each positive: ``sum_over_lower_targets`` of ones.
            eps (float): A positive outranked by no more than this gets no gradient. Defaults to
                1e-5.

        Returns:
            Tensor: As of ``errors_to_negatives``.
        """
        outranked = outranking > eps
        errors = torch.where(outranked, errors.double() / self._grad_divisor, 0.0)
        share = torch.where(outranked, errors / outranking, 0.0)
        # Positive k receives shares of the positives below it: the same sums, mirrored.
        received = lower_target_sums(-self._pos_double, -targets, self.delta, share[None])[0]
        grad = torch.zeros_like(self.logits, dtype=loss_dtype(self.logits))
        grad[self.pos_inds] = (received - errors)[self._processes.own].to(grad.dtype)
        return grad

    def sum_over_lower_targets(self, targets: Tensor, values: Tensor) -> Tensor:
        """Sums over the positives of lower target, counted by how far they rank above.

        ``out[w, i] = sum_{k: targets[k] < targets[i]} values[w, k] * H(s_k - s_i)``.

        Args:
            targets (Tensor): Shape (P,).
            values (Tensor): Shape (W, P).

        Returns:
            Tensor: Shape (W, P), float64.
        """
        return lower_target_sums(self._pos_double, targets, self.delta, values.double())

    @property
    def _grad_divisor(self) -> float:
        """Turns the error of a positive into its gradient of the mean error."""
        return max(len(self), 1) / self._processes.size

    def _locate_negatives(self, labels: Tensor) -> Iterator[tuple[Tensor, Located]]:
        """Negatives that count for any positive, chunk by chunk: their indices in the chunk, and
        where they lie among the steps."""
        if len(self) == 0:
            return
        logits = self.logits.detach()
        # Rounding to the dtype of the logits can only let in negatives that count nothing.
        lowest = self._steps.knots[0].to(logits.dtype)
        for logits_part, labels_part in zip(chunks(logits), chunks(labels)):
            inds = ((labels_part == 0) & (logits_part >= lowest)).nonzero()[:, 0]
            yield inds, self._steps.locate(logits_part.index_select(0, inds))


def _check_lengths(pos_values: dict[str, Tensor], num_pos: int) -> None:
    for name, values in pos_values.items():
        if values.shape != (num_pos,):
            raise ValueError(
                f'{name}: expected one value per positive, shape ({num_pos},), got shape '
                f'{tuple(values.shape)}'
            )


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.dim() != 1 or labels.shape != logits.shape:
        raise ValueError(
            'logits and labels must be one-dimensional and equally long, got shapes '
            f'{tuple(logits.shape)} and {tuple(labels.shape)}'
        )
    if not logits.is_floating_point():
        raise ValueError(f'logits must be floating-point, got {logits.dtype}')
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f'labels must be integers, got {labels.dtype}')
    if logits.numel() == 0:
        return
    # One transfer from the device instead of four.
    extremes = torch.stack(
        [*logits.detach().aminmax(), *(x.to(logits.dtype) for x in labels.aminmax())]
    )
    low, high, least, most = extremes.tolist()
    if not -float('inf') < low <= high < float('inf'):
        bad = (~logits.isfinite()).nonzero()[:, 0]
        raise NonFiniteLogitsError(
            f'{len(bad)} of {len(logits)} logits are NaN or infinite, the first at index '
            f'{bad[0].item()}: training has diverged, or the input is broken. Try a lower learning '
            'rate, a longer warm-up or gradient clipping.'
        )
    if least < -1 or most > 1:
        raise ValueError(
            'labels must be 1 (positive), 0 (negative) or -1 (ignored), got values from '
            f'{least:g} to {most:g}'
        )
