"""aLRP Loss (Oksuz et al., NeurIPS 2020, arXiv 2009.13592)."""

import torch
import torch.distributed as dist
from torch import Tensor

from .compiling import outside_of_graphs
from .devices import cast_like, to_float64
from .ranking import Ranking
from .with_gradient import loss_dtype, with_gradient

ROUNDING = 1e-2  # an IoU in half precision may be above 1 by this much


@outside_of_graphs
def alrp_loss(
    logits: Tensor,
    labels: Tensor,
    loc_errors: Tensor,
    delta: float = 1.0,
    group: 'dist.ProcessGroup | None' = None,
) -> tuple[Tensor, Tensor]:
    """Average Localisation-Recall-Precision Loss, split into its two components (Section 4).

    The LRP error of positive i counts each negative above it as one and each positive above it,
    itself included, by its localisation error, divided by the rank of i. The mean over the
    positives splits into classification, one minus average precision, and localisation::

        loss_cls = 1/P sum_i FP(i) / rank(i)
        loss_loc = 1/P sum_i 1/rank(i) sum_{k: s_k >= s_i} E(k)

    ``loss_cls`` has a gradient for the logits only. The LRP error without the positive's own
    localisation error drives it, so that well-localised positives rise above badly localised ones.
    ``loss_loc`` has a gradient for the localisation errors only: the higher a positive ranks, the
    more its box counts.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        labels (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored.
        loc_errors (Tensor): Shape (P,), floating-point, one per positive in the order of
            ``logits``. ``E(i)``, such as (1 - IoU) / (1 - tau): 0 for a perfect box, 1 for one that
            is just good enough to be a positive.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.
        group (torch.distributed.ProcessGroup, optional): Processes that rank together, see
            ``Ranking``. The loss is that of all logits.

    Returns:
        tuple[Tensor, Tensor]: Scalars ``(loss_cls, loss_loc)``, 0 without positives. Each has the
        dtype of what its gradient reaches, but at least float32; gradients have the dtype of their
        input.

    Raises:
        ValueError: If shapes, dtypes, labels or delta are not as described, or if the number of
            localisation errors is not the number of positives, or an error is negative.
        NonFiniteLogitsError: If a logit is NaN or infinite.
        FloatingPointError: If a localisation error is NaN or infinite, or the logit of a positive
            is beyond 1e12 times delta, where its step is lost in rounding.
    """

    def pos_values(pos_inds: Tensor) -> dict[str, Tensor]:
        _check_loc_errors(loc_errors)
        return dict(loc_errors=loc_errors)

    ranking = Ranking(logits, labels, delta, group=group, pos_values=pos_values)
    return alrp_loss_from_ranking(ranking, ranking.pos_values['loc_errors'])


def alrp_loss_from_ranking(ranking: Ranking, loc_errors: Tensor) -> tuple[Tensor, Tensor]:
    """``alrp_loss`` of an existing ranking. Assumes that ``loc_errors`` are as described there.

    With a group, they are those of all processes: take them from ``Ranking.pos_values``.
    """
    constant_errors = to_float64(loc_errors)
    error = ranking.false_positives / ranking.rank
    lrp_error = error + ranking.sum_over_higher_positives(constant_errors) / ranking.rank
    gradient = ranking.errors_to_negatives(lrp_error)
    loss_cls = with_gradient(ranking.mean(error), ranking.logits, gradient)

    weights = cast_like(ranking.localisation_weights, loc_errors.to(loss_dtype(loc_errors)))
    return loss_cls, (weights * loc_errors).sum()


def _check_loc_errors(loc_errors: Tensor) -> None:
    if not loc_errors.is_floating_point():
        raise ValueError(f'loc_errors must be floating-point, got {loc_errors.dtype}')
    if loc_errors.numel() == 0:
        return
    low, high = torch.stack(loc_errors.detach().aminmax()).cpu().tolist()
    if not -float('inf') < low <= high < float('inf'):
        raise FloatingPointError(
            'loc_errors: a localisation error is NaN or infinite. Training has diverged, or a box '
            'is broken'
        )
    if low < -ROUNDING:
        raise ValueError(
            f'loc_errors must not be negative, got {low:g}: pass errors such as 1 - IoU, not IoUs '
            'or log-likelihoods'
        )
