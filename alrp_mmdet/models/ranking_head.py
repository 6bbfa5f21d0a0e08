"""What every detection head trained by ranking shares."""

from collections.abc import Callable

import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.logging import MessageHub
from torch import Tensor

from .losses import aLRPLoss
from .losses.ranking_loss import RankingLoss

# Largest value of the localisation losses that are bounded and known by MMDetection.
LOC_RANGE = dict(IoULoss=1.0, GIoULoss=2.0, DIoULoss=2.0, CIoULoss=2.0, SIoULoss=2.0)
# Localisation losses on what the head regresses; any other is taken to compare boxes.
ENCODED = ('L1Loss', 'SmoothL1Loss', 'BalancedL1Loss', 'MSELoss')


class RankingHeadMixin:
    """Makes a head of MMDetection train with one ranking over all logits of a batch.

    Stands before the head's own class (``class ALRPRetinaHead(RankingHeadMixin, RetinaHead)``). The
    head says which logits, which labels and which boxes by calling ``loss_by_ranking``; it needs
    nothing but ``loss_cls``, ``loss_bbox`` and, to be asked for boxes, knowledge of its own priors.
    That holds for anchors, points and RoIs alike.

    Args:
        loss_cls (dict): Config of the ranking-based loss, ``aLRPLoss`` (the default) or ``APLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``. With
            ``aLRPLoss`` it must be bounded: ``IoULoss`` with ``mode='linear'``, ``GIoULoss``,
            ``DIoULoss``, ``CIoULoss`` or ``SIoULoss``, with ``loss_weight`` 1.

    Raises:
        ValueError: If ``loss_cls`` is not a ranking-based loss, or if the losses do not go
            together, or not with the head's ``reg_decoded_bbox``.
    """

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss'),  # noqa: B006 - as MMDetection writes defaults
        loss_bbox: dict = dict(type='GIoULoss'),  # noqa: B006
        **kwargs,
    ):
        loss_type = loss_cls['type']
        loss_type = loss_type if isinstance(loss_type, type) else MODELS.get(loss_type)
        if not (loss_type and issubclass(loss_type, RankingLoss)):
            raise ValueError(
                f'{type(self).__name__} trains by ranking: set loss_cls to aLRPLoss or APLoss '
                f"instead of {_type_name(loss_cls)}, as in dict(_delete_=True, type='aLRPLoss')"
            )
        loss_cls = dict(loss_cls, use_sigmoid=loss_cls.get('use_sigmoid', True))
        if issubclass(loss_type, aLRPLoss):
            _check_bounded(loss_bbox)
            loss_cls.setdefault('loc_range', LOC_RANGE[_type_name(loss_bbox)])
        super().__init__(*args, loss_cls=loss_cls, loss_bbox=loss_bbox, **kwargs)
        self.compares_boxes = _type_name(loss_bbox) not in ENCODED
        if getattr(self, 'reg_decoded_bbox', self.compares_boxes) != self.compares_boxes:
            raise ValueError(
                f'{_type_name(loss_bbox)} compares '
                f'{"boxes" if self.compares_boxes else "encoded boxes"}: set '
                f'reg_decoded_bbox={self.compares_boxes}'
            )

    def loss_by_ranking(
        self,
        cls_scores: Tensor,
        labels: Tensor,
        boxes_of: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> dict[str, Tensor]:
        """Losses of a batch by one ranking over all its logits.

        Args:
            cls_scores (Tensor): Shape (A, C), the logits of all priors of all images and levels,
                one per class.
            labels (Tensor): Shape (A,), integer: the class in [0, C) of a positive prior, C for
                background, -1 if the prior is ignored.
            boxes_of (Callable): Takes the indices of the positive priors, (P,), and returns what
                ``loss_bbox`` compares, predictions and targets, both of shape (P, 4): boxes as
                (x1, y1, x2, y2) in pixels for a loss on IoU, else whatever it regresses. The
                predictions in float32, with their graph even if P is zero.

        Returns:
            dict[str, Tensor]: Scalars ``loss_cls``, ``loss_bbox``, and for the log ``num_pos``,
            ``ranked_iou`` for a loss on IoU, ``self_balance`` for aLRP Loss. Without positives
            both losses are zero and still reach all that predicted.

        Raises:
            FloatingPointError: If a logit or a box is NaN or infinite; says at which iteration.
        """
        num_classes = cls_scores.shape[1]
        pos_inds = ((labels >= 0) & (labels < num_classes)).nonzero()[:, 0]
        preds, targets = boxes_of(pos_inds)
        classes = torch.arange(num_classes, device=labels.device)
        binary_labels = (labels[:, None] == classes).to(torch.int8)
        binary_labels.masked_fill_(labels[:, None] < 0, -1)

        ious = (
            bbox_overlaps(preds.detach(), targets, is_aligned=True) if self.compares_boxes else None
        )
        try:
            return self.loss_cls(
                cls_scores.flatten(),
                binary_labels.flatten(),
                self._loc_losses(preds, targets),
                ious,
            )
        except FloatingPointError as error:
            iteration = MessageHub.get_current_instance().get_info('iter')
            if iteration is None:  # no runner
                raise
            raise type(error)(f'Training stopped at iteration {iteration + 1}: {error}') from error

    def _loc_losses(self, preds: Tensor, targets: Tensor) -> Tensor:
        """Localisation loss of each positive. Shape (P,)."""
        if len(preds) == 0:  # MMDetection's IoU losses lose the graph
            return preds.sum(dim=1)
        losses = self.loss_bbox(preds, targets, reduction_override='none')
        return losses if losses.dim() == 1 else losses.sum(dim=1)


def _type_name(cfg: dict) -> str:
    """The name of a config's type, which may be given as a name, with a scope, or as a class."""
    return cfg['type'].split('.')[-1] if isinstance(cfg['type'], str) else cfg['type'].__name__


def _check_bounded(loss_bbox: dict) -> None:
    name = _type_name(loss_bbox)
    if name not in LOC_RANGE:
        raise ValueError(
            f'aLRPLoss needs a bounded loss on IoU as loss_bbox, one of {", ".join(LOC_RANGE)}, '
            f'but it is {name}. APLoss goes with any.'
        )
    if name == 'IoULoss' and not loss_bbox.get('linear') and loss_bbox.get('mode') != 'linear':
        raise ValueError(
            "aLRPLoss needs a bounded loss_bbox: write dict(type='IoULoss', mode='linear'), since "
            'the logarithm, its default, has no bound'
        )
    if loss_bbox.get('loss_weight', 1.0) != 1.0:
        raise ValueError(
            'aLRPLoss weights localisation by self-balance: leave loss_bbox.loss_weight at 1, '
            f'instead of {loss_bbox["loss_weight"]}, and set loss_cls.loss_weight for both, or '
            'loss_cls.self_balance.start_weight for the first epoch'
        )
