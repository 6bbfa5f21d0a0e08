"""Dense heads trained by ranking: a detector only has to say how it assigns its priors."""

import torch
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import InstanceList, OptInstanceList
from torch import Tensor

from .ranking_head import RankingHeadMixin
from .structures import Predictions, Targets


class DenseRankingMixin(RankingHeadMixin):
    """Trains a dense head by one ranking over all priors of the batch.

    Put it before the head's own class and implement ``assign``. A head whose ``decode`` needs more
    than the priors of its ``prior_generator`` overrides ``level_priors``.
    """

    loss_prefix = ''  # of the names of losses
    box_size = 4  # numbers that the head regresses per prior

    def assign(
        self,
        predictions: Predictions,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> Targets:
        """Label every prior.

        Args:
            predictions (Predictions): Predictions of the batch, for assigners that look at them.
            batch_gt_instances (list[InstanceData]): Objects of each image.
            batch_img_metas (list[dict]): Meta information of each image.
            batch_gt_instances_ignore (list[InstanceData], optional): Regions to ignore.

        Returns:
            Targets: In the order of the predictions.
        """
        raise NotImplementedError

    def level_priors(self, featmap_sizes: list[tuple[int, int]], device) -> list[Tensor]:
        """Priors of each level, shape (H * W * priors per position, K), for ``decode``."""
        priors = self.prior_generator.grid_priors(featmap_sizes, device=device)
        return [get_box_tensor(level) for level in priors]

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
            cls_scores (list[Tensor]): Logits of each level, (N, priors * C, H, W).
            bbox_preds (list[Tensor]): Regressed boxes of each level, (N, priors * 4, H, W).
            batch_gt_instances (list[InstanceData]): Objects of each image.
            batch_img_metas (list[dict]): Meta information of each image.
            batch_gt_instances_ignore (list[InstanceData], optional): Regions to ignore.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.rank``.
        """
        predictions = self._flatten(cls_scores, bbox_preds)
        targets = self.assign(
            predictions, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )
        return self.rank(predictions, targets, self.loss_prefix)

    def _flatten(self, cls_scores: list[Tensor], bbox_preds: list[Tensor]) -> Predictions:
        featmap_sizes = [tuple(x.shape[-2:]) for x in cls_scores]
        device = cls_scores[0].device
        priors = self.level_priors(featmap_sizes, device)
        images = torch.arange(len(cls_scores[0]), device=device)
        return Predictions(
            flatten_maps(cls_scores, self.cls_out_channels),
            flatten_maps(bbox_preds, self.box_size),
            torch.cat([level.repeat(len(images), 1) for level in priors]),
            torch.cat([images.repeat_interleave(len(level)) for level in priors]),
            featmap_sizes,
        )


class AnchorRankingMixin(DenseRankingMixin):
    """Trains an ``AnchorHead`` by ranking, with the targets of its own ``get_targets``.

    Args:
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or encoded boxes (False), as smooth L1 does.
        **kwargs: Arguments of ``RankingHeadMixin`` and of the head.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
    """

    def __init__(self, *args, reg_decoded_bbox: bool = True, **kwargs):
        super().__init__(*args, reg_decoded_bbox=reg_decoded_bbox, **kwargs)
        self.box_size = self.bbox_coder.encode_size

    def assign(
        self,
        predictions: Predictions,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> Targets:
        """Label every anchor by the head's assigner. See ``DenseRankingMixin.assign``."""
        anchors = self.get_anchors(
            predictions.featmap_sizes, batch_img_metas, device=predictions.logits.device
        )
        levels = self.level_targets(
            *anchors, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )
        labels, label_weights, boxes, *gt_inds = (
            torch.cat([level.flatten(0, 1) for level in target]) for target in levels
        )
        labels = labels.masked_fill(label_weights == 0, -1)
        return Targets(labels, boxes, gt_inds=gt_inds[0] if gt_inds else None)

    def level_targets(self, *args) -> tuple[list[Tensor], ...]:
        """Labels (N, A), label weights (N, A) and box targets (N, A, 4) of each level, from
        ``get_targets`` with these arguments. A head may add ``Targets.gt_inds`` (N, A)."""
        return self.get_targets(*args)[:3]


def flatten_maps(maps: list[Tensor], channels: int) -> Tensor:
    """Maps (N, priors * channels, H, W) of all levels, as one row (channels,) per prior."""
    return torch.cat([x.permute(0, 2, 3, 1).reshape(-1, channels) for x in maps])
