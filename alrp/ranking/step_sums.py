"""The primitive of every ranking loss: sums of smoothed steps.

``H(x) = clamp(x / (2 * delta) + 1/2, 0, 1)`` is linear between two kinks. So ``P`` points and ``V``
values need not be compared pairwise: the kinks of the points (``knots``) cut the line into
intervals, each value falls into one of them, and running sums over the intervals do the rest. This
is exact and takes ``O((P + V) log P)`` time at worst, close to ``O(V)`` in practice.
"""

from collections.abc import Callable, Iterable
from numbers import Real

import torch
from torch import Tensor

from .chunking import chunks
from .devices import on_gpu, to_float64, to_ranking_device
from .interval_sums import binned_sums, sorted_sums
from .running_sums import running_sums, sums_from_top

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
        Tensor: Shape (Q,), float64, without gradient. On the CPU if the device has no float64.

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
    queries, keys = to_ranking_device(queries), to_ranking_device(keys)
    weights = torch.ones_like(keys) if weights is None else to_ranking_device(weights)
    if len(queries) <= len(keys):
        return Steps(queries, delta).collect(
            (keys[part], weights[part]) for part in chunks(len(keys), keys.device)
        )
    # H(k - q) = H((-q) - (-k)): mirrored, the keys are the points.
    sums = Steps(-keys, delta).spread(weights)
    return torch.cat([sums(-queries[part]) for part in chunks(len(queries), queries.device)])


def check_positive(name: str, value: float) -> None:
    """Raise a ValueError unless a setting is a positive, finite number."""
    if not isinstance(value, Real) or not 0 < value < float('inf'):
        raise ValueError(f'{name} must be a positive number, got {value!r}')


class Steps:
    """A smoothed step at each of P points, ``x -> H(x - points[i])``.

    Args:
        points (Tensor): Shape (P,), floating-point, finite.
        delta (float): Half the width of the step, > 0.

    Raises:
        ValueError: If ``delta`` is not positive.
    """

    def __init__(self, points: Tensor, delta: float):
        check_positive('delta', delta)
        self.delta = delta
        points = to_float64(points)
        self.knots, order = torch.cat([points - delta, points + delta]).sort()
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        # Indices of the knots where each step starts and ends.
        self.foot, self.head = place.chunk(2)
        self._knot_below = torch.cat([self.knots[:1], self.knots])  # of every interval
        self._cells: dict[torch.dtype, Tensor] = {}

    def collect(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> Tensor:
        """``sum_j weights[j] * H(values[j] - point)`` for every point.

        ``2 * delta * H(x) = relu(x + delta) - relu(x - delta)``, so each point needs
        ``F(t) = sum_j weights[j] * relu(values[j] - t)`` at two knots.

        Args:
            parts (Iterable): Parts of the values, any floating-point dtype, with their weights:
                shape (V,) each, or None as weights for 1. Then a value may be minus infinity.

        Returns:
            Tensor: Shape (P,), float64.
        """
        if len(self.knots) == 0:
            return self.knots.new_zeros(0)
        sums = sorted_sums if on_gpu(self.knots.device) else binned_sums
        mass_above, excess = sums(parts, self.knots, self._locate)
        # From one knot down to the next, F grows by the mass above the upper knot times the gap,
        # and by the excess in between. F at the top knot cancels out, so it may be set to zero.
        growth = mass_above[1:] * self.knots.diff() + excess
        hinge = torch.cat([sums_from_top(growth), growth.new_zeros(1)])
        return (hinge[self.foot] - hinge[self.head]) / (2 * self.delta)

    def spread(self, weights: Tensor) -> Callable[[Tensor], Tensor]:
        """The function ``x -> sum_i weights[i] * H(x - points[i])``, piecewise linear in x.

        Args:
            weights (Tensor): Shape (P,).

        Returns:
            Callable: Takes values of shape (V,), any floating-point dtype, or minus infinity.
            Returns their sums, shape (V,), float64.
        """
        weights = weights.double()
        bend = torch.zeros_like(self.knots)
        bend[self.foot] = weights
        bend[self.head] = -weights
        # Interval b starts at height[b] above its knot and rises by slope[b]. Both are zero below
        # the bottom knot. Above the top knot the bends cancel, up to rounding.
        slope = running_sums(bend) / (2 * self.delta)
        slope[-1:].zero_()
        rise = running_sums(slope[1:-1] * self.knots.diff())
        height = torch.cat([bend.new_zeros(1), rise])[: len(slope)]

        def sums(values: Tensor) -> Tensor:
            if len(self.knots) == 0:
                return torch.zeros_like(values, dtype=torch.float64)
            interval, above_knot = self._locate(values)
            start = height.index_select(0, interval)
            above_knot.clamp_(min=0)  # infinity below the bottom knot, where the slope is zero
            return start.addcmul_(slope.index_select(0, interval), above_knot)

        return sums

    def _locate(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Locate values of shape (V,), any floating-point dtype, among the knots.

        Returns:
            tuple: Interval of each value, (V,), int32: interval b reaches from knot b - 1 to knot
            b. Its distance from the lower knot of the interval, (V,), float64.
        """
        interval = self._interval(values)
        return interval, values.double().sub(self._knot_below.index_select(0, interval))

    def _interval(self, values: Tensor) -> Tensor:
        """Number of knots at or below each value."""
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        if on_gpu(values.device) or len(values) < NUM_CELLS // 8:
            return self._search(values)
        # A binary search mispredicts a branch at every step. Arithmetic locates most values: cut
        # the knots' range into equal cells and look up cells that contain no knot. _cell is
        # monotone, so a value in a different cell than a knot is on the same side of it.
        if values.dtype not in self._cells:
            count = torch.bincount(self._cell(self.knots.to(values.dtype)), minlength=NUM_CELLS)
            self._cells[values.dtype] = count.cumsum(0).masked_fill_(count > 0, -1).int()
        interval = self._cells[values.dtype].index_select(0, self._cell(values))
        unsure = (interval < 0).nonzero()[:, 0]
        interval[unsure] = self._search(values.index_select(0, unsure))
        return interval

    def _search(self, values: Tensor) -> Tensor:
        return torch.searchsorted(self.knots, values.double(), right=True, out_int32=True)

    def _cell(self, values: Tensor) -> Tensor:
        bottom, top = self.knots[0].to(values.dtype), self.knots[-1].to(values.dtype)
        scale = NUM_CELLS / (top - bottom).clamp(min=torch.finfo(values.dtype).eps)
        cell: Tensor = (values - bottom).mul_(scale).clamp_(0, NUM_CELLS - 1).int()
        return cell
