"""A gallery in Milvus: for sites that need more than one server to hold or search it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..._typing import Floats, Ints
from ...errors import GalleryError
from ..records import ANY, Filter, Hits, Records, Visit, check_name, checked_records, checked_visits
from . import Deleted, Health
from .checks import check_blob, check_identity, check_new, check_queries, check_reserved, check_same
from .milvus_claims import Claims
from .milvus_client import BOUNDED, MAX_ROWS, STRONG, Connect, Link, Row, parsed
from .milvus_files import Files
from .milvus_filters import EVERYTHING, of_ids, of_sightings, of_visits
from .milvus_rows import (
    CLAIMS,
    DETAILS,
    FILES,
    NAMES,
    NO_VECTOR,
    ROW_BYTES,
    SIGHTINGS,
    VECTOR,
    VISITS,
    columns,
    records_of,
    row_of,
    rows_of,
    schema,
    visit_bytes,
    visit_of,
)

_FINGERPRINT = "reid.fingerprint"
# The sightings are made last, and tell that there is a gallery.
_COLLECTIONS = (VISITS, NAMES, FILES, CLAIMS, SIGHTINGS)

# An answer above 100 MB is refused by a server as it is shipped.
_MAX_ANSWERED = 32 * 2**20
_HIT_BYTES = 16
# Visits with details that are read at once, of at most 1.4 MB each.
_DETAILED = 64

# Inner products of the same two vectors differ by less than this, however they were summed up. Among equals the lowest
# ids are asked for, so a search goes on until it has seen all that may equal the last hit.
_EQUAL = 1e-5
_SPARE, _MORE = 16, 8
_TRIES = 3


class MilvusStore:
    """A gallery in Milvus.

    A database holds one gallery, in five collections whose names begin with `reid_`. The database must be there.

    *What a cluster adds.* Rows are spread by their ids over the shards that write and, in segments, over the nodes
    that search; replicas, a setting of the server's, answer more searches and outlive a node. There is no partition
    key: people are searched for over all cameras. The vectors' index is FLAT: every search compares with all that
    match the filter, which more nodes do in less time. An approximate index can't answer an exact search, so none is
    made; whoever puts one in its place gets approximate answers to all.

    *What a read sees.* All reads are strongly consistent: they see everything that any client's write had acknowledged
    before, and may wait for that for some 0.2 s. Only a search with `exact=False` has bounded staleness: it answers at
    once and may miss what was written in the last 5 s. If it finds fewer than `k`, it is repeated with the former.

    *What isn't atomic.* Milvus has no transactions: a write of a single row is whole or not at all, one of many may be
    cut off in the middle. So the order is such that nothing refers to what isn't there, and trying again completes it:
    `upsert` writes visits and then their sightings, `relabel` and `delete` take the sightings and then the visits.
    `relabel` reads rows and writes them again with another identity; a row that another client deletes or changes
    meanwhile may come back as it was.

    A visit's path and crop may have 1 MiB together.

    Args:
        uri: `milvus://[user:password@]host[:19530][/database][?secure=true]`.
        dim: `D` of the embeddings to come, 1 to 16,000; None: whatever is there.
        fingerprint: Of their embedder; None: whatever is there.
        connect: Makes a `MilvusClient`, whose server is trusted; None: one to the address.

    Raises:
        GalleryMissing: If there is no gallery and it isn't said what for.
        GalleryError: If the address can't be used, or leads to a local path or to Milvus Lite; it holds other vectors;
            or the extra isn't installed.
        GalleryUnavailable: If the server doesn't answer.
    """

    def __init__(
        self, uri: str, dim: int | None = None, fingerprint: str | None = None, *, connect: Connect | None = None
    ) -> None:
        address = parsed(uri)
        self.uri = address.shown
        self._link = Link(connect or address.connect, self.uri)
        try:
            self.dim, self.fingerprint = self._opened(dim, fingerprint)
        except GalleryError:
            self._link.close()
            raise
        self._files = Files(self._link)
        self._claims = Claims(self._link, CLAIMS, self._used)
        self._sighting_bytes = ROW_BYTES + 4 * self.dim

    def _opened(self, dim: int | None, fingerprint: str | None) -> tuple[int, str]:
        if self._link.has(SIGHTINGS):
            held = self._held()
            check_same(self.uri, held, (dim, fingerprint))
        else:
            held = check_new(self.uri, dim, fingerprint)
        # What a client that died left unfinished is made up for.
        for collection in _COLLECTIONS:
            self._link.make(collection, schema(collection, held[0]), VECTOR, {_FINGERPRINT: held[1]})
        for collection in _COLLECTIONS:
            self._link.load(collection)
        # Somebody else may have made it at the same time, for other vectors.
        check_same(self.uri, self._held(), held)
        return held

    def _held(self) -> tuple[int, str]:
        described = self._link.described(SIGHTINGS)
        if _FINGERPRINT not in described["properties"]:
            raise GalleryError(f"the collection {SIGHTINGS} at {self.uri} isn't a gallery's")
        (dim,) = [field["params"]["dim"] for field in described["fields"] if field["name"] == VECTOR]
        return int(dim), str(described["properties"][_FINGERPRINT])

    def reserve(self, count: int) -> int:
        """See `Store`; how, `Claims` tells."""
        return self._claims.take(check_reserved(count))

    def _used(self, first: int, last: int) -> set[int]:
        places = ((SIGHTINGS, "identity"), (VISITS, "identity"), (NAMES, "id"))
        return set().union(*(self._distinct(*place, first, last) for place in places))

    def _distinct(self, collection: str, column: str, first: int, last: int) -> set[int]:
        """The values of a column from first to last, of which Milvus can't give each just once."""
        seen: set[int] = set()
        while True:
            others = [of_ids(column, seen, never=True)] if seen else []
            where = " and ".join([f"{column} >= {first}", f"{column} <= {last}", *others])
            rows = self._link.query(collection, where, [column], limit=MAX_ROWS)
            seen.update(int(row[column]) for row in rows)
            if len(rows) < MAX_ROWS:
                return seen

    def upsert(self, records: Records, visits: Sequence[Visit] = ()) -> None:
        """See `Store`; visits first."""
        rows = rows_of(checked_records(records, self.dim))
        self._write_visits([row_of(v) for v in checked_visits(visits)])
        self._link.upsert(SIGHTINGS, rows, self._sighting_bytes)

    def _write_visits(self, rows: Sequence[Row]) -> None:
        self._link.upsert(VISITS, rows, max(map(visit_bytes, rows), default=ROW_BYTES))

    def search(self, queries: Floats, k: int, where: Filter = ANY, *, exact: bool = True) -> list[Hits]:
        """See `Store`; among more than 16,000 equals, any may be found."""
        asked, matching = check_queries(queries, self.dim, k), of_sightings(where)
        if matching is None:
            return [self._hits(query, [], k) for query in asked]
        level = STRONG if exact else BOUNDED
        for _ in range(_TRIES):
            found = self._nearest(asked, k, min(k + _SPARE, MAX_ROWS), matching, level)
            fewest = min(map(len, found), default=k)
            there = k if fewest == k else min(k, self._link.count(SIGHTINGS, matching))
            if fewest >= there:
                return found
            # Bounded staleness, or somebody wrote in between.
            level = STRONG
        raise GalleryError(f"Milvus at {self.uri} found {fewest} sightings, and at least {there} match")

    def _nearest(self, queries: Floats, k: int, limit: int, where: str, level: str) -> list[Hits]:
        found = []
        for query, rows in zip(queries, self._rows_near(queries, limit, where, level), strict=True):
            full = len(rows) == limit < MAX_ROWS
            if full and rows[k - 1]["distance"] - rows[-1]["distance"] <= _EQUAL:
                found += self._nearest(query[None], k, min(limit * _MORE, MAX_ROWS), where, level)
            else:
                found.append(self._hits(query, rows, k))
        return found

    def _rows_near(self, queries: Floats, limit: int, where: str, level: str) -> Iterator[list[Row]]:
        """The rows that Milvus holds for nearest, whole if they aren't too many for an answer, or else their ids."""
        whole = limit * self._sighting_bytes <= _MAX_ANSWERED
        fields = self._whole if whole else ["id"]
        size = max(1, _MAX_ANSWERED // (limit * (self._sighting_bytes if whole else _HIT_BYTES)))
        for n in range(0, len(queries), size):
            part = queries[n : n + size]
            yield from self._link.search(SIGHTINGS, VECTOR, part, where, limit=limit, fields=fields, level=level)

    def _hits(self, query: Floats, rows: Sequence[Row], k: int) -> Hits:
        whole = all(VECTOR in row["entity"] for row in rows)
        ids = np.array([row["id"] for row in rows], np.int64)
        records = records_of([row["entity"] for row in rows], self.dim) if whole else self.get(ids)
        # Row by row, so that equal vectors are equally alike: a product of matrices sums up in several orders.
        similarities = np.clip((records.embeddings * query).sum(axis=1), -1, 1)
        best = np.lexsort((records.ids, -similarities))[:k]
        return Hits(records.take(best), similarities[best])

    def get(self, ids: Ints) -> Records:
        """See `Store`."""
        found: dict[int, Row] = {}
        asked, size = np.asarray(ids, np.int64).tolist(), max(1, _MAX_ANSWERED // self._sighting_bytes)
        for n in range(0, len(asked), size):
            where = of_ids("id", dict.fromkeys(asked[n : n + size]))
            found.update({row["id"]: row for row in self._link.query(SIGHTINGS, where, self._whole)})
        return records_of([found[id] for id in asked if id in found], self.dim)

    @property
    def _whole(self) -> list[str]:
        return [*columns(SIGHTINGS), VECTOR]

    def scan(self, where: Filter = ANY, batch: int = 1000) -> Iterator[Records]:
        """See `Store`."""
        for page in self._sightings(of_sightings(where), batch):
            yield records_of(page, self.dim)

    def _sightings(self, where: str | None, batch: int) -> Iterator[list[Row]]:
        size = min(batch, max(1, _MAX_ANSWERED // self._sighting_bytes))
        return iter(()) if where is None else self._link.pages(SIGHTINGS, where, self._whole, size)

    def visits(self, where: Filter = ANY, *, details: bool = True, batch: int = 1000) -> Iterator[Visit]:
        """See `Store`."""
        fields = [name for name in columns(VISITS) if details or name not in DETAILS]
        for page in self._visits(of_visits(where), fields, min(batch, _DETAILED) if details else batch):
            yield from map(visit_of, page)

    def _visits(self, where: str | None, fields: Sequence[str], size: int) -> Iterator[list[Row]]:
        return iter(()) if where is None else self._link.pages(VISITS, where, fields, size)

    def relabel(self, where: Filter, identity: int) -> int:
        """See `Store`; sightings first, read and written again."""
        new, changed = {"identity": check_identity(identity)}, 0
        for page in self._sightings(of_sightings(where), MAX_ROWS):
            self._link.upsert(SIGHTINGS, [{**row, **new} for row in page], self._sighting_bytes)
            changed += len(page)
        for page in self._visits(of_visits(where), columns(VISITS), _DETAILED):
            self._write_visits([{**row, **NO_VECTOR, **new} for row in page])
        return changed

    def delete(self, where: Filter) -> Deleted:
        """See `Store`; sightings first."""
        sightings = self._deleted(SIGHTINGS, of_sightings(where))
        visits = of_visits(where, within=True) if where.min_quality is None else None
        return Deleted(sightings, self._deleted(VISITS, visits))

    def _deleted(self, collection: str, where: str | None) -> int:
        deleted = 0
        for page in () if where is None else self._link.pages(collection, where, ["id"], MAX_ROWS):
            self._link.delete(collection, [row["id"] for row in page])
            deleted += len(page)
        return deleted

    def count(self, where: Filter = ANY) -> int:
        """See `Store`."""
        matching = of_sightings(where)
        return 0 if matching is None else self._link.count(SIGHTINGS, matching)

    def population(self) -> int:
        """See `Store`; reads the identity of every sighting, as Milvus can't count different values."""
        pages = self._link.pages(SIGHTINGS, EVERYTHING, ["identity"], MAX_ROWS)
        return len({row["identity"] for page in pages for row in page})

    def names(self) -> dict[int, str]:
        """See `Store`."""
        pages = self._link.pages(NAMES, EVERYTHING, columns(NAMES), MAX_ROWS)
        return {row["id"]: row["name"] for page in pages for row in page}

    def name(self, identity: int, name: str) -> None:
        """See `Store`."""
        check_name("identity", name)
        row = {"id": check_identity(identity), "name": name, **NO_VECTOR}
        if name:
            self._link.upsert(NAMES, [row], ROW_BYTES)
        else:
            self._link.delete(NAMES, [row["id"]])

    def blob(self, key: str) -> bytes | None:
        """See `Store`."""
        return self._files.get(key)

    def blobs(self, prefix: str) -> list[str]:
        """See `Store`."""
        return [key for key in self._files.keys() if key.startswith(prefix)]  # noqa: SIM118

    def put_blob(self, key: str, value: bytes) -> None:
        """See `Store`; `Files` tells how."""
        check_blob(key, value)
        self._files.put(key, value)

    def flush(self) -> None:
        """See `Store`: waits until the nodes that search have caught up.

        It doesn't write segments to disk, as Milvus's own flush does: what it acknowledged is in its log already.
        """
        self._link.wait(SIGHTINGS)

    def backup(self, path: Path) -> None:
        """Refused: Milvus has a tool for it.

        Raises:
            GalleryError: Always.
        """
        raise GalleryError(
            f"a gallery in Milvus isn't backed up into a file, here {path}: use milvus-backup, "
            f"https://github.com/zilliztech/milvus-backup, with the collections reid_* of {self.uri}"
        )

    def health(self) -> Health:
        """See `Store`; Milvus doesn't tell what it takes on disk."""
        sightings, visits = (self._link.count(c, EVERYTHING) for c in (SIGHTINGS, VISITS))
        return Health(f"Milvus {self._link.version()}", sightings, visits, None)

    def close(self) -> None:
        """See `Store`."""
        self._link.close()
