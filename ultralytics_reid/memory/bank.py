"""The memory bank: identities, their last Kalman states and prototypes, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.metric import Metric, Projection
from ..association.last_seen import NUMBERS, LastSeen, Sightings, as_numbers, as_sightings, scaled
from ..errors import EmbeddingError
from .prototypes import Prototypes, grown

__all__ = ["LastSeen", "MemoryBank"]

_Scalar = TypeVar("_Scalar", bound=np.generic)

_EMPTY = -1
_FIRST_SLOTS = 64


class MemoryBank:
    """Identities, their last Kalman states, and their prototypes.

    Each has a slot: its place in arrays that grow by doubling, up to the capacity. Gates read the arrays; a view of
    them is read-only, and good until an identity is made or goes.

    When there is one identity too many, the least useful is evicted: the one with the longest absence, divided by
    1 + ln(1 + crops). A long absence makes a return unlikelier, and an identity of few crops is likelier a flicker of
    the detector: a flicker of half a second goes before a resident on a lunch break. The logarithm keeps identities
    seen for hours from outliving all others for days.

    Args:
        capacity: Most identities, 1 or more.
        prototypes: Most prototypes an identity.
        metric: Projects raw embeddings to where they are compared.

    Attributes:
        fingerprint: Of the embedder whose vectors these are; empty as long as it isn't known.
    """

    def __init__(self, capacity: int, prototypes: int, metric: Metric) -> None:
        self.capacity = capacity
        self.prototypes = prototypes
        self.fingerprint = ""
        self._metric = metric
        self._clear()

    def _clear(self) -> None:
        self._slot: dict[int, int] = {}
        self._free: list[int] = []
        self._used = 0
        self._ids: Ints = np.zeros(0, np.int64)
        self._last: Doubles = np.zeros((0, NUMBERS))
        self._first: Doubles = np.zeros(0)
        self._looks = Prototypes(self.prototypes, self._metric)

    def __len__(self) -> int:
        return len(self._slot)

    def __contains__(self, identity: int) -> bool:
        return identity in self._slot

    @property
    def ids(self) -> list[int]:
        """Identities in memory, the one unseen for longest first."""
        ids: list[int] = self._ids[self._by_absence(np.flatnonzero(self.ids_by_slot != _EMPTY))].tolist()
        return ids

    @property
    def nbytes(self) -> int:
        """Bytes that all arrays take."""
        return self._looks.nbytes + self._ids.nbytes + self._last.nbytes + self._first.nbytes

    @property
    def slots(self) -> int:
        """How many slots, from 0, are or were in use: `S`, the length of the arrays."""
        return self._used

    @property
    def ids_by_slot(self) -> Ints:
        """`(S,)` identities, -1 where a slot is empty."""
        return _view(self._ids[: self._used])

    @property
    def last(self) -> Sightings:
        """`(S,)` last sightings, `SIGHTING`; an empty slot's time is infinity, so that no tracklet begins after it."""
        return _view(as_sightings(self._last[: self._used]))

    @property
    def first(self) -> Doubles:
        """`(S,)` times of the first sightings, seconds."""
        return _view(self._first[: self._used])

    def others(self, shown: Collection[int]) -> Bools:
        """`(S,)`, True where a slot's identity is none of those given; they needn't be in memory."""
        others = self._ids[: self._used] != _EMPTY
        others[self._slots_among(shown)] = False
        return np.asarray(others)

    def others_of_each(self, shown: Sequence[Collection[int]]) -> Bools:
        """`(N, S)`, what `others` says of each of `N` collections."""
        others = np.repeat((self._ids[: self._used] != _EMPTY)[None], len(shown), axis=0)
        for row, identities in zip(others, shown, strict=True):
            row[self._slots_among(identities)] = False
        return others

    def _slots_among(self, identities: Collection[int]) -> list[int]:
        """Slots of those identities that are in memory."""
        return list(map(self._slot.__getitem__, self._slot.keys() & identities))

    def slot_of(self, identity: int) -> int:
        """An identity's slot; KeyError if it isn't in memory."""
        return self._slot[identity]

    def slots_of(self, identities: Iterable[int]) -> Ints:
        """Identities' slots, `(I,)`; KeyError if one isn't in memory."""
        return np.array([self._slot[i] for i in identities], np.int64)

    def last_seen(self, identity: int) -> LastSeen:
        """Where and how an identity was last seen; KeyError if it isn't in memory."""
        return LastSeen.of(self._last[self._slot[identity]].copy())

    def see(self, identity: int, last: LastSeen) -> list[int]:
        """Note that an identity is visible; it is made if it is new.

        Returns:
            Identities that had to go to make room, the least useful first.
        """
        gone = [] if identity in self._slot else self._admit({identity: last.time}, self.slots_of([]))
        self._last[self._slot[identity]] = last.numbers
        return gone

    def see_all(self, identities: Sequence[int], seen: Sightings) -> list[int]:
        """Note all visible identities; new ones are made. None of them is evicted for another of them.

        Args:
            identities: `N` different ones.
            seen: `(N,)` rows of `SIGHTING`; see `sightings`.

        Returns:
            Identities that had to go to make room, the least useful first, and, if more are visible than memory may
            hold, those new ones there was no room for.
        """
        rows, slots = as_numbers(seen), self._slots_if_any(identities)
        self._write(slots, rows)
        if (slots >= 0).all():
            return []
        new = {int(i): float(time) for i, time in zip(identities, rows[:, 0], strict=True) if i not in self._slot}
        gone = self._admit(new, slots[slots >= 0])
        self._write(self._slots_if_any(identities), rows)
        return gone

    def _write(self, slots: Ints, rows: Doubles) -> None:
        self._last[slots[slots >= 0]] = rows[slots >= 0]

    def _slots_if_any(self, identities: Sequence[int]) -> Ints:
        return np.array([self._slot.get(i, _EMPTY) for i in identities], np.int64)

    def _admit(self, new: dict[int, float], spared: Ints) -> list[int]:
        """Make identities, first seen at a time, in the place of others that aren't spared."""
        surplus = len(self) + len(new) - self.capacity
        gone = self._evict(surplus, max(new.values()), spared) if surplus > 0 else []
        room = self.capacity - len(self)
        for identity in list(new)[:room]:
            self._make(identity, new[identity])
        return gone + list(new)[room:]

    def _make(self, identity: int, time: float) -> None:
        slot = self._free.pop() if self._free else self._used
        if slot == len(self._ids):
            self._grow()
        self._used = max(self._used, slot + 1)
        self._slot[identity] = slot
        self._ids[slot], self._first[slot], self._last[slot, 0] = identity, time, time

    def _grow(self) -> None:
        length = min(max(_FIRST_SLOTS, 2 * len(self._ids)), self.capacity)
        self._ids, self._last = grown(self._ids, length), grown(self._last, length)
        self._first = grown(self._first, length)
        self._looks.reserve(length)

    def _evict(self, count: int, now: float, spared: Ints) -> list[int]:
        held = self.ids_by_slot != _EMPTY
        now = max(now, self._last[: self._used, 0].max(where=held, initial=-np.inf))
        held[spared] = False
        slots = np.flatnonzero(held)
        absence, crops = now - self._last[slots, 0], self._looks.crops[slots]
        return self._drop(slots[_least_useful(self._ids[slots], absence, crops, count)])

    def rescale(self, x: float, y: float) -> None:
        """Go on in an image that is `x` times as wide and `y` times as high."""
        self._last[: self._used] = scaled(self._last[: self._used], x, y)

    def embedded_by(self, fingerprint: str) -> None:
        """Say which embedder the vectors are of; empty where it isn't known.

        Raises:
            EmbeddingError: If those in memory are of another: they can't be compared.
        """
        if fingerprint and self.fingerprint not in ("", fingerprint):
            raise EmbeddingError(f"memory holds embeddings by {self.fingerprint}, and these are by {fingerprint}")
        self.fingerprint = fingerprint or self.fingerprint

    def learn(self, identity: int, embedding: Floats, weight: float) -> None:
        """Add what an identity looked like for a stretch of time.

        Args:
            identity: An identity that is in memory; KeyError if it isn't.
            embedding: `(D,)` float32, the raw mean of the stretch's crops.
            weight: How many crops it is the mean of.

        Raises:
            EmbeddingError: If the dimension differs from what is stored.
            ValueError: If the weight isn't above 0.
        """
        if not weight > 0:
            raise ValueError(f"weight must be above 0, got {weight!r}")
        self._looks.add(self._slot[identity], embedding, weight)

    def merge(self, gone: int, kept: int) -> None:
        """Join what is known of two identities that turn out to be one; KeyError if one isn't in memory.

        Args:
            gone: Disappears.
            kept: Has both's prototypes, merged down to how many it may have, the earlier first and the later last
                sighting.
        """
        source, target = self._slot[gone], self._slot[kept]
        if source == target:
            return
        self._first[target] = min(self._first[target], self._first[source])
        if self._last[source, 0] > self._last[target, 0]:
            self._last[target] = self._last[source]
        self._looks.join(source, target)
        self._drop(np.array([source]))

    def rename(self, old: int, new: int) -> None:
        """Give an identity another id, which must be unused; KeyError if it isn't in memory.

        Raises:
            ValueError: If the new id is in memory already.
        """
        if new in self._slot:
            raise ValueError(f"identity {new} is in memory already")
        self._slot[new] = self._slot.pop(old)
        self._ids[self._slot[new]] = new

    def forget(self, before: float) -> list[int]:
        """Drop identities last seen before a time, in seconds, and return them, the one unseen for longest first."""
        return self._drop(self._by_absence(np.flatnonzero(self._last[: self._used, 0] < before)))

    def drop(self, identities: Iterable[int]) -> None:
        """Drop some identities; those that aren't in memory are left alone."""
        self._drop(np.array([self._slot[i] for i in identities if i in self._slot], np.int64))

    def _by_absence(self, slots: Ints) -> Ints:
        return slots[np.lexsort((self._ids[slots], self._last[slots, 0]))]

    def _drop(self, slots: Ints) -> list[int]:
        identities: list[int] = self._ids[slots].tolist()
        for identity in identities:
            self._free.append(self._slot.pop(identity))
        self._ids[slots], self._last[slots, 0] = _EMPTY, np.inf
        self._looks.clear(slots)
        return identities

    def preparations(self, projection: Projection) -> list[tuple[int, Callable[[], None]]]:
        """What can be done before the metric adopts a projection: costs in multiplications, and functions."""
        return self._looks.preparations(projection)

    def means(self) -> Floats:
        """Every identity's mean embedding, `(I, D)` raw, of those that have prototypes."""
        return self._looks.means(np.flatnonzero(self._looks.crops))

    def means_of(self, slots: Ints) -> Floats:
        """Some slots' mean embeddings, `(N, D)` raw; zeros for one without prototypes."""
        return self._looks.means(slots)

    def knows(self, identity: int) -> bool:
        """Whether an identity has prototypes."""
        slot = self._slot.get(identity)
        return slot is not None and bool(self._looks.crops[slot])

    def shortlist(self, queries: Floats, allowed: Bools, k: int = 32) -> Ints:
        """The coarse search: the identities whose means are most similar to each query.

        With no more than `k` identities in memory none is left out, and `compare` finds the best there is. Among
        1,024 or more, likeness is measured in the 128 directions in which means differ most.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            allowed: `(Q, S)`, by slot; empty slots are left out, whatever it says.
            k: Most slots a query.

        Returns:
            `(C,)` slots, sorted: for every query the `k` that it allows and whose mean is most alike, all that it
            allows if there are no more. One without prototypes comes last.
        """
        return self._looks.shortlist(queries, self._held(allowed), k)

    def _held(self, allowed: Bools) -> Bools:
        return np.asarray(allowed & (self.ids_by_slot != _EMPTY))

    def compare(self, queries: Floats, slots: Ints) -> Floats:
        """The fine search: similarity of each query to each slot, that of the closest of its prototypes and their mean.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            slots: `(C,)`; one without prototypes gets -1.

        Returns:
            `(Q, C)` cosines in [-1, 1] under the learned metric.
        """
        return self._looks.compare(queries, slots)

    def compare_own(self, queries: Floats, slots: Ints) -> Floats:
        """`(Q,)` cosines of each query to one slot, its own, as `compare` gives them; `slots` is `(Q,)`."""
        return self._looks.compare_own(queries, slots)

    def find(self, queries: Floats, allowed: Bools, k: int, besides: Ints) -> tuple[Ints, Floats]:
        """The coarse search, and the fine one among those it leaves.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            allowed: `(Q, S)`, by slot; see `shortlist`.
            k: Most slots a query that the coarse search leaves.
            besides: Slots that are compared whatever the coarse search says.

        Returns:
            `(C,)` slots, sorted, and `(Q, C)` cosines; see `compare`.
        """
        return self._looks.find(queries, self._held(allowed), k, besides)

    def best(self, queries: Floats, allowed: Bools, k: int) -> Floats:
        """The highest cosine that both searches find, each query by itself.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            allowed: `(Q, S)`, by slot; see `shortlist`.
            k: Most slots a query that the coarse search leaves.

        Returns:
            `(Q,)` float32, -1 where it allows none; see `compare`.
        """
        return self._looks.best(queries, self._held(allowed), k)

    def search(self, queries: Floats, identities: Iterable[int]) -> Floats:
        """Similarity of each query to each identity: that of the closest of its prototypes and their mean.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            identities: `I` identities; one without prototypes gets -1.

        Returns:
            `(Q, I)` cosines in [-1, 1] under the learned metric.
        """
        slots = self._slots_if_any(list(identities))
        scores = np.full((len(queries), len(slots)), -1, np.float32)
        scores[:, slots >= 0] = self.compare(queries, slots[slots >= 0])
        return scores

    def closest(self, queries: Floats, identities: Sequence[int]) -> tuple[Floats, Floats]:
        """What `search` compared: of each identity, the raw vector that is closest to each query.

        Args:
            queries: `(Q, D)` float32 raw embeddings.
            identities: `I` identities that have prototypes.

        Returns:
            `(Q, I, D)` float32, and `(Q, I)` cosines in [-1, 1] under the learned metric.
        """
        return self._looks.closest(queries, self.slots_of(identities))

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as plain arrays that `numpy.savez` takes; see `restore`."""
        slots = self.slots_of(self.ids)
        raw, weight = self._looks.dump(slots)
        last, first = self._last[slots], self._first[slots]
        arrays = {"ids": self._ids[slots], "raw": raw, "weight": weight, "last": last, "first": first}
        return arrays | {"fingerprint": np.array(self.fingerprint)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what another bank's `state` gave; what was remembered before is forgotten.

        A bank of a smaller capacity takes the most useful, one of fewer prototypes merges them.

        Raises:
            EmbeddingError: If its vectors are known to be of another embedder than this one's.
        """
        self.embedded_by(str(state.get("fingerprint", "")))
        self._clear()
        ids, weight, times = state["ids"], state["weight"], state["last"][:, 0]
        absence = times.max(initial=-np.inf) - times
        left_out = _least_useful(ids, absence, weight.sum(axis=1), len(ids) - self.capacity)
        for n in np.setdiff1d(np.arange(len(ids)), left_out):
            self._make(int(ids[n]), float(state["first"][n]))
            slot, held = self._slot[int(ids[n])], weight[n] > 0
            self._last[slot] = state["last"][n]
            self._looks.load(slot, state["raw"][n][held], weight[n][held])


def _least_useful(ids: Ints, absence: Doubles, crops: Floats, count: int) -> Ints:
    """Places of the `count` least useful identities, the worst first: see `MemoryBank`; of equals, the lowest id."""
    count = min(count, len(ids))
    if count <= 0:
        return np.zeros(0, np.int64)
    badness = absence / (1 + np.log1p(crops))
    worst = np.flatnonzero(badness >= np.partition(badness, -count)[-count])
    return worst[np.lexsort((ids[worst], -badness[worst]))][:count]


def _view(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    view: npt.NDArray[_Scalar] = array.view()
    view.flags.writeable = False
    return view
