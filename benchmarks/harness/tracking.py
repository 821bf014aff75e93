"""Running a tracker on a sequence: on cached detections, or live as a user does."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles
from ultralytics_reid.demo.runner import of_result
from ultralytics_reid.evaluation.frames import FrameBoxes

from .contenders.base import Contender
from .contenders.host import HostContender, black
from .data.sequences import Detections, Sequence, read_video
from .progress import progress


@dataclass(frozen=True)
class Run:
    """A tracker's output on a video.

    Attributes:
        frames: Its boxes and ids by frame.
        milliseconds: Median time a frame took.
    """

    frames: tuple[FrameBoxes, ...]
    milliseconds: float


def run_cached(
    contender: Contender,
    sequence: Sequence,
    cache: list[Detections],
    *,
    shape: tuple[int, int] | None = None,
    warps: Doubles | None = None,
) -> Run:
    """Hand cached detections and embeddings, and the video's real frames, to a tracker.

    Args:
        contender: The tracker; one of this package's is told the sequence's frame rate.
        sequence: Has the video.
        cache: Detections by frame, as many frames as the sequence has.
        shape: Height and width of black frames to hand over in place of the video's; None for the video's.
        warps: `(F, 2, 3)` camera motion, for a tracker that would otherwise estimate it from the frames.

    Returns:
        The run; its time is the tracker's alone, camera motion included.
    """
    running = contender.start(sequence.fps, shape or sequence.shape, warps if contender.motion else None)
    frames, times = [], []
    pairs = zip(read_video(sequence) if shape is None else repeat(black(shape), len(cache)), cache, strict=True)
    for n, (image, detections) in enumerate(progress(pairs, contender.label, len(cache))):
        start = time.perf_counter()
        frames.append(running.update(n, detections, image))
        times.append(time.perf_counter() - start)
    return Run(tuple(frames), 1000 * statistics.median(times))


def run_live(contender: HostContender, detector: Path, source: Path | str, **kwargs: Any) -> Run:
    """Track a video as a user does.

    Args:
        contender: The tracker.
        detector: The YOLO model.
        source: What `YOLO.track` takes.
        **kwargs: More of what it takes: `imgsz`, `classes`, …

    Returns:
        The run; its time is the whole pipeline's, from frame to frame.
    """
    frames, times, start = [], [], time.perf_counter()
    for result in live(contender, detector, source, **kwargs):
        frames.append(of_result(result))
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
    return Run(tuple(frames), 1000 * statistics.median(times or [0.0]))


def live(
    contender: HostContender,
    detector: Path,
    source: Path | str,
    *,
    at_end: Callable[[Any], None] = lambda _: None,
    **kwargs: Any,
) -> Iterator[Any]:
    """Yield the host's results, frame by frame; see `run_live`. `at_end` is given the tracker after the last frame."""
    from ultralytics import YOLO
    from ultralytics.utils import YAML

    with tempfile.TemporaryDirectory() as folder:
        yaml = contender.name
        if contender.changes:
            yaml = str(Path(folder) / "tracker.yaml")
            YAML.save(yaml, contender.config)
        model = YOLO(detector, task="detect")
        options = {"tracker": yaml, "stream": True, "verbose": False, **kwargs}
        yield from progress(model.track(source, **options), contender.label)
        at_end(model.predictor.trackers[0])


def as_frames(rows: Doubles, length: int) -> list[FrameBoxes]:
    """Boxes by frame of `(R, 6)` rows or more: frame from 0, id, x1, y1, x2, y2."""
    found = [rows[rows[:, 0] == n] for n in range(length)]
    return [FrameBoxes(r[:, 1].astype(np.int64), r[:, 2:6].astype(np.float32)) for r in found]
