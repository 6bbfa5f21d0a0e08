import torch
from mmdet.models import YOLACTHead
from mmdet.registry import MODELS
from torch import Tensor

from ..dense_ranking_head import AnchorRankingMixin, flatten_maps
from ..structures import Predictions


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

    def flatten(
        self, cls_scores: list[Tensor], bbox_preds: list[Tensor], coeff_preds: list[Tensor]
    ) -> tuple[Predictions, Tensor]:
        """Predictions of all anchors, and their mask coefficients, shape (A, num_protos).

        Args:
            cls_scores (list[Tensor]): Logits of each level, (N, priors * C, H, W).
            bbox_preds (list[Tensor]): Regressed boxes of each level, (N, priors * 4, H, W).
            coeff_preds (list[Tensor]): Mask coefficients of each level,
                (N, priors * num_protos, H, W).
        """
        return self._flatten(cls_scores, bbox_preds), flatten_maps(coeff_preds, self.num_protos)

    def level_targets(self, *args) -> tuple[list[Tensor], ...]:
        """See ``AnchorRankingMixin.level_targets``. With the object of each positive anchor."""
        labels, label_weights, boxes, _, _, gt_inds = self.get_targets(*args)
        return labels, label_weights, boxes, gt_inds

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
