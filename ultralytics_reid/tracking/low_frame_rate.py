"""BoT-SORT at low frame rates: appearance and motion join a detection to a track that it doesn't overlap.

The host matches and confirms tracks by overlap alone. Below `LOW_FPS` a walker is past its own box by the next frame: no
track would go on, none be confirmed, and memory asked about none. Above it, all hooks here are the host's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.bot_sort import BOTSORT

from .._typing import Doubles, Floats
from ..appearance.crop_score import CropScoreModel
from ..association.assignment import hungarian
from ..association.low_frame_rate import fused_log_odds, motion_log_odds, reachable_boxes
from ..tuning import HOST_STEPS_PER_S, LOW_FPS, LOW_FPS_SPEED
from .kalman import FrameIntervalKalmanFilter
from .track import ReIDTrack


class LowFrameRateBOTSORT(BOTSORT):
    """The host's hooks that differ at low frame rates."""

    kalman_filter: FrameIntervalKalmanFilter

    @property
    @abstractmethod
    def fps(self) -> float:
        """Frames a second."""

    @property
    @abstractmethod
    def crop_scores(self) -> CropScoreModel | None:
        """What crops' similarities are worth; None where appearance is not to be fused."""

    @property
    @abstractmethod
    def image_area(self) -> float | None:
        """Square pixels of the frame; None where its shape is unknown."""

    @property
    def low_frame_rate(self) -> bool:
        """Whether overlap doesn't suffice to go on with a track."""
        return self.crop_scores is not None and self.image_area is not None and self.fps < LOW_FPS

    def get_kalmanfilter(self) -> FrameIntervalKalmanFilter:
        """Host hook: the filter of new tracks."""
        return FrameIntervalKalmanFilter()

    def multi_predict(self, tracks: Sequence[ReIDTrack]) -> None:
        """Host hook: the Kalman prediction of tracks for this frame."""
        if not self.low_frame_rate:
            self.kalman_filter.steps = 1.0
            super().multi_predict(tracks)
            return
        self.kalman_filter.steps = HOST_STEPS_PER_S / self.fps
        if tracks:
            means, covariances = self.kalman_filter.multi_predict(
                np.array([self._before(t) for t in tracks]), np.array([t.covariance for t in tracks])
            )
            for track, mean, covariance in zip(tracks, means, covariances, strict=True):
                track.mean, track.covariance = mean, covariance

    def _before(self, track: ReIDTrack) -> Doubles:
        """The state that the prediction starts from: of a lost track, size stays and velocity decays: people stop."""
        mean: Doubles = track.mean.copy()
        if track.state != TrackState.Tracked:
            mean[4:6] *= np.exp(-1 / self.fps)
            mean[6:8] = 0
        return mean

    def _post_first_association(
        self,
        strack_pool: Any,
        detections: Any,
        u_track: Any,
        u_detection: Any,
        activated: Any,
        refind: Any,
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Host hook: what overlap left over is matched by appearance and motion."""
        if not self.low_frame_rate:
            return super()._post_first_association(strack_pool, detections, u_track, u_detection, activated, refind)
        rows, columns = list(u_track), list(u_detection)
        pairs = self._match_apart([strack_pool[n] for n in rows], [detections[n] for n in columns])
        self._apply_matches([(rows[t], columns[d]) for t, d in pairs], strack_pool, detections, activated, refind)
        return _without(rows, (t for t, _ in pairs)), _without(columns, (d for _, d in pairs))

    def _unconfirmed_association(
        self, unconfirmed: Any, u_detection: Any, detections: Any, activated: Any, removed: Any
    ) -> tuple[Sequence[int], list[ReIDTrack]]:
        """Host hook: unconfirmed tracks are confirmed by appearance and motion."""
        if not self.low_frame_rate:
            return super()._unconfirmed_association(unconfirmed, u_detection, detections, activated, removed)
        left = [detections[n] for n in u_detection]
        self.multi_predict(unconfirmed)
        pairs = self._match_apart(unconfirmed, left)
        self._apply_matches(pairs, unconfirmed, left, activated, [])
        for n in _without(range(len(unconfirmed)), (t for t, _ in pairs)):
            unconfirmed[n].mark_removed()
            removed.append(unconfirmed[n])
        return _without(range(len(left)), (d for _, d in pairs)), left

    def _match_apart(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> list[tuple[int, int]]:
        """Match tracks and detections that need not overlap: appearance x Kalman motion, gating, Hungarian."""
        area = self.image_area
        if not tracks or not detections or area is None:
            return []
        predicted = np.array([t.mean[:4] for t in tracks])
        std = np.array([max(t.covariance[0, 0], t.covariance[1, 1]) for t in tracks]) ** 0.5
        boxes = np.array([d.convert_coords(d.tlwh) for d in detections], np.float64)
        seconds = np.array([(self.frame_id - t.frame_id) / self.fps for t in tracks])
        gate = reachable_boxes(predicted, boxes, seconds, LOW_FPS_SPEED)
        gate &= np.array([t.cls for t in tracks])[:, None] == np.array([d.cls for d in detections])
        motion = motion_log_odds(predicted[:, :2], std, boxes[:, :2], area)
        return hungarian(fused_log_odds(self._appearance_llr(tracks, detections), motion), gate)

    def _appearance_llr(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> Floats:
        """Log-likelihood ratio of appearance, `(T, N)` nats; 0 where there is nothing to compare."""
        llr = np.zeros((len(tracks), len(detections)), np.float32)
        past = [None if t.tracklet is None else t.tracklet.appearance for t in tracks]
        rows = [n for n, appearance in enumerate(past) if appearance is not None]
        columns = [n for n, d in enumerate(detections) if d.embedding is not None]
        if rows and columns and self.crop_scores is not None:
            appearances = np.array([past[n] for n in rows], np.float32)
            crops = np.array([detections[n].embedding for n in columns], np.float32)
            llr[np.ix_(rows, columns)] = self.crop_scores.llr(appearances, crops)
        return llr


def _without(places: Any, taken: Any) -> list[int]:
    """Places that aren't taken; `taken` counts within `places`."""
    gone = set(taken)
    return [place for n, place in enumerate(places) if n not in gone]
