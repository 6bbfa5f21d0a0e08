"""The one primitive behind every ranking-based loss: sums of smoothed steps.

``H(x) = clamp(x / (2 * delta) + 1/2, 0, 1)`` is linear between two kinks. Hence ``P`` points and
``V`` values never have to meet pairwise: the points cut the line at their kinks (``knots``), each
value falls into one interval between knots, and what is left are running sums over the intervals.
That costs ``O((P + V) log P)`` at worst, close to ``O(V)`` in practice, and is exact.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Values are visited in chunks, so that temporaries stay in the processor's cache and their memory
# does not grow with the number of values.
CPU_CHUNK = 1 << 17
GPU_CHUNK = 1 << 24
NUM_CELLS = 1 << 16


def step_sums(queries: Tensor, keys: Tensor, delta: float, weights: Tensor | None = None) -> Tensor:
    """For every query, the weighted number of keys above it, counted by a smoothed step.

    ``out[i] = sum_j weights[j] * H(keys[j] - queries[i])`` with
    ``H(x) = clamp(x / (2 * delta) + 1/2, 0, 1)``. Exact but for float64 rounding, of about
    ``1e-16 * K * spread / delta``, the spread being that of queries and keys.

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
            'queries and keys must be one-dimensional, but have the shapes '
            f'{tuple(queries.shape)} and {tuple(keys.shape)}'
        )
    if weights is not None and weights.shape != keys.shape:
        raise ValueError(
            f'one weight per key is needed, but weights have the shape {tuple(weights.shape)} '
            f'and keys {tuple(keys.shape)}'
        )
    queries, keys = queries.detach(), keys.detach()
    weights = torch.ones_like(keys) if weights is None else weights.detach()
    if len(queries) <= len(keys):
        steps = Steps(queries, delta)
        return steps.collect((steps.locate(k), w) for k, w in zip(chunks(keys), chunks(weights)))
    # H(k - q) = H((-q) - (-k)): on the mirrored line the keys are the points.
    steps = Steps(-keys, delta)
    sums = steps.spread(weights)
    return torch.cat([sums(steps.locate(-q)) for q in chunks(queries)])


def check_delta(delta: float) -> None:
    """Raise a ValueError unless ``delta`` is a positive, finite number."""
    if not 0 < delta < float('inf'):
        raise ValueError(f'delta must be a positive number, but is {delta}')


def chunks(values: Tensor) -> Iterator[Tensor]:
    """Views of a tensor's consecutive parts, each of a size that is handled at once."""
    return iter(values.split(CPU_CHUNK if values.device.type == 'cpu' else GPU_CHUNK))


class Located(NamedTuple):
    """Values among the knots of ``Steps``: which interval each is in, and how far above its knot.

    Interval b holds the values from knot b - 1 up to knot b. ``interval`` has shape (V,) and dtype
    int32, ``above_knot`` has shape (V,) and dtype float64.
    """

    interval: Tensor
    above_knot: Tensor


class Steps:
    """A smoothed step at each of a few points, ``x -> H(x - points[i])``, all seen at once.

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
        self.foot, self.head = place.chunk(2)  # where in knots each step begins and ends
        self._knot_below = torch.cat([self.knots[:1], self.knots])  # every interval
        self._cells = None

    def locate(self, values: Tensor) -> Located:
        """Where values of shape (V,), in any floating-point dtype, stand among the knots."""
        values = values.double()
        if len(self.knots) == 0:
            return Located(torch.zeros_like(values, dtype=torch.int32), values)
        interval = self._interval(values)
        return Located(interval, values - self._knot_below.index_select(0, interval))

    def collect(self, located: Iterable[tuple[Located, Tensor | None]]) -> Tensor:
        """For every point, ``sum_j weights[j] * H(values[j] - point)``.

        ``2 * delta * H(x) = relu(x + delta) - relu(x - delta)``, so that a point needs two values
        of ``F(t) = sum_j weights[j] * relu(values[j] - t)``, both at knots.

        Args:
            located: Pairs of located values and their weights, of shape (V,); None for all ones.

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
        # From one knot down to the next, F grows by what lies above the upper one, over the whole
        # gap, and by what lies in between. F at the top knot cancels, so it may count as zero.
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
        # Above its knot, interval b starts at height[b] and rises by slope[b]. Both are zero below
        # the bottom knot; above the top one the bends cancel, but for rounding.
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
        """The number of knots at or below each value."""
        if values.device.type != 'cpu' or len(values) < NUM_CELLS // 4:
            return torch.searchsorted(self.knots, values, right=True, out_int32=True)
        # A binary search misses the branch predictor at every step. Most values can be located by
        # arithmetic: cut the knots' range into equal cells and look up those that hold no knot.
        # _cell is monotone, so that a value in another cell than a knot is on the same side of it.
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
        return (values - bottom).mul_(scale).clamp_(0, NUM_CELLS - 1).int()


def _sum_from_top(values: Tensor) -> Tensor:
    """``out[i] = sum(values[i:])``, added from the end, where small ranks need precision."""
    return values.flip(0).cumsum(0).flip(0)
