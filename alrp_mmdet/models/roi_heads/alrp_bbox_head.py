from mmdet.models import Shared2FCBBoxHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

from ..ranking_head import RankingHeadMixin


@MODELS.register_module()
class ALRPBBoxHead(RankingHeadMixin, Shared2FCBBoxHead):
    """Box head of Faster R-CNN, trained by one ranking over all RoIs of the batch.

    Second stage of aLRP Faster R-CNN (arXiv 2009.13592, Section 5 and supplement): one sigmoid
    logit per class and none for the background instead of a softmax, every RoI instead of a sample
    of them (``train_cfg.rcnn.sampler=dict(type='PseudoSampler')``), boxes compared as such.

    Args:
        loss_cls (dict): Config of ``aLRPLoss`` (the default) or ``APLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or their encoding by ``bbox_coder`` (False), such as smooth L1 does.
        init_cfg (dict | list[dict], optional): Initialisation. By default MMDetection's for this
            head, with all scores at 0.1. A ranking moves positives up from where the scores begin
            and negatives down, by little more than ``delta``: a detector's threshold of 0.05 then
            lies between the two, where from 0.01 it would be above many positives.
        **kwargs: Arguments of ``Shared2FCBBoxHead``.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """

    def __init__(
        self,
        *args,
        reg_decoded_bbox: bool = True,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        super().__init__(*args, reg_decoded_bbox=reg_decoded_bbox, init_cfg=init_cfg, **kwargs)
        if init_cfg is None:
            self.init_cfg.append(
                dict(type='Normal', std=0.01, bias_prob=0.1, override=dict(name='fc_cls'))
            )

    def loss(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        reduction_override: str | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            cls_score (Tensor): Shape (R, C), logits of all RoIs of the batch.
            bbox_pred (Tensor): Shape (R, C * 4), or (R, 4) if ``reg_class_agnostic``.
            rois (Tensor): Shape (R, 5), index of the image and box in pixels.
            labels (Tensor): Shape (R,), integer, C for background.
            label_weights (Tensor): Shape (R,), zero for what is ignored.
            bbox_targets (Tensor): Shape (R, 4).
            bbox_weights (Tensor): Unused: only positives have boxes.
            reduction_override (str, optional): Must be None: a ranking has one value.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.loss_by_ranking``.

        Raises:
            ValueError: If ``reduction_override`` is given.
        """
        if reduction_override is not None:
            raise ValueError(
                f'{type(self).__name__} has one loss for all RoIs: reduction_override must be '
                f'None, but is {reduction_override!r}'
            )

        def boxes_of(pos_inds: Tensor) -> tuple[Tensor, Tensor]:
            preds = bbox_pred[pos_inds].float()
            if not self.reg_class_agnostic:
                own_class = labels[pos_inds, None, None].expand(-1, 1, 4)
                preds = preds.view(-1, self.num_classes, 4).gather(1, own_class).squeeze(1)
            if self.reg_decoded_bbox:
                preds = get_box_tensor(self.bbox_coder.decode(rois[pos_inds, 1:], preds))
            return preds, bbox_targets[pos_inds]

        return self.loss_by_ranking(cls_score, labels.masked_fill(label_weights == 0, -1), boxes_of)
