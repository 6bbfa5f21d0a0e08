"""The base of all ranking losses."""

from dataclasses import dataclass
from numbers import Real

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from alrp.ranking import Labels, Ranking
from alrp.ranking.compiling import outside_of_graphs
from alrp.ranking.devices import cast_like
from alrp.ranking.step_sums import check_positive

from ..structures import MaskLosses


@dataclass(frozen=True)
class RankedBatch:
    """A batch of which P of M logits are positive, ranked.

    With ``ranking='global'``, the P positives are those of all processes, but ``logits`` are this
    process's. Gradients of ``loc_losses`` and ``mask_losses`` then reach this process's part, so
    that a loss is written as if there was one process.

    Attributes:
        logits (Tensor): Shape (M,), every logit of the batch.
        ranking (Ranking): Ranks of the positives among the logits.
        loc_losses (Tensor): Shape (P,), localisation loss of each positive; in [0, 1] if the loss
            ``needs_bounded_boxes``.
        ious (Tensor | None): Shape (P,), IoU of each positive's predicted box with its target, or
            ``Targets.quality`` if the head sets it; None if ``loss_bbox`` does not compare boxes.
        pos_scores (Tensor): Shape (P,), highest class score of each positive, detached.
        mask_losses (MaskLosses | None): Mask losses of some of the positives, if the detector has
            masks.
    """

    logits: Tensor
    ranking: Ranking
    loc_losses: Tensor
    ious: Tensor | None
    pos_scores: Tensor
    mask_losses: MaskLosses | None = None


class RankingLoss(nn.Module):
    """A loss of one ranking over all logits of a batch, and of its positives' boxes.

    Subclasses implement ``losses``. Unlike MMDetection's classification losses, a ranking loss is
    not a sum over logits: it has no ``weight``, no ``avg_factor`` and no ``reduction``.

    Args:
        delta (float): Half the width of the smoothed step, in units of the logits. Defaults to 1.
        loss_weight (float): Weight of the classification loss, >= 0. Defaults to 1.
        use_sigmoid (bool): Must be True: there is one logit per class and none for background.
            MMDetection's heads read it from the config.
        ranking (str): What is ranked together: the batch of each process (``'process'``, the
            default, as in the published recipes) or the batches of all processes (``'global'``).

    Raises:
        ValueError: If ``delta`` is not positive, ``loss_weight`` is negative, ``use_sigmoid`` is
            False, or ``ranking`` is unknown.
    """

    needs_bounded_boxes = False  # loss_bbox must be bounded, and is scaled to [0, 1]
    needs_ious = False  # loss_bbox must compare boxes
    balances = False  # weights boxes and masks itself, so that their losses must have weight 1
    self_count = 1.0  # of a positive in its own rank, see Ranking

    # MMDetection's box heads then call get_cls_channels and get_activation.
    custom_cls_channels = True
    custom_activation = True

    def __init__(
        self,
        delta: float = 1.0,
        loss_weight: float = 1.0,
        use_sigmoid: bool = True,
        ranking: str = 'process',
    ):
        super().__init__()
        check_positive('delta', delta)
        if not use_sigmoid:
            raise ValueError(
                f'{type(self).__name__} ranks one logit per class: use_sigmoid must be True'
            )
        if ranking not in ('process', 'global'):
            raise ValueError(f"ranking must be 'process' or 'global', got {ranking!r}")
        if not isinstance(loss_weight, Real) or not 0 <= loss_weight < float('inf'):
            raise ValueError(f'loss_weight must be a number of at least 0, got {loss_weight!r}')
        self.delta = delta
        self.loss_weight = loss_weight
        self.ranking = ranking

    def losses(self, batch: RankedBatch) -> dict[str, Tensor]:
        """``loss_cls`` and ``loss_bbox`` of a batch, and any other scalars to be logged.

        A loss that weights masks returns ``loss_mask``, too. The default is their mean.
        """
        raise NotImplementedError

    @outside_of_graphs
    def forward(
        self,
        cls_scores: Tensor,
        labels: Tensor,
        loc_losses: Tensor,
        ious: Tensor | None = None,
        quality: Tensor | None = None,
        mask_losses: MaskLosses | None = None,
        pos_inds: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            cls_scores (Tensor): Shape (A, C), the logits of all priors, any floating-point dtype.
            labels (Tensor): Shape (A,), integer: the class in [0, C) of a positive prior, C for
                background, -1 for an ignored prior.
            loc_losses (Tensor): Shape (P,), localisation loss of each positive prior, in their
                order.
            ious (Tensor, optional): Shape (P,), IoU of each positive prior's box.
            quality (Tensor, optional): Shape (P,), passed on instead of ``ious``.
            mask_losses (MaskLosses, optional): Mask losses of some of the positives.
            pos_inds (Tensor, optional): Shape (P,), the positive priors, ascending, if known.

        Returns:
            dict[str, Tensor]: Scalars: what ``losses`` returns, ``loss_mask`` if there are mask
            losses, ``num_pos`` and, given ``ious``, ``ranked_iou``: the mean IoU of the positives,
            weighted towards the top of the ranking.

        Raises:
            FloatingPointError: If a logit, a localisation loss or a mask loss is NaN or infinite.
        """
        num_classes = cls_scores.shape[1]
        group = self._group()

        def pos_values(inds: Tensor) -> dict[str, Tensor]:
            _check_finite(loc_losses, mask_losses)
            pos_scores = cls_scores.detach()[inds // num_classes].sigmoid()
            values = dict(loc_losses=loc_losses, ious=ious, quality=quality)
            values['pos_scores'] = pos_scores.amax(dim=1)
            if group is not None and mask_losses is not None:
                values['has_mask'], values['mask_losses'] = _of_all_positives(
                    mask_losses, len(inds)
                )
            return {name: value for name, value in values.items() if value is not None}

        logits = cls_scores.flatten()
        ranking = Ranking(
            logits,
            Labels(labels, num_classes, pos_rows=pos_inds),
            self.delta,
            self.self_count,
            group,
            pos_values,
        )
        loc_losses, ious, quality = (
            ranking.pos_values.get(name) for name in ('loc_losses', 'ious', 'quality')
        )
        if 'has_mask' in ranking.pos_values:
            inds = ranking.pos_values['has_mask'].nonzero()[:, 0]
            mask_losses = MaskLosses(ranking.pos_values['mask_losses'][inds], inds)

        measure = ious if quality is None else quality
        pos_scores = ranking.pos_values['pos_scores']
        results = self.losses(
            RankedBatch(logits, ranking, loc_losses, measure, pos_scores, mask_losses)
        )
        if mask_losses is not None and 'loss_mask' not in results:
            results['loss_mask'] = mask_losses.losses.sum() / max(len(mask_losses.losses), 1)
        results['num_pos'] = loc_losses.new_full((), len(ranking))
        if ious is not None:
            weights = cast_like(ranking.localisation_weights, ious)
            results['ranked_iou'] = (weights * ious).sum() / weights.sum().clamp(min=1e-12)
        return results

    def _group(self) -> 'dist.ProcessGroup | None':
        """The processes that rank together, if there are others."""
        if self.ranking == 'process' or not dist.is_available() or not dist.is_initialized():
            return None
        return dist.group.WORLD if dist.get_world_size() > 1 else None

    def get_cls_channels(self, num_classes: int) -> int:
        """Number of logits per RoI: none for background."""
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores of RoIs for ``BBoxHead``, which expects the background in a last column.

        Args:
            cls_score (Tensor): Shape (R, C), logits.

        Returns:
            Tensor: Shape (R, C + 1), scores in [0, 1], the last column 0.
        """
        return F.pad(cls_score.sigmoid(), (0, 1))


def _of_all_positives(masks: MaskLosses, num_pos: int) -> tuple[Tensor, Tensor]:
    """Whether each positive has a mask, and the loss of its mask or 0. Shape (num_pos,) each."""
    has_mask = torch.zeros(num_pos, dtype=torch.bool, device=masks.inds.device)
    has_mask[masks.inds] = True
    losses = masks.losses.new_zeros(num_pos)
    return has_mask, losses.index_put((masks.inds,), masks.losses)


def _check_finite(loc_losses: Tensor, mask_losses: MaskLosses | None) -> None:
    losses = loc_losses.detach()
    if mask_losses is not None:  # one transfer from the device instead of two
        losses = torch.cat([losses, mask_losses.losses.detach().to(losses)])
    if not losses.isfinite().all():
        raise FloatingPointError(
            'a localisation loss or a mask loss is NaN or infinite: training has diverged, or a '
            'box is broken'
        )
