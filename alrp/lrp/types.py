"""Array types of the annotations, by dtype."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.signedinteger[Any]]
BitArray = NDArray[np.uint64]
Array = NDArray[Any]
Numbers = Any  # a float, or an array of floats


def index_type(count: int) -> type[Any]:
    """The smallest of int32 and int64 for positions below ``count``."""
    return np.int32 if count < 1 << 31 else np.int64
