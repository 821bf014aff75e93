"""Visits that are going on: what of them is written to the gallery, and what still has to be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._typing import Floats
from ...appearance.embedding import unit
from ..records import Records, Visit, new_ids
from .messages import Observation, PrototypeUpdate

# Seconds without a box after which a visit is over.
JOIN = 10.0
# Points of a path; when there are more, every second one goes and they come half as often.
_POINTS = 256
_EVERY = 1.0
# Sightings are kept ever more seldom, the longer a visit lasts: looks of the first seconds differ more than those of
# the tenth minute, and somebody who sits there all day must not fill the disk.
_SPACING, _MAX_SPACING = 1.0, 300.0
_JPEG_QUALITY = 85


@dataclass(eq=False)
class OpenVisit:
    """One visit, while it goes on and until it is written.

    Attributes:
        camera: Its name.
        identity: The id: this camera's own as long as the gallery hasn't said who it is.
        first: When it began, seconds since 1970.
        last: When somebody was last seen in it.
        probability: That it is this identity.
        id: The visit's.
        pending: Sightings that aren't written yet: id, embedding, time, class, quality.
        dirty: Whether there is anything that isn't written yet.
        sure: Whether there is enough to see of it to be written at all.
        asked_as: The id under which it began.
        stored: Whether some of it is written.
    """

    camera: str
    identity: int
    first: float
    last: float
    probability: float = 1.0
    id: int = field(default_factory=lambda: int(new_ids(1)[0]))
    pending: list[tuple[int, Floats, float, int, float]] = field(default_factory=list)
    dirty: bool = False
    sure: bool = False
    stored: bool = False
    asked_as: int = field(init=False)
    _classes: Counter[int] = field(default_factory=Counter)
    _points: list[tuple[float, ...]] = field(default_factory=list)
    _step: float = _EVERY
    _spacing: float = _SPACING
    _kept: float = float("-inf")
    _confidence: float = 0.0
    _best: float = 0.0
    _crop: npt.NDArray[np.uint8] | None = None
    _jpeg: bytes = b""

    def __post_init__(self) -> None:
        self.asked_as = self.identity

    def begin(self, time: float) -> None:
        """Somebody has been there since then, and there is enough to see of them."""
        self.first, self.sure = min(self.first, time), True

    def see(self, time: float, glimpse: Observation) -> None:
        """Note where somebody is."""
        self.last, self.dirty = max(self.last, time), True
        self._classes[glimpse.cls] += 1
        self._confidence = glimpse.confidence
        if not self._points or time >= self._points[-1][0] + self._step:
            self._points.append((time, *glimpse.box))
        if len(self._points) > _POINTS:
            self._points, self._step = self._points[::2], 2 * self._step
        if glimpse.crop is not None and glimpse.sharpness > self._best:
            self._best, self._crop, self._jpeg = glimpse.sharpness, glimpse.crop, b""

    def learn(self, time: float, lesson: PrototypeUpdate) -> None:
        """Keep what somebody looked like, unless that was done just before."""
        self.last, self.sure = max(self.last, time), True
        self._classes[lesson.cls] += 1
        if time < self._kept + self._spacing:
            return
        if self._kept > float("-inf"):
            self._spacing = min(2 * self._spacing, _MAX_SPACING)
        self._kept, self.dirty = time, True
        row = (int(new_ids(1)[0]), unit(lesson.embedding), time, lesson.cls, self._confidence)
        self.pending.append(row)

    @property
    def cls(self) -> int:
        """The class that it was seen as most often."""
        return max(self._classes, key=self._classes.__getitem__, default=0)

    def written(self) -> None:
        """Note that all there is of it is in the gallery."""
        self.pending.clear()
        self.dirty, self.stored = False, True

    def visit(self) -> Visit:
        """As a gallery takes it."""
        path = np.array(self._points, np.float64).reshape(-1, 5) - [self.first, 0, 0, 0, 0]
        return Visit(
            self.id,
            self.identity,
            self.camera,
            self.cls,
            self.first,
            self.last,
            path.astype(np.float32),
            self.probability,
            self._picture(),
        )

    def _picture(self) -> bytes:
        if self._crop is not None and not self._jpeg:
            self._jpeg = as_jpeg(self._crop)
        return self._jpeg


def as_jpeg(crop: npt.NDArray[np.uint8]) -> bytes:
    """A picture as a JPEG file's bytes; empty if it can't be one."""
    import cv2

    if not crop.size:
        return b""
    done, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(data) if done else b""


def sightings_of(drafts: list[OpenVisit], dim: int) -> Records:
    """All pending sightings of some drafts."""
    rows: list[Any] = [(d, *row) for d in drafts for row in d.pending]
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
