from mmdet.models import Shared2FCBBoxHead
from mmdet.registry import MODELS
from torch import Tensor

from ..ranking_head import RankingHeadMixin
from ..structures import MaskLosses, Predictions, Targets


@MODELS.register_module()
class ALRPBBoxHead(RankingHeadMixin, Shared2FCBBoxHead):
    """Box head of R-CNN detectors, trained by one ranking over all RoIs of the batch.

    Second stage of aLRP Faster R-CNN (arXiv 2009.13592, Section 5 and supplement), and of RS R-CNN
    (arXiv 2107.11669). It has one sigmoid logit per class and none for background instead of a
    softmax, ranks all RoIs instead of a sample, and compares decoded boxes. For all RoIs, set
    ``train_cfg.rcnn.sampler`` to ``dict(type='PseudoSampler')``, as published for aLRP Loss, or to
    a ``RandomSampler`` of more RoIs than there are with ``add_gt_as_proposals``, as published for
    RS Loss.

    Args:
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes (True, the default), as losses
            on IoU do, or encoded boxes (False), as smooth L1 does.
        bias_prob (float): Score of every class before training. Ranking moves positives up from it
            and negatives down, by little more than ``delta``, so it decides which score threshold
            separates them. Defaults to 0.1, for the usual threshold of 0.05. The published RS R-CNN
            starts at 0.5 and has a threshold of 0.4. No effect if ``init_cfg`` is given.
        init_cfg (dict | list[dict], optional): Initialisation. Defaults to MMDetection's for this
            head, with ``bias_prob``.
        **kwargs: Arguments of ``Shared2FCBBoxHead``.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
    """

    def __init__(
        self,
        *args,
        reg_decoded_bbox: bool = True,
        bias_prob: float = 0.1,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        super().__init__(*args, reg_decoded_bbox=reg_decoded_bbox, init_cfg=init_cfg, **kwargs)
        if not (self.with_cls and self.with_reg):
            raise ValueError(
                f'{type(self).__name__} ranks classes by their boxes: leave with_cls and with_reg '
                'at True'
            )
        if init_cfg is None:
            self.init_cfg.append(
                dict(type='Normal', std=0.01, bias_prob=bias_prob, override=dict(name='fc_cls'))
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
        mask_losses: MaskLosses | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            cls_score (Tensor): Shape (R, C), logits of all RoIs of the batch.
            bbox_pred (Tensor): Shape (R, C * 4), or (R, 4) if ``reg_class_agnostic``.
            rois (Tensor): Shape (R, 5), index of the image and box in pixels.
            labels (Tensor): Shape (R,), integer, C for background.
            label_weights (Tensor): Shape (R,), 0 for ignored RoIs.
            bbox_targets (Tensor): Shape (R, 4).
            bbox_weights (Tensor): Unused: only positives have boxes.
            reduction_override (str, optional): Must be None.
            mask_losses (MaskLosses, optional): Mask losses of some of the positive RoIs.

        Returns:
            dict[str, Tensor]: Scalars, see ``RankingHeadMixin.rank``.

        Raises:
            ValueError: If ``reduction_override`` is given.
        """
        if reduction_override is not None:
            raise ValueError(
                f'{type(self).__name__} has one loss for all RoIs: reduction_override must be '
                f'None, got {reduction_override!r}'
            )
        if not self.reg_class_agnostic:
            own_class = labels.clamp(0, self.num_classes - 1)[:, None, None].expand(-1, 1, 4)
            bbox_pred = bbox_pred.view(-1, self.num_classes, 4).gather(1, own_class).squeeze(1)
        labels = labels.masked_fill(label_weights == 0, -1)
        predictions = Predictions(cls_score, bbox_pred, rois[:, 1:], rois[:, 0].long())
        return self.rank(predictions, Targets(labels, bbox_targets), mask_losses=mask_losses)
