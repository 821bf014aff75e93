"""Where a place on the ground that one camera sees is in another camera's image: a homography that knows its errors.

People stand on the ground, and a plane is seen by two cameras as images of each other under a homography (Hartley &
Zisserman 2004, section 13.1; for tracking people: Khan & Shah 2006). Its eight parameters are estimated from feet that
both cameras see at the same time, as the mode of a posterior, and their covariance tells how far it can be believed
where nobody has walked yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._typing import Bools, Doubles, as_bools, as_doubles
from ...tuning import (
    FOOT_OUTLIERS,
    FOOT_STD,
    FOOT_STD_POINTS,
    MAX_FOOT_NATS,
    MAX_FOOT_STD,
    MIN_FOOT_STD,
    PLANE_STD,
    TILT_STD,
)

_PARAMETERS = 8
_STEPS = 6
# Least denominator of a projected point: beyond it lies the horizon.
_HORIZON = 0.1
# Scale, in standard deviations, beyond which a residual loses weight (Cauchy).
_CAUCHY = 2.0
# Body height, as a share of the image, that is added to each: the error of a small box doesn't vanish.
_HEIGHT = 0.1
# Median length of a two-dimensional Gaussian vector, in standard deviations.
_MEDIAN = 1.177


@dataclass(frozen=True, eq=False)
class Feet:
    """The same `N` moments on two cameras: where a box of each ends, as shares of the image's width and height.

    Attributes:
        one: `(N, 2)` on the first camera, x and y.
        other: `(N, 2)` on the second.
        height: `(N,)` of the second camera's boxes, as shares of the image's height.
    """

    one: Doubles
    other: Doubles
    height: Doubles

    def __len__(self) -> int:
        return len(self.one)

    @classmethod
    def joined(cls, parts: list[Feet]) -> Feet:
        """Put some together, at least one."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("one", "other", "height")))


@dataclass(frozen=True, eq=False)
class GroundMap:
    """A homography from one camera's ground to another's.

    Attributes:
        parameters: `(8,)`, of coordinates from the image's middle; the ninth is 1.
        covariance: `(8, 8)` of them.
        std: Standard deviation of a foot, in heights of its box.
    """

    parameters: Doubles
    covariance: Doubles
    std: float

    def log_likelihood_ratio(self, feet: Feet) -> Doubles:
        """Compute how much better than chance one individual explains feet that two cameras see at the same time.

        Chance is anywhere in the image; a share of feet is wrong, hidden for example.

        Args:
            feet: `N` moments.

        Returns:
            `(N,)` nats, each bounded by `MAX_FOOT_NATS`.
        """
        seen, jacobian, w = _projected(self.parameters, feet.one - 0.5)
        spread = np.einsum("nij,jk,nlk->nil", jacobian, self.covariance, jacobian)
        spread += np.eye(2) * (self.std * (_HEIGHT + feet.height[:, None, None])) ** 2
        off = feet.other - 0.5 - seen
        distance = np.einsum("ni,nij,nj->n", off, np.linalg.inv(spread), off)
        density = np.exp(-0.5 * distance) / (2 * np.pi * np.sqrt(np.linalg.det(spread)))
        density[w <= _HORIZON] = 1.0
        return as_doubles(np.minimum(np.log((1 - FOOT_OUTLIERS) * density + FOOT_OUTLIERS), MAX_FOOT_NATS))

    def inside(self, feet: Feet) -> Bools:
        """Find the feet of the first camera that the second one would see.

        Args:
            feet: `N` moments.

        Returns:
            `(N,)`, True where its image shows that place.
        """
        seen, _, w = _projected(self.parameters, feet.one - 0.5)
        return as_bools((w > _HORIZON) & (np.abs(2 * seen) < 1).all(axis=1))


def fit_ground_map(feet: Feet) -> GroundMap:
    """Estimate the homography: Gauss-Newton from the algebraic solution, robust (Cauchy), with a wide Gaussian prior.

    Args:
        feet: `N` moments, 1 or more; outliers may be among them.
    """
    one, other, size = feet.one - 0.5, feet.other - 0.5, _HEIGHT + feet.height
    precision = np.diag([PLANE_STD**-2] * 6 + [TILT_STD**-2] * 2)
    parameters, std = _algebraic(one, other, precision), FOOT_STD
    hessian = precision
    for _ in range(_STEPS):
        seen, jacobian, _ = _projected(parameters, one)
        off = other - seen
        std = _robust_std(np.linalg.norm(off, axis=1) / size)
        scale = std * size
        weight = 1 / (1 + (np.linalg.norm(off, axis=1) / (_CAUCHY * scale)) ** 2) / scale**2
        hessian = precision + np.einsum("nij,n,nik->jk", jacobian, weight, jacobian)
        gradient = np.einsum("nij,n,ni->j", jacobian, weight, off) - precision @ parameters
        parameters = _before_horizon(parameters, np.linalg.solve(hessian, gradient), one)
    return GroundMap(parameters, as_doubles(np.linalg.inv(hessian)), std)


def _algebraic(one: Doubles, other: Doubles, precision: Doubles) -> Doubles:
    """Solve the equations multiplied by their denominator, which makes them linear; affine where that crosses over."""
    x, y, none, unit = one[:, 0], one[:, 1], np.zeros(len(one)), np.ones(len(one))
    u, v = other[:, 0], other[:, 1]
    rows = np.concatenate(
        [
            np.stack([x, y, unit, none, none, none, -u * x, -u * y], axis=1),
            np.stack([none, none, none, x, y, unit, -v * x, -v * y], axis=1),
        ]
    )
    values, weight = np.concatenate([u, v]), (FOOT_STD / 2) ** -2
    for used in (_PARAMETERS, 6):
        design = rows[:, :used]
        normal = weight * design.T @ design + precision[:used, :used]
        found = np.linalg.solve(normal, weight * design.T @ values)
        parameters = np.zeros(_PARAMETERS)
        parameters[:used] = found
        if (1 + one @ parameters[6:] > _HORIZON).all():
            break
    return parameters


def _before_horizon(parameters: Doubles, step: Doubles, one: Doubles) -> Doubles:
    """Take a step, or a half, a quarter, … of it, that leaves all points on this side of the horizon."""
    for share in (1.0, 0.5, 0.25, 0.125):
        moved = parameters + share * step
        if (1 + one @ moved[6:] > _HORIZON).all():
            return as_doubles(moved)
    return parameters


def _projected(parameters: Doubles, points: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """`(N, 2)` where points are seen, `(N, 2, 8)` the derivatives by the parameters, and `(N,)` the denominators."""
    x, y = points.T
    w = 1 + points @ parameters[6:]
    safe = np.maximum(w, _HORIZON)
    u = (parameters[0] * x + parameters[1] * y + parameters[2]) / safe
    v = (parameters[3] * x + parameters[4] * y + parameters[5]) / safe
    jacobian = np.zeros((len(points), 2, _PARAMETERS))
    affine = np.stack([x, y, np.ones(len(points))], axis=1) / safe[:, None]
    jacobian[:, 0, :3] = jacobian[:, 1, 3:6] = affine
    jacobian[:, 0, 6:], jacobian[:, 1, 6:] = -u[:, None] * affine[:, :2], -v[:, None] * affine[:, :2]
    return np.stack([u, v], axis=1), jacobian, w


def _robust_std(lengths: Doubles) -> float:
    """Standard deviation of residuals by their median, blended with the usual one."""
    found = float(np.median(lengths)) / _MEDIAN
    blend = (len(lengths) * found + FOOT_STD_POINTS * FOOT_STD) / (len(lengths) + FOOT_STD_POINTS)
    return float(np.clip(blend, MIN_FOOT_STD, MAX_FOOT_STD))
