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

from collections.abc import Callable
from functools import cached_property

import torch
import torch.distributed as dist
from torch import Tensor

from .devices import to_float64, to_ranking_device
from .labels import Labels
from .logit_gradient import LogitGradient
from .lower_target_sums import lower_target_sums
from .negatives import Negatives
from .processes import Processes
from .running_sums import running_sums
from .step_sums import Steps, check_positive

EPS = 1e-5  # below this many outranking logits, a positive gets no gradient (published code)


class Ranking:
    """The rank of every positive among the logits. All counts are smoothed by ``H``.

    Float64 results are on the device of the logits, or on the CPU if it has no float64.

    With a group, the logits of all its processes are one ranking. Results for each positive, shape
    (P,), are then of the positives of all processes, ordered by process, and equal on all of them.
    Gradients are of this process's logits, times the number of processes: averaged over the
    processes, as ``DistributedDataParallel`` does, the gradient of each parameter is that of one
    process with all logits.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        labels (Tensor | Labels): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored;
            or ``Labels`` of rows of logits.
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
        NonFiniteLogitsError: If a logit is NaN or infinite.
        FloatingPointError: If the logit of a positive is beyond 1e12 times delta, where its step is
            lost in rounding. An error of one process is raised on all, and names it.
    """

    def __init__(
        self,
        logits: Tensor,
        labels: Tensor | Labels,
        delta: float = 1.0,
        self_count: float = 1.0,
        group: 'dist.ProcessGroup | None' = None,
        pos_values: Callable[[Tensor], dict[str, Tensor]] | None = None,
    ) -> None:
        labelled = labels if isinstance(labels, Labels) else Labels(labels)
        for name, value in dict(logits=logits, labels=labelled.values).items():
            if not torch.is_tensor(value):
                raise ValueError(f'{name} must be a tensor, got a {type(value).__name__}')
        self.logits = logits
        self.delta = delta
        self.self_count = self_count
        no_ignored = True
        num_near: int | None = None

        def of_this_process() -> dict[str, Tensor]:
            nonlocal no_ignored, num_near
            check_positive('delta', delta)
            self.pos_inds, no_ignored, num_near = labelled.positives(logits, delta)
            values = {} if pos_values is None else pos_values(self.pos_inds)
            _check_values(values, len(self.pos_inds), logits.device)
            return {**values, 'logits': logits.detach()[self.pos_inds]}

        self._processes = Processes(group)
        self.pos_values = self._processes.gather(of_this_process, logits.device)
        self.pos_logits = self.pos_values.pop('logits')
        self._pos_double = to_float64(self.pos_logits)
        self._steps = Steps(self._pos_double, delta)
        known_others = self.pos_inds if no_ignored else None
        if self._processes.size > 1:  # a positive of another process may be lower
            num_near = None
        labelled = labelled.on_ranking_device(known_others)
        self._negatives = Negatives(labelled, self._steps, num_near)
        self.false_positives = self._steps.collect(
            (part.values, None) for part in self._negatives.parts(to_ranking_device(logits))
        )
        if len(self) > 0:
            self._processes.sum(self.false_positives)
        ones = torch.ones_like(self.false_positives)
        self.pos_rank = self_count + self.sum_over_higher_positives(ones)
        self.rank = self.pos_rank + self.false_positives

    def __len__(self) -> int:
        return len(self.pos_logits)

    @cached_property
    def localisation_weights(self) -> Tensor:
        """Weight of each positive's localisation error in aLRP Loss. Shape (P,), float64.

        Reordering the double sum of ``loss_loc`` gives positive k the weight
        ``1/P sum_{i: s_i <= s_k} 1/rank(i)``. Positives with equal scores can be ordered in any
        way; this takes the mean over all orders, so that the order of the input has no effect.
        """
        inverse_rank = 1 / self.rank
        pos_logits = to_ranking_device(self.pos_logits)
        ascending, order = pos_logits.sort()
        sums = running_sums(inverse_rank[order])
        below = sums[torch.searchsorted(ascending, pos_logits)]
        up_to = sums[torch.searchsorted(ascending, pos_logits, right=True)]
        # On average over the orders, half of the others with an equal score lie below k.
        return (below + up_to + inverse_rank) / (2 * max(len(self), 1))

    def mean(self, values: Tensor) -> Tensor:
        """Mean of one value per positive, shape (P,); 0 without positives."""
        return values.sum() / max(len(self), 1)

    def sum_over_higher_positives(self, values: Tensor) -> Tensor:
        """``out[i] = sum_{k != i} values[k] * H(s_k - s_i)`` over the positives. Shape (P,)."""
        including_itself = self._steps.collect([(self._pos_double, values)])
        return including_itself - values / 2  # H(0) = 1/2

    def errors_to_negatives(self, errors: Tensor, eps: float = EPS) -> LogitGradient:
        """Gradient of the mean error, distributed to the negatives above each positive.

        Args:
            errors (Tensor): Shape (P,). ``l*(i)``, the error of each positive above its target.
            eps (float): A positive with ``FP(i) <= eps`` gets no gradient. Defaults to 1e-5.

        Returns:
            LogitGradient: For ``with_gradient``.
        """
        spared = self.false_positives <= eps
        errors = (to_float64(errors) / self._grad_divisor).masked_fill(spared, 0)
        shares = (errors / self.false_positives).masked_fill(spared, 0)
        return self._gradient(-errors, shares)

    def errors_to_positives(
        self, errors: Tensor, targets: Tensor, outranking: Tensor, eps: float = EPS
    ) -> LogitGradient:
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
            LogitGradient: For ``with_gradient``.
        """
        targets, outranking = to_ranking_device(targets), to_ranking_device(outranking)
        spared = outranking <= eps
        errors = (to_float64(errors) / self._grad_divisor).masked_fill(spared, 0)
        share = (errors / outranking).masked_fill(spared, 0)
        # Positive k receives shares of the positives below it: the same sums, mirrored.
        received = lower_target_sums(-self._pos_double, -targets, self.delta, share[None])[0]
        return self._gradient(received - errors)

    def sum_over_lower_targets(self, targets: Tensor, values: Tensor) -> Tensor:
        """Sums over the positives of lower target, counted by how far they rank above.

        ``out[w, i] = sum_{k: targets[k] < targets[i]} values[w, k] * H(s_k - s_i)``.

        Args:
            targets (Tensor): Shape (P,).
            values (Tensor): Shape (W, P).

        Returns:
            Tensor: Shape (W, P), float64.
        """
        targets, values = to_ranking_device(targets), to_float64(values)
        return lower_target_sums(self._pos_double, targets, self.delta, values)

    @property
    def _grad_divisor(self) -> float:
        """Turns the error of a positive into its gradient of the mean error."""
        return max(len(self), 1) / self._processes.size

    def _gradient(self, positives: Tensor, shares: Tensor | None = None) -> LogitGradient:
        own = positives[self._processes.own]
        pos_inds = to_ranking_device(self.pos_inds)
        return LogitGradient(self._negatives, pos_inds, own, shares)


def _check_values(pos_values: dict[str, Tensor], num_pos: int, device: torch.device) -> None:
    for name, values in pos_values.items():
        if values.shape != (num_pos,):
            raise ValueError(
                f'{name}: expected one value per positive, shape ({num_pos},), got shape '
                f'{tuple(values.shape)}'
            )
        if values.device != device:
            raise ValueError(
                f'{name} must be on the device of the logits, {device}, got {values.device}'
            )
