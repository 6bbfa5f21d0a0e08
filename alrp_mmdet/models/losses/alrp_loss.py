from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking.alrp import alrp_components
from alrp.ranking.error_driven import Ranking

from .ranking_loss import RankingLoss
from .self_balance import SelfBalance


@MODELS.register_module()
class aLRPLoss(RankingLoss):  # noqa: N801 - the paper's spelling
    """aLRP Loss (arXiv 2009.13592): classification and localisation by one ranking.

    A positive's localisation error is its loss over the largest value of that loss, over
    ``1 - tau``. Localisation is weighted by self-balance, not by hand.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 1.
        tau (float): The least IoU of a positive, in [0, 1): that of the assigner. Defaults to 0.5.
        loc_range (float): Largest value of the localisation loss: 2 for GIoU, 1 for linear IoU.
            Defaults to 2; the heads set it according to their ``loss_bbox``.
        self_balance (dict): Arguments of ``SelfBalance``. Defaults to none: start at 50, update
            after each epoch.
        **kwargs: Further arguments of ``RankingLoss``. Its ``loss_weight`` is that of both losses.

    Raises:
        ValueError: If ``delta`` is not positive, ``tau`` is not in [0, 1) or ``loc_range`` is not
            positive.
    """

    def __init__(
        self,
        delta: float = 1.0,
        tau: float = 0.5,
        loc_range: float = 2.0,
        self_balance: dict | None = None,
        **kwargs,
    ):
        super().__init__(delta, **kwargs)
        if not 0 <= tau < 1:
            raise ValueError(f'tau, the least IoU of a positive, must be in [0, 1), but is {tau}')
        if not loc_range > 0:
            raise ValueError(f'loc_range must be positive, but is {loc_range}')
        self.tau = tau
        self.loc_range = loc_range
        self.self_balance = SelfBalance(**(self_balance or {}))

    def components(self, ranking: Ranking, logits: Tensor, loc_losses: Tensor) -> dict[str, Tensor]:
        loc_errors = loc_losses / (self.loc_range * (1 - self.tau))
        loss_cls, loss_loc = alrp_components(logits, ranking, loc_errors)
        weight = self.self_balance(loss_cls, loss_loc)
        return dict(
            loss_cls=self.loss_weight * loss_cls,
            loss_bbox=self.loss_weight * weight * loss_loc,
            self_balance=weight,
        )
