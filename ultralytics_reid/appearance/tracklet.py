"""A tracklet's evidence: clean crops, running appearance, class and motion of an unbroken run of detections."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from .._typing import Floats
from ..association.last_seen import LastSeen
from ..tuning import APPEARANCE_MOMENTUM

# Crops that wait to update memory: of a tracklet that gets no identity, in a closed set, they would for good.
_MAX_PENDING = 500


@dataclass(eq=False)
class Tracklet:
    """Evidence of one individual: an unbroken run of a track's detections. Which identity it is stands in `Decision`.

    Attributes:
        born: Time of the first box, seconds.
        last: Kalman state and class at the last box.
        origin: The same at the first box; None where the tracklet began in the middle of a track.
        embedding: `(D,)` raw embedding of this frame's crop; None without one.
        clean: Whether that crop may update memory.
        blended: Clean crops in the running appearance.
        embedded_at: Time of the last embedded crop, seconds.
        appearance: `(D,)` raw running mean of clean crops; None before the first crop.
        count: Clean crops so far.
        classes: Detections by class.
        prototype_updates: Raw means of stretches of crops that wait to update memory, and how many crops each has.
    """

    born: float
    last: LastSeen
    origin: LastSeen | None
    embedding: Floats | None = None
    clean: bool = False
    blended: int = 0
    embedded_at: float = float("-inf")
    appearance: Floats | None = None
    count: int = 0
    classes: Counter[int] = field(default_factory=Counter)
    prototype_updates: list[tuple[Floats, int]] = field(default_factory=list)
    _first: float | None = None
    _sum: Floats | None = None
    _pending: deque[tuple[float, Floats]] = field(default_factory=lambda: deque(maxlen=_MAX_PENDING))

    def resumed(self, now: float, last: LastSeen) -> Tracklet:
        """Start the next tracklet of the same track, which the host has re-activated."""
        return Tracklet(now, last, last, appearance=self.appearance, classes=self.classes)

    def see(self, last: LastSeen, *, votes: bool) -> None:
        """Take this frame's Kalman state; the class is the most frequent one, or with `votes` off the last."""
        self.last = last
        if not votes:
            self.classes.clear()
        self.classes[last.cls] += 1
        if len(self.classes) > 1:
            self.last = last.as_class(self.cls)

    def rescale(self, x: float, y: float) -> None:
        """Go on in an image that is `x` times as wide and `y` times as high."""
        self.last = self.last.scaled(x, y)
        self.origin = None if self.origin is None else self.origin.scaled(x, y)

    @property
    def cls(self) -> int:
        """The most frequent class."""
        return max(self.classes, key=self.classes.__getitem__) if self.classes else self.last.cls

    def blend(self, time: float) -> None:
        """Blend this frame's crop into the running appearance, if it is clean."""
        if self.embedding is None:
            return
        self.embedded_at = time
        self.blended += self.clean
        if self.appearance is None:
            self.appearance = self.embedding
        elif self.clean:
            past, now = APPEARANCE_MOMENTUM, 1 - APPEARANCE_MOMENTUM
            self.appearance = np.asarray(past * self.appearance + now * self.embedding, dtype=np.float32)

    def take(self, time: float) -> None:
        """Add this frame's crop to the evidence, if it is clean."""
        if self.embedding is not None and self.clean:
            self._add(time, self.embedding)

    def _add(self, time: float, embedding: Floats) -> None:
        self._pending.append((time, embedding))
        self._sum = embedding if self._sum is None else self._sum + embedding
        self.count += 1
        self._first = time if self._first is None else self._first

    @property
    def mean(self) -> Floats | None:
        """`(D,)` raw mean of all clean crops; None without one."""
        return None if self._sum is None else np.asarray(self._sum / self.count, dtype=np.float32)

    def seen_for(self, now: float) -> float:
        """Seconds since the first clean crop, or since the first box as long as there is none."""
        return now - (self.born if self._first is None else self._first)

    @property
    def waits_since(self) -> float:
        """Time in seconds of the oldest crop that hasn't updated memory; infinity without one."""
        return self._pending[0][0] if self._pending else float("inf")

    @property
    def waiting(self) -> int:
        """Clean crops that haven't updated memory yet."""
        return len(self._pending)

    def recent(self, since: float, at_least: int) -> list[tuple[float, Floats]]:
        """Times and raw embeddings of waiting crops: those since a time, but at least so many."""
        crops = list(self._pending)
        start = next((n for n, (t, _) in enumerate(crops) if t >= since), len(crops))
        return crops[max(0, min(start, len(crops) - at_least)) :]

    def has_mature(self, before: float, at_least: int, spared: int) -> bool:
        """Whether `pop_mature` would take any crops out."""
        return self.waiting >= at_least + spared and self._pending[at_least - 1][0] < before

    def pop_mature(self, before: float, at_least: int, spared: int) -> list[Floats]:
        """Take out the waiting crops older than a time but the last `spared`, if there are `at_least` or more."""
        if not self.has_mature(before, at_least, spared):
            return []
        count = min(sum(t < before for t, _ in self._pending), self.waiting - spared)
        return [self._pending.popleft()[1] for _ in range(count)]

    def drop_crops(self) -> None:
        """Drop the waiting crops, and the last one."""
        self._pending.clear()
        self.embedding = None

    def restart(self, since: float) -> None:
        """Begin anew in the middle of the track, with the clean crops since a time for evidence."""
        crops = [(t, e) for t, e in self._pending if t >= since]
        self.born, self.origin, self.count = since, None, 0
        self._first, self._sum = None, None
        self._pending.clear()
        for time, embedding in crops:
            self._add(time, embedding)
