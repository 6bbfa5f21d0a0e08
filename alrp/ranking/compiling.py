"""Losses in models that are compiled by ``torch.compile``."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec('P')
T = TypeVar('T')


def outside_of_graphs(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function uncompiled when its caller is compiled.

    A ranking has the shapes of each step's positives, and looks at values. Traced, it would be
    compiled again and again in many small graphs. ``torch.compiler.disable`` does the same, but
    imports the compiler, which takes seconds and 70 MB. Until something else has imported it,
    nothing is compiled, so there is nothing to disable.
    """

    disabled: list[Callable[P, T]] = []

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        if 'torch._dynamo' not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        result: T = disabled[0](*args, **kwargs)
        return result

    return wrapper
