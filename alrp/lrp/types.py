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
