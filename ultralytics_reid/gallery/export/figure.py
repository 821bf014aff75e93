"""Figure of a camera's image: a heading above, a color bar or legend at its right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._typing import Doubles, ImageArray, as_doubles
from ...drawing.colors import FAINT, INK, LINE
from ...drawing.text import cut
from ...errors import GalleryError
from .atomic_file import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 100
# Pixels.
_MAX_SIZE, _MARGIN, _HEAD, _MIN_WIDTH = (1200, 900), 28, 124, 560
# Luma of BGR (ITU-R BT.601).
_LUMA = (0.114, 0.587, 0.299)


class CameraFigure:
    """Figure whose `axes` span the camera's image: (0, 0) is its upper left corner, (1, 1) its lower right one.

    Args:
        size: Width and height of the camera's image, in any unit.
        heading: Lines of the heading, at most three, the first in bold.
        side: Width of the margin at the right of the image, pixels.

    Attributes:
        width: Width of the image in the figure, pixels.
        height: Height of the image in the figure, pixels.
        side: Left edge of the right margin, pixels.
        top: Upper edge of the image, pixels.

    Raises:
        GalleryError: If the size isn't positive, or its ratio is above 8.
    """

    def __init__(self, size: tuple[float, float], heading: tuple[str, ...], *, side: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = _image_size(size)
        self.side, self.top = _MARGIN + self.width + 18, _HEAD
        self._size = max(self.side + side, _MIN_WIDTH) + _MARGIN, self.top + self.height + _MARGIN
        self._figure = Figure((self._size[0] / _DPI, self._size[1] / _DPI), dpi=_DPI, facecolor="white")
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self.axes = self.add_axes(_MARGIN, self.top, self.width, self.height)
        self.axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
        self.axes.spines[:].set_color(LINE)
        for n, text in enumerate(heading):
            at = _MARGIN, _MARGIN + (0, 40, 66)[n] - 6
            self.write(at, text, (24, 15, 15)[n], self._size[0] - 2 * _MARGIN, ink=FAINT if n else INK, bold=not n)

    def add_axes(self, left: int, top: int, width: int, height: int) -> Axes:
        """Add axes at a place in pixels from the upper left corner."""
        across, down = self._size
        return self._figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    def show(self, image: Doubles) -> None:
        """Fill the axes with an image, `(H, W)` gray or `(H, W, 4)` RGBA, in [0, 1]."""
        place: dict[str, Any] = {"extent": (0, 1, 1, 0), "aspect": "auto", "interpolation": "bilinear"}
        self.axes.imshow(image, cmap="gray", vmin=0, vmax=1, **place)

    def write(
        self, at: tuple[int, int], text: str, size: int, width: int, *, ink: str = INK, bold: bool = False
    ) -> None:
        """Write a line of text, shortened to a width.

        Args:
            at: Upper left corner, pixels.
            text: The text.
            size: Font size, pixels.
            width: Maximum width, pixels.
            ink: Color.
            bold: Whether to use the bold font.
        """
        place = at[0] / self._size[0], 1 - at[1] / self._size[1]
        # Matplotlib parses text between two dollar signs as a formula.
        shown = cut(text, size, width, bold=bold).replace("$", r"\$")
        style: dict[str, Any] = {"fontweight": "bold" if bold else "normal", "fontfamily": "DejaVu Sans"}
        self._figure.text(*place, shown, fontsize=size * 72 / _DPI, color=ink, va="top", ha="left", **style)

    def color_bar(self, scale: Any, label: str, ticks: list[float]) -> None:
        """Draw a color bar at the right of the image.

        Args:
            scale: Matplotlib's `ScalarMappable`.
            label: Quantity and unit.
            ticks: Labeled values.
        """
        bar = self._figure.colorbar(
            scale, cax=self.add_axes(self.side, self.top, 20, self.height), ticks=ticks, format="%g"
        )
        bar.set_label(label, color=INK, fontsize=15 * 72 / _DPI, labelpad=10)
        bar.ax.tick_params(labelsize=13 * 72 / _DPI, color=FAINT, labelcolor=INK)
        bar.outline.set_visible(False)

    def save(self, path: Path | str) -> None:
        """Write the figure as a PNG, in place of an existing file.

        Raises:
            GalleryError: If the file can't be written.
        """
        with atomic_write(path, (".png",)) as part:
            self._canvas.print_png(part)


def _image_size(size: tuple[float, float]) -> tuple[int, int]:
    width, height = size
    if not (0 < width < np.inf and 0 < height < np.inf and 1 / 8 <= width / height <= 8):  # noqa: PLR2004
        raise GalleryError(f"size must be a width and a height above 0, with a ratio of at most 8, got {size!r}")
    ratio = min(_MAX_SIZE[0] / width, _MAX_SIZE[1] / height)
    return round(width * ratio), round(height * ratio)


def faded_gray(image: ImageArray, darkest: float, brightest: float) -> Doubles:
    """Convert an image to gray of reduced contrast, on which colors stand out.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        darkest: Level of black, in [0, 1].
        brightest: Level of white, in [0, 1].

    Returns:
        `(H, W)` float64 in [`darkest`, `brightest`].
    """
    gray = image @ np.array(_LUMA) / 255
    return as_doubles(darkest + (brightest - darkest) * gray)
