from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking import rank_sort_loss_from_ranking
from alrp.ranking.step_sums import check_positive

from .ranking_loss import RankedBatch, RankingLoss


@MODELS.register_module()
class RankSortLoss(RankingLoss):
    """Rank & Sort (RS) Loss (arXiv 2107.11669): positives above negatives, and sorted by their IoU.

    Boxes: the mean localisation loss, weighted by the highest class score of each positive, times
    ``(loss_rank + loss_sort) / loss_bbox`` of the same step, so that localisation always has the
    magnitude of classification. Masks: likewise. There is no state, and the published recipes tune
    nothing.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 0.5.
        bbox_weight (float): Magnitude of the loss of boxes, relative to that of classification,
            > 0. Defaults to 1, as published. A higher one can help if objects are easy to classify.
        **kwargs: Further arguments of ``RankingLoss``. ``loss_weight`` scales all losses.

    Raises:
        ValueError: If ``delta`` or ``bbox_weight`` is not positive.
    """

    needs_ious = True
    balances = True
    self_count = 0.5

    def __init__(self, delta: float = 0.5, bbox_weight: float = 1.0, **kwargs):
        super().__init__(delta, **kwargs)
        check_positive('bbox_weight', bbox_weight)
        self.bbox_weight = bbox_weight

    def losses(self, batch: RankedBatch) -> dict[str, Tensor]:
        """``loss_rank``, ``loss_sort``, ``loss_bbox`` and, with masks, ``loss_mask``."""
        loss_rank, loss_sort = rank_sort_loss_from_ranking(batch.ranking, batch.ious)
        magnitude = (loss_rank + loss_sort).detach()
        scores = batch.pos_scores
        results = dict(
            loss_rank=loss_rank,
            loss_sort=loss_sort,
            loss_bbox=self.bbox_weight * _balanced(batch.loc_losses, scores, magnitude),
        )
        if batch.mask_losses is not None:
            masks = batch.mask_losses
            results['loss_mask'] = _balanced(masks.losses, scores[masks.inds], magnitude)
        return {name: self.loss_weight * value for name, value in results.items()}


def _balanced(losses: Tensor, weights: Tensor, magnitude: Tensor) -> Tensor:
    """The weighted mean of losses, scaled to a magnitude."""
    weights = weights.to(losses.dtype)
    mean = (weights * losses).sum() / weights.sum().clamp(min=1e-10)
    # Bounded, so that a batch of nearly perfect boxes does not get a huge gradient.
    return magnitude / mean.detach().clamp(min=1e-3) * mean
