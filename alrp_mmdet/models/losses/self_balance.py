"""Self-balancing of classification and localisation (aLRP Loss, arXiv 2009.13592, Section 4.2)."""

import logging

import torch
from mmdet.registry import MODELS
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

from alrp.ranking.step_sums import check_positive

START_WEIGHT = 50.0  # as published


@MODELS.register_module()
class SelfBalance(nn.Module):
    """The weight that gives localisation the magnitude of the whole loss.

    ``weight = (mean loss_cls + mean loss_loc) / mean loss_loc``, with means over the last epoch of
    the data loader, or over the last ``interval`` training iterations. Batches without objects have
    zero losses and do not change the ratio.

    All state is in buffers, so checkpoints save and restore it. A new run that starts from a
    checkpoint (``load_from``) starts with ``start_weight`` again. Losses are averaged over all
    processes at each step, so that all have the same weight and any checkpoint holds the state of
    all. A loss module used several times in an iteration, as by the decoder layers of a model,
    balances their sum; give each layer its own module to balance them separately.

    Args:
        start_weight (float): The weight during the first epoch or interval. Defaults to 50, as
            published.
        interval (int, optional): Training iterations between updates. Needed for runs that count
            iterations (``IterBasedTrainLoop``), which have no epochs. By default the weight is
            updated after every epoch of a runner of MMEngine. Other training loops call
            ``end_period``.

    Raises:
        ValueError: If ``start_weight`` is not a positive number, or ``interval`` not a positive
            integer.
    """

    weight: Tensor
    loss_sums: Tensor
    steps: Tensor
    period: Tensor

    def __init__(self, start_weight: float = START_WEIGHT, interval: int | None = None):
        super().__init__()
        check_positive('self_balance.start_weight', start_weight)
        # Not isinstance, by which True is a number.
        if interval is not None and not (type(interval) is int and interval >= 1):
            raise ValueError(
                f'self_balance.interval must be a whole number of at least 1, got {interval!r}'
            )
        self.start_weight = start_weight
        self.interval = interval
        self._iteration = None  # the last one seen in this process
        self._last_epoch = None
        self._steps_in_period = 0
        self._warned = False
        self.register_buffer('weight', torch.tensor(float(start_weight)))
        self.register_buffer('loss_sums', torch.zeros(2))  # loss_cls, loss_loc of this period
        self.register_buffer('steps', torch.tensor(0))  # iterations so far
        self.register_buffer('period', torch.tensor(0))

    def forward(self, loss_cls: Tensor, loss_loc: Tensor) -> Tensor:
        """Weight of localisation. In training mode, also records the losses.

        Args:
            loss_cls (Tensor): Scalar.
            loss_loc (Tensor): Scalar, unweighted.

        Returns:
            Tensor: Scalar, the weight of ``loss_loc`` in this step.
        """
        if self.training:
            self._record(torch.stack([loss_cls, loss_loc]).detach())
        return self.weight.clone()

    @torch.no_grad()
    def _record(self, losses: Tensor) -> None:
        iteration = MessageHub.get_current_instance().get_info('iter')  # None without a runner
        if iteration is None or iteration != self._iteration:
            if iteration == 0:
                self._reset()
            self._iteration = iteration
            self.steps += 1
            self._steps_in_period += 1
        if get_world_size() > 1:
            # In float64, since equal losses, those of a global ranking, must be their own mean.
            losses = losses.double()
            all_reduce(losses, op='mean')
        losses = losses.to(self.loss_sums)
        period = self._epoch() if self.interval is None else (self.steps - 1) // self.interval
        # Written without a branch on device tensors, which would wait for the device.
        ended = self.period != period
        self._update_weight(ended)
        self.loss_sums.copy_(torch.where(ended, losses, self.loss_sums + losses))
        if torch.is_tensor(period):
            self.period.copy_(period)
        else:
            self.period.fill_(period)

    def _update_weight(self, ended: Tensor) -> None:
        sum_cls, sum_loc = self.loss_sums
        balanced = (sum_cls + sum_loc) / sum_loc
        self.weight.copy_(torch.where(ended & (sum_loc > 0), balanced, self.weight))

    @torch.no_grad()
    def end_period(self) -> None:
        """Update the weight now.

        Call it after every epoch of a training loop that is not of MMEngine, which publishes its
        epoch. In several processes, call it in all.
        """
        self._update_weight(torch.ones_like(self.weight, dtype=torch.bool))
        self.loss_sums.zero_()
        self._steps_in_period = 0

    def _reset(self) -> None:
        self.weight.fill_(self.start_weight)
        for state in (self.loss_sums, self.steps, self.period):
            state.zero_()

    def _epoch(self) -> int:
        """The runner's epoch, which MMEngine publishes in the message hub."""
        runtime = MessageHub.get_current_instance()
        epoch = runtime.get_info('epoch')
        if epoch != self._last_epoch:
            self._last_epoch, self._steps_in_period = epoch, 1
        if not self._warned:
            self._warn(epoch, runtime.get_info('max_epochs'), runtime.get_info('max_iters'))
        return epoch or 0

    def _warn(self, epoch: int | None, max_epochs: int | None, max_iters: int | None) -> None:
        """Warn once if no epoch will end."""
        if epoch is None:
            reason = 'The training loop publishes no epoch, as runners of MMEngine do'
        elif max_epochs == 1:
            reason = 'This run has a single epoch'
        elif max_epochs and max_iters and self._steps_in_period > 2 * max_iters / max_epochs:
            reason = f'The training loop still publishes epoch {epoch} after two epochs of steps'
        else:
            return
        self._warned = True
        print_log(
            f'{reason}, so the self-balance weight of aLRP Loss stays at {self.weight.item():g}. '
            'To update the weight every n iterations, as runs that count iterations '
            '(IterBasedTrainLoop) need, set loss_cls.self_balance=dict(interval=n). In a training '
            'loop of your own, call SelfBalance.end_period() after every epoch.',
            logger='current',
            level=logging.WARNING,
        )
