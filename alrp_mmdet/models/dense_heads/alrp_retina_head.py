from mmdet.models import RetinaHead
from mmdet.registry import MODELS

from ..anchor_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPRetinaHead(AnchorRankingMixin, RetinaHead):
    """RetinaNet's head (arXiv 1708.02002), trained by one ranking over all anchors of the batch.

    It has RetinaNet's layers and parameter names, so that checkpoints of either head fit the other.
    Prediction is RetinaNet's.

    Args:
        loss_cls (dict): Config of ``aLRPLoss`` (the default) or ``APLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or their encoding by ``bbox_coder`` (False), such as smooth L1 does.
        **kwargs: Arguments of ``RetinaHead``.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """
