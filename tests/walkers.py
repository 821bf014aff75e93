"""People who walk on a square, and two cameras that see it from opposite corners."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
# Where cameras stand, meters, and where they look.
CORNERS = ((-3.0, -4.0), (12.0, 10.0))
_MIDDLE, _HEIGHT, _FOCAL, _PERSON = np.array([4.0, 4.0, 0.0]), 3.0, 0.9, 1.75


def walks(people: int, seconds: int, seed: int = 0) -> Doubles:
    """`(people, seconds, 2)` positions in meters: everybody walks from one random place to the next."""
    rng = np.random.default_rng(seed)
    out = np.zeros((people, seconds, 2))
    for path in out:
        here, goal = rng.uniform(0, 8, 2), rng.uniform(0, 8, 2)
        for place in path:
            step = goal - here
            if np.linalg.norm(step) < 1.3:
                goal = rng.uniform(0, 8, 2)
            here = here + 1.2 * step / max(1.2, float(np.linalg.norm(step)))
            place[:] = here
    return out


def boxes(corner: int, places: Doubles, seed: int = 0, noise: float = 0.03) -> Doubles:
    """`(..., 4)` boxes of people at `(..., 2)` places, as shares of the image; `noise` in box heights."""
    x, foot = np.moveaxis(_seen(corner, np.insert(places, 2, 0.0, axis=-1)), -1, 0)
    _, head = np.moveaxis(_seen(corner, np.insert(places, 2, _PERSON, axis=-1)), -1, 0)
    height = foot - head
    rng = np.random.default_rng(seed)
    x, foot = (v + noise * height * rng.normal(size=v.shape) for v in (x, foot))
    return np.stack([x - height / 5, foot - height, x + height / 5, foot], axis=-1)


def _seen(corner: int, points: Doubles) -> Doubles:
    """`(..., 2)` image coordinates of `(..., 3)` points, by a pinhole camera."""
    eye = np.array([*CORNERS[corner], _HEIGHT])
    ahead = (_MIDDLE - eye) / np.linalg.norm(_MIDDLE - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    off = points - eye
    return 0.5 + _FOCAL * np.stack([off @ right, off @ down], axis=-1) / (off @ ahead)[..., None]
