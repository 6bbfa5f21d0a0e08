from mmdet.models import RPNHead
from mmdet.registry import MODELS
from torch import Tensor

from ..anchor_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPRPNHead(AnchorRankingMixin, RPNHead):
    """Region proposal network, trained by one ranking over all anchors of the batch.

    First stage of aLRP Faster R-CNN (arXiv 2009.13592, Section 5 and supplement): one class, no
    sampling of anchors. Its ranking and its self-balance are its own. Layers and prediction are
    those of ``RPNHead``.

    Args:
        loss_cls (dict): Config of ``aLRPLoss`` or ``APLoss``. Defaults to ``aLRPLoss`` with ``tau``
            0.7, the least IoU of a positive anchor, and ``loss_weight`` 0.2.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes. Defaults to True.
        **kwargs: Arguments of ``RPNHead``.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss', tau=0.7, loss_weight=0.2),  # noqa: B006
        **kwargs,
    ):
        super().__init__(*args, loss_cls=loss_cls, **kwargs)

    def loss_by_feat(self, *args, **kwargs) -> dict[str, Tensor]:
        """Losses of a batch. Takes what ``AnchorRankingMixin.loss_by_feat`` takes.

        Returns:
            dict[str, Tensor]: Scalars, as of the other heads, named apart from those of the second
            stage: ``loss_rpn_cls``, ``loss_rpn_bbox``, ``rpn_num_pos``, ``rpn_self_balance`` ...
        """
        results = super().loss_by_feat(*args, **kwargs)
        return {
            name.replace('loss_', 'loss_rpn_') if name.startswith('loss_') else f'rpn_{name}': value
            for name, value in results.items()
        }
