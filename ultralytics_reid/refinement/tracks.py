"""Tracks of a whole video, as the solver takes them: rows of any tracker, with embeddings of clean crops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.embedding import as_features, unit
from ..errors import TrackLogError

_MAX_ID = 2**53
# Rows at a time that are normalized as float32, for bounded memory.
_CHUNK = 16384

Crops: TypeAlias = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Tracks:
    """Boxes with ids of a whole video, sorted by frame.

    Attributes:
        frame: `(R,)` int64 frame numbers.
        ids: `(R,)` int64; an id above 0 was shown, any other belongs to a box that was held back.
        xyxy: `(R, 4)` float32 boxes, pixels.
        confidence: `(R,)` float32 in [0, 1].
        cls: `(R,)` int64 class indices.
        embeddings: `(E, D)` float16 unit vectors, of clean crops only.
        crop: `(R,)` int64, the row of `embeddings` that belongs to a box; -1 where there is no clean crop.
        time: `(R,)` float64 seconds.
        fps: Frames a second.
        shape: Height and width of the images, pixels; the extent of the boxes where that isn't known.
        class_names: Names by class index, of those that are known.
        is_shape_known: Whether `shape` is that of the images.
        frames: Number of the last frame that was tracked, with boxes or without; 0 where it isn't known.
    """

    frame: Ints
    ids: Ints
    xyxy: Floats
    confidence: Floats
    cls: Ints
    embeddings: Crops
    crop: Ints
    time: Doubles
    fps: float
    shape: tuple[int, int]
    class_names: Mapping[int, str] = field(default_factory=dict)
    is_shape_known: bool = False
    frames: int = 0

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
        class_names: Mapping[int, str] | None = None,
    ) -> Tracks:
        """Collect the rows of any tracker, in any order.

        Args:
            frame: `(R,)` whole numbers.
            ids: `(R,)` whole numbers; those of boxes that were held back are 0 or below.
            xyxy: `(R, 4)` pixels.
            confidence: `(R,)` in [0, 1].
            cls: `(R,)` whole numbers.
            embeddings: `(R, D)` of any norm; zeros, or what isn't finite, where there is none. Or `(E, D)`, those of
                the rows that are `clean`, in their order.
            fps: Frames a second.
            clean: `(R,)`, whether the crop shows one individual, whole; None for all that have an embedding.
            time: `(R,)` seconds; None for `frame / fps`.
            shape: Height and width of the images, pixels; None for the extent of the boxes.
            class_names: Names by class index; None where they aren't known.

        Raises:
            TrackLogError: If an array has another shape or values that are out of range.
        """
        rows = len(np.atleast_1d(np.asarray(frame)))
        if not 0 < fps < np.inf:
            raise TrackLogError(f"'fps' must be a number above 0, got {fps!r}")
        numbers = _whole("frame", frame, rows)
        boxes = _real("xyxy", xyxy, (rows, 4)).astype(np.float32)
        crops, crop = _compact(embeddings, None if clean is None else _real("clean", clean, (rows,)).astype(bool), rows)
        seconds = numbers / fps if time is None else _real("time", time, (rows,))
        tracks = Tracks(
            numbers,
            _whole("ids", ids, rows),
            boxes,
            _real("confidence", confidence, (rows,)).astype(np.float32),
            _whole("cls", cls, rows),
            crops,
            crop,
            seconds,
            float(fps),
            _extent(boxes) if shape is None else (int(shape[0]), int(shape[1])),
            dict(class_names or {}),
            is_shape_known=shape is not None,
        )
        return tracks.select(np.lexsort((np.arange(rows), tracks.frame)))

    def select(self, rows: Ints | Bools) -> Tracks:
        """Return the tracks of some rows only, in the order given; they share the embeddings."""
        return replace(
            self,
            frame=self.frame[rows],
            ids=self.ids[rows],
            xyxy=self.xyxy[rows],
            confidence=self.confidence[rows],
            cls=self.cls[rows],
            crop=self.crop[rows],
            time=self.time[rows],
        )

    @property
    def clean(self) -> Bools:
        """`(R,)`, whether a row has an embedding."""
        return np.asarray(self.crop >= 0)

    def crops_of(self, rows: Ints) -> Floats:
        """Return the embeddings of rows that have one, `(N, D)` float32."""
        return self.embeddings[self.crop[rows]].astype(np.float32)

    def __len__(self) -> int:
        return len(self.frame)


def _compact(embeddings: npt.ArrayLike, clean: Bools | None, rows: int) -> tuple[Crops, Ints]:
    """Unit embeddings of clean crops `(E, D)`, and which of them is each row's `(R,)`, -1 for none."""
    given = np.atleast_1d(np.asarray(embeddings))
    if given.shape == (0,):  # an empty list
        given = given.reshape(0, 0)
    where = np.arange(rows)
    if clean is not None and len(given) == clean.sum():
        where = np.flatnonzero(clean)
    crop, parts = np.full(rows, -1), [np.zeros((0, *given.shape[1:]), np.float16)]
    for start in range(0, max(len(given), len(where)), _CHUNK):
        at = where[start : start + _CHUNK]
        vectors = unit(as_features(given[start : start + _CHUNK], len(at)))
        used = vectors.any(axis=1) & (True if clean is None else clean[at])
        crop[at[used]] = sum(map(len, parts)) + np.arange(used.sum())
        parts.append(vectors[used].astype(np.float16))
    return np.concatenate(parts), crop


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
