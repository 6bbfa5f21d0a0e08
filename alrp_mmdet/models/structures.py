"""What a head passes to ``RankingHeadMixin.rank``."""

from dataclasses import dataclass

from torch import Tensor

from alrp.ranking import Labels


@dataclass(frozen=True)
class Predictions:
    """Predictions of a batch, one row for each of A priors (anchors, points or RoIs).

    Attributes:
        logits (Tensor): Shape (A, C), one logit per class.
        boxes (Tensor): Shape (A, 4), as the head regresses them.
        priors (Tensor): Shape (A, K), what the head's ``decode`` needs to know of each prior.
        img_inds (Tensor): Shape (A,), int64, index of the image that each prior belongs to.
        featmap_sizes (list[tuple[int, int]], optional): Height and width of each level of a dense
            head. The rows are ordered by level, then by image, then by position.
    """

    logits: Tensor
    boxes: Tensor
    priors: Tensor
    img_inds: Tensor
    featmap_sizes: list[tuple[int, int]] | None = None


@dataclass(frozen=True)
class Targets:
    """The targets of A priors.

    Attributes:
        labels (Tensor): Shape (A,), integer: the class in [0, C) of a positive prior, C for
            background, -1 for an ignored prior.
        boxes (Tensor): Shape (A, 4), read for positives only: boxes (x1, y1, x2, y2) in pixels if
            ``loss_bbox`` compares boxes, otherwise encoded as the head regresses them.
        quality (Tensor, optional): Shape (A,), in [0, 1], read for positives only: what a loss
            that sorts positives sorts them by. Defaults to the IoU of the predicted boxes.
        gt_inds (Tensor, optional): Shape (A,), int64, read for positives only: the index of the
            object among those of its image, for detectors with masks.
    """

    labels: Tensor
    boxes: Tensor
    quality: Tensor | None = None
    gt_inds: Tensor | None = None

    def pos_inds(self, num_classes: int) -> Tensor:
        """Indices of the positive priors, shape (P,), int64, ascending. Waits for the device."""
        return Labels(self.labels, num_classes).positive_rows()


@dataclass(frozen=True)
class MaskLosses:
    """Mask losses of K of the P positives.

    Attributes:
        losses (Tensor): Shape (K,), the loss of each mask, such as its Dice loss.
        inds (Tensor): Shape (K,), int64, the index of each among the positives.
    """

    losses: Tensor
    inds: Tensor
