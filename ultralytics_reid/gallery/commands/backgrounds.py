"""A camera's image, which heat maps and paths are drawn on: an image file, or the first frame of a video."""

from __future__ import annotations

from pathlib import Path

from ..._typing import ImageArray, as_pixels
from ...errors import GalleryError
from ..image_io import IMAGE_SUFFIXES, as_image


def background_of(path: Path) -> ImageArray:
    """Read a camera's image, `(H, W, 3)` uint8 BGR.

    Raises:
        GalleryError: If the file is neither.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return as_image(path)
    frame = _first_frame(path) if path.is_file() else None
    if frame is None:
        raise GalleryError(f"--background {path} is neither a readable image nor a readable video")
    return frame


def _first_frame(path: Path) -> ImageArray | None:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        success, frame = video.read()
        return as_pixels(frame) if success else None
    finally:
        video.release()
