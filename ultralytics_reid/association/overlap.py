"""Overlap of boxes by the smaller one: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._typing import Floats


def shared_areas(xyxy: npt.NDArray[np.floating]) -> Floats:
    """Areas in which two boxes overlap, `(N, N)` square pixels, of `(N, 4)` boxes; on the diagonal a box's own area."""
    left, top, right, bottom = xyxy.T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    return np.asarray(width.clip(0) * height.clip(0))


def overlap_share(xyxy: npt.NDArray[np.floating]) -> Floats:
    """Share of the smaller box of each pair that the other one covers.

    Unlike IoU it is 1 for half a person in the box of the whole one.

    Args:
        xyxy: `(N, 4)` boxes, pixels.

    Returns:
        `(N, N)` float32 in [0, 1], symmetric; 0 on the diagonal.
    """
    shared = shared_areas(xyxy)
    area = shared.diagonal()
    smaller = np.maximum(np.minimum(area[:, None], area[None]), 1e-6)
    share = np.asarray(np.clip(shared / smaller, 0, 1), np.float32)
    np.fill_diagonal(share, 0)
    return share
