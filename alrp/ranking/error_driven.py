"""From a ranking to a loss and its gradient: the error-driven update, once for every loss.

A ranking-based loss is ``L = 1/P * sum_i l(i)`` over the ``P`` positives. Its ranking is not
differentiable, but the error of a positive can be handed out to the negatives ranked above it: the
primary terms ``L_ij = l*(i) * p(j|i)`` with ``p(j|i) = H(s_j - s_i) / FP(i)`` (aLRP Loss, arXiv
2009.13592, Section 3; AP Loss, arXiv 1904.06373). A positive is pulled up by its own error,
``dL/ds_i = -l*(i) / P``, a negative is pushed down by its share of all errors,
``dL/ds_j = 1/P * sum_i L_ij``. The pairs add up to the loss (Theorem 1) and the two directions
balance (Theorem 2): the gradient sums to zero.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .step_sums import Located, Steps, chunks

# A positive with fewer false positives above it than this is left alone.
MIN_FALSE_POSITIVES = 1e-5


class NonFiniteLogitsError(FloatingPointError):
    """The logits hold NaN or infinity, so that they have no ranking."""


class Ranking:
    """Where every positive stands among the logits. All counts are smoothed by ``H``.

    Args:
        logits (Tensor): Shape (M,), floating-point.
        labels (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.

    Attributes:
        pos_inds (Tensor): Shape (P,), int64, ascending: where the positives stand in the logits.
        pos_logits (Tensor): Shape (P,).
        false_positives (Tensor): Shape (P,), float64. ``FP(i)``, the negatives above positive i.
        rank (Tensor): Shape (P,), float64. ``rank(i)``: one for i itself, plus the positives and
            the negatives above it.

    Raises:
        ValueError: If shapes, dtypes, labels or delta are not as described.
        NonFiniteLogitsError: If a logit is NaN or infinite.
    """

    def __init__(self, logits: Tensor, labels: Tensor, delta: float):
        _check(logits, labels)
        self._logits = logits.detach()
        self.pos_inds = (labels == 1).nonzero()[:, 0]
        self.pos_logits = self._logits[self.pos_inds]
        self._steps = Steps(self.pos_logits, delta)
        self._negatives = list(self._find_negatives(labels))
        self.false_positives = self._steps.collect(
            (located, None) for _, located in self._negatives
        )
        ones = torch.ones_like(self.false_positives)
        self.rank = 1 + self.over_better_positives(ones) + self.false_positives

    def __len__(self) -> int:
        return len(self.pos_inds)

    def over_better_positives(self, values: Tensor) -> Tensor:
        """``out[i] = sum of values[k] * H(s_k - s_i)`` over positives ``k != i``. Shape (P,)."""
        with_itself = self._steps.collect([(self._steps.locate(self.pos_logits), values)])
        return with_itself - values / 2  # H(0) = 1/2

    def hand_out(self, errors: Tensor) -> Tensor:
        """Gradient by the error-driven update: every positive's error goes to its false positives.

        Args:
            errors (Tensor): Shape (P,). What each positive is pulled up by.

        Returns:
            Tensor: Shape (M,), in the dtype of the logits, but at least float32.
        """
        driven = self.false_positives > MIN_FALSE_POSITIVES
        errors = torch.where(driven, errors, 0.0)
        share = self._steps.spread(torch.where(driven, errors / self.false_positives, 0.0))
        grad = torch.zeros_like(self._logits, dtype=loss_dtype(self._logits))
        for grad_part, (inds, located) in zip(chunks(grad), self._negatives):
            grad_part.index_copy_(0, inds, share(located).to(grad.dtype))
        grad[self.pos_inds] = -errors.to(grad.dtype)
        return grad

    def _find_negatives(self, labels: Tensor) -> Iterator[tuple[Tensor, Located]]:
        """The negatives that count for any positive, chunk by chunk: indices there, and place."""
        if len(self) == 0:
            return
        # Rounded to the dtype of the logits, it can only let in some that count for nothing.
        lowest = self._steps.knots[0].to(self._logits.dtype)
        for logits_part, labels_part in zip(chunks(self._logits), chunks(labels)):
            inds = ((labels_part == 0) & (logits_part >= lowest)).nonzero()[:, 0]
            yield inds, self._steps.locate(logits_part.index_select(0, inds))


def error_driven_loss(
    logits: Tensor, ranking: Ranking, loss_terms: Tensor, error_terms: Tensor
) -> Tensor:
    """The mean of the loss terms, with the gradient that the error terms drive.

    Args:
        logits (Tensor): Shape (M,), those that were ranked.
        ranking (Ranking): Their ranking.
        loss_terms (Tensor): Shape (P,). ``l(i)``: what the loss is the mean of.
        error_terms (Tensor): Shape (P,). ``l*(i)``: how far ``l(i)`` is from its target.

    Returns:
        Tensor: Scalar, zero without positives. In the dtype of the logits, but at least float32:
        single gradients can be too small for half precision until a loss scale is applied.
    """
    if len(ranking) == 0:
        return logits[:0].sum(dtype=loss_dtype(logits))
    return _ErrorDriven.apply(logits, ranking, loss_terms, error_terms)


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of a loss computed from ``x``: its own, but at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


class _ErrorDriven(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, ranking, loss_terms, error_terms):
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(ranking.hand_out(error_terms / len(ranking)))
            ctx.dtype = logits.dtype
        return loss_terms.mean().to(loss_dtype(logits))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (grad,) = ctx.saved_tensors
        return (grad * grad_output).to(ctx.dtype), None, None, None


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.dim() != 1 or labels.shape != logits.shape:
        raise ValueError(
            'logits and labels must be one-dimensional and equally long, but have the shapes '
            f'{tuple(logits.shape)} and {tuple(labels.shape)}'
        )
    if not logits.is_floating_point():
        raise ValueError(f'logits must be floating-point, but are {logits.dtype}')
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f'labels must be integers, but are {labels.dtype}')
    if logits.numel() == 0:
        return
    extremes = torch.stack(
        [*logits.detach().aminmax(), *(x.to(logits.dtype) for x in labels.aminmax())]
    )
    low, high, least, most = extremes.tolist()
    if not -float('inf') < low <= high < float('inf'):
        bad = (~logits.isfinite()).nonzero()[:, 0]
        raise NonFiniteLogitsError(
            f'{len(bad)} of {len(logits)} logits are not finite (NaN or infinity), the first at '
            f'index {bad[0].item()}: training has diverged, or its input is broken. Try a lower '
            'learning rate, a longer warm-up or gradient clipping.'
        )
    if least < -1 or most > 1:
        raise ValueError(
            'labels must be 1 (positive), 0 (negative) or -1 (ignored), but range from '
            f'{least:g} to {most:g}'
        )
