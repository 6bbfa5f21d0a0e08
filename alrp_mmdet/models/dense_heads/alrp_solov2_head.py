import torch
from mmdet.models import SOLOV2Head
from mmdet.models.utils import multi_apply
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.mask import mask2bbox
from mmdet.utils import InstanceList
from torch import Tensor

from alrp.ranking.with_gradient import loss_dtype

from ..mask_checks import check_mask_loss, check_masks
from ..ranking_head import naming_iteration, ranking_loss_type


@MODELS.register_module()
class ALRPSOLOV2Head(SOLOV2Head):
    """SOLOv2's head (arXiv 2003.10152), trained by one ranking over all grid cells of the batch.

    The localisation loss of a positive cell is the Dice loss of its mask. RS Loss sorts cells by
    one minus that loss, the Dice coefficient, as the published RS SOLOv2 (arXiv 2107.11669) does.
    A cell at the centre of several objects is trained for the last of them, whose label
    MMDetection's assignment gives it. Layers and masks are SOLOv2's, so the two heads can load each
    other's checkpoints. Boxes are tight around the masks, where SOLOv2's are all zero.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss`` with ``tau`` 0, since
            cells are not assigned by IoU.
        loss_mask (dict): Config of the mask loss, a ``DiceLoss``, with ``loss_weight`` 1 unless
            ``loss_cls`` is ``APLoss``, which neither balances masks nor sorts by them.
        **kwargs: Arguments of ``SOLOV2Head``. ``dynamic_conv_size`` must be 1.

    Raises:
        ValueError: If an argument is not as described.
    """

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss', tau=0.0),  # noqa: B006
        loss_mask: dict = dict(type='DiceLoss'),  # noqa: B006
        **kwargs,
    ):
        ranking_loss_type(type(self).__name__, loss_cls)  # raises
        super().__init__(*args, loss_cls=loss_cls, loss_mask=loss_mask, **kwargs)
        check_mask_loss(self.loss_cls, self.loss_mask)
        if self.dynamic_conv_size != 1:
            raise ValueError(
                f'{type(self).__name__} predicts masks by 1x1 kernels: leave dynamic_conv_size at '
                f'1, got {self.dynamic_conv_size}'
            )

    def loss(self, x: tuple[Tensor], batch_data_samples: SampleList, **kwargs) -> dict:
        """See ``loss_by_feat``. Raises a ValueError if the objects have no masks."""
        check_masks([sample.gt_instances for sample in batch_data_samples])
        return super().loss(x, batch_data_samples, **kwargs)

    def loss_by_feat(
        self,
        mlvl_kernel_preds: list[Tensor],
        mlvl_cls_preds: list[Tensor],
        mask_feats: Tensor,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        **kwargs,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            mlvl_kernel_preds (list[Tensor]): Mask kernels of each level's S x S cells,
                (N, E, S, S).
            mlvl_cls_preds (list[Tensor]): Logits of each level's cells, (N, C, S, S).
            mask_feats (Tensor): Shape (N, E, H, W), features that kernels turn into masks.
            batch_gt_instances (list[InstanceData]): Objects of each image, with ``masks`` padded to
                the size of the batch.
            batch_img_metas (list[dict]): Meta information of each image. Unused.
            **kwargs: Unused.

        Returns:
            dict[str, Tensor]: Scalars: what ``loss_cls`` returns, with ``loss_mask`` for
            ``loss_bbox``, and ``ranked_iou`` of masks.

        Raises:
            FloatingPointError: If a logit or a mask is NaN or infinite. Names the iteration.
        """
        masks, labels, _, cells = multi_apply(
            self._get_targets_single, batch_gt_instances, featmap_sizes=mask_feats.shape[-2:]
        )
        all_labels, losses, ious = [], [], []
        for level, kernels in enumerate(mlvl_kernel_preds):
            for image, feats in enumerate(mask_feats):
                all_labels.append(labels[image][level].flatten())
                # Positive cells in the order of labels; the last object of each.
                last = dict(sorted(zip(cells[image][level], range(len(masks[image][level])))))
                pos_kernels = kernels[image].flatten(1).t()[list(last)]
                pos_masks = pos_kernels @ feats.flatten(1)
                pos_masks = pos_masks.to(loss_dtype(pos_masks))
                targets = masks[image][level][list(last.values())].flatten(1)
                losses.append(self.loss_mask(pos_masks, targets, reduction_override='none'))
                ious.append(_mask_ious(pos_masks.detach() > 0, targets > 0))
        logits = [x.permute(0, 2, 3, 1).reshape(-1, self.num_classes) for x in mlvl_cls_preds]
        losses = torch.cat(losses)
        with naming_iteration():
            results = self.loss_cls(
                torch.cat(logits),
                torch.cat(all_labels),
                losses,
                torch.cat(ious),
                1 - losses.detach(),
            )
        results['loss_mask'] = results.pop('loss_bbox')
        return results

    def predict_by_feat(self, *args, **kwargs) -> InstanceList:
        """As in ``SOLOV2Head``, with boxes tight around the masks."""
        results = super().predict_by_feat(*args, **kwargs)
        for found in results:
            found.bboxes = mask2bbox(found.masks).to(found.scores)
        return results


def _mask_ious(masks: Tensor, targets: Tensor) -> Tensor:
    """IoU of each mask with its target, shape (P,), from two bool tensors (P, pixels)."""
    intersection, union = (masks & targets).sum(dim=1), (masks | targets).sum(dim=1)
    return intersection / union.clamp(min=1)
