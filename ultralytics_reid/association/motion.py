"""Motion over a gap: likelihood under the decayed Kalman prediction, and the speed gate."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles
from ..tuning import DIFFUSION_HEIGHTS_PER_S, LOG_GROWTH, NEAR_HEIGHTS
from .last_seen import Sightings

_TINY = 1e-6


def motion_llr(last: Sightings, gap: Doubles, points: Doubles, area: float) -> Doubles:
    """How much better "walked on" explains where a tracklet began than "anywhere in the picture".

    Args:
        last: `(I,)` where identities were when they were last seen.
        gap: `(T, I)` seconds since then.
        points: `(T, 1, 2)` centers of the tracklets' first boxes, pixels.
        area: The picture's area, square pixels.

    Returns:
        `(T, I)` log-likelihood ratios; as the gap grows they go to 0 or below.
    """
    # A velocity is believed less and less: people stop.
    means = last["center"] + last["velocity"] * (1 - np.exp(-gap))[..., None]
    position_std = last["position_std"] + DIFFUSION_HEIGHTS_PER_S * last["height"] * gap
    z = (points - means) / np.maximum(position_std, _TINY)[..., None]
    return np.asarray(
        np.log(area) - 0.5 * (z**2).sum(axis=-1) - np.log(2 * np.pi * np.maximum(position_std, _TINY) ** 2)
    )


def linear_decay(gap: Doubles, after: float) -> Doubles:
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
    way = np.linalg.norm(origin["center"][:, None] - last["center"], axis=-1)
    growth = np.abs(np.log(np.maximum(origin["height"][:, None], 1)) - np.log(np.maximum(last["height"], 1)))
    return np.asarray((way <= height * (NEAR_HEIGHTS + speed * gap)) & (growth <= LOG_GROWTH * (1 + gap)))
