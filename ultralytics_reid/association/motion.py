"""Motion over a gap: likelihood under the decayed Kalman prediction, and the speed gate. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles
from ..tuning import DIFFUSION_HEIGHTS_PER_S, LOG_GROWTH, NEAR_HEIGHTS
from .last_seen import Sightings

_TINY = 1e-6


def motion_llr(last: Sightings, gap: Doubles, points: Doubles, area: float) -> Doubles:
    """Motion log-likelihood ratio: Gaussian around the decayed Kalman prediction against uniform over the image.

    The Gaussian's exponent is the squared Mahalanobis distance of where a tracklet began from where the identity's
    Kalman state predicts it. Its velocity decays with the gap, since people stop; its standard deviation grows.

    Args:
        last: `(I,)` Kalman states at the last sighting.
        gap: `(T, I)` seconds since then.
        points: `(T, 1, 2)` centers of the tracklets' first boxes, pixels.
        area: The image's area, square pixels.

    Returns:
        `(T, I)` nats; as the gap grows they go to 0 or below.
    """
    predicted = last["center"] + last["velocity"] * (1 - np.exp(-gap))[..., None]
    std = last["position_std"] + DIFFUSION_HEIGHTS_PER_S * last["height"] * gap
    return gaussian_llr(points - predicted, std, area)


def gaussian_llr(off: Doubles, std: Doubles, area: float) -> Doubles:
    """Log-likelihood ratio of a place: Gaussian around a prediction against uniform over the image.

    Args:
        off: `(..., 2)` from the predicted to the observed center, pixels.
        std: `(...)`, standard deviation of the prediction in either direction, pixels.
        area: The image's area, square pixels.

    Returns:
        `(...)` nats.
    """
    z = off / np.maximum(std, _TINY)[..., None]
    mahalanobis_squared = (z**2).sum(axis=-1)
    log_normalizer = np.log(2 * np.pi * np.maximum(std, _TINY) ** 2)
    return np.asarray(np.log(area) - 0.5 * mahalanobis_squared - log_normalizer)


def linear_decay(gap: Doubles, after: float) -> Doubles:
    """Return weights in [0, 1] that fall linearly with `gap`, both in seconds, to 0 from `after` on."""
    return np.asarray(np.clip(1 - gap / after, 0, 1))


def reachable(last: Sightings, origin: Sightings, born: Doubles, speed: float) -> Bools:
    """Gate by speed: where, and at what size, a tracklet began is in reach of where an identity was last seen.

    Args:
        last: `(I,)` Kalman states at the last sighting.
        origin: `(T,)` the same where the tracklets began.
        born: `(T, 1)` when they began, seconds.
        speed: Body heights a second that an individual, and the camera, move at most.

    Returns:
        `(T, I)`.
    """
    gap = np.maximum(0, born - last["time"])
    way = np.linalg.norm(origin["center"][:, None] - last["center"], axis=-1)
    return within_reach(way, last["height"], origin["height"][:, None], gap, speed)


def within_reach(way: Doubles, before: Doubles, now: Doubles, gap: Doubles, speed: float) -> Bools:
    """Whether a box can have moved and grown so much; all arrays of shapes that broadcast.

    Args:
        way: Distance of the centers, pixels.
        before: Box height, pixels.
        now: Box height after the gap, pixels.
        gap: Seconds, 0 or more.
        speed: Body heights a second.
    """
    growth = np.abs(np.log(np.maximum(now, 1)) - np.log(np.maximum(before, 1)))
    near = way <= np.maximum(before, now) * (NEAR_HEIGHTS + speed * gap)
    return np.asarray(near & (growth <= LOG_GROWTH * (1 + gap)))
