"""What the demo can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError

# Finds the people of generated scenes, and nobody else.
DETECTOR = Path(__file__).with_name("people.pt")
DETECTOR_SIZE = 384
# Boxes of people who cross overlap by less (IoU) than what it sees twice.
DETECTOR_OVERLAP = 0.5
OURS, STOCK = "reid_botsort.yaml", "botsort.yaml"


@dataclass(frozen=True)
class DemoOptions:
    """What to track, how, and where to write.

    Attributes:
        out: Folder to write to; made if it isn't there.
        source: Video, folder of images, number of a camera or URL; None for a generated scene.
        model: YOLO model; None for the package's own, which knows generated scenes only.
        tracker: YAML of this package's tracker.
        imgsz: Side of the detector's input, pixels; None for the model's own.
        classes: Numbers of the classes to track; empty for all.
        seconds: Length of the scene, or at most as much of the source; None for 75 s of a scene, and all of a source.
        people: People in the scene, from 1 to 50.
        seed: Another number, another scene.
    """

    out: Path = Path("demo-output")
    source: str | None = None
    model: str | None = None
    tracker: str = OURS
    imgsz: int | None = None
    classes: tuple[int, ...] = (0,)
    seconds: float | None = None
    people: int = 9
    seed: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ConfigError: If something is out of range, or a source comes without a model.
        """
        if self.source is not None and self.model is None:
            text = "the demo's own detector knows the people of generated scenes only"
            raise ConfigError(f"--source needs a --model, as yolo11n.pt: {text}")
        _check("--seconds", "above 0", self.seconds, self.seconds is None or 0 < self.seconds < float("inf"))
        _check("--people", "from 1 to 50", self.people, 1 <= self.people <= 50)  # noqa: PLR2004
        _check("--imgsz", "32 or more", self.imgsz, self.imgsz is None or self.imgsz >= 32)  # noqa: PLR2004
        _check("--seed", "0 or more", self.seed, self.seed >= 0)
        _check("--classes", "0 or more each", list(self.classes), all(c >= 0 for c in self.classes))


def _check(name: str, allowed: str, value: object, good: bool) -> None:
    if not good:
        raise ConfigError(f"{name} must be {allowed}, got {value}")
