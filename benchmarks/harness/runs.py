"""Trackers to compare, and running them: on cached detections, or live as a user does."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ultralytics_reid  # noqa: F401  (registers, where the package is only on the path)
from ultralytics_reid.demo.runner import of_result

from .motion import GivenMotion
from .sequences import Detections, Frame, Sequence
from .setting import progress

OURS = "reid_botsort.yaml"

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Contender:
    """A tracker as it is configured for a comparison.

    Attributes:
        label: How tables call it.
        yaml: The tracker YAML that it starts from.
        changes: Keys that differ from that YAML.
    """

    label: str
    yaml: str
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """All keys."""
        # Looked up in the module, where our package has put its own lookup.
        from ultralytics.trackers import track
        from ultralytics.utils import YAML

        return {**YAML.load(track.check_yaml(self.yaml)), **self.changes}


@dataclass(frozen=True)
class Run:
    """What a tracker made of a video.

    Attributes:
        frames: Its boxes and ids by frame.
        milliseconds: Median time a frame took.
    """

    frames: tuple[Frame, ...]
    milliseconds: float


def run_cached(
    contender: Contender,
    sequence: Sequence,
    cache: list[Detections],
    *,
    shape: tuple[int, int] | None = None,
    warps: npt.NDArray[np.float64] | None = None,
) -> Run:
    """Hand cached detections and embeddings, and the video's real frames, to a tracker.

    Args:
        contender: The tracker; one of this package's is told the sequence's frame rate.
        sequence: Has the video.
        cache: Detections by frame, as many frames as the sequence has.
        shape: Height and width of black frames to hand over in place of the video's; None for the video's.
        warps: `(F, 2, 3)` camera motion, for a tracker that would otherwise find it out from the frames.

    Returns:
        The run; its time is the tracker's alone, camera motion included.
    """
    tracker = make_tracker(contender, sequence.fps)
    motion = None if warps is None else GivenMotion(warps)
    if motion is not None and contender.config().get("gmc_method", "none") != "none":
        tracker.gmc = motion
    frames, times = [], []
    pairs = zip(pictures(sequence) if shape is None else repeat(black(shape), len(cache)), cache, strict=True)
    for n, (picture, detections) in enumerate(progress(pairs, contender.label, len(cache))):
        if motion is not None:
            motion.at = n
        start = time.perf_counter()
        rows = tracker.update(as_boxes(detections, picture.shape[:2]), picture, feats=detections.feats)
        times.append(time.perf_counter() - start)
        frames.append(rows_as_frame(rows))
    return Run(tuple(frames), 1000 * statistics.median(times))


def make_tracker(contender: Contender, fps: float) -> Any:
    from ultralytics.trackers.track import TRACKER_MAP
    from ultralytics.utils import IterableSimpleNamespace

    config = contender.config()
    tracker = TRACKER_MAP[config["tracker_type"]](args=IterableSimpleNamespace(**config))
    tracker.fps = fps
    return tracker


def black(shape: tuple[int, int]) -> Picture:
    """One byte that looks like a picture: trackers that are told the camera motion don't read it."""
    return np.broadcast_to(np.uint8(0), (*shape, 3))


def pictures(sequence: Sequence) -> Iterator[Picture]:
    """The video's frames, `(H, W, 3)` uint8 BGR."""
    import cv2

    video = cv2.VideoCapture(str(sequence.video))
    while True:
        more, picture = video.read()
        if not more:
            return
        yield picture


def as_boxes(detections: Detections, shape: tuple[int, ...]) -> Any:
    from ultralytics.engine.results import Boxes

    columns = [detections.xyxy, detections.conf[:, None], detections.cls[:, None]]
    return Boxes(np.concatenate(columns, axis=1), shape)


def rows_as_frame(rows: npt.NDArray[np.float32]) -> Frame:
    """The boxes and ids of what a tracker of the host returns."""
    rows = np.asarray(rows, np.float32).reshape(-1, 8)
    return Frame(rows[:, 4].astype(np.int64), rows[:, :4])


def run_live(contender: Contender, detector: Path, source: Path | str, **kwargs: Any) -> Run:
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
    contender: Contender,
    detector: Path,
    source: Path | str,
    *,
    at_end: Callable[[Any], None] = lambda _: None,
    **kwargs: Any,
) -> Iterator[Any]:
    """The host's results, frame by frame; see `run_live`. `at_end` is given the tracker when the video is over."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        model = YOLO(detector, task="detect")
        options = {"tracker": _yaml(contender, Path(folder)), "stream": True, "verbose": False, **kwargs}
        yield from progress(model.track(source, **options), contender.label)
        at_end(model.predictor.trackers[0])


def _yaml(contender: Contender, folder: Path) -> str:
    from ultralytics.utils import YAML

    if not contender.changes:
        return contender.yaml
    path = folder / "tracker.yaml"
    YAML.save(path, contender.config())
    return str(path)
