"""Attach a gradient to a value that autograd cannot differentiate."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def with_gradient(value: Tensor, inputs: Tensor, gradient: Tensor) -> Tensor:
    """A value whose derivative with respect to ``inputs`` is ``gradient``.

    Args:
        value (Tensor): Scalar. Its own gradient, if any, is cut off.
        inputs (Tensor): Any shape, any floating-point dtype.
        gradient (Tensor): Shape of ``inputs``.

    Returns:
        Tensor: Scalar, in the dtype of ``inputs`` but at least float32: single gradients can be too
        small for half precision until a loss scale is applied.

    Raises:
        ValueError: If ``gradient`` does not have the shape of ``inputs``.
    """
    if gradient.shape != inputs.shape:
        raise ValueError(
            f'gradient must have the shape of inputs, {tuple(inputs.shape)}, got '
            f'{tuple(gradient.shape)}'
        )
    value = value.detach().to(loss_dtype(inputs))
    result: Tensor = _WithGradient.apply(inputs, value, gradient)  # type: ignore[no-untyped-call]
    return result


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of a loss computed from ``x``: its own, but at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


class _WithGradient(torch.autograd.Function):
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
