"""How far the tracker's self-calibration can be believed: what it says of pairs whose truth is known, by embedder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from harness.features import EMBEDDERS, UnavailableError, add_features, embedded
from harness.mot17 import picture_shape
from harness.report import add_write, publish
from harness.runs import OURS, Contender, _boxes, _tracker
from harness.scores import sightings
from harness.sequences import Detections, Frame, Sequence, load_sequence
from harness.setting import CHECKOUT, PETS, TUD, add_shared, facts, need, progress, table
from harness.video import COLOURS
from matplotlib.axes import Axes
from scipy.stats import rankdata

from ultralytics_reid import Revival
from ultralytics_reid.memory import MemoryBank
from ultralytics_reid.tracklet import Tracklet

TITLES = {PETS: "PETS by person", TUD: "TUD-Stadtmitte"}
# Seconds that lie between a crop and what it is compared with: the one clip lasts two minutes, the other seven seconds.
AGO = {PETS: 10.0, TUD: 3.0}
RATES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
EDGES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
CONTENDER = Contender("reid_botsort", OURS, {"gmc_method": "none"})
# Boxes of a tracklet or an identity, at least, that must be of one person for it to count as theirs.
PURE = 0.8
# Clean crops in a tracklet's last second without which it isn't compared, as in the tracker's own checks.
LEAST_CROPS = 5
# Pairs in a bin, or of impostors, below which a share isn't drawn.
LEAST_PAIRS = 20
INK, FAINT = "#1f2933", "#9aa5b1"
_NOBODY = -1

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Tracklets against identities, once a second.

    Attributes:
        same: `(N,)`, whether both are the same person in truth.
        score: `(N,)` cosines under the metric of the moment.
        llr: `(N,)` nats, what the tracker took them for.
        above: `(N, 6)`, whether they exceed `impostor_bound` of each of `RATES`.
    """

    same: Bools
    score: Doubles
    llr: Doubles
    above: Bools

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """All pairs of several."""
        empty = Pairs(np.zeros(0, bool), np.zeros(0), np.zeros(0), np.zeros((0, len(RATES)), bool))
        rows = zip(*(vars(p).values() for p in [empty, *parts]), strict=True)
        return Pairs(*(np.concatenate(column) for column in rows))


@dataclass(frozen=True)
class Snapshot:
    """What was remembered at a time in seconds, and whom each identity showed until then if it was one person."""

    time: float
    bank: MemoryBank
    owners: dict[int, int]


class Observer:
    """Follows a tracker with the ground truth at hand, and asks its calibration once a second.

    Args:
        tracker: This package's.
        sequence: The ground truth.
        ago: Seconds, the least age of the memory that tracklets are compared with.
    """

    def __init__(self, tracker: Any, sequence: Sequence, ago: float) -> None:
        self._tracker = tracker
        self._sequence = sequence
        self._ago = ago
        self._next = 0.0
        self._lately: dict[Tracklet, deque[int]] = {}
        self._shown: dict[int, Counter[int]] = {}
        self._snapshots: deque[Snapshot] = deque()
        tracker.events.subscribe(self._follow_merge)

    def look(self, truth: Frame) -> list[Pairs]:
        """Take note of the frame that was just tracked; gives pairs where a second has passed."""
        tracker, now = self._tracker, self._tracker.clock.now
        tracks = [t for t in tracker.tracked_stracks if t.is_activated and t.frame_id == tracker.frame_id]
        settled = [t for t in tracks if t.tracklet.settled]
        self._note(settled, truth)
        if now < self._next:
            return []
        self._next = now + 1
        self._snapshots.append(self._snapshot(now))
        while len(self._snapshots) > 1 and self._snapshots[1].time <= now - self._ago:
            self._snapshots.popleft()
        old = self._snapshots[0]
        return list(self._compare([t.tracklet for t in settled], old, now)) if old.time <= now - self._ago else []

    def _note(self, tracks: list[Any], truth: Frame) -> None:
        boxes = np.array([t.xyxy for t in tracks], np.float32).reshape(-1, 4)
        found = sightings([truth], [Frame(np.arange(len(tracks)), boxes)])
        person = {n: self._sequence.person_of(track) for _, track, n in found}
        for n, track in enumerate(tracks):
            who, second = person.get(n, _NOBODY), max(1, round(self._sequence.fps))
            self._lately.setdefault(track.tracklet, deque(maxlen=second)).append(who)
            self._shown.setdefault(track.tracklet.identity, Counter())[who] += 1

    def _follow_merge(self, event: object) -> None:
        """A young identity turned out to be an older one: what it was taught is the older one's now."""
        if isinstance(event, Revival) and event.previous_id in self._shown and not event.corrected:
            self._shown.setdefault(event.identity_id, Counter()).update(self._shown.pop(event.previous_id))

    def _snapshot(self, now: float) -> Snapshot:
        recogniser, config = self._tracker.recogniser, self._tracker.config
        bank = MemoryBank(config.memory_identities, config.memory_prototypes, recogniser.metric)
        bank.restore(recogniser.bank.state())
        owners = {i: _owner(self._shown[i]) for i in bank.ids if i in self._shown and bank.knows(i)}
        return Snapshot(now, bank, {i: who for i, who in owners.items() if who != _NOBODY})

    def _compare(self, tracklets: list[Tracklet], old: Snapshot, now: float) -> Iterator[Pairs]:
        """Everybody who is visible with themselves as they were, and with those who are not visible."""
        model, visible = self._tracker.recogniser.tracklets, {t.identity for t in tracklets}
        for tracklet in tracklets if model.trust else []:
            crops, who = tracklet.recent(now - 1, LEAST_CROPS), _owner(Counter(self._lately[tracklet]))
            known = [i for i in old.owners if i not in visible or i == tracklet.identity]
            if len(crops) < LEAST_CROPS or who == _NOBODY or not known:
                continue
            query = np.mean([embedding for _, embedding in crops], axis=0, keepdims=True, dtype=np.float32)
            scores = old.bank.search(query, known)[0]
            same = np.array([old.owners[i] == who for i in known])
            above = scores[:, None] > model.impostor_bound(np.array(RATES))
            yield Pairs(same, scores.astype(float), model.llr(scores).astype(float), above)


def _owner(votes: Counter[int]) -> int:
    person, count = votes.most_common(1)[0]
    return person if count >= PURE * votes.total() else _NOBODY


def observe(clip: str, sequence: Sequence, cache: list[Detections], shape: tuple[int, int]) -> Pairs:
    """Track a clip and compare who is visible with who was remembered some seconds ago.

    Args:
        clip: The sequence's folder name, one of `AGO`.
        sequence: Its ground truth.
        cache: Its detections with embeddings, by frame.
        shape: Height and width of its pictures, pixels.
    """
    tracker, picture = _tracker(CONTENDER, sequence.fps), np.broadcast_to(np.uint8(0), (*shape, 3))
    observer, parts = Observer(tracker, sequence, AGO[clip]), []
    pairs = zip(sequence.frames, cache, strict=True)
    for truth, detections in progress(pairs, clip, len(cache)):
        tracker.update(_boxes(detections, shape), picture, feats=detections.feats)
        parts += observer.look(truth)
    return Pairs.joined(parts)


@dataclass(frozen=True)
class Bin:
    """Pairs whose log-likelihood ratios lie between two of `EDGES`.

    Attributes:
        said: Their mean, nats; NaN without pairs.
        found: The observed log-odds of "the same person", less those of all pairs; half a pair of either kind is
            added everywhere, so that none is infinite.
        same: How many are the same person.
        different: How many are not.
    """

    said: float
    found: float
    same: int
    different: int


def bins(pairs: Pairs) -> list[Bin]:
    """What the tracker said and what was found, by ranges of what it said, from the lowest."""
    place = np.digitize(pairs.llr, EDGES)
    return [_bin(pairs, place == n) for n in range(len(EDGES) + 1)]


def _bin(pairs: Pairs, mask: Bools) -> Bin:
    same, different = int(pairs.same[mask].sum()), int((~pairs.same[mask]).sum())
    base = np.log((pairs.same.sum() + 0.5) / ((~pairs.same).sum() + 0.5))
    said = float(pairs.llr[mask].mean()) if mask.any() else float("nan")
    return Bin(said, float(np.log((same + 0.5) / (different + 0.5)) - base), same, different)


def separability(pairs: Pairs) -> float:
    """How often a genuine pair scores higher than an impostor pair (AUC); NaN without either."""
    n, m = int(pairs.same.sum()), int((~pairs.same).sum())
    ranks = rankdata(pairs.score)[pairs.same].sum()
    return float((ranks - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def passing(pairs: Pairs, *, same: bool) -> Doubles:
    """Share of pairs of one kind above the bound of each of `RATES`, `(6,)`; NaN without any."""
    chosen = pairs.above[pairs.same == same]
    return chosen.mean(axis=0) if len(chosen) else np.full(len(RATES), np.nan)


def main() -> None:
    args = _arguments()
    usable = [e for e in args.embedders if _prepare(args, e)]
    found = {clip: {e: _observe(args, clip, e) for e in usable} for clip in args.clips}
    text = "\n\n".join([*(part for clip in args.clips for part in _tables(clip, found[clip])), *_notes(), facts()])
    print(text)
    _draw(found, args.out)
    if args.write:
        publish("calibration", text)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    add_shared(parser)
    add_features(parser)
    parser.add_argument("--clips", nargs="+", choices=tuple(TITLES), default=list(TITLES), help="default: all")
    names = list(EMBEDDERS)
    parser.add_argument("--embedders", nargs="+", choices=names, default=names, help="default: all that can be had")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "calibration.png", metavar="FILE")
    add_write(parser)
    args = parser.parse_args()
    for clip in args.clips:
        need(args.shared / "data" / clip, args.shared / "data" / "cache" / f"{clip}.npz")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    return args


def _prepare(args: Namespace, embedder: str) -> bool:
    """Compute what isn't kept yet; say why where that can't be done."""
    try:
        for clip in args.clips:
            embedded(clip, embedder, args.shared, args.features)
    except UnavailableError as reason:
        print(f"left out: {EMBEDDERS[embedder]} ({reason})", file=sys.stderr)
        return False
    return True


def _observe(args: Namespace, clip: str, embedder: str) -> Pairs:
    folder = args.shared / "data" / clip
    cache = embedded(clip, embedder, args.shared, args.features)
    return observe(clip, load_sequence(folder), cache, picture_shape(folder))


def _tables(clip: str, found: dict[str, Pairs]) -> Iterator[str]:
    for title, head, cells in (
        ("how alike people are to themselves and to others, cosine", _KINDS, _kinds),
        ("observed log-odds, nats, where the tracker said … (genuine / impostor pairs)", _ranges(), _reliability),
        ("share of impostor / genuine pairs, in %, above the bound of a false rate of …", _PROMISES, _promises),
    ):
        yield f"**{TITLES[clip]}: {title}**"
        yield table(["embedder", *head], [[EMBEDDERS[e], *cells(pairs)] for e, pairs in found.items()])


_KINDS = ["genuine pairs", "mean ± sd", "impostor pairs", "mean ± sd", "AUC"]
_PROMISES = [f"{100 * rate:g} %" for rate in RATES]


def _ranges() -> list[str]:
    inner = [f"{low:+g} … {high:+g}" for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)]
    return [f"below {EDGES[0]:+g}", *inner, f"above {EDGES[-1]:+g}"]


def _kinds(pairs: Pairs) -> list[str]:
    cells = [cell for kind in (pairs.same, ~pairs.same) for cell in _spread(pairs.score[kind])]
    return [*cells, f"{separability(pairs):.3f}"]


def _spread(scores: Doubles) -> tuple[str, str]:
    return str(len(scores)), f"{scores.mean():.2f} ± {scores.std():.2f}" if len(scores) else "-"


def _reliability(pairs: Pairs) -> list[str]:
    return [f"{b.found:+.1f} ({b.same} / {b.different})" if b.same + b.different else "-" for b in bins(pairs)]


def _promises(pairs: Pairs) -> list[str]:
    shares = zip(passing(pairs, same=False), passing(pairs, same=True), strict=True)
    return [f"{100 * impostor:.1f} / {100 * genuine:.0f}" for impostor, genuine in shares]


def _notes() -> Iterator[str]:
    ago = ", ".join(f"{seconds:g} s in {TITLES[clip]}" for clip, seconds in AGO.items())
    yield (
        f"Once a second the mean of each settled tracklet's last second of clean crops ({LEAST_CROPS} or more) is "
        f"compared with memory as it was some time ago ({ago}): with its own identity, and with those that are not "
        "visible. Genuine: the same person in the ground truth. Left out: whoever was on one person in less than "
        f"{100 * PURE:.0f} % of their boxes, and everything before the tracker believes its own calibration. "
        "Log-odds are corrected for how many pairs there are of either kind. One YAML for all, the shipped one but for "
        "`gmc_method: none`, for speed. Pairs of the same two people follow each other every second: they are far "
        "from independent."
    )


def _draw(found: dict[str, dict[str, Pairs]], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), layout="constrained")
    for clip, by_embedder in found.items():
        for embedder, pairs in by_embedder.items():
            style = _style(clip, embedder)
            _curve(left, pairs, style)
            _share(right, pairs, style)
    figure.savefig(path, dpi=100, facecolor="white")


def _style(clip: str, embedder: str) -> dict[str, Any]:
    return {"color": COLOURS[list(EMBEDDERS).index(embedder)], "linestyle": "-" if clip == PETS else ":"}


def _curve(panel: Axes, pairs: Pairs, style: dict[str, Any]) -> None:
    drawn = [b for b in bins(pairs) if b.same + b.different >= LEAST_PAIRS]
    panel.plot([b.said for b in drawn], [b.found for b in drawn], marker="o", **style)


def _share(panel: Axes, pairs: Pairs, style: dict[str, Any]) -> None:
    panel.loglog(RATES, passing(pairs, same=False), marker="o", **style)


if __name__ == "__main__":
    main()
