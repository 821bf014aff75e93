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


def as_floats(values: npt.ArrayLike) -> Floats:
    """Give the type checker float32; a float32 array is returned as it is."""
    return np.asarray(values, np.float32)


def as_doubles(values: npt.ArrayLike) -> Doubles:
    """Give the type checker float64; a float64 array is returned as it is."""
    return np.asarray(values, np.float64)


def as_bools(values: npt.ArrayLike) -> Bools:
    """Give the type checker bool; a bool array is returned as it is."""
    return np.asarray(values, np.bool_)


def as_ints(values: npt.ArrayLike) -> Ints:
    """Give the type checker int64; an int64 array is returned as it is."""
    return np.asarray(values, np.int64)


def as_pixels(values: npt.ArrayLike) -> ImageArray:
    """Give the type checker uint8; a uint8 array is returned as it is."""
    return np.asarray(values, np.uint8)
