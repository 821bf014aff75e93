"""Between a gallery's records and PostgreSQL's rows: filters as conditions, columns as parameters, rows as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from ..._typing import Floats
from ..records import Filter, Records, Visit, nothing

SIGHTING_COLUMNS = "id, identity, visit, camera, time, class, quality, embedding"
VISIT_COLUMNS = "id, identity, camera, class, began, ended, probability, path, crop"
BARE_VISIT_COLUMNS = VISIT_COLUMNS.replace("path, crop", "''::bytea, ''::bytea")

_PATH_COLUMNS = 5
_MAX_ID = 2**63 - 1
_REAL = 700

_BOTH = {
    "identities": "identity = ANY(%(identities)s::bigint[])",
    "excluding": "identity <> ALL(%(excluding)s::bigint[])",
    "cameras": "camera = ANY(%(cameras)s::text[])",
    "classes": "class = ANY(%(classes)s::bigint[])",
}
_SIGHTINGS = {
    **_BOTH,
    "visits": "visit = ANY(%(visits)s::bigint[])",
    "since": "time >= %(since)s::float8",
    "until": "time <= %(until)s::float8",
    "min_quality": "quality >= %(min_quality)s::float8",
}
_VISITS = {
    **_BOTH,
    "visits": "id = ANY(%(visits)s::bigint[])",
    "since": "ended >= %(since)s::float8",
    "until": "began <= %(until)s::float8",
}
_VISITS_WITHIN = {**_VISITS, "since": "began >= %(since)s::float8", "until": "ended <= %(until)s::float8"}


class Condition(NamedTuple):
    """What follows WHERE, and its parameters."""

    text: str
    values: dict[str, Any]


def sightings_where(where: Filter) -> Condition:
    """Which sightings a filter means."""
    return _condition(where, _SIGHTINGS)


def visits_where(where: Filter, *, within: bool = False) -> Condition:
    """Which visits a filter means; `within`: only those that lie wholly between its times."""
    return _condition(where, _VISITS_WITHIN if within else _VISITS)


def _condition(where: Filter, rules: Mapping[str, str]) -> Condition:
    values = {key: value for key, value in _values(where).items() if key in rules}
    return Condition(" AND ".join(rules[key] for key in values) or "true", values)


def _values(where: Filter) -> dict[str, Any]:
    """The conditions that a filter has, as parameters."""
    found: dict[str, Any] = {}
    for key in ("identities", "visits", "classes"):
        if getattr(where, key) is not None:
            found[key] = _whole(getattr(where, key))
    if where.excluding:
        found["excluding"] = _whole(where.excluding)
    if where.cameras is not None:
        # What can't be printed is nobody's name, and some of it couldn't even be sent.
        found["cameras"] = sorted(c for c in where.cameras if c.isprintable())
    found.update({key: float(t) for key in ("since", "until") if (t := getattr(where, key)) is not None})
    if where.min_quality is not None:
        # Qualities are stored as float32: 0.7 must not be less than 0.7.
        found["min_quality"] = float(np.float32(where.min_quality))
    return found


def _whole(numbers: Iterable[int]) -> list[int]:
    """Numbers that can be in a table; others match nothing there."""
    return sorted(int(n) for n in numbers if -_MAX_ID <= n <= _MAX_ID)


class Binary(NamedTuple):
    """A parameter in PostgreSQL's binary form, of the type that the query casts it to."""

    value: bytes


class BinaryDumper(Dumper):
    """Sends a `Binary` as it is."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Binary) -> bytes:
        """Its bytes."""
        return obj.value


def as_vector(vector: Floats) -> Binary:
    """`(D,)` as a `vector`."""
    return Binary(np.array([len(vector), 0], ">i2").tobytes() + vector.astype(">f4").tobytes())


def as_reals(values: Floats) -> Binary:
    """Any array as a `real[]` of one dimension."""
    cells = np.empty(values.size, [("length", ">i4"), ("value", ">f4")])
    cells["length"], cells["value"] = 4, values.ravel()
    return Binary(np.array([1, 0, _REAL, values.size, 1], ">i4").tobytes() + cells.tobytes())


def sighting_values(records: Records) -> dict[str, Any]:
    """Records as parameters, by ascending id: two who write the same rows don't wait for each other in a circle."""
    records = records.take(np.argsort(records.ids))
    return {
        "ids": records.ids.tolist(),
        "identities": records.identities.tolist(),
        "visits": records.visits.tolist(),
        "cameras": list(records.cameras),
        "times": records.times.tolist(),
        "classes": records.classes.tolist(),
        "qualities": as_reals(records.qualities),
        "embeddings": as_reals(records.embeddings),
    }


def visit_values(visits: Sequence[Visit]) -> list[tuple[Any, ...]]:
    """Visits as parameters, by ascending id; of several with one id, the last."""
    last = {int(v.id): v for v in visits}
    return [_visit_value(last[id]) for id in sorted(last)]


def _visit_value(v: Visit) -> tuple[Any, ...]:
    numbers = (float(v.first), float(v.last), float(v.probability))
    path = np.ascontiguousarray(v.path, "<f4").tobytes()
    return (int(v.id), int(v.identity), v.camera, int(v.cls), *numbers, path, bytes(v.crop))


def records_of(rows: Sequence[Sequence[Any]], dim: int) -> Records:
    """Rows of `SIGHTING_COLUMNS`, read in binary form, as records."""
    if not rows:
        return nothing(dim)
    ids, identities, visits, cameras, times, classes, qualities, embeddings = zip(*(r[:8] for r in rows), strict=True)
    # A vector is its dimension and a reserved field, two bytes each, and big-endian numbers.
    cells = np.frombuffer(b"".join(embeddings), np.dtype([("head", ">i4"), ("values", ">f4", (dim,))]))
    return Records(
        np.array(ids, np.int64),
        np.asarray(cells["values"], np.float32).reshape(len(rows), dim),
        np.array(identities, np.int64),
        np.array(visits, np.int64),
        cameras,
        np.array(times, np.float64),
        np.array(classes, np.int64),
        np.array(qualities, np.float32),
    )


def visit_of(row: Sequence[Any]) -> Visit:
    """A row of `VISIT_COLUMNS` as a visit."""
    id, identity, camera, cls, began, ended, probability, path, crop = row
    steps = np.frombuffer(path, "<f4").astype(np.float32).reshape(-1, _PATH_COLUMNS)
    return Visit(id, identity, camera, cls, began, ended, steps, probability, bytes(crop))


def can_send(connection: psycopg.Connection[Any]) -> None:
    """Let a connection send `Binary` parameters."""
    connection.adapters.register_dumper(Binary, BinaryDumper)
