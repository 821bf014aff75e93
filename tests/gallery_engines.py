"""The engines that a gallery can be kept in, fresh places in them, random rows, and what a store must answer.

An engine has

- `name`;
- `open(dim=8, fingerprint="test")`: a store on the engine's one place, which is empty at first;
- `skip_to(identity)`: the next id that is reserved is this one, if no row has it; used while no store is open;
- `close()`: the place is no longer needed.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.records import ANY, ENROLLED, Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store

DIM = 8
START = 1_700_000_000.0
TIMES = tuple(START + s for s in (0.0, 0.1, 1 / 3, 60.0, 3600.25, 86400.0))
QUALITIES = (0.0, 0.1, 0.3, 0.7, 1.0)
# What each of the engines' languages could take for something else than a name.
CAMERAS = (
    ENROLLED,
    "front door",
    "Front Door",
    "O'Brien'); DROP TABLE sightings; --",
    '50% "off"_\\',
    "' or '1' = '1",
    '" or camera != "',
    "%s $1 :camera ? {camera} [1, 2] null",
    "门口 ñ 🚪 \\u0041 \\'",
)


class SQLiteEngine:
    """A file in the test's own folder."""

    name = "sqlite"

    def __init__(self, folder):
        self.path = Path(folder) / "gallery.db"

    def open(self, dim=DIM, fingerprint="test"):
        return open_store(self.path, dim, fingerprint)

    def skip_to(self, identity):
        import sqlite3

        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute("UPDATE gallery SET next_identity = ?", (identity,))
        connection.close()

    def close(self):
        pass


def _elsewhere(module, function, driver):
    def make(folder):
        pytest.importorskip(driver, reason=f"needs {driver}")
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs tests/{module}.py")
        return getattr(importlib.import_module(module), function)(folder)

    return make


MAKERS = {
    "sqlite": SQLiteEngine,
    "postgres": _elsewhere("postgres_server", "postgres_engine", "psycopg"),
    "postgres+milvus": _elsewhere("milvus_engine", "postgres_milvus_engine", "pymilvus"),
    "sqlite+milvus": _elsewhere("milvus_engine", "sqlite_milvus_engine", "pymilvus"),
}
ENGINES = [pytest.param(name, marks=[] if name == "sqlite" else [pytest.mark.extras]) for name in MAKERS]


def vectors(rng, count, dim=DIM):
    """`count` unit vectors, half of them alike to others to the last bit."""
    fresh = unit(rng.normal(size=(count, dim)).astype(np.float32))
    return np.where(rng.random((count, 1)) < 0.5, fresh[rng.integers(0, max(1, count // 8), count)], fresh)


def rows(count, seed=0, *, dim=DIM, **columns):
    """Sightings of five individuals; single columns can be given, by one value or by all."""
    rng = np.random.default_rng(seed)
    made = {
        "ids": new_ids(count),
        "embeddings": vectors(rng, count, dim) if count else np.zeros((0, dim), np.float32),
        "identities": rng.integers(1, 6, count),
        "visits": rng.integers(100, 110, count),
        "cameras": tuple(CAMERAS[n] for n in rng.integers(0, len(CAMERAS), count)),
        "times": rng.choice(TIMES, count),
        "classes": rng.integers(0, 3, count),
        "qualities": rng.choice(np.array(QUALITIES, np.float32), count),
    }
    return Records(**{**made, **{key: _column(made[key], value, count) for key, value in columns.items()}})


def _column(like, value, count):
    if isinstance(like, tuple):
        return (value,) * count if isinstance(value, str) else tuple(value)
    return np.array(np.broadcast_to(value, like.shape), like.dtype)


def a_visit(id, **values):
    """A visit of half a minute, if nothing else is said."""
    first = values.pop("first", START)
    usual = {"identity": 1, "camera": "front door", "cls": 0, "first": first, "last": first + 30}
    return Visit(id=id, **{**usual, **values})


def some_visits(count, seed=0):
    """Visits with paths and crops, of the same individuals and cameras as `rows`."""
    rng = np.random.default_rng(seed)
    made = []
    for id in rng.choice(np.arange(100, 100 + 2 * count), count, replace=False).tolist():
        first, last = sorted(rng.choice(TIMES, 2).tolist())
        made.append(
            Visit(
                id,
                identity=int(rng.integers(1, 6)),
                camera=CAMERAS[rng.integers(0, len(CAMERAS))],
                cls=int(rng.integers(0, 3)),
                first=first,
                last=last,
                path=rng.random((rng.integers(0, 4), 5)).astype(np.float32),
                probability=float(rng.choice([0.25, 0.875, 1.0])),
                crop=rng.bytes(rng.integers(0, 50)),
            )
        )
    return made


def matching(records, where=ANY):
    """`(N,)`, which sightings a filter means."""
    right = np.ones(len(records), bool)
    for wanted, column in (
        (where.identities, records.identities),
        (where.visits, records.visits),
        (where.cameras, records.cameras),
        (where.classes, records.classes),
    ):
        right &= np.array([wanted is None or value in wanted for value in column], bool)
    right &= np.array([identity not in where.excluding for identity in records.identities], bool)
    right &= records.times >= (-np.inf if where.since is None else where.since)
    right &= records.times <= (np.inf if where.until is None else where.until)
    return right & (records.qualities >= np.float32(where.min_quality or 0))


def visit_matches(visit, where=ANY):
    """Whether a filter means a visit."""
    return (
        (where.identities is None or visit.identity in where.identities)
        and visit.identity not in where.excluding
        and (where.visits is None or visit.id in where.visits)
        and (where.cameras is None or visit.camera in where.cameras)
        and (where.classes is None or visit.cls in where.classes)
        and (where.since is None or visit.last >= where.since)
        and (where.until is None or visit.first <= where.until)
    )


def goes(visit, where=ANY):
    """Whether a visit is deleted with a filter."""
    return (
        visit_matches(visit, where)
        and where.min_quality is None
        and (where.since is None or visit.first >= where.since)
        and (where.until is None or visit.last <= where.until)
    )
