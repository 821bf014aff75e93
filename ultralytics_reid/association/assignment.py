"""The Hungarian assignment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .._typing import Bools

_FORBIDDEN = 1e5


def assign(value: npt.NDArray[np.floating], gate: Bools) -> list[tuple[int, int]]:
    """One-to-one pairs of the greatest total value; a pair is made only where it is allowed and worth more than 0.

    Every row may stay alone at value 0: each has a dummy "nobody" column of its own.

    Args:
        value: `(T, N)` what a pair is worth.
        gate: `(T, N)`, True allows.

    Returns:
        `(row, column)` pairs, by row.
    """
    if not value.size:
        return []
    rows, columns = value.shape
    cost = np.zeros((rows, columns + rows))
    cost[:, :columns] = np.where(gate, -value, _FORBIDDEN)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(r), int(c)) for r, c in pairs if c < columns and cost[r, c] < 0]
