"""Swim lanes: an identity's visits over cameras and time, as shares of a drawing's width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..gallery.records import ENROLLED
from ..gallery.visit_columns import VisitColumns
from .zones import Zone

# Absences longer than this begin a new drawing, seconds.
MAX_GAP = 2 * 3600.0
# Pixels: of a lane, of its bar within, and above the first lane.
LANE, BAR, HEAD = 46, 14, 6
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MAX_TICKS = 4
_MARGIN = 0.02


@dataclass(frozen=True)
class Bar:
    """A visit in a lane; `left` and `width` in percent."""

    visit: int
    left: float
    width: float
    text: str


@dataclass(frozen=True)
class Lane:
    """A camera's lane; `top` in pixels."""

    camera: str
    top: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Outing:
    """A stretch of time without a long absence.

    Attributes:
        first: When it begins, seconds since 1970.
        last: When it ends.
        lanes: By camera, in the order in which they were reached.
        ticks: Place in percent and text of each tick.
        height: Of the drawing, pixels.
    """

    first: float
    last: float
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int


def outings(visits: VisitColumns, zone: Zone) -> list[Outing]:
    """Draw the visits of one identity.

    Args:
        visits: By when they began; enrolled images are left out.
        zone: Of the texts.

    Returns:
        The latest first.
    """
    seen = visits.take(~visits.on(ENROLLED))
    if not len(seen):
        return []
    ends = np.maximum.accumulate(seen.lasts)
    cuts = np.flatnonzero(seen.firsts[1:] - ends[:-1] > MAX_GAP) + 1
    parts = np.split(np.arange(len(seen)), cuts)
    return [_outing(seen.take(rows), zone) for rows in reversed(parts)]


def _outing(visits: VisitColumns, zone: Zone) -> Outing:
    first, last = float(visits.firsts.min()), float(visits.lasts.max())
    span = max(last - first, 1.0)
    start, width = first - _MARGIN * span, span * (1 + 2 * _MARGIN)
    order = list(dict.fromkeys(visits.names[code] for code in visits.cameras.tolist()))
    lanes = [Lane(camera, HEAD + LANE * n, _bars(visits, camera, start, width, zone)) for n, camera in enumerate(order)]
    ticks = tuple(_ticks(first, last, start, width, zone))
    return Outing(first, last, tuple(lanes), ticks, HEAD + LANE * len(order) + 22)


def _bars(visits: VisitColumns, camera: str, start: float, width: float, zone: Zone) -> tuple[Bar, ...]:
    own = visits.take(visits.on(camera))
    rows = zip(own.ids.tolist(), own.firsts.tolist(), own.lasts.tolist(), strict=True)
    return tuple(
        Bar(id, 100 * (first - start) / width, 100 * (last - first) / width, f"{camera}, {zone.period(first, last)}")
        for id, first, last in rows
    )


def _ticks(first: float, last: float, start: float, width: float, zone: Zone) -> Iterator[tuple[float, str]]:
    step = next((s for s in _TICKS if (last - first) / s <= _MAX_TICKS), _TICKS[-1])
    for time in _multiples(first, last, step):
        local = zone.local(time)
        text = f"{local:%H:%M}" if step % 60 == 0 else f"{local:%H:%M:%S}"
        yield 100 * (time - start) / width, text


def _multiples(first: float, last: float, step: int) -> Sequence[float]:
    return [float(n * step) for n in range(int(-(-first // step)), int(last // step) + 1)][:24]
