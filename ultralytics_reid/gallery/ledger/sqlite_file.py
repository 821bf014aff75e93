"""A gallery's SQLite file: made whole or not at all, opened with care, and what its errors mean."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ...errors import GalleryError, GalleryReplaced, GalleryUnavailable

# Of a file, in `PRAGMA user_version`; the first one had none.
FORMAT = 2
# "ReID": tells a gallery from other databases.
_APPLICATION = 0x52654944
_PAGE = 16_384
_CACHE_KIB = 16_384
_CHECKPOINT_SECONDS = 1.0
_SIDES = ("-wal", "-shm", "-journal")

# Sightings and vectors are two tables, so that what reads or changes everything but vectors never touches their pages.
# A row's `seq` is given when it is first written, in the order of the transactions; replicas go by it.
_TABLES = """
CREATE TABLE gallery (dim INTEGER NOT NULL, fingerprint TEXT NOT NULL, next_identity INTEGER NOT NULL);
CREATE TABLE sightings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE, identity INTEGER NOT NULL,
    visit INTEGER NOT NULL, camera TEXT NOT NULL, time REAL NOT NULL, class INTEGER NOT NULL, quality REAL NOT NULL);
CREATE INDEX sightings_by_identity ON sightings (identity);
CREATE INDEX sightings_by_visit ON sightings (visit);
CREATE TABLE vectors (seq INTEGER PRIMARY KEY, embedding BLOB NOT NULL);
CREATE TABLE changes (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL);
CREATE TABLE visits (
    id INTEGER PRIMARY KEY, identity INTEGER NOT NULL, camera TEXT NOT NULL, class INTEGER NOT NULL,
    began REAL NOT NULL, ended REAL NOT NULL, probability REAL NOT NULL);
CREATE INDEX visits_by_identity ON visits (identity);
CREATE TABLE details (id INTEGER PRIMARY KEY, path BLOB NOT NULL, crop BLOB NOT NULL);
CREATE TABLE names (identity INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL);
"""

# By message: Python 3.10 doesn't tell SQLite's code.
_LATER = {
    "database is locked": "another program has been writing to it for too long",
    "database or disk is full": "the disk is full",
    "disk I/O error": "the disk can't be read or written",
    "unable to open database file": "it can't be opened; is its folder there, and may it be written to?",
}
_NEVER = {
    "attempt to write a readonly database": "it is read-only",
    "file is not a database": "it isn't a gallery",
    "no such table": "it isn't a gallery",
    "database disk image is malformed": "the file is corrupt; use a backup of it",
}


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Translate SQLite's errors into the gallery's.

    Raises:
        GalleryError: If the file isn't a gallery, corrupt or read-only.
        GalleryUnavailable: If it may work later.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _explained(path, str(error)) from error


def _explained(path: Path, message: str) -> GalleryError:
    for part, meaning in _LATER.items():
        if part in message:
            return GalleryUnavailable(f"the gallery {path} isn't available: {meaning} ({message})")
    meanings = (meaning for part, meaning in _NEVER.items() if part in message)
    return GalleryError(f"the gallery {path} can't be used: {next(meanings, 'SQLite refuses')} ({message})")


def check_place(path: Path) -> None:
    """Refuse places where a gallery can't be written.

    Raises:
        GalleryError: If it is a folder, or the file, or the folder that it is in, is missing or can't be written.
    """
    check_folder(path)
    if place := read_only_part(path):
        raise GalleryError(f"the gallery {path} can't be written: {place} is read-only")


def check_folder(path: Path) -> None:
    """Refuse places where no gallery can be.

    Raises:
        GalleryError: If it is a folder, or the folder that it is in is missing.
    """
    if path.is_dir():
        raise GalleryError(f"a gallery is a file, and {path} is a folder")
    if not path.parent.is_dir():
        raise GalleryError(f"the gallery {path} can't be there: there is no folder {path.parent}")


def read_only_part(path: Path) -> Path | None:
    """What keeps a gallery from being written: the folder, where SQLite keeps its log, or the file; None if nothing."""
    places = (path.parent, *([path] if path.exists() else []))
    return next((place for place in places if not os.access(place, os.W_OK)), None)


def is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        GalleryError: If there is none, but the log of one that was taken away: SQLite would write it into a new file.
    """
    # Looked for first: the file is made before its log.
    log = path.with_name(path.name + "-wal")
    log_is_there, file_is_there = log.exists(), path.exists()
    if log_is_there and not file_is_there:
        raise GalleryError(f"there is no gallery at {path}, but the log of one, {log.name}: bring both together again")
    return file_is_there


def create(path: Path, dim: int, fingerprint: str) -> None:
    """Make an empty gallery, unless another process just did.

    It is made beside its place and then linked there, so that no process ever sees half of one.

    Raises:
        GalleryError: If it can't be written.
    """
    with errors_of(path), _draft(path) as draft:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            # The page size is settled with the first write, and can't be changed in WAL mode.
            connection.execute(f"PRAGMA page_size = {_PAGE}")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
            connection.execute("INSERT INTO gallery VALUES (?, ?, 1)", (dim, fingerprint))
            connection.execute("PRAGMA journal_mode = WAL")
        _put_in_place(draft, path)


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """Write what a connection sees into a new file.

    Raises:
        GalleryError: If it is there already, or can't be written.
    """
    check_place(path)
    with errors_of(path), _draft(path) as draft:
        connection.execute("VACUUM INTO ?", (str(draft),))
        if not _put_in_place(draft, path):
            raise GalleryError(f"a backup never replaces a file, and {path} is there already")


def beside(path: Path) -> tuple[Path, ...]:
    """Files that SQLite keeps beside a gallery's; what is left of them would be taken for changes of another one."""
    return tuple(path.with_name(path.name + side) for side in _SIDES)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """An empty file in the same folder, which only its owner may read, and which is gone afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield draft
    except OSError as error:
        raise GalleryError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        for file in (draft, *beside(draft)):
            file.unlink(missing_ok=True)


def _put_in_place(draft: Path, path: Path) -> bool:
    """Give a file its name, unless there is a file of that name; whether there was none."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    return True


class SQLiteConnection:
    """One connection to a gallery's file, opened when it is needed, for one thread at a time.

    Args:
        path: Of the file, which is there.
        patience: Seconds to wait for other writers.
        log_limit: Most bytes of the write-ahead log, beyond which nothing is written until it is emptied.
        read_only: Whether the file, or the folder with its log, can't be written.

    Attributes:
        lock: Held by the thread that uses it; reentrant.
        opened: How often it was opened.
    """

    def __init__(self, path: Path, patience: float, log_limit: int, *, read_only: bool = False) -> None:
        self.lock = threading.RLock()
        self.opened = 0
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._patience = patience
        self._log_limit = log_limit
        self._read_only = read_only
        # Of a file without a log: how it was when it was opened.
        self._frozen: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = None
        self._finished = False
        self._file: tuple[int, int] | None = None
        self._log_file: tuple[int, int] | None = None

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """The connection, outside a transaction."""
        with self.lock, errors_of(self._path):
            if self._finished:
                raise GalleryError(f"the gallery {self._path} was closed")
            self._check_file()
            if self._frozen is not None and self._frozen != self._state():
                self.close()
            self._check_log()
            self._connection = self._connection or self._open()
            yield self._connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One view of everything; to be short, as the log can't be emptied meanwhile."""
        with self.using() as connection, _transaction(connection, "DEFERRED"):
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, done whole or not at all.

        Args:
            lasting: Whether it must outlive a power cut too.

        Raises:
            GalleryError: If it is read-only.
            GalleryUnavailable: If the log is too long, or others write for too long.
        """
        if self._read_only:
            raise GalleryError(f"the gallery {self._path} can't be written: it, or its folder, is read-only")
        with self.using() as connection:
            self._bound_log()
            connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            with _transaction(connection, "IMMEDIATE"):
                yield connection

    def empty_log(self, seconds: float) -> bool:
        """Write the log back into the file and make it empty; whether others let it within that time."""
        with self.using() as connection:
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * self._patience)}")
            return not busy

    def log_bytes(self) -> int:
        """How long the log is."""
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close it; it is opened again when it is used."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def finish(self) -> None:
        """Close it for good."""
        with self.lock:
            self._finished = True
            self.close()

    def _open(self) -> sqlite3.Connection:
        # SQLite reads a file of a read-only folder only if it is told that nothing changes it, unless there is a log.
        self._frozen = self._state() if self._read_only and not self.log_bytes() else None
        mode = "rw" if not self._read_only else "ro" if self._frozen is None else "ro&immutable=1"
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _check_application(self._path, connection)
            self._set_up(connection)
        except (sqlite3.Error, GalleryError):
            connection.close()
            raise
        self.opened += 1
        self._log_file = _identity(self._log)
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # The file may be someone else's: its triggers and views may call no function with side effects.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._read_only:
            return
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise GalleryError(f"the gallery {self._path} can't be there: the drive, a network's perhaps, lacks locks")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA journal_size_limit = {self._log_limit}")

    def _state(self) -> tuple[int, int]:
        """Changes when another program writes: the time of the last change, and the length of the log."""
        return self._path.stat().st_mtime_ns, self.log_bytes()

    def _check_file(self) -> None:
        """Refuse to go on with a file that has another name now, or none: what is written there would be lost."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise GalleryUnavailable(f"the gallery {self._path} can't be reached: {error.strerror}") from error
        self._file = self._file or (status.st_dev, status.st_ino)
        if self._file != (status.st_dev, status.st_ino):
            raise GalleryReplaced(f"the gallery {self._path} was replaced by another file; open it again")

    def _check_log(self) -> None:
        """Refuse to go on with a log that was deleted: what is written there would be lost, or ruin the file."""
        if self._connection is not None and self._log_file not in (None, _identity(self._log)):
            self.close()
            raise GalleryReplaced(f"the log {self._log.name} of the gallery {self._path} was deleted; open it again")

    def _bound_log(self) -> None:
        if not self._too_long() or (self.empty_log(min(_CHECKPOINT_SECONDS, self._patience)) and not self._too_long()):
            return
        raise GalleryUnavailable(
            f"nothing is written to the gallery {self._path} for now: its log {self._log.name} has more than "
            f"{self._log_limit / 2**20:g} MiB and can't be emptied, as another program has been reading for long"
        )

    def _too_long(self) -> bool:
        return self.log_bytes() > self._log_limit


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has a name; None if none has."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_application(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise GalleryError(f"the gallery {path} can't be used: it isn't a gallery")
    (held,) = connection.execute("PRAGMA user_version").fetchone()
    if held != FORMAT:
        raise GalleryError(
            f"the gallery {path} is of version {held or 1}, and this release reads version {FORMAT} only: "
            f"start a new file, or use the release that made it"
        )
