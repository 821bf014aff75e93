"""Boxes and ids by frame, of ground truth and of tracker output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._typing import Doubles, Floats, Ints, as_doubles


@dataclass(frozen=True)
class FrameBoxes:
    """Boxes of one frame.

    Attributes:
        ids: `(N,)` int64, ground-truth tracks or predicted ids.
        xyxy: `(N, 4)` float32 boxes, pixels.
    """

    ids: Ints
    xyxy: Floats


class Truth(Protocol):
    """Ground truth with person identities: a returning person has a new track."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        ...

    @property
    def frames(self) -> tuple[FrameBoxes, ...]:
        """Boxes by frame; ids are tracks, one for each appearance of a person."""
        ...

    def person_of(self, track: int) -> int:
        """Person of a track."""
        ...


def iou(a: Floats, b: Floats) -> Doubles:
    """Intersection over union of `(N, 4)` and `(M, 4)` xyxy boxes, `(N, M)` float64."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2, dtype=np.float64)
    area_a, area_b = (np.prod(x[:, 2:] - x[:, :2], axis=1, dtype=np.float64) for x in (a, b))
    return as_doubles(inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9))
