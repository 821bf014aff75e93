"""BoxMOT's trackers, where that package is installed: each with its own YAML's defaults."""

from __future__ import annotations

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

PREFIX = "boxmot/"
_INSTALL = "BoxMOT isn't installed: pip install 'boxmot>=25'"
_NAMES = {
    "high": ("track_high_thresh", "track_thresh", "det_thresh", "high_th", "min_conf"),
    "low": ("track_low_thresh", "low_thresh", "low_th"),
    "new": ("new_track_thresh", "new_track_th"),
}
_APPEARANCE = "use_embeddings"
# They can't do without embeddings, and have no switch.
_NEED_EMBEDDINGS = ("strongsort",)
_NO_BOXES = ("sam2mot",)  # wants masks


@dataclass(frozen=True)
class BoxMOTChoice(Choice):
    """A tracker of BoxMOT."""

    @property
    def config(self) -> dict[str, Any]:
        """All keys."""
        return {**_defaults(self.name), **self.changes}

    @property
    def motion(self) -> str | None:
        off = self.config.get("use_cmc") is False or self.config.get("cmc_off") is True
        takes = {"use_cmc", "cmc_off", "cmc_method"} & set(self.config) or self.name in _NEED_EMBEDDINGS
        return MOTION if takes and not off else None

    @property
    def appearance(self) -> bool:
        return self.name in _NEED_EMBEDDINGS or bool(self.config.get(_APPEARANCE, False))

    def facts(self) -> dict[str, Any]:
        return {"config": self.config, "code": of_file(HERE / "boxmot.py"), **versions("boxmot", "numpy", "scipy")}

    def thresholds(self) -> dict[str, Any]:
        return score_keys(self.config, _NAMES)

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> _Running:  # noqa: ARG002
        from boxmot.trackers.factory import create_tracker
        from boxmot.trackers.specs import TrackerSpec

        tracker = create_tracker(TrackerSpec(self.name, options=tuple(sorted(self.changes.items()))))
        motion = None if warps is None else GivenMotion(warps)
        if motion is not None:
            tracker.cmc = motion
        return _Running(tracker, motion, shape)


class _Running:
    def __init__(self, tracker: Any, motion: GivenMotion | None, shape: tuple[int, int]) -> None:
        self._tracker, self._motion = tracker, motion
        # They want a picture, if only for its size: camera motion and embeddings are given.
        self._picture = np.zeros((*shape, 3), np.uint8)

    def update(self, n: int, detections: Detections) -> Frame:
        if self._motion is not None:
            self._motion.at = n
        tracks = self._tracker.update(_as_detections(detections, n), self._picture)
        ids = np.asarray(tracks.track_ids.numpy(), np.int64)
        return Frame(ids, np.asarray(tracks.geometry.values.numpy(), np.float32).reshape(-1, 4))


def _as_detections(detections: Detections, n: int) -> Any:
    import torch
    from boxmot.structures import Boxes
    from boxmot.structures import Detections as Found

    columns = (detections.xyxy, detections.conf, detections.cls)
    boxes, conf, cls = (torch.from_numpy(np.ascontiguousarray(column)) for column in columns)
    feats = None if detections.feats is None else torch.from_numpy(np.ascontiguousarray(detections.feats))
    return Found(Boxes(boxes), conf, cls.long(), sample_id=str(n), embeddings=feats)


def boxmot_names() -> list[str]:
    """BoxMOT's trackers that take boxes; empty where it isn't installed."""
    if not has("boxmot"):
        return []
    from boxmot.trackers.registry import TRACKER_MAPPING

    return [name for name in sorted(TRACKER_MAPPING) if name not in _NO_BOXES]


def _defaults(name: str) -> dict[str, Any]:
    from boxmot.trackers.config import load_tracker_defaults

    return dict(load_tracker_defaults(name))


def boxmot_choice(
    name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float], embeddings: bool
) -> BoxMOTChoice:
    """Make a choice of BoxMOT's tracker.

    Args:
        name: As BoxMOT calls it, without `PREFIX`.
        label: As tables call it.
        changes: Keys that differ from its YAML.
        thresholds: Scores by `THRESHOLDS`; a tracker that has no such threshold keeps to its own ways.
        embeddings: Whether there are any; without, its use of them is switched off.

    Raises:
        ChoiceError: If BoxMOT isn't installed, has no such tracker or key, or the tracker can't do without embeddings.
    """
    if not has("boxmot"):
        raise ChoiceError(f"{label}: {_INSTALL}")
    if name not in boxmot_names():
        raise ChoiceError(f"{label}: BoxMOT's are {', '.join(boxmot_names())}")
    known = _defaults(name)
    need_keys(label, changes, known)
    if not embeddings and name in _NEED_EMBEDDINGS:
        raise ChoiceError(f"{label} can't do without embeddings: choose an --embedder")
    off = {_APPEARANCE: False} if not embeddings and _APPEARANCE in known else {}
    return BoxMOTChoice(name, label, {**asked_for(thresholds, _NAMES, known), **changes, **off})
