"""Several trackers on one clip, frame by frame in turns, and their revivals."""

from __future__ import annotations

import statistics
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ultralytics_reid._typing import Doubles
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.revivals import Appearance, AppearanceObserver

from .contenders.base import Contender
from .data.sequences import Detections
from .progress import progress


class Source(Protocol):
    """A clip: visible people and detections, frame by frame."""

    @property
    def fps(self) -> float:
        """Frames a second."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """The images' height and width, pixels."""
        ...

    @property
    def warps(self) -> Doubles:
        """`(F, 2, 3)` camera motion from the frame before to each frame, pixels."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[FrameBoxes, Detections]]: ...


@dataclass(frozen=True)
class WatchOutcome:
    """A tracker's result on a clip.

    Attributes:
        appearances: Those that count, by time.
        ids: Different ids in its output.
        milliseconds: Median time a frame took, camera motion and images left out.
    """

    appearances: tuple[Appearance, ...]
    ids: int
    milliseconds: float


class Watched:
    """A tracker at work, and its observer.

    Args:
        contender: The tracker.
        fps: Frames a second.
        shape: The images' height and width, pixels; it gets black ones.
        warps: `(F, 2, 3)` camera motion, for a tracker that takes any.
    """

    def __init__(self, contender: Contender, fps: float, shape: tuple[int, int], warps: Doubles) -> None:
        self._tracker = contender.start(fps, shape, warps if contender.motion else None)
        self._observer = AppearanceObserver(fps)
        self._times = array("f")

    def update(self, seen: FrameBoxes, detections: Detections) -> None:
        """Track the next frame; the tracker gets its own copy of the embeddings."""
        feats = None if detections.feats is None else detections.feats.copy()
        own = replace(detections, feats=feats)
        start = time.perf_counter()
        output = self._tracker.update(self._observer.frames, own)
        self._times.append(time.perf_counter() - start)
        self._observer.add(seen, output)

    def outcome(self) -> WatchOutcome:
        """Return the result until now; open appearances end."""
        times = self._times or [0.0]
        return WatchOutcome(self._observer.appearances(), self._observer.ids, 1000 * statistics.median(times))


def watch(contenders: Iterable[Contender], source: Source, label: str | None = None) -> dict[str, WatchOutcome]:
    """Run trackers on the same frames, none more than one frame ahead of the others.

    Args:
        contenders: The trackers, each with a label of its own.
        source: What they see.
        label: Of a progress bar; None for none.

    Returns:
        Outcomes by label.
    """
    watched = {c.label: Watched(c, source.fps, source.shape, source.warps) for c in contenders}
    for seen, detections in source if label is None else progress(source, label, len(source)):
        for each in watched.values():
            each.update(seen, detections)
    return {label: each.outcome() for label, each in watched.items()}
