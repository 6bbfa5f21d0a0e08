"""The gradient of a ranking, which is not written out before it is needed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .chunking import chunks
from .devices import avoids_atomics, to_float64, to_ranking_device
from .labels import Labels
from .step_sums import Steps

# To select some of the logits of a part is faster on a CPU than to process all, if they are fewer
# than this fraction. It is estimated from a sample.
FEW = 0.4
SAMPLE = 4096
FEW_PARTS = 8  # parts to be processed together, since their temporaries are small


@dataclass(frozen=True)
class LogitGradient:
    """A gradient with respect to the M logits of a ranking, held as O(P) numbers.

    ``with_gradient`` attaches it to a loss. It is written out in the backward pass only, so that a
    training step needs no memory for a second gradient, or for one in higher precision.
    Gradients of the same ranking can be added, and multiplied by a scalar.

    Attributes:
        labels (Labels): Labels of the logits.
        steps (Steps): The smoothed step of each of P positives.
        pos_inds (Tensor): Shape (P_own,), int64, indices of the positives among the logits.
        positives (Tensor): Shape (P_own,), float64, gradient of their logits.
        shares (Tensor, optional): Shape (P,), float64. What each positive gives to a negative that
            is above it, times ``H`` of their difference. Without it, negatives get nothing.
    """

    labels: Labels
    steps: Steps
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
            share = self.steps.spread(self.shares)
            for part, inds, negatives in counting_negatives(values, self.labels, self.steps):
                if inds is None:
                    grad[part] = share(negatives)
                else:
                    grad[part].index_copy_(0, inds, share(negatives).to(grad.dtype))
        grad[self.pos_inds.to(grad.device)] = self.positives.to(grad.dtype)
        return grad.to(logits.device)


def counting_negatives(
    logits: Tensor, labels: Labels, steps: Steps
) -> Iterator[tuple[slice, Tensor | None, Tensor]]:
    """Negatives that count for any positive, part by part.

    Args:
        logits (Tensor): Shape (M,), on a device with float64.
        labels (Labels): Their labels.
        steps (Steps): Steps of the positives.

    Yields:
        tuple: The part of the logits; the indices of its negatives in the part, and their logits.
        If they are many, or on a GPU, which would have to wait for their number: None, and all
        logits of the part, with a value below all steps in place of those that are not negatives.
    """
    if len(steps.knots) == 0:
        return
    below = torch.finfo(logits.dtype).min
    if avoids_atomics(logits.device):
        for part in chunks(len(logits), logits.device, labels.row):
            yield part, None, logits[part].masked_fill(~labels.negatives(part), below)
        return
    # Rounding to the dtype of the logits can only let in negatives that count nothing.
    lowest = steps.knots[0].to(logits.dtype)
    sample = logits[:: max(len(logits) // SAMPLE, 1)]
    few = int((sample >= lowest).sum()) < len(sample) * FEW
    for part in chunks(len(logits), logits.device, labels.row, FEW_PARTS if few else 1):
        values = logits[part]
        if few:
            inds = (values >= lowest).nonzero()[:, 0]
            inds = inds[labels.negatives(part, inds)]
            yield part, inds, values.index_select(0, inds)
        else:
            yield part, None, values.clone().index_fill_(0, labels.others(part), below)
