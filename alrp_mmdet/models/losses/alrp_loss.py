from numbers import Real

from mmdet.registry import MODELS
from torch import Tensor

from alrp.ranking import alrp_loss_from_ranking
from alrp.ranking.devices import cast_like
from alrp.ranking.step_sums import check_positive

from .ranking_loss import RankedBatch, RankingLoss


@MODELS.register_module()
class aLRPLoss(RankingLoss):  # noqa: N801 - the paper's spelling
    """aLRP Loss (arXiv 2009.13592): classification and localisation by one ranking.

    The localisation error of a positive is its localisation loss, scaled to [0, 1], over
    ``1 - tau``. Masks are weighted like boxes: the higher a positive ranks, the more its mask
    counts.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 1.
        tau (float): The lowest IoU of a positive, in [0, 1): that of the assigner. Defaults to 0.5.
        self_balance (dict, optional): Config of the module that weights localisation against
            classification. It takes both losses, unweighted, and returns the weight of
            localisation. ``type`` defaults to ``SelfBalance``.
        bbox_weight (float): Multiplies that weight for boxes, > 0. Defaults to 1, as published. A
            higher one can help if objects are easy to classify.
        **kwargs: Further arguments of ``RankingLoss``. ``loss_weight`` scales both losses.

    Raises:
        ValueError: If ``delta`` or ``bbox_weight`` is not positive, or ``tau`` is not in [0, 1).
    """

    needs_bounded_boxes = True
    balances = True

    def __init__(
        self,
        delta: float = 1.0,
        tau: float = 0.5,
        self_balance: dict | None = None,
        bbox_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(delta, **kwargs)
        check_positive('bbox_weight', bbox_weight)
        if not isinstance(tau, Real) or not 0 <= tau < 1:
            raise ValueError(f'tau, the lowest IoU of a positive, must be in [0, 1), got {tau!r}')
        self.tau = tau
        self.bbox_weight = bbox_weight
        self.self_balance = MODELS.build({'type': 'SelfBalance', **(self_balance or {})})

    def losses(self, batch: RankedBatch) -> dict[str, Tensor]:
        """See ``RankingLoss.losses``. Logs the weight of localisation as ``self_balance``."""
        loc_errors = batch.loc_losses / (1 - self.tau)
        loss_cls, loss_loc = alrp_loss_from_ranking(batch.ranking, loc_errors)
        weight = self.self_balance(loss_cls, loss_loc)
        results = dict(
            loss_cls=self.loss_weight * loss_cls,
            loss_bbox=self.loss_weight * self.bbox_weight * weight * loss_loc,
            self_balance=weight,
        )
        if batch.mask_losses is not None:
            masks = batch.mask_losses
            all_weights = cast_like(batch.ranking.localisation_weights, masks.losses)
            weights = all_weights[masks.inds]
            # A sample of the masks has the weight of all.
            weights = weights * (all_weights.sum() / weights.sum().clamp(min=1e-10))
            results['loss_mask'] = self.loss_weight * weight * (weights * masks.losses).sum()
        return results
