"""Options of tracking a video in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import ConfigError, ReIDError
from ..gallery.export.atomic_file import check_writable

# Of a YOLO model, pixels.
MIN_IMGSZ = 32


@dataclass(frozen=True)
class Outputs:
    """Files to write; None for none.

    Attributes:
        mot: Boxes in the format of MOTChallenge results.
        csv: Boxes as a table.
        json: Identities, events and boxes.
        video: The video with boxes and ids.
        report: An HTML page with a timeline and crops.
        log: The track log, which `refine` takes; written while the source is tracked.
    """

    mot: Path | None = None
    csv: Path | None = None
    json: Path | None = None
    video: Path | None = None
    report: Path | None = None
    log: Path | None = None

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        """Names and paths of the files to write."""
        paths = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ((name, path) for name, path in paths if path is not None)

    @property
    def need_images(self) -> bool:
        """Whether the images are needed once more, when the ids are final."""
        return self.video is not None or self.report is not None

    def check(self, source: str, *, overwrite: bool) -> None:
        """Check, before any slow work, that all files can be written.

        Args:
            source: The source, which no file may replace.
            overwrite: Whether to replace existing files.

        Raises:
            ReIDError: If a suffix is wrong, a folder is missing, a file exists and may not be replaced, or it can't be
                written.
        """
        for name, path in self:
            if path.exists() and Path(source).exists() and path.samefile(source):
                raise ReIDError(f"--{name} {path}: is the source, and would replace it")
            if path.exists() and not overwrite:
                raise ReIDError(f"--{name} {path}: already exists; choose another name, or --overwrite")
            check_writable(path, (SUFFIXES[name],))


SUFFIXES: Mapping[str, str] = {
    "mot": ".txt",
    "csv": ".csv",
    "json": ".json",
    "video": ".mp4",
    "report": ".html",
    "log": ".reid",
}


@dataclass(frozen=True)
class TrackOptions:
    """Options of tracking a video.

    Attributes:
        source: Video, folder of images, camera number or URL.
        model: YOLO model.
        tracker: YAML of this package's tracker.
        classes: Indices or names of the classes to track; empty for all.
        conf: Minimum confidence of detections, 0 to 1; None for the host's.
        imgsz: Input size of the detector, pixels; None for the model's own.
        device: Device, such as `cpu` or `0`; empty for the host's choice.
        stride: Take one of so many frames, 1 or more; in videos and streams.
        outputs: Files to write.
        overwrite: Whether to replace existing files.
        refine: Whether a second pass over the whole video decides who is who.
        show: Whether to show the video while it is tracked, with the ids that are known until then.
    """

    source: str
    model: str = "yolo11n.pt"
    tracker: str = "reid_botsort.yaml"
    classes: tuple[str, ...] = ("0",)
    conf: float | None = None
    imgsz: int | None = None
    device: str = ""
    stride: int = 1
    outputs: Outputs = Outputs()
    overwrite: bool = False
    refine: bool = False
    show: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If an option is out of range.
        """
        _check("--conf", "in [0, 1]", self.conf, self.conf is None or 0 <= self.conf <= 1)
        _check("--imgsz", f"{MIN_IMGSZ} or more", self.imgsz, self.imgsz is None or self.imgsz >= MIN_IMGSZ)
        _check("--vid-stride", "1 or more", self.stride, self.stride >= 1)

    def host_arguments(self) -> dict[str, object]:
        """Arguments of `YOLO.track` that were given, without the classes."""
        given = {"conf": self.conf, "imgsz": self.imgsz, "device": self.device or None}
        return {name: value for name, value in given.items() if value is not None}


def class_indices(names: Mapping[int, str], given: tuple[str, ...]) -> list[int] | None:
    """Resolve classes, given by index or name.

    Args:
        names: The model's names by class index.
        given: Indices or names; empty for all.

    Returns:
        Class indices; None for all.

    Raises:
        ConfigError: If the model has no such class; the message lists those that it has.
    """
    index = {name: cls for cls, name in names.items()} | {str(cls): cls for cls in names}
    unknown = [text for text in given if text not in index]
    if unknown:
        shown = ", ".join(f"{cls} {name}" for cls, name in names.items())
        raise ConfigError(f"--classes must be indices or names of the model's classes ({shown}), got {unknown[0]!r}")
    return [index[text] for text in given] or None


def _check(name: str, allowed: str, value: object, good: bool) -> None:
    if not good:
        raise ConfigError(f"{name} must be {allowed}, got {value}")
