"""What detection heads on anchors share when they are trained by ranking."""

import torch
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import InstanceList, OptInstanceList
from torch import Tensor

from .ranking_head import RankingHeadMixin


class AnchorRankingMixin(RankingHeadMixin):
    """Makes a head on anchors train with one ranking over all anchors of the batch.

    Stands before the head's own class, an ``AnchorHead`` of MMDetection, whose targets it takes.

    Args:
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or their encoding by ``bbox_coder`` (False), such as smooth L1 does.
        **kwargs: Arguments of ``RankingHeadMixin`` and of the head.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """

    def __init__(self, *args, reg_decoded_bbox: bool = True, **kwargs):
        super().__init__(*args, reg_decoded_bbox=reg_decoded_bbox, **kwargs)

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            cls_scores (list[Tensor]): Logits of each level, (N, anchors * C, H, W).
            bbox_preds (list[Tensor]): Box predictions of each level, (N, anchors * 4, H, W).
            batch_gt_instances (list[InstanceData]): Objects of each image.
            batch_img_metas (list[dict]): What is known of each image.
            batch_gt_instances_ignore (list[InstanceData], optional): What is to be ignored.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.loss_by_ranking``.
        """
        anchors, valid_flags = self.get_anchors(
            [x.shape[-2:] for x in cls_scores], batch_img_metas, device=cls_scores[0].device
        )
        targets = self.level_targets(
            anchors, valid_flags, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )
        levels = map(self._flatten_level, cls_scores, bbox_preds, *targets)
        cls_scores, bbox_preds, anchors, labels, bbox_targets = map(torch.cat, zip(*levels))

        def boxes_of(pos_inds: Tensor) -> tuple[Tensor, Tensor]:
            preds = bbox_preds[pos_inds].float()
            if self.reg_decoded_bbox:
                preds = get_box_tensor(self.bbox_coder.decode(anchors[pos_inds], preds))
            return preds, bbox_targets[pos_inds]

        return self.loss_by_ranking(cls_scores, labels, boxes_of)

    def level_targets(self, anchors: list[list[Tensor]], *args) -> tuple[list[Tensor], ...]:
        """What ``get_targets`` of ``AnchorHead`` makes of its arguments, and the anchors with it.

        Returns:
            tuple: Lists over levels: anchors (N, A, 4), labels (N, A), label weights (N, A), zero
            for what is ignored, box targets (N, A, 4).
        """
        level_anchors = [torch.stack([get_box_tensor(x) for x in level]) for level in zip(*anchors)]
        labels, label_weights, bbox_targets, *_ = self.get_targets(anchors, *args)
        return level_anchors, labels, label_weights, bbox_targets

    def _flatten_level(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
    ) -> tuple[Tensor, ...]:
        """Line up the anchors of a level, images first: logits (A, C), predicted boxes (A, 4),
        anchors (A, 4), labels (A,) with -1 for what is ignored, box targets (A, 4)."""
        return (
            cls_score.permute(0, 2, 3, 1).reshape(-1, self.cls_out_channels),
            bbox_pred.permute(0, 2, 3, 1).reshape(-1, self.bbox_coder.encode_size),
            anchors.flatten(0, 1),
            labels.masked_fill(label_weights == 0, -1).flatten(),
            bbox_targets.flatten(0, 1),
        )
