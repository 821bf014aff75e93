"""Write labeled crops: Market-1501's file names or a folder per identity, with a manifest."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .._typing import ImageArray
from ..errors import DatasetError
from .crop_set import CropSet
from .file_names import MARKET, PARTS
from .manifest import Manifest, content_digest
from .reader import FOLDERS, read_crops

WRITTEN_FORMS = (MARKET, FOLDERS)

_JPEG_QUALITY = 95
_MAX_FOLDER_NAME = 80


@dataclass(frozen=True)
class LabeledCrop:
    """A crop to write.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        identity: Name of the identity, of any text.
        camera: Number of the camera, 1 or more; None where there are no cameras.
        time: Seconds; None where unknown.
        frame: Number of the frame, 0 or more, for the file's name; None for the crop's number.
    """

    image: ImageArray
    identity: str
    camera: int | None = None
    time: float | None = None
    frame: int | None = None


@dataclass
class _Labels:
    """Labels of identities in file names, and of crops in them."""

    form: str
    of: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    cameras: set[bool] = field(default_factory=set)

    def path(self, crop: LabeledCrop, number: int) -> Path:
        """Path in the folder for the crop of a running number."""
        label = self.of.get(crop.identity) or self._new(crop.identity)
        frame = number if crop.frame is None else crop.frame
        if self.form == MARKET:
            return Path(f"{label}_c{crop.camera}s1_{frame:06d}_{number:06d}.jpg")
        camera = "" if crop.camera is None else f"c{crop.camera}_"
        return Path(label, f"{camera}{frame:06d}_{number:06d}.jpg")

    def _new(self, identity: str) -> str:
        number = len(self.of) + 1
        safe = re.sub(r"[^\w.-]+", "_", identity).lstrip(".")[:_MAX_FOLDER_NAME]
        # Some file systems don't tell capitals apart.
        taken = PARTS | {label.lower() for label in self.of.values()}
        label = f"{number:04d}" if self.form == MARKET else safe
        while not label or label.lower() in taken:
            label = f"{label}-{number}"
        self.of[identity] = label
        return label


def write_crops(
    folder: Path,
    crops: Iterable[LabeledCrop],
    *,
    different: Iterable[tuple[str, str]] | None = None,
    form: str = MARKET,
) -> CropSet:
    """Write crops into a new folder: all of them or, after an error, none.

    Only the owner can read the folder: crops are images of people. The frame's number and the crop's running number
    make the file's name.

    Args:
        folder: Folder to make; it may exist if it is empty.
        crops: The crops; all have a camera, or none has.
        different: Pairs of names of identities known to differ, read after the crops; None for a closed set, in which
            all identities differ.
        form: One of `WRITTEN_FORMS`; Market-1501's names need cameras.

    Returns:
        What was written, as `read_crops` reads it.

    Raises:
        DatasetError: If the folder isn't empty or can't be written, the form isn't known, there are no crops, only some
            have a camera, or a pair names an identity without a crop.
    """
    if form not in WRITTEN_FORMS:
        raise DatasetError(f"form must be {' or '.join(WRITTEN_FORMS)}, got {form!r}")
    _check_new(folder)
    part: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        _write(part, crops, different, form)
        if folder.is_dir():
            folder.rmdir()
        part.replace(folder)
    except OSError as error:
        raise DatasetError(f"{folder} can't be written: {error.strerror or error}") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return read_crops(folder)


def in_order(crops: CropSet) -> list[str]:
    """Paths in the folder in the order in which crops were written, from what `write_crops` returned."""
    return sorted(crops.written, key=lambda path: int(Path(path).stem.rpartition("_")[2]))


def _check_new(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DatasetError(f"{folder} already exists and isn't an empty folder: give another, or remove it")


def _write(part: Path, crops: Iterable[LabeledCrop], different: Iterable[tuple[str, str]] | None, form: str) -> None:
    labels = _Labels(form)
    for number, crop in enumerate(crops, 1):
        labels.cameras.add(crop.camera is not None)
        if len(labels.cameras) > 1 or (form == MARKET and crop.camera is None):
            raise DatasetError(f"crop {number} of {crop.identity!r}: {_camera_rule(form)}")
        path = labels.path(crop, number)
        (part / path).parent.mkdir(exist_ok=True)
        data = _jpeg(crop.image)
        (part / path).write_bytes(data)
        labels.contents[path.as_posix()] = content_digest(data)
        if crop.time is not None:
            labels.times[path.as_posix()] = float(crop.time)
    if not labels.of:
        raise DatasetError("there are no crops to write")
    names = {label: name for name, label in labels.of.items()}
    known = _labels_of(different, labels)
    Manifest(form, True in labels.cameras, names, labels.times, labels.contents, known).write(part)


def _camera_rule(form: str) -> str:
    if form == MARKET:
        return f"the form {MARKET} needs a camera for each crop; without cameras, write the form {FOLDERS}"
    return "all crops have a camera, or none has"


def _labels_of(different: Iterable[tuple[str, str]] | None, labels: _Labels) -> tuple[tuple[str, str], ...] | None:
    if different is None:
        return None
    pairs = {(min(pair), max(pair)) for pair in different}
    for name in sorted({name for pair in pairs for name in pair} - set(labels.of)):
        raise DatasetError(f"different: {name!r} is the name of no crop's identity")
    return tuple((labels.of[first], labels.of[second]) for first, second in sorted(pairs))


def _jpeg(image: ImageArray) -> bytes:
    import cv2

    made, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not made:
        raise DatasetError(f"a crop of the shape {image.shape} can't be written as JPEG")
    return bytes(data.tobytes())
