"""The ledger: identities, sightings, visits, names and small files, in SQL that both databases understand."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._typing import Ints
from ...errors import GalleryError
from ..records import ANY, FIRST_LOCAL_ID, Filter, Records, Visit, check_name, checked_records, checked_visits
from ..visit_columns import VisitColumns
from .checks import MAX_BLOB, check_blob, check_identity, check_next, check_reserved, check_token, check_whole
from .conditions import Condition, of_sightings, of_visits, of_visits_within
from .database import Database, Health, Session
from .rows import (
    DETAIL_COLUMNS,
    SIGHTING_COLUMNS,
    VISIT_COLUMNS,
    Row,
    damaged,
    pages,
    records_of,
    visit_columns_of,
    visit_of,
    visits_of,
)

_LAST = FIRST_LOCAL_ID - 1
_IN_USE = """
SELECT identity FROM sightings WHERE identity BETWEEN ? AND ?
UNION SELECT identity FROM visits WHERE identity BETWEEN ? AND ?
UNION SELECT identity FROM names WHERE identity BETWEEN ? AND ? ORDER BY 1
"""
# Walks along the index from one identity to the next: to count distinct values, both databases would read all rows.
_POPULATION = """
WITH RECURSIVE found (identity) AS (
    SELECT min(identity) FROM sightings
    UNION ALL
    SELECT (SELECT min(identity) FROM sightings WHERE identity > found.identity) FROM found WHERE identity IS NOT NULL
) SELECT count(identity) FROM found
"""
# Of one visit; nothing happens where there is none.
_RETIME_SIGHTINGS = """
UPDATE sightings SET time = sightings.time + ? - (SELECT began FROM visits WHERE visits.id = sightings.visit)
WHERE visit = ? AND EXISTS (SELECT 1 FROM visits WHERE visits.id = sightings.visit)
"""
# An index that is so far behind is given up when another one comes; it is rebuilt if it ever comes back.
_MAX_PENDING = 1_000_000
_ABANDONED = "SELECT place FROM pending WHERE place <> ? GROUP BY place HAVING count(*) > ?"


@dataclass(frozen=True)
class Deleted:
    """How much was deleted.

    Attributes:
        sightings: Rows with embeddings.
        visits: Visits that lay wholly within what was deleted.
        remains: What of it is still on disk, and until when; empty if nothing is.
    """

    sightings: int
    visits: int
    remains: str = ""


@dataclass(frozen=True)
class Move:
    """A visit that gets another identity.

    Attributes:
        visit: Its id.
        previous: The identity that it has.
        identity: The one that it gets.
    """

    visit: int
    previous: int
    identity: int


@dataclass(frozen=True, eq=False)
class Changes:
    """Sightings that an index has to take over.

    Attributes:
        written: As they are now.
        gone: `(N,)` ids of those that were deleted.
    """

    written: Records
    gone: Ints


class Ledger:
    """A gallery's rows in one database.

    Any thread may call it, and after a fork the child too. Calls return when the database has acknowledged: what was
    written before is there after a crash. A write is done whole or not at all.

    Arguments are checked first. A `GalleryError` means that nothing was changed. After a `GalleryUnavailable` the call
    may work later, and a write may or may not have been done; repeating it with the same ids is harmless.

    Args:
        database: Where the rows are.

    Attributes:
        database: The same.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def uri(self) -> str:
        """Address without a password."""
        return self.database.uri

    @property
    def dim(self) -> int:
        """`D` of its embeddings."""
        return self.database.dim

    @property
    def fingerprint(self) -> str:
        """Of the embedder whose vectors these are."""
        return self.database.fingerprint

    def reserve(self, count: int) -> int:
        """Reserve ids for identities, which no other client gets.

        They are given in ascending order, from 1 to `FIRST_LOCAL_ID` - 1; after that from 1 again, except for those
        that are in the gallery.

        Args:
            count: How many, 1 to 10,000.

        Returns:
            The first of `count` consecutive ids, none of which is in the gallery.

        Raises:
            GalleryError: If there is no such run of ids left.
        """
        count = check_reserved(count)
        with self.database.writing(lasting=True) as session:
            (after,) = session.execute(f"SELECT next_identity FROM gallery{self.database.locked}").fetchone()
            first = _free(session, check_next(after), count)
            if first is None:
                raise GalleryError(f"the gallery {self.uri} has no {count} consecutive identities left")
            session.execute("UPDATE gallery SET next_identity = ?", (first + count,))
        return first

    def count_on(self, other: Ledger) -> None:
        """Give no identity that another gallery has given, of which this one is a copy."""
        (after,) = other._rows("SELECT next_identity FROM gallery")[0]
        with self.database.writing(lasting=True) as session:
            session.execute("UPDATE gallery SET next_identity = ?", (check_next(after),))

    def upsert(self, records: Records, visits: Sequence[Visit] = ()) -> None:
        """Write sightings and visits in one transaction; rows whose ids are there already are replaced.

        Raises:
            GalleryError: If an embedding is of another dimension, not finite or zero, or a value is out of range.
        """
        records, visits = checked_records(records, self.dim), checked_visits(visits)
        with self.database.writing() as session:
            if len(records):
                self.database.put_sightings(session, records)
            if visits:
                self.database.put_visits(session, visits)

    def get(self, ids: Ints, where: Filter = ANY) -> Records:
        """Sightings by id, in that order; those that aren't there or don't match are left out."""
        with self.database.reading() as session:
            return self._got(session, np.asarray(ids, np.int64), where)

    def scan(self, where: Filter = ANY, batch: int = 1000) -> Iterator[Records]:
        """All sightings, by ascending id, in batches; what is written meanwhile may or may not be among them."""
        condition = of_sightings(where, self.database.among)
        for rows in self._pages(f"SELECT {SIGHTING_COLUMNS} FROM {self.database.sightings}", condition, batch):
            yield records_of(rows, self.database.embeddings(rows))

    def visits(self, where: Filter = ANY, *, details: bool = True, batch: int = 1000) -> Iterator[Visit]:
        """All visits, by ascending id; without `details` their paths and crops are left empty."""
        text = f"SELECT {VISIT_COLUMNS} FROM visits"
        if details:
            text = f"SELECT {VISIT_COLUMNS}, {DETAIL_COLUMNS} FROM {self.database.detailed_visits}"
        for rows in self._pages(text, of_visits(where, self.database.among), batch):
            yield from map(visit_of, rows) if details else visits_of(rows)

    def visit_columns(self, where: Filter = ANY) -> VisitColumns:
        """All visits that match, in columns, by ascending id and in one statement: for many of them at once."""
        condition = of_visits(where, self.database.among)
        text = f"SELECT {VISIT_COLUMNS} FROM visits WHERE {condition.text} ORDER BY id"
        return visit_columns_of(self._rows(text, condition.values))

    def relabel(self, where: Filter, identity: int) -> int:
        """Give the sightings and visits that match another identity; returns the number of sightings."""
        identity = check_identity(identity)
        with self.database.writing() as session:
            return self._relabel(session, where, identity)

    def reassign(self, moves: Sequence[Move], files: Mapping[str, bytes]) -> int:
        """Give visits, with their sightings, other identities, and write small files, in one transaction.

        Args:
            moves: Visits that have another identity by now, or aren't there, are left as they are.
            files: Contents by name, see `put_blob`; empty ones are deleted.

        Returns:
            The number of visits that were moved.
        """
        for key, value in files.items():
            check_blob(key, value)
        by_way: dict[tuple[int, int], list[int]] = {}
        for move in moves:
            way = check_identity(move.previous), check_identity(move.identity)
            by_way.setdefault(way, []).append(move.visit)
        with self.database.writing() as session:
            # Read before anything is moved: one that moved from 1 to 2 must not go on from 2 to 3.
            ways = [(way, self._still(session, way[0], visits)) for way, visits in sorted(by_way.items())]
            for (_, identity), visits in ways:
                self._relabel(session, Filter(visits=frozenset(visits)), identity)
            for key, value in files.items():
                _put(session, "blobs", ("key", "value"), (key, bytes(value)))
        return sum(len(visits) for _, visits in ways)

    def _still(self, session: Session, identity: int, visits: Sequence[int]) -> list[int]:
        """Those of some visits that have an identity."""
        where = Filter(visits=frozenset(visits), identities=frozenset({identity}))
        condition = of_visits(where, self.database.among)
        text = f"SELECT id FROM visits WHERE {condition.text}"
        return [check_whole("visits.id", id) for (id,) in session.execute(text, condition.values).fetchall()]

    def _relabel(self, session: Session, where: Filter, identity: int) -> int:
        sightings, visits = (of(where, self.database.among) for of in (of_sightings, of_visits))
        self.database.note_changes(session, sightings)
        text = f"UPDATE sightings SET identity = ? WHERE {sightings.text}"
        count = session.execute(text, (identity, *sightings.values)).rowcount
        session.execute(f"UPDATE visits SET identity = ? WHERE {visits.text}", (identity, *visits.values))
        return count

    def retime(self, firsts: Mapping[int, float]) -> None:
        """Move visits in time, with their sightings; repeating it is harmless.

        Args:
            firsts: When each visit began, seconds since 1970 (UTC), by its id; those that aren't there are left out.
        """
        ids = list(firsts)
        with self.database.writing() as session:
            for page in pages(ids):
                self.database.note_changes(session, of_sightings(Filter(visits=frozenset(page)), self.database.among))
            for visit in ids:
                first = float(firsts[visit])
                session.execute(_RETIME_SIGHTINGS, (first, visit))
                session.execute(
                    "UPDATE visits SET ended = ended - began + ?, began = ? WHERE id = ?", (first, first, visit)
                )

    def delete(self, where: Filter) -> Deleted:
        """Delete sightings that match, and visits that match and lie wholly between `since` and `until`.

        With `min_quality`, no visits. Disk space may be given back later. `scrub` waits for programs that read.
        """
        among, visits = self.database.among, 0
        with self.database.writing() as session:
            sightings = self.database.delete(session, "sightings", of_sightings(where, among))
            if where.min_quality is None:
                visits = self.database.delete(session, "visits", of_visits_within(where, among))
        return Deleted(sightings, visits, self.database.scrub(0))

    def scrub(self, seconds: float = 0) -> str:
        """Overwrite on disk what was deleted, names and files too; see `Database.scrub`."""
        return self.database.scrub(seconds)

    def count(self, where: Filter = ANY) -> int:
        """Number of sightings that match."""
        condition = of_sightings(where, self.database.among)
        return self._number(f"SELECT count(*) FROM sightings WHERE {condition.text}", condition.values)

    def population(self) -> int:
        """Number of identities that have sightings."""
        return self._number(_POPULATION)

    def names(self) -> dict[int, str]:
        """Names by identity, of those that have one."""
        rows = self._rows("SELECT identity, name FROM names ORDER BY identity")
        for identity, name in rows:
            try:
                check_identity(check_whole("its identity", identity))
                check_name("individual", name)
            except GalleryError as error:
                raise damaged("the name of identity", identity, error) from error
        return dict(rows)

    def name(self, identity: int, name: str) -> None:
        """Name an identity; an empty name removes it. Names needn't be unique here."""
        check_name("identity", name)
        with self.database.writing() as session:
            _put(session, "names", ("identity", "name"), (check_identity(identity), name))

    def blob(self, key: str) -> bytes | None:
        """A small file by its name; None if there is none."""
        check_name("file", key)
        rows = self._rows("SELECT value FROM blobs WHERE key = ?", (key,))
        if not rows:
            return None
        if not isinstance(rows[0][0], bytes | memoryview) or len(rows[0][0]) > MAX_BLOB:
            raise damaged("the file", key, f"it must be binary, of at most {MAX_BLOB} bytes (16 MiB)")
        return bytes(rows[0][0])

    def blobs(self, prefix: str) -> list[str]:
        """Names of files that begin with a prefix, sorted; of a damaged gallery, names that couldn't be given too."""
        return sorted(key for (key,) in self._rows("SELECT key FROM blobs") if str(key).startswith(prefix))

    def count_blobs(self, prefix: str) -> int:
        """Number of files that begin with a prefix."""
        return self._number("SELECT count(*) FROM blobs WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))

    def put_blob(self, key: str, value: bytes) -> None:
        """Write a small file (16 MiB at most); empty to delete it."""
        if value:
            check_blob(key, value)
        with self.database.writing() as session:
            _put(session, "blobs", ("key", "value"), (key, bytes(value)))

    def version(self) -> object:
        """Changes with every commit, of any client: what was read before holds as long as it is the same."""
        return self.database.version()

    def backup(self, path: Path) -> None:
        """Write everything there is now into a new file, whole or not at all.

        Raises:
            GalleryError: If the file is there already, can't be written, or the engine has its own tools for it; the
                message says which.
        """
        self.database.backup(path)

    def health(self) -> Health:
        """State of the engine.

        Raises:
            GalleryUnavailable: If it doesn't answer.
        """
        return self.database.health(self.count(), self._number("SELECT count(*) FROM visits"))

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self.database.close()

    # Indexes elsewhere

    def follow(self, place: str) -> str:
        """Begin to queue changes of sightings for an index, unless that was done before.

        Args:
            place: Where the index is.

        Returns:
            A token, the same for all clients: the index's name there.
        """
        with self.database.writing() as session:
            self.database.make_queue(session)
            self.database.lock(session, place)
            known = session.execute("SELECT token FROM followers WHERE place = ?", (place,)).fetchone()
            if known is not None:
                return check_token(known[0])
            for (abandoned,) in session.execute(_ABANDONED, (place, _MAX_PENDING)).fetchall():
                session.execute("DELETE FROM followers WHERE place = ?", (abandoned,))
                session.execute("DELETE FROM pending WHERE place = ?", (abandoned,))
            token = secrets.token_hex(8)
            session.execute("INSERT INTO followers (place, token) VALUES (?, ?)", (place, token))
        return token

    def queue_all(self, place: str) -> None:
        """Queue all sightings for an index, which is empty."""
        with self.database.writing() as session:
            self.database.lock(session, place)
            session.execute("DELETE FROM pending WHERE place = ?", (place,))
            session.execute("INSERT INTO pending (place, id) SELECT ?, id FROM sightings", (place,))

    def is_pending(self, place: str) -> bool:
        """Whether an index lacks changes."""
        return bool(self._rows("SELECT 1 FROM pending WHERE place = ? LIMIT 1", (place,)))

    @contextmanager
    def pending(self, place: str, limit: int) -> Iterator[Changes]:
        """The next changes that an index lacks; they leave the queue when the block ends without an error.

        One client at a time is in such a block, so that an older state of a row never overwrites a newer one.

        Args:
            place: Where the index is.
            limit: Most changes.
        """
        with self.database.writing() as session:
            self.database.lock(session, place)
            text = "SELECT number, id FROM pending WHERE place = ? ORDER BY number LIMIT ?"
            rows = session.execute(text, (place, limit)).fetchall()
            ids = np.unique(np.array([check_whole("pending.id", id) for _, id in rows], np.int64))
            written = self._got(session, ids, ANY)
            yield Changes(written, np.setdiff1d(ids, written.ids))
            done = self.database.among("number", [number for number, _ in rows])
            session.execute(f"DELETE FROM pending WHERE {done.text}", done.values)

    def _got(self, session: Session, ids: Ints, where: Filter) -> Records:
        wanted, condition = ids.tolist(), of_sightings(where, self.database.among)
        rows: list[Row] = []
        for page in pages(wanted):
            chosen = self.database.among("id", list(page))
            text = f"SELECT {SIGHTING_COLUMNS} FROM {self.database.sightings} WHERE {chosen.text} AND {condition.text}"
            rows += session.execute(text, (*chosen.values, *condition.values)).fetchall()
        found = records_of(rows, self.database.embeddings(rows))
        place = {id: n for n, id in enumerate(found.ids.tolist())}
        return found.take([place[id] for id in wanted if id in place])

    def _rows(self, text: str, values: Row = ()) -> list[Row]:
        with self.database.reading() as session:
            return session.execute(text, values).fetchall()

    def _number(self, text: str, values: Row = ()) -> int:
        return int(self._rows(text, values)[0][0])

    def _pages(self, text: str, condition: Condition, batch: int) -> Iterator[list[Row]]:
        """Rows by ascending id, a batch a statement: no transaction is open while they are looked at."""
        if batch < 1:
            raise GalleryError(f"batch must be 1 or more, got {batch!r}")
        last, more = -1, True
        while more:
            after = condition.and_after("id", last)
            rows = self._rows(f"{text} WHERE {after.text} ORDER BY id LIMIT ?", (*after.values, batch))
            if rows:
                yield rows
                last = rows[-1][0]
            more = len(rows) == batch


def _put(session: Session, table: str, columns: tuple[str, str], values: tuple[int | str, str | bytes]) -> None:
    key, value = columns
    if values[1]:
        session.execute(
            f"INSERT INTO {table} ({key}, {value}) VALUES (?, ?) "
            f"ON CONFLICT ({key}) DO UPDATE SET {value} = excluded.{value}",
            values,
        )
    else:
        session.execute(f"DELETE FROM {table} WHERE {key} = ?", values[:1])


def _free(session: Session, after: int, count: int) -> int | None:
    """The first of `count` free identities, from `after` on, or else from 1 on; None if there is no such run."""
    for start, end in ((after, after + count - 1), (after, _LAST), (1, _LAST)):
        used = [identity for (identity,) in session.execute(_IN_USE, 3 * (start, min(end, _LAST))).fetchall()]
        edges = np.array([start - 1, *used, min(end, _LAST) + 1], np.int64)
        fits = np.flatnonzero(np.diff(edges) > count)
        if len(fits):
            return int(edges[fits[0]]) + 1
    return None
