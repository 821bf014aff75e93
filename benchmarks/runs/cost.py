"""Time of `update()` beside stock's: a generated crowd, real clips, streams, and the first frame; embeddings given.

One thread; camera motion is none or given.

A hundred people stay in view. Ten others leave for good before anything is measured; then strangers come, each half
like one of those ten, so that their identity stays undecided for a while. All trackers get the same frames in turn.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics_reid._typing import Floats
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.evaluation.markdown import table

from ..harness.contenders.host import OURS, HostContender, as_boxes, make_tracker
from ..harness.contenders.stock import BOTSORT, BOTSORT_REID, REID_BOTSORT
from ..harness.data.sequences import Detections
from ..harness.options import PETS, add_shared, add_write
from ..harness.progress import progress
from ..harness.report import present
from ..harness.turns import first_frames, frames_per_second, in_turn, materials

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

RESIDENTS, SLOTS, DIM, FPS = 100, 10, 512, 30.0
IMAGE = np.broadcast_to(np.uint8(0), (1080, 1920, 3))
CELL, COLUMNS, SIZE = (160, 108), 12, (40, 80)
STROLL, LAP = 8.0, 300  # pixels about the middle of the cell, frames a round
NOISE = 0.5  # norm of what is added to a unit look in every crop: two crops of one person have a cosine of 0.8
PROTOTYPE_NOISE = 0.2
FIRST_FILLED = 1_000_000

WARM_UP, ACQUAINTED = 150, 90
# Frames of a situation: until the last strangers are no longer lost tracks, until the new ones are asked about, and
# those that are measured, before the tracker may give up asking.
REST, ARRIVAL, MEASURED = 45, 15, 40

CHANGES = {"gmc_method": "none"}
STOCK = HostContender("botsort, with_reid", BOTSORT_REID.name, {**BOTSORT_REID.changes, **CHANGES})
EMPTY = HostContender("reid_botsort, memory empty", OURS, CHANGES)
FULL = HostContender("**reid_botsort**, memory full", OURS, {**CHANGES, "memory_identities": 20_000})


@dataclass(frozen=True)
class Situation:
    """Strangers in view.

    Attributes:
        strangers: Their number.
        most: The most milliseconds that they may cost beyond no queries.
    """

    strangers: int
    most: float = 0.0


SITUATIONS = {"none": Situation(0), "one": Situation(1, 0.7), "ten": Situation(10, 3.0)}
MAX_RATIO, MAX_WORST, MAX_FIRST = 1.0, 3.0, 1.05
DENSE, STREAMS = "MOT17-04", (1, 2, 4, 8)
PROFILED = 25


class Crowd:
    """Boxes and unit embeddings of people strolling, each in a cell of their own.

    Args:
        likeness: Cosine of a stranger's look to that of the acquaintance in the same place.
    """

    def __init__(self, likeness: float) -> None:
        self._rng = np.random.default_rng(0)
        self._likeness = likeness
        self._residents = self.looks(RESIDENTS)
        self.acquaintances = self.looks(SLOTS)

    def looks(self, count: int) -> Floats:
        """Unit looks of as many others, `(count, 512)`."""
        return _unit(self._rng.normal(size=(count, DIM)))

    def strangers(self, count: int) -> Floats:
        """Looks of new people, `(count, 512)`, each half like an acquaintance."""
        like, own = self.acquaintances[:count], self.looks(count)
        own = _unit(own - np.sum(own * like, axis=1, keepdims=True) * like)  # or chance would add to the likeness
        return _unit(self._likeness * like + (1 - self._likeness**2) ** 0.5 * own)

    def blurred(self, looks: Floats, noise: float) -> Floats:
        """Looks as a crop shows them: unit rows, with noise of a given norm added first."""
        return _unit(looks + noise / DIM**0.5 * self._rng.normal(size=looks.shape))

    def frame(self, number: int, others: Floats) -> Detections:
        """A frame with all residents, and others in the slots."""
        feats = self.blurred(np.concatenate([self._residents, others]), NOISE)
        conf = self._rng.uniform(0.7, 0.95, len(feats)).astype(np.float32)
        return Detections(_strolling(len(feats), number), conf, np.zeros(len(feats), np.float32), feats)


def _unit(rows: npt.NDArray[Any]) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _strolling(count: int, number: int) -> Floats:
    """Boxes of the first cells in a frame, `(count, 4)`."""
    cell = np.arange(count)
    angle = 2 * np.pi * (number / LAP + cell / 7)
    middle = (np.stack([cell % COLUMNS, cell // COLUMNS], axis=1) + 0.5) * CELL
    middle = middle + STROLL * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([middle - np.divide(SIZE, 2), middle + np.divide(SIZE, 2)], axis=1).astype(np.float32)


class Stopwatch:
    """A tracker, processor time of its measured frames, and how many people were undecided in them.

    Args:
        contender: The tracker's config.

    Attributes:
        label: How tables call it.
        tracker: The host's or this package's.
    """

    def __init__(self, contender: HostContender) -> None:
        self.label = contender.label
        self.tracker = make_tracker(contender, FPS)
        self._seconds: dict[str, list[float]] = {key: [] for key in SITUATIONS}
        self._asked: dict[str, list[int]] = {key: [] for key in SITUATIONS}

    def update(self, detections: Detections, situation: str | None) -> None:
        """Track a frame, and keep its figures where it counts for a situation."""
        boxes = as_boxes(detections, IMAGE.shape[:2])
        start = time.thread_time()
        self.tracker.update(boxes, IMAGE, feats=detections.feats)
        seconds = time.thread_time() - start
        if situation is not None:
            self._seconds[situation].append(seconds)
            self._asked[situation].append(_undecided(self.tracker))

    def milliseconds(self, situation: str, quantile: float = 0.5) -> float:
        """A quantile of a situation's times."""
        return 1000 * float(np.quantile(self._seconds[situation], quantile))

    def asked(self, situation: str) -> float:
        """Return the number of undecided people, in the mean over a situation's frames."""
        return statistics.mean(self._asked[situation])


def _undecided(tracker: Any) -> int:
    """Confirmed tracks with an undecided identity; 0 for stock."""
    if not hasattr(tracker, "identities"):
        return 0
    confirmed = [t for t in tracker.tracked_stracks if t.is_activated]
    return len(confirmed) - sum(not identity.provisional for identity in tracker.identities().values())


def run(args: Namespace) -> None:
    if any(os.environ.get(key) != value for key, value in ONE_THREAD.items()):
        # Libraries read these when they are loaded, and they have been by now.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ONE_THREAD})
    crowd, watches, profile = Crowd(args.likeness), [Stopwatch(c) for c in (STOCK, EMPTY, FULL)], cProfile.Profile()
    for number in range(WARM_UP):
        detections = crowd.frame(number, crowd.acquaintances if number < ACQUAINTED else crowd.acquaintances[:0])
        for watch in watches:
            watch.update(detections, None)
    fill(watches[-1].tracker, crowd, args.identities, args.prototypes)
    for number, (situation, detections) in enumerate(_frames(crowd, args.rounds)):
        turn = number % len(watches)
        for watch in watches[turn:] + watches[:turn]:
            if watch is watches[-1] and situation is not None and situation == args.profile:
                profile.runcall(watch.update, detections, situation)
            else:
                watch.update(detections, situation)
    if args.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(PROFILED)
    else:
        blocks = [*_report(*watches), *(() if args.crowd_only else _real(args))]
        present("cost", blocks, write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_write(parser)
    add_shared(parser)
    parser.add_argument("--crowd-only", action="store_true", help="leave out real clips, streams and the first frame")
    parser.add_argument("--rounds", type=int, default=4, help=f"of {MEASURED} frames a situation (default: 4)")
    parser.add_argument("--identities", type=int, default=10_000, help="remembered (default: 10000)")
    parser.add_argument("--prototypes", type=int, default=8, help="of each (default: 8)")
    parser.add_argument(
        "--likeness", type=float, default=0.52, help="cosine, strangers to acquaintances (default: 0.52)"
    )
    text = "show what takes the full memory's time in one situation instead (default: ten)"
    parser.add_argument("--profile", nargs="?", choices=tuple(SITUATIONS), const="ten", help=text)


def fill(tracker: Any, crowd: Crowd, identities: int, prototypes: int) -> None:
    """Fill a tracker's memory with people that left long ago.

    Args:
        tracker: This package's.
        crowd: Gives their looks.
        identities: How many.
        prototypes: Embeddings of each.
    """
    bank, now = tracker.recognizer.bank, tracker.clock.now
    times = np.linspace(now - 500, now - 10, identities)
    looks = zip(times, crowd.looks(identities), strict=True)
    for n, (left, look) in enumerate(progress(looks, "filling the memory", identities)):
        bank.see(FIRST_FILLED + n, LastSeen(float(left), 0, np.zeros(2), np.zeros(2), 5.0, float(SIZE[1])))
        for prototype in crowd.blurred(np.tile(look, (prototypes, 1)), PROTOTYPE_NOISE):
            bank.learn(FIRST_FILLED + n, prototype, 10.0)


def _frames(crowd: Crowd, rounds: int) -> Iterator[tuple[str | None, Detections]]:
    """Frames after the warm-up, each with the situation that it counts for, or None."""
    number = count(WARM_UP)
    for situation in progress([*SITUATIONS] * rounds, "measuring"):
        strangers = crowd.strangers(SITUATIONS[situation].strangers)
        for n in range(REST + ARRIVAL + MEASURED):
            counts = situation if n >= REST + ARRIVAL else None
            yield counts, crowd.frame(next(number), strangers if n >= REST else strangers[:0])


def _report(stock: Stopwatch, empty: Stopwatch, full: Stopwatch) -> Iterator[str]:
    head = [
        "people asked about",
        "tracker",
        "undecided",
        "ms",
        "95 % of frames",
        "99.9 %",
        "times stock",
        "ms beyond none",
    ]
    yield table(head, [_row(key, watch, stock) for key in SITUATIONS for watch in (stock, empty, full)])
    yield "\n".join(_verdicts(stock, full))


def _row(situation: str, watch: Stopwatch, stock: Stopwatch) -> list[str]:
    middle, most = watch.milliseconds(situation), watch.milliseconds(situation, 0.95)
    ratio = middle / stock.milliseconds(situation)
    worst = watch.milliseconds(situation, 0.999)
    times = [f"{middle:.2f}", f"{most:.2f}", f"{worst:.2f}", f"{ratio:.2f}", f"{_beyond(situation, watch):+.2f}"]
    return [situation, watch.label, f"{watch.asked(situation):.1f}", *times]


def _beyond(situation: str, watch: Stopwatch) -> float:
    return watch.milliseconds(situation) - watch.milliseconds("none")


def _verdicts(stock: Stopwatch, full: Stopwatch) -> Iterator[str]:
    ratio = full.milliseconds("none") / stock.milliseconds("none")
    yield f"- none: {ratio:.2f} times stock (target: at most {MAX_RATIO}): {_met(ratio <= MAX_RATIO)}"
    for key, situation in SITUATIONS.items():
        if situation.strangers:
            beyond = _beyond(key, full)
            target = f"target: at most {situation.most:+g} ms"
            yield f"- {key}: {beyond:+.2f} ms beyond none ({target}): {_met(beyond <= situation.most)}"
        if abs(full.asked(key) - situation.strangers) > 0.1 * situation.strangers:
            yield f"- {key}: NOT what was meant, {full.asked(key):.1f} were undecided; try another --likeness"


def _real(args: Namespace) -> Iterator[str]:
    """Tables of real clips, streams and the first frame."""
    rows, ratios = [], []
    found = materials(args.shared)
    for material in found:
        times = in_turn((BOTSORT, BOTSORT_REID, REID_BOTSORT), material, args.rounds)
        stock = float(np.median(times[1].cpu))
        ratios.append((material.name, float(np.median(times[2].cpu)), stock, times[2].worst))
        for contender, t in zip((BOTSORT, BOTSORT_REID, REID_BOTSORT), times, strict=True):
            middle = float(np.median(t.cpu))
            cells = [f"{np.median(t.wall):.2f}", f"{middle:.2f}", f"{middle / stock:.2f}", f"{t.worst:.1f}"]
            rows.append([material.name, contender.label, *cells])
    head = ["clip", "tracker", "ms", "processor ms", "times botsort, with_reid", "99.9 % of frames over the median"]
    yield table(head, rows)
    yield "\n".join(_real_verdicts(ratios))
    yield _streams(REID_BOTSORT, found[0])
    yield _first(args.rounds)


def _real_verdicts(ratios: list[tuple[str, float, float, float]]) -> Iterator[str]:
    for name, ours, stock, worst in ratios:
        if name == DENSE:
            yield f"- {name}: {ours / stock:.2f} times stock (at most {MAX_RATIO:g}): {_met(ours <= MAX_RATIO * stock)}"
        if name in (DENSE, PETS):
            target = f"at most {MAX_WORST:g}"
            yield f"- {name}: worst frame {worst:.1f} times the median ({target}): {_met(worst <= MAX_WORST)}"
    halves = [(ours, stock) for name, ours, stock, _ in ratios if name != PETS]
    ratio = sum(ours for ours, _ in halves) / sum(stock for _, stock in halves)
    yield f"- MOT17, mean of {len(halves)} medians: {ratio:.2f} times stock (at most 1): {_met(ratio <= MAX_RATIO)}"


def _streams(ours: HostContender, material: Any) -> str:
    found = {c.label: [frames_per_second(c, material, n) for n in STREAMS] for c in (BOTSORT_REID, ours)}
    head = [f"{material.name}, frames a second of processor time", *(f"{n} streams" for n in STREAMS)]
    return table(head, [[label, *(f"{v:.0f}" for v in values)] for label, values in found.items()])


def _first(rounds: int) -> str:
    found = first_frames(rounds)
    stock = found["botsort.yaml"]
    head = ["tracker", "import, processor s", "until the first frame", "times stock"]
    rows = [[yaml, f"{a:.2f}", f"{b:.2f}", f"{b / stock[1]:.2f}"] for yaml, (a, b) in found.items()]
    ratio = found["reid_botsort.yaml"][1] / stock[1]
    return table(head, rows) + f"\n\n- first frame: {ratio:.2f} times stock: {_met(ratio <= MAX_FIRST)}"


def _met(met: bool) -> str:
    return "met" if met else "MISSED"
