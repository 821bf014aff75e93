"""Sources: a video, a folder of images, or a stream; and their images once more, for a second pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .._typing import ImageArray
from ..errors import ReIDError
from ..gallery.commands.terminal import print_note


@dataclass(frozen=True)
class VideoSource:
    """A source of `YOLO.track`.

    Attributes:
        uri: A path, camera number or URL.
        frames: Number of frames; None if unknown.
        is_repeatable: Whether the source can be read twice; a camera can't.
        stride: Every so many frames one is taken, 1 or more.
    """

    uri: str
    frames: int | None
    is_repeatable: bool
    stride: int = 1

    @property
    def name(self) -> str:
        """File name, camera number, or URL without what may be a password, to show."""
        if "://" not in self.uri:
            return Path(self.uri).name or self.uri
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def images(self) -> Iterator[ImageArray]:
        """Read the images once more, `(H, W, 3)` uint8 BGR, those that were tracked.

        Raises:
            ReIDError: If the source is gone meanwhile.
        """
        try:
            loader = _loader(self.uri, self.stride)
        except OSError as error:
            raise ReIDError(f"{self.uri} can't be read once more: {error}") from error
        try:
            for _, images, _ in loader:
                yield from images
        finally:
            if loader.cap is not None:
                loader.cap.release()

    def size(self, number: int) -> tuple[int, int]:
        """Read the width and height of the images, pixels.

        Args:
            number: Which image of a folder, from 1, as they may differ; all of a video have one size.

        Raises:
            ReIDError: If the image can't be read.
        """
        files = _loader(self.uri).files
        uri = files[min(max(number, 1), len(files)) - 1]
        image = next(VideoSource(uri, None, is_repeatable=True).images(), None)
        if image is None:
            raise ReIDError(f"{uri} can't be read")
        return image.shape[1], image.shape[0]


def _warn_of_order(label: str, names: Sequence[str]) -> None:
    """Warn where numbered images, as `1`, `2` and `10`, aren't read in the order of their numbers.

    Args:
        label: What to call the folder.
        names: Of the images, without suffixes, in the order in which they are read.
    """
    numbers = [tuple(map(int, re.findall(r"[0-9]+", name))) for name in names]
    is_numbered = len({re.sub(r"[0-9]+", "0", name) for name in names}) == 1
    wrong = next(((a, b) for n, (a, b) in enumerate(pairwise(names)) if numbers[n] > numbers[n + 1]), None)
    if is_numbered and wrong is not None:
        print_note(
            f"ultralytics-reid: {label}: images are read in alphabetical order, {wrong[1]} after {wrong[0]}, not in "
            "that of their numbers: to track them in time, pad the numbers with zeros (0001, 0002, ...)"
        )


def _loader(uri: str, stride: int = 1) -> Any:
    """The host's own reader: the images that it tracks, in its order and with its stride."""
    from ultralytics.data.loaders import LoadImagesAndVideos

    return LoadImagesAndVideos(uri, vid_stride=stride)


def open_source(uri: str, label: str, *, seconds: float | None = None, stride: int = 1) -> VideoSource:
    """Check a source, and count its frames; say where the images of a folder aren't read in the order of their numbers.

    Args:
        uri: Video, folder of images, camera number or URL.
        label: What messages call it, such as `--source street.mp4`.
        seconds: Maximum length of a video; None for all.
        stride: Every so many frames of a video one is taken.

    Raises:
        ReIDError: If it is missing, or can't be read.
    """
    from ultralytics.data.utils import IMG_FORMATS, VID_FORMATS

    if uri.isdecimal() or "://" in uri:
        return VideoSource(uri, None, is_repeatable=False, stride=stride)
    path = Path(uri)
    if not path.exists():
        raise ReIDError(f"{label}: there is no such file, and it is neither a camera number nor a URL")
    if path.is_dir():
        count = sum(p.suffix[1:].lower() in IMG_FORMATS for p in path.iterdir())
        if not count:
            raise ReIDError(f"{label}: there are no images in this folder")
        _warn_of_order(label, [Path(file).stem for file in _loader(uri).files])
        return VideoSource(uri, count, is_repeatable=True)
    if path.suffix[1:].lower() not in VID_FORMATS:
        kinds = ", ".join(sorted(VID_FORMATS))
        raise ReIDError(f"{label}: must be a folder of images or a video ({kinds})")
    frames = _video_length(path, label, seconds)
    return VideoSource(uri, None if frames is None else frames // stride, is_repeatable=True, stride=stride)


def _video_length(path: Path, label: str, seconds: float | None) -> int | None:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened() or not video.grab():
            raise ReIDError(f"{label}: not a readable video")
        count, fps = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        limit = seconds * fps if seconds is not None and fps > 0 else float("inf")
        return round(min(count, limit)) if count > 0 else None
    finally:
        video.release()
