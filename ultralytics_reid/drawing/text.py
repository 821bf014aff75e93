"""Draw text and patches on images; the font is shipped with Matplotlib, so nothing is downloaded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .._typing import ImageArray


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> Any:
    """DejaVu Sans, which includes ✓ and ✗; `size` in pixels."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def cut(text: str, size: int, width: float, *, bold: bool = False) -> str:
    """Shorten a text to a width, with an ellipsis.

    Args:
        text: The text.
        size: Font size, pixels.
        width: Maximum width, pixels.
        bold: Whether to use the bold font.
    """
    face = font(size, bold=bold)
    # A letter is a pixel wide or more: the others could not be seen, and measuring them would take long.
    kept = min(len(text), int(width) + 1)
    if kept == len(text) and face.getlength(text) <= width:
        return text
    while kept and face.getlength(text[:kept].rstrip() + "…") > width:
        kept -= 1
    return text[:kept].rstrip() + "…"


@lru_cache(maxsize=4096)
def render_text(text: str, size: int, ink: str, paper: str, *, bold: bool = False, pad: int = 0) -> ImageArray:
    """Render a line of text on a plain background.

    Args:
        text: The text.
        size: Font size, pixels.
        ink: Color of the text, as `#1f2933`.
        paper: Color of the background.
        bold: Whether to use the bold font.
        pad: Padding at the left and the right, pixels.

    Returns:
        `(H, W, 3)` uint8 BGR; cached, so read-only.
    """
    face = font(size, bold=bold)
    patch = Image.new("RGB", (max(1, round(face.getlength(text))) + 2 * pad, round(1.4 * size)), paper)
    ImageDraw.Draw(patch).text((pad, 0.7 * size), text, fill=ink, font=face, anchor="lm")
    return np.asarray(patch, np.uint8)[..., ::-1]


def paste(image: ImageArray, patch: ImageArray, left: int, top: int) -> None:
    """Paste a patch into an image in place, clipped at its edges."""
    height, width = image.shape[:2]
    x, y = max(0, -left), max(0, -top)
    part = patch[y : max(y, height - top), x : max(x, width - left)]
    image[top + y : top + y + part.shape[0], left + x : left + x + part.shape[1]] = part


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """Resize an image to fit into a rectangle, with its aspect ratio."""
    ratio = min(width / image.width, height / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    return image.resize(size, Image.Resampling.LANCZOS)
