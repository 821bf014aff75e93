"""Run several trackers on one video in lockstep, each as a user would."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..embedders.host import HOST_ERRORS
from ..errors import ReIDError
from ..evaluation.frames import FrameBoxes
from ..tracking.ending import finish
from ..video_job.host import load_model
from ..video_job.source import without_password


class Runner:
    """A tracker on a video, run frame by frame.

    Args:
        label: Name in tables.
        model: YOLO model.
        source: Source of `YOLO.track`.
        **options: Further arguments of `YOLO.track`: `tracker`, `imgsz`, `classes`, …

    Attributes:
        frames: Boxes and ids so far.
    """

    def __init__(self, label: str, model: str, source: str, **options: Any) -> None:
        self.label = label
        self.frames: list[FrameBoxes] = []
        self._times: list[float] = []
        self._source = source
        self._model = load_model(model)
        # persist: stock would reset its tracker at every image of a folder.
        self._results = self._model.track(source, stream=True, persist=True, verbose=False, save=False, **options)

    def step(self) -> Any:
        """Track the next frame; None at the end of the source.

        Raises:
            ReIDError: If the source, the model or the tracker's YAML is unusable.
        """
        start = time.perf_counter()
        try:
            result = next(self._results, None)
        except ReIDError:
            raise
        except HOST_ERRORS as error:
            raise ReIDError(f"{self.label}: {without_password(error, self._source)}") from error
        self._times.append(time.perf_counter() - start)
        return result

    def keep(self, result: Any) -> FrameBoxes:
        """Store a result's boxes and ids."""
        self.frames.append(of_result(result))
        return self.frames[-1]

    def close(self) -> None:
        """Close the source."""
        self._results.close()

    def finish(self) -> None:
        """Have everything written to the gallery, and close it; after the first result of this package's tracker."""
        finish(self._model)
        self.tracker.camera.connection.close()

    @property
    def tracker(self) -> Any:
        """The host's tracker, of the first stream, available after the first result."""
        return self._model.predictor.trackers[0]

    @property
    def milliseconds(self) -> float:
        """Median processing time of a frame, from video to ids."""
        return 1000 * statistics.median(self._times[: len(self.frames)] or [0.0])


def in_step(runners: list[Runner]) -> Iterator[list[Any]]:
    """Yield the results of each frame, one per runner, until a runner ends."""
    while None not in (results := [runner.step() for runner in runners]):
        yield results


def of_result(result: Any) -> FrameBoxes:
    """Extract boxes and ids from a host result; boxes without id are ignored."""
    boxes = result.boxes if result.obb is None else result.obb
    if boxes is None or boxes.id is None:
        return FrameBoxes(np.empty(0, np.int64), np.empty((0, 4), np.float32))
    return FrameBoxes(boxes.id.int().cpu().numpy().astype(np.int64), boxes.xyxy.cpu().numpy().astype(np.float32))
