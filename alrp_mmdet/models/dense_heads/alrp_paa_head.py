import torch
from mmdet.models import PAAHead
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, InstanceList, OptInstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ..structures import Predictions, Targets
from .alrp_atss_head import ALRPATSSHead


@MODELS.register_module()
class ALRPPAAHead(ALRPATSSHead, PAAHead):
    """PAA's head (arXiv 2007.08103), trained by one ranking over all anchors of the batch.

    Anchors are assigned as in PAA: a mixture of two Gaussians, fitted to the losses of the best
    candidates of each object, separates positives from negatives. The loss of a candidate is its
    focal loss plus its ``loss_bbox``, for every ``loss_cls``, as in RS PAA (arXiv 2107.11669).
    There is no IoU branch, since a ranking loss ranks by localisation already. Score voting refines
    the predicted boxes.

    The fit needs scikit-learn.

    Args:
        norm_cfg (dict, optional): Config of the towers' normalisation. Defaults to
            ``dict(type='GN', num_groups=32)``, as in PAA.
        learnable_scales (bool): Whether each level multiplies its regressed boxes by a learnable
            parameter. Defaults to True, as in PAA.
        **kwargs: Arguments of ``ALRPATSSHead`` and ``PAAHead``: ``topk``, ``score_voting`` and
            ``covariance_type``. ``loss_bbox`` must compare boxes.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
        ImportError: If scikit-learn is missing when targets are assigned.
    """

    def __init__(
        self,
        *args,
        norm_cfg: dict | None = dict(type='GN', num_groups=32),  # noqa: B006
        learnable_scales: bool = True,
        **kwargs,
    ):
        super().__init__(*args, norm_cfg=norm_cfg, learnable_scales=learnable_scales, **kwargs)
        if not self.compares_boxes:
            raise ValueError(
                f'{type(self).__name__} assigns anchors by the IoU of their boxes, but '
                f'{type(self.loss_bbox).__name__} compares encoded boxes: use a loss on IoU as '
                'loss_bbox, such as GIoULoss'
            )
        self.candidate_loss_cls = MODELS.build(
            dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25)
        )

    @torch.no_grad()
    def assign(
        self,
        predictions: Predictions,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> Targets:
        """Label every anchor by PAA's fit. See ``DenseRankingMixin.assign``."""
        anchors, valid_flags = self.get_anchors(
            predictions.featmap_sizes, batch_img_metas, device=predictions.logits.device
        )
        targets = self.get_targets(
            anchors, valid_flags, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )
        all_labels = torch.empty_like(predictions.img_inds)
        all_boxes = predictions.priors.new_empty(len(all_labels), 4)
        for image, (levels, labels, weights, boxes, box_weights, pos_inds, gt_inds) in enumerate(
            zip(anchors, *targets)
        ):
            # Within an image, anchors have the order of its predictions.
            in_image = (predictions.img_inds == image).nonzero()[:, 0]
            if len(pos_inds) > 0:
                losses = self._candidate_losses(
                    predictions, in_image[pos_inds], labels[pos_inds], boxes[pos_inds]
                )
                # The ranking reports NaN and infinite predictions, on all processes that it spans.
                if losses.isfinite().all():
                    labels, weights, _, _ = self.paa_reassign(
                        losses, labels, weights, box_weights, pos_inds, gt_inds, levels
                    )
            all_labels[in_image] = labels.masked_fill(weights == 0, -1)
            all_boxes[in_image] = boxes
        return Targets(all_labels, all_boxes)

    def _candidate_losses(
        self, predictions: Predictions, candidates: Tensor, labels: Tensor, boxes: Tensor
    ) -> Tensor:
        """Loss of each candidate, shape (K,), for the fit.

        In float64: the fit subtracts squares, and nearly equal losses would get a variance below 0.
        """
        logits = predictions.logits[candidates].float()
        losses = self.candidate_loss_cls(logits, labels, reduction_override='none').sum(dim=1)
        decoded = self.decode(predictions.priors[candidates], predictions.boxes[candidates].float())
        return (losses + self._loc_losses(decoded, boxes) * self.loc_scale).double()

    def _predict_by_feat_single(self, *args, **kwargs) -> InstanceData:
        """As in dense heads without an IoU branch."""
        return super(PAAHead, self)._predict_by_feat_single(*args, **kwargs)

    def _bbox_post_process(
        self, results: InstanceData, cfg: ConfigType, *args, **kwargs
    ) -> InstanceData:
        """NMS, then score voting.

        Args:
            results (InstanceData): Candidates of an image: ``bboxes`` (K, 4), ``scores`` (K,) and
                ``labels`` (K,).
            cfg (dict): ``test_cfg``.
            *args: See ``BaseDenseHead._bbox_post_process``.
            **kwargs: See ``BaseDenseHead._bbox_post_process``.
        """
        # Rescales the boxes of results, too.
        kept = super(PAAHead, self)._bbox_post_process(results, cfg, *args, **kwargs)
        if not self.with_score_voting or len(kept) == 0:
            return kept
        scores = results.scores.new_zeros(len(results), self.cls_out_channels)
        scores[torch.arange(len(results)), results.labels] = results.scores
        boxes, labels = self.score_voting(
            torch.cat([kept.bboxes, kept.scores[:, None]], dim=1),
            kept.labels,
            results.bboxes,
            scores,
            cfg.score_thr,
        )
        return InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4], labels=labels)
