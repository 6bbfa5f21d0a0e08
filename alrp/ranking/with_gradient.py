"""Attach a gradient to a value that autograd cannot differentiate."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .compiling import outside_of_graphs
from .logit_gradient import LogitGradient


def with_gradient(value: Tensor, inputs: Tensor, gradient: Tensor | LogitGradient) -> Tensor:
    """A value whose derivative with respect to ``inputs`` is ``gradient``.

    Args:
        value (Tensor): Scalar. Its own gradient, if any, is cut off.
        inputs (Tensor): Any shape, any floating-point dtype. The logits of the ranking for a
            ``LogitGradient``.
        gradient (Tensor | LogitGradient): Shape of ``inputs``, or what the methods of ``Ranking``
            return.

    Returns:
        Tensor: Scalar, in the dtype of ``inputs`` but at least float32: single gradients can be too
        small for half precision until a loss scale is applied.

    Raises:
        ValueError: If ``value`` is not a scalar, or ``gradient`` and ``inputs`` differ in
            shape.
    """
    if value.dim() != 0:
        raise ValueError(
            f'value must be a scalar, such as the mean of the errors, got shape '
            f'{tuple(value.shape)}'
        )
    if isinstance(gradient, LogitGradient):
        return with_gradients([value], inputs, [gradient])[0]
    if gradient.shape != inputs.shape:
        raise ValueError(
            f'gradient must have the shape of inputs, {tuple(inputs.shape)}, got '
            f'{tuple(gradient.shape)}'
        )
    value = value.detach().to(inputs.device, loss_dtype(inputs))
    result: Tensor = _WithTensor.apply(inputs, value, gradient)  # type: ignore[no-untyped-call]
    return result


def with_gradients(
    values: Sequence[Tensor], logits: Tensor, gradients: Sequence[LogitGradient]
) -> tuple[Tensor, ...]:
    """``with_gradient`` of several values. Their gradients are added up before they are written
    out, so that they need the memory of one."""
    values = [value.detach().to(loss_dtype(logits)).to(logits.device) for value in values]
    result: tuple[Tensor, ...] = _WithLogitGradients.apply(  # type: ignore[no-untyped-call]
        logits, gradients, *values
    )
    return result


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of a loss computed from ``x``: its own, but at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


class _WithTensor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        ctx.dtype = inputs.dtype
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grad_output).to(ctx.dtype), None, None


class _WithLogitGradients(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, gradients: Sequence[LogitGradient], *values: Tensor
    ) -> tuple[Tensor, ...]:
        # Not by save_for_backward: one loss may be differentiated after another.
        ctx.logits, ctx.gradients = logits.detach(), gradients
        ctx.version = None if logits.is_inference() else logits._version
        ctx.set_materialize_grads(False)
        return tuple(value.clone() for value in values)

    @staticmethod
    @outside_of_graphs  # called within a compiled function that calls backward()
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        if ctx.logits._version != ctx.version:
            raise RuntimeError('the logits were changed in place after their loss was computed')
        scaled = [g * scale for g, scale in zip(ctx.gradients, grad_outputs) if scale is not None]
        gradient = functools.reduce(operator.add, scaled).write_out(ctx.logits) if scaled else None
        return (gradient, None, *(None for _ in grad_outputs))
