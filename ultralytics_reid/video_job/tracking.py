"""Drive `YOLO.track` over a source, and collect what it finds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from .._typing import Doubles, Ints
from ..embedders.host import HOST_ERRORS
from ..errors import ReIDError
from ..events import Event
from ..gallery.commands.terminal import progress
from ..refinement.track_log import TrackLog
from ..revival.decision import Decision
from ..tracking.ending import finish
from .host import class_names, load_model
from .options import TrackOptions, class_indices
from .source import VideoSource, without_password
from .spool import Spool
from .tracked import COLUMNS, ID, TrackedVideo

if TYPE_CHECKING:
    from ..tracking.track import ReIDTrack


@dataclass
class Recording:
    """What was tracked so far.

    Attributes:
        rows: `(N, 8)` float64 a frame; see `TrackedVideo.rows`. Boxes that are held back have the id 0.
        tracklets: `(N,)` int64 a frame: the tracklet of each box, counted from 1; 0 where it isn't known.
        times: Seconds, a frame each.
        events: What the tracker reported.
        size: Width and height of the first frame, pixels.
        fps: Frames per second.
        elapsed: Seconds that tracking took.
        interrupted: Whether it was stopped by Ctrl-C.
        log: The track log; None where none is kept.
    """

    rows: list[Doubles] = field(default_factory=list)
    tracklets: list[Ints] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    elapsed: float = 0.0
    interrupted: bool = False
    log: TrackLog | None = None
    _numbers: WeakKeyDictionary[Decision, int] = field(default_factory=WeakKeyDictionary)
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, result: Any, tracker: Any) -> None:
        """Add a frame.

        Args:
            result: The host's result.
            tracker: The tracker that made it.
        """
        if not self.times:
            height, width = result.orig_shape
            self.size = width, height
            self.events.extend(tracker.events)
            self.log = tracker.log
            tracker.events.subscribe(self.events.append)
        self.fps = tracker.clock.fps
        frame = len(self.times) + 1
        rows = _rows_of(result, frame)
        number = {track.track_id: self._number(track.decision) for track in tracker.tracked_stracks}
        held = [] if result.obb is not None else [t for t in tracker.held_tracks() if t.decision is not None]
        shown = [number.get(i, 0) for i in rows[:, ID].astype(int).tolist()]
        self.rows.append(np.concatenate([rows, _held_rows(held, frame)]))
        self.tracklets.append(np.array([*shown, *(self._number(t.decision) for t in held)], np.int64))
        self.times.append(tracker.clock.now)

    def _number(self, decision: Decision | None) -> int:
        """Number of a tracklet; each has one decision, which is not kept from being forgotten."""
        if decision is None:
            return 0
        if decision not in self._numbers:
            self._numbers[decision] = next(self._next)
        return self._numbers[decision]

    def row_tracklets(self) -> Ints:
        """`(R,)` int64, the tracklet of each row of `all_rows`; 0 where it isn't known."""
        return np.concatenate([np.empty(0, np.int64), *self.tracklets[: len(self.times)]])

    def all_rows(self) -> Doubles:
        """`(R, 8)` float64 by frame, those of boxes that were held back too, with the id 0."""
        # Ctrl-C may have come between the rows and the time of a frame.
        return np.concatenate([np.empty((0, COLUMNS)), *self.rows[: len(self.times)]])

    def as_video(self, source: VideoSource, class_names: dict[int, str]) -> TrackedVideo:
        """All of it, with ids as they were shown."""
        rows, times = self.all_rows(), np.array(self.times)
        rows = rows[rows[:, ID] > 0]
        lasted = float(times[-1] - times[0])
        fps = self.fps if source.is_repeatable or not lasted else (len(times) - 1) / lasted
        events = tuple(self.events)
        return TrackedVideo(source.name, rows, times, fps, self.size, class_names, events, stride=source.stride)


def _rows_of(result: Any, frame: int) -> Doubles:
    boxes = result.boxes if result.obb is None else result.obb
    if boxes is None or boxes.id is None:
        return np.empty((0, COLUMNS))
    ids, xyxy, conf, cls = (
        np.asarray(part.cpu().numpy(), np.float64) for part in (boxes.id, boxes.xyxy, boxes.conf, boxes.cls)
    )
    return np.column_stack([np.full(len(ids), frame, np.float64), ids, xyxy, conf, cls])


def _held_rows(tracks: Sequence[ReIDTrack], frame: int) -> Doubles:
    boxes = [(frame, 0, *track.xyxy, track.score, track.cls) for track in tracks]
    return np.array(boxes, np.float64).reshape(-1, COLUMNS)


def track(source: VideoSource, options: TrackOptions, spool: Spool | None) -> tuple[TrackedVideo, Recording]:
    """Track a source, to its end or until Ctrl-C.

    Args:
        source: The source.
        options: Options.
        spool: Keeps the images; None where they aren't needed, or can be read once more.

    Returns:
        What was tracked, with ids as they were shown; and how that went.

    Raises:
        ReIDError: If the source, the model, a class or the tracker's YAML is unusable, or there is no frame.
        KeyboardInterrupt: If it was interrupted before the first frame was tracked.
    """
    model = load_model(options.model)
    names = class_names(model, options.model)
    classes = class_indices(names, options.classes)
    if options.refine or options.outputs.log is not None:
        model.add_callback("on_predict_batch_start", partial(_begin_log, options.outputs.log))
    recording, begin = Recording(), time.perf_counter()
    try:
        for result in progress(_results(model, source, options, classes), "tracking", source.frames):
            if not recording.times:
                begin = time.perf_counter()
            if spool is not None:
                spool.add(result.orig_img)
            recording.add(result, model.predictor.trackers[0])
    except KeyboardInterrupt:
        if not recording.times:
            raise
        recording.interrupted = True
        finish(model)
    recording.elapsed = time.perf_counter() - begin
    if not recording.times:
        raise ReIDError(f"{source.name}: no frame could be read")
    return recording.as_video(source, names), recording


def _begin_log(path: Path | None, predictor: Any) -> None:
    """Have the tracker keep a log, in a temporary file where no path is given, unless its YAML names one."""
    tracker = predictor.trackers[0]
    if path is not None and (tracker.log is None or tracker.log.path != path):
        tracker.log = TrackLog(path)
    elif tracker.log is None:
        tracker.log = TrackLog()


def _results(model: Any, source: VideoSource, options: TrackOptions, classes: list[int] | None) -> Iterator[Any]:
    """Results of the host, one after the other; its errors as ours."""
    given = options.host_arguments() | {"tracker": options.tracker, "classes": classes, "vid_stride": source.stride}
    # persist: the tracker isn't reset at every image of a folder.
    settings = {"stream": True, "persist": True, "verbose": False, "save": False, "show": options.show}
    try:
        with closing(model.track(source.uri, **settings, **given)) as results:
            yield from results
    except ReIDError:
        raise
    except HOST_ERRORS as error:
        raise ReIDError(f"{source.name}: {without_password(error, source.uri)}") from error
