"""Self-balancing of classification and localisation (aLRP Loss, arXiv 2009.13592, Section 4.2)."""

import logging

import torch
from mmdet.registry import MODELS
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

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
            updated after every epoch.

    Raises:
        ValueError: If ``start_weight`` or ``interval`` is not positive.
    """

    weight: Tensor
    loss_sums: Tensor
    steps: Tensor
    period: Tensor

    def __init__(self, start_weight: float = START_WEIGHT, interval: int | None = None):
        super().__init__()
        if not start_weight > 0:
            raise ValueError(f'self_balance.start_weight must be positive, got {start_weight}')
        if interval is not None and interval < 1:
            raise ValueError(f'self_balance.interval must be at least 1, got {interval}')
        self.start_weight = start_weight
        self.interval = interval
        self._iteration = None  # the last one seen in this process
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
        losses = losses.to(self.loss_sums)
        all_reduce(losses, op='mean')
        period = self._epoch() if self.interval is None else (self.steps - 1) // self.interval
        # Written without a branch on device tensors, which would wait for the device.
        ended = self.period != period
        sum_cls, sum_loc = self.loss_sums
        balanced = (sum_cls + sum_loc) / sum_loc
        self.weight.copy_(torch.where(ended & (sum_loc > 0), balanced, self.weight))
        self.loss_sums.copy_(torch.where(ended, losses, self.loss_sums + losses))
        if torch.is_tensor(period):
            self.period.copy_(period)
        else:
            self.period.fill_(period)

    def _reset(self) -> None:
        self.weight.fill_(self.start_weight)
        for state in (self.loss_sums, self.steps, self.period):
            state.zero_()

    def _epoch(self) -> int:
        """The runner's epoch, which MMEngine publishes in the message hub."""
        runtime = MessageHub.get_current_instance()
        if runtime.get_info('max_epochs') == 1 and not self._warned:
            self._warned = True
            print_log(
                'This run has a single epoch, so the self-balance weight of aLRP Loss stays at '
                f'{self.weight.item():g}. If the run counts iterations (IterBasedTrainLoop), set '
                'loss_cls.self_balance=dict(interval=n) to update the weight every n iterations.',
                logger='current',
                level=logging.WARNING,
            )
        return runtime.get_info('epoch', 0)
