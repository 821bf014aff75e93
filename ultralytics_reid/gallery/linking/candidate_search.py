"""Which identities of the gallery a camera's visitors may be: the search, the scores and the gates of their queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..._typing import Bools
from ...tuning import REPEATED_QUESTIONS
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
# Identities among them from which on they are a shortlist: a few who are seen daily may fill a search by themselves.
_MIN_SHORTLIST = 32


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
        self._scorer: Scorer | None = None

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
        if scorer is not self._scorer:
            self.shortlists.clear()  # another scorer may rank otherwise
            self._scorer = scorer
        candidates = []
        for query in queries:
            found = self._search(session, query, scorer, now)
            scores = appearance_scores(query.embedding, session.camera, found, scorer)
            normalized = cohort_normalized(scores, scorer)
            # Of all questions together: later ones show the same individual, and hardly ask anew.
            rate = self._settings.false_rate / (1 + REPEATED_QUESTIONS * np.log1p(query.asked))
            credible = credible_candidates(normalized, scorer, rate, population)
            identities = [scores.identities[n] for n in credible]
            gate = self._gate(identities, session, sessions, query)
            gate &= feet_allow(identities, session.visit_of(query), sessions, self._views)
            log_odds = rank_log_odds(normalized[credible], gate, scorer, rate, population)
            declined = np.array([session.has_seen(i) for i in identities], bool)
            log_odds[declined & (log_odds < scorer.min_log_odds(rate) - np.log(rate))] = -np.inf
            candidates.append(GalleryCandidates(identities, scores.cosine[credible], log_odds, found))
        return candidates

    def _search(self, session: CameraSession, query: Query, scorer: Scorer, now: float) -> Records:
        """Find the sightings most similar to a query, but for those of who is visible beside it.

        A first question reads the whole gallery; later ones the identities that it found, if these are many.
        """
        classes = frozenset({query.cls}) if self._settings.match_class else None
        visitor = session, query.identity, classes
        beside = frozenset(session.resolve(i) for i in (*query.beside, query.identity))
        vector = scorer.query(query.embedding, session.camera)[None]
        shortlist = self.shortlists.get(visitor, now)
        where = Filter(classes=classes, excluding=beside)
        if shortlist is not None:
            where = Filter(classes=classes, identities=shortlist - beside)
        found = self._store.search(vector, _MAX_SIGHTINGS, where, exact=False)[0].records
        identities = set(found.identities.tolist())
        if shortlist is None and len(found) == _MAX_SIGHTINGS and len(identities) >= _MIN_SHORTLIST:
            self.shortlists.keep(visitor, identities, now)
        return found

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
