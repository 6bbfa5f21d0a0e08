"""Which logits are positives, negatives or ignored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .chunking import chunks
from .devices import has_float64, on_gpu, to_ranking_device

# A positive cannot be ranked if its logit is more than this times delta. Float64 rounds it by 1e-16
# of its value, and a step that is narrower than that counts nothing.
MAX_DELTAS = 1e12
# Torch has further types, such as uint16 and float8, but few operations on them.
FLOATS = torch.float16, torch.bfloat16, torch.float32, torch.float64
INTEGERS = torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64


class NonFiniteLogitsError(FloatingPointError):
    """A logit is NaN or infinite, so the logits cannot be ranked."""


class Positives(NamedTuple):
    """What ``Labels.positives`` finds.

    Attributes:
        inds (Tensor): Shape (P,), int64, ascending.
        no_ignored (bool): Whether all other logits are negatives.
        num_near (int, optional): On a GPU with float64: number of logits that are at most delta
            below a positive, and so may count for one.
    """

    inds: Tensor
    no_ignored: bool
    num_near: int | None = None


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
        pos_rows (Tensor, optional): Shape (P,), int64, ascending: the labels that are positive, if
            known. Not checked.
    """

    values: Tensor
    num_classes: int | None = None
    soft: bool = False
    known_others: Tensor | None = None
    pos_rows: Tensor | None = None

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
        positive = self._is_positive(labels).nonzero()[:, 0]
        ignored = (labels < 0).nonzero()
        classes = torch.arange(self.row, device=labels.device)
        return torch.cat(
            [positive * self.row + labels[positive], (ignored * self.row + classes).flatten()]
        )

    def positives(self, logits: Tensor, delta: float) -> Positives:
        """Check labels and logits, and find the positives.

        Waits for the device twice, with ``pos_rows`` once.

        Args:
            logits (Tensor): Shape (M,).
            delta (float): Half the width of the smoothed step, > 0.

        Raises:
            ValueError: If shapes, dtypes or labels are not as described.
            NonFiniteLogitsError: If a logit is NaN or infinite.
            FloatingPointError: If the step of a positive is lost in rounding.
        """
        self._check_types(logits)
        if logits.numel() == 0:
            return Positives(torch.zeros(0, dtype=torch.long, device=logits.device), True)
        logits = logits.detach()
        rows = self.positive_rows() if self.pos_rows is None else self.pos_rows
        inds = rows if self.num_classes is None else rows * self.row + self.values[rows].long()
        checked = self._check_values(logits, *_num_near(logits, delta, inds))
        if checked.largest > MAX_DELTAS * delta:  # others may be masked by a large value
            _check_steps(logits[inds], delta)
        return Positives(inds, checked.least_label >= 0, *checked.counts)

    def positive_rows(self) -> Tensor:
        """Indices of the labels that are positive, ascending. Waits for the device."""
        return _sparse_nonzero(self._is_positive(self.values))

    def _is_positive(self, labels: Tensor) -> Tensor:
        if self.num_classes is None:
            return labels > 0
        return (labels >= 0) & (labels.long() < self.row)  # C may be more than their dtype holds

    def _check_types(self, logits: Tensor) -> None:
        labels = self.values
        if logits.dim() != 1 or labels.dim() != 1 or len(logits) != len(labels) * self.row:
            lengths = (
                'and equally long' if self.num_classes is None else f'with {self.row} per label'
            )
            raise ValueError(
                f'logits and labels must be one-dimensional {lengths}, got shapes '
                f'{tuple(logits.shape)} and {tuple(labels.shape)}'
            )
        if logits.dtype not in FLOATS:
            raise ValueError(f'logits must be {_listed(FLOATS)}, got {_listed([logits.dtype])}')
        if not self.soft and labels.dtype not in INTEGERS:
            raise ValueError(f'labels must be {_listed(INTEGERS)}, got {_listed([labels.dtype])}')
        if labels.device != logits.device:
            raise ValueError(
                f'logits and {"targets" if self.soft else "labels"} must be on the same device, '
                f'got {logits.device} and {labels.device}'
            )

    def _check_values(self, logits: Tensor, *counts: Tensor) -> '_Checked':
        """Check all values in one transfer from the device."""
        dtype = torch.float64 if has_float64(logits.device) else torch.float32
        extremes = [*logits.aminmax(), *self.values.aminmax(), *counts]
        low, high, least, most, *ints = torch.stack([x.to(dtype) for x in extremes]).cpu().tolist()
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
        return _Checked(least, max(-low, high), [int(x) for x in ints])


def _listed(dtypes: Sequence[torch.dtype]) -> str:
    *others, last = (str(dtype).removeprefix('torch.') for dtype in dtypes)
    return f'{", ".join(others)} or {last}' if others else last


class _Checked(NamedTuple):
    """What is known after all values were checked.

    Attributes:
        least_label (float): The least label.
        largest (float): The largest magnitude of a logit.
        counts (list[int]): The counts that were transferred, too.
    """

    least_label: float
    largest: float
    counts: list[int]


def _check_steps(pos_logits: Tensor, delta: float) -> None:
    largest = float(pos_logits.abs().max().cpu()) if len(pos_logits) else 0.0
    if largest > MAX_DELTAS * delta:
        raise FloatingPointError(
            f'a logit of a positive has the magnitude {largest:g}, too large to be ranked with '
            f'delta={delta:g}: training has diverged, or delta is too small'
        )


def _num_near(logits: Tensor, delta: float, pos_inds: Tensor) -> list[Tensor]:
    """The number of logits that are at most delta below a positive, if they are ranked on a GPU."""
    if len(pos_inds) == 0 or not (on_gpu(logits.device) and has_float64(logits.device)):
        return []
    lowest = (logits[pos_inds].amin().double() - delta).to(logits.dtype)
    # In parts: a GPU adds up booleans only after it has made 8-byte integers of them.
    counts = [(logits[part] >= lowest).sum() for part in chunks(len(logits), logits.device)]
    return [torch.stack(counts).sum()]


def _sparse_nonzero(mask: Tensor) -> Tensor:
    """``mask.nonzero()[:, 0]``, several times as fast on a CPU for a few in a thousand: looks at
    words of eight first."""
    whole = len(mask) // 8 * 8
    if on_gpu(mask.device) or whole == 0:
        return mask.nonzero()[:, 0]
    words = mask[:whole].view(torch.int64).nonzero()[:, 0]
    inds = (words[:, None] * 8 + torch.arange(8)).flatten()
    inds = torch.cat([inds, torch.arange(whole, len(mask))])
    found: Tensor = inds[mask.index_select(0, inds)]
    return found
