"""Heat maps of dwell time and drawings of trajectories on a camera's image.

Both use the foot points of `Visit.path`: the middle of each box's lower edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from ..._typing import Doubles, ImageArray, as_doubles
from ...drawing.colors import FAINT
from ...errors import GalleryError
from ..image_io import as_image
from ..records import Visit
from ..times import duration, period
from .figure import CameraFigure, faded_gray

SIZE = (16, 9)
# The color-blind safe palette of Okabe and Ito (2008), without the yellow, which hardly shows.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2933")

_DASHES: tuple[Any, ...] = ((0, ()), (0, (5, 1.6)), (0, (1.4, 1.1)))
_LINE_STYLES = tuple((color, dashes) for dashes in _DASHES for color in COLORS)
# Number of cells along the image's longer side; step length and smoothing, fractions of that side.
_CELLS, _STEP, _SMOOTH = 192, 1 / 768, 0.018
# Fraction of the scale from which on colors are opaque.
_OPAQUE = 0.25
_PERCENT = 100
_MANY_VISITS = 60
# Minimum distance of ticks, a fraction of the scale.
_TICK_DISTANCE = 0.07
# Pixels at the right of the image: color bar, legend, height of its lines, width of its labels.
_BAR, _LEGEND, _LINE, _LABELS = 110, 220, 23, 174


def draw_heatmap(
    path: str | Path,
    visits: Iterable[Visit],
    *,
    camera: str,
    identity: int | None = None,
    background: ImageArray | str | Path | None = None,
    size: tuple[float, float] = SIZE,
    names: Mapping[int, str] | None = None,
) -> None:
    """Draw a heat map of dwell time on a camera's image.

    Colors show person-seconds (seconds for one identity) per hundredth of the image's area. Visits are streamed.

    Args:
        path: The `.png` to write, in an existing folder; written atomically.
        visits: Visits with paths; those on other cameras are ignored.
        camera: Name of the camera.
        identity: Only this one; None for all.
        background: The camera's image, `(H, W, 3)` uint8 BGR or a file; None for a plain background.
        size: Width and height of the camera's image, in any unit; used without a background.
        names: Names by identity.

    Raises:
        GalleryError: If no visit matches, the visits have no paths, or a file can't be read or written.
    """
    image = None if background is None else as_image(background)
    size = size if image is None else (image.shape[1], image.shape[0])
    selection = _VisitSelection(camera, identity, names or {})
    cells = heat(selection.matching(visits), size)
    unit, seconds = _unit(cells.max())
    figure = CameraFigure(size, selection.heading(), side=_BAR)
    label = f"{unit if identity is not None else f'person-{unit}'} per 1 % of the image"
    _draw_heat(figure, cells / seconds, image, label)
    figure.save(path)


def _draw_heat(figure: CameraFigure, cells: Doubles, image: ImageArray | None, label: str) -> None:
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    # A square root, or people standing for an hour would hide those walking.
    norm, color_map = PowerNorm(0.5, 0, cells.max() or 1), mpl.colormaps["inferno"]
    colors = color_map(norm(cells))
    figure.axes.set_facecolor(color_map(0))
    if image is not None:
        figure.show(faded_gray(image, 0, 0.6))
        colors[..., 3] = 0.9 * np.clip(norm(cells) / _OPAQUE, 0, 1)
    figure.show(colors)
    figure.color_bar(ScalarMappable(norm, color_map), label, _ticks(cells.max() or 1))


def _ticks(highest: float) -> list[float]:
    """Round numbers up to a value, spaced apart on a square-root scale."""
    numbers = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5)]
    ticks = [0.0]
    for number in numbers:
        if number <= highest and (number / highest) ** 0.5 - (ticks[-1] / highest) ** 0.5 > _TICK_DISTANCE:
            ticks.append(number)
    return ticks


def heat(visits: Iterable[Visit], size: tuple[float, float] = SIZE) -> Doubles:
    """Compute a smoothed map of dwell time.

    Between two points of a path the motion is linear; before the first and after the last it is zero.

    Args:
        visits: Visits with paths; foot points outside the image count at its edge.
        size: Width and height of the image, in any unit.

    Returns:
        `(rows, columns)` float64, person-seconds per hundredth of the image's area; its mean is a hundredth of the
        visits' total duration.
    """
    from scipy.ndimage import gaussian_filter

    width, height = size
    longer = max(width, height)
    columns, rows = max(1, round(_CELLS * width / longer)), max(1, round(_CELLS * height / longer))
    cells = np.zeros(rows * columns)
    for visit in visits:
        if len(visit.path):
            seconds, x, y = _steps(visit)
            row = np.minimum((y * rows).astype(np.int64), rows - 1)
            column = np.minimum((x * columns).astype(np.int64), columns - 1)
            cells += np.bincount(row * columns + column, seconds, minlength=len(cells))
    # Reflection at the edges keeps the total.
    smooth = gaussian_filter(cells.reshape(rows, columns), _SMOOTH * _CELLS, mode="reflect")
    return as_doubles(smooth * len(cells) / _PERCENT)


def _steps(visit: Visit) -> tuple[Doubles, Doubles, Doubles]:
    """Split a visit into short steps: seconds, x and y of each, in fractions of the image."""
    feet = _foot_points(visit)
    feet = np.concatenate([feet[:1], feet, feet[-1:]])
    length = visit.last - visit.first
    times = np.concatenate([[0], np.clip(visit.path[:, 0].astype(np.float64), 0, length), [length]])
    seconds, offsets = np.diff(times).clip(0), np.diff(feet, axis=0)
    steps = 1 + np.ceil(np.abs(offsets).max(axis=1) / _STEP).astype(np.int64)
    part = np.repeat(np.arange(len(steps)), steps)
    share = (np.arange(len(part)) - (np.cumsum(steps) - steps)[part] + 0.5) / steps[part]
    places = feet[:-1][part] + share[:, None] * offsets[part]
    return seconds[part] / steps[part], places[:, 0], places[:, 1]


def _foot_points(visit: Visit) -> Doubles:
    """`(P, 2)` x and y in [0, 1]."""
    box = visit.path[:, 1:].astype(np.float64)
    return np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1).clip(0, 1)


def _unit(highest: float) -> tuple[str, float]:
    for unit, seconds in (("hours", 3600.0), ("minutes", 60.0)):
        if highest >= 2 * seconds:
            return unit, seconds
    return "seconds", 1.0


def draw_paths(
    path: str | Path,
    visits: Iterable[Visit],
    *,
    camera: str,
    identity: int | None = None,
    background: ImageArray | str | Path | None = None,
    size: tuple[float, float] = SIZE,
    names: Mapping[int, str] | None = None,
) -> None:
    """Draw trajectories on a camera's image, one line style per identity.

    A ring marks the start of a visit, a disc its end. There are 21 line styles; more identities share them.

    Args:
        path: The `.png` to write, in an existing folder; written atomically.
        visits: Visits with paths; those on other cameras are ignored.
        camera: Name of the camera.
        identity: Only this one; None for all.
        background: The camera's image, `(H, W, 3)` uint8 BGR or a file; None for a plain background.
        size: Width and height of the camera's image, in any unit; used without a background.
        names: Names by identity.

    Raises:
        GalleryError: If no visit matches, the visits have no paths, or a file can't be read or written.
    """
    image = None if background is None else as_image(background)
    selection = _VisitSelection(camera, identity, names or {})
    tracks = sorted(((v.identity, _foot_points(v)) for v in selection.matching(visits)), key=lambda track: track[0])
    figure = CameraFigure(
        size if image is None else (image.shape[1], image.shape[0]), selection.heading(), side=_LEGEND
    )
    figure.axes.set_facecolor("#f4f5f7")
    if image is not None:
        figure.show(faded_gray(image, 0.35, 1))
    styles = dict(zip(sorted(selection.identities), cycle(_LINE_STYLES), strict=False))
    _draw_trajectories(figure, tracks, styles)
    _draw_legend(figure, [(selection.name_of(identity), style) for identity, style in styles.items()])
    figure.save(path)


def _draw_trajectories(
    figure: CameraFigure, tracks: list[tuple[int, Doubles]], styles: Mapping[int, tuple[str, Any]]
) -> None:
    from matplotlib.collections import LineCollection

    few = len(tracks) <= _MANY_VISITS
    lines, width = [feet for _, feet in tracks], 2.2 if few else 1.2
    colors, dashes = [styles[i][0] for i, _ in tracks], [styles[i][1] for i, _ in tracks]
    figure.axes.add_collection(LineCollection(lines, colors="white", linewidths=width + 1.8, alpha=0.75))
    figure.axes.add_collection(LineCollection(lines, colors=colors, linestyles=dashes, linewidths=width))
    starts, ends = np.array([feet[0] for feet in lines]), np.array([feet[-1] for feet in lines])
    area = 52 if few else 18
    marks: dict[str, Any] = {"s": area, "linewidths": 0.035 * area, "zorder": 3, "clip_on": False}
    figure.axes.scatter(*starts.T, facecolors="white", edgecolors=colors, **marks)
    figure.axes.scatter(*ends.T, facecolors=colors, edgecolors="white", **marks | {"linewidths": 0.02 * area})


def _draw_legend(figure: CameraFigure, entries: list[tuple[str, tuple[str, Any]]]) -> None:
    """Draw the line style of each identity, as far as there is room, and the marks of starts and ends."""
    room = min(figure.height // _LINE - 3, len(_LINE_STYLES) + 1)
    shown = entries if len(entries) < room else entries[: room - 1]
    axes = figure.add_axes(figure.side, figure.top, 30, figure.height)
    axes.set(xlim=(0, 30), ylim=(figure.height, 0))
    axes.axis("off")
    for n, (text, (color, dashes)) in enumerate(shown):
        axes.plot((0, 30), (_LINE * n + 9,) * 2, color=color, linestyle=dashes, linewidth=2.2)
        figure.write((figure.side + 38, figure.top + _LINE * n + 1), text, 14, _LABELS)
    if more := len(entries) - len(shown):
        at = figure.side + 38, figure.top + _LINE * len(shown) + 1
        figure.write(at, f"and {more:,} more", 14, _LABELS, ink=FAINT)
    for n, (fill, text) in enumerate((("white", "start of a visit"), (FAINT, "end of a visit"))):
        down = figure.height - _LINE * (2 - n)
        axes.scatter(15, down + 9, s=52, facecolors=fill, edgecolors=FAINT, linewidths=1.8)
        figure.write((figure.side + 38, figure.top + down + 1), text, 14, _LABELS, ink=FAINT)


@dataclass
class _VisitSelection:
    """Filter of visits by camera and identity that gathers totals while they pass."""

    camera: str
    identity: int | None
    names: Mapping[int, str]
    identities: set[int] = field(default_factory=set)
    visits: int = 0
    seconds: float = 0
    first: float = np.inf
    last: float = -np.inf

    def matching(self, visits: Iterable[Visit]) -> Iterator[Visit]:
        """Yield the matching visits with paths.

        Raises:
            GalleryError: At the end, if no visit matched, or none had a path.
        """
        paths = 0
        for visit in visits:
            if visit.camera == self.camera and self.identity in (None, visit.identity):
                self._count(visit)
                if len(visit.path):
                    paths += 1
                    yield visit
        if not self.visits:
            by = "" if self.identity is None else f" by {self.name_of(self.identity)}"
            raise GalleryError(f"nothing to draw: no visit{by} on {self.camera!r}")
        if not paths:
            raise GalleryError(f"nothing to draw: the visits on {self.camera!r} have no paths")

    def _count(self, visit: Visit) -> None:
        self.identities.add(visit.identity)
        self.visits += 1
        self.seconds += visit.last - visit.first
        self.first, self.last = min(self.first, visit.first), max(self.last, visit.last)

    def name_of(self, identity: int) -> str:
        """Name of an identity, or its number."""
        return self.names.get(identity) or f"id {identity}"

    def heading(self) -> tuple[str, str, str]:
        """Lines of the heading: camera, period, identities with total duration."""
        number = len(self.identities)
        shown = f"{number:,} {'identity' if number == 1 else 'identities'}"
        if self.identity is not None:
            shown = self.name_of(self.identity)
        visits = f"{self.visits:,} {'visit' if self.visits == 1 else 'visits'}"
        return self.camera, period(self.first, self.last), f"{shown}, {visits}, {duration(self.seconds)} in total"
