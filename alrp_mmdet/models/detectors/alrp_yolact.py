import torch
from mmdet.models import YOLACT, DiceLoss
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ..dense_heads.alrp_yolact_head import ALRPYOLACTHead
from ..structures import MaskLosses


@MODELS.register_module()
class ALRPYOLACT(YOLACT):
    """YOLACT (arXiv 1904.02689) with one ranking for classes, boxes and masks.

    As in RS YOLACT (arXiv 2107.11669), there is no hard example mining and no auxiliary semantic
    segmentation, and masks are trained by their Dice loss. ``loss_cls`` weights the masks as it
    weights the boxes.

    Args:
        bbox_head (dict): Config of an ``ALRPYOLACTHead``.
        mask_head (dict): Config of ``YOLACTProtonet``, with ``with_seg_branch=False``. Masks are
            predicted for at most ``max_masks_to_train`` positives of each image.
        **kwargs: Arguments of ``YOLACT``.

    Raises:
        ValueError: If an argument is not as described.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        name = type(self).__name__
        if not isinstance(self.bbox_head, ALRPYOLACTHead):
            raise ValueError(
                f'{name} needs bbox_head.type=ALRPYOLACTHead, got {type(self.bbox_head).__name__}'
            )
        if self.mask_head.with_seg_branch or self.mask_head.loss_mask_weight != 1:
            raise ValueError(
                f'{name} has no semantic segmentation and leaves the weight of masks to loss_cls: '
                'set mask_head.with_seg_branch=False and mask_head.loss_mask_weight=1'
            )
        self.loss_mask = DiceLoss(activate=False)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            batch_inputs (Tensor): Shape (N, 3, H, W), normalised images.
            batch_data_samples (list[DetDataSample]): Objects of each image, with ``masks``.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.rank``.

        Raises:
            FloatingPointError: If a logit, a box or a mask loss is NaN or infinite.
        """
        x = self.extract_feat(batch_inputs)
        batch_gt_instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        predictions, coeffs = self.bbox_head.flatten(*self.bbox_head(x))
        targets = self.bbox_head.assign(predictions, batch_gt_instances, metas, ignored)
        positive = (targets.labels >= 0) & (targets.labels < self.bbox_head.num_classes)
        mask_losses = self._mask_losses(
            x,
            coeffs[positive],
            predictions.img_inds[positive],
            targets.gt_inds[positive],
            batch_gt_instances,
            metas,
        )
        return self.bbox_head.rank(predictions, targets, mask_losses=mask_losses)

    def _mask_losses(
        self,
        x: tuple[Tensor],
        coeffs: Tensor,
        img_inds: Tensor,
        gt_inds: Tensor,
        batch_gt_instances: InstanceList,
        metas: list[dict],
    ) -> MaskLosses:
        """Dice losses of the positives' masks, cropped to the boxes of their objects.

        Args:
            x (tuple[Tensor]): Features of each level.
            coeffs (Tensor): Shape (P, num_protos), mask coefficients of each positive.
            img_inds (Tensor): Shape (P,), its image.
            gt_inds (Tensor): Shape (P,), its object in that image.
            batch_gt_instances (list[InstanceData]): Objects of each image.
            metas (list[dict]): Meta information of each image.
        """
        all_inds, infos = [], []
        for image, objects in enumerate(batch_gt_instances):
            inds = (img_inds == image).nonzero()[:, 0]
            inds = inds[torch.randperm(len(inds))[: self.mask_head.max_masks_to_train]]
            all_inds.append(inds)
            infos.append(
                InstanceData(
                    coeffs=coeffs[inds],
                    bboxes=objects.bboxes[gt_inds[inds]],
                    pos_assigned_gt_inds=gt_inds[inds],
                )
            )
        masks, _ = self.mask_head(x, infos)
        masks = self.mask_head.crop_mask_preds(masks, metas, infos)
        losses = []
        for preds, objects, info, meta in zip(masks, batch_gt_instances, infos, metas):
            padded = InstanceData(
                bboxes=objects.bboxes,
                labels=objects.labels,
                masks=objects.masks.pad(meta['batch_input_shape']),
            )
            preds, targets, *_ = self.mask_head._get_targets_single(preds, None, padded, info)
            if targets is None:  # no objects
                targets = preds
            losses.append(self.loss_mask(preds.float(), targets, reduction_override='none'))
        return MaskLosses(torch.cat(losses), torch.cat(all_inds))
