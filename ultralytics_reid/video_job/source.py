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
        return shown_name(self.uri) if _is_url(self.uri) else Path(self.uri).name or self.uri

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


def shown_name(url: str) -> str:
    """A URL without what may be a password: scheme, host, port and path; the scheme alone of one that is malformed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # no number, for example, where a password has a slash
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_password(text: object, uri: str) -> str:
    """A message of the host, which repeats the source, without what may be a password.

    Args:
        text: The message, or the error.
        uri: The source.
    """
    return str(text).replace(uri, shown_name(uri)) if _is_url(uri) else str(text)


def _is_url(uri: str) -> bool:
    return "://" in uri


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
        ReIDError: If it is missing, or can't be read, or is a folder and `stride` isn't 1.
    """
    from ultralytics.data.utils import VID_FORMATS

    if uri.isdecimal() or _is_url(uri):
        return VideoSource(uri, None, is_repeatable=False, stride=stride)
    path = Path(uri)
    if not path.exists():
        raise ReIDError(f"{label}: there is no such file, and it is neither a camera number nor a URL")
    if path.is_dir():
        if stride > 1:
            raise ReIDError(f"{label}: --vid-stride must be 1 for a folder of images, got {stride}")
        return VideoSource(uri, _folder_length(path, label), is_repeatable=True)
    if path.suffix[1:].lower() not in VID_FORMATS:
        kinds = ", ".join(sorted(VID_FORMATS))
        raise ReIDError(f"{label}: must be a folder of images or a video ({kinds})")
    frames = _video_length(path, label, seconds)
    return VideoSource(uri, None if frames is None else frames // stride, is_repeatable=True, stride=stride)


def _folder_length(path: Path, label: str) -> int | None:
    """Number of images; None if there are videos too, which the host reads after them."""
    from ultralytics.data.utils import IMG_FORMATS

    if "*" in str(path.absolute()):
        raise ReIDError(f"{label}: the path of a folder must not have a *, which Ultralytics takes for a pattern")
    try:
        has_images = any(file.suffix[1:].lower() in IMG_FORMATS for file in path.iterdir())
        loader = _loader(str(path)) if has_images else None
    except OSError as error:
        # The host lists its formats on further lines.
        reason = str(error).partition("\n")[0]
        raise ReIDError(f"{label}: this folder can't be read: {reason}") from error
    if loader is None or not loader.ni:
        raise ReIDError(f"{label}: there are no images in this folder")
    loader.close()
    _warn_of_order(label, [Path(file).stem for file in loader.files[: loader.ni]])
    return int(loader.ni) if loader.ni == loader.nf else None


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
