from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking import rank_sort_loss_from_ranking

from .ranking_loss import RankedBatch, RankingLoss


@MODELS.register_module()
class RankSortLoss(RankingLoss):
    """Rank & Sort (RS) Loss (arXiv 2107.11669): positives above negatives, and sorted by their IoU.

    Boxes: the mean localisation loss, weighted by the highest class score of each positive, times
    ``(loss_rank + loss_sort) / loss_bbox`` of the same step, so that localisation always has the
    magnitude of classification. There is no state and nothing to tune.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 0.5.
        **kwargs: Further arguments of ``RankingLoss``. ``loss_weight`` scales all losses.

    Raises:
        ValueError: If ``delta`` is not positive.
    """

    needs_ious = True
    self_count = 0.5

    def __init__(self, delta: float = 0.5, **kwargs):
        super().__init__(delta, **kwargs)

    def losses(self, batch: RankedBatch) -> dict[str, Tensor]:
        """``loss_rank``, ``loss_sort`` and ``loss_bbox``."""
        loss_rank, loss_sort = rank_sort_loss_from_ranking(batch.ranking, batch.ious)
        weights = batch.pos_scores.amax(dim=1).to(batch.loc_losses.dtype)
        loss_bbox = (weights * batch.loc_losses).sum() / weights.sum().clamp(min=1e-10)
        # Bounded, so that a batch of nearly perfect boxes does not get a huge gradient.
        balance = (loss_rank + loss_sort).detach() / loss_bbox.detach().clamp(min=1e-3)
        return dict(
            loss_rank=self.loss_weight * loss_rank,
            loss_sort=self.loss_weight * loss_sort,
            loss_bbox=self.loss_weight * balance * loss_bbox,
        )
