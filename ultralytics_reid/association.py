"""Gates, costs, fusion and assignment: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .embedding import Bools, Floats
from .sightings import Doubles, Sightings

# How far full agreement lowers, and full disagreement raises, a cost of 1 - IoU · score. Agreement can't make up for
# boxes that don't meet; disagreement can undo a good overlap.
_MOST_BONUS = 0.2
_MOST_PENALTY = 0.3
_FORBIDDEN = 1e5
# Body heights a second that people turn aside from where they were heading.
_WANDER = 0.7
# Body heights that a box may be off at once, and the logarithm of how much it may grow or shrink at once and a second:
# who steps out from behind something is seen in part at first.
_NEAR = 1.0
_GROWTH = 1.1
_TINY = 1e-6


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


def contested(cost: Floats, limit: float) -> Bools:
    """Where appearance can change the assignment: not where two fit each other so well that looks couldn't part them.

    Two are parted if it is cheaper to let both go with others, at best with a full bonus for each, than to keep them
    together, at worst with a full penalty, and leave the others alone, which costs half the limit each.

    Args:
        cost: `(T, N)` motion cost in [0, 1].
        limit: The fused cost from which on nobody is assigned.

    Returns:
        `(T, N)`; what `fuse_appearance` is told elsewhere makes no difference.
    """
    near = cost < limit + _MOST_BONUS
    if not near.any():
        return np.asarray(near)
    rows, columns = (np.arange(n) for n in cost.shape)
    mutual = (cost.argmin(axis=1)[:, None] == columns) & (cost.argmin(axis=0) == rows[:, None])
    rest = np.where(mutual, np.inf, cost)
    others = np.minimum(rest.min(axis=1, keepdims=True), rest.min(axis=0, keepdims=True))
    parted = (cost + _MOST_PENALTY + limit) / 2 + _MOST_BONUS
    sure = mutual & (cost < limit - _MOST_PENALTY) & (others >= parted)
    return np.asarray(near & ~sure.any(axis=1, keepdims=True) & ~sure.any(axis=0, keepdims=True))


def motion_llr(last: Sightings, gap: Doubles, points: Doubles, area: float) -> Doubles:
    """How much better "walked on" explains where a tracklet began than "anywhere in the picture".

    Args:
        last: `(I,)` where identities were when they were last seen.
        gap: `(T, I)` seconds since then.
        points: `(T, 1, 2)` centres of the tracklets' first boxes, pixels.
        area: The picture's area, square pixels.

    Returns:
        `(T, I)` log-likelihood ratios; as the gap grows they go to 0 or below.
    """
    # A velocity is believed less and less: people stop.
    means = last["centre"] + last["velocity"] * (1 - np.exp(-gap))[..., None]
    spread = last["spread"] + _WANDER * last["height"] * gap
    z = (points - means) / np.maximum(spread, _TINY)[..., None]
    return np.asarray(np.log(area) - 0.5 * (z**2).sum(axis=-1) - np.log(2 * np.pi * np.maximum(spread, _TINY) ** 2))


def fades(gap: Doubles, after: float) -> Doubles:
    """Weight in [0, 1] of what was true `gap` seconds ago, 0 from `after` on."""
    return np.asarray(np.clip(1 - gap / after, 0, 1))


def reachable(last: Sightings, origin: Sightings, born: Doubles, speed: float) -> Bools:
    """Whether a tracklet began where, and at a size that, an identity can have come to.

    Args:
        last: `(I,)` where identities were when they were last seen.
        origin: `(T,)` where the tracklets began.
        born: `(T, 1)` when, seconds.
        speed: Body heights a second that people, and the camera, move at most.

    Returns:
        `(T, I)`.
    """
    gap = np.maximum(0, born - last["time"])
    height = np.maximum(last["height"], origin["height"][:, None])
    way = np.linalg.norm(origin["centre"][:, None] - last["centre"], axis=-1)
    growth = np.abs(np.log(np.maximum(origin["height"][:, None], 1)) - np.log(np.maximum(last["height"], 1)))
    return np.asarray((way <= height * (_NEAR + speed * gap)) & (growth <= _GROWTH * (1 + gap)))


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
