"""Options of an evaluation."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

from ..config import Config, keys
from ..datasets.file_names import PARTS
from ..datasets.reader import AUTO as ANY_FORM
from ..embedders import AUTO
from ..embedders.crops import AUTO_OPTION, CropOptions
from ..errors import ConfigError
from ..evaluation.protocol import AUTO as ANY_CAMERA
from ..evaluation.protocol import LEAVE_OUT

_MAX_LABEL = 40


@dataclass(frozen=True)
class ModelChoice:
    """An embedder to evaluate, in a tracker YAML's words.

    Attributes:
        model: The YAML's `model`.
        weights: Its `weights`.
        normalize: Its `normalize`.
        channels: Its `channels`.
        crop_height: Its `crop_height`, pixels; 0 for the model's own.
        crop_width: Its `crop_width`, pixels; 0 for the model's own.
        head: Its `head`, learned by `ultralytics-reid train`; empty for none.
        label: What tables call it; empty for a name from the model's or its weights' file.
    """

    model: str
    weights: str = ""
    normalize: str = AUTO_OPTION
    channels: str = AUTO_OPTION
    crop_height: int = 0
    crop_width: int = 0
    head: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        """Check the keys as those of a tracker YAML.

        Raises:
            ConfigError: If one is out of range, or set for a model that doesn't read it.
        """
        shipped = {key.name: key.default for key in keys()}
        try:
            Config.from_args(SimpleNamespace(**shipped | self.yaml_keys()))
        except ConfigError as error:
            raise ConfigError(f"--model {self.model}: {error}") from error

    @property
    def name(self) -> str:
        """What tables call it, before several of one name are told apart."""
        if self.label:
            return self.label
        base = Path(self.weights or self.model).stem[:_MAX_LABEL] or self.model[:_MAX_LABEL]
        return f"{base} + {Path(self.head).stem[:_MAX_LABEL]}" if self.head else base

    @property
    def crop_options(self) -> CropOptions:
        """Crop options of the YAML's keys."""
        return CropOptions(self.crop_height, self.crop_width, self.normalize, channels=self.channels)

    def yaml_keys(self) -> dict[str, object]:
        """The keys of a tracker YAML that name this embedder; without a head, an empty one."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "label"}


@dataclass(frozen=True)
class VideoChoice:
    """A video with ground truth.

    Attributes:
        source: Video or folder of images.
        ground_truth: MOTChallenge's `gt.txt`, with an id a person.
        tracker: YAML of this package's tracker; the embedder's keys are replaced.
        classes: Indices or names of the classes to track; empty for all.
        imgsz: Input size of the detector, pixels; None for the model's own.
    """

    source: str
    ground_truth: Path
    tracker: str = "reid_botsort.yaml"
    classes: tuple[str, ...] = ("0",)
    imgsz: int | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation.

    Attributes:
        models: The embedders; the first is what the others are compared with.
        sets: Folders of labeled crops.
        form: Form of the crops, one of `reader.FORMS`.
        same_camera: One of `protocol.SAME_CAMERA`.
        query_cameras: Cameras whose images are searched for in those of the other cameras; empty to search for each
            image in all others.
        detector: YOLO model, for `model: auto` and for the video; empty for none.
        flip: Whether to also average with the embedding of the mirrored crop.
        rerank: Whether to also re-rank.
        cache: Folder that keeps embeddings; None for none.
        out: Folder for the report; None to only print it.
        sheets: Whether to also draw the best and the worst queries; needs `out`.
        overwrite: Whether to replace files in `out`.
        video: A video with ground truth; None for none.
    """

    models: tuple[ModelChoice, ...]
    sets: tuple[Path, ...] = ()
    form: str = ANY_FORM
    same_camera: str = ANY_CAMERA
    query_cameras: tuple[int, ...] = ()
    detector: str = ""
    flip: bool = False
    rerank: bool = False
    cache: Path | None = None
    out: Path | None = None
    sheets: bool = False
    overwrite: bool = False
    video: VideoChoice | None = None

    def __post_init__(self) -> None:
        """Check what options say of each other.

        Raises:
            ConfigError: If nothing is asked for, or an option lacks another.
        """
        if not self.models:
            raise ConfigError("--model must be given: torchreid's name, a file, or auto with --detector")
        if not self.sets and self.video is None:
            raise ConfigError("give a folder of labeled crops, or --video with --ground-truth")
        if not self.detector and (self.video is not None or any(m.model == AUTO for m in self.models)):
            raise ConfigError("--detector must be given with --video and with --model auto, such as yolo11n.pt")
        if self.sheets and self.out is None:
            raise ConfigError("--sheets needs --out, the folder to write them into")
        if self.same_camera == LEAVE_OUT and self.query_cameras:
            raise ConfigError("--query-cameras leaves no image of a query's own camera: drop --same-camera")

    def labeled_models(self) -> Iterator[tuple[str, ModelChoice]]:
        """The models, each with a name of its own."""
        yield from zip(_distinct([model.name for model in self.models]), self.models, strict=True)

    def labeled_sets(self) -> Iterator[tuple[str, Path]]:
        """The sets, each with a name of its own."""
        yield from zip(_distinct([_set_name(folder) for folder in self.sets]), self.sets, strict=True)


def _set_name(folder: Path) -> str:
    """The folder's name; of a part such as `images/test`, with the names above it."""
    parts = folder.resolve().parts
    kept = 1
    while kept < len(parts) and parts[-kept].lower() in PARTS:
        kept += 1
    return "/".join(parts[-kept:])


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the names that occur more than once, and what would be equal to a numbered one."""
    count, found = Counter(names), list[str]()
    for name in names:
        numbered = (f"{name} ({n})" for n in itertools.count(1))
        free = (text for text in numbered if text not in found and text not in count)
        found.append(name if count[name] == 1 else next(free))
    return found
