"""Options of a generated scene, with ranges and units."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError

_MAX_PEOPLE = 10_000_000
_RANGES: dict[str, tuple[type, float, float]] = {
    "people": (int, 1, _MAX_PEOPLE),
    "seconds": (float, 0.1, 1e7),
    "fps": (float, 0.1, 1000),
    "seed": (int, 0, 2**63 - 1),
    "cameras": (int, 1, 1000),
    "look_alikes": (float, 0, 1),
    "pillars": (int, 0, 8),
    "visits": (int, 1, 1_000_000),
    "stops": (float, 0, 1),
    "noise": (float, 0, 64),
    "crowd": (int, 1, _MAX_PEOPLE),
}
_MAY_BE_NONE = frozenset({"visits", "crowd"})
_PAIRS: dict[str, tuple[type, float, float]] = {"size": (int, 64, 8192), "away": (float, 0.2, 1e6)}


@dataclass(frozen=True, kw_only=True)
class SceneOptions:
    """Options of a generated scene; equal options generate equal scenes.

    Attributes:
        people: Number of people; their ids are 1 to `people`.
        seconds: Length of the scene, seconds; all cameras share one clock.
        fps: Frames per second of each camera.
        seed: Random seed of people, routes, places and light.
        size: Width and height of the images, pixels.
        cameras: Number of cameras, with different places, directions and light.
        look_alikes: Fraction of people in the same outfit as another person, up to small differences, in [0, 1].
        away: Minimum and maximum time between a visit and the next, seconds; where they are less than 0.3 s apart,
            0.3 s more. With several cameras, mostly the travel time to another one.
        pillars: Number of pillars of each camera, in front of most of the people.
        visits: Number of visits of each person; None for visits until the end.
        stops: Fraction of the intermediate places where people stop, in [0, 1].
        noise: Standard deviation of the sensor noise, gray levels of 0 to 255.
        crowd: Maximum number of people in one camera's image at once, at least 1; first visits are delayed to
            respect it. None for no limit.

    Raises:
        ConfigError: If a value is of the wrong type or out of range; the message names the option, its range and
            the value.
    """

    people: int = 12
    seconds: float = 60.0
    fps: float = 15.0
    seed: int = 0
    size: tuple[int, int] = (960, 540)
    cameras: int = 1
    look_alikes: float = 0.25
    away: tuple[float, float] = (2.0, 20.0)
    pillars: int = 2
    visits: int | None = 3
    stops: float = 0.35
    noise: float = 4.0
    crowd: int | None = None

    def __post_init__(self) -> None:
        for name, (kind, low, high) in _RANGES.items():
            _check_number(name, getattr(self, name), kind, low, high)
        for name, (kind, low, high) in _PAIRS.items():
            _check_pair(name, getattr(self, name), kind, low, high)
        if self.away[0] > self.away[1]:
            raise ConfigError(f"'away' must be (shortest, longest), got {self.away!r}")

    @property
    def frames(self) -> int:
        """Number of frames of each camera, at least one."""
        return max(1, round(self.seconds * self.fps))


def _is_in_range(value: object, kind: type, low: float, high: float) -> bool:
    kinds = (int,) if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def _range_text(kind: type, low: float, high: float) -> str:
    return f"{kind.__name__} in [{low:g}, {high:g}]"


def _check_number(name: str, value: object, kind: type, low: float, high: float) -> None:
    if value is None and name in _MAY_BE_NONE:
        return
    if not _is_in_range(value, kind, low, high):
        empty = " or None" if name in _MAY_BE_NONE else ""
        raise ConfigError(
            f"'{name}' must be {_range_text(kind, low, high)}{empty}, got {value!r} ({type(value).__name__})"
        )


def _check_pair(name: str, value: object, kind: type, low: float, high: float) -> None:
    whole = isinstance(value, tuple) and len(value) == 2  # noqa: PLR2004
    if not whole or not all(_is_in_range(v, kind, low, high) for v in value):  # type: ignore[attr-defined]
        raise ConfigError(
            f"'{name}' must be two of {_range_text(kind, low, high)}, got {value!r} ({type(value).__name__})"
        )
