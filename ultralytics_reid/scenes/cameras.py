"""Where cameras stand, what part of the ground they see, and in what light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._typing import Doubles
from .hashed_random import between
from .options import SceneOptions

PERSON = 1.72  # meters, of whom `near` and `far` are said
_PILLAR_GAP = 0.75  # meters between a pillar and those who pass


@dataclass(frozen=True)
class Pillar:
    """A pillar, as high as the image.

    Attributes:
        left: Left edge, pixels.
        right: Right edge, pixels.
        foot: Row where it stands on the ground, pixels.
        depth: Meters from the camera.
    """

    left: int
    right: int
    foot: int
    depth: float


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along the ground; verticals stay vertical.

    The ground has two axes, in meters: `x` to the right of the camera's axis, and depth away from the camera.

    Attributes:
        number: Which one.
        width: Of the image, pixels.
        height: Of the image, pixels.
        focal: Focal length, pixels.
        stands: Its height above the ground, meters.
        horizon: Row of the horizon, pixels; may lie above the image.
        near: Smallest depth at which people walk, meters.
        far: Largest depth at which people walk, meters.
        lengthwise: Share of the people who walk along the view, seen from the front or the back.
        gain: Brightness, 1 is neutral; `(3,)` BGR with the color cast.
        gamma: Exponent of the tone curve, 1 is neutral.
        pillars: Near ones last.
    """

    number: int
    width: int
    height: int
    focal: float
    stands: float
    horizon: float
    near: float
    far: float
    lengthwise: float
    gain: tuple[float, float, float]
    gamma: float
    pillars: tuple[Pillar, ...]

    def scale(self, depth: Doubles) -> Doubles:
        """Pixels a meter at a depth."""
        return self.focal / depth

    def half_width(self, depth: Doubles) -> Doubles:
        """Meters from the axis to the image's edge at a depth."""
        return self.width / 2 / self.focal * depth

    def foot(self, depth: float) -> float:
        """Row of the ground at a depth, pixels."""
        return self.horizon + self.focal * self.stands / depth

    @property
    def lane(self) -> float:
        """Depth behind which people pass behind all pillars; `near` where there is no pillar."""
        return max((p.depth + _PILLAR_GAP for p in self.pillars), default=self.near)

    @property
    def wall(self) -> float:
        """Depth of the facade, meters."""
        return self.far + 0.8


def make_camera(options: SceneOptions, number: int) -> Camera:
    """The camera of a number; the first one is the most ordinary.

    Args:
        options: The scene's.
        number: From 0.
    """
    key = (options.seed, "camera", number)
    width, height = options.size
    focal = height * float(between(1.7, 2.2, *key, "focal"))
    near = focal * PERSON / (height * float(between(0.4, 0.48, *key, "near")))
    far = focal * PERSON / (height * float(between(0.19, 0.23, *key, "far")))
    stands = float(between(2.6, 3.5, *key, "stands"))
    ground = Camera(
        number=number,
        width=width,
        height=height,
        focal=focal,
        stands=stands,
        # The nearest feet are just inside the image.
        horizon=0.95 * height - focal * stands / near,
        near=near,
        far=far,
        lengthwise=_lengthwise(number, key),
        gain=_gain(number, key),
        gamma=float(between(*((0.95, 1.05) if number == 0 else (0.8, 1.3)), *key, "gamma")),
        pillars=(),
    )
    return replace(ground, pillars=tuple(sorted(_pillars(options, ground), key=lambda p: -p.depth)))


_Key = tuple[int | str, ...]


def _gain(number: int, key: _Key) -> tuple[float, float, float]:
    """Brightness and color cast."""
    bright = between(*((0.92, 1.08) if number == 0 else (0.65, 1.2)), *key, "gain")
    cast = between(-1, 1, *key, "cast", np.arange(3)) * (0.04 if number == 0 else 0.14)
    blue, green, red = (bright * (1 + cast - cast.mean())).tolist()
    return blue, green, red


def _lengthwise(number: int, key: _Key) -> float:
    """Every second camera looks along the way that others look across."""
    share = float(between(0.0, 0.3, *key, "side"))
    return 1 - share if number % 2 else share


def _pillars(options: SceneOptions, ground: Camera) -> list[Pillar]:
    """Spread over the image, all in front of the back two thirds of the ground."""
    found = []
    for n in range(options.pillars):
        key = (options.seed, "pillar", ground.number, n)
        depth = ground.near + float(between(1.1, 1.9, *key, "depth"))
        middle = ground.width * (n + 0.5 + float(between(-0.22, 0.22, *key, "x"))) / options.pillars
        half = ground.focal / depth * float(between(0.32, 0.48, *key, "width"))
        found.append(Pillar(round(middle - half), round(middle + half), round(ground.foot(depth)), depth))
    return found
