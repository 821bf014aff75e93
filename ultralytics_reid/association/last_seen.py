"""Where and how identities were when they were last seen: one at a time, and as rows of arrays."""

from __future__ import annotations

from collections.abc import Iterable

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


class LastSeen:
    """Where and how an identity was when it was last seen: a row of `SIGHTING`, which doesn't change.

    Args:
        time: Seconds.
        cls: Class index.
        center: `(2,)` pixels.
        velocity: `(2,)` pixels a second.
        position_std: Standard deviation of the center, pixels.
        height: Box height, pixels.

    Attributes:
        numbers: `(8,)` the same, in the order of `SIGHTING`; a row of a frame's array, not to be written to.
    """

    __slots__ = ("numbers",)
    numbers: Doubles

    def __init__(  # noqa: PLR0917
        self, time: float, cls: int, center: Doubles, velocity: Doubles, position_std: float, height: float
    ) -> None:
        self.numbers = np.array([time, cls, *center, *velocity, position_std, height], np.float64)

    @classmethod
    def of(cls, numbers: Doubles) -> LastSeen:
        """Make one of its eight numbers, which are shared, not copied."""
        last = cls.__new__(cls)
        last.numbers = numbers
        return last

    @property
    def time(self) -> float:
        """Seconds."""
        return float(self.numbers[0])

    @property
    def cls(self) -> int:
        """Class index."""
        return int(self.numbers[1])

    @property
    def center(self) -> Doubles:
        """`(2,)` pixels."""
        return self.numbers[2:4]

    @property
    def velocity(self) -> Doubles:
        """`(2,)` pixels a second."""
        return self.numbers[4:6]

    @property
    def position_std(self) -> float:
        """Standard deviation of the center, pixels."""
        return float(self.numbers[6])

    @property
    def height(self) -> float:
        """Box height, pixels."""
        return float(self.numbers[7])

    def at(self, time: float) -> LastSeen:
        """The same at another time, seconds."""
        return self._with(0, time)

    def as_class(self, cls: int) -> LastSeen:
        """The same of another class."""
        return self._with(1, cls)

    def _with(self, place: int, value: float) -> LastSeen:
        numbers = self.numbers.copy()
        numbers[place] = value
        return LastSeen.of(numbers)

    def scaled(self, x: float, y: float) -> LastSeen:
        """The same in an image that is `x` times as wide and `y` times as high."""
        return LastSeen.of(scaled(self.numbers[None], x, y)[0])


def scaled(rows: Doubles, x: float, y: float) -> Doubles:
    """`(N, 8)` numbers of sightings, in an image that is `x` times as wide and `y` times as high."""
    # time, class, center, velocity, standard deviation of the center, height; see `SIGHTING`
    return np.asarray(rows * np.array([1, 1, x, y, x, y, max(x, y), y]))


def sightings(seen: Iterable[LastSeen]) -> Sightings:
    """Rows of `SIGHTING`, `(N,)`."""
    return as_sightings(np.array([last.numbers for last in seen], np.float64))


def as_sightings(rows: Doubles) -> Sightings:
    """`(N,)` view of `(N, 8)` numbers."""
    return rows.reshape(-1, NUMBERS).view(SIGHTING)[:, 0]


def as_numbers(seen: Sightings) -> Doubles:
    """`(N, 8)` numbers of `(N,)` rows."""
    return np.ascontiguousarray(seen).view(np.float64).reshape(-1, NUMBERS)
