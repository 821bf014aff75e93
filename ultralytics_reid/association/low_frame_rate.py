"""Association where motion between two frames exceeds a box, so that IoU says nothing. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles, Floats
from ..tuning import LOG_GROWTH, MAX_APPEARANCE, NEAR_HEIGHTS

_TINY = 1e-6


def motion_log_odds(predicted: Doubles, std: Doubles, centers: Doubles, area: float) -> Doubles:
    """Motion log-likelihood ratio: Gaussian around the Kalman prediction against uniform over the image.

    Args:
        predicted: `(T, 2)` centers that the Kalman filter predicts, pixels.
        std: `(T,)` their standard deviations, pixels.
        centers: `(N, 2)` centers of detections, pixels.
        area: The image's area, square pixels.

    Returns:
        `(T, N)` nats.
    """
    variance = np.maximum(std, _TINY)[:, None] ** 2
    mahalanobis_squared = ((centers[None] - predicted[:, None]) ** 2).sum(axis=-1) / variance
    return np.asarray(np.log(area / (2 * np.pi * variance)) - 0.5 * mahalanobis_squared)


def reachable_boxes(last: Doubles, boxes: Doubles, seconds: Doubles, speed: float) -> Bools:
    """Gate by speed: where, and at what size, a detection is in reach of a track.

    Args:
        last: `(T, 4)` boxes `(x, y, w, h)` where tracks are expected, `x` and `y` of the center, pixels.
        boxes: `(N, 4)` the same of detections.
        seconds: `(T,)` since the tracks' last detections.
        speed: Body heights a second that an individual is off its prediction at most.

    Returns:
        `(T, N)`.
    """
    heights = np.maximum(last[:, None, 3], boxes[None, :, 3])
    way = np.linalg.norm(last[:, None, :2] - boxes[None, :, :2], axis=-1)
    growth = np.abs(np.log(np.maximum(last[:, None, 3], 1)) - np.log(np.maximum(boxes[None, :, 3], 1)))
    gap = seconds[:, None]
    return np.asarray((way <= heights * (NEAR_HEIGHTS + speed * gap)) & (growth <= LOG_GROWTH * (1 + gap)))


def fused_log_odds(appearance: Floats, motion: Doubles) -> Doubles:
    """Fuse the log-likelihood ratios of appearance, bounded, and of motion, `(T, N)` nats."""
    return np.asarray(np.clip(appearance, -MAX_APPEARANCE, MAX_APPEARANCE) + motion)
