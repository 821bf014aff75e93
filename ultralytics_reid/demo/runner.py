"""Several trackers on one video in step, each as a user runs it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pickle import UnpicklingError
from typing import Any

import numpy as np

from .. import register
from ..errors import ReIDError
from ..evaluation.frames import Frame

# What the host raises over a source or a model that it can't use.
_HOST_ERRORS = (OSError, RuntimeError, ValueError, TypeError, SyntaxError, AssertionError, EOFError, UnpicklingError)


class Runner:
    """A tracker on a video, a frame at a time.

    Args:
        label: How tables call it.
        model: YOLO model.
        source: What `YOLO.track` takes.
        **options: More of what it takes: `tracker`, `imgsz`, `classes`, …

    Attributes:
        frames: Boxes and ids until now.
    """

    def __init__(self, label: str, model: str, source: str, **options: Any) -> None:
        self.label = label
        self.frames: list[Frame] = []
        self._times: list[float] = []
        self._model = _load(model)
        # Persisting, or stock would begin anew at every image of a folder.
        self._results = self._model.track(source, stream=True, persist=True, verbose=False, save=False, **options)

    def step(self) -> Any:
        """The next frame's result; None if there is none.

        Raises:
            ReIDError: If the source can't be read, or the model or the tracker's YAML can't be used.
        """
        start = time.perf_counter()
        try:
            result = next(self._results, None)
        except ReIDError:
            raise
        except _HOST_ERRORS as error:
            raise ReIDError(f"{self.label}: {error}") from error
        self._times.append(time.perf_counter() - start)
        return result

    def keep(self, result: Any) -> Frame:
        """Note a result's boxes and ids."""
        self.frames.append(of_result(result))
        return self.frames[-1]

    def close(self) -> None:
        """Let go of the source."""
        self._results.close()

    @property
    def tracker(self) -> Any:
        """The host's tracker, once there is a result."""
        return self._model.predictor.trackers[0]

    @property
    def milliseconds(self) -> float:
        """Median time of a frame, from video to ids."""
        return 1000 * statistics.median(self._times[: len(self.frames)] or [0.0])


def _load(model: str) -> Any:
    from ultralytics import YOLO

    register()
    try:
        return YOLO(model)
    except _HOST_ERRORS as error:
        raise ReIDError(f"--model {model}: not a YOLO model that can be loaded: {error}") from error


def in_step(runners: list[Runner]) -> Iterator[list[Any]]:
    """Each frame's results, one a runner, until one of them has no more."""
    while None not in (results := [runner.step() for runner in runners]):
        yield results


def of_result(result: Any) -> Frame:
    """The boxes and ids of a host result; boxes that have no id are left out."""
    boxes = result.boxes if result.obb is None else result.obb
    if boxes is None or boxes.id is None:
        return Frame(np.empty(0, np.int64), np.empty((0, 4), np.float32))
    return Frame(boxes.id.int().cpu().numpy().astype(np.int64), boxes.xyxy.cpu().numpy().astype(np.float32))
