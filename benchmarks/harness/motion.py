"""Camera motion that is known already, in place of what a tracker would find out from pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class GivenMotion:
    """Stands in for a package's own camera motion, with what is known of the frame that `at` points to.

    Args:
        warps: `(F, 2, 3)` affine camera motion from the frame before to each frame, pixels.
    """

    method = "given"  # what the host asks, to know whether there is any

    def __init__(self, warps: npt.NDArray[np.float64]) -> None:
        self._warps = warps
        self.at = 0

    def apply(self, picture: Any, boxes: Any = None) -> npt.NDArray[np.float64]:  # noqa: ARG002
        """The motion, whatever the picture shows: as the host and BoxMOT ask for it."""
        return np.array(self._warps[self.at])

    estimate = apply

    def reset(self) -> None:
        """There is nothing to forget."""

    reset_params = reset
