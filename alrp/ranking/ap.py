"""AP Loss (Chen et al., arXiv 1904.06373), in the error-driven form of arXiv 2009.13592."""

import torch.distributed as dist
from torch import Tensor

from .compiling import outside_of_graphs
from .devices import to_ranking_device
from .ranking import Ranking
from .with_gradient import with_gradient


@outside_of_graphs
def ap_loss(
    logits: Tensor,
    labels: Tensor,
    delta: float = 1.0,
    interpolate: bool = True,
    group: 'dist.ProcessGroup | None' = None,
) -> Tensor:
    """One minus the (smoothed) average precision of a ranking.

    The error of positive i is one minus its precision, ``l(i) = FP(i) / rank(i)``. Interpolated
    precision is the best precision of all positives that score no higher.

    Args:
        logits (Tensor): Shape (M,), any floating-point dtype.
        labels (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.
        interpolate (bool): Whether to interpolate precision, as the published loss does.
        group (torch.distributed.ProcessGroup, optional): Processes that rank together, see
            ``Ranking``. The loss is that of all logits.

    Returns:
        Tensor: Scalar in [0, 1], 0 without positives. In the dtype of the logits, but at least
        float32; the gradient of the logits has their dtype.

    Raises:
        ValueError: If shapes, dtypes, labels or delta are not as described.
        NonFiniteLogitsError: If a logit is NaN or infinite.
        FloatingPointError: If the logit of a positive is beyond 1e12 times delta, where its step is
            lost in rounding.
    """
    return ap_loss_from_ranking(Ranking(logits, labels, delta, group=group), interpolate)


def ap_loss_from_ranking(ranking: Ranking, interpolate: bool = True) -> Tensor:
    """``ap_loss`` of an existing ranking."""
    error = ranking.false_positives / ranking.rank
    if interpolate and len(ranking) > 0:
        ascending = to_ranking_device(ranking.pos_logits).argsort(stable=True)
        error[ascending] = 1 - (1 - error[ascending]).cummax(0).values
    return with_gradient(ranking.mean(error), ranking.logits, ranking.errors_to_negatives(error))
