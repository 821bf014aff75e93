"""Read images from files and from memory with OpenCV; importing the host changes Pillow's reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._typing import ImageArray, as_pixels
from ..errors import GalleryError

if TYPE_CHECKING:
    from PIL.Image import Image

_DIMS, _CHANNELS = 3, 3


def as_image(image: str | Path | ImageArray | Image) -> ImageArray:
    """Read an image file, or check an image array or take one of Pillow's.

    Args:
        image: A path, `(H, W, 3)` uint8 BGR, or a `PIL.Image.Image` of any mode.

    Returns:
        `(H, W, 3)` uint8 BGR.

    Raises:
        GalleryError: If the file is missing or no image, or the array isn't `(H, W, 3)` uint8,
            or it is something else.
    """
    if isinstance(image, str | Path):
        if not Path(image).is_file():
            raise GalleryError(f"there is no file {image}")
        read = decode_image(Path(image).read_bytes())
        if read is None:
            raise GalleryError(f"{image} is no readable image")
        return read
    if not isinstance(image, np.ndarray) and hasattr(image, "convert"):  # Pillow's, which isn't imported for it
        image = np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])
    if not isinstance(image, np.ndarray):
        raise GalleryError(f"images must be paths, arrays or Pillow's, got {type(image).__name__}")
    if image.ndim != _DIMS or image.shape[2] != _CHANNELS or image.dtype != np.uint8 or not image.size:
        raise GalleryError(f"images must be (H, W, 3) uint8 BGR, got {image.shape} {image.dtype}")
    return image


def decode_image(data: bytes) -> ImageArray | None:
    """Decode the bytes of an image file to `(H, W, 3)` uint8 BGR; None if they are no image."""
    import cv2

    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if read is None else as_pixels(read)
