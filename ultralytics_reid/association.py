"""Gates, costs, fusion and assignment: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .embedding import Bools, Floats

Ints = npt.NDArray[np.int64]

# One nat of appearance evidence moves the first stage's cost (1 - IoU · score) by this much, within these limits:
# agreement can't make up for boxes that don't meet, disagreement can undo a perfect overlap.
_COST_A_NAT = 0.03
_MOST_BONUS = 0.2
_MOST_PENALTY = 0.3
_FORBIDDEN = 1e5


def fuse_appearance(cost: Floats, llr: Floats) -> Floats:
    """Add appearance evidence to a motion cost.

    Args:
        cost: `(T, N)` motion cost in [0, 1].
        llr: `(T, N)` log-likelihood ratios of the appearance; 0 says nothing.

    Returns:
        `(T, N)` fused cost.
    """
    return np.asarray(cost - np.where(llr > 0, _MOST_BONUS * llr, _MOST_PENALTY * llr), dtype=np.float32)


def motion_llr(
    means: npt.NDArray[np.float64], spreads: npt.NDArray[np.float64], points: Floats, area: float
) -> npt.NDArray[np.float64]:
    """How much better "went on moving" explains where a detection is than "anywhere in the picture".

    Args:
        means: `(I, 2)` predicted centres, pixels.
        spreads: `(I, 2)` standard deviations of the prediction, pixels.
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

    Every row may stay alone at value 0: that is the dummy "new identity" column of each.

    Args:
        value: `(T, N)` what a pair is worth.
        gate: `(T, N)`, True allows.

    Returns:
        `(row, column)` pairs.
    """
    if not value.size:
        return []
    padded = np.zeros((value.shape[0], value.shape[1] + value.shape[0]))
    padded[:, : value.shape[1]] = np.where(gate, -value, _FORBIDDEN)
    rows, columns = linear_sum_assignment(padded)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if c < value.shape[1] and padded[r, c] < 0]
