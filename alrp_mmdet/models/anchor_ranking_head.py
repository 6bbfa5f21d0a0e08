"""What detection heads on anchors share when they are trained by ranking."""

from collections.abc import Iterable

import torch
from mmdet.models import AnchorHead
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

from .ranking_head import RankingHeadMixin

Level = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class AnchorRankingMixin(RankingHeadMixin):
    """Makes a head on anchors train with one ranking over all anchors of the batch.

    Stands before the head's own class. Targets are those of MMDetection's ``AnchorHead``.

    Args:
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or their encoding by ``bbox_coder`` (False), such as smooth L1 does.
        **kwargs: Arguments of ``RankingHeadMixin`` and of the head.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """

    def __init__(self, *args, reg_decoded_bbox: bool = True, **kwargs):
        super().__init__(*args, reg_decoded_bbox=reg_decoded_bbox, **kwargs)

    def loss_by_feat(self, *args, **kwargs) -> dict[str, Tensor]:
        """Losses of a batch. Takes what ``AnchorHead.loss_by_feat`` takes.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.loss_by_ranking``.
        """
        # AnchorHead assigns targets and hands them, level by level, to loss_by_feat_single, which
        # passes them on: a ranking needs all levels at once. Not `super()`, because heads like
        # RPNHead would already name the losses.
        levels = AnchorHead.loss_by_feat(self, *args, **kwargs)
        return self.loss_by_levels(
            (*ranked, *located)
            for ranked, located in zip(levels['loss_cls'], levels['loss_bbox'], strict=True)
        )

    def loss_by_feat_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        avg_factor: int,
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        """What one level contributes, in the two parts that ``AnchorHead`` expects."""
        level = self.flatten_level(
            cls_score, bbox_pred, anchors, labels, label_weights, bbox_targets
        )
        return level[:2], level[2:]

    def flatten_level(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
    ) -> Level:
        """Line up the anchors of one level: images first, classes or coordinates last.

        Args:
            cls_score (Tensor): Shape (N, anchors * C, H, W).
            bbox_pred (Tensor): Shape (N, anchors * 4, H, W).
            anchors (Tensor): Shape (N, H * W * anchors, 4).
            labels (Tensor): Shape (N, H * W * anchors).
            label_weights (Tensor): Shape (N, H * W * anchors), zero for what is ignored.
            bbox_targets (Tensor): Shape (N, H * W * anchors, 4).

        Returns:
            tuple: Logits (A, C), labels (A,) with -1 for what is ignored, predictions, anchors and
            targets, (A, 4) each.
        """
        cls_score = cls_score.permute(0, 2, 3, 1).reshape(-1, self.cls_out_channels)
        bbox_pred = bbox_pred.permute(0, 2, 3, 1).reshape(-1, self.bbox_coder.encode_size)
        labels = labels.masked_fill(label_weights == 0, -1).flatten()
        return cls_score, labels, bbox_pred, anchors.flatten(0, 1), bbox_targets.flatten(0, 1)

    def loss_by_levels(self, levels: Iterable[Level]) -> dict[str, Tensor]:
        """Losses of a batch from the flattened levels, see ``flatten_level``."""
        cls_scores, labels, bbox_preds, anchors, bbox_targets = map(torch.cat, zip(*levels))

        def boxes_of(pos_inds: Tensor) -> tuple[Tensor, Tensor]:
            preds = bbox_preds[pos_inds].float()
            if self.reg_decoded_bbox:
                preds = get_box_tensor(self.bbox_coder.decode(anchors[pos_inds], preds))
            return preds, bbox_targets[pos_inds]

        return self.loss_by_ranking(cls_scores, labels, boxes_of)
