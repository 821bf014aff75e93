"""Pairs of visits: their most similar sightings, and the probability that both show the same individual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from .._typing import Bools, Doubles, Floats, Ints
from ..tuning import ALIKE_PROBABILITY
from .records import Records
from .scorer import Scorer


@dataclass(frozen=True, eq=False)
class Asked:
    """Sightings of a query.

    Attributes:
        embeddings: `(Q, D)` float32 of unit norm, `Q` of 1 or more.
        cameras: `Q` names; empty where that is unknown.
        visits: `(Q,)` int64, ids of the visits they belong to; all alike for images.
    """

    embeddings: Floats
    cameras: tuple[str, ...]
    visits: Ints

    @classmethod
    def of(cls, sightings: Records) -> Asked:
        """Ask by sightings of the gallery."""
        return cls(sightings.embeddings, sightings.cameras, sightings.visits)

    def take(self, count: int) -> Asked:
        """The first sightings."""
        return Asked(self.embeddings[:count], self.cameras[:count], self.visits[:count])


@dataclass(frozen=True, eq=False)
class ClosestPairs:
    """The most similar sighting of each visit, `V` of them, the most similar first.

    Attributes:
        rows: `(V,)` places of these sightings.
        similarity: `(V,)` float32, their highest cosine to a sighting of the query, in [-1, 1].
        probability: `(V,)` that the visit shows the query's individual, in [0, 1]; NaN if uncalibrated.
    """

    rows: Ints
    similarity: Floats
    probability: Doubles


def closest_pairs(asked: Asked, held: Records, scorer: Scorer) -> ClosestPairs:
    """Compare a query with visits.

    The probability is the highest of the visit with any visit of the query, each pair by its own most similar
    sightings: other visits and other identities change nothing, and a search in the other direction gives the same.

    Args:
        asked: The query.
        held: All sightings of the visits, or those that a filter leaves; one or more.
        scorer: Compares them.
    """
    by_visit = np.argsort(held.visits, kind="stable")
    similarity, between, sizes = _compare(asked, held.take(by_visit), scorer)
    probability = scorer.same_individual(between, *sizes).max(axis=0)
    place = np.unique(held.visits, return_inverse=True)[1].ravel()
    score = np.empty(len(held), np.float32)
    score[by_visit] = similarity
    order = np.lexsort((held.ids, -score))
    rows = order[np.sort(np.unique(held.visits[order], return_index=True)[1])]
    return ClosestPairs(rows, score[rows], probability[place[rows]])


def _compare(asked: Asked, held: Records, scorer: Scorer) -> tuple[Floats, Floats, tuple[Ints, Ints]]:
    """Compare visits; sightings of one stand together in `held`.

    Returns:
        Of each held sighting the highest cosine, `(N,)`; of each two visits the highest, `(A, V)`; and the visits'
        numbers of sightings, `(A, 1)` and `(1, V)`.
    """
    ours, theirs = scorer.project(asked.embeddings, asked.cameras), scorer.project(held.embeddings, held.cameras)
    visits, mine = np.unique(asked.visits, return_counts=True)
    starts, sizes = np.unique(held.visits, return_index=True, return_counts=True)[1:]
    highest = np.empty((len(visits), len(held)), np.float32)
    for row, visit in zip(highest, visits, strict=True):
        row[:] = np.clip(ours[asked.visits == visit] @ theirs.T, -1, 1).max(axis=0)
    return highest.max(axis=0), np.maximum.reduceat(highest, starts, axis=1), (mine[:, None], sizes[None, :])


@dataclass(frozen=True)
class Agreement:
    """Whether the visits of one identity look alike.

    Attributes:
        identity_id: The identity.
        probabilities: By visit, the probability that the identity's most similar other visit shows the same individual,
            in [0, 1]; NaN without another visit, or if uncalibrated.
        groups: Visits that look alike, the group with most visits first, of equal ones the one that was seen first.
            More than one: the identity may be several individuals.
    """

    identity_id: int
    probabilities: dict[int, float]
    groups: tuple[tuple[int, ...], ...]

    @property
    def mixed(self) -> bool:
        """Whether visits of the identity look unlike each other."""
        return len(self.groups) > 1


def agreement(identity: int, held: Records, scorer: Scorer) -> Agreement:
    """Compare the visits of one identity with each other, each pair by its own most similar sightings.

    Args:
        identity: The identity.
        held: All its sightings.
        scorer: Compares them.
    """
    held = held.take(np.lexsort((held.times, held.visits)))
    visits, starts = np.unique(held.visits, return_index=True)
    _, similarity, sizes = _compare(Asked.of(held), held, scorer)
    probability = scorer.same_individual(similarity, *sizes)
    groups = _groups(visits, held.times[starts], ~(probability < ALIKE_PROBABILITY))
    np.fill_diagonal(probability, -np.inf)
    best = probability.max(axis=1)
    own = np.where(best < 0, np.nan, best)
    return Agreement(identity, dict(zip(visits.tolist(), own.tolist(), strict=True)), groups)


def _groups(visits: Ints, began: Doubles, alike: Bools) -> tuple[tuple[int, ...], ...]:
    """Connected groups of visits: the largest first, of equal ones the one that was seen first."""
    _, label = connected_components(alike, directed=False)
    members = [np.flatnonzero(label == n) for n in np.unique(label)]
    members.sort(key=lambda rows: (-len(rows), began[rows].min()))
    return tuple(tuple(visits[rows].tolist()) for rows in members)
