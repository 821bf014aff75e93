"""Words and small images on images; the typeface comes along with Matplotlib: nothing is fetched."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .._typing import ImageArray


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> Any:
    """DejaVu Sans, which has ticks and crosses too, of a height in pixels."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def cut(text: str, size: int, width: float, *, bold: bool = False) -> str:
    """As much of a text as fits into a width, with an ellipsis where it is cut.

    Args:
        text: What is to be written.
        size: Height of the letters, pixels.
        width: What it may take, pixels.
        bold: Whether they are heavy.
    """
    face, kept = font(size, bold=bold), len(text)
    if face.getlength(text) <= width:
        return text
    while kept and face.getlength(text[:kept].rstrip() + "…") > width:
        kept -= 1
    return text[:kept].rstrip() + "…"


@lru_cache(maxsize=4096)
def words(text: str, size: int, ink: str, paper: str, *, bold: bool = False, pad: int = 0) -> ImageArray:
    """A line of text on a ground of one color.

    Args:
        text: What to write.
        size: Height of the letters, pixels.
        ink: Their color, as `#1f2933`.
        paper: The ground's.
        bold: Whether they are heavy.
        pad: Pixels of ground on either side.

    Returns:
        `(H, W, 3)` uint8 BGR; shared, so not to be written on.
    """
    face = font(size, bold=bold)
    patch = Image.new("RGB", (max(1, round(face.getlength(text))) + 2 * pad, round(1.4 * size)), paper)
    ImageDraw.Draw(patch).text((pad, 0.7 * size), text, fill=ink, font=face, anchor="lm")
    return np.asarray(patch, np.uint8)[..., ::-1]


def put(image: ImageArray, patch: ImageArray, left: int, top: int) -> None:
    """Lay a patch on an image, as much of it as falls inside."""
    height, width = image.shape[:2]
    x, y = max(0, -left), max(0, -top)
    part = patch[y : max(y, height - top), x : max(x, width - left)]
    image[top + y : top + y + part.shape[0], left + x : left + x + part.shape[1]] = part


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """An image as large as it can be in so many pixels, in its own proportions."""
    ratio = min(width / image.width, height / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    return image.resize(size, Image.Resampling.LANCZOS)
