"""Clean crops: those that may update memory. A contaminated prototype is worse than none."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Floats
from ..association.overlap import shared_areas
from ..tuning import BORDER


def clean_crops(
    xyxy: Floats, conf: Floats, *, min_conf: float, min_height: float, max_covered: float, shape: tuple[int, int] | None
) -> Bools:
    """Whether each detection shows one individual, whole.

    Args:
        xyxy: `(N, 4)` boxes, pixels.
        conf: `(N,)` scores in [0, 1].
        min_conf: Least score.
        min_height: Least box height, pixels.
        max_covered: Largest share of the box that boxes in front may cover, in [0, 1].
        shape: The image's height and width in pixels; None where it is unknown, and borders can't be seen.

    Returns:
        `(N,)`, True where the crop is clean.
    """
    tall = (xyxy[:, 3] - xyxy[:, 1]) >= min_height
    clean = tall & (conf >= min_conf) & (covered_share(xyxy) <= max_covered)
    return clean if shape is None else clean & ~cut_off(xyxy, shape)


def covered_share(xyxy: Floats) -> Floats:
    """Share of each box under boxes in front of it, `(N,)` in [0, 1].

    An individual lower in the image is nearer (as in MOTChallenge's own occlusion model). Overlaps of several
    boxes add up, which errs on the side of caution.
    """
    if not len(xyxy):
        return np.zeros(0, np.float32)
    in_front = xyxy[None, :, 3] > xyxy[:, None, 3]
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    return np.asarray(
        np.clip((shared_areas(xyxy) * in_front).sum(axis=1) / np.maximum(area, 1e-6), 0, 1), dtype=np.float32
    )


def cut_off(xyxy: Floats, shape: tuple[int, int]) -> Bools:
    """Which boxes touch the left, right or upper border, or the lower one, of an image of `(height, width)`."""
    height, width = shape
    return np.asarray(
        (xyxy[:, 0] <= BORDER)
        | (xyxy[:, 1] <= BORDER)
        | (xyxy[:, 2] >= width - BORDER)
        | (xyxy[:, 3] >= height - BORDER)
    )
