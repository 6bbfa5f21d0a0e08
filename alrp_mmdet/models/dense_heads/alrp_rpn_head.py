from mmdet.models import RPNHead
from mmdet.registry import MODELS

from ..dense_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPRPNHead(AnchorRankingMixin, RPNHead):
    """Region proposal network, trained by one ranking over all anchors of the batch.

    First stage of aLRP Faster R-CNN (arXiv 2009.13592, Section 5 and supplement): one class, no
    sampling of anchors, and a self-balance that is independent of the second stage. Layers and
    prediction are those of ``RPNHead``. The names of its losses and logged values start with
    ``rpn_``.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss`` with ``tau`` 0.7, the
            lowest IoU of a positive anchor, and ``loss_weight`` 0.2.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes. Defaults to True.
        **kwargs: Arguments of ``RPNHead``.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
    """

    loss_prefix = 'rpn_'

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss', tau=0.7, loss_weight=0.2),  # noqa: B006
        **kwargs,
    ):
        super().__init__(*args, loss_cls=loss_cls, **kwargs)
