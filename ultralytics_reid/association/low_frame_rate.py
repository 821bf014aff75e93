"""Association where motion from frame to frame exceeds a box, so that IoU says nothing. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles, Floats
from ..tuning import LOG_GROWTH, LOW_FPS_SPEED, MAX_APPEARANCE, NEAR_HEIGHTS

_TINY = 1e-6


def apart_log_odds(appearance: Floats, predicted: Doubles, std: Doubles, boxes: Doubles, area: float) -> Doubles:
    """Log-odds that a detection is a track's, from appearance and Kalman motion, whether or not they overlap.

    The motion log-likelihood ratio is a Gaussian around the Kalman prediction against uniform over the image, where any
    of the `T` tracks may be.

    Args:
        appearance: `(T, N)` log-likelihood ratio of appearance, nats; bounded here, as a single crop can mislead.
        predicted: `(T, 4)` predicted boxes `(x, y, w, h)`, `x` and `y` of the center, pixels.
        std: `(T,)` standard deviations of the predicted centers, pixels.
        boxes: `(N, 4)` the same of detections.
        area: The image's area, square pixels.

    Returns:
        `(T, N)` nats.
    """
    variance = np.maximum(std, _TINY)[:, None] ** 2
    mahalanobis_squared = ((boxes[None, :, :2] - predicted[:, None, :2]) ** 2).sum(axis=-1) / variance
    motion = np.log(area / (2 * np.pi * variance)) - 0.5 * mahalanobis_squared
    return np.asarray(np.clip(appearance, -MAX_APPEARANCE, MAX_APPEARANCE) + motion - np.log(max(1, len(predicted))))


def reachable_boxes(predicted: Doubles, boxes: Doubles, gap: Doubles) -> Bools:
    """Gate by speed: where, and at what size, a detection is in reach of a track's prediction.

    Args:
        predicted: `(T, 4)` predicted boxes, as above.
        boxes: `(N, 4)` detections.
        gap: `(T,)` seconds since the tracks' last detections.

    Returns:
        `(T, N)`.
    """
    before, now, seconds = np.maximum(predicted[:, None, 3], 1), np.maximum(boxes[None, :, 3], 1), gap[:, None]
    way = np.linalg.norm(predicted[:, None, :2] - boxes[None, :, :2], axis=-1)
    near = way <= np.maximum(before, now) * (NEAR_HEIGHTS + LOW_FPS_SPEED * seconds)
    return np.asarray(near & (np.abs(np.log(before / now)) <= LOG_GROWTH * (1 + seconds)))
