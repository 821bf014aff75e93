"""The ledger in a SQLite file: no server, several processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..._typing import Floats
from ...errors import GalleryError
from ..records import Records, Visit
from .checks import check_new, check_same
from .conditions import Condition
from .database import Health, Session
from .forks import FORKS
from .rows import PAGE, SIGHTING_COLUMNS, STORED, Row, detail_row, records_of, visit_row
from .sqlite_file import SQLiteConnection, check_place, copy, create, is_there

PATIENCE = 30.0
LOG_LIMIT = 256 * 2**20

_LONG_LOG = 64 * 2**20
# Changes that are kept for the replicas of other processes; one that is further behind reads everything anew.
_CHANGES = 50_000
# Tables whose rows belong to those of another, by which column.
_SIDES = {"sightings": ("vectors", "seq"), "visits": ("details", "id")}

_PUT_SIGHTING = """
INSERT INTO sightings (id, identity, visit, camera, time, class, quality) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, visit = excluded.visit, camera = excluded.camera,
    time = excluded.time, class = excluded.class, quality = excluded.quality
"""
_PUT_VECTOR = "INSERT OR REPLACE INTO vectors (seq, embedding) SELECT seq, ? FROM sightings WHERE id = ?"
_PUT_VISIT = """
INSERT OR REPLACE INTO visits (id, identity, camera, class, began, ended, probability) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_PUT_DETAILS = "INSERT OR REPLACE INTO details (id, path, crop) VALUES (?, ?, ?)"
_LISTED = "SELECT (SELECT min(number) FROM changes), (SELECT max(number) FROM changes)"
_CHANGED = "SELECT DISTINCT id FROM changes WHERE number > ? ORDER BY id"
_QUEUE = (
    "CREATE TABLE IF NOT EXISTS followers (place TEXT PRIMARY KEY, token TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS pending (number INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, id INTEGER)",
    *(
        f"CREATE TRIGGER IF NOT EXISTS queue_{event} AFTER {event} ON sightings BEGIN "
        f"INSERT INTO pending (place, id) SELECT place, {row}.id FROM followers; END"
        for event, row in (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD"))
    ),
)


class SQLiteDatabase:
    """One SQLite file; see `Database`.

    Any number of processes on one machine may use a file at once, but not over a network drive. What one has written,
    every other sees with its next call, without delay.

    What was written survives if this process or any other is killed. After a power cut the file is sound, but may lack
    the last sightings, of up to some 16 MiB; identities that were reserved are never given again.

    What is deleted is overwritten in the file, and the log emptied of it as soon as no other program reads. Deleting
    takes as much of the disk as is deleted, for a moment. Before a fork, calls in other threads are waited for.

    Args:
        path: Of the file.
        dim: See `open_store`.
        fingerprint: See `open_store`.
        patience: Seconds to wait for other writers.
        log_limit: Bytes of the write-ahead log (`…-wal`) from which on nothing more is written until it is emptied,
            which another program prevents that reads for long.

    Attributes:
        searching: Held by the thread that searches a replica of this file.

    Raises:
        GalleryError: See `open_store`.
        GalleryUnavailable: If the disk is full, or others write for too long.
    """

    locked = ""
    sightings = "sightings JOIN vectors USING (seq)"
    detailed_visits = "visits JOIN details USING (id)"

    def __init__(
        self,
        path: Path,
        dim: int | None = None,
        fingerprint: str | None = None,
        *,
        patience: float = PATIENCE,
        log_limit: int = LOG_LIMIT,
    ) -> None:
        try:
            self._path = Path(path).expanduser().resolve()
            self.uri = str(self._path)
            check_place(self._path)
            there = is_there(self._path)
        except GalleryError:
            raise
        except (OSError, ValueError, RuntimeError) as error:  # too long, with a NUL, of an unknown user
            raise GalleryError(f"the gallery can't be at {str(path)!r}: {error}") from error
        if not there:
            create(self._path, *check_new(self.uri, dim, fingerprint))
        self._reader = SQLiteConnection(self._path, patience, log_limit)
        self._writer = SQLiteConnection(self._path, patience, log_limit)
        self.searching = threading.RLock()
        FORKS.add(self)
        try:
            with self.reading() as session:
                held = session.execute("SELECT dim, fingerprint FROM gallery").fetchone()
            check_same(self.uri, held, (dim, fingerprint))
        except GalleryError:
            self.close()
            raise
        self.dim, self.fingerprint = held

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See `Database.reading`."""
        with self._reader.using() as connection:
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """See `Database.writing`."""
        with self._writer.writing(lasting=lasting) as connection:
            yield connection

    def among(self, column: str, values: list[int] | list[str]) -> Condition:
        """See `Database.among`."""
        return Condition(f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(values),))

    def put_sightings(self, session: Session, records: Records) -> None:
        """See `Database.put_sightings`; rows that are replaced keep their sequence numbers."""
        connection, ids = _connection(session), records.ids.tolist()
        self.note_changes(session, self.among("id", ids))
        numbers = (records.ids, records.identities, records.visits)
        columns = [c.tolist() for c in (*numbers, records.times, records.classes, records.qualities)]
        connection.executemany(_PUT_SIGHTING, zip(*columns[:3], records.cameras, *columns[3:], strict=True))
        vectors = (row.tobytes() for row in records.embeddings.astype(STORED))
        connection.executemany(_PUT_VECTOR, zip(vectors, ids, strict=True))

    def put_visits(self, session: Session, visits: Sequence[Visit]) -> None:
        """See `Database.put_visits`."""
        _connection(session).executemany(_PUT_VISIT, map(visit_row, visits))
        _connection(session).executemany(_PUT_DETAILS, ((int(v.id), *detail_row(v)) for v in visits))

    def note_changes(self, session: Session, condition: Condition) -> None:
        """See `Database.note_changes`."""
        # No trigger does it: with one, SQLite copies every page that an insert touches.
        text = f"INSERT INTO changes (id) SELECT id FROM sightings WHERE {condition.text}"
        if session.execute(text, condition.values).rowcount:
            oldest = "(SELECT max(number) FROM changes) - ?"
            session.execute(f"DELETE FROM changes WHERE number <= {oldest}", (_CHANGES,))

    def delete(self, session: Session, table: str, condition: Condition) -> int:
        """See `Database.delete`."""
        if table == "sightings":
            self.note_changes(session, condition)
        side, key = _SIDES[table]
        chosen = f"SELECT {key} FROM {table} WHERE {condition.text}"
        session.execute(f"DELETE FROM {side} WHERE {key} IN ({chosen})", condition.values)
        return session.execute(f"DELETE FROM {table} WHERE {condition.text}", condition.values).rowcount

    def embeddings(self, rows: Sequence[Row]) -> Floats:
        """See `Database.embeddings`.

        Raises:
            GalleryError: If one has another length than it must have.
        """
        stored = [row[-1] for row in rows]
        if any(len(e) != self.dim * STORED.itemsize for e in stored):
            raise GalleryError(f"the gallery is corrupt: one of its embeddings isn't of dimension {self.dim}")
        return np.frombuffer(b"".join(stored), STORED).astype(np.float32).reshape(-1, self.dim)

    def make_queue(self, session: Session) -> None:
        """See `Database.make_queue`."""
        for statement in _QUEUE:
            session.execute(statement)

    def lock(self, session: Session, place: str) -> None:
        """See `Database.lock`; there is one writer at a time anyway."""

    def scrub(self) -> None:
        """See `Database.scrub`: the log still holds what was deleted."""
        self._writer.empty_log(0)

    def backup(self, path: Path) -> None:
        """See `Ledger.backup`; others may write meanwhile, as far as the log's limit lets them."""
        with self._reader.using() as connection:
            copy(connection, Path(path).expanduser().resolve())

    def health(self, sightings: int, visits: int) -> Health:
        """See `Database.health`."""
        log, note = self._reader.log_bytes(), ""
        if log > _LONG_LOG:
            note = f"its log has {log / 2**20:.0f} MiB: another program has been reading for long"
        size = self._path.stat().st_size + log
        return Health(f"SQLite {sqlite3.sqlite_version}", sightings, visits, size, note)

    def close(self) -> None:
        """See `Database.close`."""
        FORKS.discard(self)
        self._writer.finish()
        self._reader.finish()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Without a call under way in another thread, and without open files, which are opened again when needed."""
        with self.searching, self._writer.lock, self._reader.lock:
            self._writer.close()
            self._reader.close()
            yield

    # For replicas in memory, each of which reads in short transactions.

    def version(self) -> tuple[int, int]:
        """Changes with every commit to the file, of any process, and whenever the file is opened again."""
        with self._reader.using() as connection:
            return self._reader.opened, connection.execute("PRAGMA data_version").fetchone()[0]

    def changed(self, since: int) -> tuple[list[int] | None, int]:
        """Ids of sightings that were replaced, relabeled or deleted after a change, and the number of the last change.

        None in place of the ids if some of these changes are no longer listed.
        """
        with self._reader.reading() as connection:
            oldest, newest = connection.execute(_LISTED).fetchone()
            if oldest is not None and oldest > since + 1:
                return None, newest
            return [id for (id,) in connection.execute(_CHANGED, (since,))], newest or 0

    def written(self, after: int) -> tuple[Records, int]:
        """The first 4,096 sightings beyond a sequence number, and the last one's number."""
        text = f"SELECT seq, {SIGHTING_COLUMNS} FROM {self.sightings} WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._reader.using() as connection:
            rows = connection.execute(text, (after, PAGE)).fetchall()
        return records_of([row[1:] for row in rows], self.embeddings(rows)), rows[-1][0] if rows else after


def _connection(session: Session) -> sqlite3.Connection:
    assert isinstance(session, sqlite3.Connection)
    return session
