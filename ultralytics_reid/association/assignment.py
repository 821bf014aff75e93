"""The Hungarian assignment, for queries against identities with "no match" as an option."""

from __future__ import annotations

import lap
import numpy as np
import numpy.typing as npt

from .._typing import Bools

_FORBIDDEN = 1e5


def hungarian(log_odds: npt.NDArray[np.floating], gate: Bools) -> list[tuple[int, int]]:
    """Assign queries to identities: Hungarian, maximum total log-odds.

    A pair is made only where the gate allows it and its log-odds are above 0. The algorithm is Jonker and Volgenant's
    (1987), as in the host's associations.

    Args:
        log_odds: `(T, N)` of each pair.
        gate: `(T, N)`, True allows.

    Returns:
        `(row, column)` pairs, by row.
    """
    if not log_odds.size:
        return []
    cost = np.where(gate, -log_odds, _FORBIDDEN)
    # No match, at log-odds 0, is an option for each: a pair's cost must be below the limit.
    _, columns, _ = lap.lapjv(cost, extend_cost=True, cost_limit=0.0)
    return [(row, column) for row, column in enumerate(columns.tolist()) if column >= 0 and cost[row, column] < 0]
