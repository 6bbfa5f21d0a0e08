import math

import torch
from mmdet.models import FoveaHead
from mmdet.registry import MODELS
from mmdet.utils import InstanceList, OptInstanceList
from torch import Tensor

from ..dense_ranking_head import DenseRankingMixin
from ..structures import Predictions, Targets


@MODELS.register_module()
class ALRPFoveaHead(DenseRankingMixin, FoveaHead):
    """FoveaBox's head (arXiv 1904.03797), trained by one ranking over all points of the batch.

    Layers, targets and prediction are FoveaBox's. Losses on IoU compare decoded boxes, all others
    compare FoveaBox's encoding in log space.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        **kwargs: Arguments of ``FoveaHead``.

    Raises:
        ValueError: If ``loss_cls`` and ``loss_bbox`` are incompatible.
    """

    def level_priors(self, featmap_sizes: list[tuple[int, int]], device) -> list[Tensor]:
        """Points of each level, with the length that the level's boxes are encoded by: rows
        (x, y, base edge) in pixels."""
        levels = zip(self._points(featmap_sizes, device), self.base_edge_list, strict=True)
        return [torch.cat([x, torch.full_like(x[:, :1], edge)], dim=1) for x, edge in levels]

    def assign(
        self,
        predictions: Predictions,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> Targets:
        """Label every point as FoveaBox does. See ``DenseRankingMixin.assign``."""
        sizes = predictions.featmap_sizes
        points = self._points(sizes, predictions.logits.device)
        labels, boxes = self.get_targets(batch_gt_instances, sizes, points)
        if self.compares_boxes:
            boxes = self.decode(predictions.priors, boxes)
        return Targets(labels, boxes)

    def decode(self, priors: Tensor, boxes: Tensor) -> Tensor:
        """Boxes (x1, y1, x2, y2) from the log distances of their sides to a point inside.

        Unlike ``FoveaHead._bbox_decode``, does not clip at the border of the image, where a side
        would lose its gradient. Like MMDetection's box coders, limits what is exponentiated, so
        that one outlier does not give an infinite box.
        """
        points, base_edges = priors.split((2, 1), dim=1)
        limit = math.log(1000 / 16)
        left_top, right_bottom = (boxes.clamp(max=limit).exp() * base_edges).chunk(2, dim=1)
        return torch.cat([points - left_top, points + right_bottom], dim=1)

    def _points(self, featmap_sizes: list[tuple[int, int]], device) -> list[Tensor]:
        return self.prior_generator.grid_priors(featmap_sizes, dtype=torch.float32, device=device)
