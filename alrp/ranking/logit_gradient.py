"""The gradient of a ranking, which is not written out before it is needed."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .devices import to_float64, to_ranking_device
from .negatives import Negatives


@dataclass(frozen=True)
class LogitGradient:
    """A gradient with respect to the M logits of a ranking, held as O(P) numbers.

    ``with_gradient`` attaches it to a loss. It is written out in the backward pass only, so that a
    training step needs no memory for a second gradient, or for one in higher precision.
    Gradients of the same ranking can be added, and multiplied by a scalar.

    Attributes:
        negatives (Negatives): Negatives of the ranking, and the steps of its P positives.
        pos_inds (Tensor): Shape (P_own,), int64, indices of the positives among the logits.
        positives (Tensor): Shape (P_own,), float64, gradient of their logits.
        shares (Tensor, optional): Shape (P,), float64. What each positive gives to a negative that
            is above it, times ``H`` of their difference. Without it, negatives get nothing.
    """

    negatives: Negatives
    pos_inds: Tensor
    positives: Tensor
    shares: Tensor | None = None

    def __mul__(self, scale: float | Tensor) -> 'LogitGradient':
        if isinstance(scale, Tensor):
            scale = to_float64(scale)
        shares = None if self.shares is None else self.shares * scale
        return replace(self, positives=self.positives * scale, shares=shares)

    def __add__(self, other: 'LogitGradient') -> 'LogitGradient':
        shares = [x for x in (self.shares, other.shares) if x is not None]
        return replace(
            self,
            positives=self.positives + other.positives,
            shares=shares[0] + shares[1] if len(shares) > 1 else next(iter(shares), None),
        )

    def write_out(self, logits: Tensor) -> Tensor:
        """The gradient, in the shape and dtype of the logits, and on their device.

        Args:
            logits (Tensor): Shape (M,), those that were ranked.
        """
        values = to_ranking_device(logits)
        grad = torch.zeros_like(values)
        if self.shares is not None:
            share = self.negatives.steps.spread(self.shares)
            for place, inds, negatives in self.negatives.parts(values):
                if inds is None:
                    grad[place] = share(negatives)
                else:
                    grad[place].index_copy_(0, inds, share(negatives).to(grad.dtype))
        grad[self.pos_inds.to(grad.device)] = self.positives.to(grad.dtype)
        return grad.to(logits.device)
