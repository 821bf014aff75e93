"""A clip whose detector misses people now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.sequences import Detections


def missed(cache: Sequence[Detections], share: float, seed: int = 0) -> list[Detections]:
    """Leave detections out, each with the same probability.

    Args:
        cache: Detections by frame.
        share: The probability, in [0, 1].
        seed: Which ones.
    """
    rng = np.random.default_rng(seed)
    return [d.select(rng.random(len(d.xyxy)) >= share) for d in cache]


def blackouts(cache: Sequence[Detections], fps: float, seconds: float, every: float) -> list[Detections]:
    """Leave all detections of some frames in a row out, again and again.

    Args:
        cache: Detections by frame.
        fps: Frames a second.
        seconds: For how long, at least a frame.
        every: Seconds from the beginning of one to that of the next.
    """
    length, period = max(1, round(seconds * fps)), round(every * fps)
    return [d.select(np.full(len(d.xyxy), n % period < period - length)) for n, d in enumerate(cache)]
