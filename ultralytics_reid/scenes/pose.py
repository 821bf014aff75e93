"""Walking bodies: from positions and gait phases to joints and boxes in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from .._typing import Bools, Doubles, Ints
from .cameras import Camera
from .clothing import BAGS, Bodies
from .routes import Poses


class Joint(IntEnum):
    """Joints of a body; left and right are the person's own."""

    HEAD = 0
    NECK = 1
    SHOULDER_L = 2
    SHOULDER_R = 3
    ELBOW_L = 4
    ELBOW_R = 5
    HAND_L = 6
    HAND_R = 7
    HIP_L = 8
    HIP_R = 9
    KNEE_L = 10
    KNEE_R = 11
    ANKLE_L = 12
    ANKLE_R = 13
    TOE_L = 14
    TOE_R = 15
    BAG = 16
    HAT = 17
    BRIM = 18


J = Joint
SIDES = ((J.SHOULDER_L, J.ELBOW_L, J.HAND_L), (J.SHOULDER_R, J.ELBOW_R, J.HAND_R))
LEGS = ((J.HIP_L, J.KNEE_L, J.ANKLE_L, J.TOE_L), (J.HIP_R, J.KNEE_R, J.ANKLE_R, J.TOE_R))

# Fractions of the height of an average body.
HEAD_UP, NECK_UP, SHOULDER_UP, HIP_UP = 0.932, 0.865, 0.815, 0.525
HEAD_TALL, HEAD_WIDE = 0.068, 0.047
_THIGH, _SHANK, _ANKLE = 0.245, 0.24, 0.04
_UPPER_ARM, _FOREARM = 0.17, 0.16
_SHOULDER_OUT, _HIP_OUT, _TOE = 0.108, 0.052, 0.105
_SWING = 0.43  # radians that a thigh swings forward and back
_KNEE_BEND, _ELBOW_BEND = 0.95, 0.35
# Half width and half depth at the hips, fractions of the height: of the body, and of a coat or a skirt.
HIPS, HEM = (0.097, 0.07), (0.125, 0.11)
# Radius around each joint, fraction of the height; that of the hips depends on the direction.
_RADII = np.repeat([0.07, 0.05, 0.055, 0.037, 0.03, 0.0, 0.046, 0.043, 0.031], [1, 1, 2, 2, 2, 2, 2, 2, 2])
BAG_RADIUS = {"none": 0.0, "backpack": 0.17, "shoulder": 0.15, "hand": 0.15}  # meters


@dataclass(frozen=True)
class Figures:
    """Bodies in an image coordinate system, a row each.

    Attributes:
        joints: `(R, 19, 2)` pixels, by `Joint`.
        radii: `(R, 19)` pixels around each joint.
        scale: `(R,)` pixels per meter.
        depth: `(R,)` distance from the camera, meters.
        facing: `(R,)` direction in the camera's view, radians: 0 faces right, pi/2 away from the camera.
        foot: `(R, 2)` foot point on the ground, pixels.
        slope: `(R,)` upward displacement in the image per displacement in depth.
    """

    joints: Doubles
    radii: Doubles
    scale: Doubles
    depth: Doubles
    facing: Doubles
    foot: Doubles
    slope: Doubles

    def __getitem__(self, rows: slice | Ints | Bools) -> Figures:
        return Figures(*(values[rows] for values in vars(self).values()))

    def boxes(self) -> Doubles:
        """Bounding box of each body, `(R, 4)` xyxy, pixels."""
        low = (self.joints - self.radii[..., None]).min(axis=1)
        high = (self.joints + self.radii[..., None]).max(axis=1)
        return np.concatenate([low, high], axis=1)


def make_figures(camera: Camera, poses: Poses, bodies: Bodies) -> Figures:
    """Project people into a camera's image.

    Args:
        camera: The camera.
        poses: Positions and gait of `R` people.
        bodies: Body shapes of the same people.
    """
    scale = camera.scale(poses.depth)
    facing = poses.heading + np.arctan2(poses.x, poses.depth)
    foot = np.stack([camera.width / 2 + scale * poses.x, camera.horizon + scale * camera.stands], axis=1)
    out, up, ahead = _joints(poses, bodies)
    sine, cosine = np.sin(facing)[:, None], np.cos(facing)[:, None]
    right, away = ahead * cosine + out * sine, ahead * sine - out * cosine
    # First-order perspective: points farther away are nearer to the horizon.
    slope = (camera.stands - up) / poses.depth[:, None]
    x = foot[:, :1] + scale[:, None] * right
    y = foot[:, 1:] - scale[:, None] * (up + away * slope)
    radii = _radii(bodies, facing) * scale[:, None]
    return Figures(np.stack([x, y], axis=2), radii, scale, poses.depth, facing, foot, camera.stands / poses.depth)


def _joints(poses: Poses, bodies: Bodies) -> tuple[Doubles, Doubles, Doubles]:
    """Joints relative to the foot point, `(R, 19)` meters each: to the right, above, ahead."""
    tall = bodies.height
    swing = _SWING * poses.stride * np.sin(poses.phase)
    rising = poses.stride * np.cos(poses.phase)
    legs = [_leg(tall, s * swing, s * rising) for s in (-1, 1)]
    reach = np.maximum(*(leg[0][:, 2] for leg in legs)) + _ANKLE * tall
    up, ahead = np.zeros((2, len(tall), len(J)))
    out = np.zeros_like(up)
    spine = ((J.HEAD, HEAD_UP, 0.02), (J.NECK, NECK_UP, 0.005), (J.HAT, 1.02, 0.015), (J.BRIM, 0.96, 0.09))
    for joint, share, forward in spine:
        up[:, joint], ahead[:, joint] = reach + (share - HIP_UP) * tall, forward * tall
    for n, (leg, arm) in enumerate(zip(LEGS, SIDES, strict=True)):
        sign = (-1, 1)[n]
        down, leg_ahead = legs[n]
        up[:, leg[0]], up[:, leg[1:]] = reach, reach[:, None] - down[:, 1:]
        ahead[:, leg] = leg_ahead
        out[:, leg] = (sign * _HIP_OUT * tall * bodies.build)[:, None]
        fall, ahead[:, arm] = _arm(tall, -sign * swing)
        up[:, arm] = (reach + (SHOULDER_UP - HIP_UP) * tall)[:, None] - fall
        out[:, arm] = (sign * tall * bodies.build)[:, None] * np.array([_SHOULDER_OUT, 0.135, 0.13])
    _put_bag(out, up, ahead, bodies)
    return out, up, ahead


def _leg(tall: Doubles, swing: Doubles, rising: Doubles) -> tuple[Doubles, Doubles]:
    """Hip, knee, ankle and toe relative to the hip, `(R, 4)` meters each: below, ahead."""
    shank = swing - _KNEE_BEND * np.maximum(rising, 0)
    zero = np.zeros_like(swing)
    down = np.stack([zero, _THIGH * np.cos(swing), _SHANK * np.cos(shank)], axis=1)
    ahead = np.stack([zero, _THIGH * np.sin(swing), _SHANK * np.sin(shank)], axis=1)
    down, ahead = np.cumsum(down, axis=1), np.cumsum(ahead, axis=1)
    toe_down = down[:, 2] + 0.022 + 0.6 * _TOE * np.sin(-shank)
    toe_ahead = ahead[:, 2] + _TOE * np.cos(shank)
    down = np.column_stack([down, toe_down]) * tall[:, None]
    return down, np.column_stack([ahead, toe_ahead]) * tall[:, None]


def _arm(tall: Doubles, swing: Doubles) -> tuple[Doubles, Doubles]:
    """Shoulder, elbow and hand relative to the shoulder, `(R, 3)` meters each: below, ahead."""
    bent, zero = swing + _ELBOW_BEND, np.zeros_like(swing)
    down = np.stack([zero, _UPPER_ARM * np.cos(swing), _FOREARM * np.cos(bent)], axis=1)
    ahead = np.stack([zero, _UPPER_ARM * np.sin(swing), _FOREARM * np.sin(bent)], axis=1)
    return np.cumsum(down, axis=1) * tall[:, None], np.cumsum(ahead, axis=1) * tall[:, None]


def _put_bag(out: Doubles, up: Doubles, ahead: Doubles, bodies: Bodies) -> None:
    """Set the joints of bag and hat in place; the head's where there is none."""
    places = {"backpack": (0.0, 0.70, -0.10), "shoulder": (0.13, 0.52, -0.02)}
    for name, (side, high, forward) in places.items():
        rows = np.isin(bodies.bag, [n for n, bag in enumerate(BAGS) if bag == name])
        out[rows, J.BAG], ahead[rows, J.BAG] = side * bodies.height[rows], forward * bodies.height[rows]
        up[rows, J.BAG] = up[rows, J.NECK] + (high - NECK_UP) * bodies.height[rows]
    held = bodies.bag == BAGS.index("hand")
    for values, lower in ((out, 0.0), (up, 0.16), (ahead, 0.0)):
        values[held, J.BAG] = values[held, J.HAND_R] - lower
    no_bag = bodies.bag == BAGS.index("none")
    for joint, lacks in ((J.BAG, no_bag), *((j, ~bodies.hat) for j in (J.HAT, J.BRIM))):
        for values in (out, up, ahead):
            values[lacks, joint] = values[lacks, J.HEAD]


def _radii(bodies: Bodies, facing: Doubles) -> Doubles:
    """Radius around each joint, `(R, 19)` meters."""
    radii = np.zeros((len(facing), len(J)))
    radii[:, : len(_RADII)] = _RADII
    half = np.array([HIPS, HEM])[bodies.wide.astype(int)]
    sine, cosine = np.sin(facing), np.cos(facing)
    hips = np.hypot(half[:, 0] * sine, half[:, 1] * cosine) - _HIP_OUT * np.abs(sine)
    radii[:, [J.HIP_L, J.HIP_R]] = hips[:, None]
    radii[:, J.SHOULDER_L : J.BAG] *= bodies.build[:, None]
    radii *= bodies.height[:, None]
    radii[:, J.BAG] = np.array([BAG_RADIUS[b] for b in BAGS])[bodies.bag]
    radii[:, [J.HAT, J.BRIM]] = 0.02 * bodies.hat[:, None]
    return radii
