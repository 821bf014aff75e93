"""Who may a newcomer be? Search, gates and scores of one question; the assignment of several. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..._typing import Bools, Doubles, Floats
from ...association.assignment import assign
from ..records import ENROLLED, Filter, Records, Visit
from ..scorer import Scorer
from ..store import Store
from .messages import Query, Settings
from .session import CameraSession
from .topology import Topology

# Sightings that a search leaves to a closer look.
_LOOKED_AT = 256


@dataclass(frozen=True, eq=False)
class GalleryCandidates:
    """Who somebody may be.

    Attributes:
        identities: `(I,)`, those of whom sightings were found.
        scores: `(I,)` cosines under the common metric.
        allowed: `(I,)`, whether they can have been there at all.
        worth: `(I,)` nats, how much likelier each is than anybody else; -inf for who is out of question.
        found: The sightings.
    """

    identities: list[int]
    scores: Floats
    allowed: Bools
    worth: Doubles
    found: Records

    def of(self, identity: int) -> tuple[float, Records]:
        """An identity's score, and its sightings."""
        rows = np.flatnonzero(self.found.identities == identity)
        return float(self.scores[self.identities.index(identity)]), self.found.take(rows)

    def probability(self, identity: int, scorer: Scorer, crowd: int) -> float:
        """How likely an identity that is allowed is the one, in [0, 1]."""
        allowed = [i for i, possible in zip(self.identities, self.allowed, strict=True) if possible]
        return float(scorer.probabilities(self.scores[self.allowed], crowd)[allowed.index(identity)])


class CandidateRanker:
    """Compares newcomers with everybody in a gallery.

    Args:
        store: The gallery.
        topology: How cameras lie.
        settings: How to decide.
        runs: The cameras of this process, which know more of visits than is written; the list may grow.
    """

    def __init__(self, store: Store, topology: Topology, settings: Settings, runs: list[CameraSession]) -> None:
        self._store = store
        self._topology = topology
        self._settings = settings
        self._runs = runs

    def candidates(self, run: CameraSession, ask: Query, scorer: Scorer, crowd: int) -> GalleryCandidates:
        """Find who somebody may be.

        Args:
            run: The camera that asks.
            ask: About whom.
            scorer: Judges likeness.
            crowd: How many individuals there are in the gallery.
        """
        beside = frozenset({run.known(i) for i in ask.beside} | {run.known(ask.identity)})
        classes = frozenset({ask.cls}) if self._settings.match_class else None
        query = scorer.query(ask.embedding, run.camera)
        where = Filter(excluding=beside, classes=classes)
        found = self._store.search(query[None], _LOOKED_AT, where, exact=False)[0].records
        identities, scores = _scores(ask.embedding, run.camera, found, scorer)
        allowed = self._allowed(identities, run.camera, self._spans(run, ask))
        worth = scorer.worth(scores, allowed, crowd)
        best = scores >= scores[allowed].max(initial=-1)
        rate = self._settings.false_rate
        credible = allowed & best & scorer.credible(scores, rate, crowd) & (worth > scorer.least_worth(rate))
        return GalleryCandidates(identities, scores, allowed, np.where(credible, worth, -np.inf), found)

    def _spans(self, run: CameraSession, ask: Query) -> list[tuple[float, float]]:
        """When those who are asked about were on the camera: now, and in earlier visits that would be linked too."""
        mine = run.known(ask.identity)
        spans = {(v.first, v.last) for v in self._visits([mine], 0.0)[mine]}
        spans |= {(d.first, d.last) for d in run.drafts if d.identity == mine}
        return sorted(spans | {(run.origin + ask.first, run.origin + ask.last)})

    def _allowed(self, identities: Sequence[int], camera: str, spans: Sequence[tuple[float, float]]) -> Bools:
        """Nobody is in two places, or gets from one to another faster than they can."""
        visits = self._visits(identities, max(0.0, spans[0][0] - self._topology.horizon))
        return np.array([all(self._fits(visits[i], camera, *span) for span in spans) for i in identities], bool)

    def _fits(self, visits: Sequence[Visit], camera: str, first: float, last: float) -> bool:
        latest = latest_of(visits, first)
        return all(self._topology.allows(v, camera, first, last, latest=v is latest) for v in visits)

    def _visits(self, identities: Iterable[int], since: float) -> dict[int, list[Visit]]:
        """Some identities' visits that ended after a time; of those going on here, what isn't written yet too."""
        wanted = frozenset(identities)
        stored = self._store.visits(Filter(identities=wanted, since=since), details=False) if wanted else ()
        visits = {v.id: v for v in stored}
        for run in self._runs:
            visits |= {v.id: v for v in run.visits(wanted)}
        by_identity: dict[int, list[Visit]] = {i: [] for i in wanted}
        for visit in visits.values():
            by_identity.setdefault(visit.identity, []).append(visit)
        return by_identity

    def last_seen(self, identity: int, before: float) -> tuple[float, str]:
        """How long before a time somebody was seen last, seconds, and where; 0 and nowhere if that wasn't before."""
        latest = latest_of(self._visits([identity], 0.0)[identity], before)
        return (0.0, ENROLLED) if latest is None else (max(0.0, before - latest.last), latest.camera)


def _scores(embedding: Floats, camera: str, found: Records, scorer: Scorer) -> tuple[list[int], Floats]:
    """How alike each identity is of whom sightings were found: as the closest of them, or all of them together."""
    neutral = scorer.neutral(found.embeddings, found.cameras)
    identities, index = np.unique(found.identities, return_inverse=True)
    means = [neutral[index == n].mean(axis=0) for n in range(len(identities))]
    scores = scorer.compare(embedding, camera, np.array(means, np.float32).reshape(-1, len(embedding)))
    np.maximum.at(scores, index, scorer.compare(embedding, camera, neutral))
    return identities.tolist(), scores


def latest_of(visits: Iterable[Visit], before: float) -> Visit | None:
    """Of those visits that began before a time, the one that ended last; pictures are no visits."""
    return max((v for v in visits if v.first <= before and v.camera != ENROLLED), key=lambda v: v.last, default=None)


def choose(found: Sequence[GalleryCandidates]) -> tuple[dict[int, int], set[int]]:
    """Who is who, one to one, for the greatest worth in all (Hungarian).

    Args:
        found: Who each of `T` newcomers may be.

    Returns:
        The identities of those who are known, by their place, and the places of those who would be, had not somebody
        else here been taken for who they are.
    """
    columns = sorted({i for c in found for i in c.identities})
    worth = np.full((len(found), len(columns)), -np.inf)
    for row, c in zip(worth, found, strict=True):
        row[[columns.index(i) for i in c.identities]] = c.worth
    possible = np.isfinite(worth)
    chosen = {row: columns[column] for row, column in assign(np.where(possible, worth, -1.0), possible)}
    return chosen, set(np.flatnonzero(possible.any(axis=1)).tolist()) - set(chosen)
