"""Sightings in memory, and exact search among them. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._typing import Bools, Floats, Ints
from ..records import ANY, Filter, Hits, Records, nothing

# Gathering a row and multiplying it costs some three times what multiplying it where it is does, as long as the block
# stays in the processor's cache: with blocks of 2 MiB it is ten times.
_FEW = 0.25
_GATHERED_VALUES = 2**17
_SIMILARITIES = 2**24
# Products of float32 unit vectors differ by less between one order of summing and another, at 16,000 dimensions too.
_ROUNDING = 1e-5
_FIRST_ROWS = 1024
_COLUMNS = ("ids", "identities", "visits", "times", "classes", "qualities")
_GONE = -1


class Cache:
    """Sightings in the order in which they were first written, in arrays that grow by doubling.

    A row's place is found by its sequence number. The place of one that was deleted stays empty until half of the
    places are.

    Args:
        dim: `D` of the embeddings.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._used = 0
        self._dead = 0
        self._names: list[str] = []
        self._code: dict[str, int] = {}
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "sequence": np.zeros(0, np.int64),
            "cameras": np.zeros(0, np.int64),
            **{name: getattr(nothing(self._dim), name) for name in (*_COLUMNS, "embeddings")},
        }

    def __len__(self) -> int:
        return self._used - self._dead

    @property
    def last(self) -> int:
        """The highest sequence number there is or was; 0 for none."""
        return int(self._column("sequence")[-1]) if self._used else 0

    def expect(self, count: int) -> None:
        """Make room for so many more rows at once."""
        needed = self._used + count
        if needed > len(self._arrays["sequence"]):
            self._resize(needed)

    def append(self, sequence: Ints, records: Records) -> None:
        """Add rows.

        Args:
            sequence: `(N,)` ascending, all above `last`.
            records: `(N,)`.
        """
        needed = self._used + len(sequence)
        if needed > len(self._arrays["sequence"]):
            self._resize(max(_FIRST_ROWS, needed, 2 * self._used))
        start, self._used = self._used, needed
        self._column("sequence")[start:] = sequence
        self._write(slice(start, needed), records)

    def replace(self, sequence: Ints, records: Records) -> None:
        """Change rows that are there; of others nothing is done."""
        places, there = self._places(sequence)
        self._write(places, records.take(np.flatnonzero(there)))

    def remove(self, sequence: Ints) -> None:
        """Take rows away, and wipe their embeddings; of rows that aren't there nothing is done."""
        places, _ = self._places(sequence)
        self._column("ids")[places] = _GONE
        self._column("embeddings")[places] = 0
        self._dead += len(places)
        if self._dead > self._used // 2:
            self._compact()

    def search(self, queries: Floats, k: int, where: Filter = ANY) -> list[Hits]:
        """The rows most alike to each query, equals by id; see `Store.search`.

        Args:
            queries: `(Q, D)` float32 of unit norm.
            k: Most hits a query.
            where: Only among these.
        """
        rows = self._rows(where)
        block = max(1, _SIMILARITIES // max(1, self._used))
        parts = [queries[start : start + block] for start in range(0, len(queries), block)]
        return [
            self._hits(query, rows, similarities, k)
            for part in parts
            for query, similarities in zip(part, self._similarities(part, rows), strict=True)
        ]

    def _vectors(self) -> Floats:
        embeddings: Floats = self._column("embeddings")
        return embeddings

    def _column(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name][: self._used]

    def _resize(self, rows: int) -> None:
        for name, old in self._arrays.items():
            self._arrays[name] = np.empty((rows, *old.shape[1:]), old.dtype)
            self._arrays[name][: self._used] = old[: self._used]

    def _write(self, places: slice | Ints, records: Records) -> None:
        for name in (*_COLUMNS, "embeddings"):
            self._column(name)[places] = getattr(records, name)
        self._column("cameras")[places] = self._codes(records.cameras)

    def _codes(self, cameras: Iterable[str]) -> Ints:
        return np.array([self._known(camera) for camera in cameras], np.int64)

    def _known(self, camera: str) -> int:
        if camera not in self._code:
            self._code[camera] = len(self._names)
            self._names.append(camera)
        return self._code[camera]

    def _places(self, sequence: Ints) -> tuple[Ints, Bools]:
        """Places of those rows that are there, and which of them are."""
        column = self._column("sequence")
        places = np.searchsorted(column, sequence)
        there = places < self._used
        there[there] = column[places[there]] == sequence[there]
        there[there] = self._column("ids")[places[there]] != _GONE
        return places[there], there

    def _compact(self) -> None:
        left = np.flatnonzero(self._column("ids") != _GONE)
        self._arrays = {name: self._column(name)[left] for name in self._arrays}
        self._used, self._dead = len(left), 0

    def _rows(self, where: Filter) -> Ints | None:
        """Places of the rows that match, None for all places."""
        conditions = list(self._conditions(where))
        if not conditions:
            return None
        right = conditions[0]
        for condition in conditions[1:]:
            right &= condition
        return np.flatnonzero(right)

    def _conditions(self, where: Filter) -> Iterator[Bools]:
        if self._dead:
            yield self._column("ids") != _GONE
        for name in ("identities", "visits", "classes"):
            if (wanted := getattr(where, name)) is not None:
                yield _among(self._column(name), wanted)
        if where.excluding:
            yield ~_among(self._column("identities"), where.excluding)
        if where.cameras is not None:
            yield np.array([name in where.cameras for name in self._names], bool)[self._column("cameras")]
        if where.since is not None:
            yield self._column("times") >= where.since
        if where.until is not None:
            yield self._column("times") <= where.until
        if where.min_quality is not None:
            yield self._column("qualities") >= np.float32(where.min_quality)

    def _similarities(self, queries: Floats, rows: Ints | None) -> Floats:
        """`(Q, N)` for the N rows, fast, of which the last digits may differ between equal rows."""
        embeddings = self._vectors()
        if rows is None:
            return np.asarray(queries @ embeddings.T)
        if len(rows) > _FEW * self._used:
            return np.asarray((queries @ embeddings.T)[:, rows])
        parts = [queries @ block.T for block in self._gathered(rows)]
        return np.concatenate([np.zeros((len(queries), 0), np.float32), *parts], axis=1)

    def _gathered(self, places: Ints) -> Iterator[Floats]:
        embeddings, step = self._vectors(), max(1, _GATHERED_VALUES // self._dim)
        return (embeddings[places[start : start + step]] for start in range(0, len(places), step))

    def _hits(self, query: Floats, rows: Ints | None, similarities: Floats, k: int) -> Hits:
        chosen = _best(similarities, k)
        places = chosen if rows is None else rows[chosen]
        exact = self._exactly(query, places)
        order = np.lexsort((self._column("ids")[places], -exact))[:k]
        return Hits(self._records(places[order]), exact[order])

    def _exactly(self, query: Floats, places: Ints) -> Floats:
        """Similarities that are the same for equal rows, wherever these are."""
        parts = [(block * query).sum(axis=1) for block in self._gathered(places)]
        return np.asarray(np.clip(np.concatenate([np.zeros(0, np.float32), *parts]), -1, 1), np.float32)

    def _records(self, places: Ints) -> Records:
        values = {name: self._column(name)[places] for name in (*_COLUMNS, "embeddings")}
        cameras = tuple(self._names[code] for code in self._column("cameras")[places])
        return Records(**values, cameras=cameras)


def _among(column: npt.NDArray[Any], wanted: frozenset[int]) -> Bools:
    return np.isin(column, np.fromiter(wanted, np.int64, len(wanted)))


def _best(similarities: Floats, k: int) -> Ints:
    """Places of the `k` highest, and of all that could be as high but for rounding."""
    if len(similarities) <= k:
        return np.arange(len(similarities))
    least = np.partition(similarities, -k)[-k]
    return np.flatnonzero(similarities >= least - np.float32(_ROUNDING))
