"""A picture of a camera on a page: a heading above, what a color means at its right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..._typing import ImageArray
from ...drawing.colors import FAINT, INK, LINE
from ...drawing.text import cut
from ...errors import GalleryError
from .atomic_file import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 100
# Pixels.
_LARGEST, _MARGIN, _HEAD, _LEAST = (1200, 900), 28, 124, 560
_GRAY = (0.114, 0.587, 0.299)


class Page:
    """What is drawn goes on `axes`, which span the camera's picture: (0, 0) is its upper left corner, (1, 1) its lower
    right one.

    Args:
        size: Width and height of the camera's picture, in any unit.
        heading: What it shows, a line each, three at most, the first in bold.
        side: What stands at the right of the picture takes so many pixels.

    Attributes:
        width: Of the camera's picture on the page, pixels.
        height: The same.
        side: Where what stands at the right of the picture begins, pixels from the page's left.
        top: Where the picture begins, pixels from the page's top.

    Raises:
        GalleryError: If the size is no size.
    """

    def __init__(self, size: tuple[float, float], heading: tuple[str, ...], *, side: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = _scaled(size)
        self.side, self.top = _MARGIN + self.width + 18, _HEAD
        self._size = max(self.side + side, _LEAST) + _MARGIN, self.top + self.height + _MARGIN
        self._figure = Figure((self._size[0] / _DPI, self._size[1] / _DPI), dpi=_DPI, facecolor="white")
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self.axes = self.frame(_MARGIN, self.top, self.width, self.height)
        self.axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
        self.axes.spines[:].set_color(LINE)
        for n, text in enumerate(heading):
            at = _MARGIN, _MARGIN + (0, 40, 66)[n] - 6
            self.write(at, text, (24, 15, 15)[n], self._size[0] - 2 * _MARGIN, ink=FAINT if n else INK, bold=not n)

    def frame(self, left: int, top: int, width: int, height: int) -> Axes:
        """New axes, in pixels of the page from its upper left corner."""
        across, down = self._size
        return self._figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    def show(self, picture: npt.NDArray[np.float64]) -> None:
        """Fill the axes with a picture, `(H, W)` grays or `(H, W, 4)` colors with opacity, in [0, 1]."""
        place: dict[str, Any] = {"extent": (0, 1, 1, 0), "aspect": "auto", "interpolation": "bilinear"}
        self.axes.imshow(picture, cmap="gray", vmin=0, vmax=1, **place)

    def write(
        self, at: tuple[int, int], text: str, size: int, width: int, *, ink: str = INK, bold: bool = False
    ) -> None:
        """Write a line, cut to what fits.

        Args:
            at: Its upper left corner, pixels of the page.
            text: What to write.
            size: Of the letters, pixels.
            width: What it may take, pixels.
            ink: Their color.
            bold: Whether they are heavy.
        """
        place = at[0] / self._size[0], 1 - at[1] / self._size[1]
        # Matplotlib takes what is between two dollar signs for a formula.
        shown = cut(text, size, width, bold=bold).replace("$", r"\$")
        style: dict[str, Any] = {"fontweight": "bold" if bold else "normal", "fontfamily": "DejaVu Sans"}
        self._figure.text(*place, shown, fontsize=size * 72 / _DPI, color=ink, va="top", ha="left", **style)

    def color_bar(self, scale: Any, label: str, ticks: list[float]) -> None:
        """Say what colors mean, at the right of the picture.

        Args:
            scale: Matplotlib's, as `ScalarMappable`.
            label: The quantity and its unit.
            ticks: Values to write beside it.
        """
        bar = self._figure.colorbar(
            scale, cax=self.frame(self.side, self.top, 20, self.height), ticks=ticks, format="%g"
        )
        bar.set_label(label, color=INK, fontsize=15 * 72 / _DPI, labelpad=10)
        bar.ax.tick_params(labelsize=13 * 72 / _DPI, color=FAINT, labelcolor=INK)
        bar.outline.set_visible(False)

    def save(self, path: Path | str) -> None:
        """Write it as a PNG; what was there is replaced.

        Raises:
            GalleryError: If it can't be written.
        """
        with whole(path, (".png",)) as part:
            self._canvas.print_png(part)


def _scaled(size: tuple[float, float]) -> tuple[int, int]:
    width, height = size
    if not (0 < width < np.inf and 0 < height < np.inf and 1 / 8 <= width / height <= 8):  # noqa: PLR2004
        raise GalleryError(f"size must be a width and a height, at most eight times one another, got {size!r}")
    ratio = min(_LARGEST[0] / width, _LARGEST[1] / height)
    return round(width * ratio), round(height * ratio)


def faded(picture: ImageArray, darkest: float, brightest: float) -> npt.NDArray[np.float64]:
    """A picture in grays between two, so that colors on it stand out.

    Args:
        picture: `(H, W, 3)` uint8 BGR.
        darkest: What black becomes, in [0, 1].
        brightest: What white becomes.

    Returns:
        `(H, W)` float64 in [`darkest`, `brightest`].
    """
    gray = picture @ np.array(_GRAY) / 255
    return np.asarray(darkest + (brightest - darkest) * gray, np.float64)
