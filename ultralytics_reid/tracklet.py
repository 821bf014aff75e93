"""A tracklet's evidence of who it shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from .embedding import Floats
from .events import Revival
from .memory import LastSeen

# Weight of the past in the running appearance, as in BoT-SORT (Aharon et al. 2022, section 3.3).
_FADE = 0.9


@dataclass(eq=False)
class Tracklet:
    """What is known of the individual behind an unbroken run of a track's detections.

    Attributes:
        born: Seconds, when its first box was seen.
        identity: The id that it shows; negative while it shows none.
        last: Where and how it was last seen.
        claim: The identity that motion says it is, where a lost track was found again or a track is in doubt.
        settled: Whether it has been decided who this is.
        revival: How it got its identity back, if it did.
        embedding: `(D,)` raw embedding of its crop in this frame, None if there is none.
        clean: Whether that crop is fit to teach.
        appearance: `(D,)` raw running mean of its clean crops, None before the first crop.
        count: Clean crops so far.
        doubts: Checks in a row in which it didn't look like its own identity.
        favourite: The identity that it was found to be in the last frame, None for nobody.
        votes: Frames in a row in which that was the finding.
        open: Whether somebody who isn't visible may be coming back in it.
    """

    born: float
    identity: int
    last: LastSeen
    claim: int | None = None
    settled: bool = False
    revival: Revival | None = None
    embedding: Floats | None = None
    clean: bool = False
    appearance: Floats | None = None
    count: int = 0
    doubts: int = 0
    favourite: int | None = None
    votes: int = 0
    open: bool = False
    _first: float | None = None
    _sum: Floats | None = None
    _untaught: deque[tuple[float, Floats]] = field(default_factory=deque)

    def take(self, time: float) -> None:
        """Take this frame's crop as evidence, if it is clean."""
        if self.embedding is not None and self.clean:
            self._add(time, self.embedding)

    def blend(self) -> None:
        """Take this frame's crop into the running appearance, if it is clean or the first."""
        if self.embedding is None:
            return
        if self.appearance is None:
            self.appearance = self.embedding
        elif self.clean:
            self.appearance = np.asarray(_FADE * self.appearance + (1 - _FADE) * self.embedding, dtype=np.float32)

    def _add(self, time: float, embedding: Floats) -> None:
        self._untaught.append((time, embedding))
        self._sum = embedding if self._sum is None else self._sum + embedding
        self.count += 1
        self._first = time if self._first is None else self._first

    @property
    def mean(self) -> Floats | None:
        """`(D,)` raw mean of all clean crops, None if there are none."""
        return None if self._sum is None else np.asarray(self._sum / self.count, dtype=np.float32)

    def seen_for(self, now: float) -> float:
        """Seconds since its first clean crop, or since its birth as long as it has none."""
        return now - (self.born if self._first is None else self._first)

    def recent(self, since: float) -> list[Floats]:
        """Raw embeddings of clean crops that are not taught yet and not older than a time in seconds."""
        return [e for t, e in self._untaught if t >= since]

    def ripe(self, before: float, least: int) -> list[Floats]:
        """Take out the clean crops older than a time in seconds, if there are `least` of them or more."""
        count = sum(t < before for t, _ in self._untaught)
        return [self._untaught.popleft()[1] for _ in range(count)] if count >= least else []

    def drop_crops(self) -> None:
        """Drop the crops that are not taught yet."""
        self._untaught.clear()

    def vote(self, identity: int | None) -> None:
        """Note which identity this frame's evidence speaks for, None for nobody."""
        agrees = self.votes > 0 and identity == self.favourite
        self.favourite, self.votes = identity, self.votes + 1 if agrees else 1

    def restart(self, since: float) -> None:
        """Open the question again who this is, with the clean crops since a time in seconds for evidence."""
        crops = [(t, e) for t, e in self._untaught if t >= since]
        self.born, self.claim, self.settled, self.revival = since, self.identity, False, None
        self.count, self.doubts, self.votes, self.favourite = 0, 0, 0, None
        self._first, self._sum = None, None
        self._untaught.clear()
        for time, embedding in crops:
            self._add(time, embedding)
