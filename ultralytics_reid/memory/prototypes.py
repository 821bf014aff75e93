"""How identities looked, by slot: raw prototypes, their projections under the metric of the day, two-stage search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Floats, Ints
from ..appearance.embedding import row_blocks, unit
from ..appearance.metric import Metric, Projection
from ..errors import EmbeddingError
from .centroids import Centroids, highest, widest

# Slots that are projected, and that are compared, at a time: what they take stays in the processor's cache.
_PROJECTED = 512
_COMPARED = 64
_NEVER = -1
# From how many slots with prototypes on, and to how many dimensions, the coarse search is narrowed: what it costs is
# the reading of its vectors. As many means show in which directions individuals differ.
_MANY = 1024
_NARROW = 128

_Scalar = TypeVar("_Scalar", bound=np.generic)


def grown(array: npt.NDArray[_Scalar], length: int) -> npt.NDArray[_Scalar]:
    """A longer copy of an array, zeros at its end."""
    longer = np.zeros((length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


class Prototypes:
    """Up to `k` raw embeddings a slot, each the mean of a stretch of clean crops.

    When there is one too many, the two most alike are merged: what is left spans how an individual looked, not how it
    looked last. Raw vectors are what is stored. Their projections are a cache: centroids follow a new metric all at
    once, prototypes slot by slot as they are looked at. A slot's centroid is its mean's projection; where there are
    many, it is narrowed to the directions in which means differ most, and those are chosen anew whenever the metric or
    the room for slots has grown.

    Args:
        k: Most prototypes a slot.
        metric: Projects raw embeddings to where they are compared.
    """

    def __init__(self, k: int, metric: Metric) -> None:
        self.capacity = k
        self._metric = metric
        # Last comes the mean. It fills the places that aren't taken yet too, where it changes no maximum.
        self._raw: Floats = np.zeros((0, k + 1, 0), np.float32)
        self._projected: Floats = np.zeros((0, k + 1, 0), np.float32)
        self._projected_under = np.zeros(0, np.int64)
        self._weight: Floats = np.zeros((0, k), np.float32)
        self._crops: Floats = np.zeros(0, np.float32)
        self._coarse = _Coarse(metric.projection, 0, 0)
        self._upcoming: _Coarse | None = None
        self._version = _NEVER

    @property
    def nbytes(self) -> int:
        """Bytes that all arrays take."""
        arrays = self._raw, self._projected, self._projected_under, self._weight, self._crops
        return self._coarse.centroids.nbytes + sum(a.nbytes for a in arrays)

    @property
    def crops(self) -> Floats:
        """Crops that each slot has learned, `(S,)` float32: 0 for one without prototypes."""
        return self._crops

    def reserve(self, slots: int) -> None:
        """Make room for more slots."""
        self._raw, self._weight = grown(self._raw, slots), grown(self._weight, slots)
        self._projected, self._projected_under = grown(self._projected, slots), grown(self._projected_under, slots)
        self._crops = grown(self._crops, slots)
        self._coarse, self._upcoming, self._version = _Coarse(self._metric.projection, slots, 0), None, _NEVER

    def clear(self, slots: Ints) -> None:
        """Take slots' prototypes away."""
        self._weight[slots], self._crops[slots] = 0, 0

    def add(self, slot: int, vector: Floats, weight: float) -> None:
        """Add a prototype.

        Args:
            slot: Where.
            vector: `(D,)` float32, raw.
            weight: How many crops it is the mean of, above 0.

        Raises:
            EmbeddingError: If the dimension differs from what is stored.
        """
        self._take_dim(len(vector))
        raw, mass = unit(vector)[None], np.array([weight], np.float32)
        self._put(slot, self._looks(slot).joined(_Entries(raw, mass, self._metric.project(raw))))

    def join(self, gone: int, kept: int) -> None:
        """Give one slot's prototypes to another."""
        if self._crops[gone]:
            self._put(kept, self._looks(kept).joined(self._looks(gone)))
            self.clear(np.array([gone]))

    def load(self, slot: int, raw: Floats, weight: Floats) -> None:
        """Set a slot's prototypes, `(N, D)` raw of unit norm, and their weights, `(N,)`."""
        if not len(raw):
            return
        self._take_dim(raw.shape[1])
        if len(raw) > self.capacity:
            merged = _Entries(raw, weight, self._metric.project(raw)).merged(self.capacity, self._metric.project)
            raw, weight = merged.raw, merged.weight
        self._store(slot, raw, weight)
        self._version = self._projected_under[slot] = _NEVER

    def dump(self, slots: Ints) -> tuple[Floats, Floats]:
        """Slots' raw prototypes, `(N, K, D)`, zeros where there is none, and their weights, `(N, K)`."""
        raw, weight = np.asarray(self._raw[slots, :-1]), np.asarray(self._weight[slots])
        raw[weight == 0] = 0
        return raw, weight

    def means(self, slots: Ints) -> Floats:
        """Slots' mean embeddings, `(N, D)` raw."""
        return np.asarray(self._raw[slots, -1])

    def shortlist(self, queries: Floats, allowed: Bools, k: int) -> Ints:
        """The coarse search; see `MemoryBank.shortlist`."""
        return self._shortlist(self._project(queries), allowed, k)

    def compare(self, queries: Floats, slots: Ints) -> Floats:
        """The fine search; see `MemoryBank.compare`."""
        return self._compare(self._project(queries), slots)

    def compare_own(self, queries: Floats, slots: Ints) -> Floats:
        """Of each query with one slot; see `MemoryBank.compare_own`."""
        seen = self._project(queries)
        self._refresh(slots)
        scores = np.matmul(self._projected[slots], seen[:, :, None])[..., 0].max(axis=1, initial=-1)
        return np.asarray(np.where(self._crops[slots] > 0, np.clip(scores, -1, 1), -1), np.float32)

    def find(self, queries: Floats, allowed: Bools, k: int, besides: Ints) -> tuple[Ints, Floats]:
        """Both searches; see `MemoryBank.find`."""
        seen = self._project(queries)
        slots = np.union1d(self._shortlist(seen, allowed, k), besides)
        return slots, self._compare(seen, slots)

    def best(self, queries: Floats, allowed: Bools, k: int) -> Floats:
        """Both searches, of each query for itself; see `MemoryBank.best`."""
        seen = self._project(queries)
        coarse = self._coarse_scores(seen, allowed.shape[1])
        rows = (slice(n, n + 1) for n in range(len(seen)))
        found = (self._compare(seen[row], highest(coarse[row], allowed[row], k)) for row in rows)
        return np.array([scores.max(initial=-1) for scores in found], np.float32)

    def _shortlist(self, seen: Floats, allowed: Bools, k: int) -> Ints:
        if all(np.count_nonzero(row) <= k for row in allowed):
            return np.flatnonzero(allowed.any(axis=0))
        return highest(self._coarse_scores(seen, allowed.shape[1]), allowed, k)

    def _coarse_scores(self, seen: Floats, slots: int) -> Floats:
        """How alike queries and the first so many slots' means are, `(Q, slots)`."""
        scores = self._coarse.centroids.compare(self._coarse.narrowed(seen), slots)
        scores[:, np.flatnonzero(self._crops[:slots] == 0)] = -1
        return scores

    def _compare(self, seen: Floats, slots: Ints) -> Floats:
        scores = np.empty((len(seen), len(slots)), np.float32)
        for part in row_blocks(len(slots), _COMPARED):
            scores[:, part] = self._cosines(seen, slots[part]).max(axis=1).T
        scores[:, np.flatnonzero(self._crops[slots] == 0)] = -1
        return np.asarray(np.clip(scores, -1, 1, out=scores))

    def closest(self, queries: Floats, slots: Ints) -> tuple[Floats, Floats]:
        """What `compare` compared, of slots with prototypes; see `MemoryBank.closest`."""
        found = np.zeros((len(queries), len(slots), self._dim), np.float32)
        scores = np.zeros(found.shape[:2], np.float32)
        if found.size:
            seen = self._project(queries)
            for part in row_blocks(len(slots), _COMPARED):
                cosines = self._cosines(seen, slots[part])
                found[:, part] = self._raw[slots[part], cosines.argmax(axis=1).T]
                scores[:, part] = cosines.max(axis=1).T
        return found, np.clip(scores, -1, 1)

    def _cosines(self, seen: Floats, slots: Ints) -> Floats:
        """Cosines `(N, K + 1, Q)` of slots' prototypes and, last, their mean to projected queries."""
        self._refresh(slots)
        return np.asarray(np.matmul(self._projected[slots], seen.T))

    @property
    def _dim(self) -> int:
        return int(self._raw.shape[2])

    def _take_dim(self, dim: int) -> None:
        if self._dim not in (0, dim):
            raise EmbeddingError(f"memory holds embeddings of dimension {self._dim}, got {dim}")
        if not self._dim:
            self._raw = np.zeros((*self._raw.shape[:2], dim), np.float32)

    def _project(self, queries: Floats) -> Floats:
        """Project queries, with the centroids following to where that is; `(Q, 0)` before anything was stored."""
        if not self._dim:
            return np.zeros((len(queries), 0), np.float32)
        if queries.shape[1] != self._dim:
            raise EmbeddingError(f"memory holds embeddings of dimension {self._dim}, got {queries.shape[1]}")
        self._follow_metric()
        return self._metric.project(queries)

    def _follow_metric(self) -> None:
        if self._version == self._metric.version:
            return
        known = np.flatnonzero(self._crops)
        dim = self._metric.project(self._raw[:1, -1]).shape[1]
        if dim != self._projected.shape[2]:
            self._projected = np.zeros((*self._raw.shape[:2], dim), np.float32)
        coarse, self._upcoming = self._upcoming, None
        if coarse is None or coarse.projection is not self._metric.projection:
            coarse = _Coarse(self._metric.projection, len(self._raw), dim)
            for _, step in self._steps(coarse, known):
                step()
        coarse.put(coarse.missed, self._raw[coarse.missed, -1])
        self._coarse, self._version = coarse, self._metric.version

    def preparations(self, projection: Projection) -> list[tuple[int, Callable[[], None]]]:
        """What can be done before the metric adopts a projection: costs in multiplications, and functions.

        Args:
            projection: What the metric will project by.
        """
        if not self._dim or projection.axes is None:
            return []
        self._upcoming = _Coarse(projection, len(self._raw), projection.axes.shape[1])
        return self._steps(self._upcoming, np.flatnonzero(self._crops))

    def _steps(self, coarse: _Coarse, known: Ints) -> list[tuple[int, Callable[[], None]]]:
        """Steps in which centroids of known slots are projected."""
        steps: list[tuple[int, Callable[[], None]]] = []
        dims = self._dim * coarse.dim
        if coarse.dim > _NARROW and len(known) >= _MANY:
            sample = known[np.linspace(0, len(known) - 1, _MANY).astype(np.int64)]
            steps.append((2 * _MANY * dims, partial(self._narrow, coarse, sample)))
            dims = self._dim * _NARROW
        parts = (known[part] for part in row_blocks(len(known), _PROJECTED))
        return steps + [(len(part) * dims, partial(self._put_all, coarse, part)) for part in parts]

    def _narrow(self, coarse: _Coarse, sample: Ints) -> None:
        coarse.narrow(self._raw[sample, -1])

    def _put_all(self, coarse: _Coarse, slots: Ints) -> None:
        coarse.put(slots, self._raw[slots, -1])

    def _refresh(self, slots: Ints) -> None:
        stale = slots[(self._projected_under[slots] != self._version) & (self._crops[slots] > 0)]
        if len(stale):
            self._projected[stale] = self._metric.project(self._raw[stale])
            self._projected_under[stale] = self._version

    def _looks(self, slot: int) -> _Entries:
        self._follow_metric()
        self._refresh(np.array([slot]))
        held = np.count_nonzero(self._weight[slot])
        return _Entries(self._raw[slot, :held], self._weight[slot, :held], self._projected[slot, :held])

    def _put(self, slot: int, entries: _Entries) -> None:
        entries = entries.merged(self.capacity, self._metric.project)
        self._store(slot, entries.raw, entries.weight)
        mean = self._metric.project(self._raw[slot, -1:])[0]
        self._projected[slot] = mean
        self._projected[slot, : len(entries.seen)] = entries.seen
        self._projected_under[slot] = self._version
        self._coarse.centroids.put(np.array([slot]), self._coarse.narrowed(mean))
        if self._upcoming is not None:
            self._upcoming.missed.append(slot)

    def _store(self, slot: int, raw: Floats, weight: Floats) -> None:
        self._weight[slot], self._crops[slot] = 0, weight.sum()
        self._weight[slot, : len(raw)] = weight
        self._raw[slot] = weight @ raw / weight.sum()
        self._raw[slot, : len(raw)] = raw


class _Coarse:
    """Centroids under one projection; where there are many, narrowed to the directions in which means differ most.

    Args:
        projection: What they are projected by.
        slots: How many there is room for.
        dim: Dimension that it projects to.

    Attributes:
        centroids: By slot.
        missed: Slots whose means have changed since they were put.
    """

    def __init__(self, projection: Projection, slots: int, dim: int) -> None:
        self.projection, self.dim, self.missed = projection, dim, list[int]()
        self.centroids = Centroids(slots, dim)
        self._directions: Floats | None = None
        self._onto = projection

    def narrow(self, means: Floats) -> None:
        """Choose the directions, by a sample of means `(N, D)` raw, before any centroid is put."""
        self._directions = widest(self.projection.project(means), _NARROW)
        self._onto = self.projection.narrowed(self._directions)
        self.centroids = Centroids(len(self.centroids), _NARROW)

    def narrowed(self, seen: Floats) -> Floats:
        """Projected vectors as centroids are."""
        return seen if self._directions is None else unit(seen @ self._directions)

    def put(self, slots: Ints | list[int], means: Floats) -> None:
        """Set centroids to the projections of means, `(N, D)` raw."""
        if len(slots):
            self.centroids.put(np.asarray(slots, np.int64), self._onto.project(means))


@dataclass(frozen=True)
class _Entries:
    """Prototypes of one slot: raw `(N, D)`, their weights `(N,)`, and how the metric sees them, `(N, d)`."""

    raw: Floats
    weight: Floats
    seen: Floats

    def joined(self, other: _Entries) -> _Entries:
        return _Entries(
            np.concatenate([self.raw, other.raw]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.seen, other.seen]),
        )

    def merged(self, k: int, project: Callable[[Floats], Floats]) -> _Entries:
        """Merge the two most alike until there are at most `k`."""
        entries = self
        while len(entries.raw) > k:
            alike = entries.seen @ entries.seen.T
            np.fill_diagonal(alike, -3)
            a, b = divmod(int(alike.argmax()), len(alike))
            both = unit(entries.weight[[a, b]] @ entries.raw[[a, b]])[None]
            pair = _Entries(both, entries.weight[[a, b]].sum(keepdims=True), project(both))
            entries = entries.without(a, b).joined(pair)
        return entries

    def without(self, *places: int) -> _Entries:
        kept = [n for n in range(len(self.raw)) if n not in places]
        return _Entries(self.raw[kept], self.weight[kept], self.seen[kept])
