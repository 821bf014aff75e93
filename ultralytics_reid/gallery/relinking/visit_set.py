"""Visits with their sightings, as arrays, and which of them can't be one individual's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from ..._typing import Bools, Doubles, Floats, Ints, as_bools, as_doubles, as_floats
from ..linking.topology import SLACK, Topology, Way
from ..records import ENROLLED, Records, Visit
from ..scorer import Scorer


@dataclass(frozen=True, eq=False)
class VisitSet:
    """`V` visits, by when they began, and what is seen in them.

    Attributes:
        visits: The visits.
        held: Their sightings, by visit, then by time; visits without one are possible.
        seen: `(N, D)` float32, the sightings' embeddings without their camera's shift.
        scorer: Compares them.
    """

    visits: tuple[Visit, ...]
    held: Records
    seen: Floats
    scorer: Scorer

    @classmethod
    def of(cls, visits: Sequence[Visit], held: Records, scorer: Scorer) -> VisitSet:
        """Order visits and sightings; sightings of other visits are left out."""
        ordered = tuple(sorted(visits, key=lambda v: (v.first, v.last, v.id)))
        place = {v.id: n for n, v in enumerate(ordered)}
        of = np.array([place.get(v, -1) for v in held.visits.tolist()], np.int64)
        rows = np.lexsort((held.ids, held.times, of))
        rows = rows[of[rows] >= 0]
        kept = held.take(rows)
        return cls(ordered, kept, scorer.neutral(kept.embeddings, kept.cameras), scorer)

    def __len__(self) -> int:
        return len(self.visits)

    @cached_property
    def rows(self) -> list[Ints]:
        """Places of each visit's sightings, by time."""
        place = {v.id: n for n, v in enumerate(self.visits)}
        of = np.array([place[v] for v in self.held.visits.tolist()], np.int64)
        ends = np.searchsorted(of, np.arange(len(self) + 1))
        return [np.arange(a, b) for a, b in pairwise(ends.tolist())]

    @cached_property
    def sightings(self) -> Ints:
        """`(V,)` number of sightings."""
        return np.array([len(r) for r in self.rows], np.int64)

    @cached_property
    def identities(self) -> Ints:
        """`(V,)` identities as the gallery has them."""
        return np.array([v.identity for v in self.visits], np.int64)

    @cached_property
    def classes(self) -> Ints:
        """`(V,)` class indices."""
        return np.array([v.cls for v in self.visits], np.int64)

    @cached_property
    def cameras(self) -> tuple[str, ...]:
        """Each visit's camera."""
        return tuple(v.camera for v in self.visits)

    @cached_property
    def spans(self) -> Doubles:
        """`(V, 2)` when each began and ended, seconds since 1970."""
        return as_doubles([(v.first, v.last) for v in self.visits]).reshape(-1, 2)

    @cached_property
    def means(self) -> Floats:
        """`(V, d)` unit vectors, mean sightings under the learned metric; zeros without a sighting."""
        return self._projected(self.rows)

    def halves(self, least: int) -> Doubles:
        """Cosines of the first half of a visit to its last half, of visits with so many sightings in each half."""
        long = [r for r in self.rows if len(r) >= 2 * least]
        first, last = (self._projected([part(r) for r in long]) for part in (_first_half, _last_half))
        return as_doubles(np.einsum("nd,nd->n", first, last))

    def _projected(self, groups: Sequence[Ints]) -> Floats:
        raw = [self.seen[r].mean(axis=0) if len(r) else np.zeros(self.seen.shape[1]) for r in groups]
        vectors = as_floats(raw).reshape(-1, self.seen.shape[1])
        known = np.array([len(r) > 0 for r in groups], bool)
        return as_floats(np.where(known[:, None], self.scorer.metric.project(vectors), 0))

    def together(self) -> Bools:
        """See the function `together`."""
        return together(self.visits)

    def apart(self, topology: Topology) -> Bools:
        """`(V, V)`, which visits can't be one individual's: in two places at once, or farther than it travels.

        Args:
            topology: Least travel times, and which cameras share a view.
        """
        first, last = self.spans[:, 0], self.spans[:, 1]
        early = (first[None, :] - last[:, None]) < self._least_gaps(topology)
        early &= first[:, None] <= first[None, :]
        np.fill_diagonal(early, False)
        return as_bools(early | early.T)

    def _least_gaps(self, topology: Topology) -> Doubles:
        """`(V, V)` seconds from the end of one visit to the beginning of a later one, at least."""
        names = sorted(set(self.cameras))
        of = np.searchsorted(names, self.cameras)
        table = np.zeros((len(names), len(names)))
        for (a, start), (b, end) in product(enumerate(names), repeat=2):
            way = topology.ways.get((start, end), Way())
            if ENROLLED in (start, end) or way.overlap:
                table[a, b] = -np.inf
            elif a != b:
                table[a, b] = way.min_seconds - SLACK
        return as_doubles(table[of[:, None], of])


def together(visits: Sequence[Visit]) -> Bools:
    """`(V, V)`, which visits were on one camera at the same time; on cameras, not among enrolled images."""
    first, last = as_doubles([(v.first, v.last) for v in visits]).reshape(-1, 2).T
    shared = np.minimum(last[:, None], last) > np.maximum(first[:, None], first)
    names = np.array([v.camera for v in visits], object)
    out = shared & (names[:, None] == names) & (names != ENROLLED)
    np.fill_diagonal(out, False)
    return as_bools(out)


def _first_half(rows: Ints) -> Ints:
    return rows[: len(rows) // 2]


def _last_half(rows: Ints) -> Ints:
    return rows[len(rows) // 2 :]
