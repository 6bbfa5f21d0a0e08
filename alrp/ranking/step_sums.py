"""The primitive of every ranking loss: sums of smoothed steps.

``H(x) = clamp(x / (2 * delta) + 1/2, 0, 1)`` is linear between two kinks. So ``P`` points and ``V``
values need not be compared pairwise: the kinks of the points (``knots``) cut the line into
intervals, each value falls into one of them, and running sums over the intervals do the rest. This
is exact and takes ``O((P + V) log P)`` time at worst, close to ``O(V)`` in practice.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Values are processed in chunks: temporaries stay in the processor's cache, and their memory does
# not grow with the number of values.
CPU_CHUNK = 1 << 17
GPU_CHUNK = 1 << 24
NUM_CELLS = 1 << 16


def step_sums(queries: Tensor, keys: Tensor, delta: float, weights: Tensor | None = None) -> Tensor:
    """The weighted number of keys above each query, counted by a smoothed step.

    ``out[i] = sum_j weights[j] * H(keys[j] - queries[i])`` with
    ``H(x) = clamp(x / (2 * delta) + 1/2, 0, 1)``. Exact up to float64 rounding of about
    ``1e-16 * K * spread / delta``, where spread is the range of queries and keys.

    Args:
        queries (Tensor): Shape (Q,), any floating-point dtype, finite.
        keys (Tensor): Shape (K,), likewise.
        delta (float): Half the width of the smoothed step, in units of the logits, > 0.
        weights (Tensor, optional): Shape (K,). Defaults to one for every key.

    Returns:
        Tensor: Shape (Q,), float64, without gradient.

    Raises:
        ValueError: If a shape or ``delta`` is not as described.
    """
    if queries.dim() != 1 or keys.dim() != 1:
        raise ValueError(
            'queries and keys must be one-dimensional, got shapes '
            f'{tuple(queries.shape)} and {tuple(keys.shape)}'
        )
    if weights is not None and weights.shape != keys.shape:
        raise ValueError(
            f'expected one weight per key, got weights of shape {tuple(weights.shape)} and keys '
            f'of shape {tuple(keys.shape)}'
        )
    queries, keys = queries.detach(), keys.detach()
    weights = torch.ones_like(keys) if weights is None else weights.detach()
    if len(queries) <= len(keys):
        steps = Steps(queries, delta)
        return steps.collect((steps.locate(k), w) for k, w in zip(chunks(keys), chunks(weights)))
    # H(k - q) = H((-q) - (-k)): mirrored, the keys are the points.
    steps = Steps(-keys, delta)
    sums = steps.spread(weights)
    return torch.cat([sums(steps.locate(-q)) for q in chunks(queries)])


def check_delta(delta: float) -> None:
    """Raise a ValueError unless ``delta`` is a positive, finite number."""
    if not 0 < delta < float('inf'):
        raise ValueError(f'delta must be a positive number, got {delta}')


def chunks(values: Tensor) -> Iterator[Tensor]:
    """Views of a tensor's consecutive parts, to be processed one by one."""
    size = CPU_CHUNK if values.device.type == 'cpu' else GPU_CHUNK
    return (values[start : start + size] for start in range(0, len(values), size))


class Located(NamedTuple):
    """Positions of values among the knots of ``Steps``.

    Attributes:
        interval (Tensor): Shape (V,), int32. Interval b reaches from knot b - 1 to knot b.
        above_knot (Tensor): Shape (V,), float64, distance from the lower knot of the interval.
    """

    interval: Tensor
    above_knot: Tensor


class Steps:
    """A smoothed step at each of P points, ``x -> H(x - points[i])``.

    Args:
        points (Tensor): Shape (P,), floating-point, finite.
        delta (float): Half the width of the step, > 0.

    Raises:
        ValueError: If ``delta`` is not positive.
    """

    def __init__(self, points: Tensor, delta: float):
        check_delta(delta)
        self.delta = delta
        points = points.double()
        self.knots, order = torch.cat([points - delta, points + delta]).sort()
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        # Indices of the knots where each step starts and ends.
        self.foot, self.head = place.chunk(2)
        self._knot_below = torch.cat([self.knots[:1], self.knots])  # of every interval
        self._cells: Tensor | None = None

    def locate(self, values: Tensor) -> Located:
        """Locate values of shape (V,), any floating-point dtype, among the knots."""
        values = values.double()
        if len(self.knots) == 0:
            return Located(torch.zeros_like(values, dtype=torch.int32), values)
        interval = self._interval(values)
        return Located(interval, values - self._knot_below.index_select(0, interval))

    def collect(self, located: Iterable[tuple[Located, Tensor | None]]) -> Tensor:
        """``sum_j weights[j] * H(values[j] - point)`` for every point.

        ``2 * delta * H(x) = relu(x + delta) - relu(x - delta)``, so each point needs
        ``F(t) = sum_j weights[j] * relu(values[j] - t)`` at two knots.

        Args:
            located (Iterable): Pairs of located values and their weights, shape (V,) or None for 1.

        Returns:
            Tensor: Shape (P,), float64.
        """
        mass = self.knots.new_zeros(len(self.knots) + 1)  # of each interval
        excess = torch.zeros_like(mass)  # sum of weights * (value - knot below the value)
        for (interval, above_knot), weights in located:
            if weights is None:
                weights = mass.new_ones(1).expand_as(above_knot)
            else:
                weights = weights.double()
                above_knot = above_knot * weights
            mass.index_add_(0, interval, weights)
            excess.index_add_(0, interval, above_knot)
        mass_above = _sum_from_top(mass)[1:]  # each knot
        # From one knot down to the next, F grows by the mass above the upper knot times the gap,
        # and by the excess in between. F at the top knot cancels out, so it may be set to zero.
        growth = mass_above[1:] * self.knots.diff() + excess[1:-1]
        hinge = torch.cat([_sum_from_top(growth), growth.new_zeros(1)])
        return (hinge[self.foot] - hinge[self.head]) / (2 * self.delta)

    def spread(self, weights: Tensor) -> Callable[[Located], Tensor]:
        """The function ``x -> sum_i weights[i] * H(x - points[i])``, piecewise linear in x.

        Args:
            weights (Tensor): Shape (P,).

        Returns:
            Callable: Takes located values of shape (V,), returns their sums: (V,), float64.
        """
        weights = weights.double()
        bend = torch.zeros_like(self.knots)
        bend[self.foot] = weights
        bend[self.head] = -weights
        # Interval b starts at height[b] above its knot and rises by slope[b]. Both are zero below
        # the bottom knot. Above the top knot the bends cancel, up to rounding.
        slope = torch.cat([bend.new_zeros(1), bend.cumsum(0) / (2 * self.delta)])
        slope[-1] = 0
        rise = slope[1:-1] * self.knots.diff()
        height = torch.cat([bend.new_zeros(min(2, len(slope))), rise.cumsum(0)])

        def sums(located: Located) -> Tensor:
            interval, above_knot = located
            start = height.index_select(0, interval)
            return start.addcmul_(slope.index_select(0, interval), above_knot)

        return sums

    def _interval(self, values: Tensor) -> Tensor:
        """Number of knots at or below each value."""
        if values.device.type != 'cpu' or len(values) < NUM_CELLS // 4:
            return torch.searchsorted(self.knots, values, right=True, out_int32=True)
        # A binary search mispredicts a branch at every step. Arithmetic locates most values: cut
        # the knots' range into equal cells and look up cells that contain no knot. _cell is
        # monotone, so a value in a different cell than a knot is on the same side of it.
        if self._cells is None:
            count = torch.bincount(self._cell(self.knots), minlength=NUM_CELLS)
            self._cells = count.cumsum(0).masked_fill_(count > 0, -1).int()
        interval = self._cells.index_select(0, self._cell(values))
        unsure = (interval < 0).nonzero()[:, 0]
        interval[unsure] = torch.searchsorted(
            self.knots, values[unsure], right=True, out_int32=True
        )
        return interval

    def _cell(self, values: Tensor) -> Tensor:
        bottom, top = self.knots[0], self.knots[-1]
        scale = NUM_CELLS / (top - bottom).clamp(min=torch.finfo(values.dtype).eps)
        cell: Tensor = (values - bottom).mul_(scale).clamp_(0, NUM_CELLS - 1).int()
        return cell


def _sum_from_top(values: Tensor) -> Tensor:
    """``out[i] = sum(values[i:])``, summed from the end, where small ranks need precision."""
    return values.flip(0).cumsum(0).flip(0)
