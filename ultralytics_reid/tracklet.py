"""A tracklet's evidence of who it shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from .embedding import Floats
from .memory import LastSeen

_FADE = 0.9


@dataclass(eq=False)
class Tracklet:
    """What is known of the individual behind one track.

    Attributes:
        born: Seconds, when its first box was seen.
        identity: The identity's id; negative while it has none to show.
        settled: Whether it has been decided who this is.
        last: Where and how it was last seen.
        appearance: `(D,)` raw running mean of its recent clean crops, None before the first crop.
        clean: Whether its crop in this frame is clean.
        embedding: `(D,)` raw embedding of its crop in this frame, None if there is none.
    """

    born: float
    identity: int
    settled: bool = False
    last: LastSeen | None = None
    appearance: Floats | None = None
    clean: bool = False
    embedding: Floats | None = None
    first_clean: float | None = None
    favourite: int | None = None
    votes: int = 0
    _untaught: deque[tuple[float, Floats]] = field(default_factory=deque)
    _sum: Floats | None = None
    count: int = 0

    def take(self, time: float) -> None:
        """Take this frame's crop as evidence, if it is clean."""
        if self.embedding is None:
            return
        if self.clean:
            self._untaught.append((time, self.embedding))
            self._sum = self.embedding if self._sum is None else self._sum + self.embedding
            self.count += 1
            self.first_clean = time if self.first_clean is None else self.first_clean
        if self.appearance is None:
            self.appearance = self.embedding
        elif self.clean:
            self.appearance = np.asarray(_FADE * self.appearance + (1 - _FADE) * self.embedding, dtype=np.float32)

    @property
    def mean(self) -> Floats | None:
        """`(D,)` raw mean of all clean crops, None if there are none."""
        return None if self._sum is None else np.asarray(self._sum / self.count, dtype=np.float32)

    def recent(self, since: float) -> list[Floats]:
        """Raw embeddings of clean crops that are not taught yet and not older than a time in seconds."""
        return [e for t, e in self._untaught if t >= since]

    def ripe(self, before: float, least: int) -> list[Floats]:
        """Take out the clean crops older than a time in seconds, if there are `least` of them or more."""
        count = sum(t < before for t, _ in self._untaught)
        return [self._untaught.popleft()[1] for _ in range(count)] if count >= least else []
