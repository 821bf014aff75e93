"""Low frame rates: every so many-th frame of a clip, so that people move farther than their own box between two.

Each tracker is given every `stride`-th frame of the same detections and embeddings. Boxes with an id are counted among
the people's boxes that the detector found with the score from which on the tracker should show them
(`track_high_thresh`).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ultralytics_reid.evaluation.markdown import facts, table

from ..harness.clips.clip_job import ClipJob
from ..harness.contenders.base import Contender
from ..harness.contenders.choosing import add_compared, compared
from ..harness.contenders.host import THRESHOLD_KEYS
from ..harness.data.features import EMBEDDERS, add_choice, usable
from ..harness.jobs import do_all
from ..harness.options import (
    CAMPUS,
    CLIP_TITLES,
    PETS,
    TUD,
    add_features,
    add_jobs,
    add_json,
    add_shared,
    add_write,
    need_clips,
    whole,
)
from ..harness.report import figures, present
from ..harness.scoring.losses import Fate, judge
from ..harness.tracking import run_cached

STRIDES = {PETS: (1, 2, 3, 5, 7), TUD: (1, 5, 8), CAMPUS[0]: (1, 5, 8, 12), CAMPUS[1]: (1, 5, 8, 12)}
_HIGH = THRESHOLD_KEYS["high"]
NOTE = (
    "Each cell: IDF1 · share of confident boxes with an id · ids. Detections (YOLO11n INT8), embeddings and camera "
    "motion (`sparseOptFlow`, of the images that are left) are the same for all; each tracker has its YAML's defaults "
    "but for what its column says."
)


@dataclass(frozen=True)
class Job(ClipJob):
    """A tracker on every so many-th frame of a clip.

    Attributes:
        stride: Frames from one that is tracked to the next.
        contender: The tracker.
    """

    stride: int
    contender: Contender

    def __call__(self) -> dict[str, Any]:
        """Measure it."""
        clip = self.inputs(self.stride)
        run = run_cached(self.contender, clip.sequence, clip.detections, shape=clip.sequence.shape, warps=clip.warps)
        high = float(self.contender.thresholds().get(_HIGH, 0.0))
        judged = judge(clip.sequence.by_person(), run.frames, clip.detections, high)
        fates = Counter(int(fate) for frame in judged for fate in frame.fates)
        confident = fates[Fate.MATCHED] + fates[Fate.HELD_BACK]
        share = 100 * fates[Fate.MATCHED] / confident if confident else 0.0
        return {**figures(clip.sequence, run), "fps": clip.sequence.fps, "with_id": share}


def run(args: Namespace) -> None:
    """Measure trackers at several frame rates."""
    need_clips(args.shared, args.clips)
    trackers = compared(args)
    embedders = usable(args.embedders, args.clips, args.shared, args.features)
    jobs = [
        Job(args.shared, args.features, clip, embedder, stride, contender)
        for clip in args.clips
        for embedder in embedders
        for stride in args.strides or STRIDES[clip]
        for contender in trackers
    ]
    found = list(zip(jobs, do_all(jobs, args.jobs, "frame_rates"), strict=True))
    if args.json:
        rows = [_facts(job) | values for job, values in found]
        args.json.write_text(json.dumps({"machine": facts(), "frame_rates": rows}, indent=2) + "\n")
    present("frame_rates", [*_tables(found), NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    add_shared(parser)
    add_features(parser)
    add_choice(parser, CLIP_TITLES)
    parser.set_defaults(embedders=["msmt17", "retail-0287"])
    text = "take every so many-th frame (default: 1 2 3 5 7 on PETS, 1 5 8 12 where there are 25 frames a second)"
    parser.add_argument("--strides", nargs="+", type=whole, metavar="N", help=text)
    add_compared(parser)
    add_jobs(parser)
    add_json(parser)
    add_write(parser)


def _facts(job: Job) -> dict[str, Any]:
    return {"clip": job.clip, "embedder": job.embedder, "stride": job.stride, "tracker": job.contender.label}


def _tables(found: list[tuple[Job, dict[str, Any]]]) -> Iterator[str]:
    clips = dict.fromkeys(job.clip for job, _ in found)
    labels = list(dict.fromkeys(job.contender.label for job, _ in found))
    for clip in clips:
        rows: dict[tuple[str, int], list[str]] = {}
        for job, values in found:
            if job.clip == clip:
                head = [EMBEDDERS[job.embedder], f"{job.stride}", f"{values['fps']:.1f}"]
                rows.setdefault((job.embedder, job.stride), head).append(_cell(values))
        yield f"**{CLIP_TITLES[clip]}**"
        yield table(["embedder", "stride", "fps", *labels], list(rows.values()))


def _cell(values: dict[str, Any]) -> str:
    return f"{values['IDF1']:.1f} · {values['with_id']:.0f} % · {values['ids']:.0f}"
