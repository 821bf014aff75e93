"""Tracks of a whole video, as the solver takes them: rows of any tracker, with embeddings of clean crops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.embedding import as_features, unit
from ..errors import TrackLogError

_MAX_ID = 2**53


@dataclass(frozen=True)
class Tracks:
    """Boxes with ids of a whole video, sorted by frame.

    Attributes:
        frame: `(R,)` int64 frame numbers.
        ids: `(R,)` int64; an id above 0 was shown, any other belongs to a box that was held back.
        xyxy: `(R, 4)` float32 boxes, pixels.
        confidence: `(R,)` float32 in [0, 1].
        cls: `(R,)` int64 class indices.
        embeddings: `(R, D)` float32 unit vectors; zeros where there is no clean crop.
        time: `(R,)` float64 seconds.
        fps: Frames a second.
        shape: Height and width of the images, pixels.
    """

    frame: Ints
    ids: Ints
    xyxy: Floats
    confidence: Floats
    cls: Ints
    embeddings: Floats
    time: Doubles
    fps: float
    shape: tuple[int, int]

    @staticmethod
    def from_arrays(
        frame: npt.ArrayLike,
        ids: npt.ArrayLike,
        xyxy: npt.ArrayLike,
        confidence: npt.ArrayLike,
        cls: npt.ArrayLike,
        *,
        embeddings: npt.ArrayLike,
        fps: float,
        clean: npt.ArrayLike | None = None,
        time: npt.ArrayLike | None = None,
        shape: tuple[int, int] | None = None,
    ) -> Tracks:
        """Collect the rows of any tracker, in any order.

        Args:
            frame: `(R,)` whole numbers.
            ids: `(R,)` whole numbers; those of boxes that were held back are 0 or below.
            xyxy: `(R, 4)` pixels.
            confidence: `(R,)` in [0, 1].
            cls: `(R,)` whole numbers.
            embeddings: `(R, D)` of any norm; zeros, or what isn't finite, where there is none.
            fps: Frames a second.
            clean: `(R,)`, whether the crop shows one individual, whole; None for all that have an embedding.
            time: `(R,)` seconds; None for `frame / fps`.
            shape: Height and width of the images, pixels; None for the extent of the boxes.

        Raises:
            TrackLogError: If an array has another shape or values that are out of range.
        """
        rows = len(np.atleast_1d(np.asarray(frame)))
        if not 0 < fps < np.inf:
            raise TrackLogError(f"'fps' must be a number above 0, got {fps!r}")
        numbers = _whole("frame", frame, rows)
        boxes = _real("xyxy", xyxy, (rows, 4)).astype(np.float32)
        feats = unit(as_features(np.asarray(embeddings), rows)) if rows else np.zeros((0, 1), np.float32)
        if clean is not None:
            feats = feats * _real("clean", clean, (rows,)).astype(bool)[:, None]
        seconds = numbers / fps if time is None else _real("time", time, (rows,))
        tracks = Tracks(
            numbers,
            _whole("ids", ids, rows),
            boxes,
            _real("confidence", confidence, (rows,)).astype(np.float32),
            _whole("cls", cls, rows),
            feats.astype(np.float32),
            seconds,
            float(fps),
            _extent(boxes) if shape is None else (int(shape[0]), int(shape[1])),
        )
        return tracks.select(np.lexsort((np.arange(rows), tracks.frame)))

    def select(self, rows: Ints | Bools) -> Tracks:
        """Return the tracks of some rows only, in the order given."""
        return replace(
            self,
            frame=self.frame[rows],
            ids=self.ids[rows],
            xyxy=self.xyxy[rows],
            confidence=self.confidence[rows],
            cls=self.cls[rows],
            embeddings=self.embeddings[rows],
            time=self.time[rows],
        )

    @property
    def clean(self) -> Bools:
        """`(R,)`, whether a row has an embedding."""
        return np.asarray(self.embeddings.any(axis=1))

    def __len__(self) -> int:
        return len(self.frame)


def _real(name: str, values: Any, shape: tuple[int, ...]) -> Doubles:
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise TrackLogError(f"'{name}' must have the shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise TrackLogError(f"'{name}' must be finite")
    return array


def _whole(name: str, values: Any, rows: int) -> Ints:
    array = _real(name, values, (rows,))
    if (array != np.rint(array)).any() or (np.abs(array) > _MAX_ID).any():
        raise TrackLogError(f"'{name}' must be whole numbers")
    return array.astype(np.int64)


def _extent(xyxy: Floats) -> tuple[int, int]:
    """Height and width up to the farthest box."""
    if not len(xyxy):
        return (1, 1)
    return max(1, int(np.ceil(xyxy[:, 3].max()))), max(1, int(np.ceil(xyxy[:, 2].max())))
