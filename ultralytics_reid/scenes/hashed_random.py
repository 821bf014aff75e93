"""Chance by name: a number is drawn from what it is for, not from what was drawn before it.

So any visit of any person at any time can be made anew, in any order, without keeping it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._typing import Doubles, Ints

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_LETTERS = 7  # that fit a whole number of 63 bits
_UNUSED_BITS = np.uint64(11)  # a double holds 53


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64: each bit of `x` changes about half of the bits of the result."""
    x = (x ^ (x >> _SHIFTS[0])) * _MIX[0]
    x = (x ^ (x >> _SHIFTS[1])) * _MIX[1]
    return np.asarray(x ^ (x >> _SHIFTS[2]))


def uniform(*keys: int | str | Ints) -> Doubles:
    """Numbers in [0, 1), each by its keys alone.

    Args:
        *keys: Whole numbers, words, of which the first seven letters count, and arrays of whole numbers, which are
            broadcast.

    Returns:
        float64 of the broadcast shape, `()` without arrays.
    """
    state = np.zeros((1,), np.uint64)
    for key in keys:
        state = _mixed(state * _ODD + _number(key) + _ODD)
    values = (state >> _UNUSED_BITS) * 2.0**-53
    return np.asarray(values if any(isinstance(k, np.ndarray) for k in keys) else values[0])


def between(low: float, high: float, *keys: int | str | Ints) -> Doubles:
    """Like `uniform`, in [low, high)."""
    return low + (high - low) * uniform(*keys)


def _number(key: int | str | Ints) -> npt.NDArray[np.uint64]:
    if isinstance(key, str):
        key = int.from_bytes(key.encode()[:_LETTERS], "little")
    return np.asarray(key, np.int64).astype(np.uint64)
