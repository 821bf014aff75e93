"""Visits that are not completely written: going on, or closed and waiting for the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._typing import Floats
from ...appearance.embedding import unit
from ..image_io import as_jpeg
from ..records import Records, Visit, new_ids
from .messages import Observation, PrototypeUpdate

# Seconds without a box after which a visit is over.
MAX_GAP = 10.0
# Seconds without a box after which an individual may have been elsewhere in the meantime.
_MAX_UNSEEN = 2.0
# Points of a path, and seconds between them; when there are more, every second one goes and they come half as often.
_MAX_POINTS, _POINT_SPACING = 256, 1.0
# Seconds between two sightings that are kept. The spacing doubles with each, up to the maximum: appearance differs more
# between the first seconds than between the tenth and eleventh minute, and a day-long visit must not fill the disk.
_SPACING, _MAX_SPACING = 1.0, 300.0


@dataclass(eq=False)
class OpenVisit:
    """One visit until it is written.

    Attributes:
        camera: Its name.
        identity: The id; this camera's own until the gallery has answered.
        first: When it began, seconds since 1970 (UTC).
        last: When the identity was last visible in it, the same.
        probability: That it is this identity, in [0, 1].
        id: The visit's.
        pending: Sightings that aren't written yet: id, embedding, time, class, quality.
        dirty: Whether anything of it isn't written yet.
        confirmed: Whether there are enough clean crops of it for it to be written at all.
        stored: Whether some of it is written.
        camera_identity: The id under which it began.
        embedding: `(D,)` raw mean of its clean crops, as the camera told last; None before.
        visible_since: Since when the identity was visible without a break of two seconds, seconds since 1970 (UTC).
    """

    camera: str
    identity: int
    first: float
    last: float
    probability: float = 1.0
    id: int = field(default_factory=lambda: int(new_ids(1)[0]))
    pending: list[tuple[int, Floats, float, int, float]] = field(default_factory=list)
    dirty: bool = False
    confirmed: bool = False
    stored: bool = False
    camera_identity: int = field(init=False)
    embedding: Floats | None = None
    visible_since: float = field(init=False)
    _classes: Counter[int] = field(default_factory=Counter)
    _points: list[tuple[float, ...]] = field(default_factory=list)
    _point_spacing: float = _POINT_SPACING
    _spacing: float = _SPACING
    _last_kept: float = float("-inf")
    _confidence: float = 0.0
    _best_quality: float = 0.0
    _crop: npt.NDArray[np.uint8] | None = None
    _jpeg: bytes = b""

    def __post_init__(self) -> None:
        self.camera_identity, self.visible_since = self.identity, self.first

    def confirm(self, first: float) -> None:
        """Note that there are enough clean crops, and when the tracklet began."""
        self.first, self.confirmed = min(self.first, first), True

    def observe(self, time: float, observation: Observation) -> None:
        """Extend the path by a box, and keep its crop if it is the best one."""
        if time > self.last + _MAX_UNSEEN:
            self.visible_since = time
        self.last, self.dirty = max(self.last, time), True
        self._classes[observation.cls] += 1
        self._confidence = observation.confidence
        if not self._points or time >= self._points[-1][0] + self._point_spacing:
            self._points.append((time, *observation.box))
        if len(self._points) > _MAX_POINTS:
            self._points, self._point_spacing = self._points[::2], 2 * self._point_spacing
        if observation.crop is not None and observation.crop_quality > self._best_quality:
            self._best_quality, self._crop, self._jpeg = observation.crop_quality, observation.crop, b""

    def add_prototype(self, time: float, update: PrototypeUpdate) -> None:
        """Keep an embedding as a sighting, unless the last one is too recent."""
        self.last, self.confirmed = max(self.last, time), True
        self._classes[update.cls] += 1
        if time < self._last_kept + self._spacing:
            return
        if self._last_kept > float("-inf"):
            self._spacing = min(2 * self._spacing, _MAX_SPACING)
        self._last_kept, self.dirty = time, True
        self.pending.append((int(new_ids(1)[0]), unit(update.embedding), time, update.cls, self._confidence))

    def shift(self, seconds: float) -> None:
        """Move it in time; what of it is stored stays as it is."""
        self.first, self.last = self.first + seconds, self.last + seconds
        self.visible_since += seconds
        self._last_kept += seconds
        self._points = [(time + seconds, *box) for time, *box in self._points]
        self.pending = [(row[0], row[1], row[2] + seconds, row[3], row[4]) for row in self.pending]

    def mark_written(self) -> None:
        """Note that all of it is in the gallery."""
        self.pending.clear()
        self.dirty, self.stored = False, True

    def to_visit(self) -> Visit:
        """Make the record that a store takes; its class is the most frequent one."""
        path = np.array(self._points, np.float64).reshape(-1, 5) - [self.first, 0, 0, 0, 0]
        cls = max(self._classes, key=self._classes.__getitem__, default=0)
        if self._crop is not None and not self._jpeg:
            self._jpeg = as_jpeg(self._crop)
        return Visit(
            self.id,
            self.identity,
            self.camera,
            cls,
            self.first,
            self.last,
            path.astype(np.float32),
            self.probability,
            self._jpeg,
        )


def pending_sightings(visits: Sequence[OpenVisit], dim: int) -> Records:
    """Collect the sightings of some visits that aren't written yet; `dim` is `D` of their embeddings."""
    rows: list[Any] = [(v, *row) for v in visits for row in v.pending]
    return Records(
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float32).reshape(-1, dim),
        np.array([r[0].identity for r in rows], np.int64),
        np.array([r[0].id for r in rows], np.int64),
        tuple(r[0].camera for r in rows),
        np.array([r[3] for r in rows], np.float64),
        np.array([r[4] for r in rows], np.int64),
        np.clip(np.array([r[5] for r in rows], np.float32), 0, 1),
    )
