import torch
from mmdet.models import YOLACTHead
from mmdet.registry import MODELS
from torch import Tensor

from ..dense_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPYOLACTHead(AnchorRankingMixin, YOLACTHead):
    """YOLACT's box head (arXiv 1904.02689), trained by one ranking over all anchors of the batch.

    There is no hard example mining. The detector must be ``ALRPYOLACT``, which passes the losses of
    the masks to the ranking. Layers and prediction are YOLACT's.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes. Defaults to True.
        **kwargs: Arguments of ``YOLACTHead``. ``use_ohem`` has no effect.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
    """

    def level_targets(self, *args) -> dict[str, list[Tensor]]:
        """See ``AnchorRankingMixin.level_targets``. Adds ``gt_inds``."""
        labels, label_weights, boxes, _, _, gt_inds = self.get_targets(*args)
        return dict(labels=labels, label_weights=label_weights, boxes=boxes, gt_inds=gt_inds)

    def _get_targets_single(self, *args, **kwargs) -> tuple:
        """As in ``AnchorHead``, and the object of each positive anchor."""
        results = super()._get_targets_single(*args, **kwargs)
        labels, sampling_result = results[0], results[6]
        gt_inds = torch.full_like(labels, -1)
        # Both in the order of the anchors.
        gt_inds[labels < self.num_classes] = sampling_result.pos_assigned_gt_inds
        return (*results, gt_inds)

    def loss_by_feat(self, *args, **kwargs):
        """Not supported: boxes and masks are ranked together."""
        raise ValueError(
            f"{type(self).__name__} needs the detector type='ALRPYOLACT', which ranks boxes and "
            'masks together'
        )
