"""The memory bank: several prototypes an identity, budget, expiry and search. Knows neither clocks nor cameras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .embedding import Floats, unit
from .errors import EmbeddingError
from .metric import Metric

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LastSeen:
    """Where and how an identity was when it was last seen.

    Attributes:
        time: Seconds.
        cls: Class index.
        centre: `(2,)` pixels.
        velocity: `(2,)` pixels a second.
        spread: Standard deviation of the centre, pixels.
        height: Box height, pixels.
    """

    time: float
    cls: int
    centre: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]
    spread: float
    height: float


class MemoryBank:
    """Identities and how they looked.

    Each identity has up to `prototypes` raw embeddings, each the mean of a stretch of clean crops. When there is one
    too many, the two most alike are merged: what is left spans how the identity has looked, not how it looked last.

    Args:
        capacity: Most identities; the one unseen for longest goes first.
        prototypes: Most prototypes an identity.
        metric: Projects raw embeddings to where they are compared.
    """

    def __init__(self, capacity: int, prototypes: int, metric: Metric) -> None:
        self.capacity = capacity
        self.prototypes = prototypes
        self._metric = metric
        self._row: dict[int, int] = {}
        self._free: list[int] = []
        self._last: dict[int, LastSeen] = {}
        self._raw: Floats = np.zeros((0, prototypes, 0), np.float32)
        self._weight: Floats = np.zeros((0, prototypes), np.float32)
        self._projected: Floats = np.zeros((0, prototypes + 1, 0), np.float32)
        self._version = metric.version

    def __len__(self) -> int:
        return len(self._last)

    def __contains__(self, identity: int) -> bool:
        return identity in self._last

    @property
    def ids(self) -> list[int]:
        """Identities in memory, the one unseen for longest first."""
        return list(self._last)

    def last_seen(self, identity: int) -> LastSeen:
        """Where and how an identity was last seen; KeyError if it isn't in memory."""
        return self._last[identity]

    def see(self, identity: int, last: LastSeen) -> list[int]:
        """Note that an identity is visible; it is made if it is new.

        Returns:
            Identities that had to go to make room.
        """
        self._last.pop(identity, None)
        self._last[identity] = last
        return self._drop(self.ids[: max(0, len(self) - self.capacity)])

    def learn(self, identity: int, embedding: Floats, weight: float) -> None:
        """Add what an identity looked like for a stretch of time.

        Args:
            identity: An identity that `see` has made.
            embedding: `(D,)` float32, the raw mean of the stretch's crops.
            weight: How many crops it is the mean of.

        Raises:
            EmbeddingError: If the dimension differs from what is stored.
        """
        row = self._row_of(identity, len(embedding))
        raw = np.concatenate([self._raw[row], unit(embedding)[None]])
        mass = np.append(self._weight[row], np.float32(weight))
        kept = mass > 0
        raw, mass = _merge_to(raw[kept], mass[kept], self.prototypes, self._metric)
        self._raw[row], self._weight[row] = 0, 0
        self._raw[row, : len(raw)], self._weight[row, : len(raw)] = raw, mass
        self._projected[row] = self._metric.project(self._with_means([row]))[0]

    def means(self) -> Floats:
        """Every identity's mean embedding, `(I, D)` raw, of those that have prototypes."""
        return self._mean(list(self._row.values()))

    def knows(self, identity: int) -> bool:
        """Whether an identity has prototypes."""
        return identity in self._row

    def search(self, queries: Floats, identities: Iterable[int]) -> Floats:
        """Similarity of each query to each identity: that of the closest of its prototypes and their mean.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            identities: `I` identities; one without prototypes gets -1.

        Returns:
            `(Q, I)` cosines in [-1, 1] under the learned metric.
        """
        wanted = list(identities)
        scores = np.full((len(queries), len(wanted)), -1, np.float32)
        known = [n for n, i in enumerate(wanted) if i in self._row]
        if known and len(queries):
            scores[:, known] = self._views([wanted[n] for n in known], queries).max(axis=2)
        return scores

    def closest(self, queries: Floats, identities: Sequence[int]) -> Floats:
        """What `search` compared: of each identity, the raw vector that is closest to each query.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            identities: `I` identities that have prototypes.

        Returns:
            `(Q, I, D)` float32.
        """
        best = self._views(identities, queries).argmax(axis=2)
        rows = [self._row[i] for i in identities]
        return np.asarray(self._with_means(rows)[np.arange(len(rows)), best], dtype=np.float32)

    def _views(self, identities: Sequence[int], queries: Floats) -> Floats:
        """Cosines `(Q, I, K + 1)` of queries to prototypes and, last, to their mean; -1 where there is none."""
        self._reproject()
        rows = [self._row[i] for i in identities]
        flat = self._projected.reshape(-1, queries.shape[1])
        scores = (self._metric.project(queries) @ flat.T).reshape(len(queries), *self._projected.shape[:2])[:, rows]
        held = np.pad(self._weight[rows] > 0, ((0, 0), (0, 1)), constant_values=True)
        return np.asarray(np.where(held, scores, -1), dtype=np.float32)

    def _with_means(self, rows: Sequence[int]) -> Floats:
        """Raw prototypes of some rows and, last, their mean: `(I, K + 1, D)`."""
        return np.concatenate([self._raw[rows], self._mean(rows)[:, None]], axis=1)

    def _mean(self, rows: Sequence[int]) -> Floats:
        weight = self._weight[rows]
        sums = np.einsum("ik,ikd->id", weight, self._raw[rows])
        return np.asarray(sums / np.maximum(weight.sum(axis=1, keepdims=True), 1), dtype=np.float32)

    def _reproject(self) -> None:
        if self._version != self._metric.version:
            self._projected = self._metric.project(self._with_means(range(len(self._raw))))
            self._version = self._metric.version

    def forget(self, before: float) -> list[int]:
        """Drop identities last seen before a time, in seconds, and return them."""
        return self._drop([i for i, last in self._last.items() if last.time < before])

    def _drop(self, identities: list[int]) -> list[int]:
        for identity in identities:
            del self._last[identity]
            row = self._row.pop(identity, None)
            if row is not None:
                self._weight[row] = 0
                self._raw[row] = 0
                self._free.append(row)
        return identities

    def _row_of(self, identity: int, dim: int) -> int:
        if identity not in self._last:
            raise KeyError(identity)
        if self._raw.shape[2] not in (0, dim):
            raise EmbeddingError(f"memory holds embeddings of dimension {self._raw.shape[2]}, got {dim}")
        if identity not in self._row:
            if not self._free:
                self._grow(dim)
            self._row[identity] = self._free.pop()
        return self._row[identity]

    def _grow(self, dim: int) -> None:
        self._reproject()
        old = len(self._raw)
        new = min(max(64, 2 * old), self.capacity + 1)
        raw = np.zeros((new, self.prototypes, dim), np.float32)
        projected = np.zeros((new, self.prototypes + 1, dim), np.float32)
        weight = np.zeros((new, self.prototypes), np.float32)
        if old:
            raw[:old], projected[:old], weight[:old] = self._raw, self._projected, self._weight
        self._raw, self._projected, self._weight = raw, projected, weight
        self._free.extend(range(new - 1, old - 1, -1))

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as plain arrays that `numpy.savez` takes; see `restore`."""
        ids = self.ids
        rows = [self._row.get(i, -1) for i in ids]
        shape = self._raw.shape[1:]
        return {
            "ids": np.array(ids, np.int64),
            "raw": np.array([self._raw[r] if r >= 0 else np.zeros(shape) for r in rows], np.float32),
            "weight": np.array([self._weight[r] if r >= 0 else np.zeros(shape[0]) for r in rows], np.float32),
            "last": np.array([_pack(self._last[i]) for i in ids], np.float64),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what another bank's `state` gave; what was remembered before is forgotten."""
        self._drop(self.ids)
        for identity, raw, weight, last in zip(state["ids"], state["raw"], state["weight"], state["last"], strict=True):
            self.see(int(identity), _unpack(last))
            for vector, mass in zip(raw[weight > 0], weight[weight > 0], strict=True):
                self.learn(int(identity), vector, float(mass))


def _pack(last: LastSeen) -> list[float]:
    return [last.time, last.cls, *last.centre, *last.velocity, last.spread, last.height]


def _unpack(row: npt.NDArray[np.float64]) -> LastSeen:
    return LastSeen(float(row[0]), int(row[1]), row[2:4].copy(), row[4:6].copy(), float(row[6]), float(row[7]))


def _merge_to(raw: Floats, mass: Floats, most: int, metric: Metric) -> tuple[Floats, Floats]:
    """Merge the two most similar prototypes until there are at most `most`."""
    while len(raw) > most:
        seen = metric.project(raw)
        alike = seen @ seen.T - 3 * np.eye(len(raw), dtype=np.float32)
        a, b = divmod(int(alike.argmax()), len(raw))
        merged = unit(mass[a] * raw[a] + mass[b] * raw[b])
        keep = [n for n in range(len(raw)) if n not in (a, b)]
        raw = np.concatenate([raw[keep], merged[None]])
        mass = np.append(mass[keep], mass[a] + mass[b])
    return raw, mass
