from mmdet.models import RetinaHead
from mmdet.registry import MODELS

from ..dense_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPRetinaHead(AnchorRankingMixin, RetinaHead):
    """RetinaNet's head (arXiv 1708.02002), trained by one ranking over all anchors of the batch.

    Layers, parameter names and prediction are RetinaNet's, so the two heads can load each other's
    checkpoints.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or encoded boxes (False), as smooth L1 does.
        **kwargs: Arguments of ``RetinaHead``.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
    """
