"""What a generated scene may be told, with ranges and units."""

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
    """A generated scene, before it is made. The same options make the same scene.

    Attributes:
        people: Individuals in all. Their ids are 1 to `people`.
        seconds: Length of the scene, seconds. All cameras have one clock.
        fps: Frames a second of every camera.
        seed: Another number is another scene: other people, ways, places and light.
        size: Width and height of the images, pixels.
        cameras: Cameras, which look at different places from different sides and in different light.
        look_alikes: Share of the people who wear what somebody else wears, but for something small, in [0, 1].
        away: Shortest and longest time between leaving and coming back, seconds; where they are less than 0.3 s apart,
            it may be that much longer. On several cameras mostly the time from one to the next.
        pillars: Pillars in front of most of the people, a camera.
        visits: How often each comes; None: again and again until the end.
        stops: Share of the places on somebody's way where they stand for a while, in [0, 1].
        noise: Standard deviation of the sensor's noise, gray levels of 0 to 255.
        crowd: Most people in one camera's image at once: those who come for the first time wait. None: any number.

    Raises:
        ConfigError: If a value is of the wrong type or out of range; the message names the option, what it may be
            and what it was.
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
        """Frames of each camera, at least one."""
        return max(1, round(self.seconds * self.fps))


def _admits(value: object, kind: type, low: float, high: float) -> bool:
    kinds = (int,) if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def _said(kind: type, low: float, high: float) -> str:
    return f"{kind.__name__} in [{low:g}, {high:g}]"


def _check_number(name: str, value: object, kind: type, low: float, high: float) -> None:
    if value is None and name in _MAY_BE_NONE:
        return
    if not _admits(value, kind, low, high):
        empty = " or None" if name in _MAY_BE_NONE else ""
        raise ConfigError(f"'{name}' must be {_said(kind, low, high)}{empty}, got {value!r} ({type(value).__name__})")


def _check_pair(name: str, value: object, kind: type, low: float, high: float) -> None:
    whole = isinstance(value, tuple) and len(value) == 2  # noqa: PLR2004
    if not whole or not all(_admits(v, kind, low, high) for v in value):  # type: ignore[attr-defined]
        raise ConfigError(f"'{name}' must be two of {_said(kind, low, high)}, got {value!r} ({type(value).__name__})")
