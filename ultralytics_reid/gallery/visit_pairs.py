"""Pairs of visits: their most similar sightings, and the probability that both show the same individual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from .._typing import Bools, Doubles, Floats, Ints
from ..tuning import ALIKE_PROBABILITY
from .records import Records
from .scorer import Scorer

# Sightings of a query that are compared at a time.
_BATCH = 1024


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

    def take(self, count: int) -> Asked:
        """The first sightings."""
        return Asked(self.embeddings[:count], self.cameras[:count], self.visits[:count])


@dataclass(frozen=True, eq=False)
class ClosestPairs:
    """The most similar pair of sightings of a query and of each visit, `V` of them, the most similar first.

    Attributes:
        rows: `(V,)` places of the visits' sightings.
        similarity: `(V,)` float32 cosines, in [-1, 1].
        probability: `(V,)` that the visit shows the query's individual, in [0, 1]; NaN if uncalibrated.
    """

    rows: Ints
    similarity: Floats
    probability: Doubles


def closest_pairs(asked: Asked, held: Records, scorer: Scorer) -> ClosestPairs:
    """Find the most similar pair of sightings of a query and of each visit.

    The probability is that of the two visits that hold the pair: neither other visits nor other identities count, and
    a search in the other direction finds the same pair.

    Args:
        asked: The query.
        held: All sightings of the visits, or those that a filter leaves; one or more.
        scorer: Compares them.
    """
    similarity, partner = _most_similar(asked, held, scorer)
    order = np.lexsort((held.ids, -similarity))
    _, first = np.unique(held.visits[order], return_index=True)
    rows = order[np.sort(first)]
    mine = _sizes(asked.visits)[partner[rows]]
    found = similarity[rows]
    return ClosestPairs(rows, found, scorer.same_individual(found, mine, _sizes(held.visits)[rows]))


def _most_similar(asked: Asked, held: Records, scorer: Scorer) -> tuple[Floats, Ints]:
    """Of each held sighting, the highest cosine, and the place of the query's sighting that has it; both `(N,)`."""
    ours, theirs = scorer.project(asked.embeddings, asked.cameras), scorer.project(held.embeddings, held.cameras)
    highest, partner = np.full(len(held), -1, np.float32), np.zeros(len(held), np.int64)
    for start in range(0, len(ours), _BATCH):
        cosine = np.clip(ours[start : start + _BATCH] @ theirs.T, -1, 1)
        best = cosine.argmax(axis=0)
        value = cosine[best, np.arange(len(held))]
        better = value > highest
        highest[better], partner[better] = value[better], best[better] + start
    return highest, partner


def _sizes(visits: Ints) -> Ints:
    """Of each sighting, how many its visit has, `(N,)`."""
    _, place, counts = np.unique(visits, return_inverse=True, return_counts=True)
    return np.asarray(counts[place.ravel()])


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
    visits, starts, counts = np.unique(held.visits, return_index=True, return_counts=True)
    similarity = _between(held, starts, counts, scorer)
    probability = scorer.same_individual(similarity, counts[:, None], counts[None, :])
    best = similarity.argmax(axis=1)
    others = np.isfinite(similarity[np.arange(len(visits)), best])
    own = np.where(others, probability[np.arange(len(visits)), best], np.nan)
    groups = _groups(visits, held.times[starts], ~(probability < ALIKE_PROBABILITY))
    return Agreement(identity, dict(zip(visits.tolist(), own.tolist(), strict=True)), groups)


def _between(held: Records, starts: Ints, counts: Ints, scorer: Scorer) -> Floats:
    """`(V, V)` highest cosines of each two visits, whose sightings stand together; -inf on the diagonal."""
    projected = scorer.project(held.embeddings, held.cameras)
    found = np.empty((len(counts), len(counts)), np.float32)
    for n, (start, count) in enumerate(zip(starts, counts, strict=True)):
        highest = np.clip(projected[start : start + count] @ projected.T, -1, 1).max(axis=0)
        found[n] = np.maximum.reduceat(highest, starts)
    np.fill_diagonal(found, -np.inf)
    return found


def _groups(visits: Ints, began: Doubles, alike: Bools) -> tuple[tuple[int, ...], ...]:
    """Connected groups of visits: the largest first, of equal ones the one that was seen first."""
    _, label = connected_components(alike, directed=False)
    members = [np.flatnonzero(label == n) for n in np.unique(label)]
    members.sort(key=lambda rows: (-len(rows), began[rows].min()))
    return tuple(tuple(visits[rows].tolist()) for rows in members)
