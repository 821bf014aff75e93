"""Sightings and visits as SQLite's rows, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ..._typing import Ints
from ...errors import GalleryError
from ..records import Records, Visit, nothing
from .sql import Condition, is_member, members

Row = tuple[Any, ...]
_Item = TypeVar("_Item")

# Rows that are read in one transaction.
PAGE = 4096
SIGHTINGS = """
SELECT seq, embedding, id, identity, visit, camera, time, class, quality FROM sightings JOIN vectors USING (seq)
"""
VISITS = "SELECT id, identity, camera, class, first, last, probability FROM visits"
DETAILED_VISITS = """
SELECT id, identity, camera, class, first, last, probability, path, crop FROM visits JOIN details USING (id)
"""

_PUT_SIGHTING = """
INSERT INTO sightings (id, identity, visit, camera, time, class, quality) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, visit = excluded.visit, camera = excluded.camera,
    time = excluded.time, class = excluded.class, quality = excluded.quality
"""
_PUT_VECTOR = "INSERT OR REPLACE INTO vectors (seq, embedding) SELECT seq, ? FROM sightings WHERE id = ?"
_PUT_VISIT = """
INSERT OR REPLACE INTO visits (id, identity, camera, class, first, last, probability) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_PUT_DETAILS = "INSERT OR REPLACE INTO details (id, path, crop) VALUES (?, ?, ?)"

_STORED = np.dtype("<f4")
_PATH_COLUMNS = 5
# How many changes are kept for the caches of other processes; one that is further behind reads everything anew.
_CHANGES = 50_000


def pages(items: Sequence[_Item], size: int = PAGE) -> Iterable[Sequence[_Item]]:
    """A sequence in parts."""
    return (items[start : start + size] for start in range(0, len(items), size))


def put_sightings(connection: sqlite3.Connection, records: Records) -> None:
    """Write sightings; those whose ids are there already are replaced, and keep their sequence numbers."""
    ids = records.ids.tolist()
    note_changes(connection, Condition(is_member("id"), (members(ids),)))
    numbers = (records.ids, records.identities, records.visits, records.cameras)
    columns = (*numbers, records.times, records.classes, records.qualities)
    rows = zip(*(c if isinstance(c, tuple) else c.tolist() for c in columns), strict=True)
    connection.executemany(_PUT_SIGHTING, rows)
    vectors = (row.tobytes() for row in records.embeddings.astype(_STORED))
    connection.executemany(_PUT_VECTOR, zip(vectors, ids, strict=True))


def put_visits(connection: sqlite3.Connection, visits: Sequence[Visit]) -> None:
    """Write visits; those whose ids are there already are replaced."""
    connection.executemany(_PUT_VISIT, map(_as_row, visits))
    paths = ((int(v.id), v.path.astype(_STORED).tobytes(), bytes(v.crop)) for v in visits)
    connection.executemany(_PUT_DETAILS, paths)


def note_changes(connection: sqlite3.Connection, condition: Condition) -> None:
    """Tell the caches that these sightings are about to change or go."""
    text = f"INSERT INTO changes (seq) SELECT seq FROM sightings WHERE {condition.text}"
    if connection.execute(text, condition.values).rowcount:
        oldest = "(SELECT max(number) FROM changes) - ?"
        connection.execute(f"DELETE FROM changes WHERE number <= {oldest}", (_CHANGES,))


def delete_sightings(connection: sqlite3.Connection, condition: Condition) -> int:
    """Delete sightings; returns how many."""
    note_changes(connection, condition)
    return _delete(connection, condition, ("sightings", "vectors"), "seq")


def delete_visits(connection: sqlite3.Connection, condition: Condition) -> int:
    """Delete visits; returns how many."""
    return _delete(connection, condition, ("visits", "details"), "id")


def as_sightings(rows: Sequence[Row], dim: int) -> tuple[Ints, Records]:
    """Rows of `SIGHTINGS`: `(N,)` sequence numbers, and the sightings.

    Raises:
        GalleryError: If an embedding has another length than it must have.
    """
    if not rows:
        return np.zeros(0, np.int64), nothing(dim)
    seqs, embeddings, ids, identities, visits, cameras, times, classes, qualities = zip(*rows, strict=True)
    if {len(e) for e in embeddings} != {dim * _STORED.itemsize}:
        raise GalleryError(f"the gallery is corrupt: one of its embeddings isn't of dimension {dim}")
    records = Records(
        np.array(ids, np.int64),
        np.frombuffer(b"".join(embeddings), _STORED).astype(np.float32).reshape(-1, dim),
        np.array(identities, np.int64),
        np.array(visits, np.int64),
        cameras,
        np.array(times, np.float64),
        np.array(classes, np.int64),
        np.array(qualities, np.float32),
    )
    return np.array(seqs, np.int64), records


def as_visit(row: Row) -> Visit:
    """A row of `VISITS` or `DETAILED_VISITS`."""
    id, identity, camera, cls, first, last, probability, *details = row
    visit = Visit(id, identity, camera, cls, first, last, probability=probability)
    if not details:
        return visit
    path = np.frombuffer(details[0], _STORED).astype(np.float32).reshape(-1, _PATH_COLUMNS)
    return replace(visit, path=path, crop=details[1])


def _as_row(visit: Visit) -> Row:
    numbers = (int(visit.id), int(visit.identity), visit.camera, int(visit.cls))
    return (*numbers, float(visit.first), float(visit.last), float(visit.probability))


def _delete(connection: sqlite3.Connection, condition: Condition, tables: tuple[str, str], key: str) -> int:
    main, side = tables
    chosen = f"SELECT {key} FROM {main} WHERE {condition.text}"
    connection.execute(f"DELETE FROM {side} WHERE {key} IN ({chosen})", condition.values)
    return connection.execute(f"DELETE FROM {main} WHERE {condition.text}", condition.values).rowcount
