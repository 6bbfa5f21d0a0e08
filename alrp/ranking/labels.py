"""Which logits are positives, negatives or ignored."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .devices import avoids_atomics, to_ranking_device


class NonFiniteLogitsError(FloatingPointError):
    """A logit is NaN or infinite, so the logits cannot be ranked."""


@dataclass(frozen=True)
class Labels:
    """Labels of M logits: one for each logit, or one for each row of C logits.

    Attributes:
        values (Tensor): Shape (M,), integer or bool: 1 positive, 0 negative, -1 ignored. With
            ``num_classes``: shape (A,), integer, the class of each row, M = A * C: in [0, C), or C
            for background (all logits of the row are negatives), or -1 for an ignored row.
        num_classes (int, optional): C.
        soft (bool): Whether ``values`` are floating-point, and all above 0 are positives.
        known_others (Tensor, optional): Ascending indices of the logits that are not negatives.
    """

    values: Tensor
    num_classes: int | None = None
    soft: bool = False
    known_others: Tensor | None = None

    @property
    def row(self) -> int:
        """Number of logits per label."""
        return 1 if self.num_classes is None else self.num_classes

    def on_ranking_device(self, others: Tensor | None) -> 'Labels':
        """The same labels where they are ranked, with ``known_others``."""
        others = None if others is None else to_ranking_device(others)
        return replace(self, values=to_ranking_device(self.values), known_others=others)

    def negatives(self, part: slice, inds: Tensor | None = None) -> Tensor:
        """Mask of the negatives among consecutive logits, whole rows. Shape of the part.

        Args:
            part (slice): The logits.
            inds (Tensor, optional): Shape (K,), int64, indices in the part: the mask is of these
                only, shape (K,).
        """
        labels = self.values[part.start // self.row : part.stop // self.row]
        if self.num_classes is None:
            labels = labels if inds is None else labels.index_select(0, inds)
            return labels.eq(0)
        classes = torch.arange(self.row, device=labels.device)
        if inds is None:
            labels = labels[:, None]
            return (labels.ne(classes) & labels.ge(0)).flatten()
        labels = labels.index_select(0, inds // self.row)
        return labels.ne(inds % self.row) & labels.ge(0)

    def others(self, part: slice) -> Tensor:
        """Indices, in the part, of what ``negatives`` leaves out. Waits for the device."""
        if self.known_others is not None:
            bounds = torch.tensor([part.start, part.stop], device=self.values.device)
            first, end = torch.searchsorted(self.known_others, bounds).tolist()
            others: Tensor = self.known_others[first:end] - part.start
            return others
        labels = self.values[part.start // self.row : part.stop // self.row]
        if self.num_classes is None:
            return (labels != 0).nonzero()[:, 0]
        positive = ((labels >= 0) & (labels < self.row)).nonzero()[:, 0]
        ignored = (labels < 0).nonzero()
        classes = torch.arange(self.row, device=labels.device)
        return torch.cat(
            [positive * self.row + labels[positive], (ignored * self.row + classes).flatten()]
        )

    def positives(self, logits: Tensor) -> tuple[Tensor, bool]:
        """Check labels and logits, and find the positives.

        Waits for the device twice, with ``num_classes`` once.

        Args:
            logits (Tensor): Shape (M,).

        Returns:
            tuple: Ascending indices of the positives, shape (P,), int64. Whether all others are
            negatives.

        Raises:
            ValueError: If shapes, dtypes or labels are not as described.
            NonFiniteLogitsError: If a logit is NaN or infinite.
        """
        self._check_types(logits)
        if logits.numel() == 0:
            return torch.zeros(0, dtype=torch.long, device=logits.device), True
        if self.num_classes is None:
            least, _ = self._check_values(logits)
            return _few_nonzero(self.values > 0), least >= 0
        is_positive = (self.values >= 0) & (self.values < self.row)
        least, num_pos = self._check_values(logits, is_positive.sum())
        # Row of the i-th positive: nonzero() would wait for the device to know their number.
        count = torch.arange(1, num_pos + 1, device=logits.device)
        rows = torch.searchsorted(is_positive.cumsum(0), count)
        return rows * self.row + self.values[rows].long(), least >= 0

    def _check_types(self, logits: Tensor) -> None:
        labels = self.values
        if logits.dim() != 1 or labels.shape != (len(logits) // self.row,):
            raise ValueError(
                'logits and labels must be one-dimensional and equally long, got shapes '
                f'{tuple(logits.shape)} and {tuple(labels.shape)}'
            )
        if not logits.is_floating_point():
            raise ValueError(f'logits must be floating-point, got {logits.dtype}')
        if not self.soft and (labels.is_floating_point() or labels.is_complex()):
            raise ValueError(f'labels must be integers, got {labels.dtype}')

    def _check_values(self, logits: Tensor, *counts: Tensor) -> tuple[float, int]:
        """Check all values in one transfer from the device.

        Returns:
            tuple: The least label, and the sum of the counts.
        """
        dtype = torch.promote_types(logits.dtype, torch.float32)
        extremes = [*logits.detach().aminmax(), *self.values.aminmax(), *counts]
        low, high, least, most, *count = torch.stack([x.to(dtype) for x in extremes]).cpu().tolist()
        if not -float('inf') < low <= high < float('inf'):
            bad = (~logits.isfinite()).nonzero()[:, 0]
            raise NonFiniteLogitsError(
                f'{len(bad)} of {len(logits)} logits are NaN or infinite, the first at index '
                f'{bad[0].item()}: training has diverged, or the input is broken. Try a lower '
                'learning rate, a longer warm-up or gradient clipping.'
            )
        if not self.soft and (least < -1 or most > (self.num_classes or 1)):
            meaning = '1 (positive), 0 (negative)'
            if self.num_classes is not None:
                meaning = f'0 to {self.row - 1} (class), {self.row} (background)'
            raise ValueError(
                f'labels must be {meaning} or -1 (ignored), got values from {least:g} to {most:g}'
            )
        return least, int(sum(count))


def _few_nonzero(mask: Tensor) -> Tensor:
    """``mask.nonzero()[:, 0]``, several times as fast on a CPU for a few in a thousand: looks at
    words of eight first."""
    whole = len(mask) // 8 * 8
    if avoids_atomics(mask.device) or whole == 0:
        return mask.nonzero()[:, 0]
    words = mask[:whole].view(torch.int64).nonzero()[:, 0]
    inds = (words[:, None] * 8 + torch.arange(8)).flatten()
    inds = torch.cat([inds, torch.arange(whole, len(mask))])
    found: Tensor = inds[mask.index_select(0, inds)]
    return found
