"""Pictures of where people were on a camera: heat maps of the time they spent there, and the ways they took.

Both go by the feet, the middle of a box's lower edge, and by what `Visit.path` tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..._typing import Doubles, ImageArray
from ...drawing.colors import FAINT
from ...errors import GalleryError
from ..image_io import as_picture
from ..records import Visit
from ..times import duration, period
from .figure import Page, faded

SIZE = (16, 9)
# Okabe and Ito's, which the color-blind tell apart, but for the yellow, which hardly shows.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2933")

_DASHES: tuple[Any, ...] = ((0, ()), (0, (5, 1.6)), (0, (1.4, 1.1)))
# Of the picture's longer side: the cells time is counted in, the steps of somebody who walks, and the smoothing.
_CELLS, _STEP, _SMOOTH = 192, 1 / 768, 0.018
# From this share of the scale on a color covers what is below it.
_COVERS = 0.25
_PER_CENT = 100
_MANY_VISITS = 60
_APART = 0.07
# Pixels at the right of the picture: for the color bar, for the key, for one of its lines, for the words in it.
_BAR, _KEY, _LINE, _WORDS = 110, 220, 23, 174


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
    """Draw where on a camera's picture time was spent.

    Colors say how much, in person-seconds (seconds for one identity) per hundredth of the picture's area. Visits are
    gone through once, and not kept.

    Args:
        path: The `.png` to write, in a folder that exists; replaced where it is there, and not there before it is
            whole.
        visits: With their paths; those on other cameras are left out.
        camera: Which one.
        identity: Only this one; None for all.
        background: The camera's picture, `(H, W, 3)` uint8 BGR or an image file; None for a plain ground.
        size: Width and height of the camera's picture, in any unit, where there is no background.
        names: By identity.

    Raises:
        GalleryError: If nobody was seen there, the visits have no paths, or a file can't be read or written.
    """
    below = None if background is None else as_picture(background)
    size = size if below is None else (below.shape[1], below.shape[0])
    seen = _Seen(camera, identity, names or {})
    spent = heat(seen.drawn(visits), size)
    unit, seconds = _unit(spent.max())
    page = Page(size, seen.heading(), side=_BAR)
    _draw_heat(
        page, spent / seconds, below, f"{unit if identity is not None else f'person-{unit}'} per 1 % of the picture"
    )
    page.save(path)


def _draw_heat(page: Page, spent: Doubles, below: ImageArray | None, label: str) -> None:
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    # Those who walk show beside those who stand for an hour.
    norm, color_map = PowerNorm(0.5, 0, spent.max() or 1), mpl.colormaps["inferno"]
    colors = color_map(norm(spent))
    page.axes.set_facecolor(color_map(0))
    if below is not None:
        page.show(faded(below, 0, 0.6))
        colors[..., 3] = 0.9 * np.clip(norm(spent) / _COVERS, 0, 1)
    page.show(colors)
    page.color_bar(ScalarMappable(norm, color_map), label, _ticks(spent.max() or 1))


def _ticks(most: float) -> list[float]:
    """Round numbers up to a value, none too close to the next on a scale of square roots."""
    numbers = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5)]
    ticks = [0.0]
    for number in numbers:
        if number <= most and (number / most) ** 0.5 - (ticks[-1] / most) ** 0.5 > _APART:
            ticks.append(number)
    return ticks


def heat(visits: Iterable[Visit], size: tuple[float, float] = SIZE) -> Doubles:
    """Where on the picture time was spent, smoothed.

    Between two points of a path somebody walks straight and evenly; before the first and after the last they stand.

    Args:
        visits: With paths; what lies outside the picture counts at its edge.
        size: Width and height of the picture, in any unit.

    Returns:
        `(rows, columns)` float64, person-seconds per hundredth of the picture's area; its mean is a hundredth of how
        long the visits are together.
    """
    from scipy.ndimage import gaussian_filter

    width, height = size
    longer = max(width, height)
    columns, rows = max(1, round(_CELLS * width / longer)), max(1, round(_CELLS * height / longer))
    cells = np.zeros(rows * columns)
    for visit in visits:
        if len(visit.path):
            seconds, x, y = _spent(visit)
            at = _cell(y, rows) * columns + _cell(x, columns)
            cells += np.bincount(at, seconds, minlength=len(cells))
    # Reflected at the edges, so that no time is lost there.
    smooth = gaussian_filter(cells.reshape(rows, columns), _SMOOTH * _CELLS, mode="reflect")
    return np.asarray(smooth * len(cells) / _PER_CENT, np.float64)


def _spent(visit: Visit) -> tuple[Doubles, Doubles, Doubles]:
    """Seconds, and the feet's places in shares of the picture, of many short steps that make up a visit."""
    feet = _feet(visit)
    feet = np.concatenate([feet[:1], feet, feet[-1:]])
    length = visit.last - visit.first
    times = np.concatenate([[0], np.clip(visit.path[:, 0].astype(np.float64), 0, length), [length]])
    seconds, ways = np.diff(times).clip(0), np.diff(feet, axis=0)
    steps = 1 + np.ceil(np.abs(ways).max(axis=1) / _STEP).astype(np.int64)
    part = np.repeat(np.arange(len(steps)), steps)
    share = (np.arange(len(part)) - (np.cumsum(steps) - steps)[part] + 0.5) / steps[part]
    places = feet[:-1][part] + share[:, None] * ways[part]
    return seconds[part] / steps[part], places[:, 0], places[:, 1]


def _feet(visit: Visit) -> Doubles:
    """`(P, 2)` x and y in [0, 1]."""
    box = visit.path[:, 1:].astype(np.float64)
    return np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1).clip(0, 1)


def _cell(shares: Doubles, count: int) -> Any:
    return np.minimum((shares * count).astype(np.int64), count - 1)


def _unit(most: float) -> tuple[str, float]:
    for unit, seconds in (("hours", 3600.0), ("minutes", 60.0)):
        if most >= 2 * seconds:
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
    """Draw the ways that identities took over a camera's picture, each in a color of its own.

    A ring is where a visit began, a disc where it ended. There are 21 kinds of lines; with more identities they are
    used again.

    Args:
        path: The `.png` to write, in a folder that exists; replaced where it is there, and not there before it is
            whole.
        visits: With their paths; those on other cameras are left out.
        camera: Which one.
        identity: Only this one; None for all.
        background: The camera's picture, `(H, W, 3)` uint8 BGR or an image file; None for a plain ground.
        size: Width and height of the camera's picture, in any unit, where there is no background.
        names: By identity.

    Raises:
        GalleryError: If nobody was seen there, the visits have no paths, or a file can't be read or written.
    """
    below = None if background is None else as_picture(background)
    seen = _Seen(camera, identity, names or {})
    ways = sorted(((v.identity, _feet(v)) for v in seen.drawn(visits)), key=lambda way: way[0])
    page = Page(size if below is None else (below.shape[1], below.shape[0]), seen.heading(), side=_KEY)
    page.axes.set_facecolor("#f4f5f7")
    if below is not None:
        page.show(faded(below, 0.35, 1))
    styles = {who: _style(n) for n, who in enumerate(sorted(seen.identities))}
    _draw_ways(page, ways, styles)
    _draw_key(page, [(seen.called(who), style) for who, style in styles.items()])
    page.save(path)


def _style(n: int) -> tuple[str, Any]:
    return COLORS[n % len(COLORS)], _DASHES[n // len(COLORS) % len(_DASHES)]


def _draw_ways(page: Page, ways: list[tuple[int, Doubles]], styles: Mapping[int, tuple[str, Any]]) -> None:
    from matplotlib.collections import LineCollection

    few = len(ways) <= _MANY_VISITS
    lines, width = [feet for _, feet in ways], 2.2 if few else 1.2
    colors, dashes = [styles[who][0] for who, _ in ways], [styles[who][1] for who, _ in ways]
    page.axes.add_collection(LineCollection(lines, colors="white", linewidths=width + 1.8, alpha=0.75))
    page.axes.add_collection(LineCollection(lines, colors=colors, linestyles=dashes, linewidths=width))
    starts, ends = np.array([feet[0] for feet in lines]), np.array([feet[-1] for feet in lines])
    area = 52 if few else 18
    marks: dict[str, Any] = {"s": area, "linewidths": 0.035 * area, "zorder": 3, "clip_on": False}
    page.axes.scatter(*starts.T, facecolors="white", edgecolors=colors, **marks)
    page.axes.scatter(*ends.T, facecolors=colors, edgecolors="white", **marks | {"linewidths": 0.02 * area})


def _draw_key(page: Page, entries: list[tuple[str, tuple[str, Any]]]) -> None:
    """Whose line is which, as many as there is room for, and what the marks mean."""
    room = min(page.height // _LINE - 3, len(COLORS) * len(_DASHES) + 1)
    shown = entries if len(entries) < room else entries[: room - 1]
    key = page.frame(page.side, page.top, 30, page.height)
    key.set(xlim=(0, 30), ylim=(page.height, 0))
    key.axis("off")
    for n, (text, (color, dashes)) in enumerate(shown):
        key.plot((0, 30), (_LINE * n + 9,) * 2, color=color, linestyle=dashes, linewidth=2.2)
        page.write((page.side + 38, page.top + _LINE * n + 1), text, 14, _WORDS)
    if more := len(entries) - len(shown):
        page.write(
            (page.side + 38, page.top + _LINE * len(shown) + 1), f"and {more:,} more alike", 14, _WORDS, ink=FAINT
        )
    for n, (fill, text) in enumerate((("white", "a visit begins"), (FAINT, "and ends"))):
        down = page.height - _LINE * (2 - n)
        key.scatter(15, down + 9, s=52, facecolors=fill, edgecolors=FAINT, linewidths=1.8)
        page.write((page.side + 38, page.top + down + 1), text, 14, _WORDS, ink=FAINT)


@dataclass
class _Seen:
    """Who is drawn, of one camera, and from when to when; gathered while visits go by."""

    camera: str
    identity: int | None
    names: Mapping[int, str]
    identities: set[int] = field(default_factory=set)
    visits: int = 0
    seconds: float = 0
    first: float = np.inf
    last: float = -np.inf

    def drawn(self, visits: Iterable[Visit]) -> Iterator[Visit]:
        """Those that are to be drawn; GalleryError at their end if there were none, or none had a path."""
        paths = 0
        for visit in visits:
            if visit.camera == self.camera and self.identity in (None, visit.identity):
                self._note(visit)
                if len(visit.path):
                    paths += 1
                    yield visit
        if not self.visits:
            who = "anybody" if self.identity is None else self.called(self.identity)
            raise GalleryError(f"nothing to draw: no visit by {who} on {self.camera!r}")
        if not paths:
            raise GalleryError(f"nothing to draw: the visits on {self.camera!r} come without paths")

    def _note(self, visit: Visit) -> None:
        self.identities.add(visit.identity)
        self.visits += 1
        self.seconds += visit.last - visit.first
        self.first, self.last = min(self.first, visit.first), max(self.last, visit.last)

    def called(self, identity: int) -> str:
        """What an identity is called."""
        return self.names.get(identity) or f"id {identity}"

    def heading(self) -> tuple[str, str, str]:
        """The camera; the period; who and how long."""
        who = _count(len(self.identities), "identity", "identities")
        if self.identity is not None:
            who = self.called(self.identity)
        visits = _count(self.visits, "visit", "visits")
        return self.camera, period(self.first, self.last), f"{who}, {visits}, {duration(self.seconds)} in all"


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
