"""Which identities of the gallery a camera's visitors may be: the search, the scores and the gates of their queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..._typing import Bools
from ..records import Filter, Records, Visit
from ..scorer import Scorer
from ..store import Store
from .candidates import (
    GalleryCandidates,
    appearance_scores,
    cohort_normalized,
    credible_candidates,
    presence_gate,
    rank_log_odds,
)
from .messages import Query, Settings
from .overlap_links import feet_allow
from .session import CameraSession
from .shared_views import SharedViews
from .shortlists import Shortlists
from .topology import Topology

# Sightings found by a search, which are scored one by one.
_MAX_SIGHTINGS = 256


def known_visits(
    store: Store, sessions: Sequence[CameraSession], identities: Iterable[int], since: float = 0.0
) -> dict[int, list[Visit]]:
    """Visits by identity that ended after a time: as stored, or newer where a camera of this process has them.

    Args:
        store: The gallery's store.
        sessions: The cameras of this process.
        identities: Whose visits.
        since: Seconds since 1970 (UTC).
    """
    wanted = frozenset(identities)
    stored = store.visits(Filter(identities=wanted, since=since), details=False) if wanted else ()
    visits = {v.id: v for v in stored}
    for session in sessions:
        visits |= {v.id: v for v in session.decided_visits(wanted)}
    by_identity: dict[int, list[Visit]] = {i: [] for i in wanted}
    for visit in visits.values():
        by_identity.setdefault(visit.identity, []).append(visit)
    return by_identity


class CandidateSearch:
    """Rank the gallery's identities for queries.

    Args:
        store: The gallery's store.
        topology: Travel times between cameras.
        settings: How to decide.
        views: Common ground of cameras.

    Attributes:
        shortlists: Whom the last questions about visitors found.
    """

    def __init__(self, store: Store, topology: Topology, settings: Settings, views: SharedViews) -> None:
        self.shortlists = Shortlists()
        self._store = store
        self._topology = topology
        self._settings = settings
        self._views = views

    def rank(
        self,
        session: CameraSession,
        sessions: Sequence[CameraSession],
        queries: Sequence[Query],
        scorer: Scorer,
        *,
        population: int,
        now: float,
    ) -> list[GalleryCandidates]:
        """Rank identities for each query: calibrated cosine log-likelihood ratio, presence and travel gates.

        Args:
            session: Whose queries.
            sessions: The cameras of this process.
            queries: What is asked.
            scorer: Compares embeddings.
            population: Number of identities in the gallery.
            now: Seconds of any steady clock.
        """
        candidates = []
        for query, found in zip(queries, self._search(session, queries, scorer, now), strict=True):
            scores = appearance_scores(query.embedding, session.camera, found, scorer)
            normalized = cohort_normalized(scores, scorer)
            rate = self._settings.false_rate / (1 + query.asked)  # of all questions together
            credible = credible_candidates(normalized, scorer, rate, population)
            identities = [scores.identities[n] for n in credible]
            gate = self._gate(identities, session, sessions, query)
            gate &= feet_allow(identities, session.visit_of(query), sessions, self._views)
            log_odds = rank_log_odds(normalized[credible], gate, scorer, rate, population)
            declined = np.array([session.has_seen(i) for i in identities], bool)
            log_odds[declined & (log_odds < scorer.min_log_odds(rate) - np.log(rate))] = -np.inf
            candidates.append(GalleryCandidates(identities, scores.cosine[credible], gate, log_odds, found))
        return candidates

    def _search(self, session: CameraSession, queries: Sequence[Query], scorer: Scorer, now: float) -> list[Records]:
        """Find the sightings most similar to each query, but for those of who is visible beside it.

        First questions read the whole gallery, all in one search; later ones the identities that it found.
        """
        vectors = np.stack([scorer.query(query.embedding, session.camera) for query in queries])
        searches: dict[Filter, list[int]] = {}
        for n, query in enumerate(queries):
            classes = frozenset({query.cls}) if self._settings.match_class else None
            shortlist = self.shortlists.get((session, query.identity), now)
            searches.setdefault(Filter(identities=shortlist, classes=classes), []).append(n)
        found: dict[int, Records] = {}
        for where, places in searches.items():
            everywhere = where.identities is None
            hits = self._store.search(vectors[places], _MAX_SIGHTINGS, where, exact=not everywhere)
            for n, records in zip(places, (hit.records for hit in hits), strict=True):
                beside = [session.resolve(i) for i in (*queries[n].beside, queries[n].identity)]
                found[n] = records.take(np.flatnonzero(~np.isin(records.identities, beside)))
                if everywhere and len(records) == _MAX_SIGHTINGS:
                    self.shortlists.keep((session, queries[n].identity), records.identities.tolist(), now)
        return [found[n] for n in range(len(queries))]

    def _gate(
        self, identities: list[int], session: CameraSession, sessions: Sequence[CameraSession], query: Query
    ) -> Bools:
        """Gate by all visits of the queried identity, since earlier ones would be linked too."""
        if not identities:
            return np.zeros(0, bool)
        own = session.resolve(query.identity)
        spans = {(v.first, v.last) for v in known_visits(self._store, sessions, [own])[own]}
        spans |= {(v.first, v.last) for v in session.visits if v.identity == own}
        spans.add((session.origin + query.first, session.origin + query.last))
        since = max(0.0, min(spans)[0] - self._topology.horizon)
        visits = known_visits(self._store, sessions, identities, since)
        return presence_gate(self._topology, [visits[i] for i in identities], session.camera, sorted(spans))
