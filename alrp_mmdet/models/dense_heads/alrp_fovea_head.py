import math

import torch
from mmdet.models import FoveaHead
from mmdet.registry import MODELS
from mmdet.utils import InstanceList, OptInstanceList
from torch import Tensor

from ..ranking_head import RankingHeadMixin


@MODELS.register_module()
class ALRPFoveaHead(RankingHeadMixin, FoveaHead):
    """FoveaBox's head (arXiv 1904.03797), trained by one ranking over all points of the batch.

    Layers, targets and prediction are FoveaBox's. For a loss on IoU, predictions and targets are
    both decoded to boxes; any other compares them as FoveaBox encodes them, in log space.

    Args:
        loss_cls (dict): Config of ``aLRPLoss`` (the default) or ``APLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        **kwargs: Arguments of ``FoveaHead``.

    Raises:
        ValueError: If the losses do not go together.
    """

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
            cls_scores (list[Tensor]): Logits of each level, (N, C, H, W).
            bbox_preds (list[Tensor]): Box predictions of each level, (N, 4, H, W).
            batch_gt_instances (list[InstanceData]): Objects of each image.
            batch_img_metas (list[dict]): Unused, as in ``FoveaHead``.
            batch_gt_instances_ignore (list[InstanceData], optional): Unused, likewise.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.loss_by_ranking``.
        """
        num_imgs = len(cls_scores[0])
        featmap_sizes = [cls_score.shape[-2:] for cls_score in cls_scores]
        level_points = self.prior_generator.grid_priors(
            featmap_sizes, dtype=torch.float32, device=cls_scores[0].device
        )
        labels, bbox_targets = self.get_targets(batch_gt_instances, featmap_sizes, level_points)
        # Points of a level stand in the order of the targets: one image after the other.
        points = torch.cat([points.repeat(num_imgs, 1) for points in level_points])
        base_edges = torch.cat(
            [
                points.new_full((num_imgs * len(points), 1), base_edge)
                for points, base_edge in zip(level_points, self.base_edge_list, strict=True)
            ]
        )

        def boxes_of(pos_inds: Tensor) -> tuple[Tensor, Tensor]:
            pairs = _line_up(bbox_preds, 4)[pos_inds].float(), bbox_targets[pos_inds]
            if not self.compares_boxes:
                return pairs
            return tuple(_decode(points[pos_inds], x, base_edges[pos_inds]) for x in pairs)

        return self.loss_by_ranking(_line_up(cls_scores, self.cls_out_channels), labels, boxes_of)


def _line_up(level_maps: list[Tensor], channels: int) -> Tensor:
    """Maps (N, channels, H, W) of all levels, as one row for each point."""
    return torch.cat([x.permute(0, 2, 3, 1).reshape(-1, channels) for x in level_maps])


def _decode(points: Tensor, encoded: Tensor, base_edges: Tensor) -> Tensor:
    """Boxes (x1, y1, x2, y2) from the log distances of their sides to a point within them.

    Unlike ``FoveaHead._bbox_decode``, does not cut them at the border of the image, which would
    leave what lies outside without a gradient. As in MMDetection's box coders, a single prediction
    gone astray does not make them infinite.
    """
    limit = math.log(1000 / 16)
    left_top, right_bottom = (encoded.clamp(max=limit).exp() * base_edges).chunk(2, dim=1)
    return torch.cat([points - left_top, points + right_bottom], dim=1)
