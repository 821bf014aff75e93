"""Where and how identities were when they were last seen: one at a time, and as rows of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._typing import Doubles

Sightings = npt.NDArray[np.void]

# `LastSeen` as a row of an array.
SIGHTING = np.dtype(
    [
        ("time", np.float64),
        ("cls", np.float64),
        ("center", np.float64, 2),
        ("velocity", np.float64, 2),
        ("position_std", np.float64),
        ("height", np.float64),
    ]
)
NUMBERS = SIGHTING.itemsize // np.dtype(np.float64).itemsize


@dataclass(frozen=True)
class LastSeen:
    """Where and how an identity was when it was last seen.

    Attributes:
        time: Seconds.
        cls: Class index.
        center: `(2,)` pixels.
        velocity: `(2,)` pixels a second.
        position_std: Standard deviation of the center, pixels.
        height: Box height, pixels.
    """

    time: float
    cls: int
    center: Doubles
    velocity: Doubles
    position_std: float
    height: float

    def scaled(self, x: float, y: float) -> LastSeen:
        """The same in an image that is `x` times as wide and `y` times as high."""
        return unpack(scaled(np.array([pack(self)]), x, y)[0])


def scaled(rows: Doubles, x: float, y: float) -> Doubles:
    """`(N, 8)` numbers of sightings, in an image that is `x` times as wide and `y` times as high."""
    # time, class, center, velocity, standard deviation of the center, height; see `SIGHTING`
    return np.asarray(rows * np.array([1, 1, x, y, x, y, max(x, y), y]))


def sightings(seen: Iterable[LastSeen]) -> Sightings:
    """Rows of `SIGHTING`, `(N,)`."""
    return as_sightings(np.array([pack(last) for last in seen], np.float64))


def pack(last: LastSeen) -> list[float]:
    """A sighting's eight numbers, in the order of `SIGHTING`."""
    return [last.time, last.cls, *last.center, *last.velocity, last.position_std, last.height]


def unpack(row: Doubles) -> LastSeen:
    """The sighting that eight numbers say."""
    time, cls, x, y, vx, vy, position_std, height = row.tolist()
    return LastSeen(time, int(cls), np.array([x, y]), np.array([vx, vy]), position_std, height)


def as_sightings(rows: Doubles) -> Sightings:
    """`(N,)` view of `(N, 8)` numbers."""
    return rows.reshape(-1, NUMBERS).view(SIGHTING)[:, 0]


def as_numbers(seen: Sightings) -> Doubles:
    """`(N, 8)` numbers of `(N,)` rows."""
    return np.ascontiguousarray(seen).view(np.float64).reshape(-1, NUMBERS)
