"""Sources of detections, embeddings and camera motion, the same for all trackers of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..packages import versions
from .cache import Cache, of_file

NONE, SIMULATED, AUTO = "none", "simulated", "auto"
# The host's camera motion that every tracker is given.
MOTION = "sparseOptFlow"


@dataclass(frozen=True)
class Detector:
    """A YOLO model and how it is run.

    Attributes:
        weights: Its file or folder.
        imgsz: Pixels.
        conf: Least score that is kept.
        classes: Which classes are kept, empty for all.
        device: Torch device by name, None for the default.
        iou: Of boxes that overlap by more, the best is kept.
    """

    weights: Path
    imgsz: int = 640
    conf: float = 0.1
    classes: tuple[int, ...] = (0,)
    device: str | None = None
    iou: float = 0.7

    def facts(self) -> dict[str, Any]:
        """Return all that its detections depend on."""
        kind = {name: value for name, value in asdict(self).items() if name != "weights"}
        return {"weights": of_file(self.weights), **kind, **versions("ultralytics", "torch")}


@dataclass(frozen=True)
class Recipe:
    """Sources of the inputs of all trackers.

    Attributes:
        cache: Keeps them.
        boxes: A folder of NAME.txt, or None: the detector's where there is one, else what the sequence comes with.
        given: Whether the sequence's own `det/det.txt` is taken, detector or not.
        detector: A detector, for boxes or for `auto` embeddings.
        embedder: `NONE`, `SIMULATED`, `AUTO`, or what `build_embedder` takes as `model`.
        weights: What it takes as `weights`.
        device: Torch device by name, None for the default.
        motion: The host's methods of camera motion that trackers ask for.
    """

    cache: Cache
    boxes: Path | None = None
    given: bool = True
    detector: Detector | None = None
    embedder: str = NONE
    weights: str = ""
    device: str | None = None
    motion: tuple[str, ...] = ()

    @property
    def detects(self) -> bool:
        """Whether boxes come from the detector."""
        return self.boxes is None and not self.given

    @property
    def embeds_images(self) -> bool:
        """Whether embeddings are computed from images."""
        return self.embedder not in (NONE, SIMULATED)
