from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking.ap import ap_components
from alrp.ranking.error_driven import Ranking

from .ranking_loss import RankingLoss


@MODELS.register_module()
class APLoss(RankingLoss):
    """AP Loss (arXiv 1904.06373) for classification; boxes have the mean of their own loss.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 1.
        interpolate (bool): Whether precision is interpolated, as published. Defaults to True.
        **kwargs: Further arguments of ``RankingLoss``. Its ``loss_weight`` is that of
            classification; localisation is weighted by ``loss_bbox.loss_weight``.

    Raises:
        ValueError: If ``delta`` is not positive.
    """

    def __init__(self, delta: float = 1.0, interpolate: bool = True, **kwargs):
        super().__init__(delta, **kwargs)
        self.interpolate = interpolate

    def components(self, ranking: Ranking, logits: Tensor, loc_losses: Tensor) -> dict[str, Tensor]:
        loss_cls = ap_components(logits, ranking, self.interpolate)
        loss_bbox = loc_losses.sum() / max(len(ranking), 1)
        return dict(loss_cls=self.loss_weight * loss_cls, loss_bbox=loss_bbox)
