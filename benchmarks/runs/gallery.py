"""Time of the gallery's three engines, and of the tracker with a large gallery and without."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.records import new_ids
from ultralytics_reid.gallery.store import Store, open_store
from ultralytics_reid.scenes import Scene, SceneOptions

from ..harness.clips.synthetic import stream
from ..harness.contenders.host import OURS, HostContender, as_boxes, make_tracker, rows_as_frame
from ..harness.data.sequences import Detections
from ..harness.engines import DIM, ENGINES, FINGERPRINT, Crowd, crowd, fill, missing, recall, timed, visits_of
from ..harness.options import add_write
from ..harness.progress import progress
from ..harness.report import present

PARTS = ("engines", "tracker")
SIZES = (10_000, 100_000)
HITS, SEARCHES, WRITES = 10, 40, 15
MAX_RATIO = 1.10
# The street that is tracked: seconds that don't count, that do, and passes of each kind in turn.
WARM_UP, MEASURED, PASSES = 20.0, 40.0, 5
STREET = SceneOptions(
    people=45, seconds=WARM_UP + MEASURED, fps=30, size=(1920, 1080), seed=5, look_alikes=0.0, crowd=20, away=(10, 60)
)
NOTE = """\
Sightings of 512 dimensions, 20 an identity, on eight cameras over a week; medians, in ms; searches for 10 hits: among
all but three identities, on one camera, and in a camera's hour. Fast is `exact=False`, as the tracker asks, with its
recall beside an exact search. Milvus Lite is the tests' stand-in: what the client costs, not what a cluster can do."""


def run(args: Namespace) -> None:
    makers = {"engines": _engines, "tracker": _tracker}
    present("gallery", [block for part in args.parts for block in makers[part](args)], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: both")
    text = "sightings in the engines' galleries (default: 10000 100000)"
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N", help=text)
    parser.add_argument("--large", type=int, default=100_000, metavar="N", help="in the tracker's (default: 100000)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="default: all")
    add_write(parser)


def _engines(args: Namespace) -> Iterator[str]:
    able = [name for name in args.engines if not missing(name)]
    head = ["engine", "insert, µs", "upsert of 64", "all", "all, fast", "one camera", "a camera's hour", "MB"]
    for size in args.sizes:
        made = crowd(size, time.time() - 8 * 86_400)
        rows = []
        for name in progress(able, f"{size} sightings", unit="engine"):
            with tempfile.TemporaryDirectory() as folder, ENGINES[name](Path(folder)) as store:
                rows.append([name, *_measured(store, made, name)])
        yield f"**{size:,} sightings**\n\n{table(head, rows)}"
    yield NOTE
    for name in set(args.engines) - set(able):
        yield f"Left out: {name}, which needs {', '.join(missing(name))}."


def _measured(store: Store, made: Crowd, name: str) -> list[str]:
    insert = fill(store, made)
    if name.endswith("pgvector") and len(made.records) >= max(SIZES):
        store.index.rebuild()
    queries = iter(np.tile(made.queries(4 * SEARCHES), (8, 1)))
    times = [
        timed(lambda w=where: store.search(next(queries)[None], HITS, w), SEARCHES)  # type: ignore[misc]
        for where in made.filters.values()
    ]
    fast = timed(lambda: store.search(next(queries)[None], HITS, made.filters["all"], exact=False), SEARCHES)
    asked = made.queries(SEARCHES)
    found = [store.search(asked, HITS, made.filters["all"], exact=exact) for exact in (False, True)]
    size = store.health().bytes
    some = made.records.take(np.arange(64))
    upsert = timed(lambda: store.upsert(fresh := replace(some, ids=new_ids(64)), visits_of(fresh)), WRITES)
    quick = f"{fast:.1f} ({recall(*found):.2f})"
    ms = [f"{t:.2f}" if t < 1 else f"{t:.1f}" for t in times]
    return [f"{insert:.0f}", f"{upsert:.1f}", ms[0], quick, *ms[1:], "-" if size is None else f"{size / 2**20:.0f}"]


@dataclass(frozen=True)
class Pass:
    """One run through the street, after its warm-up.

    Attributes:
        mean: Milliseconds a frame in the tracker.
        median: The same.
        slowest: The same, of the slowest frame in a hundred.
        cpu: Milliseconds a frame of processor time, of all threads.
        newcomers: Ids first shown in that time.
    """

    mean: float
    median: float
    slowest: float
    cpu: float
    newcomers: int


def _tracker(args: Namespace) -> Iterator[str]:
    frames = [found for _, found in stream(Scene(STREET).views(), fps=STREET.fps, size=STREET.size, seed=5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.db"
        store = open_store(path, DIM, FINGERPRINT)
        fill(store, crowd(args.large, time.time() - 8 * 86_400))
        store.close()
        passes = {
            live: [
                (_pass(frames, None, live=live), _pass(frames, path, live=live))
                for _ in progress(range(PASSES), "live" if live else "passes", unit="pass")
            ]
            for live in (True, False)
        }
    yield f"**The tracker with a gallery of {args.large:,} sightings, and without**"
    yield table(["", "", "mean, ms", "median", "99th percentile", "processor, ms"], list(_rows(passes)))
    live, fast = (statistics.median(b.mean / a.mean for a, b in passes[pace]) for pace in (True, False))
    verdict = "within" if live <= MAX_RATIO else "ABOVE"
    present = sum(len(f.xyxy) for f in frames) / len(frames)
    yield (
        f"Live, the mean frame takes {live:.3f} times as long (median of {PASSES} pairs), {verdict} the goal of "
        f"{MAX_RATIO}; a recording as fast as it goes, {fast:.3f} times. {MEASURED:.0f} s of a generated street, "
        f"1080p, 30 frames a second, {present:.0f} boxes a frame; {passes[True][0][1].newcomers} newcomers are shown, "
        "for each of which the gallery is queried. SQLite, in a thread of the same process, which has read the "
        "gallery before frames are timed."
    )


def _rows(passes: dict[bool, list[tuple[Pass, Pass]]]) -> Iterator[list[str]]:
    for live, pairs in passes.items():
        for n, label in enumerate(("no gallery", "a gallery")):
            each = [pair[n] for pair in pairs]
            names = ("mean", "median", "slowest", "cpu")
            values = (statistics.median(getattr(p, name) for p in each) for name in names)
            yield ["live" if live else "as fast as it goes", label, *(f"{v:.2f}" for v in values)]


def _pass(frames: list[Detections], gallery: Path | None, *, live: bool) -> Pass:
    changes = {"gmc_method": "none"} | ({} if gallery is None else {"gallery": str(gallery)})
    tracker = make_tracker(HostContender("", OURS, changes), STREET.fps)
    tracker.embeddings.features_by = FINGERPRINT
    shape = STREET.size[1], STREET.size[0]
    image, first = np.broadcast_to(np.uint8(0), (*shape, 3)), round(WARM_UP * STREET.fps)
    spent: list[float] = []
    shown: dict[int, int] = {}
    cpu = began = 0.0
    for n, found in enumerate(frames):
        if n == first:
            if tracker.camera.connection is not None:
                tracker.camera.connection.settle()
            gc.collect()
            cpu, began = time.process_time(), time.perf_counter()
        if live and n > first:
            time.sleep(max(0.0, began + (n - first) / STREET.fps - time.perf_counter()))
        start = time.perf_counter()
        rows = tracker.update(as_boxes(found, shape), image, feats=found.feats)
        spent.append(1000 * (time.perf_counter() - start))
        for identity in rows_as_frame(rows).ids.tolist():
            shown.setdefault(identity, n)
    cpu, ms = 1000 * (time.process_time() - cpu), spent[first:]
    tracker.finish(wait=True)
    new = sum(n >= first for n in shown.values())
    return Pass(statistics.fmean(ms), statistics.median(ms), float(np.quantile(ms, 0.99)), cpu / len(ms), new)
