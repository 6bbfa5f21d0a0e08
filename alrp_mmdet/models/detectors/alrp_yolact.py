import torch
from mmdet.models import YOLACT, DiceLoss
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from alrp.ranking.with_gradient import loss_dtype

from ..dense_heads.alrp_yolact_head import ALRPYOLACTHead
from ..dense_ranking_head import flatten_maps
from ..mask_checks import check_mask_weight, check_masks
from ..structures import MaskLosses


@MODELS.register_module()
class ALRPYOLACT(YOLACT):
    """YOLACT (arXiv 1904.02689) with one ranking for classes, boxes and masks.

    As in RS YOLACT (arXiv 2107.11669), there is no hard example mining and no auxiliary semantic
    segmentation, and masks are trained by their Dice loss. ``loss_cls`` weights the masks as it
    weights the boxes.

    Args:
        bbox_head (dict): Config of an ``ALRPYOLACTHead``.
        mask_head (dict): Config of ``YOLACTProtonet``, with ``with_seg_branch=False``, and with
            ``loss_mask_weight`` 1 unless ``loss_cls`` of the box head is ``APLoss``. Masks are
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
        if self.mask_head.with_seg_branch:
            raise ValueError(
                f'{name} has no semantic segmentation: set mask_head.with_seg_branch=False'
            )
        weight = self.mask_head.loss_mask_weight
        check_mask_weight(self.bbox_head.loss_cls, weight, 'mask_head.loss_mask_weight')
        self.loss_mask = DiceLoss(activate=False, loss_weight=weight)  # of the sigmoid's outputs

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            batch_inputs (Tensor): Shape (N, 3, H, W), normalised images.
            batch_data_samples (list[DetDataSample]): Objects of each image, with ``masks``.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.rank``.

        Raises:
            FloatingPointError: If a logit, a box or a mask loss is NaN or infinite.
            ValueError: If the objects have no masks.
        """
        batch_gt_instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        check_masks(batch_gt_instances)
        x = self.extract_feat(batch_inputs)
        cls_scores, bbox_preds, coeff_preds = self.bbox_head(x)
        predictions = self.bbox_head.flatten(cls_scores, bbox_preds)
        coeffs = flatten_maps(coeff_preds, self.bbox_head.num_protos)
        targets = self.bbox_head.assign(predictions, batch_gt_instances, metas, ignored)
        pos_inds = targets.pos_inds(self.bbox_head.num_classes)
        mask_losses = self._mask_losses(
            x,
            coeffs[pos_inds],
            predictions.img_inds[pos_inds],
            targets.gt_inds[pos_inds],
            batch_gt_instances,
            batch_inputs.shape[-2:],
        )
        return self.bbox_head.rank(predictions, targets, mask_losses=mask_losses, pos_inds=pos_inds)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Detections of a batch.

        Unlike in ``YOLACT``, images may be padded: masks, which cover the padded image, are cropped
        to boxes and resized accordingly.

        Args:
            batch_inputs (Tensor): Shape (N, 3, H, W), normalised images.
            batch_data_samples (list[DetDataSample]): Meta information of each image.
            rescale (bool): Whether boxes and masks are those of the original image instead of the
                resized one. Defaults to True.

        Returns:
            list[DetDataSample]: The same, with ``pred_instances``.
        """
        x = self.extract_feat(batch_inputs)
        results = self.bbox_head.predict(x, batch_data_samples, rescale=False)
        padded = batch_inputs.shape[-2:]
        sizes, metas = [], []
        for sample in batch_data_samples:
            size = sample.ori_shape if rescale else sample.img_shape
            full = [round(s * p / i) for s, p, i in zip(size, padded, sample.img_shape)]
            factor = sample.scale_factor if rescale else (1.0, 1.0)
            sizes.append(size)
            metas.append(dict(img_shape=padded, ori_shape=full, scale_factor=factor))
        masks, _ = self.mask_head(x, results)
        results = self.mask_head.predict_by_feat(masks, None, results, metas, rescale=rescale)
        for found, (height, width) in zip(results, sizes):
            found.masks = found.masks[:, :height, :width]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _mask_losses(
        self,
        x: tuple[Tensor],
        coeffs: Tensor,
        img_inds: Tensor,
        gt_inds: Tensor,
        batch_gt_instances: InstanceList,
        padded: tuple[int, int],
    ) -> MaskLosses:
        """Dice losses of the positives' masks, cropped to the boxes of their objects.

        Args:
            x (tuple[Tensor]): Features of each level.
            coeffs (Tensor): Shape (P, num_protos), mask coefficients of each positive.
            img_inds (Tensor): Shape (P,), its image.
            gt_inds (Tensor): Shape (P,), its object in that image.
            batch_gt_instances (list[InstanceData]): Objects of each image.
            padded (tuple[int, int]): Height and width of the batch.
        """
        all_inds, infos = [], []
        img_inds = img_inds.cpu()  # once: each image's nonzero() would wait for the device
        for image, objects in enumerate(batch_gt_instances):
            inds = (img_inds == image).nonzero()[:, 0]
            inds = inds[torch.randperm(len(inds))[: self.mask_head.max_masks_to_train]]
            inds = inds.to(coeffs.device)
            all_inds.append(inds)
            infos.append(
                InstanceData(
                    coeffs=coeffs[inds],
                    bboxes=objects.bboxes[gt_inds[inds]],
                    pos_assigned_gt_inds=gt_inds[inds],
                )
            )
        masks, _ = self.mask_head(x, infos)
        # Relative to the padded image, as are the masks.
        masks = self.mask_head.crop_mask_preds(masks, [dict(img_shape=padded)] * len(masks), infos)
        losses = []
        for preds, objects, info in zip(masks, batch_gt_instances, infos):
            objects = InstanceData(
                bboxes=objects.bboxes, labels=objects.labels, masks=objects.masks.pad(padded)
            )
            preds, targets, *_ = self.mask_head._get_targets_single(preds, None, objects, info)
            if targets is None:  # no objects
                targets = preds
            preds = preds.to(loss_dtype(preds))
            losses.append(self.loss_mask(preds, targets, reduction_override='none'))
        return MaskLosses(torch.cat(losses), torch.cat(all_inds))
