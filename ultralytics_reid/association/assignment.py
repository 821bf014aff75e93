"""The Hungarian assignment, for queries against identities with "no match" as an option."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .._typing import Bools

_FORBIDDEN = 1e5


def hungarian(log_odds: npt.NDArray[np.floating], gate: Bools) -> list[tuple[int, int]]:
    """Assign queries to identities: Hungarian, maximum total log-odds.

    A pair is made only where the gate allows it and its log-odds are above 0: each row has a dummy column of its own,
    "no match", at log-odds 0.

    Args:
        log_odds: `(T, N)` of each pair.
        gate: `(T, N)`, True allows.

    Returns:
        `(row, column)` pairs, by row.
    """
    if not log_odds.size:
        return []
    rows, columns = log_odds.shape
    cost = np.zeros((rows, columns + rows))
    cost[:, :columns] = np.where(gate, -log_odds, _FORBIDDEN)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(r), int(c)) for r, c in pairs if c < columns and cost[r, c] < 0]
