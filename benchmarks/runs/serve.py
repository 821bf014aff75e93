"""Time to the first byte of every page of `ultralytics-reid serve`: a large gallery, quiet and while it is written."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from ultralytics_reid._typing import as_floats
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.file_names import evidence_key
from ultralytics_reid.gallery.records import Records, Visit, new_ids
from ultralytics_reid.gallery.store import Store, open_store

from ..harness.engines import CAMERAS, DIM, EACH, FINGERPRINT, crowd, missing, of_tests
from ..harness.options import add_write
from ..harness.progress import progress
from ..harness.report import present

SIZE, PER_VISIT, GOAL_MS = 100_000, 4, 100.0
SQLITE, POSTGRES = "SQLite + NumPy", "PostgreSQL + pgvector"
_PATH_POINTS, _ROUNDS, _BATCH = 40, 15, 500
_WRITE_SECONDS, _WRITTEN = 0.5, 16
# A card's image is asked for too, and what pages load after their first byte.
PAGES = {
    "People": "/people",
    "People of a camera and a day": "/people?camera=camera+1&from={day}&to={day}&tz=UTC",
    "People, last page by name": "/people?sort=name&page=9999",
    "Person": "/people/{person}",
    "Preview of a merge": "/people/{person}/merge?with=77",
    "Preview of a deletion": "/people/{person}/delete",
    "Search": "/search",
    "Flow": "/flow",
    "Review": "/review",
    "Live": "/live",
    "Changes": "/changes",
    "Status": "/status",
}
PARTS = {
    "image of a visit": "/visits/{visit}/image",
    "counts of the status": "/status/facts",
    "similar people": "/people/{person}/similar",
    "results of a search by visit": "/search?visit={visit}",
    "charts of the last day": "/flow/charts",
    "charts of all times": "/flow/charts?time=all",
    "heat map of the last day": "/flow/heatmap.png?on=camera+1",
}
_NOTE = """\
{sightings:,} sightings of 512 dimensions, {people:,} people, {visits:,} visits with paths on eight cameras over a week.
Milliseconds to the first byte, as a browser on the same machine sees them: median, and the slowest of {rounds}. *First*
is the first request after the server's start. *While written*: another process writes 16
visits with 64 sightings twice a second."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    parser.add_argument("--engines", nargs="+", choices=(SQLITE, POSTGRES), default=[SQLITE, POSTGRES])
    parser.add_argument("--size", type=int, default=SIZE, metavar="N", help=f"sightings (default: {SIZE})")
    add_write(parser)


def run(args: Namespace) -> None:
    """Run it."""
    able = [name for name in args.engines if not missing(name)]
    blocks = [text for name in able for text in _engine(name, args.size)]
    people, visits = args.size // EACH, args.size // PER_VISIT
    blocks.append(_NOTE.format(sightings=args.size, people=people, visits=visits, rounds=_ROUNDS).replace("\n", " "))
    blocks += [f"Left out: {n}, which needs {', '.join(missing(n))}." for n in set(args.engines) - set(able)]
    present("serve", blocks, write=args.write)


def _engine(name: str, size: int) -> Iterator[str]:
    with _place(name) as uri:
        visits = _fill(uri, size)
        known = {"person": str(visits[0].identity), "visit": str(visits[0].id), "day": _day(visits[0].first)}
        with _served(uri) as ask:
            first = {page: ask(path.format(**known)) for page, path in (PAGES | PARTS).items()}
            quiet = _measured(ask, known)
            with _writing(uri):
                busy = _measured(ask, known)
    head = ["", "first", "quiet", "slowest", "while written", "slowest"]
    for title, pages in (("page", PAGES), ("loaded after it", PARTS)):
        rows = [[page, f"{first[page]:.0f}", *quiet[page], *busy[page]] for page in pages]
        yield f"**{name}: {title}**\n\n{table([title, *head[1:]], rows)}"
    slowest = max(float(quiet[page][0]) for page in PAGES), max(float(busy[page][0]) for page in PAGES)
    verdict = "within" if max(slowest) < GOAL_MS else "ABOVE"
    found = f"{slowest[0]:.0f} ms quiet, {slowest[1]:.0f} ms while written"
    yield f"Slowest page by its median: {found}; {verdict} the goal of {GOAL_MS:.0f} ms."


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


@contextmanager
def _place(name: str) -> Iterator[str]:
    """The address of an empty place for a gallery."""
    if name == SQLITE:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "large.db")
        return
    server = of_tests("postgres_server").Server().start()
    try:
        yield server.uri(server.new_database())
    finally:
        server.close()


def _fill(uri: str, size: int) -> list[Visit]:
    """Write people with five visits each, of four sightings."""
    made = crowd(size, time.time() - 7 * 86_400).records
    order = np.lexsort((made.times, made.identities))
    made = made.take(order)
    visits, first = new_ids(size // PER_VISIT), made.times[::PER_VISIT]
    cameras = tuple(f"camera {n}" for n in np.random.default_rng(2).integers(0, CAMERAS, len(visits)))
    times = np.repeat(first, PER_VISIT) + np.tile(np.arange(PER_VISIT, dtype=np.float64), len(visits))
    each = np.repeat(np.arange(len(visits)), PER_VISIT)
    made = replace(made, visits=visits[each], times=times, cameras=tuple(cameras[n] for n in each))
    identities = made.identities[::PER_VISIT]
    written = [
        _visit(int(v), int(i), c, float(t)) for v, i, c, t in zip(visits, identities, cameras, first, strict=True)
    ]
    store = open_store(uri, DIM, FINGERPRINT)
    for start in progress(range(0, len(written), _BATCH), f"filling {store.uri}", unit="batch"):
        part = np.arange(PER_VISIT * start, min(PER_VISIT * (start + _BATCH), len(made)))
        store.upsert(made.take(part), written[start : start + _BATCH])
    _teach(store, made)
    store.reserve(1000)
    store.close()
    return written


def _visit(visit: int, identity: int, camera: str, first: float) -> Visit:
    rng = np.random.default_rng(visit % 2**32)
    walked = np.cumsum(rng.normal(0, 0.01, (_PATH_POINTS, 2)), axis=0) + rng.uniform(0.2, 0.7, 2)
    feet = walked.clip(0, 0.8)
    path = np.column_stack([np.linspace(0, 10, _PATH_POINTS), feet, feet + 0.1])
    return Visit(visit, identity, camera, 0, first, first + 10, as_floats(path), float(rng.choice([1.0, 0.9, 0.7])))


def _teach(store: Store, made: Records) -> None:
    """What cameras learn, so that searches have a metric and probabilities."""
    held = made.embeddings[: 20 * EACH].reshape(20, EACH, DIM)
    means = unit(held.mean(axis=1))
    off = (held - means[:, None]).reshape(-1, DIM)
    genuine = held.reshape(-1, 2, DIM)[:100]
    impostor = np.stack([held[:-1, :8], held[1:, :8]], axis=2).reshape(-1, 2, DIM)[:100]
    learned = LearnedStatistics(as_floats(off.T @ off), len(off), genuine, impostor, means)
    for n in range(CAMERAS):
        store.put_blob(evidence_key(f"camera {n}", time.time_ns()), learned.dump())


@contextmanager
def _served(uri: str) -> Iterator[Callable[[str], float]]:
    """A server of its own, as a function from a page's address to milliseconds until its first byte."""
    command = [sys.executable, "-m", "ultralytics_reid", "serve", "--gallery", uri, "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--audit-log", str(Path(folder) / "audit.jsonl")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        assert server.stdout is not None
        try:
            address = urlsplit(server.stdout.readline().split()[-1])
            token, port = address.query.removeprefix("token="), address.port
            yield lambda path: _ask(port or 0, f"reid_{port}={token}", path)
        finally:
            server.terminate()
            server.wait()


def _ask(port: int, cookie: str, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    start = time.perf_counter()
    connection.request("GET", path, headers={"cookie": cookie})
    response = connection.getresponse()
    response.read(1)
    spent = 1000 * (time.perf_counter() - start)
    response.read()
    connection.close()
    if response.status not in (200, 307):
        raise RuntimeError(f"{path} answers {response.status}")
    return spent


def _measured(ask: Callable[[str], float], known: dict[str, str]) -> dict[str, Sequence[str]]:
    """Median and slowest, by page; pages take turns."""
    spent: dict[str, list[float]] = {page: [] for page in PAGES | PARTS}
    for _ in progress(range(_ROUNDS), "asking", unit="round"):
        for page, path in (PAGES | PARTS).items():
            spent[page].append(ask(path.format(**known)))
            time.sleep(0.02)
    return {page: (f"{statistics.median(ms):.0f}", f"{max(ms):.0f}") for page, ms in spent.items()}


@contextmanager
def _writing(uri: str) -> Iterator[None]:
    """A writer that adds visits of new people, as trackers do."""
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(uri, stop))
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def _write(uri: str, stop: threading.Event) -> None:
    store, rng = open_store(uri, DIM, FINGERPRINT), np.random.default_rng(3)
    while not stop.wait(_WRITE_SECONDS):
        now, identity = time.time(), store.reserve(_WRITTEN)
        visits = [_visit(int(v), identity + n, f"camera {n % CAMERAS}", now) for n, v in enumerate(new_ids(_WRITTEN))]
        each = np.repeat(np.arange(_WRITTEN), PER_VISIT)
        count = len(each)
        columns = (
            np.array([visits[n].identity for n in each]),
            np.array([visits[n].id for n in each]),
            tuple(visits[n].camera for n in each),
            np.full(count, now),
            np.zeros(count, np.int64),
            np.ones(count, np.float32),
        )
        store.upsert(Records(new_ids(count), unit(as_floats(rng.normal(size=(count, DIM)))), *columns), visits)
    store.close()
