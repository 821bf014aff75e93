"""Roboflow's `trackers`, where that package is installed: each with its constructor's defaults."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..motion import GivenMotion
from ..sequences import Detections, Frame
from ..setting import has
from .cache import of_file
from .choice import MOTION, Choice, asked_for, need_keys, score_keys
from .errors import ChoiceError
from .reading import Doubles
from .recipe import HERE, versions

PREFIX = "roboflow/"
_INSTALL = "Roboflow's trackers aren't installed: pip install 'trackers>=2.6'"
_CLASSES = {
    "botsort": "BoTSORTTracker",
    "bytetrack": "ByteTrackTracker",
    "cbiou": "CBIoUTracker",
    "ocsort": "OCSORTTracker",
    "sort": "SORTTracker",
}
# That low scores end at 0.1 is fixed in their code.
_NAMES = {"high": ("high_conf_det_threshold",), "new": ("track_activation_threshold",)}


@dataclass(frozen=True)
class RoboflowChoice(Choice):
    """A tracker of Roboflow's; none of them takes embeddings."""

    @property
    def config(self) -> dict[str, Any]:
        """All keys that are plain values."""
        return {**_defaults(self.name), **self.changes}

    @property
    def motion(self) -> str | None:
        return MOTION if self.config.get("enable_cmc") else None

    @property
    def appearance(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        code = of_file(HERE / "roboflow.py")
        return {"config": self.config, "code": code, **versions("trackers", "supervision", "numpy", "scipy")}

    def thresholds(self) -> dict[str, Any]:
        return score_keys(self.config, _NAMES)

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> _Running:  # noqa: ARG002
        tracker = _class(self.name)(**self.changes)
        motion = None if warps is None else GivenMotion(warps)
        if motion is not None:
            tracker.cmc = motion
        return _Running(tracker, motion, shape)


class _Running:
    def __init__(self, tracker: Any, motion: GivenMotion | None, shape: tuple[int, int]) -> None:
        self._tracker, self._motion = tracker, motion
        # A picture is for camera motion only; without any they warn of one.
        self._picture = None if motion is None else np.zeros((*shape, 3), np.uint8)

    def update(self, n: int, detections: Detections) -> Frame:
        import supervision

        if self._motion is not None:
            self._motion.at = n
        cls = detections.cls.astype(int)
        found = supervision.Detections(xyxy=detections.xyxy, confidence=detections.conf, class_id=cls)
        tracks = self._tracker.update(found, self._picture)
        shown = tracks.tracker_id >= 0  # the others aren't confirmed
        return Frame(tracks.tracker_id[shown].astype(np.int64) + 1, tracks.xyxy[shown].astype(np.float32))


def roboflow_names() -> list[str]:
    """Roboflow's trackers that take boxes; empty where the package isn't installed."""
    return sorted(_CLASSES) if _installed() else []


def _installed() -> bool:
    # This repository's own folder of YAMLs has the same name, and is none.
    return has("trackers") and has("trackers.core")


def _class(name: str) -> Any:
    import trackers

    return getattr(trackers, _CLASSES[name])


def _defaults(name: str) -> dict[str, Any]:
    keys = inspect.signature(_class(name).__init__).parameters.values()
    return {p.name: p.default for p in keys if isinstance(p.default, bool | int | float | str)}


def roboflow_choice(
    name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float]
) -> RoboflowChoice:
    """Make a choice of Roboflow's tracker.

    Args:
        name: One of `roboflow_names`, without `PREFIX`.
        label: As tables call it.
        changes: Arguments of its constructor.
        thresholds: Scores by `THRESHOLDS`; a tracker that has no such threshold keeps to its own ways.

    Raises:
        ChoiceError: If the package isn't installed, or has no such tracker or argument.
    """
    if not _installed():
        raise ChoiceError(f"{label}: {_INSTALL}")
    if name not in _CLASSES:
        raise ChoiceError(f"{label}: Roboflow's are {', '.join(sorted(_CLASSES))}")
    known = _defaults(name)
    need_keys(label, changes, known)
    return RoboflowChoice(name, label, {**asked_for(thresholds, _NAMES, known), **changes})
