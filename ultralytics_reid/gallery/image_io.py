"""Pictures, from files or from memory, by one reader: the host changes what Pillow's does once it is imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._typing import ImageArray
from ..errors import GalleryError

# `(H, W, 3)` uint8, BGR.

_DIMS, _CHANNELS = 3, 3


def as_picture(picture: str | Path | ImageArray) -> ImageArray:
    """A picture, read if it is a path.

    Returns:
        `(H, W, 3)` uint8 BGR.

    Raises:
        GalleryError: If there is no such file, it can't be read, or isn't `(H, W, 3)` uint8.
    """
    if isinstance(picture, str | Path):
        if not Path(picture).is_file():
            raise GalleryError(f"there is no file {picture}")
        read = decoded(Path(picture).read_bytes())
        if read is None:
            raise GalleryError(f"{picture} is no picture that can be read")
        return read
    if picture.ndim != _DIMS or picture.shape[2] != _CHANNELS or picture.dtype != np.uint8 or not picture.size:
        raise GalleryError(f"a picture must be (H, W, 3) uint8 BGR, got {picture.shape} {picture.dtype}")
    return picture


def decoded(data: bytes) -> ImageArray | None:
    """The picture in an image file's bytes, `(H, W, 3)` uint8 BGR; None if it is none."""
    import cv2

    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if read is None else np.asarray(read, np.uint8)
