"""Options of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError

# A detector trained for the people of generated scenes only.
DETECTOR = Path(__file__).with_name("people.pt")
DETECTOR_SIZE = 384
# IoU threshold of its NMS: crossing people overlap less than duplicate boxes.
DETECTOR_OVERLAP = 0.5
OURS, STOCK = "reid_botsort.yaml", "botsort.yaml"


@dataclass(frozen=True)
class DemoOptions:
    """Options of a demo run.

    Attributes:
        out: Output folder; created if missing.
        source: Video, folder of images, camera number or URL; None for a generated scene.
        model: YOLO model; None for the package's own, which detects people of generated scenes only.
        tracker: YAML of this package's tracker. Its gallery, topology and track log are left alone.
        imgsz: Input size of the detector, pixels; None for the model's own.
        classes: Indices or names of the classes to track; empty for all.
        seconds: Length of the scene, or maximum length of the source; None for 75 s of a scene, and all of a source.
        people: Number of people in the scene, 1 to 50.
        seed: Random seed of the scene, 0 or more.
        overwrite: Whether to replace what a former run left in the folder.
    """

    out: Path = Path("demo-output")
    source: str | None = None
    model: str | None = None
    tracker: str = OURS
    imgsz: int | None = None
    classes: tuple[str, ...] = ("0",)
    seconds: float | None = None
    people: int = 9
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If an option is out of range, or a source is given without a model.
        """
        if self.source is not None and self.model is None:
            text = "the demo's own detector finds only people of generated scenes"
            raise ConfigError(f"--source needs a --model, such as yolo11n.pt: {text}")
        _check("--seconds", "above 0", self.seconds, self.seconds is None or 0 < self.seconds < float("inf"))
        _check("--people", "from 1 to 50", self.people, 1 <= self.people <= 50)  # noqa: PLR2004
        _check("--imgsz", "32 or more", self.imgsz, self.imgsz is None or self.imgsz >= 32)  # noqa: PLR2004
        _check("--seed", "0 or more", self.seed, self.seed >= 0)


def _check(name: str, allowed: str, value: object, good: bool) -> None:
    if not good:
        raise ConfigError(f"{name} must be {allowed}, got {value}")
