"""Uploaded images: decoded within limits, and kept in memory for a quarter of an hour; never written to disk."""

from __future__ import annotations

import io
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import Floats, ImageArray
from ..errors import GalleryError
from ..gallery.image_io import PILLOW_ERRORS, pillow_reader
from .security import MAX_UPLOAD

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_MEGAPIXELS = 40
# An image is kept with its longer side at most this long, pixels; and as many images, for as many seconds.
MAX_SIDE, MAX_HELD, KEEP_SECONDS = 1920, 8, 900.0


@dataclass(frozen=True, eq=False)
class Upload:
    """An image that is searched for.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        found: Where the detector found an individual, `(4,)` xyxy in pixels, or the whole image.
        note: What the detector found, in words; empty where nothing was looked for.
        at: When it came, seconds on the monotonic clock.
    """

    image: ImageArray
    found: Floats
    note: str
    at: float


class Uploads:
    """Hold the last images, by a random name."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, image: ImageArray, found: Floats, note: str) -> str:
        """Keep an image; returns its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._drop_old()
            self._held[name] = Upload(image, found, note, time.monotonic())
            while len(self._held) > MAX_HELD:
                self._held.popitem(last=False)
        return name

    def get(self, name: str) -> Upload:
        """An image by its name.

        Raises:
            GalleryError: If it isn't there, or no longer.
        """
        with self._lock:
            self._drop_old()
            if name not in self._held:
                raise GalleryError(
                    "this image is no longer held: uploads are kept in memory for 15 minutes; drop it again"
                )
            return self._held[name]

    def _drop_old(self) -> None:
        oldest = time.monotonic() - KEEP_SECONDS
        for name in [name for name, upload in self._held.items() if upload.at < oldest]:
            del self._held[name]


def decode(data: bytes) -> ImageArray:
    """Decode an uploaded JPEG, PNG, WebP or BMP file.

    Args:
        data: The file.

    Returns:
        `(H, W, 3)` uint8 BGR, upright, its longer side `MAX_SIDE` pixels at most.

    Raises:
        GalleryError: If it is too large, of another kind, or damaged.
    """
    if len(data) > MAX_UPLOAD:
        raise GalleryError(f"an image may have {MAX_UPLOAD // 2**20} MB at most, got {len(data) / 2**20:.1f}")
    reader = _reader(data)
    if reader is None:
        raise GalleryError("this is no JPEG, PNG, WebP or BMP image")
    try:
        image = reader(io.BytesIO(data))
        _check_size(*image.size)
        return _upright(image)
    except PILLOW_ERRORS as error:
        raise GalleryError("this image is damaged") from error


def _reader(data: bytes) -> Any:
    """Pillow's reader of a kind of file."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        from PIL.WebPImagePlugin import WebPImageFile

        return WebPImageFile
    return pillow_reader(data)


def _check_size(width: int, height: int) -> None:
    """Refuse an image by the size that its header claims, before anything is decoded."""
    if width * height > MAX_MEGAPIXELS * 10**6:
        claimed = width * height / 1e6
        raise GalleryError(f"an image may have {MAX_MEGAPIXELS} megapixels at most, got {claimed:.0f}")


def _upright(image: Image) -> ImageArray:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image).convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])
