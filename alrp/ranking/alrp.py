"""aLRP Loss (Oksuz et al., NeurIPS 2020, arXiv 2009.13592)."""

import torch
from torch import Tensor

from .error_driven import Ranking, error_driven_loss, loss_dtype


def alrp_loss(
    logits: Tensor, labels: Tensor, loc_errors: Tensor, delta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Average Localisation-Recall-Precision Loss, in its two components (Section 4).

    The LRP error of positive i counts the negatives above it as one each, and the positives above
    it, itself included, by how badly they are localised, over its rank. Their mean is a
    classification component (the negatives, one minus average precision) plus a localisation
    component::

        loss_cls = 1/P sum_i FP(i) / rank(i)
        loss_loc = 1/P sum_i 1/rank(i) sum_{k: s_k >= s_i} E(k)

    The gradient of ``loss_cls`` reaches the logits only; it is driven by the whole LRP error, so
    that a well-localised positive is ranked above a badly localised one. The gradient of
    ``loss_loc`` reaches the localisation errors only: the higher a positive ranks, the more its box
    counts.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        labels (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored.
        loc_errors (Tensor): Shape (P,), floating-point, one per positive in the order in which they
            stand in ``logits``. ``E(i)``, such as (1 - IoU) / (1 - tau): 0 for a perfect box, 1 for
            one that is just good enough to be a positive.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.

    Returns:
        tuple[Tensor, Tensor]: Scalars ``(loss_cls, loss_loc)``, zero without positives. Each in the
        dtype of what its gradient reaches, but at least float32; gradients in their input's dtype.

    Raises:
        ValueError: If shapes, dtypes, labels or delta are not as described, or if there is not one
            localisation error per positive.
        NonFiniteLogitsError: If a logit is NaN or infinite.
        FloatingPointError: If a localisation error is NaN or infinite.
    """
    return alrp_components(logits, Ranking(logits, labels, delta), loc_errors)


def alrp_components(logits: Tensor, ranking: Ranking, loc_errors: Tensor) -> tuple[Tensor, Tensor]:
    """``alrp_loss`` of logits that have been ranked already."""
    _check_loc_errors(loc_errors, len(ranking))
    constant_errors = loc_errors.detach().double()
    error = ranking.false_positives / ranking.rank
    lrp_error = error + ranking.over_better_positives(constant_errors) / ranking.rank
    loss_cls = error_driven_loss(logits, ranking, error, lrp_error)

    weights = localisation_weights(ranking).to(loss_dtype(loc_errors))
    return loss_cls, (weights * loc_errors).sum()


def localisation_weights(ranking: Ranking) -> Tensor:
    """What each positive's localisation error counts in ``loss_loc``. Shape (P,), float64.

    Sorted the other way round, the double sum of ``loss_loc`` gives positive k the weight
    ``1/P sum_{i: s_i <= s_k} 1/rank(i)``. Among equal scores any order is as good as another;
    taking the mean over all makes the loss independent of the order of its input.
    """
    inverse_rank = 1 / ranking.rank
    ascending, order = ranking.pos_logits.sort()
    running_sum = torch.cat([inverse_rank.new_zeros(1), inverse_rank[order].cumsum(0)])
    below = running_sum[torch.searchsorted(ascending, ranking.pos_logits)]
    up_to = running_sum[torch.searchsorted(ascending, ranking.pos_logits, right=True)]
    # Half of the others with the same score stand below, and k itself always counts.
    return (below + up_to + inverse_rank) / (2 * max(len(ranking), 1))


def _check_loc_errors(loc_errors: Tensor, num_pos: int) -> None:
    if loc_errors.shape != (num_pos,):
        raise ValueError(
            f'one localisation error per positive is needed: there are {num_pos} positives, but '
            f'loc_errors has the shape {tuple(loc_errors.shape)}'
        )
    if not loc_errors.is_floating_point():
        raise ValueError(f'loc_errors must be floating-point, but are {loc_errors.dtype}')
    if not loc_errors.isfinite().all():
        raise FloatingPointError(
            'a localisation error is NaN or infinite: training has diverged, or a box is broken'
        )
