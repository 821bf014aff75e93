"""Where identity is lost: boxes, ids, and what IDF1 would be if one kind of loss were repaired perfectly.

The output of each tracker is taken apart by ground truth, with all ground-truth tracks of a person joined: boxes that
the detector missed or the tracker held back, false boxes, switches inside an id, surplus ids and their kinds, missed
and false merges. Then one loss after another is repaired, and IDF1 computed as TrackEval does: what that loss alone
costs.

On files of your own, in MOTChallenge's format: --truth and --output, two files, or two folders of files of equal names.
Ids of the truth are people; rows whose flag is 0 are left out, and boxes on them are false.
Every row and every repair is defined below.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ultralytics_reid.evaluation.markdown import facts, table

from ..harness.clips.clip_job import ClipJob
from ..harness.contenders.base import Contender
from ..harness.contenders.choosing import add_compared, compared
from ..harness.contenders.host import THRESHOLD_KEYS
from ..harness.data.features import EMBEDDERS, embedded
from ..harness.data.own_files import find_mot_files, read_mot_files
from ..harness.data.recipe import MOTION
from ..harness.errors import ChoiceError
from ..harness.jobs import do_all
from ..harness.options import CLIP_TITLES, add_features, add_jobs, add_json, add_shared, add_write, need_clips
from ..harness.report import present
from ..harness.scoring import counterfactuals as what_if
from ..harness.scoring import losses as counts
from ..harness.scoring.counterfactuals import counterfactuals
from ..harness.scoring.losses import JudgedFrame, count_losses, judge
from ..harness.tracking import run_cached

EPILOG = f"counts:\n{counts.DEFINITIONS}\n{what_if.__doc__}"
_HIGH = THRESHOLD_KEYS["high"]
NOTE = (
    "Shares are of the people's boxes, those of false boxes of the tracker's. Detections (YOLO11n INT8), embeddings "
    "and camera motion (`sparseOptFlow`) are the same for all; each tracker has its YAML's defaults but for what its "
    "column says. Repairs overlap, and differences in brackets don't add up."
)
Values = dict[str, Any]


@dataclass(frozen=True)
class Job(ClipJob):
    """A tracker on a clip.

    Attributes:
        contender: The tracker.
    """

    contender: Contender

    def __call__(self) -> Values:
        """Measure what it loses."""
        clip = self.inputs()
        sequence, cache = clip.sequence, clip.detections
        run = run_cached(self.contender, sequence, cache, shape=sequence.shape, warps=clip.warps)
        return measure(judge(sequence.by_person(), run.frames, cache, _high(self.contender)), sequence.fps)


def run(args: Namespace) -> None:
    """Measure trackers on clips, or files of one's own."""
    own = (args.truth, args.output, args.detections)
    if any(own):
        columns = {"your files": _of_files(args)}
    else:
        need_clips(args.shared, args.clips)
        columns = _of_clips(args)
    if args.json:
        rows = [{"clip": c, "column": k, **v} for c, found in columns.items() for k, v in found.items()]
        args.json.write_text(json.dumps({"machine": facts(), "losses": rows}, indent=2) + "\n")
    notes = [] if any(own) else [f"Embeddings: {EMBEDDERS[args.embedder]}. {NOTE}"]
    present("losses", [*_tables(columns), *notes], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    add_shared(parser)
    add_features(parser)
    clips = list(CLIP_TITLES)
    parser.add_argument("--clips", nargs="+", choices=clips, default=clips, help="default: all")
    add_compared(parser)
    parser.add_argument("--embedder", choices=tuple(EMBEDDERS), default="msmt17", help="default: msmt17")
    add_jobs(parser)
    add_json(parser)
    add_write(parser)
    group = parser.add_argument_group("files of your own, in MOTChallenge's format, or folders of NAME.txt")
    group.add_argument("--truth", type=Path, metavar="PATH", help="frame,id,left,top,width,height,flag,...")
    group.add_argument("--output", type=Path, metavar="PATH", help="frame,id,left,top,width,height,...")
    text = "frame,-1,left,top,width,height,score,...; without, boxes missed and held back can't be told apart"
    group.add_argument("--detections", type=Path, metavar="PATH", help=text)
    group.add_argument("--fps", type=_positive, default=25.0, metavar="N", help="frames a second (default: 25)")
    text = f"the tracker's {_HIGH} (default: 0.25)"
    group.add_argument("--high", type=_score, default=0.25, metavar="SCORE", help=text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"must be a number in [0, 1], got {text!r}")
    return value


def _of_files(args: Namespace) -> dict[str, Values]:
    if args.truth is None or args.output is None:
        raise ChoiceError("files of your own need both --truth and --output")
    if args.write:
        raise ChoiceError("--write publishes the project's own clips only; leave out --truth, or --write")
    found = {}
    for files in find_mot_files(args.truth, args.output, args.detections):
        frames = read_mot_files(files)
        found[files.name] = measure(judge(frames.truth, frames.output, frames.detections, args.high), args.fps)
    return found


def _of_clips(args: Namespace) -> dict[str, dict[str, Values]]:
    trackers = compared(args)
    for contender in trackers:
        _high(contender)
        if contender.motion not in (None, MOTION):
            raise ChoiceError(f"{contender.label}: gmc_method must be {MOTION} or none, got {contender.motion}")
    for clip in args.clips:
        embedded(clip, args.embedder, args.shared, args.features)  # once, before several processes would
    jobs = [Job(args.shared, args.features, clip, args.embedder, c) for clip in args.clips for c in trackers]
    columns: dict[str, dict[str, Values]] = {}
    for job, values in zip(jobs, do_all(jobs, args.jobs, "losses"), strict=True):
        columns.setdefault(job.clip, {})[job.contender.label] = values
    return columns


def _high(contender: Contender) -> float:
    """Score from which on a tracker should show a detection."""
    if _HIGH not in contender.thresholds():
        raise ChoiceError(f"{contender.label} has no {_HIGH}, which tells boxes that are held back from missed ones")
    return float(contender.thresholds()[_HIGH])


def measure(frames: Sequence[JudgedFrame], fps: float) -> Values:
    """Count what is lost, and compute IDF1 without each loss, by name."""
    return {**asdict(count_losses(frames, fps)), **counterfactuals(frames)}


def _share(key: str, of: str) -> Callable[[Values], str]:
    return lambda v: f"{v[key]} ({100 * v[key] / v[of]:.1f} %)" if v[of] else f"{v[key]}"


def _several(text: str) -> Callable[[Values], str]:
    return lambda v: text.format(**v)


def _repaired(key: str) -> Callable[[Values], str]:
    return lambda v: f"{v[key]:.1f} ({v[key] - v['idf1']:+.1f})"


# A table's rows: title, key that must be known, cell.
_ROWS: tuple[tuple[str, str, Callable[[Values], str]], ...] = (
    ("people / with an id", "people", _several("{people} / {people_with_id}")),
    ("people's boxes", "truth_boxes", _several("{truth_boxes}")),
    ("undetected", "undetected", _share("undetected", "truth_boxes")),
    ("low score", "low_score", _share("low_score", "truth_boxes")),
    ("held back", "held_back", _share("held_back", "truth_boxes")),
    ("without a box: all", "unmatched", _share("unmatched", "truth_boxes")),
    ("false boxes", "false_boxes", _share("false_boxes", "output_boxes")),
    ("of these, second boxes", "second_boxes", _several("{second_boxes}")),
    ("switches inside an id", "switches", _several("{switches}")),
    ("ids", "ids", _several("{ids}")),
    ("false ids (under 1 s)", "false_ids", _several("{false_ids} ({short_false_ids})")),
    ("pieces (under 1 s)", "pieces", _several("{pieces} ({short_pieces})")),
    ("missed merges", "missed_merges", _several("{missed_merges}")),
    ("false merges", "false_merges", _several("{false_merges}")),
    ("**IDF1**", "idf1", _several("{idf1:.1f}")),
    ("if ids merged", "merged", _repaired("merged")),
    ("if no switches", "unswitched", _repaired("unswitched")),
    ("if no false boxes", "no_false", _repaired("no_false")),
    ("if nothing held back", "none_held_back", _repaired("none_held_back")),
    ("if nothing missed", "none_missed", _repaired("none_missed")),
    ("if every box shown", "all_shown", _repaired("all_shown")),
)


def _tables(columns: dict[str, dict[str, Values]]) -> Iterator[str]:
    for clip, found in columns.items():
        yield f"**{CLIP_TITLES.get(clip, clip)}**"
        known = [row for row in _ROWS if all(v.get(row[1]) is not None for v in found.values())]
        body = [[title, *(cell(v) for v in found.values())] for title, _, cell in known]
        yield table(["", *found], body)
