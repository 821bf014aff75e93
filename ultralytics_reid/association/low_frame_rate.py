"""Association where motion from frame to frame exceeds a box, so that IoU says nothing. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles, Floats
from ..tuning import LOW_FPS_SPEED, MAX_APPEARANCE
from .motion import gaussian_llr, within_reach


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
    motion = gaussian_llr(boxes[None, :, :2] - predicted[:, None, :2], std[:, None], area)
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
    before, now = np.maximum(predicted[:, None, 3], 1), np.maximum(boxes[None, :, 3], 1)
    way = np.linalg.norm(predicted[:, None, :2] - boxes[None, :, :2], axis=-1)
    return within_reach(way, before, now, gap[:, None], LOW_FPS_SPEED)
