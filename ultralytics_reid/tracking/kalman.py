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
        """See the host's: `(N, 8)` means and `(N, 8, 8)` covariances a frame later.

        The motion matrix is the identity and a shift by the velocity, so that its products are sums of blocks.
        """
        mean, covariance = np.array(mean, np.float64), np.array(covariance, np.float64)
        size = mean[:, 2:4]
        noise = np.concatenate([self._std_weight_position * size] * 2 + [self._std_weight_velocity * size] * 2, axis=1)
        noise = np.square(noise)
        if self.steps > 1:
            noise[:, _POSITION] *= self.steps
            noise[:, _VELOCITY] *= self.steps**3
        mean[:, _POSITION] += mean[:, _VELOCITY]
        covariance[:, _POSITION] += covariance[:, _VELOCITY]
        covariance[:, :, _POSITION] += covariance[:, :, _VELOCITY]
        covariance[:, range(8), range(8)] += noise
        return mean, covariance

    def multi_update(self, mean: Doubles, covariance: Doubles, measurement: Any) -> tuple[Doubles, Doubles]:
        """Correct all states at once: the host's `update`, batched.

        Args:
            mean: `(N, 8)` predicted means.
            covariance: `(N, 8, 8)` their covariances.
            measurement: `(N, 4)` centers and sizes of the boxes, pixels.

        Returns:
            The corrected means and covariances, of the same shapes.
        """
        projected = covariance[:, _POSITION, _POSITION].copy()
        projected[:, range(4), range(4)] += np.square(self._std_weight_position * mean[:, [2, 3, 2, 3]])
        gain = np.linalg.solve(projected, covariance[:, :, _POSITION].transpose(0, 2, 1))  # transposed: (N, 4, 8)
        innovation = np.asarray(measurement, np.float64) - mean[:, _POSITION]
        mean = mean + (innovation[:, None] @ gain)[:, 0]
        return mean, covariance - gain.transpose(0, 2, 1) @ projected @ gain
