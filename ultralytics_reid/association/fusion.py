"""Appearance fused into the motion cost matrix of the first association. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Floats
from ..tuning import MAX_BONUS, MAX_PENALTY


def fuse_appearance(cost: Floats, affinity: Floats) -> Floats:
    """Fuse appearance into a motion cost matrix.

    Stock BoT-SORT takes the lesser of both costs, which lets appearance agree but never object; here it does both.

    Args:
        cost: `(T, N)` motion cost in [0, 1].
        affinity: `(T, N)` in [-1, 1]: 1 as alike as the same individual, -1 as different ones, 0 says nothing.

    Returns:
        `(T, N)` float32 fused cost.
    """
    weight = np.where(affinity > 0, MAX_BONUS, MAX_PENALTY)
    return np.asarray(cost - weight * affinity, dtype=np.float32)


def ambiguous_pairs(cost: Floats, limit: float) -> Bools:
    """Pairs whose assignment appearance can change: not those that fit so well that no appearance could part them.

    Two are parted if it is cheaper to let both go with others, at best with a full bonus for each, than to keep them
    together, at worst with a full penalty, and leave the others alone, which costs half the limit each.

    Args:
        cost: `(T, N)` motion cost in [0, 1].
        limit: The fused cost from which on no pair is assigned.

    Returns:
        `(T, N)`; what `fuse_appearance` is told elsewhere makes no difference.
    """
    near = cost < limit + MAX_BONUS
    if not near.any():
        return np.asarray(near)
    rows, columns = (np.arange(n) for n in cost.shape)
    mutual = (cost.argmin(axis=1)[:, None] == columns) & (cost.argmin(axis=0) == rows[:, None])
    rest = np.where(mutual, np.inf, cost)
    others = np.minimum(rest.min(axis=1, keepdims=True), rest.min(axis=0, keepdims=True))
    parted = (cost + MAX_PENALTY + limit) / 2 + MAX_BONUS
    sure = mutual & (cost < limit - MAX_PENALTY) & (others >= parted)
    return np.asarray(near & ~sure.any(axis=1, keepdims=True) & ~sure.any(axis=0, keepdims=True))
