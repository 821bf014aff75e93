"""Tracks and detections as arrays: what is computed of all of a frame at once, in the host's own arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.utils import matching as host_matching
from ultralytics.utils.metrics import bbox_ioa

from .._typing import Doubles, Floats
from ..association.last_seen import NUMBERS

if TYPE_CHECKING:
    from .track import ReIDTrack

# Of the Kalman state (x, y, w, h and their velocities): the center, the size, the center's velocity.
_CENTER, _SIZE, _VELOCITY = slice(0, 2), slice(2, 4), slice(4, 6)


def kalman_states(tracks: Sequence[ReIDTrack]) -> tuple[Doubles, Doubles]:
    """Stack the tracks' Kalman states: `(T, 8)` means and `(T, 8, 8)` covariances."""
    if not tracks:
        return np.zeros((0, 8)), np.zeros((0, 8, 8))
    return np.array([t.mean for t in tracks]), np.array([t.covariance for t in tracks])


def corners(means: Doubles) -> Doubles:
    """Boxes `(T, 4)` xyxy of Kalman means `(T, 8)`, pixels."""
    size = means[:, _SIZE]
    low = means[:, _CENTER] - size / 2
    return np.concatenate([low, size + low], axis=1)


def track_boxes(tracks: Sequence[ReIDTrack]) -> Doubles:
    """Boxes `(T, 4)` xyxy of tracks, pixels; their angle, if they have any, is left out."""
    return corners(np.array([t.mean for t in tracks]).reshape(-1, 8))


def measurements(detections: Sequence[ReIDTrack]) -> Floats:
    """What the Kalman filter is given of detections: `(N, 4)` float32 center and size, pixels."""
    rows = np.array([d.ltwh for d in detections], np.float32).reshape(-1, 4)
    rows[:, _CENTER] += rows[:, _SIZE] / 2
    return rows


def iou_cost(tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> Floats:
    """1 - IoU, `(T, N)` float32 in [0, 1], as the host's `iou_distance`; of oriented boxes it is the host's.

    Args:
        tracks: `T` of them, with their boxes where they are expected.
        detections: `N` of them, which aren't tracks yet.
    """
    if not tracks or not detections or detections[0].angle is not None:
        return np.asarray(host_matching.iou_distance(list(tracks), list(detections)), np.float32)
    found = np.array([d.ltwh for d in detections], np.float32)
    found[:, 2:] += found[:, :2]
    return np.asarray(1 - bbox_ioa(track_boxes(tracks).astype(np.float32), found, iou=True), np.float32)


def sightings_of(tracks: Sequence[ReIDTrack], now: float, fps: float) -> Doubles:
    """Rows of `SIGHTING` as numbers, `(T, 8)`: where and how tracks are in a frame. They can't be written to.

    Args:
        tracks: `T` of them, with a Kalman state.
        now: The frame's time, seconds.
        fps: Frames a second, to which the Kalman state's velocity refers.
    """
    means = np.array([t.mean for t in tracks]).reshape(-1, 8)
    variance = np.array([t.covariance.diagonal() for t in tracks]).reshape(-1, 8)
    rows = np.empty((len(tracks), NUMBERS))
    rows[:, 0] = now
    rows[:, 1] = [int(t.cls) for t in tracks]
    rows[:, 2:4], rows[:, 4:6] = means[:, _CENTER], means[:, _VELOCITY] * fps
    rows[:, 6] = np.sqrt(variance[:, _CENTER].max(axis=1, initial=0))
    rows[:, 7] = means[:, 3]
    rows.flags.writeable = False
    return rows


def output_rows(tracks: Sequence[ReIDTrack]) -> npt.NDArray[np.float32]:
    """The host's output of tracks without an angle, `(T, 8)`: xyxy, id, score, class, detection; `(0,)` for none."""
    if not tracks:
        return np.zeros(0, np.float32)
    rest = [(t.track_id, t.score, t.cls, t.idx) for t in tracks]
    return np.concatenate([track_boxes(tracks), np.array(rest, np.float64)], axis=1).astype(np.float32)
