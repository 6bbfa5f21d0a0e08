from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking import ap_loss_from_ranking

from .ranking_loss import RankedBatch, RankingLoss


@MODELS.register_module()
class APLoss(RankingLoss):
    """AP Loss (arXiv 1904.06373) for classification, and the mean localisation loss for boxes.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 1.
        interpolate (bool): Whether to interpolate precision, as published. Defaults to True.
        **kwargs: Further arguments of ``RankingLoss``. ``loss_weight`` scales classification;
            ``loss_bbox.loss_weight`` scales localisation.

    Raises:
        ValueError: If ``delta`` is not positive.
    """

    def __init__(self, delta: float = 1.0, interpolate: bool = True, **kwargs):
        super().__init__(delta, **kwargs)
        self.interpolate = interpolate

    def losses(self, batch: RankedBatch) -> dict[str, Tensor]:
        """See ``RankingLoss.losses``."""
        loss_cls = ap_loss_from_ranking(batch.ranking, self.interpolate)
        loss_bbox = batch.loc_losses.sum() / max(len(batch.ranking), 1)
        return dict(loss_cls=self.loss_weight * loss_cls, loss_bbox=loss_bbox)
