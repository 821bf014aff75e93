"""The gallery's side of all cameras of a process: answer queries, write visits. For one thread."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

from ...appearance.evidence import LearnedStatistics
from ...errors import GalleryError
from ..file_names import DELETED, MERGED, MOVED, age_of, merged_of
from ..ledger.checks import MAX_RESERVED
from ..moves import step_of
from ..recipe import RECIPE
from ..records import ENROLLED, FIRST_LOCAL_ID, Filter, Visit, checked_records, checked_visits
from ..retention import deleted_by, prune
from ..scorer import Scorer
from ..store import Store
from ..times import RELEASED
from .candidate_search import CandidateSearch, known_visits
from .candidates import GalleryCandidates, assign_identities, latest_visit
from .messages import Answer, Query, Settings
from .open_visits import OpenVisit, pending_sightings
from .overlap_links import OverlapLink, contradicted, looks_nats, overlap_links, sides
from .session import CameraSession, is_local
from .shared_evidence import SharedEvidence
from .shared_views import SharedViews
from .simultaneous import impossible_visits
from .topology import Topology

# Queries of one camera answered at once, and rounds in a row: the next round's queries are compared with those that
# the last one found to be new.
_MAX_QUERIES, _MAX_ROUNDS = 32, 16
# Identities below which they are counted in every round, not from time to time.
_COUNT_ALWAYS = 1000
# Seconds that a deletion may take from its announcement on.
_DELETION = 5.0
# Seconds between two readings of other processes' evidence and merges, two counts, and two deletions of old sightings.
_REREAD, _RECOUNT, _PRUNE = 30.0, 30.0, 3600.0
# Seconds by which the wall clock may move against the steady one, and for which nothing is deleted by age when it has.
_MAX_DRIFT, _CLOCK_SETTLES = 60.0, 60.0
# Visits of which it is remembered that they were written, to count those that a changed file has lost.
_REMEMBERED = 10_000

_LOGGER = logging.getLogger("ultralytics")


class Linker:
    """Answer the queries of all cameras of a process, and write their visits.

    Args:
        store: The gallery's store.
        topology: Travel times between cameras.
        settings: How to decide, and how long to keep.

    Attributes:
        sessions: The cameras' sessions; the caller removes those that are finished.
    """

    def __init__(self, store: Store, topology: Topology, settings: Settings) -> None:
        self._store = store
        self._topology = topology
        self._settings = settings
        self.sessions: list[CameraSession] = []
        self._evidence = SharedEvidence(store, settings.family)
        self._views = SharedViews(topology)
        self._search = CandidateSearch(store, topology, settings, self._views)
        self._next_reread = self._next_count = self._next_prune = 0.0
        self._wall_offset = time.time() - time.monotonic()
        self._population = 0
        self._common_origin: float | None = None
        self._answers: list[tuple[CameraSession, Answer]] = []
        self._merged: list[tuple[int, int]] = []
        self._merge_keys: frozenset[str] | None = None
        self._move_keys: frozenset[str] | None = None
        self._deleted: list[frozenset[int]] = []
        self._deleted_keys: frozenset[str] | None = None
        self._written: deque[int] = deque(maxlen=_REMEMBERED)
        self._highest = self._lost = 0
        if settings.recipe and store.blob(RECIPE) is None:
            store.put_blob(RECIPE, json.dumps(dict(settings.recipe)).encode())

    @property
    def scorer(self) -> Scorer:
        """Compares embeddings by what all cameras have learned."""
        return self._evidence.scorer

    @property
    def has_queries(self) -> bool:
        """Whether queries are left unanswered."""
        return any(session.queries for session in self.sessions)

    def evidence_of(self, camera: str) -> LearnedStatistics | None:
        """Return what a camera learned in earlier runs; None if nothing."""
        return self._evidence.of(camera)

    def reserve(self, count: int) -> int:
        """Reserve consecutive ids in the gallery; returns the first."""
        first = self._store.reserve(count)
        self._highest = max(self._highest, first + count - 1)
        return first

    def pop_lost(self) -> int:
        """Return the number of visits dropped since the last call."""
        lost = self._lost + sum(session.lost for session in self.sessions)
        self._lost = 0
        for session in self.sessions:
            session.lost = 0
        return lost

    def take_over(self, before: Linker) -> None:
        """Go on with the cameras of a linker whose gallery's file was exchanged, or lost what was written last.

        What it wrote and isn't in this gallery is lost, but for visits that are going on. No id that it gave is given
        to another identity.
        """
        self.sessions, self._answers = before.sessions, before._answers
        self._common_origin, self._highest = before._common_origin, before._highest
        there = {v.id for v in self._store.visits(Filter(visits=frozenset(before._written)), details=False)}
        going_on = {v.id: v for session in self.sessions for v in session.visits}
        self._lost = before._lost + len(set(before._written) - there - set(going_on))
        self._written.extend(there)
        for visit in going_on.values():
            visit.dirty, visit.stored = True, visit.id in there
        for session in self.sessions:
            session.drop_ids()
        for _ in range(FIRST_LOCAL_ID // MAX_RESERVED):
            missing = self._highest - self._store.reserve(1)
            if missing <= 0:
                break
            self._store.reserve(min(missing, MAX_RESERVED))

    def open_session(self, camera: str, start: float | None, previous: CameraSession | None = None) -> CameraSession:
        """Begin a camera's run.

        Args:
            camera: Its name.
            start: When its clock was 0, seconds since 1970; None where that is unknown.
            previous: The ended session whose clock goes on; None for a clock that begins at 0.
        """
        start_known = start is not None
        if start is None:
            start = self._origin() if previous is None else previous.origin
        session = CameraSession(camera, start, start_known=start_known)
        if self._views.concern(camera):
            session.keep_trail()
        self.sessions.append(session)
        return session

    def _origin(self) -> float:
        """Choose when a recording of unknown start begins: with the other such recordings that are tracked now.

        Where there are none: now, or after all that the gallery has seen, if that is later. Recordings are tracked
        faster than they were made, and past visits must not lie in the future of those to come.
        """
        if self._common_origin is None or all(s.start_known or s.ended for s in self.sessions):
            now = max(time.time(), RELEASED)
            later = self._store.visits(Filter(since=now), details=False)
            pending = (v for session in self.sessions for v in session.visits)
            self._common_origin = max([now, *(v.last + 1 for v in later), *(v.last + 1 for v in pending)])
        return self._common_origin

    def work(self, now: float) -> list[tuple[CameraSession, Answer]]:
        """Answer queries and write visits.

        What is left undone when it raises is done by the next call.

        Args:
            now: Seconds of any steady clock.

        Raises:
            GalleryUnavailable: If the gallery can't be reached.
        """
        for session in self.sessions:
            if session.missing_ids:
                count = session.missing_ids
                first = self.reserve(count)
                session.take_ids(range(first, first + count))
        self.maintain(now)
        self._write()
        for _ in range(_MAX_ROUNDS):
            self._answer(now)
            self._write()
            if not self.has_queries:
                break
        self._revoke_conflicts()
        self._compare_views()
        for session, visit in [*impossible_visits(self.sessions, self._compatible)]:
            self._unlink(session, visit)
        answers, self._answers = self._answers, []
        return [*answers, *self._follow_merges(), *self._replaced_ids()]

    def maintain(self, now: float) -> None:
        """Exchange evidence, look for merges by hand, and delete what is too old; at `now`, see `work`."""
        if now >= self._next_reread or any(s.evidence is not None or s.writable for s in self.sessions):
            self._find_deleted(now)
        published = self._evidence.publish(self.sessions)
        if published or now >= self._next_reread:
            self._evidence.reread()
            self._find_merges()
            self._follow_moves()
            self._next_reread = now + _REREAD
        if abs(time.time() - now - self._wall_offset) > _MAX_DRIFT:
            # The wall clock was set: first, cameras correct what they have written by the wrong one.
            self._wall_offset, self._next_prune = time.time() - now, max(self._next_prune, now + _CLOCK_SETTLES)
        if now >= self._next_prune:
            if self._settings.keep_days and time.time() >= RELEASED:
                prune(self._store, self._settings.keep_days, time.time())
            self._next_prune = now + _PRUNE

    def _find_deleted(self, now: float) -> None:
        """Find identities that were deleted since this process began, and drop what is left to be written of them."""
        keys = frozenset(self._store.blobs(DELETED))
        new = frozenset() if self._deleted_keys is None else keys - self._deleted_keys
        for key in sorted(new, key=age_of):
            if identities := deleted_by(self._store, key):
                self._deleted.append(identities)
                self._evidence.forget()  # the deletion that is under way deletes it from the gallery too
                self._next_reread = now + _DELETION
                for session in self.sessions:
                    session.forget(identities)
        self._deleted_keys = keys

    def pop_deleted(self) -> list[frozenset[int]]:
        """Return the identities that were deleted from the gallery since the last call, for the cameras to forget."""
        deleted, self._deleted = self._deleted, []
        return deleted

    def _find_merges(self) -> None:
        """Find identities that were merged by hand since this process began."""
        keys = frozenset(self._store.blobs(MERGED))
        new = frozenset() if self._merge_keys is None else keys - self._merge_keys
        self._merge_keys = keys
        merges = (merged_of(key) for key in sorted(new, key=age_of))
        self._merged += [merge for merge in merges if merge is not None]

    def _follow_moves(self) -> None:
        """Follow visits that were moved since this process began, by relinking or by hand."""
        keys = frozenset(self._store.blobs(MOVED))
        new = frozenset() if self._move_keys is None else keys - self._move_keys
        for moves in [step_of(self._store, key).moves for key in sorted(new, key=age_of)]:
            for session in self.sessions:
                session.follow_moves(moves)
        self._move_keys = keys

    def _follow_merges(self) -> list[tuple[CameraSession, Answer]]:
        """Tell the cameras of merges by hand, so that they don't write the merged identity anew."""
        merged, self._merged = self._merged, []
        for session in self.sessions:
            for gone, kept in merged:
                session.follow_merge(gone, kept)
        return [(session, Answer(gone, kept, similarity=1.0)) for session in self.sessions for gone, kept in merged]

    def _replaced_ids(self) -> list[tuple[CameraSession, Answer]]:
        """Tell the cameras of the gallery's ids that replace local ones."""
        answers = []
        for session in self.sessions:
            for local, identity in session.renamed:
                answers.append((session, Answer(local, identity, similarity=1.0, camera=session.camera, new=True)))
            session.renamed.clear()
        return answers

    def _write(self) -> None:
        """Write all visits with news whose identity is decided."""
        for session in self.sessions:
            self._correct(session)
        storable = [(session, visit) for session in self.sessions for visit in self._storable(session)]
        if storable:
            visits = [visit for _, visit in storable]
            self._store.upsert(pending_sightings(visits, self._store.dim), [v.to_visit() for v in visits])
            for session, visit in storable:
                self._search.shortlists.add(visit.identity)
                if not visit.stored:
                    self._written.append(visit.id)
                session.mark_written(visit)
        for session in self.sessions:
            session.drop_written()

    def _storable(self, session: CameraSession) -> list[OpenVisit]:
        """Visits to write; one that no gallery would take is dropped, so that it doesn't keep the others from it."""
        storable = []
        for visit in session.writable:
            try:
                checked_records(pending_sightings([visit], self._store.dim), self._store.dim)
                checked_visits([visit.to_visit()])
            except (GalleryError, ValueError, OverflowError) as error:
                _LOGGER.warning(f"camera {session.camera!r}: a visit is not stored in the gallery: {error}")
                session.drop(visit)
            else:
                storable.append(visit)
        return storable

    def _correct(self, session: CameraSession) -> None:
        """Correct what was written under an identity that turned out to be another, or by a wrong clock."""
        if session.clock_corrections:
            self._store.retime(session.clock_corrections)
            session.clock_corrections.clear()
        while session.identity_corrections:
            gone, kept = session.identity_corrections[0]
            self._store.relabel(Filter(identities=frozenset({gone})), kept)
            self._search.shortlists.add(kept)
            del session.identity_corrections[0]
        for visit, identity in list(session.visit_corrections.items()):
            self._store.relabel(Filter(visits=frozenset({visit})), identity)
            self._search.shortlists.add(identity)
            del session.visit_corrections[visit]

    def _answer(self, now: float) -> None:
        """Answer queries of the camera that has waited longest; those in conflict with each other wait a round.

        New identities are written before another camera's queries are answered: they may be what those show.
        """
        asking = [session for session in self.sessions if session.queries]
        if not asking:
            return
        session = min(asking, key=lambda s: s.origin + s.queries[0].first)
        if now >= self._next_count or self._population < _COUNT_ALWAYS:
            self._population, self._next_count = self._store.population(), now + _RECOUNT
        queries = session.queries[:_MAX_QUERIES]
        candidates = self._search.rank(
            session, self.sessions, queries, self.scorer, population=self._population, now=now
        )
        assigned, waiting = assign_identities(candidates)
        for n in range(len(queries)):
            if n not in waiting:
                answer = self._decide(session, queries[n], candidates[n], assigned.get(n))
                # Kept at once: the camera must hear of it, even if the next one can't be decided, or written, now.
                self._answers += [] if answer is None else [(session, answer)]

    def _visits(self, identities: Iterable[int]) -> dict[int, list[Visit]]:
        return known_visits(self._store, self.sessions, identities)

    def _decide(
        self, session: CameraSession, query: Query, found: GalleryCandidates, known: int | None
    ) -> Answer | None:
        identity = session.resolve(query.identity)
        if known is None or (not query.decided and session.has_seen(known)):
            session.decide(query, None, 1.0)
            return Answer(identity, None) if query.decided else None
        probability = found.probability(known, self.scorer, query.crops)
        if self._gives_way(known, identity, session):
            session.decide(query, None, 1.0)
            session.set_probability(identity, probability)
            self._rename_everywhere(known, identity, found.cosine_of(known), probability, session.camera)
            return Answer(identity, None)
        before = session.origin + query.first
        latest = latest_visit(self._visits([known])[known], before)
        gap, camera = (0.0, ENROLLED) if latest is None else (max(0.0, before - latest.last), latest.camera)
        sightings = found.sightings_of(known)
        prototypes = self.scorer.to_camera(session.camera, sightings.embeddings, sightings.cameras)
        session.decide(query, known, probability)
        return Answer(identity, known, found.cosine_of(known), probability, gap, camera, prototypes=prototypes)

    def _gives_way(self, known: int, identity: int, session: CameraSession) -> bool:
        """Whether an identity of the gallery takes a queried one's id: what was shown for less time changes.

        Only where nobody else can know it: all its visits are of runs of this process that go on, and it has no name.
        """
        if is_local(identity):
            return False
        visits = self._visits([known, identity])
        mine = frozenset().union(*(s.visit_ids for s in self.sessions if not s.ended))
        if known in self._store.names() or not mine.issuperset(v.id for v in visits[known]):
            return False
        ours = {v.id: v.last - v.first for v in visits[identity]}
        ours |= {v.id: v.last - v.first for v in session.visits_of(identity)}
        return sum(v.last - v.first for v in visits[known]) < sum(ours.values())

    def _rename_everywhere(self, gone: int, kept: int, similarity: float, probability: float, camera: str) -> None:
        """Make one of two identities, on all cameras; `camera` saw the one that stays."""
        for session in self.sessions:
            session.follow_merge(gone, kept)
            self._answers.append((session, Answer(gone, kept, similarity, probability, 0.0, camera)))

    def _compare_views(self) -> None:
        """Link visits that feet on common ground show to be one individual's, and revoke links that they contradict."""
        self._views.update(self.sessions, partial(looks_nats, self.scorer))
        for one, other in sides(self.sessions, self._views):
            for a, b in contradicted(one, other, self._views):
                later, session = (a, one.session) if a.first >= b.first else (b, other.session)
                self._unlink(session, later)
            rate = self._settings.false_rate
            for link in overlap_links(one, other, self._views, self.scorer, rate=rate, may_link=self._may_be_one):
                self._join(link)

    def _unlink(self, session: CameraSession, visit: OpenVisit) -> None:
        """Give a visit an identity of its own: it shows somebody else than it was linked to."""
        previous, identity = visit.identity, self.reserve(1)
        session.unlink(visit, identity)
        answer = Answer(previous, identity, similarity=1.0, camera=session.camera, new=True)
        self._answers.append((session, answer))

    def _may_be_one(self, one: int, other: int) -> bool:
        """Whether names, times and places of all visits of two identities allow that they are one."""
        visits = self._visits([one, other])
        return not {one, other} <= set(self._store.names()) and all(
            self._compatible(ours, theirs) for ours in visits[one] for theirs in visits[other]
        )

    def _stays(self, one: int, other: int) -> int:
        """Choose which of two identities that are one stays: one with a name or enrolled, else what was seen longer."""
        visits, names = self._visits([one, other]), self._store.names()
        seconds = {i: sum(v.last - v.first for v in of) for i, of in visits.items()}
        fixed = {i: i in names or any(v.camera == ENROLLED for v in of) for i, of in visits.items()}
        return max(visits, key=lambda i: (fixed[i], seconds[i], -i))

    def _join(self, link: OverlapLink) -> None:
        """Make one of the two identities of a link, on all cameras."""
        kept = self._stays(link.one.identity, link.other.identity)
        stays, goes = (link.one, link.other) if link.one.identity == kept else (link.other, link.one)
        self._rename_everywhere(goes.identity, kept, link.similarity, link.probability, stays.camera)

    def _revoke_conflicts(self) -> None:
        """Revoke links that another process' visits contradict by now.

        Both processes wrote before they look here, so at least one of two sees the other and gives way. It can't know
        whether it was seen itself; where both give way, their identities are queried again with more crops.
        """
        for n, (session, answer) in enumerate(self._answers):
            if answer.known is not None and self._conflicts(session, answer.identity, answer.known):
                session.reject(answer.identity)
                self._answers[n] = session, Answer(answer.identity, None)
        self._write()

    def _conflicts(self, session: CameraSession, identity: int, known: int) -> bool:
        own = {v.id for s in self.sessions for v in s.visits}
        for visit in [v for v in session.visits if v.identity == known and v.camera_identity == identity]:
            others = self._store.visits(Filter(identities=frozenset({known}), since=visit.first), details=False)
            if any(not self._compatible(visit, other) for other in others if other.id not in own):
                return True
        return False

    def _compatible(self, visit: OpenVisit | Visit, other: Visit) -> bool:
        """Whether presence and travel times allow that two visits are one individual's."""
        return self._topology.allows(other, visit.camera, visit.first, visit.last, latest=False)
