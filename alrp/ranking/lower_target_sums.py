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
    """Divide and conquer over the bits of the targets' ranks, as in a wavelet tree.

    Rank r_k is lower than r_i if, at the highest bit in which they differ, r_k has 0 and r_i has 1.
    So each pair counts at one bit, within a group of equal higher bits. From bit to bit, groups
    are split by a stable partition, which keeps the logits within a group sorted. Each positive
    carries along where the window of its step begins and ends in its group, so that nothing is
    searched or sorted again.
    """
    num = len(logits)
    logits, order = (logits - logits.mean()).sort()  # centred, since sums of logits * weight cancel
    targets, weights = targets[order], weights[:, order]
    rank = targets.unique(return_inverse=True)[1]
    # Of each positive, in the order of the current level: its place in the order of the input, and
    # the places where its group and, within it, its window begin and end.
    item = order
    start, end = torch.zeros_like(order), torch.full_like(order, num)
    low = torch.searchsorted(logits, logits - delta)
    high = torch.searchsorted(logits, logits + delta)
    place = torch.arange(num, device=order.device)
    out = torch.zeros_like(weights)
    for bit in reversed(range((num - 1).bit_length())):
        is_query = (rank >> bit & 1).bool()
        keys = torch.where(is_query, 0, weights)
        mass, moment = _sums_before(keys), _sums_before(keys * logits)
        above = mass[:, end] - mass[:, high]
        inside = mass[:, high] - mass[:, low]
        rising = moment[:, high] - moment[:, low] - (logits - delta) * inside
        out[:, item] += torch.where(is_query, above + rising / (2 * delta), 0)

        # Keys go to the front of their group, queries to the back.
        keys_before = _sums_before((~is_query).long())
        first = keys_before[start]
        middle = start + keys_before[end] - first

        def moved(places: Tensor) -> Tensor:
            keys = keys_before[places] - first  # noqa: B023 - called in this round only
            return torch.where(is_query, middle + places - start - keys, start + keys)  # noqa: B023

        target_place = moved(place)
        moving = rank, item, logits, moved(low), moved(high)
        groups = torch.where(is_query, middle, start), torch.where(is_query, end, middle)
        inverse = torch.empty_like(place)
        inverse[target_place] = place
        rank, item, logits, low, high, start, end = (x[inverse] for x in (*moving, *groups))
        weights = weights[:, inverse]
    return out


def _sums_before(values: Tensor) -> Tensor:
    """Exclusive running sums over the last axis: (..., N) to (..., N + 1)."""
    return torch.cat([torch.zeros_like(values[..., :1]), values.cumsum(-1)], dim=-1)
