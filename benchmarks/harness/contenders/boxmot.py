"""BoxMOT's trackers, where that package is installed: each with its own YAML's defaults."""

from __future__ import annotations

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

PREFIX = "boxmot/"
_INSTALL = "BoxMOT isn't installed: pip install 'boxmot>=25'"
_APPEARANCE = "use_embeddings"
# They require embeddings, and have no switch.
_NEED_EMBEDDINGS = ("strongsort",)
_NO_BOXES = ("sam2mot",)  # requires masks


@dataclass(frozen=True)
class BoxMOTContender(PackageContender):
    """A tracker of BoxMOT."""

    names: ClassVar = {
        "high": ("track_high_thresh", "track_thresh", "det_thresh", "high_th", "min_conf"),
        "low": ("track_low_thresh", "low_thresh", "low_th"),
        "new": ("new_track_thresh", "new_track_th"),
    }

    def defaults(self) -> dict[str, Any]:
        from boxmot.trackers.config import load_tracker_defaults

        return dict(load_tracker_defaults(self.name))

    @property
    def motion(self) -> str | None:
        off = self.config.get("use_cmc") is False or self.config.get("cmc_off") is True
        takes = {"use_cmc", "cmc_off", "cmc_method"} & set(self.config) or self.name in _NEED_EMBEDDINGS
        return MOTION if takes and not off else None

    @property
    def appearance(self) -> bool:
        return self.name in _NEED_EMBEDDINGS or bool(self.config.get(_APPEARANCE, False))

    def facts(self) -> dict[str, Any]:
        return {"config": self.config, "code": of_file(Path(__file__)), **versions("boxmot", "numpy", "scipy")}

    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> _Running:  # noqa: ARG002
        from boxmot.trackers.factory import create_tracker
        from boxmot.trackers.specs import TrackerSpec

        return _Running(
            create_tracker(TrackerSpec(self.name, options=tuple(sorted(self.changes.items())))), shape, warps
        )


class _Running:
    def __init__(self, tracker: Any, shape: tuple[int, int], warps: Doubles | None) -> None:
        self._tracker, self._motion = tracker, give_motion(tracker, warps)
        # An image is required, if only for its size: camera motion and embeddings are given.
        self._black = np.zeros((*shape, 3), np.uint8)

    def update(self, n: int, detections: Detections, image: ImageArray | None = None) -> FrameBoxes:
        if self._motion is not None:
            self._motion.at = n
        tracks = self._tracker.update(_as_detections(detections, n), self._black if image is None else image)
        ids = np.asarray(tracks.track_ids.numpy(), np.int64)
        return FrameBoxes(ids, np.asarray(tracks.geometry.values.numpy(), np.float32).reshape(-1, 4))


def _as_detections(detections: Detections, n: int) -> Any:
    import torch
    from boxmot.structures import Boxes
    from boxmot.structures import Detections as BoxMOTDetections

    columns = (detections.xyxy, detections.conf, detections.cls)
    boxes, conf, cls = (torch.from_numpy(np.ascontiguousarray(column)) for column in columns)
    feats = None if detections.feats is None else torch.from_numpy(np.ascontiguousarray(detections.feats))
    return BoxMOTDetections(Boxes(boxes), conf, cls.long(), sample_id=str(n), embeddings=feats)


def boxmot_names() -> list[str]:
    """Return BoxMOT's trackers that take boxes; empty where it isn't installed."""
    if not has("boxmot"):
        return []
    from boxmot.trackers.registry import TRACKER_MAPPING

    return [name for name in sorted(TRACKER_MAPPING) if name not in _NO_BOXES]


def boxmot_contender(
    name: str, label: str, changes: Mapping[str, Any], thresholds: Mapping[str, float], embeddings: bool
) -> BoxMOTContender:
    """Configure a tracker of BoxMOT.

    Args:
        name: As BoxMOT calls it, without `PREFIX`.
        label: Its name in tables.
        changes: Keys that differ from its YAML.
        thresholds: Scores by `THRESHOLDS`; a tracker without such a threshold keeps its own.
        embeddings: Whether there are any; without, its use of them is switched off.

    Raises:
        ChoiceError: If BoxMOT isn't installed, has no such tracker or key, or the tracker requires embeddings.
    """
    if not has("boxmot"):
        raise ChoiceError(f"{label}: {_INSTALL}")
    if name not in boxmot_names():
        raise ChoiceError(f"{label}: BoxMOT's are {', '.join(boxmot_names())}")
    known = BoxMOTContender(label, name).defaults()
    need_keys(label, changes, known)
    if not embeddings and name in _NEED_EMBEDDINGS:
        raise ChoiceError(f"{label} requires embeddings: choose an --embedder")
    off = {_APPEARANCE: False} if not embeddings and _APPEARANCE in known else {}
    return BoxMOTContender(
        label, name, {**named_thresholds(thresholds, BoxMOTContender.names, known), **changes, **off}
    )
