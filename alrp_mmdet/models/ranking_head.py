"""The part that all detection heads trained by ranking share."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmdet.models.losses import BalancedL1Loss, L1Loss, MSELoss, SmoothL1Loss
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.logging import MessageHub
from torch import Tensor

from alrp.ranking.compiling import outside_of_graphs
from alrp.ranking.with_gradient import loss_dtype

from ..config.types import resolve_type, type_name
from .losses.ranking_loss import RankingLoss
from .structures import MaskLosses, Predictions, Targets

# Upper bounds of MMDetection's bounded localisation losses. By name: a subclass may have another.
UPPER_BOUND = dict(IoULoss=1.0, GIoULoss=2.0, DIoULoss=2.0, CIoULoss=2.0, SIoULoss=2.0)
# Localisation losses that compare what the head regresses. All others compare boxes.
ENCODED = L1Loss, SmoothL1Loss, BalancedL1Loss, MSELoss


class RankingHeadMixin:
    """Trains a head of MMDetection by one ranking over all logits of a batch.

    Put it before the head's own class: ``class ALRPBBoxHead(RankingHeadMixin, BBoxHead)``. The head
    collects its ``Predictions`` and ``Targets`` and calls ``rank``.

    Args:
        loss_cls (dict): Config of a ``RankingLoss``. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``. If the ranking
            loss needs bounded boxes, as ``aLRPLoss`` does: ``IoULoss`` with ``mode='linear'`` or
            ``'square'``, ``GIoULoss``, ``DIoULoss``, ``CIoULoss`` or ``SIoULoss``. If it balances,
            as ``aLRPLoss`` and ``RankSortLoss`` do: with ``loss_weight`` 1. A loss of your own may
            have the class attributes ``upper_bound``, the largest loss of a box, and
            ``compares_boxes``, False if it compares boxes as the head regresses them.

    Raises:
        ValueError: If ``loss_cls`` is not a ranking loss, or if ``loss_cls``, ``loss_bbox`` and
            ``reg_decoded_bbox`` are incompatible.
    """

    def __init__(
        self,
        *args,
        loss_cls: dict = dict(type='aLRPLoss'),  # noqa: B006 - MMDetection's style of defaults
        loss_bbox: dict = dict(type='GIoULoss'),  # noqa: B006
        **kwargs,
    ):
        loss_type = ranking_loss_type(type(self).__name__, loss_cls)
        if loss_type.needs_bounded_boxes:
            _check_bounded(loss_type.__name__, loss_bbox)
        if loss_type.balances:
            _check_weight(loss_type.__name__, loss_bbox)
        # MMDetection's heads read use_sigmoid from the config.
        loss_cls = dict(loss_cls, use_sigmoid=loss_cls.get('use_sigmoid', True))
        super().__init__(*args, loss_cls=loss_cls, loss_bbox=loss_bbox, **kwargs)
        name = type_name(loss_bbox)
        self.compares_boxes = _compares_boxes(resolve_type(loss_bbox, MODELS))
        if loss_type.needs_ious and not self.compares_boxes:
            raise ValueError(
                f'{loss_type.__name__} needs the IoU of boxes, but {name} compares encoded boxes: '
                'use a loss on IoU as loss_bbox, such as GIoULoss'
            )
        if getattr(self, 'reg_decoded_bbox', self.compares_boxes) != self.compares_boxes:
            raise ValueError(
                f'{name} compares {"boxes" if self.compares_boxes else "encoded boxes"}: set '
                f'reg_decoded_bbox={self.compares_boxes}, or the attribute compares_boxes of your '
                'own loss'
            )
        self.loc_scale = _upper_bound(loss_bbox) if loss_type.needs_bounded_boxes else 1.0

    @outside_of_graphs
    def rank(
        self,
        predictions: Predictions,
        targets: Targets,
        prefix: str = '',
        mask_losses: MaskLosses | None = None,
        pos_inds: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch by one ranking over all its logits.

        Args:
            predictions (Predictions): Predictions of all priors.
            targets (Targets): Their targets.
            prefix (str): Put before the name of each result, such as ``'rpn_'``. Defaults to ''.
            mask_losses (MaskLosses, optional): Mask losses of some of the positives.
            pos_inds (Tensor, optional): ``Targets.pos_inds``, if already known.

        Returns:
            dict[str, Tensor]: Scalars ``loss_cls``, ``loss_bbox`` and, given ``mask_losses``,
            ``loss_mask``. To be logged: ``num_pos``; ``ranked_iou`` if ``loss_bbox`` compares
            boxes; further values of the loss, such as ``self_balance`` of ``aLRPLoss``. Without
            positives all losses are 0 and still have a gradient for every prediction, as
            distributed training needs.

        Raises:
            FloatingPointError: If a logit, a box or a mask loss is NaN or infinite. Names the
                iteration.
        """
        if pos_inds is None:
            pos_inds = targets.pos_inds(predictions.logits.shape[1])
        pos_boxes, pos_targets = predictions.boxes[pos_inds], targets.boxes[pos_inds]
        pos_boxes = pos_boxes.to(loss_dtype(pos_boxes))
        ious = None
        if self.compares_boxes:
            pos_boxes = self.decode(predictions.priors[pos_inds], pos_boxes)
            ious = bbox_overlaps(pos_boxes.detach(), pos_targets, is_aligned=True)
        quality = None if targets.quality is None else targets.quality[pos_inds].detach()
        with naming_iteration():
            results = self.loss_cls(
                predictions.logits,
                targets.labels,
                self._loc_losses(pos_boxes, pos_targets),
                ious,
                quality,
                mask_losses,
                pos_inds,
            )
        return {f'{prefix}{name}': value for name, value in results.items()}

    def decode(self, priors: Tensor, boxes: Tensor) -> Tensor:
        """Boxes (x1, y1, x2, y2) in pixels, shape (P, 4), from what the head regresses.

        Args:
            priors (Tensor): Shape (P, K), rows of ``Predictions.priors``.
            boxes (Tensor): Shape (P, 4), rows of ``Predictions.boxes``.
        """
        return get_box_tensor(self.bbox_coder.decode(priors, boxes))

    def _loc_losses(self, preds: Tensor, targets: Tensor) -> Tensor:
        """Localisation loss of each positive, in [0, 1] if the ranking loss needs that. (P,)."""
        if len(preds) == 0:  # MMDetection's IoU losses lose the graph
            return preds.sum(dim=1)
        losses = self.loss_bbox(preds, targets, reduction_override='none')
        losses = losses if losses.dim() == 1 else losses.sum(dim=1)
        return losses / self.loc_scale


@contextmanager
def naming_iteration() -> Iterator[None]:
    """Name the training iteration in a FloatingPointError."""
    try:
        yield
    except FloatingPointError as error:
        iteration = MessageHub.get_current_instance().get_info('iter')
        if iteration is None:  # no runner
            raise
        raise type(error)(f'Training stopped at iteration {iteration + 1}: {error}') from error


def ranking_loss_type(head: str, loss_cls: dict) -> type[RankingLoss]:
    """The class of a head's ``loss_cls``.

    Args:
        head (str): Name of the head, for the message.
        loss_cls (dict): Config of the loss.

    Raises:
        ValueError: If it is not a ranking loss.
    """
    loss_type = resolve_type(loss_cls, MODELS)
    if not (loss_type and issubclass(loss_type, RankingLoss)):
        raise ValueError(
            f'{head} needs a ranking loss as loss_cls, such as '
            f"dict(_delete_=True, type='aLRPLoss'), got {type_name(loss_cls)}"
        )
    return loss_type


def _compares_boxes(loss: object) -> bool:
    encoded = isinstance(loss, type) and issubclass(loss, ENCODED)
    return bool(getattr(loss, 'compares_boxes', not encoded))


def _upper_bound(loss_bbox: dict) -> float | None:
    """The largest value of a localisation loss, or None if it is unknown or unbounded."""
    name = type_name(loss_bbox)
    if name in UPPER_BOUND:
        return UPPER_BOUND[name]
    return getattr(resolve_type(loss_bbox, MODELS), 'upper_bound', None)


def _check_bounded(loss_cls: str, loss_bbox: dict) -> None:
    name = type_name(loss_bbox)
    if _upper_bound(loss_bbox) is None:
        raise ValueError(
            f'{loss_cls} needs a bounded IoU loss as loss_bbox, one of {", ".join(UPPER_BOUND)} or '
            f'a class with the attribute upper_bound, got {name}'
        )
    bounded = loss_bbox.get('linear') or loss_bbox.get('mode') in ('linear', 'square')
    if name == 'IoULoss' and not bounded:
        raise ValueError(
            f"{loss_cls} needs a bounded loss_bbox: use dict(type='IoULoss', mode='linear'). The "
            'logarithm, its default, is unbounded'
        )


def _check_weight(loss_cls: str, loss_bbox: dict) -> None:
    if loss_bbox.get('loss_weight', 1.0) != 1.0:
        raise ValueError(
            f'{loss_cls} balances localisation with classification: leave loss_bbox.loss_weight at '
            f'1, got {loss_bbox["loss_weight"]}. loss_cls.bbox_weight scales the loss of boxes, '
            'loss_cls.loss_weight both losses'
        )
