"""A tracklet's evidence of who it shows."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

import numpy as np

from .._typing import Floats
from ..association.last_seen import LastSeen
from ..events import Revival
from ..tuning import APPEARANCE_MOMENTUM


@dataclass(eq=False)
class Tracklet:
    """What is known of the individual behind an unbroken run of a track's detections.

    Attributes:
        born: Seconds, when its first box was seen.
        identity: The id that it shows; negative while it shows none.
        last: Where and how it was last seen.
        origin: Where and how it was seen first, to which motion led; None where it began in the midst of a track.
        reactivated_id: The identity that motion says it is, where a lost track was found again or a track is in doubt.
        settled: Whether it has been decided who this is.
        revival: How it got its identity back, if it did.
        probation: What is held against its being who it was taken for, until that is sure; None where nothing can be.
        embedding: `(D,)` raw embedding of its crop in this frame, None if there is none.
        clean: Whether that crop is fit to teach.
        blended: Clean crops in its running appearance since it began.
        looked_at: Seconds, when a crop of it was last embedded.
        appearance: `(D,)` raw running mean of its clean crops, None before the first crop.
        count: Clean crops so far.
        contradictions: Checks in a row in which it didn't look like its own identity.
        best_match: The identity that it was found to be in the last frame, None for nobody.
        streak: Frames in a row in which that was the finding.
        contradicted: Whether its looks speak against its claim.
        classes: How often it was seen as what.
        prototype_updates: Raw means of stretches of crops to be learned, and how many crops each is the mean of.
        may_be_returning: Whether somebody who isn't visible may be coming back in it.
    """

    born: float
    identity: int
    last: LastSeen
    origin: LastSeen | None
    reactivated_id: int | None = None
    settled: bool = False
    revival: Revival | None = None
    probation: Probation | None = None
    embedding: Floats | None = None
    clean: bool = False
    blended: int = 0
    looked_at: float = float("-inf")
    appearance: Floats | None = None
    count: int = 0
    contradictions: int = 0
    best_match: int | None = None
    streak: int = 0
    may_be_returning: bool = False
    contradicted: bool = False
    classes: Counter[int] = field(default_factory=Counter)
    prototype_updates: list[tuple[Floats, int]] = field(default_factory=list)
    _first: float | None = None
    _sum: Floats | None = None
    _pending: deque[tuple[float, Floats]] = field(default_factory=deque)

    @property
    def unsure(self) -> bool:
        """Whether it may well show somebody else than its identity, so that nothing is to be concluded from it."""
        return self.probation is not None and self.probation.by_looks

    @property
    def forced(self) -> bool:
        """Whether it has its identity only because a closed set left no other choice."""
        return self.revival is not None and self.revival.forced

    def resumed(self, now: float, last: LastSeen) -> Tracklet:
        """The tracklet with which its track goes on after it was lost: motion says that it shows the same."""
        reactivated_id = self.identity if self.settled else self.reactivated_id
        new = Tracklet(now, self.identity, last, last, reactivated_id, revival=self.revival, classes=self.classes)
        new.appearance = self.appearance
        return new

    def see(self, last: LastSeen, *, votes: bool) -> None:
        """Note where it is; its class is the one that it had most often, or with `votes` off the last."""
        self.last = last
        if not votes:
            self.classes.clear()
        self.classes[last.cls] += 1
        if len(self.classes) > 1:
            self.last = replace(last, cls=self.cls)

    @property
    def cls(self) -> int:
        """Its class: the one it was seen as most often."""
        return max(self.classes, key=self.classes.__getitem__) if self.classes else self.last.cls

    def take(self, time: float) -> None:
        """Take this frame's crop as evidence, if it is clean."""
        if self.embedding is not None and self.clean:
            self._add(time, self.embedding)

    def blend(self, time: float) -> None:
        """Take this frame's crop into the running appearance, if it is clean."""
        if self.embedding is None:
            return
        self.looked_at = time
        self.blended += self.clean
        if self.appearance is None:
            self.appearance = self.embedding
        elif self.clean:
            self.appearance = np.asarray(
                APPEARANCE_MOMENTUM * self.appearance + (1 - APPEARANCE_MOMENTUM) * self.embedding, dtype=np.float32
            )

    def _add(self, time: float, embedding: Floats) -> None:
        self._pending.append((time, embedding))
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

    def recent(self, since: float, least: int) -> list[tuple[float, Floats]]:
        """Times and raw embeddings of clean crops not taught yet: those since a time, but at least `least` of them."""
        crops = list(self._pending)
        start = next((n for n, (t, _) in enumerate(crops) if t >= since), len(crops))
        return crops[max(0, min(start, len(crops) - least)) :]

    def pop_mature(self, before: float, least: int, spared: int) -> list[Floats]:
        """Take out the clean crops older than a time in seconds but the last `spared`, if there are `least` or more."""
        if len(self._pending) < least + spared or self._pending[least - 1][0] >= before:
            return []
        count = min(sum(t < before for t, _ in self._pending), len(self._pending) - spared)
        return [self._pending.popleft()[1] for _ in range(count)]

    @property
    def waits_since(self) -> float:
        """Seconds, of the oldest crop that is not taught yet; infinity if there is none."""
        return self._pending[0][0] if self._pending else float("inf")

    def drop_crops(self) -> None:
        """Drop the crops that are not taught yet."""
        self._pending.clear()

    def vote(self, identity: int | None) -> None:
        """Note which identity this frame's evidence speaks for, None for nobody."""
        agrees = self.streak > 0 and identity == self.best_match
        self.best_match, self.streak = identity, self.streak + 1 if agrees else 1

    def reopen(self, identity: int) -> None:
        """Open the question again who this is, with all the evidence there is, under another id for the meantime."""
        self.identity, self.reactivated_id, self.settled, self.revival, self.probation = (
            identity,
            None,
            False,
            None,
            None,
        )
        self.contradictions, self.streak, self.best_match = 0, 0, None

    def restart(self, since: float) -> None:
        """Open the question again who this is, with the clean crops since a time in seconds for evidence."""
        crops = [(t, e) for t, e in self._pending if t >= since]
        self.born, self.reactivated_id, self.settled, self.revival = since, self.identity, False, None
        self.origin = None
        self.count, self.contradictions, self.streak, self.best_match = 0, 0, 0, None
        self.contradicted = True
        self._first, self._sum = None, None
        self._pending.clear()
        for time, embedding in crops:
            self._add(time, embedding)


@dataclass(frozen=True)
class Probation:
    """A tracklet that was taken for somebody remembered may turn out not to be: what it teaches waits until it is sure.

    Attributes:
        before: Where and how the identity was last seen before the tracklet.
        until: Seconds, when it is sure.
        by_looks: Whether looks alone made it that identity; where motion did, its crops can be trusted to be the same
            individual's as those before.
    """

    before: LastSeen
    until: float
    by_looks: bool
