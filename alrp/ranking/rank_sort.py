"""RS Loss (Rank & Sort Loss, Oksuz et al., ICCV 2021, arXiv 2107.11669)."""

import torch
import torch.distributed as dist
from torch import Tensor

from .compiling import outside_of_graphs
from .devices import to_float64
from .labels import Labels
from .ranking import Ranking
from .with_gradient import with_gradients

SELF_COUNT = 0.5  # a positive counts H(0) in its own rank
EPS = 1e-10


@outside_of_graphs
def rank_sort_loss(
    logits: Tensor,
    targets: Tensor,
    delta: float = 0.5,
    group: 'dist.ProcessGroup | None' = None,
) -> tuple[Tensor, Tensor]:
    """Rank & Sort Loss: positives above negatives, and positives in the order of their targets.

    The ranking error of positive i is one minus its precision, ``FP(i) / rank(i)``. Its current
    sorting error is the mean of ``1 - target`` over the positives above it, itself included; its
    target sorting error is that mean over those whose target is not lower (Section 3)::

        loss_rank = 1/P sum_i FP(i) / rank(i)
        loss_sort = 1/P sum_i (current - target sorting error of i)

    Ranking errors are distributed to negatives, sorting errors to positives of lower target. Each
    loss has the gradient of its own part.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        targets (Tensor): Shape (M,), floating-point: in (0, 1] for positives, such as the IoU of
            the predicted box; 0 for negatives, -1 for ignored logits. Treated as constant.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.
        group (torch.distributed.ProcessGroup, optional): Processes that rank together, see
            ``Ranking``. The loss is that of all logits.

    Returns:
        tuple[Tensor, Tensor]: Scalars ``(loss_rank, loss_sort)``, 0 without positives. In the dtype
        of the logits, but at least float32; the gradient of the logits has their dtype.

    Raises:
        ValueError: If shapes, dtypes, targets or delta are not as described.
        NonFiniteLogitsError: If a logit is NaN or infinite.
        FloatingPointError: If a target is NaN or infinite, or the logit of a positive is beyond
            1e12 times delta, where its step is lost in rounding.
    """
    targets = targets.detach()

    def pos_values(pos_inds: Tensor) -> dict[str, Tensor]:
        _check_targets(targets)
        return dict(targets=targets[pos_inds])

    ranking = Ranking(logits, Labels(targets, soft=True), delta, SELF_COUNT, group, pos_values)
    return rank_sort_loss_from_ranking(ranking, ranking.pos_values['targets'])


def rank_sort_loss_from_ranking(ranking: Ranking, pos_targets: Tensor) -> tuple[Tensor, Tensor]:
    """``rank_sort_loss`` of an existing ranking.

    Args:
        ranking (Ranking): Ranking of the logits. Its ``self_count`` must be 0.5.
        pos_targets (Tensor): Shape (P,), floating-point: target of each positive, in [0, 1]; not
            checked.

    Raises:
        ValueError: If there is not one target per positive, or if ``self_count`` is not 0.5.
    """
    if pos_targets.shape != (len(ranking),):
        raise ValueError(
            f'expected one target per positive, shape ({len(ranking)},), got pos_targets of shape '
            f'{tuple(pos_targets.shape)}'
        )
    if ranking.self_count != SELF_COUNT:
        raise ValueError(f'RS Loss needs a ranking with self_count=0.5, got {ranking.self_count}')
    ranking_error = ranking.false_positives / ranking.rank
    rank_grad = ranking.errors_to_negatives(ranking_error, EPS)

    residual = 1 - to_float64(pos_targets)
    sum_above = ranking.sum_over_higher_positives(residual) + SELF_COUNT * residual
    count_lower, sum_lower = ranking.sum_over_lower_targets(
        pos_targets, torch.stack([torch.ones_like(residual), residual])
    )
    target_error = (sum_above - sum_lower) / (ranking.pos_rank - count_lower)
    sorting_error = sum_above / ranking.pos_rank - target_error
    sort_grad = ranking.errors_to_positives(sorting_error, pos_targets, count_lower, EPS)
    loss_rank, loss_sort = with_gradients(
        [ranking.mean(ranking_error), ranking.mean(sorting_error)],
        ranking.logits,
        [rank_grad, sort_grad],
    )
    return loss_rank, loss_sort


def _check_targets(targets: Tensor) -> None:
    if not targets.is_floating_point():
        raise ValueError(f'targets must be floating-point, got {targets.dtype}')
    if targets.numel() == 0:
        return
    low, high = targets.aminmax()
    wrong = ((targets < 0) & (targets != -1)) | (targets > 1)
    low, high, is_wrong = torch.stack([low, high, wrong.any().to(low.dtype)]).cpu().tolist()
    if not -float('inf') < low <= high < float('inf'):
        raise FloatingPointError('targets: a target is NaN or infinite')
    if is_wrong:
        index = int(wrong.nonzero()[0, 0])
        raise ValueError(
            'targets must be in (0, 1] (positive), 0 (negative) or -1 (ignored), got '
            f'{targets[index].item():g} at index {index}'
        )
