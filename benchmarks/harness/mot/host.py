"""The host's trackers, ours among them, by their YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import ultralytics_reid
from ultralytics_reid.config import Config
from ultralytics_reid.errors import ConfigError

from ..motion import GivenMotion
from ..runs import Contender, Picture, as_boxes, make_tracker, rows_as_frame
from ..sequences import Detections, Frame
from .cache import of_file
from .choice import Choice, need_keys
from .errors import ChoiceError
from .reading import Doubles
from .recipe import AUTO, HERE, NONE, SIMULATED, versions

_KEYS = {"high": "track_high_thresh", "low": "track_low_thresh", "new": "new_track_thresh"}
_EMBEDDER = ("model", "weights")
# Without pictures neither can be known before the tracker has looked for boxes of its own.
_BY_BOXES = ("orb", "sift")
_OURS = "reid_botsort"
_NO_MODEL = {"model": AUTO, "weights": ""}


@dataclass(frozen=True)
class HostChoice(Choice):
    """A tracker of the host, or of this package; `name` is its YAML."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """All keys."""
        return Contender(self.label, self.name, dict(self.changes)).config()

    @property
    def motion(self) -> str | None:
        method = self.config.get("gmc_method")
        return None if method in (None, "none", "None") else str(method)

    @property
    def appearance(self) -> bool:
        return bool(self.config.get("with_reid", False))

    def facts(self) -> dict[str, Any]:
        package = Path(ultralytics_reid.__file__).parent
        ours = [of_file(p) for p in sorted(package.rglob("*.py"))] if self.config["tracker_type"] == _OURS else []
        code = {"code": [of_file(HERE / "host.py"), of_file(HERE.parent / "runs.py"), *ours]}
        return {"config": self.config, **code, **versions("ultralytics", "numpy", "scipy", "lap")}

    def thresholds(self) -> dict[str, Any]:
        return {key: self.config[key] for key in _KEYS.values() if key in self.config}

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> _Running:
        tracker = make_tracker(Contender(self.label, self.name, dict(self.changes)), fps)
        if hasattr(tracker, "mute"):
            tracker.embeddings.silence_warning()  # ours would tell that it has no embeddings, which was asked for
        motion = None if warps is None else GivenMotion(warps)
        if motion is not None:
            tracker.gmc = motion
        return _Running(tracker, motion, shape)


class _Running:
    def __init__(self, tracker: Any, motion: GivenMotion | None, shape: tuple[int, int]) -> None:
        self._tracker, self._motion = tracker, motion
        # One byte that looks like a picture: trackers that are told the camera motion don't read it.
        self._picture: Picture = np.broadcast_to(np.uint8(0), (*shape, 3))

    def update(self, n: int, detections: Detections) -> Frame:
        if self._motion is not None:
            self._motion.at = n
        boxes = as_boxes(detections, self._picture.shape[:2])
        return rows_as_frame(self._tracker.update(boxes, self._picture, feats=detections.feats))


def host_names() -> list[str]:
    """The trackers that the host knows by name."""
    from ultralytics.trackers.track import TRACKER_MAP

    return sorted(TRACKER_MAP)


def host_choice(name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float]) -> HostChoice:
    """Make a choice of a host's tracker.

    Args:
        name: Of a tracker, or the path of a YAML.
        label: As tables call it.
        changes: Keys that differ from the YAML.
        thresholds: Scores by `THRESHOLDS`, for those keys that `changes` leaves.

    Raises:
        ChoiceError: If a key isn't the YAML's, or can't be chosen here.
    """
    yaml = name if Path(name).suffix in {".yaml", ".yml"} else f"{name}.yaml"
    known = HostChoice(yaml, label).config
    if known.get("tracker_type") not in host_names():
        raise ChoiceError(f"{label}: tracker_type {known.get('tracker_type')!r} is none of {', '.join(host_names())}")
    need_keys(label, changes, known)
    for key in set(changes) & set(_EMBEDDER):
        raise ChoiceError(f"{label}: {key} can't differ, as embeddings are the same for all: --embedder, --weights")
    wanted = {_KEYS[t]: v for t, v in thresholds.items() if _KEYS[t] in known}
    choice = HostChoice(yaml, label, {**wanted, **changes, **{k: v for k, v in _NO_MODEL.items() if k in known}})
    if choice.motion in _BY_BOXES:
        raise ChoiceError(f"{label}: gmc_method {choice.motion} depends on the tracker's own boxes; take sparseOptFlow")
    _need_valid(choice)
    return choice


def _need_valid(choice: HostChoice) -> None:
    """Ours knows its keys' ranges; it says so before anything is computed."""
    from ultralytics.utils import IterableSimpleNamespace

    if choice.config["tracker_type"] == _OURS:
        try:
            Config.from_args(IterableSimpleNamespace(**choice.config))
        except ConfigError as error:
            raise ChoiceError(f"{choice.label}: {error}") from error


def told_embedder(choice: Choice, embedder: str) -> Choice:
    """Our tracker with what its YAML would say of an embedder: what it expects of similarities depends on that."""
    ours = isinstance(choice, HostChoice) and choice.config["tracker_type"] == _OURS
    if not ours or embedder in (NONE, SIMULATED, AUTO):
        return choice
    return HostChoice(choice.name, choice.label, {**choice.changes, "model": embedder})
