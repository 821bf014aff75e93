"""One camera's tracker and the gallery: what it asks and tells, and what it makes of the answers. Never waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from ..._typing import Floats
from ...appearance.evidence import LearnedStatistics
from ...events import Event, Events, GalleryAway, GalleryBack, Linked, Revival, RevivalReverted
from ...revival.decision import Decision
from ...revival.recognizer import Recognizer, When
from ...tuning import MIN_CLEAN_CROPS
from .messages import (
    Answer,
    EvidenceUpdate,
    Merge,
    Observation,
    Observations,
    Outage,
    PrototypeUpdate,
    Query,
    Reject,
    Split,
)
from .worker import Channel, GalleryWorker

# Seconds between two messages on who is where.
_EVERY = 1.0
# Seconds of clean crops after which it is asked who somebody is; as long as likeness can't be judged anywhere, so many.
_ENOUGH, _PATIENCE = 2.0, 10.0
# Seconds after which it is asked once more who a newcomer is, with several times as much to see of them.
_AGAIN = 10.0
# Seconds without a box after which somebody is gone, and asked about if that hasn't been done.
_GONE = 1.0


class GalleryCamera:
    """A camera's end of the line to its gallery.

    Args:
        link: The process's line.
        line: This camera's end of it.
        recognizer: The camera's memory.
        events: Is told of links, and of the gallery's coming and going.
        since: From when on it tells, seconds; what was before has been told on another line.

    Attributes:
        links: How the gallery knew those whom it did, by identity.
    """

    def __init__(
        self, link: GalleryWorker, line: Channel, recognizer: Recognizer, events: Events, since: float = -np.inf
    ) -> None:
        self.link = link
        self._channel = line
        self._recognizer = recognizer
        self._events = events
        self._since = since
        self.links: dict[int, Linked] = {}
        self._asked: set[int] = set()
        self._new: set[int] = set()
        self._settled: set[int] = set()
        self._joined: set[int] = set()
        self._waiting: dict[int, Decision] = {}
        self._warned = -np.inf
        self._shown: frozenset[int] = frozenset()
        self._version = 0
        recognizer.on_update(self._teach)
        self._unsubscribe: Callable[[], None] = events.subscribe(self._hear)

    @property
    def summary(self) -> str:
        """What there is to say of it, for people."""
        known = sum(not link.new for link in self.links.values())
        return f"{self._channel.camera}: {known} of {len(self._asked)} individuals were known to the gallery"

    @property
    def line(self) -> Channel:
        """This camera's end of the line."""
        return self._channel

    def answer(self, everybody: Sequence[Decision], when: When) -> None:
        """Take the answers that have come, before a frame's decisions.

        Args:
            everybody: All tracklets there are, of tracks that are lost too.
            when: The frame's number, and its time in seconds.
        """
        if self._channel.known_before is not None:
            self._recognizer.remember_evidence(self._channel.known_before)
            self._channel.known_before = None
        while self._channel.replies:
            reply = self._channel.replies.popleft()
            if isinstance(reply, Outage):
                self._events.emit(GalleryAway(reply.why, *when) if reply.why else GalleryBack(reply.lost, *when))
            else:
                self._take(reply, everybody, when)

    def tell(self, seen: Sequence[Decision], now: float, glimpse: Callable[[Decision], Observation]) -> None:
        """Ask who is new, and tell who is where, after a frame's decisions.

        Args:
            seen: The tracklets that have a box in this frame.
            now: The frame's time, seconds.
            glimpse: Makes a decision's box a glimpse.
        """
        known = [t for t in seen if t.settled and t.identity > 0]
        shown = frozenset(t.identity for t in known)
        if now >= self._warned + _EVERY or not shown <= self._shown:
            self._warned = now
            self.link.send(self._channel, Observations(now, tuple(glimpse(t) for t in known)))
        self._shown = shown
        self._ask(known, shown, now)
        if self._recognizer.metric.version != self._version:
            self._version = self._recognizer.metric.version
            self._hand_on()

    def finish(self) -> None:
        """The video is over: ask about everybody of whom that hasn't been done, and hand on what was learned."""
        for decision in list(self._waiting.values()):
            self._ask_about(decision, decision.tracklet.last.time, self._shown)
        self._waiting.clear()
        self._recognizer.flush_updates()
        self._hand_on()

    def close(self) -> None:
        """This run is over."""
        self._unsubscribe()
        self.finish()
        self.link.close_channel(self._channel)

    def _hand_on(self) -> None:
        recognizer = self._recognizer
        evidence = LearnedStatistics.of(recognizer.metric, recognizer.tracklet_scores, recognizer.individuals())
        if evidence is not None:
            self.link.send(self._channel, EvidenceUpdate(evidence))

    def _ask(self, known: Sequence[Decision], shown: frozenset[int], now: float) -> None:
        for decision in known:
            if decision.identity not in self._asked and decision.probation is None:
                self._waiting[decision.identity] = decision
        enough = _ENOUGH if self.link.is_discriminative else _PATIENCE
        for identity, decision in list(self._waiting.items()):
            if decision.identity != identity or decision.probation is not None or not decision.settled:
                del self._waiting[identity]
            elif now - decision.tracklet.last.time >= _GONE or (
                decision.tracklet.count >= MIN_CLEAN_CROPS
                and decision.tracklet.seen_for(now) >= enough
                and identity in shown
            ):
                del self._waiting[identity]
                self._ask_about(decision, now, shown)

        for decision in known:
            if (
                decision.identity in self._new
                and decision.probation is None
                and decision.tracklet.seen_for(now) >= _AGAIN
            ):
                self._new.discard(decision.identity)
                self._settled.add(decision.identity)
                self._ask_about(decision, now, shown)

    def _ask_about(self, decision: Decision, now: float, shown: Collection[int]) -> None:
        mean, identity = decision.tracklet.mean, decision.identity
        if mean is None or decision.tracklet.count < MIN_CLEAN_CROPS:
            return
        self._asked.add(identity)
        beside = frozenset(shown) - {identity}
        first, last = max(decision.tracklet.born, self._since), min(now, decision.tracklet.last.time)
        ask = Query(identity, mean, decision.tracklet.count, decision.tracklet.cls, first, last, beside)
        self.link.send(self._channel, ask)

    def _take(self, answer: Answer, everybody: Sequence[Decision], when: When) -> None:
        if answer.known is None:
            if answer.identity not in self._settled:
                self._new.add(answer.identity)
            return
        if answer.identity in self._joined:
            return  # the camera found out meanwhile who it was
        if answer.identity not in self._asked and not self._recognizer.has(answer.identity, everybody):
            return  # merged by hand, and nobody whom this camera knows
        if not self._recognizer.rename(answer.identity, answer.known, everybody):
            self.link.send(self._channel, Reject(answer.identity))
            return
        if answer.looks is not None:
            self._recognizer.remember_prototypes(answer.known, answer.looks)
        self._asked.add(answer.known)
        self._joined.discard(answer.known)
        if answer.identity in self._new and answer.new:
            self._new.add(answer.known)
        self.links[answer.known] = link = Linked(
            answer.known,
            answer.identity,
            *when,
            gap=answer.gap,
            camera_id=answer.camera,
            similarity=answer.similarity,
            probability=answer.probability,
            late=answer.late,
            new=answer.new,
        )
        self._events.emit(link)

    def _teach(self, decision: Decision, vector: Floats, weight: int) -> None:
        lesson = PrototypeUpdate(decision.identity, vector, weight, decision.tracklet.last.time, decision.tracklet.cls)
        self.link.send(self._channel, lesson)

    def _hear(self, event: Event) -> None:
        """What the camera finds out of its own holds for the gallery too."""
        if isinstance(event, Revival) and event.previous_id is not None and not event.corrected:
            self._joined.add(event.previous_id)
            self.link.send(self._channel, Merge(event.previous_id, event.identity_id))
        elif isinstance(event, RevivalReverted) and event.identity_id is not None:
            self.link.send(self._channel, Split(event.previous_id, event.since, event.identity_id))


def shares(box: npt.NDArray[np.float32], shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """A box, `(4,)` pixels, as shares of a picture of some height and width, in [0, 1]."""
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    left, top, right, bottom = np.clip(box / size, 0, 1).tolist()
    return left, top, right, bottom
