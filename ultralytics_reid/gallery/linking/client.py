"""A camera's side of the gallery: what its tracker sends, and what it makes of the answers. Never waits."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Sequence

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
    ClockCorrection,
    EvidenceUpdate,
    Forget,
    Forgotten,
    Merge,
    Message,
    Observation,
    Observations,
    Outage,
    PrototypeUpdate,
    Query,
    Reject,
    Split,
    refusal,
    without_odd_crop,
)
from .worker import Channel, GalleryWorker

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")
# Seconds between two reports of the visible boxes.
_REPORT_INTERVAL = 1.0
# Seconds that a tracklet is visible before it is queried; the second as long as similarity tells no identities apart.
_MIN_VISIBLE, _MIN_VISIBLE_UNCALIBRATED = 1.0, 10.0
# Growth of an identity's clean crops after which it is queried again, as long as the gallery doesn't know it, and the
# number of times: a minute of clean crops.
_REQUERY_GROWTH, _MAX_REQUERIES = 1.5, 10
# Seconds without a box after which a tracklet is queried with what there is of it.
_GONE_AFTER = 1.0


class GalleryCamera:
    """Connect one camera's recognizer to the gallery.

    A frame calls `receive` before the recognizer decides, and `report` after it. `close` ends the run.

    Args:
        worker: The gallery's thread.
        channel: This camera's channel to it.
        recognizer: The camera's memory; not kept alive.
        events: Where links and outages are emitted; not kept alive.
        since: Seconds of the tracker's clock from which on it reports; earlier boxes went through another channel.

    Attributes:
        worker: The gallery's thread.
        channel: This camera's channel to it.
        links: How the gallery knew those identities that it did, by id.
    """

    def __init__(
        self, worker: GalleryWorker, channel: Channel, recognizer: Recognizer, events: Events, since: float = -np.inf
    ) -> None:
        self.worker = worker
        self.channel = channel
        self.links: dict[int, Linked] = {}
        # Neither may keep its tracker alive: this outlives a tracker that nobody finished, to send what is left.
        self._recognizer: Recognizer = weakref.proxy(recognizer)
        self._events: Events = weakref.proxy(events)
        self._metric, self._scores = recognizer.metric, recognizer.tracklet_scores
        self._updater = recognizer.updater
        self._since = since
        self._queried: set[int] = set()
        self._new: set[int] = set()
        self._first_seen_here: set[int] = set()
        self._asked: dict[int, tuple[int, int]] = {}
        self._merged: set[int] = set()
        self._renamed: set[int] = set()
        self._waiting: dict[int, Decision] = {}
        self._warned: set[str] = set()
        self._last_report = -np.inf
        self._visible: frozenset[int] = frozenset()
        self._metric_version = 0
        self._updater.listener = self._send_prototype

    @property
    def summary(self) -> str:
        """One line for the user on how many individuals the gallery knew before this run.

        Each counts once, under its last id; one that the run itself brought to the gallery wasn't known.
        """
        individuals = self._queried - self._renamed - self._merged
        before = individuals - self._first_seen_here
        known = sum(not link.new for identity, link in self.links.items() if identity in before)
        failed = self.worker.failed
        if failed is not None:
            return f"{self.channel.camera}: what was seen last is not in the gallery: {failed}"
        return f"{self.channel.camera}: {known} of {len(individuals)} individuals were known to the gallery"

    def receive(self, decisions: Sequence[Decision], when: When) -> None:
        """Take the answers that have come, before a frame's decisions.

        Args:
            decisions: All there are, of lost tracks too.
            when: The frame's number, and its time in seconds.
        """
        if self.channel.prior_evidence is not None:
            self._recognizer.remember_evidence(self.channel.prior_evidence)
            self.channel.prior_evidence = None
        while self.channel.replies:
            reply = self.channel.replies.popleft()
            if isinstance(reply, Outage):
                self._events.emit(GalleryAway(reply.why, *when) if reply.why else GalleryBack(reply.lost, *when))
            elif isinstance(reply, Forget):
                self._forget(reply.identities)
            else:
                self._apply(reply, decisions, when)

    def report(self, decisions: Sequence[Decision], now: float, observe: Callable[[Decision], Observation]) -> None:
        """Report the visible identities and query the new ones, after a frame's decisions.

        Args:
            decisions: Those on tracks with a box in this frame.
            now: The frame's time, seconds.
            observe: Makes the observation of a track's box.
        """
        settled = [d for d in decisions if d.settled and d.identity > 0]
        visible = frozenset(d.identity for d in settled)
        if now >= self._last_report + _REPORT_INTERVAL or not visible <= self._visible:
            self._last_report = now
            self._send(Observations(now, self._storable(observe(d) for d in settled)))
        self._visible = visible
        self._query_new(settled, now)
        self._query_again(settled, now)
        self._query_undecided([d for d in decisions if not d.settled and d.identity > 0], now)
        if self._metric.version != self._metric_version:
            self._metric_version = self._metric.version
            self._send_evidence()

    def correct_clock(self, origin: float) -> None:
        """Say that the wall clock was wrong since the run began: what was seen moves in time, stored visits too.

        Args:
            origin: When the tracker's clock was 0, seconds since 1970 (UTC).
        """
        self.channel.start = origin
        self._send(ClockCorrection(origin))

    def close(self) -> None:
        """End the run: query every identity that wasn't yet, and hand on what was learned."""
        for decision in list(self._waiting.values()):
            self._query(decision, decision.tracklet.last.time)
        self._waiting.clear()
        self._updater.flush()
        self._send_evidence()
        self.worker.close_channel(self.channel)

    def _send(self, message: Message) -> None:
        if isinstance(message, Query | PrototypeUpdate) and (why := refusal(message)):
            self._warn(why)
            return
        self.worker.send(self.channel, message)

    def _storable(self, boxes: Iterable[Observation]) -> tuple[Observation, ...]:
        """Leave out what the gallery would refuse."""
        storable = []
        for box in boxes:
            if why := refusal(box):
                self._warn(why)
                continue
            kept, odd = without_odd_crop(box)
            if odd:
                self._warn(odd)
            storable.append(kept)
        return tuple(storable)

    def _warn(self, why: str) -> None:
        """Say once a run and reason what is left out."""
        reason = why.partition(", got")[0]
        if reason not in self._warned:
            _LOGGER.warning(f"camera {self.channel.camera!r}: some of what it sees is not stored in the gallery: {why}")
        self._warned.add(reason)

    def _query_new(self, settled: Sequence[Decision], now: float) -> None:
        """Query identities that weren't yet, once they were visible long enough or are gone."""
        for decision in settled:
            if decision.identity not in self._queried and decision.probation is None:
                self._waiting[decision.identity] = decision
        min_visible = _MIN_VISIBLE if self.worker.is_discriminative else _MIN_VISIBLE_UNCALIBRATED
        for identity, decision in list(self._waiting.items()):
            tracklet = decision.tracklet
            enough = tracklet.count >= MIN_CLEAN_CROPS and tracklet.seen_for(now) >= min_visible
            if decision.identity != identity or decision.probation is not None or not decision.settled:
                del self._waiting[identity]
            elif now - tracklet.last.time >= _GONE_AFTER or (enough and identity in self._visible):
                del self._waiting[identity]
                self._query(decision, now)

    def _query_again(self, settled: Sequence[Decision], now: float) -> None:
        """Query identities again that were new to the gallery, when there is half as much more to compare."""
        for decision in settled:
            identity = decision.identity
            if identity in self._new and decision.probation is None and self._has_more(decision):
                self._new.discard(identity)
                self._query(decision, now)

    def _query_undecided(self, undecided: Sequence[Decision], now: float) -> None:
        """Query whose id is shown before the camera's memory has decided: the gallery may know somebody sooner."""
        if not self.worker.is_discriminative:
            return
        for decision in undecided:
            unclear = decision.in_doubt or decision.reactivated_id is not None
            if not unclear and decision.tracklet.seen_for(now) >= _MIN_VISIBLE and self._has_more(decision):
                self._query(decision, now)

    def _has_more(self, decision: Decision) -> bool:
        """Whether there is so much more to compare than at the last query that the next one pays."""
        times, crops = self._asked.get(decision.identity, (0, 0))
        return decision.tracklet.count >= _REQUERY_GROWTH * crops and times <= _MAX_REQUERIES

    def _query(self, decision: Decision, now: float) -> None:
        tracklet, identity = decision.tracklet, decision.identity
        mean = tracklet.mean
        if mean is None or tracklet.count < MIN_CLEAN_CROPS:
            return
        if decision.settled:
            self._queried.add(identity)
        times = self._asked.get(identity, (0, 0))[0]
        self._asked[identity] = times + 1, tracklet.count
        first, last = max(tracklet.born, self._since), min(now, tracklet.last.time)
        beside = self._visible - {identity}
        settled = decision.settled
        self._send(Query(identity, mean, tracklet.count, tracklet.cls, first, last, beside, times, settled))

    def _apply(self, answer: Answer, decisions: Sequence[Decision], when: When) -> None:
        """Rename an identity to the gallery's, unless the camera found out otherwise meanwhile."""
        if answer.known is None:
            self._first_seen_here.add(answer.identity)
            self._new.add(answer.identity)
            return
        if answer.identity in self._merged:
            return
        if answer.identity not in self._queried and not self._recognizer.has(answer.identity, decisions):
            return  # merged by hand, and unknown to this camera
        if not self._recognizer.rename(answer.identity, answer.known, decisions):
            self._send(Reject(answer.identity))
            return
        self._recognizer.settle(answer.known, decisions)
        if answer.prototypes is not None:
            self._recognizer.remember_prototypes(answer.known, answer.prototypes)
        self._queried.add(answer.known)
        self._renamed.add(answer.identity)
        self._renamed.discard(answer.known)
        self._merged.discard(answer.known)
        if answer.identity in self._new and answer.new:
            self._new.add(answer.known)
            self._asked[answer.known] = self._asked.get(answer.identity, (0, 0))
        self._emit_link(answer, answer.known, when)

    def _emit_link(self, answer: Answer, known: int, when: When) -> None:
        self.links[known] = link = Linked(
            known,
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

    def _forget(self, identities: frozenset[int]) -> None:
        self._recognizer.forget(identities)
        self._new -= identities
        self._queried -= identities
        for identity in identities:
            self.links.pop(identity, None)
            self._waiting.pop(identity, None)
        self._send(Forgotten(identities))

    def _send_prototype(self, decision: Decision, vector: Floats, weight: int) -> None:
        tracklet = decision.tracklet
        self._send(PrototypeUpdate(decision.identity, vector, weight, tracklet.last.time, tracklet.cls))

    def _send_evidence(self) -> None:
        evidence = LearnedStatistics.of(self._metric, self._scores, self._updater.individuals())
        if evidence is not None:
            self._send(EvidenceUpdate(evidence))

    def correct(self, event: Event) -> None:
        """Pass on which of its own identities the camera merged or split; other events are none of the gallery's."""
        if isinstance(event, Revival) and event.previous_id is not None and not event.corrected:
            self._merged.add(event.previous_id)
            self._send(Merge(event.previous_id, event.identity_id))
        elif isinstance(event, RevivalReverted) and event.identity_id is not None:
            self._merged.discard(event.identity_id)
            self._send(Split(event.previous_id, event.since, event.identity_id))


def shares(box: npt.NDArray[np.float32], shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Normalize a box, `(4,)` pixels, by an image's height and width, and clip it to [0, 1]."""
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    left, top, right, bottom = np.clip(box / size, 0, 1).tolist()
    return left, top, right, bottom
