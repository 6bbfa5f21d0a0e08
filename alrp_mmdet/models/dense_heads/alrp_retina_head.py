import torch
from mmdet.models import RetinaHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

from ..ranking_head import RankingHeadMixin


@MODELS.register_module()
class ALRPRetinaHead(RankingHeadMixin, RetinaHead):
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

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss'),  # noqa: B006 - as MMDetection writes defaults
        loss_bbox: dict = dict(type='GIoULoss'),  # noqa: B006
        reg_decoded_bbox: bool = True,
        **kwargs,
    ):
        super().__init__(
            *args,
            loss_cls=loss_cls,
            loss_bbox=loss_bbox,
            reg_decoded_bbox=reg_decoded_bbox,
            **kwargs,
        )
        if self.compares_boxes != self.reg_decoded_bbox:
            raise ValueError(
                f'{type(self.loss_bbox).__name__} compares '
                f'{"boxes" if self.compares_boxes else "encoded boxes"}: set '
                f'reg_decoded_bbox={self.compares_boxes}'
            )

    def loss_by_feat(self, *args, **kwargs) -> dict[str, Tensor]:
        """Losses of a batch. Takes what ``AnchorHead.loss_by_feat`` takes.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.loss_by_ranking``.
        """
        # AnchorHead assigns targets and hands them, level by level, to loss_by_feat_single; which
        # passes them on, because a ranking needs all levels at once.
        levels = super().loss_by_feat(*args, **kwargs)
        cls_scores, labels = (torch.cat(tensors) for tensors in zip(*levels['loss_cls']))
        bbox_preds, anchors, bbox_targets = (torch.cat(x) for x in zip(*levels['loss_bbox']))

        def boxes_of(pos_inds: Tensor) -> tuple[Tensor, Tensor]:
            preds = bbox_preds[pos_inds].float()
            if self.reg_decoded_bbox:
                preds = get_box_tensor(self.bbox_coder.decode(anchors[pos_inds], preds))
            return preds, bbox_targets[pos_inds]

        return self.loss_by_ranking(cls_scores, labels, boxes_of)

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
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Flatten one level: priors of all images come first, classes or coordinates last.

        Returns:
            tuple: What takes part in the ranking, ``(cls_scores, labels)`` of shapes (A, C) and
            (A,), with label -1 for what the assigner ignores, and what takes part in localisation,
            ``(bbox_preds, anchors, bbox_targets)``, each of shape (A, 4).
        """
        cls_score = cls_score.permute(0, 2, 3, 1).reshape(-1, self.cls_out_channels)
        bbox_pred = bbox_pred.permute(0, 2, 3, 1).reshape(-1, self.bbox_coder.encode_size)
        labels = labels.masked_fill(label_weights == 0, -1).flatten()
        anchors, bbox_targets = anchors.flatten(0, 1), bbox_targets.flatten(0, 1)
        return (cls_score, labels), (bbox_pred, anchors, bbox_targets)
