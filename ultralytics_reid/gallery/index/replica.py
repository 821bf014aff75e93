"""Exact search in memory: a replica of a SQLite ledger's sightings in NumPy arrays, which follows the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._typing import Bools, Floats, Ints
from ..ledger.ledger import Ledger
from ..ledger.rows import pages
from ..ledger.sqlite import SQLiteDatabase
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


class Arrays:
    """Sightings in arrays that grow by doubling, in the order in which they came.

    The place of one that was removed stays empty until half of the places are.

    Args:
        dim: `D` of the embeddings.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self.clear()

    def clear(self) -> None:
        """Remove all."""
        self._used = 0
        self._place: dict[int, int] = {}
        self._names: list[str] = []
        self._code: dict[str, int] = {}
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "cameras": np.zeros(0, np.int64),
            **{name: getattr(nothing(self._dim), name) for name in (*_COLUMNS, "embeddings")},
        }

    def __len__(self) -> int:
        return len(self._place)

    def expect(self, count: int) -> None:
        """Allocate room for so many more rows at once."""
        needed = self._used + count
        if needed > len(self._arrays["ids"]):
            self._resize(needed)

    def add(self, records: Records) -> None:
        """Append sightings; those whose ids are there already are replaced."""
        ids = records.ids.tolist()
        new = [id for id in ids if id not in self._place]
        needed = self._used + len(new)
        if needed > len(self._arrays["ids"]):
            self._resize(max(_FIRST_ROWS, needed, 2 * self._used))
        self._place.update(zip(new, range(self._used, needed), strict=True))
        self._used = needed
        places = np.array([self._place[id] for id in ids], np.int64)
        for name in (*_COLUMNS, "embeddings"):
            self._column(name)[places] = getattr(records, name)
        self._column("cameras")[places] = [self._known(camera) for camera in records.cameras]

    def remove(self, ids: Ints) -> None:
        """Remove sightings and wipe their embeddings; ids that aren't there are ignored."""
        places = [self._place.pop(id) for id in ids.tolist() if id in self._place]
        self._column("ids")[places] = _GONE
        self._column("embeddings")[places] = 0
        if len(self._place) < self._used // 2:
            self._compact()

    def search(self, queries: Floats, k: int, where: Filter = ANY) -> list[Hits]:
        """The rows most similar to each query, equals by id; see `Index.search`.

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

    def _known(self, camera: str) -> int:
        if camera not in self._code:
            self._code[camera] = len(self._names)
            self._names.append(camera)
        return self._code[camera]

    def _compact(self) -> None:
        left = np.flatnonzero(self._column("ids") != _GONE)
        self._arrays = {name: self._column(name)[left] for name in self._arrays}
        self._used = len(left)
        self._place = dict(zip(self._column("ids").tolist(), range(self._used), strict=True))

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
        if len(self._place) < self._used:
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


class Replica:
    """All sightings of a SQLite ledger in memory, read when they are first searched: 2 KiB each at 512 dimensions.

    New rows are those with higher sequence numbers than the last. Rows that changed or went are listed in the file; a
    replica that is further behind than this list reads everything anew. All is read in short transactions.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database
        self._ledger = Ledger(database)
        self._arrays = Arrays(database.dim)
        # Version of the file that the arrays show, the last change in them, and the last row's sequence number.
        self._version: tuple[int, int] | None = None
        self._change = self._last = 0

    def add(self, records: Records) -> None:
        """See `Index.add`."""
        self._arrays.add(records)

    def delete(self, ids: Ints) -> None:
        """See `Index.delete`."""
        self._arrays.remove(ids)

    def search(self, queries: Floats, k: int, where: Filter, *, exact: bool) -> list[Hits]:  # noqa: ARG002
        """See `Index.search`; it is always exact."""
        with self._database.searching:
            self._follow()
            return self._arrays.search(queries, k, where)

    def rebuild(self) -> bool:
        """See `Index.rebuild`."""
        with self._database.searching:
            self._version = None
            self._follow()
        return True

    def flush(self) -> None:
        """See `Index.flush`: the next search takes over what was written."""

    def _follow(self) -> None:
        version = self._database.version()
        # What is written from here on gives another version, so that the next search reads it if this one doesn't.
        if version != self._version:
            self._take_over()
            self._version = version

    def _take_over(self) -> None:
        changed, newest = self._database.changed(self._change)
        if self._version is None or changed is None:
            changed, self._last = [], 0
            self._arrays.clear()
            self._arrays.expect(self._ledger.count())
        for page in pages(changed if len(self._arrays) else []):
            records = self._ledger.get(np.array(page, np.int64))
            self.add(records)
            self.delete(np.setdiff1d(page, records.ids))
        self._change = newest
        records, self._last = self._database.written(self._last)
        while len(records):
            self.add(records)
            records, self._last = self._database.written(self._last)

    def health(self) -> tuple[str, str]:
        """See `Index.health`: it is the ledger's own."""
        return "", ""

    def close(self) -> None:
        """See `Index.close`."""
        with self._database.searching:
            self._arrays.clear()
            self._version = None


def _among(column: npt.NDArray[Any], wanted: frozenset[int]) -> Bools:
    return np.isin(column, np.fromiter(wanted, np.int64, len(wanted)))


def _best(similarities: Floats, k: int) -> Ints:
    """Places of the `k` highest, and of all that could be as high but for rounding."""
    if len(similarities) <= k:
        return np.arange(len(similarities))
    least = np.partition(similarities, -k)[-k]
    return np.flatnonzero(similarities >= least - np.float32(_ROUNDING))
