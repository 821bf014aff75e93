"""The second pass: stock trackers' ids and this package's, online and after the same `refine`.

Every tracker gets the same detections and embeddings; its rows, and the embeddings of its clean crops, go to the
solver. Boxes that this package's tracker holds back are in its log, as `track_log` keeps them.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid import TrackLog, Tracks, refine
from ultralytics_reid._typing import Doubles
from ultralytics_reid.appearance.crop_quality import clean_crops
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.markdown import facts, table
from ultralytics_reid.tuning import Tuning

from ..harness.clips.clip_job import ClipJob
from ..harness.contenders.given_motion import GivenMotion, standing
from ..harness.contenders.gta_link import INSTALL, gta_link
from ..harness.contenders.gta_link import is_available as has_gta_link
from ..harness.contenders.host import HostContender, as_boxes, black, make_tracker
from ..harness.contenders.stock import COMPARED_REID
from ..harness.data.cache import Cache
from ..harness.data.features import EMBEDDERS, add_choice, usable
from ..harness.data.inputs import prepare
from ..harness.data.layout import Clip, find_clips
from ..harness.data.recipe import MOTION, SIMULATED, Recipe
from ..harness.data.sequences import Detections
from ..harness.jobs import do_all
from ..harness.options import (
    CLIP_TITLES,
    MOT17,
    add_features,
    add_jobs,
    add_json,
    add_shared,
    add_write,
    need,
    need_clips,
)
from ..harness.progress import tell
from ..harness.report import present
from ..harness.scoring.track_eval import benchmark_of, figures, score, track_eval
from ..harness.tracking import as_frames

# Scores that all trackers get on MOT17, as its published results have them.
_THRESHOLDS = {"track_high_thresh": 0.6, "track_low_thresh": 0.1, "new_track_thresh": 0.7}
COLUMNS = ("IDF1", "ids", "HOTA", "AssA")
HEADS = (*COLUMNS, "GTA-Link", "seconds")
_CLEAN = {"min_conf": 0.25, "min_height": 24.0, "max_covered": Tuning.max_covered}
NOTE = (
    "IDF1, ids, HOTA and AssA online and after `refine`, and the solver's CPU seconds, loading excluded. The same "
    "detections (YOLO11n INT8), embeddings and camera motion (`sparseOptFlow`) for all; each tracker has its YAML's "
    "defaults but for what its row says. Reversed: the clip from its end, without camera motion. MOT17: YOLOX "
    "detections, thresholds 0.6, 0.1 and 0.7, and MOTChallenge's rule. GTA-Link: IDF1 after BoxMOT's offline linking "
    "of the same log, with its defaults, where that package is installed."
)


@dataclass(frozen=True)
class Job(ClipJob):
    """A tracker on a clip with an embedder.

    Attributes:
        contender: The tracker.
        reverse: Whether the clip runs from its end.
    """

    contender: HostContender
    reverse: bool

    def __call__(self) -> dict[str, Any]:
        """Figures online and after the second pass."""
        clip = self.inputs()
        sequence, cache, warps = clip.sequence, clip.detections, clip.warps
        truth = sequence.by_person()
        if self.reverse:
            cache, truth, warps = cache[::-1], truth[::-1], standing(len(cache))
        tracks = tracked(self.contender, cache, sequence.fps, sequence.shape, warps)
        return measured(tracks, len(cache), partial(track_eval, truth))


@dataclass(frozen=True)
class MotJob:
    """A tracker on a sequence of MOT17 with simulated appearance, by MOTChallenge's rule.

    Attributes:
        clip: The sequence's validation half.
        features: Keeps embeddings and camera motion.
        contender: The tracker.
    """

    clip: Clip
    features: Path
    contender: HostContender

    def __call__(self) -> dict[str, Any]:
        """Figures online and after the second pass."""
        info, truth = self.clip.info, self.clip.truth()
        inputs = prepare(self.clip, Recipe(Cache(self.features / "mot"), embedder=SIMULATED, motion=(MOTION,)))
        contender = replace(self.contender, changes={**self.contender.changes, **_THRESHOLDS})
        tracks = tracked(contender, inputs.detections, info.fps, info.shape, inputs.warps[MOTION])
        return measured(
            tracks, self.clip.length, lambda frames: figures(score(truth, frames, benchmark_of(MOT17, truth)))
        )


def measured(tracks: Tracks, length: int, scored: Callable[[list[FrameBoxes]], dict[str, float]]) -> dict[str, Any]:
    """Figures of tracks, and of what `refine` makes of them.

    Args:
        tracks: Of a tracker, frames from 0.
        length: Number of frames.
        scored: Gives the figures of boxes by frame.
    """
    start = time.process_time()
    refined = refine(tracks)
    seconds = time.process_time() - start
    shown = tracks.select(tracks.ids > 0)
    online = np.column_stack([shown.frame, shown.ids, shown.xyxy]).astype(np.float64)
    both = [scored(as_frames(rows, length)) for rows in (online, refined.rows)]
    found = {name: [f[name] for f in both] for name in COLUMNS}
    other = scored(as_frames(gta_link(tracks), length))["IDF1"] if has_gta_link() else None
    return {**found, "gta_link": other, "seconds": seconds, "separation": refined.separation}


def tracked(
    contender: HostContender, cache: Sequence[Detections], fps: float, shape: tuple[int, int], warps: Doubles
) -> Tracks:
    """Run a tracker and collect what it showed; of this package's by its track log.

    Args:
        contender: The tracker.
        cache: Detections with embeddings, by frame.
        fps: Frames a second.
        shape: Height and width of the images, pixels.
        warps: `(F, 2, 3)` camera motion, for a tracker that compensates it.
    """
    tracker, image = make_tracker(contender, fps), black(shape)
    motion = GivenMotion(warps) if contender.motion else None
    if motion is not None:
        tracker.gmc = motion
    if contender.ours:
        tracker.embeddings.silence_warning()
        tracker.log = TrackLog()
    rows = []
    for n, detections in enumerate(cache):
        if motion is not None:
            motion.at = n
        output = np.asarray(tracker.update(as_boxes(detections, shape), image, feats=detections.feats), np.float64)
        rows.append(np.insert(output.reshape(-1, 8), 0, n, axis=1))
    if not contender.ours:
        return _of_rows(np.concatenate(rows), cache, fps, shape)
    tracks = tracker.log.read()
    return Tracks(**{**vars(tracks), "frame": tracks.frame - 1})  # this tracker counts from 1


def _of_rows(rows: Doubles, cache: Sequence[Detections], fps: float, shape: tuple[int, int]) -> Tracks:
    """Tracks of the host's rows: frame, box, id, score, class, detection."""
    clean = [clean_crops(d.xyxy, d.conf, shape=shape, **_CLEAN) for d in cache]
    where = [(int(row[0]), int(row[8])) for row in rows]
    feats = np.array([cache[n].feats[at] for n, at in where], np.float32)  # type: ignore[index]
    return Tracks.from_arrays(
        rows[:, 0],
        rows[:, 5],
        rows[:, 1:5],
        np.clip(rows[:, 6], 0, 1),
        rows[:, 7],
        embeddings=feats,
        fps=fps,
        clean=[clean[n][at] for n, at in where],
        shape=shape,
    )


def run(args: Namespace) -> None:
    """Measure trackers online and after the second pass."""
    need_clips(args.shared, args.clips)
    if not has_gta_link():
        tell(INSTALL)
    able = usable(args.embedders, args.clips, args.shared, args.features)
    directions = (False, True) if args.reversed else (False,)
    jobs: list[Job | MotJob] = [
        Job(args.shared, args.features, clip, embedder, contender, reverse)
        for clip in args.clips
        for embedder in able
        for contender in COMPARED_REID
        for reverse in directions
    ]
    if args.mot17:
        need(args.shared / "data" / MOT17)
        halves = find_clips(args.shared / "data" / MOT17, "val-half", None, (), partial=True)
        jobs += [MotJob(half, args.features, contender) for half in halves for contender in COMPARED_REID]
    found = list(zip(jobs, do_all(jobs, args.jobs, "refine"), strict=True))
    if args.json:
        rows = [{**_named(j), "tracker": j.contender.label, **v} for j, v in found]
        args.json.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=2) + "\n")
    present("refine", [*_tables(found), NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    add_shared(parser)
    add_features(parser)
    add_choice(parser, CLIP_TITLES)
    parser.add_argument("--reversed", action="store_true", help="run the clips from their end too")
    parser.add_argument("--mot17", action=BooleanOptionalAction, default=True, help="MOT17's validation half too")
    add_jobs(parser)
    add_json(parser)
    add_write(parser)


def _named(job: Job | MotJob) -> dict[str, Any]:
    if isinstance(job, MotJob):
        return {"clip": job.clip.name, "embedder": SIMULATED, "reverse": False}
    return {"clip": job.clip, "embedder": job.embedder, "reverse": job.reverse}


def _tables(found: Sequence[tuple[Job | MotJob, dict[str, Any]]]) -> Iterator[str]:
    for clip, title in CLIP_TITLES.items():
        rows = [_row(job, values) for job, values in found if isinstance(job, Job) and job.clip == clip]
        if rows:
            yield f"**{title}**"
            yield table(["embedder", "tracker", *HEADS], rows)
    halves = [(job.clip.name, job, values) for job, values in found if isinstance(job, MotJob)]
    if halves:
        yield "**MOT17, validation half, simulated appearance**"
        rows = [[name, job.contender.label, *_figures(values)] for name, job, values in halves]
        yield table(["sequence", "tracker", *HEADS], rows)


def _row(job: Job, values: dict[str, Any]) -> list[str]:
    label = EMBEDDERS[job.embedder] + (", reversed" if job.reverse else "")
    return [label, job.contender.label, *_figures(values)]


def _figures(values: dict[str, Any]) -> list[str]:
    shown = [" → ".join(f"{v:.0f}" if name == "ids" else f"{v:.1f}" for v in values[name]) for name in COLUMNS]
    other = "-" if values["gta_link"] is None else f"{values['gta_link']:.1f}"
    return [*shown, other, f"{values['seconds']:.1f}"]
