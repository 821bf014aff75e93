"""Camera motion that is known already, in place of a tracker's own estimate from images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles


class GivenMotion:
    """Replaces a package's own camera motion by what is known of the frame that `at` points to.

    Args:
        warps: `(F, 2, 3)` affine camera motion from the frame before to each frame, pixels.
    """

    method = "given"  # what the host asks, to know whether there is any

    def __init__(self, warps: Doubles) -> None:
        self._warps = warps
        self.at = 0

    def apply(self, image: Any, boxes: Any = None) -> Doubles:  # noqa: ARG002
        """Return the motion, whatever the image shows, as the host and BoxMOT ask for it."""
        return np.array(self._warps[self.at])

    estimate = apply

    def reset(self) -> None:
        """Do nothing, as there is no state."""

    reset_params = reset


def standing(frames: int) -> Doubles:
    """Motion of a camera that stands still, `(F, 2, 3)`."""
    return np.tile(np.eye(2, 3), (frames, 1, 1))
