"""The negatives of a ranking that count for any of its positives."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .chunking import chunks
from .devices import on_gpu
from .labels import Labels
from .step_sums import Steps

# To select some of the logits of a part is faster on a CPU than to process all, if they are fewer
# than this fraction. It is estimated from a sample.
SPARSE_FRACTION = 0.4
SAMPLE = 4096
FEW_PARTS = 8  # parts to be processed together, since their temporaries are small
# Up to this many that were found by the forward pass are cached for the backward pass: .75 MiB with
# float32 logits. If they are more than this fraction of the logits, the time to find them again
# hardly matters.
MAX_CACHED = 1 << 16
CACHED_FRACTION = 1 / 16
BELOW = -float('inf')  # all steps. The lowest number may be within the step of a low float16


class Part(NamedTuple):
    """Negatives among consecutive logits.

    Attributes:
        place (slice): The logits.
        inds (Tensor, optional): Indices of these logits in the part. Without it, they are all.
        values (Tensor): The logits, minus infinity in place of those that are not negatives.
    """

    place: slice
    inds: Tensor | None
    values: Tensor


class Negatives:
    """Negatives that count for any positive, found part by part.

    Args:
        labels (Labels): Labels of M logits.
        steps (Steps): Steps of the positives.
        num_near (int, optional): On a GPU: number of logits that are not below all steps, to find
            them without waiting for it.
    """

    def __init__(self, labels: Labels, steps: Steps, num_near: int | None = None) -> None:
        self.steps = steps
        self._labels = labels
        self._num_near = num_near
        self._cached: list[Part] = []  # the first parts

    def parts(self, logits: Tensor) -> Iterator[Part]:
        """Negatives of each part, without indices if they are many.

        Args:
            logits (Tensor): Shape (M,), on a device with float64. The same in every call.
        """
        if len(self.steps.knots) == 0:
            return
        labels, device = self._labels, logits.device
        if on_gpu(device):
            if self._num_near is not None and self._num_near <= CACHED_FRACTION * len(logits):
                self._cached = self._cached or [self._near(logits, self._num_near)]
                yield self._cached[0]
                return
            for part in chunks(len(logits), device, labels.row):
                yield Part(part, None, logits[part].masked_fill(~labels.negatives(part), BELOW))
            return
        # Rounding to the dtype of the logits can only let in negatives that count nothing.
        lowest = self.steps.knots[0].to(logits.dtype)
        sample = logits[:: max(len(logits) // SAMPLE, 1)]
        if int((sample >= lowest).sum()) >= SPARSE_FRACTION * len(sample):
            for part in chunks(len(logits), device, labels.row):
                yield Part(
                    part, None, logits[part].clone().index_fill_(0, labels.others(part), BELOW)
                )
            return
        for number, part in enumerate(chunks(len(logits), device, labels.row, FEW_PARTS)):
            if number < len(self._cached):
                yield self._cached[number]
                continue
            values = logits[part]
            inds = (values >= lowest).nonzero()[:, 0]
            inds = inds[labels.negatives(part, inds)]
            found = Part(part, inds, values.index_select(0, inds))
            if number == len(self._cached) and self._has_room(found):
                self._cached.append(found)
            yield found

    def _near(self, logits: Tensor, num: int) -> Part:
        """The logits that are not below all steps, as a single part."""
        is_near = logits >= self.steps.knots[0].to(logits.dtype)
        try:
            inds = torch.nonzero_static(is_near, size=num)[:, 0]
        except NotImplementedError:  # on a GPU, before torch 2.7
            inds = logits.topk(num, sorted=False).indices
        whole = slice(0, len(logits))
        others = ~self._labels.negatives(whole, inds)
        return Part(whole, inds, logits.index_select(0, inds).masked_fill_(others, BELOW))

    def _has_room(self, part: Part) -> bool:
        num, size = len(part.values), part.place.stop - part.place.start
        num_cached = sum(len(cached.values) for cached in self._cached)
        return num_cached + num <= MAX_CACHED and num <= CACHED_FRACTION * size
