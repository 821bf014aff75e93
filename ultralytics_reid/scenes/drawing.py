"""Draw one person: body, hair, clothes, shoes, hat and bag, in the direction they face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from .._typing import Doubles, ImageArray
from .clothing import Clothing, Color
from .pose import HEAD_TALL, HEAD_WIDE, HEM, HIPS, LEGS, SIDES, Figures, J

_SHIFT = 4  # fractional bits of OpenCV's coordinates
_SUBPIXELS = 1 << _SHIFT
_CIRCLE = np.linspace(-np.pi, np.pi, 33)
# Levels of the torso: fraction of the way from shoulders to hips; half width and half depth, fractions of the height.
_TORSO = ((-0.12, 0.045, 0.045), (0.0, 0.118, 0.06), (0.3, 0.112, 0.072), (0.7, 0.09, 0.062), (1.0, *HIPS))
_SKIRT, _COAT = 1.75, 1.85
_LEG_WIDE, _ARM_WIDE = (0.052, 0.036, 0.024), (0.034, 0.027, 0.02)
_MIN_SCALE_OF_EYES = 60.0  # pixels per meter


@dataclass(frozen=True)
class Brush:
    """Drawing context of one person.

    Attributes:
        image: Image to draw on, in place.
        at: `(19, 2)` joints, pixels.
        unit: Height of the person, pixels.
        clothing: Clothing of the person.
        facing: Direction, radians: 0 faces right, pi/2 away from the camera.
    """

    image: ImageArray
    at: Doubles
    unit: float
    clothing: Clothing
    facing: float

    def polygon(self, points: npt.ArrayLike, color: Color) -> None:
        """Fill a convex polygon, `(P, 2)` pixels."""
        fixed = np.round(np.asarray(points) * _SUBPIXELS).astype(np.int32)
        cv2.fillConvexPoly(self.image, fixed, color, cv2.LINE_AA, _SHIFT)

    def disc(self, center: npt.ArrayLike, radii: tuple[float, float], color: Color, angle: float = 0.0) -> None:
        """Fill an ellipse."""
        x, y = np.round(np.asarray(center) * _SUBPIXELS).astype(int).tolist()
        wide, tall = (max(1, round(r * _SUBPIXELS)) for r in radii)
        cv2.ellipse(self.image, (x, y), (wide, tall), angle, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)

    def limb(self, joints: Sequence[Doubles], radii: Sequence[float], color: Color) -> None:
        """Fill a chain of rounded, tapering segments; `radii` are fractions of the height."""
        thick = [r * self.unit * self.clothing.build for r in radii]
        for (a, b), (ra, rb) in zip(pairwise(joints), pairwise(thick), strict=True):
            along = b - a
            normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
            self.polygon([a + ra * normal, a - ra * normal, b - rb * normal, b + rb * normal], color)
        for joint, radius in zip(joints, thick, strict=True):
            self.disc(joint, (radius, radius), color)

    def around(self, level: tuple[Doubles, float, float], begin: float, end: float) -> tuple[float, float] | None:
        """Left and right edge of the visible part of an arc around the body; None if it is hidden.

        Args:
            level: Center, half width and half depth of the body's elliptic section, pixels.
            begin: Start of the arc, radians from the front toward the person's right.
            end: End of the arc, radians.
        """
        center, wide, deep = level
        angle = np.linspace(begin, end, 9)
        sine, cosine = np.sin(self.facing), np.cos(self.facing)
        seen = deep * -np.sin(angle) * cosine + wide * np.cos(angle) * sine < 0
        if not seen.any():
            return None
        x = center[0] + wide * np.sin(angle[seen]) * sine + deep * np.cos(angle[seen]) * cosine
        return float(x.min()), float(x.max())


def draw_figure(image: ImageArray, figures: Figures, row: int, clothing: Clothing) -> None:
    """Draw a person.

    Args:
        image: `(H, W, 3)` uint8 BGR, drawn on in place.
        figures: Bodies.
        row: Row of the person.
        clothing: Clothing of the person.
    """
    unit = float(figures.scale[row]) * clothing.height
    brush = Brush(image, figures.joints[row], unit, clothing, float(figures.facing[row]))
    near = int(np.cos(brush.facing) > 0)  # 0 is the left side, 1 the right one
    behind = _bag_is_behind(brush)
    if behind:
        _bag(brush)
    _arm(brush, 1 - near, 0.78)
    _leg(brush, 1 - near, 0.82)
    _leg(brush, near, 1.0)
    _torso(brush)
    if clothing.bag == "backpack" and not behind:
        _bag(brush)
    _head(brush)
    _arm(brush, near, 1.0)
    if clothing.bag != "backpack" and not behind:
        _bag(brush)


def _shade(color: Color, light: float) -> Color:
    blue, green, red = (max(0, min(255, round(c * light))) for c in color)
    return blue, green, red


def _leg(brush: Brush, side: int, light: float) -> None:
    clothing = brush.clothing
    hip, knee, ankle, toe = (brush.at[j] for j in LEGS[side])
    cloth, skin = _shade(clothing.bottom_color, light), _shade(clothing.skin, light)
    bare = clothing.bottom in ("shorts", "skirt")
    brush.limb([knee, ankle], _LEG_WIDE[1:], skin if bare else cloth)
    # Shorts end above the knee, trousers at the shoe.
    brush.limb([hip, hip + (knee - hip) * (0.8 if bare else 1)], (_LEG_WIDE[0], _LEG_WIDE[1] + 0.005), cloth)
    heel = ankle + np.array([0, 0.012 * brush.unit])
    brush.limb([heel, (heel + toe) / 2, toe], (0.024, 0.022, 0.016), _shade(clothing.shoes, light))
    sole = [p + np.array([0, 0.016 * brush.unit]) for p in (heel, toe)]
    brush.limb(sole, (0.008, 0.007), _shade(clothing.shoes, light * 0.6))


def _arm(brush: Brush, side: int, light: float) -> None:
    clothing = brush.clothing
    joints = [brush.at[j] for j in SIDES[side]]
    cloth, skin = _shade(clothing.top_color, light), _shade(clothing.skin, light)
    long = clothing.sleeves or clothing.top in ("jacket", "coat")
    # A darker rim separates the arm from a torso of the same color.
    rim = _shade(cloth if long else skin, 0.7)
    brush.limb(joints, [r + 0.006 for r in _ARM_WIDE], rim)
    brush.limb(joints[1:], _ARM_WIDE[1:], cloth if long else skin)
    brush.limb(joints[:2], _ARM_WIDE[:2], cloth)
    brush.disc(joints[2], (0.022 * brush.unit, 0.024 * brush.unit), skin)


def _levels(brush: Brush) -> list[tuple[Doubles, float, float]]:
    """Sections of the torso from neck to hips, or to a coat's hem: center, half width and half depth, pixels."""
    top = (brush.at[J.SHOULDER_L] + brush.at[J.SHOULDER_R]) / 2
    low = (brush.at[J.HIP_L] + brush.at[J.HIP_R]) / 2
    size = brush.unit * brush.clothing.build
    rows = [*_TORSO, (1.12, *HIPS)]
    if brush.clothing.top == "coat":
        rows = [*_TORSO, (_COAT, *HEM)]
    return [(top + (low - top) * down, wide * size, deep * size) for down, wide, deep in rows]


def _outline(brush: Brush, levels: list[tuple[Doubles, float, float]], color: Color) -> None:
    """Fill the outline between sections, piece by convex piece."""
    half = [float(np.hypot(w * np.sin(brush.facing), d * np.cos(brush.facing))) for _, w, d in levels]
    for (a, *_), (b, *_), ha, hb in zip(levels, levels[1:], half, half[1:], strict=False):
        brush.polygon([[a[0] - ha, a[1]], [a[0] + ha, a[1]], [b[0] + hb, b[1]], [b[0] - hb, b[1]]], color)


def _band(brush: Brush, levels: list[tuple[Doubles, float, float]], begin: float, end: float, color: Color) -> None:
    """Fill the visible part of an arc between sections."""
    edges = [(level[0][1], brush.around(level, begin, end)) for level in levels]
    for (ya, a), (yb, b) in pairwise(edges):
        if a and b:
            brush.polygon([[a[0], ya], [a[1], ya], [b[1], yb], [b[0], yb]], color)


def _between(levels: list[tuple[Doubles, float, float]], share: float) -> tuple[Doubles, float, float]:
    """Interpolate a section between shoulders and hips."""
    body = levels[1:5]
    downs = [row[0] for row in _TORSO[1:]]
    n = min(int(np.searchsorted(downs, share, "right")) - 1, len(body) - 2)
    part = (share - downs[n]) / (downs[n + 1] - downs[n])
    (a, wa, da), (b, wb, db) = body[n], body[n + 1]
    return a + (b - a) * part, wa + (wb - wa) * part, da + (db - da) * part


def _torso(brush: Brush) -> None:
    clothing, levels = brush.clothing, _levels(brush)
    if clothing.bottom == "skirt":
        hips = (brush.at[J.HIP_L] + brush.at[J.HIP_R]) / 2
        down = (hips - levels[1][0]) * (_SKIRT - 1)
        size = brush.unit * clothing.build
        _outline(brush, [levels[4], (hips + down, HEM[0] * size, HEM[1] * size)], clothing.bottom_color)
    _outline(brush, levels, clothing.top_color)
    _pattern(brush, levels)
    # Shading of the side away from the light.
    for level in range(1, len(levels) - 1):
        _edge(brush, levels[level], levels[level + 1])
    neck, chest = brush.at[J.NECK], levels[1][0]
    brush.limb([neck, (neck + chest) / 2], (0.03, 0.034), _shade(clothing.skin, 0.85))


def _edge(brush: Brush, a: tuple[Doubles, float, float], b: tuple[Doubles, float, float]) -> None:
    color = _shade(brush.clothing.top_color, 0.72)
    half = [float(np.hypot(w * np.sin(brush.facing), d * np.cos(brush.facing))) for _, w, d in (a, b)]
    (xa, ya), (xb, yb) = a[0], b[0]
    points = [[xa + 0.8 * half[0], ya], [xa + half[0], ya], [xb + half[1], yb], [xb + 0.8 * half[1], yb]]
    brush.polygon(points, color)


def _pattern(brush: Brush, levels: list[tuple[Doubles, float, float]]) -> None:
    clothing = brush.clothing
    if clothing.top == "striped":
        for n in range(5):
            _band(brush, [_between(levels, n / 5 + s) for s in (0.04, 0.13)], -np.pi, np.pi, clothing.top_second)
    elif clothing.top == "two-tone":
        _outline(brush, [_between(levels, 0.45), *levels[3:]], clothing.top_second)
    elif clothing.top in ("jacket", "coat"):
        _band(brush, [_between(levels, s) for s in (0.0, 0.35, 0.7, 0.97)], -0.5, 0.5, clothing.top_second)
    elif clothing.top == "print":
        _band(brush, [_between(levels, s) for s in (0.15, 0.35, 0.55)], np.pi - 0.8, np.pi + 0.8, clothing.top_second)


def _head(brush: Brush) -> None:
    clothing, center = brush.clothing, brush.at[J.HEAD]
    wide, tall = HEAD_WIDE * brush.unit, HEAD_TALL * brush.unit
    sideways, away = np.cos(brush.facing), np.sin(brush.facing)
    wide *= 1 + 0.15 * abs(sideways)  # a head is deeper than it is wide
    mane = center + np.array([-0.35 * sideways * wide, 0.55 * tall])
    if clothing.hair == "long" and away < 0:
        brush.disc(mane, (1.15 * wide, 1.2 * tall), _shade(clothing.hair_color, 0.85))
    brush.disc(center, (wide, tall), clothing.skin if clothing.hair == "bald" else clothing.hair_color)
    _face(brush, center, wide, tall)
    if clothing.hair == "long" and away >= 0:
        brush.disc(mane, (1.15 * wide, 1.2 * tall), clothing.hair_color)
    _hat(brush, center, wide, tall)


def _face(brush: Brush, center: Doubles, wide: float, tall: float) -> None:
    seen = brush.around((center, wide, wide), -1.25, 1.25)
    if seen is None:
        return
    left, right = max(seen[0], center[0] - 0.97 * wide), min(seen[1], center[0] + 0.97 * wide)
    x = np.linspace(left, right, 7)
    drop = tall * np.sqrt(np.maximum(1 - ((x - center[0]) / wide) ** 2, 0))
    brow = np.maximum(center[1] - 0.35 * tall, center[1] - drop)
    points = np.concatenate([np.stack([x, brow], axis=1), np.stack([x, center[1] + drop], axis=1)[::-1]])
    brush.polygon(points, brush.clothing.skin)
    if brush.unit > _MIN_SCALE_OF_EYES * brush.clothing.height:
        for angle in (-0.4, 0.4):
            eye = brush.around((center, 0.97 * wide, 0.97 * wide), angle - 0.08, angle + 0.08)
            if eye:
                brush.disc(((eye[0] + eye[1]) / 2, center[1] - 0.08 * tall), (0.1 * wide, 0.07 * tall), (40, 40, 45))


def _hat(brush: Brush, center: Doubles, wide: float, tall: float) -> None:
    clothing = brush.clothing
    if clothing.hat == "none":
        return
    crown = np.stack([1.08 * wide * np.cos(_CIRCLE), 1.06 * tall * np.sin(_CIRCLE)], axis=1)
    brush.polygon(center + crown[crown[:, 1] < -0.3 * tall], clothing.hat_color)
    if clothing.hat == "cap" and np.sin(brush.facing) < 0.5:  # noqa: PLR2004
        tip = brush.at[J.BRIM]
        root = center + np.array([0, -0.42 * tall])
        brush.limb([root, np.array([tip[0], root[1] + 0.08 * tall])], (0.03, 0.01), _shade(clothing.hat_color, 0.8))


def _bag_is_behind(brush: Brush) -> bool:
    """Whether the bag is behind the body."""
    if brush.clothing.bag == "backpack":
        return bool(np.sin(brush.facing) < 0.1)  # noqa: PLR2004
    return bool(np.cos(brush.facing) < 0)


def _bag(brush: Brush) -> None:
    clothing, center, size = brush.clothing, brush.at[J.BAG], brush.unit / brush.clothing.height
    flap = _shade(clothing.bag_color, 0.8)
    if clothing.bag == "backpack":
        wide = float(np.hypot(0.15 * np.sin(brush.facing), 0.09 * np.cos(brush.facing)))
        _box(brush, center, wide * size, 0.2 * size * 0.82, clothing.bag_color)
        _box(brush, center + np.array([0, 0.06 * size]), wide * size * 0.75, 0.06 * size, flap)
    elif clothing.bag != "none":
        if clothing.bag == "shoulder":
            brush.limb([brush.at[J.SHOULDER_L], center], (0.007, 0.007), flap)
        wide = float(np.hypot(0.05 * np.sin(brush.facing), 0.14 * np.cos(brush.facing)))
        _box(brush, center, wide * size, 0.1 * size, clothing.bag_color)
        _box(brush, center - np.array([0, 0.06 * size]), wide * size, 0.04 * size, flap)


def _box(brush: Brush, center: Doubles, wide: float, tall: float, color: Color) -> None:
    """Fill a box with cut corners."""
    cut = 0.25 * min(wide, tall)
    corner = np.array([[wide - cut, tall], [wide, tall - cut], [wide, cut - tall], [wide - cut, -tall]])
    brush.polygon(center + np.concatenate([corner, -corner]), color)
