"""Camera geometry and illumination."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._typing import Doubles
from .hashed_random import between
from .options import SceneOptions

REFERENCE_HEIGHT = 1.72  # meters, of the person that `near` and `far` are scaled by
_PILLAR_GAP = 0.75  # meters between a pillar and people passing behind it


@dataclass(frozen=True)
class Pillar:
    """A pillar that reaches the image's upper edge.

    Attributes:
        left: Left edge, pixels.
        right: Right edge, pixels.
        foot: Image row of its foot on the ground, pixels.
        depth: Distance from the camera, meters.
    """

    left: int
    right: int
    foot: int
    depth: float


@dataclass(frozen=True)
class Camera:
    """Pinhole camera with a horizontal optical axis, so that verticals stay vertical.

    Ground coordinates in meters: `x` to the right of the optical axis, and depth along it.

    Attributes:
        number: Index of the camera.
        width: Image width, pixels.
        height: Image height, pixels.
        focal: Focal length, pixels.
        stands: Height above the ground, meters.
        horizon: Image row of the horizon, pixels; may be negative.
        near: Minimum depth of walking people, meters.
        far: Maximum depth of walking people, meters.
        lengthwise: Fraction of people walking along the optical axis, seen from the front or the back.
        gain: Gain of blue, green and red; 1 is neutral.
        gamma: Exponent of the tone curve; 1 is neutral.
        pillars: Pillars by descending depth.
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
        """Pixels per meter at a depth."""
        return self.focal / depth

    def half_width(self, depth: Doubles) -> Doubles:
        """Distance from the optical axis to the image's edge at a depth, meters."""
        return self.width / 2 / self.focal * depth

    def foot(self, depth: float) -> float:
        """Image row of the ground at a depth, pixels."""
        return self.horizon + self.focal * self.stands / depth

    @property
    def lane(self) -> float:
        """Minimum depth of people behind all pillars; `near` without pillars."""
        return max((p.depth + _PILLAR_GAP for p in self.pillars), default=self.near)

    @property
    def wall(self) -> float:
        """Depth of the facade, meters."""
        return self.far + 0.8


def make_camera(options: SceneOptions, number: int) -> Camera:
    """Generate a camera; the first one has the most neutral light.

    Args:
        options: Options of the scene.
        number: Index of the camera, from 0.
    """
    key = (options.seed, "camera", number)
    width, height = options.size
    focal = height * float(between(1.7, 2.2, *key, "focal"))
    near = focal * REFERENCE_HEIGHT / (height * float(between(0.4, 0.48, *key, "near")))
    far = focal * REFERENCE_HEIGHT / (height * float(between(0.19, 0.23, *key, "far")))
    stands = float(between(2.6, 3.5, *key, "stands"))
    ground = Camera(
        number=number,
        width=width,
        height=height,
        focal=focal,
        stands=stands,
        # The foot points of the nearest people are just inside the image.
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
    """Brightness and color cast, as gains of BGR."""
    bright = between(*((0.92, 1.08) if number == 0 else (0.65, 1.2)), *key, "gain")
    cast = between(-1, 1, *key, "cast", np.arange(3)) * (0.04 if number == 0 else 0.14)
    blue, green, red = (bright * (1 + cast - cast.mean())).tolist()
    return blue, green, red


def _lengthwise(number: int, key: _Key) -> float:
    """Fraction of people along the optical axis: high for every second camera."""
    fraction = float(between(0.0, 0.3, *key, "side"))
    return 1 - fraction if number % 2 else fraction


def _pillars(options: SceneOptions, ground: Camera) -> list[Pillar]:
    """Pillars spread over the image, in front of most of the ground."""
    found = []
    for n in range(options.pillars):
        key = (options.seed, "pillar", ground.number, n)
        depth = ground.near + float(between(1.1, 1.9, *key, "depth"))
        middle = ground.width * (n + 0.5 + float(between(-0.22, 0.22, *key, "x"))) / options.pillars
        half = ground.focal / depth * float(between(0.32, 0.48, *key, "width"))
        found.append(Pillar(round(middle - half), round(middle + half), round(ground.foot(depth)), depth))
    return found
