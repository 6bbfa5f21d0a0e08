"""Sums of smoothed steps over the positives of lower target: what a sorting term is made of."""

import torch
from torch import Tensor

# Up to this many positives, comparing all pairs is faster (measured on a CPU).
MAX_PAIRWISE = 1000


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
    if len(logits) <= MAX_PAIRWISE:
        return _by_pairs(logits, targets, delta, weights)
    return _by_bits(logits, targets, delta, weights)


def _by_pairs(logits: Tensor, targets: Tensor, delta: float, weights: Tensor) -> Tensor:
    above = ((logits[:, None] - logits) / (2 * delta) + 0.5).clamp_(0, 1)
    return weights @ above.masked_fill_(targets[:, None] >= targets, 0)


def _by_bits(logits: Tensor, targets: Tensor, delta: float, weights: Tensor) -> Tensor:
    """Divide and conquer over the bits of the targets' ranks, as in a wavelet matrix.

    Rank r_k is lower than r_i if, at the highest bit in which they differ, r_k has 0 (a key) and
    r_i has 1 (a query). So each pair counts at one bit, within a group of equal higher bits. After
    each bit, a stable partition moves all keys to the front. Groups stay contiguous, and the logits
    in a group stay sorted. Each positive carries the places where the window of its step begins
    and ends in its group, so nothing is searched or sorted again.
    """
    num = len(logits)
    logits, item = (logits - logits.mean()).sort()  # centred, since sums of logits * weight cancel
    values, rank = targets[item].unique(return_inverse=True)
    low = torch.searchsorted(logits, logits - delta)
    high = torch.searchsorted(logits, logits + delta)
    end = torch.full_like(item, num)  # of the group
    rows = [row[item] for row in weights]
    sums = [torch.zeros_like(row) for row in rows]
    for bit in reversed(range((len(values) - 1).bit_length())):
        is_key = (rank >> bit & 1) == 0
        order = torch.cat([is_key.nonzero()[:, 0], (~is_key).nonzero()[:, 0]])
        keys_before = _sums_before(is_key.long())
        rank, item, logits, low, high, end, *carried = (
            x.index_select(0, order) for x in (rank, item, logits, low, high, end, *rows, *sums)
        )
        rows, sums = carried[: len(rows)], carried[len(rows) :]
        # From here on, keys come first. Each place is the number of keys before it.
        places = [(x, keys_before.index_select(0, x)) for x in (low, high, end)]
        num_keys = int(keys_before[-1])
        below, above, last = (keys[num_keys:] for _, keys in places)
        for row, total in zip(rows, sums):
            mass = _sums_before(row[:num_keys])
            moment = _sums_before(row[:num_keys] * logits[:num_keys])
            mass_above = mass.index_select(0, above)
            inside = mass_above - mass.index_select(0, below)
            rising = moment.index_select(0, above) - moment.index_select(0, below)
            rising -= (logits[num_keys:] - delta) * inside
            total[num_keys:] += mass.index_select(0, last) - mass_above + rising / (2 * delta)
        low, high, end = (
            torch.cat([keys[:num_keys], (x - keys)[num_keys:] + num_keys]) for x, keys in places
        )
    out = torch.empty_like(weights)
    for row, total in zip(out, sums):
        row[item] = total
    return out


def _sums_before(values: Tensor) -> Tensor:
    """Exclusive running sums: (N,) to (N + 1,)."""
    return torch.cat([values.new_zeros(1), values.cumsum(0)])
