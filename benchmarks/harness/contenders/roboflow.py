"""Roboflow's `trackers`, where that package is installed: each with its constructor's defaults."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ultralytics_reid._typing import Doubles, ImageArray
from ultralytics_reid.evaluation.frames import FrameBoxes

from ..data.cache import of_file
from ..data.recipe import MOTION
from ..data.sequences import Detections
from ..errors import ChoiceError
from ..packages import has, versions
from .base import named_thresholds, need_keys
from .package import PackageContender, give_motion

PREFIX = "roboflow/"
_INSTALL = "Roboflow's trackers aren't installed: pip install 'trackers>=2.6'"
_CLASSES = {
    "botsort": "BoTSORTTracker",
    "bytetrack": "ByteTrackTracker",
    "cbiou": "CBIoUTracker",
    "ocsort": "OCSORTTracker",
    "sort": "SORTTracker",
}


@dataclass(frozen=True)
class RoboflowContender(PackageContender):
    """A tracker of Roboflow's; none of them takes embeddings."""

    # That low scores end at 0.1 is fixed in their code.
    names: ClassVar = {"high": ("high_conf_det_threshold",), "new": ("track_activation_threshold",)}

    def defaults(self) -> dict[str, Any]:
        keys = inspect.signature(_class(self.name).__init__).parameters.values()
        return {p.name: p.default for p in keys if isinstance(p.default, bool | int | float | str)}

    @property
    def motion(self) -> str | None:
        return MOTION if self.config.get("enable_cmc") else None

    @property
    def appearance(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        code = of_file(Path(__file__))
        return {"config": self.config, "code": code, **versions("trackers", "supervision", "numpy", "scipy")}

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> _Running:  # noqa: ARG002
        return _Running(_class(self.name)(**self.changes), shape, warps)


class _Running:
    def __init__(self, tracker: Any, shape: tuple[int, int], warps: Doubles | None) -> None:
        self._tracker, self._motion = tracker, give_motion(tracker, warps)
        # An image is for camera motion only; a tracker without any warns of one.
        self._black = None if self._motion is None else np.zeros((*shape, 3), np.uint8)

    def update(self, n: int, detections: Detections, image: ImageArray | None = None) -> FrameBoxes:
        import supervision

        if self._motion is not None:
            self._motion.at = n
        cls = detections.cls.astype(int)
        found = supervision.Detections(xyxy=detections.xyxy, confidence=detections.conf, class_id=cls)
        tracks = self._tracker.update(found, self._black if image is None else image)
        shown = tracks.tracker_id >= 0  # the others aren't confirmed
        return FrameBoxes(tracks.tracker_id[shown].astype(np.int64) + 1, tracks.xyxy[shown].astype(np.float32))


def roboflow_names() -> list[str]:
    """Return Roboflow's trackers that take boxes; empty where the package isn't installed."""
    return sorted(_CLASSES) if _installed() else []


def _installed() -> bool:
    # This repository's own folder of YAMLs has the same name, and is no package.
    return has("trackers") and has("trackers.core")


def _class(name: str) -> Any:
    import trackers

    return getattr(trackers, _CLASSES[name])


def roboflow_contender(
    name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float]
) -> RoboflowContender:
    """Configure a tracker of Roboflow's.

    Args:
        name: One of `roboflow_names`, without `PREFIX`.
        label: Its name in tables.
        changes: Arguments of its constructor.
        thresholds: Scores by `THRESHOLDS`; a tracker without such a threshold keeps its own.

    Raises:
        ChoiceError: If the package isn't installed, or has no such tracker or argument.
    """
    if not _installed():
        raise ChoiceError(f"{label}: {_INSTALL}")
    if name not in _CLASSES:
        raise ChoiceError(f"{label}: Roboflow's are {', '.join(sorted(_CLASSES))}")
    known = RoboflowContender(label, name).defaults()
    need_keys(label, changes, known)
    return RoboflowContender(label, name, {**named_thresholds(thresholds, RoboflowContender.names, known), **changes})
