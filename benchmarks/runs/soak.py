"""A long run: thousands of people who come, go and come back. Ids stay unique, memory and time a frame level.

Every frame is checked: no id twice, none below 1, each row one of the frame's detections. The run ends with an error if
one fails, or if the second half needs more memory than the first by more than the limit.
"""

from __future__ import annotations

import gc
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid.evaluation.markdown import table

from ..harness.contenders.host import OURS, HostContender, black, make_tracker
from ..harness.errors import SoakError
from ..harness.options import add_write, whole
from ..harness.passersby import DIM, SHAPE, Passersby
from ..harness.progress import progress
from ..harness.report import present

FPS, PARTS = 10, 4
# Megabytes that the process may grow by from half of the frames to the end; allocators keep what they have had.
MAX_GROWTH = 64.0
NOTE = "Memory is the process'; objects are those that Python's collector knows, both at the end of each quarter."


@dataclass(frozen=True)
class Part:
    """What a part of the frames took.

    Attributes:
        frames: Their number.
        ids: Ids shown for the first time.
        people: People who came for the first time.
        ms: Milliseconds a frame, mean.
        megabytes: Of the process at the end.
        objects: Objects of Python's collector at the end.
    """

    frames: int
    ids: int
    people: int
    ms: float
    megabytes: float
    objects: int


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--frames", type=whole, default=40_000, metavar="N", help="default: 40000")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--crowd", type=whole, default=6, metavar="N", help="people in view (default: 6)")
    parser.add_argument("--dim", type=whole, default=DIM, metavar="N", help=f"of the embeddings (default: {DIM})")
    parser.add_argument("--odd", type=float, default=0.0, metavar="SHARE", help="of detections, 0-1 (default: 0)")
    parser.add_argument("--identities", type=whole, default=100, metavar="N", help="memory_identities (default: 100)")
    parser.add_argument("--gallery", action="store_true", help="with a gallery, a file that is deleted afterwards")
    parser.add_argument("--max-growth", type=float, default=MAX_GROWTH, metavar="MB", help=f"default: {MAX_GROWTH:g}")
    add_write(parser)


def run(args: Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        gallery = {"gallery": str(Path(folder) / "soak.db"), "gallery_wait": 0.0} if args.gallery else {}
        keys = {"gmc_method": "none", "memory_identities": args.identities} | gallery
        tracker = make_tracker(HostContender("", OURS, keys), FPS)
        before = _megabytes()
        people = Passersby(args.seed, crowd=args.crowd, dim=args.dim, odd=args.odd)
        parts = list(progress(measure(tracker, people, args.frames), "quarters", unit="part"))
        closing = tracker.finish(wait=True)
    head = ["frames", "new people", "new ids", "ms a frame", "MB", "objects"]
    rows = [
        [str(v) for v in (p.frames, p.people, p.ids, f"{p.ms:.2f}", f"{p.megabytes:.0f}", p.objects)] for p in parts
    ]
    ms = sum(p.ms * p.frames for p in parts) / max(1, args.frames)
    people_line = (
        f"{people.people} people, {people.returns} returns, {args.crowd} in view, {args.dim} dimensions, seed "
        f"{args.seed}, odd {args.odd:g}; {1000 / max(ms, 1e-9):.0f} frames a second; {before:.0f} MB before the first "
        f"frame. {closing}"
    )
    present("soak", [table(head, rows), f"{people_line.strip()} {NOTE}"], write=args.write)
    check_growth(parts, args.max_growth)


def measure(tracker: Any, people: Passersby, frames: int) -> Iterator[Part]:
    """Track people by a tracker, and check every frame.

    Args:
        tracker: The host's object.
        people: Whom it sees.
        frames: How many frames.

    Yields:
        What each quarter of the frames took.

    Raises:
        SoakError: If a frame fails, see `check_rows`.
    """
    image, shown = black(SHAPE), set[int]()
    stream = enumerate(people.frames(frames))
    for first, last in pairwise(np.linspace(0, frames, PARTS + 1).astype(int).tolist()):
        ids, there, spent = len(shown), people.people, 0.0
        for _, (n, (rows, feats)) in zip(range(last - first), stream, strict=False):
            start = time.perf_counter()
            found = tracker.update(_boxes(rows), image, feats=feats)
            spent += time.perf_counter() - start
            shown |= check_rows(found, len(rows), n)
        gc.collect()
        size, objects = _megabytes(), len(gc.get_objects())
        count = max(1, last - first)
        yield Part(last - first, len(shown) - ids, people.people - there, 1000 * spent / count, size, objects)


def check_rows(found: Any, detections: int, frame: int) -> set[int]:
    """Check what a tracker returned for a frame.

    Args:
        found: The rows, `(T, 8)`; `(0,)` for none.
        detections: Number of the frame's detections.
        frame: Its number, for the message.

    Returns:
        The ids.

    Raises:
        SoakError: If an id is shown twice or is below 1, or a row is of no detection or one that another has.
    """
    rows = np.asarray(found, np.float64).reshape(-1, 8)
    ids, of = rows[:, 4].astype(np.int64).tolist(), rows[:, 7].astype(np.int64).tolist()
    if not np.isfinite(rows).all():
        raise SoakError(f"frame {frame}: a row is not finite: {rows.tolist()}")
    if len(set(ids)) < len(ids) or any(i < 1 for i in ids):
        raise SoakError(f"frame {frame}: ids must be above 0 and different, got {ids}")
    if len(set(of)) < len(of) or not all(0 <= n < detections for n in of):
        raise SoakError(f"frame {frame}: rows must be of different detections of {detections}, got {of}")
    return set(ids)


def check_growth(parts: list[Part], limit: float) -> None:
    """Check that the second half needs no more memory than the first.

    Args:
        parts: Of the run, in order.
        limit: Megabytes that are no growth.

    Raises:
        SoakError: If it does.
    """
    grown = parts[-1].megabytes - parts[len(parts) // 2 - 1].megabytes
    if grown > limit:
        raise SoakError(f"the second half grew by {grown:.0f} MB, at most {limit:g} were expected")


def _boxes(rows: Any) -> Any:
    from ultralytics.engine.results import Boxes

    return Boxes(rows, SHAPE)


def _megabytes() -> float:
    import psutil  # type: ignore[import-untyped]  # the host needs it too

    return float(psutil.Process().memory_info().rss) / 2**20
