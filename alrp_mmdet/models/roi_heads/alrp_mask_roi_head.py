import torch
from mmdet.models import StandardRoIHead
from mmdet.models.task_modules import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmdet.structures.mask import mask_target
from mmdet.utils import InstanceList
from torch import Tensor

from alrp.ranking.with_gradient import loss_dtype

from ..mask_checks import check_mask_loss, check_masks
from ..ranking_head import RankingHeadMixin
from ..structures import MaskLosses


@MODELS.register_module()
class ALRPMaskRoIHead(StandardRoIHead):
    """Second stage of Mask R-CNN with one ranking for classes, boxes and masks.

    As in RS Mask R-CNN (arXiv 2107.11669, Section 5 and supplement), the ranking loss of the box
    head weights the Dice loss of each mask as it weights the boxes, and balances the masks with the
    classification. All RoIs are ranked. Masks are predicted for a sample of the positives, for the
    sake of memory.

    ``StandardRoIHead.loss`` calls ``bbox_loss``, then ``mask_loss``. The ranking needs both boxes
    and masks, so ``bbox_loss`` returns no losses and ``mask_loss`` returns those of classes, boxes
    and masks.

    Args:
        max_masks (int): The largest number of masks in a batch. Defaults to 200, as published.
        **kwargs: Arguments of ``StandardRoIHead``. ``bbox_head`` must be trained by ranking, such
            as ``ALRPBBoxHead``. ``mask_head.loss_mask`` must be a ``DiceLoss``, with
            ``loss_weight`` 1 unless ``bbox_head.loss_cls`` is ``APLoss``.

    Raises:
        ValueError: If an argument is not as described.
    """

    def __init__(self, *args, max_masks: int = 200, **kwargs):
        super().__init__(*args, **kwargs)
        if not isinstance(max_masks, int) or max_masks < 1:
            raise ValueError(f'max_masks must be a whole number of at least 1, got {max_masks!r}')
        if not self.with_mask or not isinstance(self.bbox_head, RankingHeadMixin):
            raise ValueError(
                f'{type(self).__name__} needs a mask_head and a bbox_head trained by ranking, such '
                'as ALRPBBoxHead; otherwise use StandardRoIHead'
            )
        check_mask_loss(self.bbox_head.loss_cls, self.mask_head.loss_mask)
        self.max_masks = max_masks

    def bbox_loss(self, x: tuple[Tensor], sampling_results: list[SamplingResult]) -> dict:
        """No losses: ``mask_loss`` returns those of classes and boxes, too."""
        return dict(loss_bbox={}, bbox_feats=None)

    def mask_loss(
        self,
        x: tuple[Tensor],
        sampling_results: list[SamplingResult],
        bbox_feats: None,
        batch_gt_instances: InstanceList,
    ) -> dict:
        """Losses of classes, boxes and masks.

        Args:
            x (tuple[Tensor]): Features of each level, (N, channels, H, W).
            sampling_results (list[SamplingResult]): RoIs of each image.
            bbox_feats (None): Unused.
            batch_gt_instances (list[InstanceData]): Objects of each image, with ``masks``.

        Returns:
            dict: ``loss_mask``: a dict of scalars, see ``RankingHeadMixin.rank``.

        Raises:
            ValueError: If the objects have no masks.
        """
        rois = bbox2roi([result.priors for result in sampling_results])
        boxes = self._bbox_forward(x, rois)
        losses = self.bbox_head.loss(
            boxes['cls_score'],
            boxes['bbox_pred'],
            rois,
            *self.bbox_head.get_targets(sampling_results, self.train_cfg),
            mask_losses=self._mask_losses(x, sampling_results, batch_gt_instances),
        )
        return dict(loss_mask=losses)

    def _mask_losses(
        self,
        x: tuple[Tensor],
        sampling_results: list[SamplingResult],
        batch_gt_instances: InstanceList,
    ) -> MaskLosses:
        check_masks(batch_gt_instances)
        num_pos = [len(result.pos_priors) for result in sampling_results]
        # By the CPU's generator: with the same seed, the same masks on every device.
        drawn = torch.zeros(sum(num_pos), dtype=torch.bool)
        drawn[torch.randperm(len(drawn))[: self.max_masks]] = True
        device = x[0].device
        of_image = [part.nonzero()[:, 0].to(device) for part in drawn.split(num_pos)]

        def sampled(name: str) -> list[Tensor]:
            return [getattr(res, name)[inds] for res, inds in zip(sampling_results, of_image)]

        priors, labels = sampled('pos_priors'), torch.cat(sampled('pos_gt_labels'))
        logits = self._mask_forward(x, bbox2roi(priors))['mask_preds']
        if self.mask_head.class_agnostic:
            labels = torch.zeros_like(labels)
        targets = mask_target(
            priors,
            sampled('pos_assigned_gt_inds'),
            [objects.masks for objects in batch_gt_instances],
            self.train_cfg,
        )
        logits = logits[torch.arange(len(labels), device=device), labels]
        logits = logits.to(loss_dtype(logits))
        losses = self.mask_head.loss_mask(logits, targets, reduction_override='none')
        return MaskLosses(losses, drawn.nonzero()[:, 0].to(device))
