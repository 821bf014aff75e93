"""Visible fraction of each body: occlusion by the image's edge, pillars and other people."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools, as_doubles
from .cameras import Camera
from .pose import LEGS, SIDES, Figures, J

_SIDEWAYS = (-0.55, 0.0, 0.55)  # sample points across a limb, in radii


def _samples() -> tuple[Doubles, Doubles, Doubles]:
    """Sample points of a body: `(K, 19)` joint weights, `(K,)` offsets in radii, `(K,)` fractions of the area."""
    rows: list[tuple[dict[J, float], float]] = []
    weights: list[float] = []

    def add(mix: dict[J, float], sideways: float, area: float) -> None:
        rows.append((mix, sideways))
        weights.append(area)

    for side in _SIDEWAYS:
        add({J.HEAD: 1}, side, 0.025)
        for down in (0.05, 0.35, 0.65, 0.95):
            for left in (0.1, 0.9):
                across = {J.SHOULDER_L: left, J.SHOULDER_R: 1 - left, J.HIP_L: left, J.HIP_R: 1 - left}
                shares = (1 - down, 1 - down, down, down)
                add({j: m * s for (j, m), s in zip(across.items(), shares, strict=True)}, side, 0.42 / 24)
    for hip, knee, ankle, toe in LEGS:
        for side in (-0.5, 0.5):
            for start, end, area in ((hip, knee, 0.055), (knee, ankle, 0.04)):
                for share in (0.25, 0.75):
                    add({start: 1 - share, end: share}, side, area / 2)
        add({ankle: 0.4, toe: 0.6}, 0.0, 0.015)
    for shoulder, elbow, hand in SIDES:
        for start, end in ((shoulder, elbow), (elbow, hand)):
            for share in (0.4, 0.9):
                add({start: 1 - share, end: share}, 0.0, 0.035 / 2)
    mixes = np.zeros((len(rows), len(J)))
    for n, (mix, _) in enumerate(rows):
        for joint, share in mix.items():
            mixes[n, joint] += share
    return mixes, np.array([s for _, s in rows]), np.array(weights) / sum(weights)


_MIX, _SIDE, _AREA = _samples()
# Occluders: the box around the trunk, and capsules around the bones, given by their end joints.
_TRUNK = (J.SHOULDER_L, J.SHOULDER_R, J.HIP_L, J.HIP_R)
_BONES = np.array([(J.HEAD, J.HEAD), *(pair for chain in (*LEGS, *SIDES) for pair in pairwise(chain))])
_SLIM = 0.8  # factor of the radii: boxes are wider than the body parts


def visible_fractions(camera: Camera, figures: Figures, frames: Ints) -> Doubles:
    """Compute the visible fraction of each body.

    Args:
        camera: The camera.
        figures: `R` bodies.
        frames: `(R,)` frame of each body, ascending; bodies occlude others of the same frame only.

    Returns:
        `(R,)` float64 in [0, 1].
    """
    x, y = _points(figures)
    hidden = (x < 0) | (x >= camera.width) | (y < 0) | (y >= camera.height)
    for pillar in camera.pillars:
        behind = figures.depth > pillar.depth
        hidden |= behind[:, None] & (x >= pillar.left) & (x < pillar.right) & (y < pillar.foot)
    _mark_occluded(hidden, figures, frames, x, y)
    return as_doubles(1 - (hidden * _AREA).sum(axis=1))


def _points(figures: Figures) -> tuple[Doubles, Doubles]:
    """Sample points of each body, `(R, K)` x and y."""
    # Without BLAS, whose results depend on the number of rows.
    x, y = (np.einsum("rj,kj->rk", figures.joints[..., axis], _MIX) for axis in range(2))
    radius = np.einsum("rj,kj->rk", figures.radii, _MIX)
    return x + _SIDE * radius, y


def _mark_occluded(hidden: Bools, figures: Figures, frames: Ints, x: Doubles, y: Doubles) -> None:
    """Mark in `hidden` the sample points covered by bodies in front."""
    back, front = _overlapping(figures, frames)
    # Boxes first: most points are outside most of them.
    box = figures.boxes()[front, :, None]
    inside = (x[back] >= box[:, 0]) & (x[back] < box[:, 2]) & (y[back] >= box[:, 1]) & (y[back] < box[:, 3])
    pair, point = np.nonzero(inside & ~hidden[back])
    body = back[pair]
    px, py = x[body, point], y[body, point]
    covered = _in_trunk(figures, front[pair], px, py)
    hidden[body[covered], point[covered]] = True
    rest = np.flatnonzero(~hidden[body, point])
    covered = _near_bones(figures, front[pair[rest]], px[rest], py[rest])
    hidden[body[rest[covered]], point[rest[covered]]] = True


def _in_trunk(figures: Figures, rows: Ints, x: Doubles, y: Doubles) -> Bools:
    """Whether each point is covered by the trunk of a row, `(M,)`."""
    at, radii = figures.joints[:, _TRUNK], _SLIM * figures.radii[:, _TRUNK, None]
    low, high = (at - radii).min(axis=1)[rows], (at + radii).max(axis=1)[rows]
    return as_bools((x >= low[:, 0]) & (x < high[:, 0]) & (y >= low[:, 1]) & (y < high[:, 1]))


def _near_bones(figures: Figures, rows: Ints, x: Doubles, y: Doubles) -> Bools:
    """Whether each point is within the radius of any bone of a row, `(M,)`."""
    near = np.zeros(len(x), bool)
    for first, last in _BONES:
        a, along = figures.joints[:, first], figures.joints[:, last] - figures.joints[:, first]
        length = np.maximum((along**2).sum(axis=1), 1e-9)
        square = (_SLIM * (figures.radii[:, first] + figures.radii[:, last]) / 2) ** 2
        (dx, dy), (ax, ay) = (x - a[rows, 0], y - a[rows, 1]), along[rows].T
        share = np.clip((dx * ax + dy * ay) / length[rows], 0, 1)
        near |= (dx - share * ax) ** 2 + (dy - share * ay) ** 2 < square[rows]
    return near


def _overlapping(figures: Figures, frames: Ints) -> tuple[Ints, Ints]:
    """Pairs of rows in one frame whose boxes overlap: the body behind, and the one in front."""
    _, begins, counts = np.unique(frames, return_index=True, return_counts=True)
    one = np.repeat(np.arange(len(frames)), np.repeat(counts, counts))
    begin, count = np.repeat(begins, counts**2), np.repeat(counts, counts**2)
    within = np.arange(len(one)) - np.repeat(np.cumsum(counts**2) - counts**2, counts**2)
    other = begin + within % count
    box, depth = figures.boxes(), figures.depth
    meets = (depth[other] < depth[one]) & (box[one, 0] < box[other, 2]) & (box[one, 2] > box[other, 0])
    meets &= (box[one, 1] < box[other, 3]) & (box[one, 3] > box[other, 1])
    return one[meets], other[meets]
