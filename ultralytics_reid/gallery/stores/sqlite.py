"""A gallery in a SQLite file, searched exactly in memory: no server, several processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..._typing import Floats, Ints
from ...errors import GalleryError
from ..records import ANY, FIRST_LOCAL_ID, Filter, Hits, Records, Visit, check_name, checked_records, checked_visits
from . import Deleted, Health
from .checks import check_blob, check_identity, check_new, check_queries, check_reserved, check_same
from .database import Connection, check_place, copy, create, is_there
from .following import FollowingCache
from .forks import FORKS
from .rows import (
    DETAILED_VISITS,
    SIGHTINGS,
    VISITS,
    Row,
    as_sightings,
    as_visit,
    delete_sightings,
    delete_visits,
    note_changes,
    pages,
    put_sightings,
    put_visits,
)
from .sql import Condition, is_member, members, of_sightings, of_visits, of_visits_within

PATIENCE = 30.0
LOG_LIMIT = 256 * 2**20

_LONG_LOG = 64 * 2**20
_LAST = FIRST_LOCAL_ID - 1
_IN_USE = """
SELECT identity FROM sightings WHERE identity BETWEEN ? AND ?
UNION SELECT identity FROM visits WHERE identity BETWEEN ? AND ?
UNION SELECT identity FROM names WHERE identity BETWEEN ? AND ? ORDER BY 1
"""
# Walks along the index from one identity to the next.
_POPULATION = """
WITH RECURSIVE next (identity) AS (
    SELECT min(identity) FROM sightings
    UNION ALL
    SELECT (SELECT min(identity) FROM sightings WHERE identity > next.identity) FROM next WHERE identity IS NOT NULL
) SELECT count(identity) FROM next
"""


class SQLiteStore:
    """A gallery's rows in one SQLite file; see `Store`.

    Any number of processes on one machine may use a file at once, but not over a network drive. What one has written,
    every other sees with its next call, without delay. A process that searches keeps all embeddings in memory (2 KiB
    each at 512 dimensions), from its first search on.

    What was written survives if this process or any other is killed. After a power cut the file is sound, but may lack
    the last sightings, of up to some 16 MiB; identities that were reserved are never given again.

    What is deleted is overwritten in the file, and the log emptied of it as soon as no other program reads. Deleting
    takes as much of the disk as is deleted, for a moment. Before a fork, calls in other threads are waited for.

    Args:
        path: Of the file.
        dim: See `open_store`.
        fingerprint: See `open_store`.
        patience: Seconds to wait for others who write.
        log_limit: Bytes of the write-ahead log (`…-wal`) from which on nothing more is written until it is emptied,
            which another program prevents that reads for long.

    Raises:
        GalleryError: See `open_store`.
        GalleryUnavailable: If the disk is full, or others write for too long.
    """

    def __init__(
        self,
        path: Path,
        dim: int | None = None,
        fingerprint: str | None = None,
        *,
        patience: float = PATIENCE,
        log_limit: int = LOG_LIMIT,
    ) -> None:
        self._path = Path(path).expanduser().resolve()
        self.uri = str(self._path)
        check_place(self._path)
        if not is_there(self._path):
            create(self._path, *check_new(self.uri, dim, fingerprint))
        self._reader = Connection(self._path, patience, log_limit)
        self._writer = Connection(self._path, patience, log_limit)
        self._searching = threading.RLock()
        FORKS.add(self)
        self.dim, self.fingerprint = self._purpose(dim, fingerprint)
        self._cache = FollowingCache(self._reader, self.dim)

    def _purpose(self, dim: int | None, fingerprint: str | None) -> tuple[int, str]:
        try:
            meta: dict[str, int | str] = dict(self._rows("SELECT key, value FROM meta"))
            held = (int(meta["dim"]), str(meta["fingerprint"]))
            check_same(self.uri, held, (dim, fingerprint))
        except GalleryError:
            self.close()
            raise
        return held

    def reserve(self, count: int) -> int:
        """See `Store.reserve`."""
        count = check_reserved(count)
        with self._writer.writing(lasting=True) as connection:
            (after,) = connection.execute("SELECT value FROM meta WHERE key = 'next_identity'").fetchone()
            first = _free(connection, after, count)
            if first is None:
                raise GalleryError(f"the gallery {self.uri} has no {count} consecutive identities left")
            connection.execute("UPDATE meta SET value = ? WHERE key = 'next_identity'", (first + count,))
        return first

    def upsert(self, records: Records, visits: Sequence[Visit] = ()) -> None:
        """See `Store.upsert`."""
        records, visits = checked_records(records, self.dim), checked_visits(visits)
        with self._writer.writing() as connection:
            put_sightings(connection, records)
            put_visits(connection, visits)

    def search(self, queries: Floats, k: int, where: Filter = ANY, *, exact: bool = True) -> list[Hits]:  # noqa: ARG002
        """See `Store.search`; it is always exact."""
        queries = check_queries(queries, self.dim, k)
        with self._searching:
            return self._cache.search(queries, k, where)

    def get(self, ids: Ints) -> Records:
        """See `Store.get`."""
        wanted = np.asarray(ids, np.int64).tolist()
        text = f"{SIGHTINGS} WHERE {is_member('id')}"
        rows = [row for page in pages(wanted) for row in self._rows(text, (members(page),))]
        _, found = as_sightings(rows, self.dim)
        place = {id: n for n, id in enumerate(found.ids.tolist())}
        return found.take([place[id] for id in wanted if id in place])

    def scan(self, where: Filter = ANY, batch: int = 1000) -> Iterator[Records]:
        """See `Store.scan`."""
        condition, last = of_sightings(where), -1
        while rows := self._after(SIGHTINGS, condition, last, batch):
            _, records = as_sightings(rows, self.dim)
            yield records
            last = int(records.ids[-1])

    def visits(self, where: Filter = ANY, *, details: bool = True, batch: int = 1000) -> Iterator[Visit]:
        """See `Store.visits`."""
        condition, last = of_visits(where), -1
        while rows := self._after(DETAILED_VISITS if details else VISITS, condition, last, batch):
            yield from map(as_visit, rows)
            last = rows[-1][0]

    def relabel(self, where: Filter, identity: int) -> int:
        """See `Store.relabel`."""
        identity, sightings, visits = check_identity(identity), of_sightings(where), of_visits(where)
        with self._writer.writing() as connection:
            note_changes(connection, sightings)
            text = f"UPDATE sightings SET identity = ? WHERE {sightings.text}"
            count = connection.execute(text, (identity, *sightings.values)).rowcount
            connection.execute(f"UPDATE visits SET identity = ? WHERE {visits.text}", (identity, *visits.values))
        return count

    def delete(self, where: Filter) -> Deleted:
        """See `Store.delete`."""
        with self._writer.writing() as connection:
            sightings = delete_sightings(connection, of_sightings(where))
            visits = delete_visits(connection, of_visits_within(where)) if where.min_quality is None else 0
        # The log still holds what was deleted.
        self._writer.empty_log(0)
        return Deleted(sightings, visits)

    def count(self, where: Filter = ANY) -> int:
        """See `Store.count`."""
        condition = of_sightings(where)
        return self._number(f"SELECT count(*) FROM sightings WHERE {condition.text}", condition.values)

    def population(self) -> int:
        """See `Store.population`."""
        return self._number(_POPULATION)

    def names(self) -> dict[int, str]:
        """See `Store.names`."""
        return dict(self._rows("SELECT identity, name FROM names ORDER BY identity"))

    def name(self, identity: int, name: str) -> None:
        """See `Store.name`."""
        identity = check_identity(identity)
        check_name("member", name)
        with self._writer.writing() as connection:
            connection.execute("DELETE FROM names WHERE identity = ?", (identity,))
            connection.executemany("INSERT INTO names VALUES (?, ?)", [(identity, name)] if name else [])

    def blob(self, key: str) -> bytes | None:
        """See `Store.blob`."""
        rows = self._rows("SELECT value FROM blobs WHERE key = ?", (key,))
        return bytes(rows[0][0]) if rows else None

    def blobs(self, prefix: str) -> list[str]:
        """See `Store.blobs`."""
        return sorted(key for (key,) in self._rows("SELECT key FROM blobs") if key.startswith(prefix))

    def put_blob(self, key: str, value: bytes) -> None:
        """See `Store.put_blob`."""
        check_blob(key, value)
        with self._writer.writing() as connection:
            connection.execute("DELETE FROM blobs WHERE key = ?", (key,))
            connection.executemany("INSERT INTO blobs VALUES (?, ?)", [(key, value)] if value else [])

    def flush(self) -> None:
        """See `Store.flush`; others see everything anyway."""

    def backup(self, path: Path) -> None:
        """See `Store.backup`; others may write meanwhile, as far as the log's limit lets them."""
        with self._reader.using() as connection:
            copy(connection, Path(path).expanduser().resolve())

    def health(self) -> Health:
        """See `Store.health`."""
        visits, log = self._number("SELECT count(*) FROM visits"), self._reader.log_bytes()
        note = f"its log has {log / 2**20:.0f} MiB: another program has been reading for long" * (log > _LONG_LOG)
        return Health(f"SQLite {sqlite3.sqlite_version}", self.count(), visits, self._path.stat().st_size + log, note)

    def close(self) -> None:
        """See `Store.close`."""
        FORKS.discard(self)
        self._writer.finish()
        self._reader.finish()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Without a call under way in another thread, and without open files, which are opened again when needed."""
        with self._searching, self._writer.lock, self._reader.lock:
            self._writer.close()
            self._reader.close()
            yield

    def _rows(self, text: str, values: Row = ()) -> list[Row]:
        with self._reader.using() as connection:
            return connection.execute(text, values).fetchall()

    def _number(self, text: str, values: Row = ()) -> int:
        return int(self._rows(text, values)[0][0])

    def _after(self, source: str, condition: Condition, last: int, batch: int) -> list[Row]:
        """The next rows by id."""
        if batch < 1:
            raise GalleryError(f"batch must be 1 or more, got {batch!r}")
        after = condition.and_after("id", last)
        return self._rows(f"{source} WHERE {after.text} ORDER BY id LIMIT ?", (*after.values, batch))


def _free(connection: sqlite3.Connection, after: int, count: int) -> int | None:
    """The first of so many identities that nobody has, from one on, and else from 1 on."""
    for start, end in ((after, after + count - 1), (after, _LAST), (1, _LAST)):
        used = [identity for (identity,) in connection.execute(_IN_USE, 3 * (start, min(end, _LAST)))]
        edges = np.array([start - 1, *used, min(end, _LAST) + 1], np.int64)
        fits = np.flatnonzero(np.diff(edges) > count)
        if len(fits):
            return int(edges[fits[0]]) + 1
    return None
