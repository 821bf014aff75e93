"""Array types, one name each: the dtype; shapes stand in docstrings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
# An image or a crop: `(H, W, 3)`, BGR unless a docstring says otherwise.
ImageArray = npt.NDArray[np.uint8]
