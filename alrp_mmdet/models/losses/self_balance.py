"""Self-balancing of classification and localisation (aLRP Loss, arXiv 2009.13592, Section 4.2)."""

import logging

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn


class SelfBalance(nn.Module):
    """The weight that gives localisation the magnitude of the whole loss.

    ``weight = (mean loss_cls + mean loss_loc) / mean loss_loc``, the means taken over the last
    epoch of the data loader at hand, or over the last ``interval`` training steps. Both halves of
    the fraction are means over the same steps, so that sums serve as well, and a batch without
    objects, whose losses are zero, drops out by itself.

    All state lives in buffers: checkpoints save and restore it. A run that starts anew from
    somebody's checkpoint (``load_from``) starts with ``start_weight`` again. The losses are
    averaged over all processes at each step, so that every process has the same weight and the
    checkpoint of any one of them holds the state of all.

    Args:
        start_weight (float): The weight until the first epoch or interval has ended. Defaults to
            50, as published.
        interval (int, optional): Training steps from one update to the next; needed if the runner
            counts iterations (``IterBasedTrainLoop``), which has no epochs. By default the weight
            is updated when an epoch has ended.

    Raises:
        ValueError: If ``start_weight`` or ``interval`` is not positive.
    """

    weight: Tensor
    loss_sums: Tensor
    steps: Tensor
    period: Tensor

    def __init__(self, start_weight: float = 50.0, interval: int | None = None):
        super().__init__()
        if not start_weight > 0:
            raise ValueError(f'self_balance.start_weight must be positive, but is {start_weight}')
        if interval is not None and interval < 1:
            raise ValueError(f'self_balance.interval must be at least 1, but is {interval}')
        self.start_weight = start_weight
        self.interval = interval
        self._warned = False
        self.register_buffer('weight', torch.tensor(float(start_weight)))
        self.register_buffer('loss_sums', torch.zeros(2))  # loss_cls, loss_loc, in this period
        self.register_buffer('steps', torch.tensor(0))
        self.register_buffer('period', torch.tensor(0))

    def forward(self, loss_cls: Tensor, loss_loc: Tensor) -> Tensor:
        """Take note of the losses of a training step.

        Args:
            loss_cls (Tensor): Scalar.
            loss_loc (Tensor): Scalar, not yet weighted.

        Returns:
            Tensor: Scalar, the weight of ``loss_loc`` in this step.
        """
        if self.training:
            self._update(torch.stack([loss_cls, loss_loc]).detach())
        return self.weight.clone()

    @torch.no_grad()
    def _update(self, losses: Tensor) -> None:
        if MessageHub.get_current_instance().get_info('iter') == 0:
            self._start()
        losses = losses.to(self.loss_sums)
        all_reduce(losses, op='mean')
        period = self._epoch() if self.interval is None else self.steps // self.interval
        # Written without a branch on device tensors, which would wait for the device.
        ended = self.period != period
        sum_cls, sum_loc = self.loss_sums
        balanced = (sum_cls + sum_loc) / sum_loc
        self.weight.copy_(torch.where(ended & (sum_loc > 0), balanced, self.weight))
        self.loss_sums.copy_(torch.where(ended, losses, self.loss_sums + losses))
        self.period.copy_(torch.as_tensor(period))
        self.steps += 1

    def _start(self) -> None:
        self.weight.fill_(self.start_weight)
        for state in (self.loss_sums, self.steps, self.period):
            state.zero_()

    def _epoch(self) -> int:
        """The runner's epoch. MMEngine publishes it, so that no hook is needed for it."""
        runtime = MessageHub.get_current_instance()
        if runtime.get_info('max_epochs') == 1 and not self._warned:
            self._warned = True
            print_log(
                'This run has a single epoch, so that the self-balance weight of aLRP Loss stays '
                f'at {self.weight.item():g}. If it counts iterations (IterBasedTrainLoop), set '
                'loss_cls.self_balance=dict(interval=n) to update the weight every n iterations.',
                logger='current',
                level=logging.WARNING,
            )
        return runtime.get_info('epoch', 0)
