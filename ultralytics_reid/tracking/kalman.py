"""The host's Kalman filter, for frames that are further apart than those it was tuned on."""

from __future__ import annotations

from typing import Any

import numpy as np
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYWH

from .._typing import Doubles

# The position, and the velocity, of the host's state (x, y, w, h and their velocities).
_POSITION, _VELOCITY = slice(0, 4), slice(4, 8)


class FrameIntervalKalmanFilter(KalmanFilterXYWH):
    """Constant velocity in pixels a frame, with the noise of a frame interval that is `steps` of the host's.

    The host's noise is that of a step of 1/30 s, whatever the frame rate. Over `n` steps the variance of a random walk
    grows `n`-fold; a velocity that counts `n` steps as one is `n` times as large.

    Attributes:
        steps: The host's steps between two frames; at 1 it is the host's filter.
    """

    steps: float = 1.0

    def initiate(self, measurement: Any) -> tuple[Doubles, Doubles]:
        """See the host's: the state of a track's first box."""
        mean, covariance = super().initiate(measurement)
        if self.steps > 1:
            covariance[_VELOCITY, _VELOCITY] *= self.steps**2
        return mean, covariance

    def multi_predict(self, mean: Any, covariance: Any) -> tuple[Doubles, Doubles]:
        """See the host's: `(N, 8)` means and `(N, 8, 8)` covariances a frame later."""
        size = np.tile(np.asarray(mean)[:, 2:4], 2)
        mean, covariance = super().multi_predict(mean, covariance)
        if self.steps > 1:
            noise = np.concatenate([self._std_weight_position * size, self._std_weight_velocity * size], axis=1) ** 2
            noise[:, _POSITION] *= self.steps - 1
            noise[:, _VELOCITY] *= self.steps**3 - 1
            covariance[:, range(8), range(8)] += noise
        return mean, covariance
