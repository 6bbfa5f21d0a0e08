"""Sums of smoothed steps over the positives of lower target: what a sorting term is made of."""

import torch
from torch import Tensor

from .devices import on_gpu
from .running_sums import running_sums

# Up to this many positives, comparing all pairs is faster. Measured on a CPU. On a GPU, launching
# kernels takes the time: 60 for each bit of the number of positives, or 6 for a million pairs.
MAX_PAIRWISE = 800
MAX_PAIRWISE_ON_GPU = 8192
MAX_PAIRS_AT_ONCE = 1 << 16  # to stay in cache
MAX_PAIRS_AT_ONCE_ON_GPU = 1 << 20  # 25 MiB


def lower_target_sums(logits: Tensor, targets: Tensor, delta: float, weights: Tensor) -> Tensor:
    """``out[w, i] = sum_{k: targets[k] < targets[i]} weights[w, k] * H(logits[k] - logits[i])``.

    Exact up to float64 rounding. Takes O(P log P) time and O(P) memory.

    Args:
        logits (Tensor): Shape (P,), float64, finite.
        targets (Tensor): Shape (P,), floating-point, finite.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.
        weights (Tensor): Shape (W, P), float64.

    Returns:
        Tensor: Shape (W, P), float64.
    """
    if len(logits) <= (MAX_PAIRWISE_ON_GPU if on_gpu(logits.device) else MAX_PAIRWISE):
        return _by_pairs(logits, targets, delta, weights)
    return _by_bits(logits, targets, delta, weights)


def _by_pairs(logits: Tensor, targets: Tensor, delta: float, weights: Tensor) -> Tensor:
    out = torch.empty_like(weights)
    pairs = MAX_PAIRS_AT_ONCE_ON_GPU if on_gpu(logits.device) else MAX_PAIRS_AT_ONCE
    width = max(pairs // max(len(logits), 1), 1)
    for start in range(0, len(logits), width):
        part = slice(start, start + width)
        above = ((logits[:, None] - logits[part]) / (2 * delta)).add_(0.5).clamp_(0, 1)
        out[:, part] = weights @ above.masked_fill_(targets[:, None] >= targets[part], 0)
    return out


def _by_bits(logits: Tensor, targets: Tensor, delta: float, weights: Tensor) -> Tensor:
    """Divide and conquer over the bits of the targets' ranks: queries of a wavelet matrix.

    Query i sums over the keys whose target is among the ``lower[i]`` lowest. The highest bit in
    which their rank differs from ``lower[i]`` is 0, and 1 in ``lower[i]``. So each key counts at
    one bit, within the group of keys that equal ``lower[i]`` in the bits above. After each bit, a
    stable partition moves all keys with 0 to the front. Groups stay contiguous, and the logits in a
    group stay sorted. Each query carries the places where the window of its step begins and ends in
    its group, so nothing is searched or sorted again.
    """
    num = len(logits)
    logits, item = (logits - logits.mean()).sort()  # centred, since sums of logits * weight cancel
    ascending, by_target = targets[item].sort(stable=True)
    place = torch.arange(num, device=logits.device, dtype=torch.int32)
    rank = torch.empty_like(place).index_copy_(0, by_target, place)  # ties in any order
    lower = torch.searchsorted(ascending, targets[item], out_int32=True)
    foot, rows = logits - delta, weights[:, item]
    window = torch.stack([foot, logits + delta])
    edges = torch.searchsorted(logits, window, out_int32=True)
    edges = torch.cat([edges, torch.full_like(place, num)[None]])  # and the end of the group
    sums = torch.zeros_like(rows)
    for bit in reversed(range((num - 1).bit_length())):
        is_zero = (rank & (1 << bit)) == 0
        zeros_before = running_sums(is_zero.int())
        # Ranks are distinct, so that the number of zeros is known without waiting for a GPU.
        num_zeros = _count_zeros(num, bit)
        order = _zeros_first(is_zero, zeros_before, num_zeros, place)
        rank, logits = rank.index_select(0, order), logits.index_select(0, order)
        rows = rows.index_select(1, order)
        zeros = zeros_before.index_select(0, edges.flatten()).view_as(edges)
        has_one = (lower & (1 << bit)) != 0
        # A GPU computes the sums of all queries and discards half of them.
        queries = place if on_gpu(logits.device) else has_one.nonzero()[:, 0]
        below, above, end = zeros.index_select(1, queries)
        query_foot = foot.index_select(0, queries)
        for row, total in zip(rows, sums):
            mass = running_sums(row[:num_zeros])
            moment = running_sums(row[:num_zeros] * logits[:num_zeros])
            mass_above = mass.index_select(0, above)
            inside = mass_above - mass.index_select(0, below)
            rising = moment.index_select(0, above).sub_(moment.index_select(0, below))
            rising.addcmul_(query_foot, inside, value=-1)
            inside = mass.index_select(0, end).sub_(mass_above).add_(rising, alpha=0.5 / delta)
            if queries is place:
                inside.masked_fill_(~has_one, 0)
            total.index_add_(0, queries, inside)
        edges = torch.where(has_one, edges.sub_(zeros).add_(num_zeros), zeros)
    return torch.empty_like(weights).index_copy_(1, item, sums)


def _zeros_first(is_zero: Tensor, zeros_before: Tensor, num_zeros: int, place: Tensor) -> Tensor:
    """The order of a stable partition, shape (P,)."""
    if not on_gpu(is_zero.device):
        return torch.cat([is_zero.nonzero()[:, 0], is_zero.logical_not().nonzero()[:, 0]])
    to = torch.where(is_zero, zeros_before[:-1], num_zeros + place - zeros_before[:-1])
    return torch.empty_like(place).index_copy_(0, to.long(), place)


def _count_zeros(num: int, bit: int) -> int:
    """Number of integers in [0, num) that have 0 at a bit."""
    period = 2 << bit
    return num // period * (period // 2) + min(num % period, period // 2)
