"""Read images from files and from memory with OpenCV; importing the host changes Pillow's reader."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._typing import ImageArray, as_pixels
from ..errors import GalleryError

if TYPE_CHECKING:
    from PIL.Image import Image
# Pixels of an image, looked at before it is decoded: a file of some bytes can claim and unpack to gigabytes.
MAX_PIXELS = 2**26
MAX_FILE_BYTES = 2**28
# Common image files that OpenCV reads.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_DIMS, _CHANNELS = 3, 3
_WEBP_HEAD = 30
_JPEG_QUALITY = 85
# What Pillow raises for damaged files.
PILLOW_ERRORS = (
    SyntaxError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    MemoryError,
)


def as_image(image: str | Path | ImageArray | Image) -> ImageArray:
    """Read an image file, or check an image array or take one of Pillow's.

    Args:
        image: A path, `(H, W, 3)` uint8 BGR, or a `PIL.Image.Image` of any mode.

    Returns:
        `(H, W, 3)` uint8 BGR.

    Raises:
        GalleryError: If the file is missing, too large or no image, the array isn't `(H, W, 3)` uint8, or it is
            something else.
    """
    if isinstance(image, str | Path):
        if not Path(image).is_file():
            raise GalleryError(f"there is no file {image}")
        return _read(Path(image))
    if not isinstance(image, np.ndarray) and hasattr(image, "convert"):  # Pillow's, which isn't imported for it
        image = np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])
    if not isinstance(image, np.ndarray):
        raise GalleryError(f"images must be paths, arrays or Pillow's, got {type(image).__name__}")
    if image.ndim != _DIMS or image.shape[2] != _CHANNELS or image.dtype != np.uint8 or not image.size:
        raise GalleryError(f"images must be (H, W, 3) uint8 BGR, got {image.shape} {image.dtype}")
    return image


def _read(path: Path) -> ImageArray:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise GalleryError(f"{path} must have {MAX_FILE_BYTES} bytes (256 MiB) at most, got {path.stat().st_size}")
    data = path.read_bytes()
    width, height = _size(data)
    if width * height > MAX_PIXELS:
        raise GalleryError(f"{path} must have {MAX_PIXELS} pixels (8192 x 8192) at most, got {width} x {height}")
    read = decode_image(data)
    if read is None:
        raise GalleryError(f"{path} is no readable image (BMP, JPEG, PNG, TIFF or WebP)")
    return read


def decode_image(data: bytes) -> ImageArray | None:
    """Decode the bytes of an image file to `(H, W, 3)` uint8 BGR; None if they are no image, or one too large."""
    import cv2

    width, height = _size(data)
    if not 0 < width * height <= MAX_PIXELS:
        return None
    try:
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if read is None else as_pixels(read)


def as_jpeg(image: npt.NDArray[np.uint8], quality: int = _JPEG_QUALITY) -> bytes:
    """Encode an image, `(H, W, 3)` uint8 BGR, as JPEG; empty for an empty one."""
    import cv2

    if not image.size:
        return b""
    try:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:  # not an image that JPEG can hold
        return b""
    return bytes(data) if done else b""


def _size(data: bytes) -> tuple[int, int]:
    """Width and height that a BMP, JPEG, PNG, TIFF or WebP file claims; 0 where it is none of them."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    reader = pillow_reader(data)
    if data[:2] in (b"II", b"MM"):
        from PIL.TiffImagePlugin import TiffImageFile

        reader = TiffImageFile
    if reader is None:
        return 0, 0
    try:
        width, height = reader(io.BytesIO(data)).size
        return int(width), int(height)
    except PILLOW_ERRORS:
        return 0, 0


def pillow_reader(data: bytes) -> Any:
    """Select Pillow's reader of a BMP, JPEG or PNG file; None for others. It reads no more than the header at first.

    The readers themselves: the host replaces Pillow's `open`.
    """
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    magic: dict[bytes, Any] = {b"BM": BmpImageFile, b"\xff\xd8": JpegImageFile, b"\x89P": PngImageFile}
    return magic.get(data[:2])


def _webp_size(data: bytes) -> tuple[int, int]:
    kind, head = data[12:16], data[20:_WEBP_HEAD]
    if len(data) < _WEBP_HEAD:
        return 0, 0
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
