"""Draw ids over time, a row a person: stock BoT-SORT with ReID beside this package's tracker, both as in README."""

from __future__ import annotations

import colorsys
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import Return, returns, sightings

from ..harness.contenders.stock import BOTSORT_REID, REID_BOTSORT
from ..harness.data.sequences import Sequence, load_sequence
from ..harness.options import ASSETS, PETS, add_shared, need
from ..harness.scoring.track_eval import track_eval
from ..harness.tracking import run_live

INK, FAINT, GOOD, BAD = "#1f2933", "#9aa5b1", "#1a7f37", "#cf222e"
# An id that is put on a person for less than this many seconds is drawn, but not named.
NAMED_SECONDS = 4.5
# Paul Tol's "muted", then others as far from these as they go; hues between them once all are used up.
PALETTE = (
    *("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499"),
    *("#4477aa", "#ee8866", "#77aadd", "#994f00", "#52606d", "#bbcc33"),
)
PANELS = (
    ("Ultralytics BoT-SORT, with_reid: True", BOTSORT_REID),
    ("reid_botsort", REID_BOTSORT),
)
# README's quickstart: `model: auto`, the detector's own features, for both trackers.
DETECTOR = "yolo11n.pt"
Spell = tuple[int, int, int, int]


@dataclass(frozen=True)
class Mark:
    """What stands at a return.

    Attributes:
        sign: Marker, as matplotlib takes it.
        color: Its color.
        text: What it means, in the legend.
    """

    sign: str
    color: str
    text: str


RECOGNIZED = Mark(r"$\checkmark$", GOOD, "back, and recognized")
MISSED = Mark(r"$\times$", BAD, "back, and not recognized")
TAKEN = Mark(r"$\neq$", BAD, "the same id as before, but mostly another person's by then")


def run(args: Namespace) -> None:
    detector = args.shared / "models" / DETECTOR
    need(args.shared / "data" / PETS, detector)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sequence = load_sequence(args.shared / "data" / PETS)
    figure, panels = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout=ConstrainedLayoutEngine(h_pad=0.08))
    for panel, (title, contender) in zip(panels, PANELS, strict=True):
        tracked = run_live(contender, detector, str(sequence.video), imgsz=640, classes=[0])
        _draw(panel, title, sequence, tracked.frames)
    panels[0].set_yticks(range(len(sequence.names)), [_name(sequence, p) for p in _people(sequence)], color=INK)
    panels[0].invert_yaxis()
    _explain(figure)
    figure.savefig(args.out, dpi=100, facecolor="white")
    print(f"wrote {args.out}")


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    parser.add_argument("--out", type=Path, default=ASSETS / "timeline.png", metavar="FILE")


def _people(sequence: Sequence) -> list[int]:
    """All people, in the order in which they first appear."""
    order: dict[int, None] = {}
    for frame in sequence.by_person():
        order.update(dict.fromkeys(map(int, frame.ids)))
    return list(order)


def _name(sequence: Sequence, person: int) -> str:
    return sequence.names[person].replace("-", " ")


def _draw(panel: Axes, title: str, sequence: Sequence, output: tuple[FrameBoxes, ...]) -> None:
    row = {person: n for n, person in enumerate(_people(sequence))}
    spells = _spells(sequence, output)
    colors = _colors(spells)
    for person, predicted, first, last in spells:
        _bar(panel, (first / sequence.fps, (last + 1) / sequence.fps), row[person], predicted, colors[predicted])
    found = returns(sequence, output)
    for r in found.each:
        _draw_mark(panel, row[r.person], r.frame / sequence.fps, mark_of(r, spells))
    panel.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=24)
    ids = len({int(i) for frame in output for i in frame.ids})
    text = f"{ids} ids for {len(row)} people, {found.recognized} of {found.total} returns recognized"
    text += f", IDF1 {track_eval(sequence.by_person(), output)['IDF1']:.0f}"
    panel.text(0, 1.025, text, transform=panel.transAxes, fontsize=10.5, color=INK)
    _dress(panel, len(sequence.frames) / sequence.fps, len(row))


def _spells(sequence: Sequence, output: tuple[FrameBoxes, ...]) -> list[Spell]:
    """`(person, id, first frame, last frame)`, by person: stretches of one id, with less than a second's absence."""
    seen = sorted((sequence.person_of(track), n, i) for n, track, i in sightings(sequence.frames, output))
    spells: list[Spell] = []
    for (person, predicted), run in groupby(seen, key=lambda s: (s[0], s[2])):
        for _, n, _ in run:
            if spells and spells[-1][:2] == (person, predicted) and n - spells[-1][3] < sequence.fps:
                spells[-1] = (*spells[-1][:3], n)
            else:
                spells.append((person, predicted, n, n))
    return spells


def _colors(spells: list[Spell]) -> dict[int, Any]:
    """The palette for those ids that are seen most, other hues for the rest."""
    seen: Counter[int] = Counter()
    for _, predicted, first, last in spells:
        seen[predicted] += last + 1 - first
    order = [i for i, _ in seen.most_common()]
    return {i: PALETTE[n] if n < len(PALETTE) else _hue(n) for n, i in enumerate(order)}


def _hue(n: int) -> tuple[float, float, float]:
    return colorsys.hls_to_rgb(n * 0.618034 % 1, 0.42 + 0.22 * (n % 2), 0.55)


def _bar(panel: Axes, span: tuple[float, float], row: int, predicted: int, color: Any) -> None:
    start, end = span
    panel.barh(row, end - start, left=start, height=0.62, color=color, edgecolor="white", linewidth=0.4)
    if end - start >= NAMED_SECONDS:
        r, g, b = plt.matplotlib.colors.to_rgb(color)  # type: ignore[attr-defined]
        ink = INK if 0.3 * r + 0.59 * g + 0.11 * b > 0.6 else "white"
        panel.text((start + end) / 2, row, str(predicted), ha="center", va="center_baseline", fontsize=8, color=ink)


def mark_of(found: Return, spells: list[Spell]) -> Mark:
    """The mark of a return: an id that the person had before isn't theirs if it was on another in more frames since."""
    if found.recognized:
        return RECOGNIZED
    frames: Counter[int] = Counter()
    for person, predicted, first, last in spells:
        if predicted == found.given and first < found.frame:
            frames[person] += min(last + 1, found.frame) - first
    return TAKEN if frames[found.person] and frames.most_common(1)[0][0] != found.person else MISSED


def _draw_mark(panel: Axes, row: int, seconds: float, mark: Mark) -> None:
    halo = [withStroke(linewidth=3, foreground="white")]  # where the gap before it is narrow
    panel.plot(seconds - 2.2, row, marker=mark.sign, markersize=8, color=mark.color, path_effects=halo)


def _dress(panel: Axes, seconds: float, rows: int) -> None:
    panel.set_xlim(0, seconds)
    panel.set_ylim(-0.6, rows - 0.4)
    panel.hlines(range(rows), 0, seconds, color="#e4e7eb", linewidth=0.8, zorder=0)
    panel.set_xlabel("seconds", color=INK)
    panel.tick_params(length=0, colors=INK)
    for spine in panel.spines.values():
        spine.set_visible(False)


def _explain(figure: Any) -> None:
    marks = [
        Line2D([], [], marker=mark.sign, color=mark.color, linestyle="none", markersize=8, label=mark.text)
        for mark in (RECOGNIZED, MISSED, TAKEN)
    ]
    title = "Ten people walk in and out of view (PETS09-S2L1). A row is a person, a color an id, a gap: not seen."
    figure.suptitle(title, x=0.004, ha="left", fontsize=12, color=INK)
    figure.legend(handles=marks, loc="outside lower center", ncols=3, frameon=False, labelcolor=INK, fontsize=10)
