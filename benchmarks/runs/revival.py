"""Revivals by length of absence: recall, precision, and newcomers that get a known identity's id."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics_reid.evaluation.markdown import facts, table
from ultralytics_reid.evaluation.revivals import BINS, DEFINITIONS, Appearance, Summary, Tally, summarize

from ..harness.clips.material import (
    DATA,
    HOLES,
    CachedVideo,
    Changes,
    Recording,
    big_scene,
    default_scenes,
    filmed_clips,
    mot_clips,
    rendered_clips,
    rendered_scenes,
    scene_clips,
)
from ..harness.contenders.base import Contender
from ..harness.contenders.choosing import choose
from ..harness.contenders.host import with_embedder
from ..harness.contenders.stock import (
    REID_BOTSORT,
    STOCK_REID,
)
from ..harness.data.cache import Cache
from ..harness.data.embedding import need_embedder
from ..harness.data.features import EMBEDDERS
from ..harness.data.layout import SPLITS, find_clips
from ..harness.data.recipe import SIMULATED, Recipe
from ..harness.gap_plot import draw
from ..harness.jobs import cores, do_all
from ..harness.options import (
    ASSETS,
    MOT17,
    PETS,
    TUD,
    add_features,
    add_json,
    add_shared,
    add_write,
    names_of,
    need,
    need_clips,
    new_file,
    whole,
)
from ..harness.packages import has
from ..harness.report import present
from ..harness.watch import WatchOutcome, watch

if TYPE_CHECKING:
    from ultralytics_reid.scenes import SceneOptions

EPILOG = DEFINITIONS
PLOT = ASSETS / "revival.png"
TRACKERS = (*STOCK_REID, REID_BOTSORT)
COLUMNS = ["precision", "newcomers false", "commit, s", "ids", "ids shown", "changes", "ms"]
NOTE = """\
Columns by gap: returns recognized of all returns. Precision: returns recognized of all appearances that were given an
id with an owner. Commit: median / 90th percentile of the seconds until a return that is recognized keeps its id. All
trackers get the same detections, embeddings and camera motion (`sparseOptFlow`; none in scenes that are not rendered,
whose cameras stand still), each with its YAML's defaults but for what its row says. `ms` is the median time of a frame
in the tracker."""
RENDERED = "in images, detections by the demo's detector, embeddings: its own features, as `model: auto` takes them"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """A tracker on one part of the data, over all its clips and seeds.

    Attributes:
        data: Which data.
        part: Which part of it.
        tracker: Its label.
        clips: How many there are.
        summary: Its revivals.
        milliseconds: Mean over clips of the median frame's time.
    """

    data: str
    part: str
    tracker: str
    clips: int
    summary: Summary
    milliseconds: float


def run(args: Namespace) -> None:
    if args.data is None:
        args.data = [] if args.mot else ["scenes"] if args.people else list(DATA)
    clips, trackers = list(_clips(args)), _trackers(args)
    jobs = [WatchJob(clip, trackers, bar=len(clips) == 1) for clip in clips]
    outcomes = list(zip(clips, do_all(jobs, args.workers, "revival"), strict=True))
    scores = _scores(outcomes)
    if args.json:
        args.json.write_text(json.dumps(_as_json(args, scores, outcomes), indent=1) + "\n")
    for path in filter(None, (args.plot, PLOT if args.write else None)):
        draw(path, {(s.data, s.part, s.tracker): s.summary for s in scores})
    present("revival", [*_tables(scores), *_notes(args, clips)], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    _add_data(parser)
    _add_scenes(parser)
    text = "name, or name:key=value,key=value (default: six)"
    parser.add_argument("--trackers", nargs="+", metavar="LIST", help=text)
    parser.add_argument("--workers", type=whole, default=cores(), metavar="N", help="processes (default: one a core)")
    add_json(parser, "figures and appearances")
    parser.add_argument("--plot", type=new_file, metavar="FILE", help="draw recall by gap there")
    add_write(parser)


def _add_data(parser: ArgumentParser) -> None:
    text = f"of {','.join(DATA)} (default: all, or none with --mot); rendered: scenes {RENDERED}"
    parser.add_argument("--data", type=names_of(DATA), metavar="LIST", help=text)
    text = "MOTChallenge folders with det/ and gt/"
    parser.add_argument("--mot", nargs="+", type=Path, default=[], metavar="DIR", help=text)
    splits = [s for s in SPLITS if s != "test"]
    parser.add_argument("--split", choices=splits, default="train", help="of --mot (default: train)")
    parser.add_argument("--model", default=SIMULATED, metavar="NAME", help="embedder of --mot, as a YAML's `model`")
    parser.add_argument("--weights", default="", metavar="FILE", help="of that embedder, as a YAML's `weights`")
    text = "of PETS and TUD (default: msmt17)"
    parser.add_argument("--embedder", choices=tuple(EMBEDDERS), default="msmt17", help=text)
    add_features(parser)
    holes = (0.5, 2.0, 8.0, 20.0)
    parser.add_argument("--holes", type=_seconds, default=holes, metavar="LIST", help="s (default: 0.5,2,8,20)")
    parser.add_argument("--covered", type=_seconds, default=(2.0, 10.0), metavar="LIST", help="s (default: 2,10)")
    parser.add_argument("--seeds", type=whole, default=1, metavar="N", help="random repetitions (default: 1)")


def _add_scenes(parser: ArgumentParser) -> None:
    text = "one long scene in place of the usual ones, N people, ..."
    parser.add_argument("--people", type=whole, metavar="N", help=text)
    parser.add_argument("--hours", type=float, default=1.0, metavar="H", help="... H hours (default: 1)")
    text = "of people in scenes (default: 0.1)"
    parser.add_argument("--look-alikes", type=float, default=0.1, metavar="SHARE", help=text)


def _trackers(args: Namespace) -> list[Contender]:
    """Trackers to compare; ours is told of an embedder only where --model names one."""
    if args.trackers:
        return choose(args.trackers, {}, args.model)
    return [with_embedder(contender, args.model) for contender in TRACKERS]


def _seconds(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",") if part)
    except ValueError:
        found = (math.nan,)
    if not all(s > 0 for s in found):
        raise ArgumentTypeError(f"must be seconds above 0, separated by commas, got {text!r}")
    return found


def _clips(args: Namespace) -> Iterator[Recording]:
    changes = Changes(args.holes, args.covered, args.seeds)
    for data, name in (("pets", PETS), ("tud", TUD)):
        if data in args.data:
            need_clips(args.shared, [name])
            yield from filmed_clips(data, CachedVideo(name, args.shared, args.embedder, args.features), changes)
    recipe = Recipe(Cache(args.features), embedder=args.model, weights=args.weights)
    if "mot17" in args.data:
        need(args.shared / "data" / MOT17)
        found = find_clips(args.shared / "data" / MOT17, "val-half", None, (), partial=False)
        yield from mot_clips(DATA["mot17"], found, replace(recipe, embedder=SIMULATED), changes)
    for folder in args.mot:
        need_embedder(recipe)
        found = find_clips(folder, args.split, None, (), partial=args.split != "val-half")
        yield from mot_clips(_title(folder, recipe), found, recipe, changes)
    if "scenes" in args.data:
        yield from scene_clips(_scenes(args), args.seeds)
    if "rendered" in args.data:
        yield from rendered_clips(rendered_scenes(), args.seeds, args.features)


def _title(folder: Path, recipe: Recipe) -> str:
    """Name a folder's sequences for tables, a split's by its data set, and say where embeddings are simulated."""
    whole = folder.resolve()
    name = f"{whole.parent.name}/{whole.name}" if whole.name in SPLITS.values() else whole.name
    return f"{name}, simulated appearance" if recipe.embedder == SIMULATED else name


@dataclass(frozen=True)
class WatchJob:
    """Run all trackers on a recording; can be handed to another process.

    Attributes:
        clip: The recording.
        trackers: Each with a label of its own.
        bar: Whether to show how far it is, frame by frame.
    """

    clip: Recording
    trackers: list[Contender]
    bar: bool

    def __call__(self) -> dict[str, WatchOutcome]:
        """Run them."""
        return watch(self.trackers, self.clip.make(), self.clip.name if self.bar else None)


def _scenes(args: Namespace) -> dict[str, SceneOptions]:
    if args.people:
        return big_scene(args.people, args.hours, args.look_alikes)
    return default_scenes(args.look_alikes)


def _scores(outcomes: list[tuple[Recording, dict[str, WatchOutcome]]]) -> list[Row]:
    found: dict[Key, list[WatchOutcome]] = {}
    for clip, by_tracker in outcomes:
        for tracker, outcome in by_tracker.items():
            found.setdefault((clip.data, clip.part, tracker), []).append(outcome)
    return [_score(key, each) for key, each in found.items()]


def _score(key: Key, each: list[WatchOutcome]) -> Row:
    appearances = [a for o in each for a in o.appearances]
    milliseconds = sum(o.milliseconds for o in each) / len(each)
    return Row(*key, len(each), summarize(appearances, sum(o.ids for o in each)), milliseconds)


def _tables(scores: list[Row]) -> Iterator[str]:
    for data, part in dict.fromkeys((s.data, s.part) for s in scores):
        mine = [s for s in scores if (s.data, s.part) == (data, part)]
        bins = [name for name in BINS if any(name in s.summary.bins for s in mine)]
        clips = f" ({mine[0].clips} runs)" if mine[0].clips > 1 else ""
        rows = table(["tracker", *bins, *COLUMNS], [[s.tracker, *_cells(s, bins)] for s in mine])
        yield f"**{data}: {part}{clips}**\n\n{rows}"


def _cells(score: Row, bins: list[str]) -> list[str]:
    s = score.summary
    recall = [_share(t.right, t.total) for t in (s.bins.get(name, Tally()) for name in bins)]
    commit = "-" if math.isnan(s.commit[0]) else " / ".join(f"{v:.1f}" for v in s.commit)
    counts = [_share(s.every.right, s.given), _share(s.false, s.newcomers), commit]
    return [*recall, *counts, str(s.ids), f"{s.shown:.2f}", str(s.changes), f"{score.milliseconds:.1f}"]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _notes(args: Namespace, clips: list[Recording]) -> Iterator[str]:
    yield NOTE
    if {"pets", "tud"} & set(args.data):
        yield f"PETS and TUD: detections by YOLO11n INT8, embeddings: {EMBEDDERS[args.embedder]}."
    if "rendered" in args.data:
        yield f"Rendered scenes: {RENDERED}."
    if any(c.part == HOLES for c in clips):
        covered = f"covered for {_listed(args.covered)} s"
        yield f"Holes of {_listed(args.holes)} s, {covered}: each as far as a clip has room for it."
    if args.mot:
        made_up = "simulated from the ground truth (--model takes an embedder)"
        yield f"Of --mot, embeddings: {made_up if args.model == SIMULATED else args.model}."
    if len(clips) == 1 and has("resource"):  # with more clips, other processes did the work
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        yield f"At most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MB, with all trackers."


def _listed(seconds: tuple[float, ...]) -> str:
    return ", ".join(f"{s:g}" for s in seconds)


def _as_json(
    args: Namespace, scores: list[Row], outcomes: list[tuple[Recording, dict[str, WatchOutcome]]]
) -> dict[str, Any]:
    rows = [
        {"data": c.data, "part": c.part, "clip": c.name, "tracker": label, "appearances": _rows(o.appearances)}
        for c, by_tracker in outcomes
        for label, o in by_tracker.items()
    ]
    figures = [_plain({**asdict(s), "precision": s.summary.precision}) for s in scores]
    asked = {"holes": args.holes, "covered": args.covered, "seeds": args.seeds, "embedder": args.embedder}
    return {"machine": facts(), "asked": asked, "scores": figures, "columns": list(_FIELDS), "clips": rows}


def _plain(value: Any) -> Any:
    """Replace nan by None, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


_FIELDS = tuple(Appearance.__dataclass_fields__)


def _rows(appearances: tuple[Appearance, ...]) -> list[list[Any]]:
    return [[getattr(a, name) for name in _FIELDS] for a in appearances]
