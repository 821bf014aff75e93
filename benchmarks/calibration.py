"""How far the tracker's self-calibration can be believed: what it says of pairs whose truth is known, by embedder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from harness.features import EMBEDDERS, add_choice, add_features, embedded, need_clips, usable
from harness.mot17 import picture_shape
from harness.report import add_write, publish
from harness.runs import OURS, Contender, as_boxes, make_tracker
from harness.scores import sightings
from harness.sequences import Detections, Frame, Sequence, load_sequence
from harness.setting import CHECKOUT, PETS, TUD, add_shared, facts, progress, table
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from scipy.stats import rankdata

from ultralytics_reid import Revival
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.drawing.colors import COLORS
from ultralytics_reid.memory.bank import MemoryBank
from ultralytics_reid.tuning import MAX_APPEARANCE

TITLES = {PETS: "PETS by person", TUD: "TUD-Stadtmitte"}
# Seconds that lie between a crop and what it is compared with: the one clip lasts two minutes, the other seven seconds.
AGO = {PETS: 10.0, TUD: 3.0}
RATES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
EDGES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
CONTENDER = Contender("reid_botsort", OURS, {"gmc_method": "none"})
# Boxes of a tracklet or an identity, at least, that must be of one person for it to count as theirs.
PURE = 0.8
# Clean crops in a tracklet's last second without which it isn't compared, as in the tracker's own checks.
MIN_CROPS = 5
# Pairs in a bin below which it isn't drawn.
MIN_PAIRS = 10
# Couples are drawn anew this often to see how much hangs on single ones; the middle share of what comes out is drawn.
DRAWS, MIDDLE = 400, (0.1, 0.9)
INK, FAINT = "#1f2933", "#9aa5b1"
_NOBODY = -1

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Tracklets against identities, once a second.

    Attributes:
        couple: `(N, 2)`, who asks and which identity is asked about: couples meet again every second.
        same: `(N,)`, whether both are the same person in truth.
        score: `(N,)` cosines under the metric of the moment.
        llr: `(N,)` nats, what the tracker took them for.
        above: `(N, 6)`, whether they exceed `impostor_bound` of each of `RATES`.
    """

    couple: Ints
    same: Bools
    score: Doubles
    llr: Doubles
    above: Bools

    @staticmethod
    def none() -> Pairs:
        """No pairs."""
        flags, numbers = np.zeros((0, len(RATES)), bool), np.zeros(0)
        return Pairs(np.zeros((0, 2), np.int64), flags[:, 0], numbers, numbers, flags)

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """All pairs of several."""
        rows = zip(*(vars(p).values() for p in [Pairs.none(), *parts]), strict=True)
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
        recognizer, config = self._tracker.recognizer, self._tracker.config
        bank = MemoryBank(config.memory_identities, config.memory_prototypes, recognizer.metric)
        bank.restore(recognizer.bank.state())
        owners = {i: _owner(self._shown[i]) for i in bank.ids if i in self._shown and bank.knows(i)}
        return Snapshot(now, bank, {i: who for i, who in owners.items() if who != _NOBODY})

    def _compare(self, tracklets: list[Tracklet], old: Snapshot, now: float) -> Iterator[Pairs]:
        """Everybody who is visible with themselves as they were, and with those who are not visible."""
        model, visible = self._tracker.recognizer.tracklet_scores, {t.identity for t in tracklets}
        for tracklet in tracklets if model.evidence_weight else []:
            crops, who = tracklet.recent(now - 1, MIN_CROPS), _owner(Counter(self._lately[tracklet]))
            known = [i for i in old.owners if i not in visible or i == tracklet.identity]
            if len(crops) < MIN_CROPS or who == _NOBODY or not known:
                continue
            query = np.array([embedding for _, embedding in crops], np.float32).mean(axis=0)
            scores = old.bank.search(query[None], known)[0]
            same = np.array([old.owners[i] == who for i in known])
            above = scores[:, None] > model.impostor_bound(np.array(RATES))
            couple = np.array([(who, i) for i in known], np.int64)
            yield Pairs(couple, same, scores.astype(float), model.llr(scores).astype(float), above)


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
    tracker, picture = make_tracker(CONTENDER, sequence.fps), np.broadcast_to(np.uint8(0), (*shape, 3))
    observer, parts = Observer(tracker, sequence, AGO[clip]), []
    pairs = zip(sequence.frames, cache, strict=True)
    for truth, detections in progress(pairs, clip, len(cache)):
        tracker.update(as_boxes(detections, shape), picture, feats=detections.feats)
        parts += observer.look(truth)
    return Pairs.joined(parts)


def bins(pairs: Pairs) -> Ints:
    """Into which range between `EDGES` each pair's log-likelihood ratio falls, `(N,)`, from 0."""
    return np.asarray(np.digitize(pairs.llr, EDGES))


def said(pairs: Pairs) -> Doubles:
    """The mean log-likelihood ratio by bin, nats, as far as the tracker follows it; NaN where there is no pair."""
    llr, place = np.clip(pairs.llr, -MAX_APPEARANCE, MAX_APPEARANCE), bins(pairs)
    ranges = [llr[place == n] for n in range(len(EDGES) + 1)]
    return np.array([r.mean() if len(r) else np.nan for r in ranges])


def observed(pairs: Pairs, weight: Doubles) -> Doubles:
    """The log-odds of "the same person" by bin, nats, less those of all pairs.

    Half a pair of either kind is added everywhere, so that nothing is infinite.

    Args:
        pairs: `N` pairs.
        weight: `(..., N)`, as how many each counts.

    Returns:
        `(..., B)`.
    """
    member = np.eye(len(EDGES) + 1)[bins(pairs)]
    same, different = ((weight * kind) @ member + 0.5 for kind in (pairs.same, ~pairs.same))
    base = (weight @ pairs.same + 0.5) / (weight @ ~pairs.same + 0.5)
    return np.asarray(np.log(same / different) - np.log(base)[..., None])


def passing(pairs: Pairs, weight: Doubles) -> Doubles:
    """The share of pairs above the bound of each of `RATES`.

    Args:
        pairs: `N` pairs of one kind.
        weight: `(..., N)`, as how many each counts.

    Returns:
        `(..., 6)`, NaN without any pair.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(weight @ pairs.above / weight.sum(axis=-1)[..., None])


def redrawn(pairs: Pairs) -> Doubles:
    """As how many each pair counts when couples are drawn with replacement, `(DRAWS, N)`."""
    couples, place = np.unique(pairs.couple, axis=0, return_inverse=True)
    draws = np.random.default_rng(0).multinomial(len(couples), np.full(len(couples), 1 / len(couples)), DRAWS)
    return np.asarray(draws[:, place.ravel()], np.float64)


def separability(pairs: Pairs) -> float:
    """How often a genuine pair scores higher than an impostor pair (AUC); NaN without either."""
    n, m = int(pairs.same.sum()), int((~pairs.same).sum())
    ranks = rankdata(pairs.score)[pairs.same].sum()
    return float((ranks - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def main() -> None:
    args = _arguments()
    able = usable(args.embedders, args.clips, args.shared, args.features)
    found = {clip: {e: _observe(args, clip, e) for e in able} for clip in args.clips}
    text = "\n\n".join([*(part for clip in args.clips for part in _tables(clip, found[clip])), *_notes(), facts()])
    print(text)
    _draw(args.clips[0], found[args.clips[0]], args.out)
    if args.write:
        publish("calibration", text)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    add_shared(parser)
    add_features(parser)
    add_choice(parser, TITLES, "; the first is drawn")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "calibration.png", metavar="FILE")
    add_write(parser)
    args = parser.parse_args()
    need_clips(args.shared, args.clips)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    return args


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


_KINDS = ["genuine pairs (couples)", "mean ± sd", "impostor pairs (couples)", "mean ± sd", "AUC"]
_PROMISES = [f"{100 * rate:g} %" for rate in RATES]


def _ranges() -> list[str]:
    inner = [f"{low:+.0f} … {high:+.0f}" for low, high in pairwise(EDGES)]
    return [f"below {EDGES[0]:+.0f}", *inner, f"above {EDGES[-1]:+.0f}"]


def _of_kind(pairs: Pairs, *, same: bool) -> Pairs:
    return Pairs(*(column[pairs.same == same] for column in vars(pairs).values()))


def _kinds(pairs: Pairs) -> list[str]:
    cells = [cell for same in (True, False) for cell in _spread(_of_kind(pairs, same=same))]
    return [*cells, f"{separability(pairs):.3f}"]


def _spread(pairs: Pairs) -> tuple[str, str]:
    couples, scores = len(np.unique(pairs.couple, axis=0)), pairs.score
    return f"{len(scores)} ({couples})", f"{scores.mean():.2f} ± {scores.std():.2f}" if len(scores) else "-"


def _reliability(pairs: Pairs) -> list[str]:
    found, place = observed(pairs, np.ones(len(pairs.same))), bins(pairs)
    counts = [(int(pairs.same[place == n].sum()), int((~pairs.same[place == n]).sum())) for n in range(len(found))]
    return [f"{f:+.1f} ({s} / {d})" if s + d else "-" for f, (s, d) in zip(found, counts, strict=True)]


def _promises(pairs: Pairs) -> list[str]:
    impostor, genuine = (_of_kind(pairs, same=same) for same in (False, True))
    shares = [100 * passing(p, np.ones(len(p.same))) for p in (impostor, genuine)]
    return [f"{i:.1f} / {g:.0f}" for i, g in zip(*shares, strict=True)]


def _notes() -> Iterator[str]:
    ago = ", ".join(f"{seconds:g} s in {TITLES[clip]}" for clip, seconds in AGO.items())
    yield (
        f"Once a second the mean of each settled tracklet's last second of clean crops ({MIN_CROPS} or more) is "
        f"compared with memory as it was some time ago ({ago}): with its own identity, and with those that are not "
        "visible. Genuine: the same person in the ground truth. Left out: whoever was on one person in less than "
        f"{100 * PURE:.0f} % of their boxes, and everything before the tracker believes its own calibration. "
        "Log-odds are corrected for how many pairs there are of either kind. One YAML for all, the shipped one but for "
        "`gmc_method: none`, for speed. A couple is a person who asks and an identity asked about; it comes up "
        "every second, so pairs are far from independent."
    )


def _draw(clip: str, found: dict[str, Pairs], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.1))
    for embedder, pairs in found.items():
        color = COLORS[list(EMBEDDERS).index(embedder)]
        _draw_odds(left, pairs, color)
        _draw_rates(right, _of_kind(pairs, same=False), color)
    _dress_odds(left)
    _dress_rates(right)
    title = f"What the tracker believes of likenesses, and what is true: {TITLES[clip]}"
    share = 100 * (MIDDLE[1] - MIDDLE[0])
    legend = f"Dashed: as promised. Shaded: {share:.0f} % of what comes out where the couples compared are drawn anew."
    figure.suptitle(f"{title}\n{legend}", x=0.01, ha="left", fontsize=11, color=INK)
    lines = [Line2D([], [], color=COLORS[n], marker="o", label=e) for n, e in enumerate(EMBEDDERS.values())]
    shown = [line for line, e in zip(lines, EMBEDDERS, strict=True) if e in found]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), frameon=False, labelcolor=INK)
    figure.savefig(path, dpi=100, facecolor="white")
    print(f"wrote {path}")


def _draw_odds(panel: Axes, pairs: Pairs, color: str) -> None:
    enough = np.bincount(bins(pairs), minlength=len(EDGES) + 1) >= MIN_PAIRS
    low, high = np.quantile(observed(pairs, redrawn(pairs)), MIDDLE, axis=0)
    y = np.where(enough, observed(pairs, np.ones(len(pairs.same))), np.nan)  # a gap in the line
    _line(panel, said(pairs), y, (low, high), color)


def _draw_rates(panel: Axes, impostors: Pairs, color: str) -> None:
    low, high = np.quantile(passing(impostors, redrawn(impostors)), MIDDLE, axis=0)
    share = passing(impostors, np.ones(len(impostors.same)))
    share[share == 0] = np.nan  # which a logarithm can't show: the line ends
    _line(panel, np.array(RATES), share, (low, high), color)


def _line(panel: Axes, x: Doubles, y: Doubles, span: tuple[Doubles, Doubles], color: str) -> None:
    panel.plot(x, y, marker="o", markersize=5, linewidth=1.8, color=color)
    panel.fill_between(x, *span, where=np.isfinite(y), color=color, alpha=0.1, linewidth=0)


def _dress_odds(panel: Axes) -> None:
    reach = MAX_APPEARANCE + 2
    panel.plot([-reach, reach], [-reach, reach], color=FAINT, linestyle="--", zorder=0)
    panel.set(xlim=(-MAX_APPEARANCE - 0.5, MAX_APPEARANCE + 0.5), ylim=(-reach, reach))
    _hint(panel, 0.97, 0.05, "below the dashes on this side:\nstrangers taken for friends too boldly", "right")
    _hint(panel, 0.03, 0.95, "above the dashes on this side:\nfriends ruled out too boldly", "left")
    _dress(panel, "What a likeness is worth", "what the tracker says: log-likelihood ratio, nats", "observed, nats")


def _dress_rates(panel: Axes) -> None:
    ticks = [*RATES, 0.002, 0.001]
    panel.plot(RATES, RATES, color=FAINT, linestyle="--", zorder=0)
    panel.set(xscale="log", yscale="log", ylim=(0.8 * min(ticks), 1.6 * max(ticks)))
    panel.set_xticks(RATES, [f"{100 * t:g} %" for t in RATES])
    panel.set_yticks(ticks, [f"{100 * t:g} %" for t in ticks])
    panel.minorticks_off()
    _hint(panel, 0.03, 0.95, "above the dashes:\nmore strangers than promised", "left")
    _dress(panel, "How often a stranger passes", "promised share of strangers", "observed share of strangers")


def _hint(panel: Axes, x: float, y: float, text: str, side: Literal["left", "right"]) -> None:
    edge: Literal["top", "bottom"] = "top" if y > 0.5 else "bottom"
    panel.text(x, y, text, ha=side, va=edge, transform=panel.transAxes, fontsize=9, fontstyle="italic", color="#52606d")


def _dress(panel: Axes, title: str, x: str, y: str) -> None:
    panel.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    panel.set_xlabel(x, color=INK)
    panel.set_ylabel(y, color=INK)
    panel.grid(color="#e4e7eb", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, colors=INK)
    for spine in panel.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    main()
