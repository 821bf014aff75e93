"""One camera's run, as the gallery sees it: open visits, ids that turned out to be others, unanswered queries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ...appearance.evidence import LearnedStatistics
from ..ledger import Move
from ..records import FIRST_LOCAL_ID, Visit
from .messages import (
    ClockCorrection,
    Close,
    EvidenceUpdate,
    Forgotten,
    Merge,
    Observations,
    PrototypeUpdate,
    Query,
    Reject,
    SessionMessage,
    Split,
)
from .open_visits import MAX_GAP, OpenVisit

# Closed visits that wait for a gallery that is away; beyond that the oldest are dropped, and counted.
MAX_WAITING = 5000
# Written visits whose times can still be corrected; of a camera that has written more, the last ones.
MAX_CORRECTABLE = 10_000
# Boxes that wait to be compared with another camera's while the gallery is away; of more, the last ones.
MAX_TRAIL = 10_000
# When a box was seen, seconds since 1970 (UTC), its visit, and the box as shares of the image.
Point = tuple[float, OpenVisit, tuple[float, float, float, float]]
# Seconds by which an observation may precede the tracklet that it belongs to.
_MAX_LEAD = 1.0


class CameraSession:
    """Collect what one camera sends, until it is answered and written.

    Args:
        camera: Its name.
        origin: When its clock was 0, seconds since 1970 (UTC).
        start_known: Whether that is known, and not chosen by the gallery.

    Attributes:
        queries: Queries that aren't answered yet, the oldest first.
        ended: Whether the camera's run is over.
        lost: Number of visits dropped since this was last reset.
        visit_corrections: Identity by visit id, for visits that are stored under another one.
        clock_corrections: When visits began that are stored with the time of a wrong clock, by id.
        identity_corrections: Pairs `(gone, kept)`: new identities of this camera that turned out to be others.
        evidence: What the camera has learned and isn't written yet.
        renamed: Pairs `(local, id)` of local ids that were replaced, for the camera to be told.
    """

    def __init__(self, camera: str, origin: float, *, start_known: bool = True) -> None:
        self.camera = camera
        self.origin = origin
        self.start_known = start_known
        self.queries: list[Query] = []
        self.ended = False
        self.lost = 0
        self.visit_corrections: dict[int, int] = {}
        self.clock_corrections: dict[int, float] = {}
        self.identity_corrections: list[tuple[int, int]] = []
        self.evidence: LearnedStatistics | None = None
        self.renamed: list[tuple[int, int]] = []
        self._reserved_ids: deque[int] = deque()
        self._unnumbered: list[int] = []
        self._trail: deque[Point] | None = None
        self._open: dict[int, OpenVisit] = {}
        self._closed: list[OpenVisit] = []
        self._resolved: dict[int, int] = {}
        self._decided: set[int] = set()
        self._new: set[int] = set()
        self._local: set[int] = set()
        self._forgetting: set[int] = set()
        self._stored_firsts: dict[int, float] = {}
        self._seen: set[int] = set()

    def receive(self, message: SessionMessage) -> None:
        """Take in a message of the camera."""
        if self._forgetting and self._is_of_the_deleted(message):
            return
        match message:
            case Query():
                self._add_query(message)
            case PrototypeUpdate():
                time = self.origin + message.time
                self._visit_at(self.resolve(message.identity), time).add_prototype(time, message)
            case Observations():
                self._observe(message)
            case Merge():
                self._merge(self.resolve(message.gone), self.resolve(message.kept))
            case Reject():
                self.reject(message.identity)
            case Split():
                self._split(message)
            case Forgotten():
                self._forgetting -= message.identities
            case EvidenceUpdate():
                self.evidence = message.evidence
            case ClockCorrection():
                self._correct_clock(message.origin)
            case Close():
                self._end()

    def resolve(self, identity: int) -> int:
        """Return the identity that an id turned out to be; itself unless that is another."""
        while identity in self._resolved:
            identity = self._resolved[identity]
        return identity

    def keep_trail(self) -> None:
        """Keep boxes from now on, for `pop_trail`."""
        self._trail = deque(maxlen=MAX_TRAIL)

    def pop_trail(self) -> list[Point]:
        """Return the boxes that were seen since the last call, the last `MAX_TRAIL`; none without `keep_trail`."""
        if self._trail is None:
            return []
        trail = list(self._trail)
        self._trail.clear()
        return trail

    def visit_of(self, query: Query) -> OpenVisit | None:
        """Return the visit of a query that is going on; one of which nothing else is known while it is undecided."""
        identity = self.resolve(query.identity)
        if query.decided:
            return self._open.get(identity)
        return OpenVisit(self.camera, identity, self.origin + query.first, self.origin + query.last)

    def visible(self, since: float) -> list[OpenVisit]:
        """Return open visits of decided identities with a box since a time, seconds since 1970."""
        return [v for v in self._open.values() if v.last >= since and v.identity in self._decided and v.confirmed]

    def unlink(self, visit: OpenVisit, identity: int) -> None:
        """Give an open visit an identity of its own: it was linked to another wrongly."""
        previous = visit.identity
        self._reassign(visit, identity, 1.0)
        self._resolved[previous] = identity
        self._new.add(identity)
        self._decided.add(identity)

    def has_seen(self, identity: int) -> bool:
        """Whether an identity was seen in this run, so that the camera's own memory has declined what it asks about."""
        return identity in self._seen

    def saw_first(self, identity: int) -> bool:
        """Whether an identity was new to the gallery when this camera asked about it."""
        return identity in self._new

    @property
    def visits(self) -> list[OpenVisit]:
        """All visits that are going on or wait to be written."""
        return [*self._closed, *self._open.values()]

    @property
    def visit_ids(self) -> frozenset[int]:
        """Ids of all visits of the run; of very many that are written, the last ones."""
        return frozenset((*self._stored_firsts, *(v.id for v in self.visits)))

    def visits_of(self, identity: int) -> list[OpenVisit]:
        """Return the visits of an identity that are going on or wait to be written, decided or not."""
        return [v for v in self.visits if v.identity == identity]

    def set_probability(self, identity: int, probability: float) -> None:
        """Note that the visits of an identity that aren't written yet are its with a probability, in [0, 1]."""
        for visit in self.visits_of(identity):
            visit.probability, visit.dirty = probability, True

    @property
    def writable(self) -> list[OpenVisit]:
        """Visits with something to write whose identity is decided."""
        return [v for v in self.visits if v.dirty and v.confirmed and v.identity in self._decided]

    @property
    def finished(self) -> bool:
        """Whether the run is over, and nothing is left to answer or to write."""
        corrections = self.visit_corrections or self.identity_corrections or self.clock_corrections
        return self.ended and not (self.queries or self.visits or corrections or self.evidence)

    @property
    def missing_ids(self) -> int:
        """Number of ids to reserve, in case that every identity with a local id turns out to be new."""
        return max(0, len(self._local) - len(self._reserved_ids))

    def take_ids(self, ids: Iterable[int]) -> None:
        """Take ids that the gallery reserved, for identities with local ones that turn out to be new."""
        self._reserved_ids.extend(ids)
        waiting, self._unnumbered = self._unnumbered, []
        for identity in waiting:
            if self.resolve(identity) == identity:  # or it was numbered, or merged into another, meanwhile
                self._accept_as_new(identity)

    def drop_ids(self) -> None:
        """Give up the reserved ids: they are another gallery's."""
        self._reserved_ids.clear()

    def decided_visits(self, identities: Iterable[int]) -> list[Visit]:
        """Return the visits of some identities as they are by now, which may be more than is written."""
        wanted = set(identities)
        return [v.to_visit() for v in self.visits if v.identity in wanted and v.identity in self._decided]

    def decide(self, query: Query, known: int | None, probability: float) -> None:
        """Take the answer to a query.

        Args:
            query: One of `queries`.
            known: The identity in the gallery; None for a new one, or none yet.
            probability: That it is this identity, in [0, 1].
        """
        self.queries.remove(query)
        identity = self.resolve(query.identity)
        if known is None:
            if query.decided:
                self._accept_as_new(identity)
            return
        if not query.decided:
            self._begin(query)
        if identity in self._new:
            self.identity_corrections.append((identity, known))  # other cameras may have been linked to it meanwhile
        self._rename(identity, known, probability)
        self._decided.add(known)

    def follow_merge(self, gone: int, kept: int) -> None:
        """Follow a merge of two identities in the gallery by hand."""
        self.identity_corrections.append((gone, kept))  # something may have been written meanwhile
        if self.has_seen(gone):
            self._seen.add(kept)
        self._rename(gone, kept, None)
        self._decided.add(kept)

    def follow_moves(self, moves: Iterable[Move]) -> None:
        """Follow visits that were moved to other identities, which this camera may have written again meanwhile.

        A visit that is going on ends with that: the camera goes on with the id that it shows.
        """
        mine = {v.id: v for v in self.visits}
        for move in moves:
            visit = mine.get(move.visit)
            if move.visit in self._stored_firsts:
                self.visit_corrections[move.visit] = move.identity
            if visit is None or visit.identity != move.previous:
                continue
            if self._open.get(visit.identity) is visit:
                self._closed.append(self._open.pop(visit.identity))
            visit.identity = move.identity
            self._decided.add(move.identity)

    def reject(self, identity: int) -> None:
        """Revoke an answer: the queried identity is a new one after all."""
        known = self._resolved.pop(identity, None)
        for visit in self.visits:
            if known is not None and visit.identity == known and visit.camera_identity == identity:
                self._reassign(visit, identity, 1.0)
        self._accept_as_new(identity)

    def forget(self, identities: frozenset[int]) -> None:
        """Drop what isn't written of identities that were deleted, until the camera has forgotten them too."""
        self.evidence = None
        self.queries = [q for q in self.queries if self.resolve(q.identity) not in identities]
        self._closed = [v for v in self._closed if v.identity not in identities]
        self._open = {i: v for i, v in self._open.items() if i not in identities}
        if not self.ended:
            self._forgetting |= identities

    def _is_of_the_deleted(self, message: SessionMessage) -> bool:
        """Whether a message was sent before the camera forgot what it tells of."""
        if isinstance(message, Query | PrototypeUpdate):
            return self.resolve(message.identity) in self._forgetting
        return isinstance(message, EvidenceUpdate)

    def drop(self, visit: OpenVisit) -> None:
        """Give up a visit that the gallery refuses."""
        self._closed = [v for v in self._closed if v is not visit]
        self._open = {i: v for i, v in self._open.items() if v is not visit}
        self.lost += 1

    def mark_written(self, visit: OpenVisit) -> None:
        """Note that all of a visit is in the gallery."""
        visit.mark_written()
        self._seen.add(visit.identity)
        self._stored_firsts.pop(visit.id, None)
        self._stored_firsts[visit.id] = visit.first
        if len(self._stored_firsts) > MAX_CORRECTABLE:
            del self._stored_firsts[next(iter(self._stored_firsts))]

    def drop_written(self) -> None:
        """Forget the closed visits that are written."""
        self._closed = [v for v in self._closed if v.dirty]

    def _add_query(self, query: Query) -> None:
        self.queries.append(query)
        identity = self.resolve(query.identity)
        if is_local(identity):
            self._local.add(identity)
        if query.decided:
            self._begin(query)

    def _begin(self, query: Query) -> None:
        """Begin the visit of a query's identity, unless it is going on."""
        first = self.origin + query.first
        visit = self._visit_at(self.resolve(query.identity), first)
        visit.confirm(first)
        visit.embedding = query.embedding

    def _accept_as_new(self, identity: int) -> None:
        """Take an identity as new to the gallery; a local id, which is not unique, is replaced by a reserved one."""
        if is_local(identity):
            self._local.add(identity)
            if not self._reserved_ids:
                self._unnumbered.append(identity)
                return
            self._local.discard(identity)
            self.renamed.append((identity, self._reserved_ids.popleft()))
            self._rename(*self.renamed[-1], 1.0)
            identity = self.resolve(identity)
        self._new.add(identity)
        self._decided.add(identity)

    def _observe(self, observations: Observations) -> None:
        time = self.origin + observations.time
        for observation in observations.boxes:
            visit = self._visit_at(self.resolve(observation.identity), time)
            visit.observe(time, observation)
            if self._trail is not None:
                self._trail.append((time, visit, observation.box))
        for identity in [i for i, v in self._open.items() if time - v.last > MAX_GAP]:
            self._close(self._open.pop(identity))

    def _visit_at(self, identity: int, time: float) -> OpenVisit:
        """The identity's open visit; a new one if there is none, or it ended too long before."""
        visit = self._open.get(identity)
        if visit is not None and time - visit.last <= MAX_GAP:
            return visit
        if visit is not None:
            self._close(visit)
        self._open[identity] = visit = OpenVisit(self.camera, identity, time, time)
        return visit

    def _close(self, visit: OpenVisit) -> None:
        queried = any(self.resolve(q.identity) == visit.identity for q in self.queries)
        queried |= visit.identity in self._unnumbered
        if not (visit.dirty and visit.confirmed and (queried or visit.identity in self._decided)):
            return
        self._closed.append(visit)
        if len(self._closed) > MAX_WAITING:
            dropped = self._closed.pop(0)
            self.queries = [q for q in self.queries if self.resolve(q.identity) != dropped.identity]
            self.lost += 1

    def _correct_clock(self, origin: float) -> None:
        """Move everything in time that was seen since the run began."""
        shift = origin - self.origin
        self.origin, self.start_known = origin, True
        if not shift:
            return
        for visit in self.visits:
            visit.shift(shift)
        self._stored_firsts = {visit: first + shift for visit, first in self._stored_firsts.items()}
        self.clock_corrections |= self._stored_firsts

    def _end(self) -> None:
        self.ended = True
        while self._open:
            self._close(self._open.popitem()[1])

    def _merge(self, gone: int, kept: int) -> None:
        if gone == kept:
            return
        if is_local(kept) and not is_local(gone):
            # The older of the two appeared while the gallery was away: the gallery only knows the younger.
            gone, kept = kept, gone
            self.renamed.append((gone, kept))
        self.queries = [q for q in self.queries if self.resolve(q.identity) != gone]
        if gone in self._new:
            self.identity_corrections.append((gone, kept))  # on other cameras, too
        self._rename(gone, kept, None)

    def _split(self, message: Split) -> None:
        """Move a visit that began with the mistake; one that began before it stays as it is."""
        self._resolved.pop(message.to, None)  # it was merged by mistake, and is an id of its own again
        visit = self._open.get(self.resolve(message.identity))
        if visit is not None and visit.first >= self.origin + message.since - _MAX_LEAD:
            self._reassign(visit, message.to, 1.0)

    def _rename(self, gone: int, kept: int, probability: float | None) -> None:
        # `kept` may have been resolved to another identity before, even to `gone`: no circle may come of it.
        self._resolved.pop(kept, None)
        self._resolved[gone] = kept
        for visit in self.visits:
            if visit.identity == gone:
                self._reassign(visit, kept, visit.probability if probability is None else probability)

    def _reassign(self, visit: OpenVisit, identity: int, probability: float) -> None:
        """Give a visit another identity."""
        if visit.stored and not is_local(identity):
            self.visit_corrections[visit.id] = identity
        if self._open.get(visit.identity) is visit:
            del self._open[visit.identity]
            if identity in self._open:
                self._close(self._open.pop(identity))
            self._open[identity] = visit
        visit.identity, visit.probability, visit.dirty = identity, probability, True


def is_local(identity: int) -> bool:
    """Whether no gallery gives an id, so that several cameras may use it for different identities."""
    return identity >= FIRST_LOCAL_ID
