"""A detector that misses people now and then: each box with some probability, or all boxes for a moment.

Each tracker is given the same detections and embeddings without the boxes that are missing. What a tracker can reach
falls with the boxes that are left; what counts is how it compares with the others, and the number of ids.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

from ultralytics_reid.evaluation.markdown import facts, table

from ..harness.clips.clip_job import ClipJob
from ..harness.clips.missed import blackouts, missed
from ..harness.contenders.base import Contender
from ..harness.contenders.choosing import add_compared, compared
from ..harness.data.features import EMBEDDERS, add_choice, usable
from ..harness.jobs import do_all
from ..harness.options import CLIP_TITLES, add_features, add_jobs, add_json, add_shared, add_write, need_clips, whole
from ..harness.report import figures, present
from ..harness.tracking import run_cached

SHARES = (0.0, 0.12, 0.25)
# A blackout, and from one to the next, seconds.
BLACKOUT, EVERY = 0.24, 1.6
NOTE = (
    "Each cell: IDF1 · ids, means over {seeds} draws of what is missing. Detections (YOLO11n INT8), embeddings and "
    "camera motion (`sparseOptFlow`) are the same for all; each tracker has its YAML's defaults but for what its "
    "column says."
)


@dataclass(frozen=True)
class Job(ClipJob):
    """A tracker on a clip of whose detections some are missing.

    Attributes:
        share: Of the detections that are missing, in [0, 1]; None for blackouts.
        seeds: Draws of what is missing.
        contender: The tracker.
    """

    share: float | None
    seeds: int
    contender: Contender

    @property
    def draws(self) -> int:
        """How often it differs what is missing."""
        return self.seeds if self.share else 1

    def __call__(self) -> dict[str, float]:
        """Measure it."""
        found = [self._drawn(seed) for seed in range(self.draws)]
        return {key: mean(values[key] for values in found) for key in ("IDF1", "ids", "MOTA", "IDSW")}

    def _drawn(self, seed: int) -> dict[str, float]:
        clip = self.inputs()
        if self.share is None:
            left = blackouts(clip.detections, clip.sequence.fps, BLACKOUT, EVERY)
        else:
            left = missed(clip.detections, self.share, seed)
        found = run_cached(self.contender, clip.sequence, left, shape=clip.sequence.shape, warps=clip.warps)
        return figures(clip.sequence, found)


def run(args: Namespace) -> None:
    """Measure trackers on what is left of the detections."""
    need_clips(args.shared, args.clips)
    trackers = compared(args)
    embedders = usable(args.embedders, args.clips, args.shared, args.features)
    jobs = [
        Job(args.shared, args.features, clip, embedder, share, args.seeds, contender)
        for clip in args.clips
        for embedder in embedders
        for share in (*args.shares, None)
        for contender in trackers
    ]
    found = list(zip(jobs, do_all(jobs, args.jobs, "misses"), strict=True))
    if args.json:
        rows = [_facts(job) | values for job, values in found]
        args.json.write_text(json.dumps({"machine": facts(), "misses": rows}, indent=2) + "\n")
    present("misses", [*_tables(found), NOTE.format(seeds=args.seeds)], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    add_shared(parser)
    add_features(parser)
    add_choice(parser, CLIP_TITLES)
    parser.set_defaults(embedders=["msmt17", "retail-0287"])
    text = "shares of the detections that are missing, in [0, 1) (default: 0 0.12 0.25); blackouts come last"
    parser.add_argument("--shares", nargs="+", type=_share, default=list(SHARES), metavar="SHARE", help=text)
    parser.add_argument("--seeds", type=whole, default=2, metavar="N", help="draws of what is missing (default: 2)")
    add_compared(parser)
    add_jobs(parser)
    add_json(parser)
    add_write(parser)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise ArgumentTypeError(f"must be a number in [0, 1), got {text!r}")
    return value


def _facts(job: Job) -> dict[str, object]:
    return {"clip": job.clip, "embedder": job.embedder, "missing": job.share, "tracker": job.contender.label}


def _tables(found: list[tuple[Job, dict[str, float]]]) -> Iterator[str]:
    labels = list(dict.fromkeys(job.contender.label for job, _ in found))
    for clip in dict.fromkeys(job.clip for job, _ in found):
        rows: dict[tuple[str, float | None], list[str]] = {}
        for job, values in found:
            if job.clip == clip:
                head = [EMBEDDERS[job.embedder], _missing(job.share)]
                cell = f"{values['IDF1']:.1f} · {values['ids']:.0f}"
                rows.setdefault((job.embedder, job.share), head).append(cell)
        yield f"**{CLIP_TITLES[clip]}**"
        yield table(["embedder", "missing", *labels], list(rows.values()))


def _missing(share: float | None) -> str:
    return f"all boxes for {BLACKOUT:g} s of every {EVERY:g} s" if share is None else f"{100 * share:.0f} %"
