"""Counter-based random numbers: each is a hash of its keys, without a state.

Any visit of any person can be regenerated, in any order, without storing it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._typing import Doubles, Ints, as_doubles, as_ints

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_LETTERS = 7  # letters of a key that fit into 63 bits
_UNUSED_BITS = np.uint64(11)  # a double holds 53


def _splitmix64(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finalizer of splitmix64 (Steele et al. 2014): each input bit flips about half of the output bits."""
    x = (x ^ (x >> _SHIFTS[0])) * _MIX[0]
    x = (x ^ (x >> _SHIFTS[1])) * _MIX[1]
    return np.asarray(x ^ (x >> _SHIFTS[2]))


def uniform(*keys: int | str | Ints) -> Doubles:
    """Uniform random numbers in [0, 1), determined by their keys.

    Args:
        *keys: Integers, strings (their first seven letters), and integer arrays, which are broadcast.

    Returns:
        float64 of the broadcast shape, `()` without arrays.
    """
    state = np.zeros((1,), np.uint64)
    for key in keys:
        state = _splitmix64(state * _ODD + _as_uint64(key) + _ODD)
    values = (state >> _UNUSED_BITS) * 2.0**-53
    return as_doubles(values if any(isinstance(k, np.ndarray) for k in keys) else values[0])


def between(low: float, high: float, *keys: int | str | Ints) -> Doubles:
    """Uniform random numbers in [low, high), determined by their keys; see `uniform`."""
    return low + (high - low) * uniform(*keys)


def _as_uint64(key: int | str | Ints) -> npt.NDArray[np.uint64]:
    if isinstance(key, str):
        key = int.from_bytes(key.encode()[:_LETTERS], "little")
    return as_ints(key).astype(np.uint64)
