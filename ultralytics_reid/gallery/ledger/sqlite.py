"""The ledger in a SQLite file: no server, several processes."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ..._typing import Floats
from ...errors import GalleryError
from ..records import Records, Visit
from .checks import check_held, check_new, check_same, check_whole
from .conditions import Condition
from .database import Health, Session
from .forks import FORKS
from .rows import PAGE, SIGHTING_COLUMNS, STORED, Row, damaged, detail_row, records_of, visit_row
from .sqlite_file import SQLiteConnection, check_folder, check_place, copy, create, is_there, read_only_part

PATIENCE = 30.0
LOG_LIMIT = 256 * 2**20

_LONG_LOG = 64 * 2**20
# The file, in the gallery, that says that something deleted is still in the log, and seconds between two looks at it.
_UNSCRUBBED, _SCRUB_SECONDS = "unscrubbed", 1.0
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

    What is deleted is overwritten in the file, and the log emptied of it, as soon as no other program reads: `scrub`
    waits for that, or leaves a mark by which every writer tries again. Deleting takes as much of the disk as is
    deleted, for a moment. Before a fork, calls in other threads are waited for.

    A file that can't be written, or whose folder can't, is opened for reading where `dim` and `fingerprint` are None.

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
            check_folder(self._path)
            there = is_there(self._path)
        except GalleryError:
            raise
        except (OSError, ValueError, RuntimeError) as error:  # too long, with a NUL, of an unknown user
            raise GalleryError(f"the gallery can't be at {str(path)!r}: {error}") from error
        # A caller that doesn't say which embeddings are to come may only want to read.
        self._read_only = None
        if dim is None and fingerprint is None and there:
            self._read_only = read_only_part(self._path)
        else:
            check_place(self._path)
            if not there:
                create(self._path, *check_new(self.uri, dim, fingerprint))
        read_only = self._read_only is not None
        self._reader = SQLiteConnection(self._path, patience, log_limit, read_only=read_only)
        self._writer = SQLiteConnection(self._path, patience, log_limit, read_only=read_only)
        self.searching = threading.RLock()
        self._next_scrub = 0.0
        FORKS.add(self)
        try:
            with self.reading() as session:
                held = session.execute("SELECT dim, fingerprint FROM gallery").fetchone()
            held = check_held(self.uri, held)
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
        self._scrub_again()

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
        stored, size = [row[-1] for row in rows], self.dim * STORED.itemsize
        for row in rows:
            if not isinstance(row[-1], bytes) or len(row[-1]) != size:
                raise damaged("sighting", row[0], f"its embedding isn't of dimension {self.dim}")
        return np.frombuffer(b"".join(stored), STORED).astype(np.float32).reshape(-1, self.dim)

    def make_queue(self, session: Session) -> None:
        """See `Database.make_queue`."""
        for statement in _QUEUE:
            session.execute(statement)

    def lock(self, session: Session, place: str) -> None:
        """See `Database.lock`; there is one writer at a time anyway."""

    def scrub(self, seconds: float) -> str:
        """See `Database.scrub`: the log still holds what was deleted.

        Where another program reads meanwhile, a mark is left in the file, by which every writer tries again.
        """
        with self._writer.lock:
            if self._writer.empty_log(seconds):
                if self._is_unscrubbed():
                    with self._writer.writing() as connection:
                        connection.execute("DELETE FROM blobs WHERE key = ?", (_UNSCRUBBED,))
                return ""
            with self._writer.writing() as connection:
                connection.execute("INSERT OR REPLACE INTO blobs (key, value) VALUES (?, ?)", (_UNSCRUBBED, b"1"))
        return (
            f"what was deleted is still on disk, in {self._path.name} or its log, as another program is reading; "
            "it is overwritten with the next write or `prune` after that"
        )

    def _scrub_again(self) -> None:
        """Overwrite what a deletion, of any process, could not; the write before it has succeeded in any case."""
        if time.monotonic() < self._next_scrub:
            return
        self._next_scrub = time.monotonic() + _SCRUB_SECONDS
        with suppress(GalleryError):
            if self._is_unscrubbed():
                self.scrub(0)

    def _is_unscrubbed(self) -> bool:
        with self._writer.using() as connection:
            found = connection.execute("SELECT 1 FROM blobs WHERE key = ?", (_UNSCRUBBED,)).fetchone()
        return found is not None

    def backup(self, path: Path) -> None:
        """See `Ledger.backup`; others may write meanwhile, as far as the log's limit lets them."""
        with self._reader.using() as connection:
            copy(connection, Path(path).expanduser().resolve())

    def health(self, sightings: int, visits: int) -> Health:
        """See `Database.health`."""
        log = self._reader.log_bytes()
        note = "" if self._read_only is None else f"it can be read only: {self._read_only} is read-only"
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
            return [check_whole("changes.id", id) for (id,) in connection.execute(_CHANGED, (since,))], newest or 0

    def written(self, after: int) -> tuple[Records, int]:
        """The first 4,096 sightings beyond a sequence number, and the last one's number."""
        text = f"SELECT seq, {SIGHTING_COLUMNS} FROM {self.sightings} WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._reader.using() as connection:
            rows = connection.execute(text, (after, PAGE)).fetchall()
        return records_of([row[1:] for row in rows], self.embeddings(rows)), rows[-1][0] if rows else after


def _connection(session: Session) -> sqlite3.Connection:
    assert isinstance(session, sqlite3.Connection)
    return session
