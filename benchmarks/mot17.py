"""MOT17's validation half by MOT17's own rule: motion only, and with simulated appearance, as there are no pictures."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.mot17 import COMBINED, MOT17, NAMES, Clip, evaluate, load_clip
from harness.report import add_write, cells, publish
from harness.runs import OURS, Contender, run_cached
from harness.setting import add_shared, facts, need, table
from harness.simulate import simulate
from harness.stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID, BYTETRACK, DEEPOCSORT_REID, TRACKTRACK_REID

TITLES = {
    "motion": "Motion only: no embeddings",
    "simulated": "SIMULATED appearance: made-up embeddings as alike as real ones are, the same for all",
}
COLUMNS = ["HOTA", "AssA", "IDF1", "MOTA", "IDSW", "ids", "ms a frame"]
MEMORYLESS = Contender("reid_botsort, memory_seconds 0", OURS, {"memory_seconds": 0.0})
MOTION = (BYTETRACK, BOTSORT, Contender("tracktrack", "tracktrack.yaml"), Contender("**reid_botsort**", OURS))
SIMULATED = (
    *(BYTETRACK, BOTSORT, BOTSORT_REID, BOTSORT_LONG, TRACKTRACK_REID, DEEPOCSORT_REID),
    Contender("**reid_botsort**", OURS),
    MEMORYLESS,
)
THRESHOLDS = {"high": "track_high_thresh", "low": "track_low_thresh", "new": "new_track_thresh"}
NOTE = """\
YOLOX-X detections of ByteTrack's ablation, frame-to-frame camera motion of BoT-SORT's release for those trackers that
use any. MOT17's rule: what matches a distractor is dropped; who left the picture and comes back is somebody new, so a
return that is recognised counts as a mistake. `ms a frame` is the tracker's time alone, without finding out the camera
motion: the median frame's, in the mean over the sequences."""
SEEDED = "Figures are means over {} seeds of the simulation, ± half the range."


@dataclass(frozen=True)
class Score:
    """One run of a tracker over all sequences.

    Attributes:
        part: "motion" or "simulated".
        tracker: Its label.
        seed: The simulation's.
        values: Figures by name, by sequence and for all of them together.
    """

    part: str
    tracker: str
    seed: int
    values: dict[str, dict[str, float]]


def main() -> None:
    args = _arguments()
    clips = [load_clip(args.folder / name) for name in args.sequences]
    scores = [score for part in args.parts for score in _scores(args, part, clips)]
    if args.json:
        told = {"machine": facts(), "thresholds": args.thresholds, "scores": [vars(s) for s in scores]}
        args.json.write_text(json.dumps(told, indent=2) + "\n")
    tables, notes = list(_tables(args, scores)), [*_notes(args), facts()]
    print("\n\n".join([*tables, *notes]))
    if args.write:
        publish("mot17", "\n\n".join([*(t for t in tables if COMBINED in t), *notes]))


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    add_shared(parser)
    parser.add_argument("--only", choices=tuple(TITLES), help="one part instead of both")
    parser.add_argument("--sequences", nargs="+", choices=NAMES, default=list(NAMES), help="default: all")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="simulations (default: 2)")
    for name, key in THRESHOLDS.items():
        parser.add_argument(f"--{name}", type=float, metavar="SCORE", help=f"{key} of all trackers (default: YAML's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    add_write(parser)
    args = parser.parse_args()
    args.parts = [args.only] if args.only else list(TITLES)
    args.thresholds = {k: v for name, k in THRESHOLDS.items() if (v := getattr(args, name)) is not None}
    args.folder = args.shared / "data" / MOT17
    need(*(args.folder / name for name in args.sequences))
    return args


def _scores(args: Namespace, part: str, clips: list[Clip]) -> Iterator[Score]:
    if part == "motion":
        for contender in MOTION:
            yield _score(args, part, contender, 0, clips)
        return
    for seed in range(args.seeds):
        seen = [replace(clip, detections=simulate(clip.scene, clip.detections, seed)) for clip in clips]
        for contender in SIMULATED:
            yield _score(args, part, contender, seed, seen)


def _score(args: Namespace, part: str, contender: Contender, seed: int, clips: list[Clip]) -> Score:
    told = replace(contender, changes={**contender.changes, **args.thresholds})
    runs = {c.scene.name: run_cached(told, c.scene, c.detections, shape=c.shape, warps=c.warps) for c in clips}
    values = evaluate(args.folder, {name: run.frames for name, run in runs.items()})
    times = {name: run.milliseconds for name, run in runs.items()}
    times[COMBINED] = sum(times.values()) / len(times)
    return Score(part, contender.label, seed, {name: values[name] | {"ms": times[name]} for name in values})


def _tables(args: Namespace, scores: list[Score]) -> Iterator[str]:
    several = [COMBINED] if len(args.sequences) > 1 else []
    for part, title in TITLES.items():
        chosen = [s for s in scores if s.part == part]
        for name in (*several, *args.sequences) if chosen else ():
            rows = table(["tracker", *COLUMNS], _rows(chosen, name))
            yield f"**{title}: {name}**\n\n{rows}"


def _rows(scores: list[Score], name: str) -> list[list[str]]:
    trackers = dict.fromkeys(s.tracker for s in scores)
    return [[t, *_over_seeds([s.values[name] for s in scores if s.tracker == t])] for t in trackers]


def _over_seeds(values: list[dict[str, float]]) -> list[str]:
    columns = {k: [v[k] for v in values] for k in values[0]}
    mean = cells({k: sum(v) / len(v) for k, v in columns.items()}, COLUMNS)
    spread = cells({k: (max(v) - min(v)) / 2 for k, v in columns.items()}, COLUMNS)
    return mean if len(values) == 1 else [f"{m} ± {s}" for m, s in zip(mean, spread, strict=True)]


def _notes(args: Namespace) -> Iterator[str]:
    yield NOTE
    if "simulated" in args.parts and args.seeds > 1:
        yield SEEDED.format(args.seeds)
    yield "Thresholds (high / low / new): " + "; ".join(_thresholds(args))


def _thresholds(args: Namespace) -> list[str]:
    """What was used, by YAML: its own, or what was asked for."""
    yamls = dict.fromkeys(c.yaml for c in (*MOTION, *SIMULATED))
    configs = {y: {**Contender(y, y).config(), **args.thresholds} for y in yamls}
    return [f"{y} " + " / ".join(f"{c[k]:g}" for k in THRESHOLDS.values()) for y, c in configs.items()]


if __name__ == "__main__":
    main()
