"""Search a gallery: the visits most similar to a query, and whether the visits of an identity look alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np

from ..errors import GalleryError
from .identities import visible_beside
from .records import Filter, Records, nothing
from .scorer import Scorer
from .store import Store
from .times import local_time
from .views import Match
from .visit_pairs import Agreement, Asked, agreement, closest_pairs

Likeness = Literal["learned", "cosine", "euclidean"]

# Sightings that are compared under the metric for each that is asked for; identities have several each.
_CANDIDATES_PER_HIT = 16
_MIN_CANDIDATES, _MAX_CANDIDATES = 256, 10_000
_MAX_HITS = 1000
# Sightings of an identity whose nearest neighbors are looked up; with the visits found, all of them are compared.
_MAX_QUERIES = 64


def check_hits(k: int) -> None:
    """Check how many visits a search asks for.

    Raises:
        GalleryError: If they are none or too many.
    """
    if not 1 <= k <= _MAX_HITS:
        raise GalleryError(f"k must be in [1, {_MAX_HITS}], got {k!r}")


def sightings_of(store: Store, where: Filter) -> Records:
    """Read all sightings that match, in one."""
    return Records.joined(list(store.scan(where)), store.dim)


def agreements(store: Store, scorer: Scorer, identities: Iterable[int]) -> dict[int, Agreement]:
    """Compare the visits of each identity with each other; identities without sightings are left out."""
    held = ((i, sightings_of(store, Filter(identities=frozenset({i})))) for i in sorted(set(identities)))
    return {i: agreement(i, sightings, scorer) for i, sightings in held if len(sightings)}


class VisitSearch:
    """Find the visits of a gallery that are most similar to a query, by the most similar sighting of each.

    Args:
        store: Of the gallery.
        learned: Compares sightings under the metric that the cameras have learned; None for the plain vectors.
        euclidean: Whether distances are those of the unit vectors, in place of 1 - cosine.
    """

    def __init__(self, store: Store, learned: Scorer | None, *, euclidean: bool = False) -> None:
        self._store = store
        self._scorer = learned or Scorer(store.dim, "", {})
        self._euclidean = euclidean

    def by_identity(self, identity: int, k: int, where: Filter) -> list[Match]:
        """Search by an identity; its own visits are left out, and identities visible at the same time."""
        own = sightings_of(self._store, Filter(identities=frozenset({identity})))
        excluding = where.excluding | {identity} | visible_beside(self._store, identity)
        return self.by_sightings(Asked.of(own), k, replace(where, excluding=excluding))

    def by_visit(self, visit: int, k: int, where: Filter) -> list[Match]:
        """Search by a visit, which is left out.

        Raises:
            GalleryError: If it has no sightings.
        """
        own = sightings_of(self._store, Filter(visits=frozenset({visit})))
        if not len(own):
            raise GalleryError(f"there is no visit {visit} with sightings in the gallery")
        found = self.by_sightings(Asked.of(own), min(k + 1, _MAX_HITS), where)
        return [match for match in found if match.visit != visit][:k]

    def by_sightings(self, asked: Asked, k: int, where: Filter) -> list[Match]:
        """Search by sightings.

        Args:
            asked: The query.
            k: Most visits.
            where: Only among these.

        Returns:
            The most similar first.
        """
        visits = self._shortlist(asked.take(_MAX_QUERIES), k, where)
        held = sightings_of(self._store, replace(where, visits=visits)) if visits else nothing(self._store.dim)
        if not len(held):
            return []
        pairs, names = closest_pairs(asked, held, self._scorer), self._store.names()
        found = held.take(pairs.rows)
        mixed = self._mixed(found.identities.tolist()) if np.isfinite(pairs.probability).all() else frozenset()
        return [
            Match(
                identity,
                names.get(identity, ""),
                found.cameras[n],
                local_time(float(found.times[n])),
                int(found.classes[n]),
                float(found.qualities[n]),
                float(pairs.similarity[n]),
                self._distance(float(pairs.similarity[n])),
                float(pairs.probability[n]),
                int(found.visits[n]),
                int(found.ids[n]),
                identity in mixed,
            )
            for n, identity in enumerate(found.identities.tolist())
        ]

    def _shortlist(self, asked: Asked, k: int, where: Filter) -> frozenset[int]:
        """The `k` visits with the sightings most similar to the query's."""
        scorer, store = self._scorer, self._store
        vectors = np.array(
            [scorer.query(q, c) for q, c in zip(asked.embeddings, asked.cameras, strict=True)], np.float32
        )
        wide = min(max(_MIN_CANDIDATES, _CANDIDATES_PER_HIT * k), _MAX_CANDIDATES)
        found = Records.joined([hits.records for hits in store.search(vectors, wide, where)], store.dim)
        if not len(found):
            return frozenset()
        found = found.take(np.unique(found.ids, return_index=True)[1])
        nearest = closest_pairs(asked, found, scorer).rows[:k]
        return frozenset(found.visits[nearest].tolist())

    def _mixed(self, identities: Iterable[int]) -> frozenset[int]:
        """Those of some identities whose visits look unlike each other."""
        return frozenset(i for i, a in agreements(self._store, self._scorer, identities).items() if a.mixed)

    def _distance(self, similarity: float) -> float:
        return float(np.sqrt(max(0.0, 2 - 2 * similarity))) if self._euclidean else 1 - similarity
