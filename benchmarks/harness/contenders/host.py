"""Trackers of the host, this package's among them, by their YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ultralytics_reid  # registers, where the package is only on the path
from ultralytics_reid._typing import Doubles, ImageArray
from ultralytics_reid.config import TRACKER_TYPE, Config
from ultralytics_reid.errors import ConfigError
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.tuning import Tuning

from ..data.cache import of_file
from ..data.recipe import AUTO, NONE, SIMULATED
from ..data.sequences import Detections
from ..errors import ChoiceError
from ..packages import versions
from .base import Contender, named_thresholds, need_keys
from .given_motion import GivenMotion

OURS = "reid_botsort.yaml"
# The host's names of `THRESHOLDS`.
THRESHOLD_KEYS = {"high": "track_high_thresh", "low": "track_low_thresh", "new": "new_track_thresh"}
_EMBEDDER = ("model", "weights")
# Without images neither can be known before the tracker has detected boxes of its own.
_BY_BOXES = ("orb", "sift")
_CONSTANTS = {field.name for field in fields(Tuning)}
_NO_MODEL = {"model": AUTO, "weights": ""}


@dataclass(frozen=True)
class HostContender(Contender):
    """A tracker of the host, or of this package; `name` is its YAML, `changes` may name constants of `Tuning` too."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """All keys of the YAML."""
        # Looked up in the module, where our package has put its own lookup.
        from ultralytics.trackers import track
        from ultralytics.utils import YAML

        keys = {key: value for key, value in self.changes.items() if key not in _CONSTANTS}
        return {**YAML.load(track.check_yaml(self.name)), **keys}

    @property
    def constants(self) -> dict[str, Any]:
        """Constants that differ from the shipped ones."""
        return {key: value for key, value in self.changes.items() if key in _CONSTANTS}

    @property
    def motion(self) -> str | None:
        method = self.config.get("gmc_method")
        return None if method in (None, "none", "None") else str(method)

    @property
    def appearance(self) -> bool:
        return bool(self.config.get("with_reid", False))

    @property
    def ours(self) -> bool:
        """Whether it is this package's tracker."""
        return bool(self.config["tracker_type"] == TRACKER_TYPE)

    def facts(self) -> dict[str, Any]:
        package = Path(ultralytics_reid.__file__).parent
        ours = [of_file(p) for p in sorted(package.rglob("*.py"))] if self.ours else []
        code = {"code": [of_file(Path(__file__)), *ours]}
        return {
            "config": self.config,
            "constants": self.constants,
            **code,
            **versions("ultralytics", "numpy", "scipy", "lap"),
        }

    def thresholds(self) -> dict[str, Any]:
        return {key: self.config[key] for key in THRESHOLD_KEYS.values() if key in self.config}

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> HostRunning:
        tracker = make_tracker(self, fps)
        if self.ours:
            tracker.embeddings.silence_warning()  # of missing embeddings, which were asked for
        return HostRunning(tracker, shape, warps)


class HostRunning:
    """A tracker of the host at work.

    Args:
        tracker: The host's object.
        shape: Height and width of black images, pixels.
        warps: Camera motion `(F, 2, 3)`; None to leave it to the tracker.
    """

    def __init__(self, tracker: Any, shape: tuple[int, int], warps: Doubles | None) -> None:
        self._tracker = tracker
        self._motion = None if warps is None else GivenMotion(warps)
        if self._motion is not None:
            tracker.gmc = self._motion
        self._black = black(shape)

    def update(self, n: int, detections: Detections, image: ImageArray | None = None) -> FrameBoxes:
        """See `Running`."""
        image = self._black if image is None else image
        if self._motion is not None:
            self._motion.at = n
        boxes = as_boxes(detections, image.shape[:2])
        return rows_as_frame(self._tracker.update(boxes, image, feats=detections.feats))


def make_tracker(contender: HostContender, fps: float) -> Any:
    """Make the host's object, and tell it the frame rate."""
    from ultralytics.trackers.track import TRACKER_MAP
    from ultralytics.utils import IterableSimpleNamespace

    config = contender.config
    tuning = {"tuning": Tuning(**contender.constants)} if contender.ours else {}
    tracker = TRACKER_MAP[config["tracker_type"]](args=IterableSimpleNamespace(**config), **tuning)
    tracker.fps = fps
    return tracker


def black(shape: tuple[int, int]) -> ImageArray:
    """Make a black image of one byte: trackers that are given the camera motion don't read it."""
    return np.broadcast_to(np.uint8(0), (*shape, 3))


def as_boxes(detections: Detections, shape: tuple[int, ...]) -> Any:
    """Convert detections to the host's `Boxes`.

    Args:
        detections: Of a frame.
        shape: The image's height and width, pixels.
    """
    from ultralytics.engine.results import Boxes

    columns = [detections.xyxy, detections.conf[:, None], detections.cls[:, None]]
    return Boxes(np.concatenate(columns, axis=1), shape)


def rows_as_frame(rows: npt.NDArray[np.float32]) -> FrameBoxes:
    """Select boxes and ids of the rows that a tracker of the host returns."""
    rows = np.asarray(rows, np.float32).reshape(-1, 8)
    return FrameBoxes(rows[:, 4].astype(np.int64), rows[:, :4])


def host_names() -> list[str]:
    """Return the trackers that the host knows by name."""
    from ultralytics.trackers.track import TRACKER_MAP

    return sorted(TRACKER_MAP)


def host_contender(name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float]) -> HostContender:
    """Configure a tracker of the host.

    Args:
        name: Of a tracker, or the path of a YAML.
        label: Its name in tables.
        changes: Keys that differ from the YAML.
        thresholds: Scores by `THRESHOLDS`, for those keys that `changes` leaves.

    Raises:
        ChoiceError: If a key isn't the YAML's, or can't be chosen here.
    """
    yaml = name if Path(name).suffix in {".yaml", ".yml"} else f"{name}.yaml"
    known = HostContender(label, yaml).config
    if known.get("tracker_type") not in host_names():
        raise ChoiceError(f"{label}: tracker_type {known.get('tracker_type')!r} is none of {', '.join(host_names())}")
    need_keys(label, changes, known)
    for key in set(changes) & set(_EMBEDDER):
        raise ChoiceError(f"{label}: {key} can't differ, as embeddings are the same for all: --embedder, --weights")
    wanted = named_thresholds(thresholds, {t: (key,) for t, key in THRESHOLD_KEYS.items()}, known)
    model = {k: v for k, v in _NO_MODEL.items() if k in known}
    contender = HostContender(label, yaml, {**wanted, **changes, **model})
    if contender.motion in _BY_BOXES:
        told = f"gmc_method {contender.motion} depends on the tracker's own boxes; take sparseOptFlow"
        raise ChoiceError(f"{label}: {told}")
    _need_valid(contender)
    return contender


def _need_valid(contender: HostContender) -> None:
    """Raise `ChoiceError` for a value out of range in this package's tracker, before anything is computed."""
    from ultralytics.utils import IterableSimpleNamespace

    if contender.ours:
        try:
            Config.from_args(IterableSimpleNamespace(**contender.config))
        except ConfigError as error:
            raise ChoiceError(f"{contender.label}: {error}") from error


def with_embedder(contender: Contender, embedder: str) -> Contender:
    """Set `model` of this package's tracker: the similarities that it expects depend on it."""
    ours = isinstance(contender, HostContender) and contender.ours
    if not ours or embedder in (NONE, SIMULATED, AUTO):
        return contender
    return HostContender(contender.label, contender.name, {**contender.changes, "model": embedder})
