"""What a long memory is for: who is recognized, by how long they were away, and how many newcomers pay for it."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.features import EMBEDDERS, add_features
from harness.material import (
    DATA,
    HOLES,
    Changes,
    Clip,
    Recorded,
    big_scene,
    default_scenes,
    filmed_clips,
    mot_clips,
    rendered_clips,
    rendered_scenes,
    scene_clips,
)
from harness.mot.cache import Cache
from harness.mot.choice import Choice
from harness.mot.choosing import choose
from harness.mot.embedding import need_embedder
from harness.mot.errors import MotError
from harness.mot.host import HostChoice, told_embedder
from harness.mot.layout import SPLITS, find_clips
from harness.mot.recipe import SIMULATED, Recipe
from harness.mot.work import cores, do_all
from harness.mot17 import MOT17
from harness.report import add_write, publish
from harness.revival import BINS, DEFINITIONS, Appearance, Summary, Tally, summarize
from harness.revival_plot import draw
from harness.runs import OURS, Contender
from harness.setting import CHECKOUT, PETS, TUD, add_shared, facts, has, need, table, whole
from harness.stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID, DEEPOCSORT_REID, TRACKTRACK_REID
from harness.watch import Outcome, watch

from ultralytics_reid.errors import ReIDError

if TYPE_CHECKING:
    from ultralytics_reid.scenes import SceneOptions

PLOT = CHECKOUT / "docs" / "revival.png"
OWN = Contender("**reid_botsort**", OURS)
TRACKERS = (BOTSORT, BOTSORT_REID, BOTSORT_LONG, TRACKTRACK_REID, DEEPOCSORT_REID, OWN)
COLUMNS = ["precision", "newcomers false", "commit, s", "ids", "ids shown", "changes", "ms"]
NOTE = """\
Columns by gap: returns recognized of all returns. Precision: those recognized of all who were given an id that was
somebody's. Commit: median / 90th percentile of the seconds until those recognized had their id to stay. All trackers
get the same detections, embeddings and camera motion (`sparseOptFlow`; none in scenes that are not rendered, whose
cameras stand still), each with its YAML's defaults but for what its row says. `ms` is the median time a frame took in
the tracker."""
RENDERED = "in pictures, detections by the demo's detector, embeddings: its own features, as `model: auto` takes them"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Score:
    """A tracker on one part of the data, over all its clips and seeds.

    Attributes:
        data: Which data.
        part: Which part of it.
        tracker: Its label.
        clips: How many there are.
        summary: What became of those who came back.
        milliseconds: Mean over clips of the median frame's time.
    """

    data: str
    part: str
    tracker: str
    clips: int
    summary: Summary
    milliseconds: float


def main() -> None:
    args = _arguments()
    try:
        _run(args)
    except (MotError, ReIDError) as error:
        print(f"revival.py: {error}", file=sys.stderr)
        sys.exit(2)


def _run(args: Namespace) -> None:
    clips, trackers = list(_clips(args)), _trackers(args)
    jobs = [Watch(clip, trackers, bar=len(clips) == 1) for clip in clips]
    outcomes = list(zip(clips, do_all(jobs, args.workers, "revival"), strict=True))
    scores = _scores(outcomes)
    if args.json:
        args.json.write_text(json.dumps(_warned(args, scores, outcomes), indent=1) + "\n")
    text = "\n\n".join([*_tables(scores), *_notes(args, clips), facts()])
    print(text)
    for path in filter(None, (args.plot, PLOT if args.write else None)):
        draw(path, {(s.data, s.part, s.tracker): s.summary for s in scores})
    if args.write:
        publish("revival", text)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, epilog=DEFINITIONS, formatter_class=RawDescriptionHelpFormatter)
    add_shared(parser)
    _add_data(parser)
    _add_scenes(parser)
    text = "name, or name:key=value,key=value (default: six)"
    parser.add_argument("--trackers", nargs="+", metavar="LIST", help=text)
    parser.add_argument("--workers", type=whole, default=cores(), metavar="N", help="processes (default: one a core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and appearances there too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw recall by gap there")
    add_write(parser)
    args = parser.parse_args()
    for path in filter(None, (args.json, args.plot)):
        if not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}")
    if args.data is None:
        args.data = [] if args.mot else ["scenes"] if args.people else list(DATA)
    return args


def _add_data(parser: ArgumentParser) -> None:
    text = f"of {','.join(DATA)} (default: all, or none with --mot); rendered: scenes {RENDERED}"
    parser.add_argument("--data", type=_data, metavar="LIST", help=text)
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
    parser.add_argument("--seeds", type=whole, default=1, metavar="N", help="goes of chance (default: 1)")


def _add_scenes(parser: ArgumentParser) -> None:
    text = "one long scene in place of the usual ones, N people, ..."
    parser.add_argument("--people", type=whole, metavar="N", help=text)
    parser.add_argument("--hours", type=float, default=1.0, metavar="H", help="... H hours (default: 1)")
    text = "of people in scenes (default: 0.1)"
    parser.add_argument("--look-alikes", type=float, default=0.1, metavar="SHARE", help=text)


def _trackers(args: Namespace) -> list[Choice]:
    """Ours is left to what it expects of embeddings by default, whatever they are, but for those that --model names."""
    if args.trackers:
        return choose(args.trackers, {}, args.model)
    return [told_embedder(HostChoice(c.yaml, c.label, c.changes), args.model) for c in TRACKERS]


def _data(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in DATA:
            raise ArgumentTypeError(f"must be of {', '.join(DATA)}, got {name!r}")
    return names


def _seconds(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",") if part)
    except ValueError:
        found = (math.nan,)
    if not all(s > 0 for s in found):
        raise ArgumentTypeError(f"must be seconds above 0, parted by commas, got {text!r}")
    return found


def _clips(args: Namespace) -> Iterator[Clip]:
    changes = Changes(args.holes, args.covered, args.seeds)
    for data, name in (("pets", PETS), ("tud", TUD)):
        if data in args.data:
            need(args.shared / "data" / name, args.shared / "data" / "cache" / f"{name}.npz")
            yield from filmed_clips(data, Recorded(name, args.shared, args.embedder, args.features), changes)
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
        options = _scenes(args)
        yield from scene_clips(options, args.seeds)
    if "rendered" in args.data:
        yield from rendered_clips(rendered_scenes(), args.seeds, args.features)


def _title(folder: Path, recipe: Recipe) -> str:
    """What tables call the sequences of a folder, a split's by its data set; made-up embeddings are told."""
    whole = folder.resolve()
    name = f"{whole.parent.name}/{whole.name}" if whole.name in SPLITS.values() else whole.name
    return f"{name}, simulated appearance" if recipe.embedder == SIMULATED else name


@dataclass(frozen=True)
class Watch:
    """All trackers see a clip; can be handed to another process.

    Attributes:
        clip: What they see.
        trackers: Each with a label of its own.
        bar: Whether to show how far it is, frame by frame.
    """

    clip: Clip
    trackers: list[Choice]
    bar: bool

    def __call__(self) -> dict[str, Outcome]:
        """Let them."""
        return watch(self.trackers, self.clip.make(), self.clip.name if self.bar else None)


def _scenes(args: Namespace) -> dict[str, SceneOptions]:
    if args.people:
        return big_scene(args.people, args.hours, args.look_alikes)
    return default_scenes(args.look_alikes)


def _scores(outcomes: list[tuple[Clip, dict[str, Outcome]]]) -> list[Score]:
    found: dict[Key, list[Outcome]] = {}
    for clip, by_tracker in outcomes:
        for tracker, outcome in by_tracker.items():
            found.setdefault((clip.data, clip.part, tracker), []).append(outcome)
    return [_score(key, each) for key, each in found.items()]


def _score(key: Key, each: list[Outcome]) -> Score:
    appearances = [a for o in each for a in o.appearances]
    milliseconds = sum(o.milliseconds for o in each) / len(each)
    return Score(*key, len(each), summarize(appearances, sum(o.ids for o in each)), milliseconds)


def _tables(scores: list[Score]) -> Iterator[str]:
    for data, part in dict.fromkeys((s.data, s.part) for s in scores):
        mine = [s for s in scores if (s.data, s.part) == (data, part)]
        bins = [name for name in BINS if any(name in s.summary.bins for s in mine)]
        clips = f" ({mine[0].clips} runs)" if mine[0].clips > 1 else ""
        rows = table(["tracker", *bins, *COLUMNS], [[s.tracker, *_cells(s, bins)] for s in mine])
        yield f"**{data}: {part}{clips}**\n\n{rows}"


def _cells(score: Score, bins: list[str]) -> list[str]:
    s = score.summary
    recall = [_share(t.right, t.total) for t in (s.bins.get(name, Tally()) for name in bins)]
    commit = "-" if math.isnan(s.commit[0]) else " / ".join(f"{v:.1f}" for v in s.commit)
    counts = [_share(s.every.right, s.given), _share(s.false, s.newcomers), commit]
    return [*recall, *counts, str(s.ids), f"{s.shown:.2f}", str(s.changes), f"{score.milliseconds:.1f}"]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _notes(args: Namespace, clips: list[Clip]) -> Iterator[str]:
    yield NOTE
    if {"pets", "tud"} & set(args.data):
        yield f"PETS and TUD: detections by YOLO11n INT8, embeddings: {EMBEDDERS[args.embedder]}."
    if "rendered" in args.data:
        yield f"Rendered scenes: {RENDERED}."
    if any(c.part == HOLES for c in clips):
        covered = f"covered for {_listed(args.covered)} s"
        yield f"Holes of {_listed(args.holes)} s, {covered}: each as far as a clip has room for it."
    if args.mot:
        made_up = "made up from the ground truth (--model takes an embedder)"
        yield f"Of --mot, embeddings: {made_up if args.model == SIMULATED else args.model}."
    if len(clips) == 1 and has("resource"):  # else other processes, of which this one knows nothing, did the work
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        yield f"At most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MB, with all trackers."


def _listed(seconds: tuple[float, ...]) -> str:
    return ", ".join(f"{s:g}" for s in seconds)


def _warned(args: Namespace, scores: list[Score], outcomes: list[tuple[Clip, dict[str, Outcome]]]) -> dict[str, Any]:
    rows = [
        {"data": c.data, "part": c.part, "clip": c.name, "tracker": label, "appearances": _rows(o.appearances)}
        for c, by_tracker in outcomes
        for label, o in by_tracker.items()
    ]
    figures = [_plain({**asdict(s), "precision": s.summary.precision}) for s in scores]
    asked = {"holes": args.holes, "covered": args.covered, "seeds": args.seeds, "embedder": args.embedder}
    return {"machine": facts(), "asked": asked, "scores": figures, "columns": list(_FIELDS), "clips": rows}


def _plain(value: Any) -> Any:
    """What JSON can say: None in place of nan."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


_FIELDS = tuple(Appearance.__dataclass_fields__)


def _rows(appearances: tuple[Appearance, ...]) -> list[list[Any]]:
    return [[getattr(a, name) for name in _FIELDS] for a in appearances]


if __name__ == "__main__":
    main()
