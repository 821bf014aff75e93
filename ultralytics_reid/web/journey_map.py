"""Journey map: cameras on a circle, and how often an identity went from one to another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..gallery.journeys import Journey

WIDTH = 440
# Pixels: of two cameras beside each other, and of more on a circle.
_LOW, _HIGH = 150, 320
_RADII, _SPOT = (150, 100), 20
# Pixels by which an arrow bends to the right, so that the way back is another line.
_BEND = 30
_MAX_CAMERAS = 16


@dataclass(frozen=True)
class Spot:
    """A camera: its place in pixels, number of stays, and where its label is aligned."""

    camera: str
    x: float
    y: float
    stays: int
    label_y: float


@dataclass(frozen=True)
class Arrow:
    """A way: an SVG path, the place of its number, and how often it was taken."""

    path: str
    x: float
    y: float
    count: int
    text: str


@dataclass(frozen=True)
class JourneyMap:
    """A drawing of `WIDTH` x `height` pixels; `left_out` cameras had no room."""

    spots: tuple[Spot, ...]
    arrows: tuple[Arrow, ...]
    left_out: int
    height: int


def journey_map(journey: Journey) -> JourneyMap:
    """Draw a journey: cameras in the order in which they were reached, clockwise from the left."""
    stays = Counter(stay.camera for stay in journey.stays)
    order = list(stays)
    height = _LOW if len(order) <= 2 else _HIGH  # noqa: PLR2004
    total = min(len(order), _MAX_CAMERAS)
    places = {camera: _place(n, total, height) for n, camera in enumerate(order[:total])}
    spots = [
        Spot(camera, x, y, stays[camera], y - _SPOT - 8 if y < height / 2 - 20 else y + _SPOT + 17)
        for camera, (x, y) in places.items()
    ]
    ways = Counter(_ways([stay.camera for stay in journey.stays]))
    arrows = [
        _arrow(places[before], places[after], taken, f"{before} to {after}: {taken}")
        for (before, after), taken in ways.items()
        if before in places and after in places
    ]
    return JourneyMap(tuple(spots), tuple(arrows), len(order) - len(spots), height)


def _ways(cameras: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in pairwise(cameras) if a != b]


def _place(n: int, total: int, height: int) -> tuple[float, float]:
    angle = math.pi + 2 * math.pi * n / total
    across, down = (0.0, 0.0) if total == 1 else _RADII
    return round(WIDTH / 2 + across * math.cos(angle), 1), round(height / 2 + down * math.sin(angle), 1)


def _arrow(start: tuple[float, float], end: tuple[float, float], taken: int, text: str) -> Arrow:
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    across, down = (x2 - x1) / length, (y2 - y1) / length
    middle = (x1 + x2) / 2 - down * _BEND, (y1 + y2) / 2 + across * _BEND
    away = _SPOT + 5
    path = (
        f"M {x1 + across * away - down * 8:.1f} {y1 + down * away + across * 8:.1f} "
        f"Q {middle[0]:.1f} {middle[1]:.1f} {x2 - across * away - down * 8:.1f} {y2 - down * away + across * 8:.1f}"
    )
    return Arrow(path, round(middle[0] - down * 2, 1), round(middle[1] + across * 2 + 5, 1), taken, text)
