"""What the ranking-based loss modules have in common."""

import torch.nn.functional as F
from torch import Tensor, nn

from alrp.ranking.alrp import localisation_weights
from alrp.ranking.error_driven import Ranking
from alrp.ranking.step_sums import check_delta


class RankingLoss(nn.Module):
    """A loss of one ranking over all logits, and of the positives' boxes with it.

    Subclasses implement ``components``. Unlike MMDetection's classification losses, a ranking-based
    loss has no sum over single logits: no ``weight``, no ``avg_factor``, no ``reduction``.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits.
        loss_weight (float): Weight of the classification loss.
        use_sigmoid (bool): Always True: there is one logit per class and none for the background.
            Here because MMDetection's heads look for it in the config.

    Raises:
        ValueError: If ``delta`` is not positive or ``use_sigmoid`` is False.
    """

    # Have MMDetection's box heads, and the cascades of them, call the two methods below.
    custom_cls_channels = True
    custom_activation = True

    def __init__(self, delta: float = 1.0, loss_weight: float = 1.0, use_sigmoid: bool = True):
        super().__init__()
        check_delta(delta)
        if not use_sigmoid:
            raise ValueError(
                f'{type(self).__name__} ranks one logit per class: leave use_sigmoid at True'
            )
        self.delta = delta
        self.loss_weight = loss_weight

    def forward(
        self, logits: Tensor, labels: Tensor, loc_losses: Tensor, ious: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            logits (Tensor): Shape (M,), every logit of the batch, any floating-point dtype.
            labels (Tensor): Shape (M,), integer: 1 positive, 0 negative, -1 ignored.
            loc_losses (Tensor): Shape (P,), localisation loss of each positive, in the order in
                which the positives stand in ``logits``.
            ious (Tensor, optional): Shape (P,), IoU of each positive's box, to be logged.

        Returns:
            dict[str, Tensor]: Scalars: ``loss_cls`` and ``loss_bbox``, to be minimised, and for the
            log ``num_pos`` and, given ``ious``, ``ranked_iou``: their mean, the positives at the
            top of the ranking counting more.
        """
        ranking = Ranking(logits, labels, self.delta)
        results = self.components(ranking, logits, loc_losses)
        results['num_pos'] = logits.new_tensor(len(ranking), dtype=loc_losses.dtype)
        if ious is not None:
            weights = localisation_weights(ranking)
            results['ranked_iou'] = (weights * ious).sum() / weights.sum().clamp(min=1e-12)
        return results

    def get_cls_channels(self, num_classes: int) -> int:
        """Number of logits of a RoI: none for the background."""
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores of RoIs for ``BBoxHead``, which expects the background's in a last column.

        Args:
            cls_score (Tensor): Shape (R, C), logits.

        Returns:
            Tensor: Shape (R, C + 1), scores in [0, 1], the last column zero.
        """
        return F.pad(cls_score.sigmoid(), (0, 1))

    def components(self, ranking: Ranking, logits: Tensor, loc_losses: Tensor) -> dict[str, Tensor]:
        """``loss_cls``, ``loss_bbox`` and what else is to be logged of a ranked batch."""
        raise NotImplementedError
