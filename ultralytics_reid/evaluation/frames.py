"""Boxes and ids by frame: ground truth and output alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Frame:
    """One frame's boxes.

    Attributes:
        ids: `(N,)` int64, a ground-truth track or a predicted id a box.
        xyxy: `(N, 4)` float32, pixels.
    """

    ids: npt.NDArray[np.int64]
    xyxy: npt.NDArray[np.float32]


class Truth(Protocol):
    """Ground truth that knows who came back."""

    @property
    def fps(self) -> float:
        """Frames a second."""
        ...

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Boxes by frame; the ids are tracks, of which a person who comes back has another."""
        ...

    def person_of(self, track: int) -> int:
        """The individual behind a track."""
        ...


def iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Intersection over union of `(N, 4)` and `(M, 4)` xyxy boxes, as `(N, M)`."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2, dtype=np.float64)
    area_a, area_b = (np.prod(x[:, 2:] - x[:, :2], axis=1, dtype=np.float64) for x in (a, b))
    return np.asarray(inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9))
