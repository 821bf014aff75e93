"""Several trackers on one clip, frame by frame in turns, and what became of those who came back."""

from __future__ import annotations

import statistics
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .revival import Appearance, Observer
from .runs import Contender, FixedMotion, as_boxes, black, make_tracker, of_rows
from .sequences import Detections, Frame


@dataclass(frozen=True)
class Outcome:
    """What a tracker made of a clip.

    Attributes:
        appearances: Those that count, by time.
        ids: Different ids in its output.
        milliseconds: Median time a frame took, camera motion and pictures left out.
    """

    appearances: tuple[Appearance, ...]
    ids: int
    milliseconds: float


class Watched:
    """A tracker at work, and who watches it.

    Args:
        contender: The tracker.
        fps: Frames a second.
        warps: `(F, 2, 3)` camera motion for a tracker that would find it out from the pictures; None for none.
    """

    def __init__(self, contender: Contender, fps: float, warps: npt.NDArray[np.float64] | None) -> None:
        if warps is None:
            contender = replace(contender, changes={**contender.changes, "gmc_method": "none"})
        self._tracker: Any = make_tracker(contender, fps)
        if warps is not None and contender.config().get("gmc_method", "none") != "none":
            self._tracker.gmc = FixedMotion(warps)
        self._observer = Observer(fps)
        self._times = array("f")

    def update(self, seen: Frame, detections: Detections, shape: tuple[int, int]) -> None:
        """Track the next frame; what the tracker changes in the detections is nobody else's."""
        boxes = as_boxes(detections, shape)
        feats = None if detections.feats is None else detections.feats.copy()
        start = time.perf_counter()
        rows = self._tracker.update(boxes, black(shape), feats=feats)
        self._times.append(time.perf_counter() - start)
        self._observer.add(seen, of_rows(rows))

    def outcome(self) -> Outcome:
        """Everything until now; open appearances end."""
        times = self._times or [0.0]
        return Outcome(self._observer.appearances(), self._observer.ids, 1000 * statistics.median(times))


def watch(
    contenders: Iterable[Contender],
    steps: Iterable[tuple[Frame, Detections]],
    *,
    fps: float,
    shape: tuple[int, int],
    warps: npt.NDArray[np.float64] | None = None,
) -> dict[str, Outcome]:
    """Let trackers see the same frames.

    Args:
        contenders: The trackers, each with a label of its own.
        steps: Frame by frame, who can be seen and what is detected.
        fps: Frames a second.
        shape: The pictures' height and width, pixels; trackers get black ones.
        warps: `(F, 2, 3)` camera motion; None for a camera that stands still, of which no tracker is told.

    Returns:
        Outcomes by label.
    """
    watched = {c.label: Watched(c, fps, warps) for c in contenders}
    for seen, detections in steps:
        for each in watched.values():
            each.update(seen, detections, shape)
    return {label: each.outcome() for label, each in watched.items()}
