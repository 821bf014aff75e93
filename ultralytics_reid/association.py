"""Gates, costs, fusion and assignment: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .embedding import Bools, Floats

Doubles = npt.NDArray[np.float64]

# How far full agreement lowers, and full disagreement raises, a cost of 1 - IoU · score. Agreement can't make up for
# boxes that don't meet; disagreement can undo a good overlap.
_MOST_BONUS = 0.2
_MOST_PENALTY = 0.3
_FORBIDDEN = 1e5


def fuse_appearance(cost: Floats, agreement: Floats) -> Floats:
    """Add appearance to a motion cost.

    Stock BoT-SORT takes the lesser of both costs, which lets appearance agree but never object; here it does both.

    Args:
        cost: `(T, N)` motion cost in [0, 1].
        agreement: `(T, N)` in [-1, 1]: 1 as alike as the same individual, -1 as different ones, 0 says nothing.

    Returns:
        `(T, N)` float32 fused cost.
    """
    weight = np.where(agreement > 0, _MOST_BONUS, _MOST_PENALTY)
    return np.asarray(cost - weight * agreement, dtype=np.float32)


def motion_llr(means: Doubles, spreads: Doubles, points: Doubles, area: float) -> Doubles:
    """How much better "went on moving" explains where a detection is than "anywhere in the picture".

    Args:
        means: `(I, 2)` predicted centres, pixels.
        spreads: `(I, 2)` standard deviations of the prediction, pixels, above 0.
        points: `(N, 2)` centres of the detections, pixels.
        area: The picture's area, square pixels.

    Returns:
        `(I, N)` log-likelihood ratios; as the spread grows towards the picture's size they go to 0 or below.
    """
    z = (points[None] - means[:, None]) / spreads[:, None]
    log_density = -0.5 * (z**2).sum(axis=2) - np.log(2 * np.pi * spreads.prod(axis=1))[:, None]
    return np.asarray(log_density + np.log(area))


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
