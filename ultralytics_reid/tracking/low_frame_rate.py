"""BoT-SORT at low frame rates: appearance and motion join a detection to a track that it doesn't overlap.

The host goes on with tracks, and confirms them, by overlap alone. Below `LOW_FPS` a walker may be past its own box by
the next frame: no track would be confirmed, and memory is asked about confirmed tracks only. At `LOW_FPS` and above,
all hooks here are the host's.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.bot_sort import BOTSORT

from .._typing import Bools, Floats
from ..association.assignment import hungarian
from ..association.low_frame_rate import apart_log_odds, reachable_boxes
from ..config import Config
from ..revival.recognizer import Recognizer
from ..tuning import HOST_FPS, LOW_FPS
from .clock import Clock
from .frame import Frame
from .kalman import FrameIntervalKalmanFilter
from .track import ReIDTrack
from .track_arrays import kalman_states


class LowFrameRateBOTSORT(BOTSORT):
    """The host's hooks that do something else at low frame rates; the attributes are `ReIDBOTSORT`'s."""

    config: Config
    clock: Clock
    recognizer: Recognizer
    kalman_filter: FrameIntervalKalmanFilter
    _frame: Frame | None

    @property
    def _low_frame_rate(self) -> bool:
        """Whether overlap isn't enough; no part of a tracker whose association is to be stock BoT-SORT's."""
        return self.config.fuses and self.clock.fps < LOW_FPS

    def get_kalmanfilter(self) -> FrameIntervalKalmanFilter:
        """Host hook: the filter of all tracks."""
        return FrameIntervalKalmanFilter()

    def multi_predict(self, tracks: Sequence[ReIDTrack]) -> None:
        """Host hook: predict where tracks are in this frame."""
        self.kalman_filter.steps = HOST_FPS / self.clock.fps if self._low_frame_rate else 1.0
        if not self.config.fuses:
            super().multi_predict(tracks)
            return
        means, covariances = kalman_states(tracks)
        lost = np.array([t.state != TrackState.Tracked for t in tracks], bool)
        means[lost, 6:8] = 0  # a lost track keeps its size, as the host has it
        if self._low_frame_rate:
            means[lost, 4:6] *= np.exp(-1 / self.clock.fps)  # and its velocity decays, since people stop
        means, covariances = self.kalman_filter.multi_predict(means, covariances)
        for track, mean, covariance in zip(tracks, means, covariances, strict=True):
            track.mean, track.covariance = mean, covariance

    def _post_first_association(  # noqa: PLR0917 (the host's)
        self, strack_pool: Any, detections: Any, u_track: Any, u_detection: Any, activated: Any, refind: Any
    ) -> Any:
        """Host hook: tracked and lost tracks take detections that they don't overlap."""
        if not self._low_frame_rate:
            return super()._post_first_association(strack_pool, detections, u_track, u_detection, activated, refind)
        tracks, left = [strack_pool[n] for n in u_track], [detections[n] for n in u_detection]
        pairs = self._match_apart(tracks, left)
        self._apply_matches(pairs, tracks, left, activated, refind)
        rows, columns = {t for t, _ in pairs}, {d for _, d in pairs}
        return _rest(u_track, rows), _rest(u_detection, columns)

    def _unconfirmed_association(
        self, unconfirmed: Any, u_detection: Any, detections: Any, activated: Any, removed: Any
    ) -> Any:
        """Host hook: tracks of one detection are confirmed by another that they needn't overlap, or end."""
        if not self._low_frame_rate:
            return super()._unconfirmed_association(unconfirmed, u_detection, detections, activated, removed)
        self.multi_predict(unconfirmed)  # which the host doesn't, so that their velocity isn't learned
        left = [detections[n] for n in u_detection]
        pairs = self._match_apart(unconfirmed, left)
        self._apply_matches(pairs, unconfirmed, left, activated, [])
        for n in _rest(range(len(unconfirmed)), {t for t, _ in pairs}):
            unconfirmed[n].mark_removed()
            removed.append(unconfirmed[n])
        return _rest(range(len(left)), {d for _, d in pairs}), left

    def _match_apart(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> list[tuple[int, int]]:
        """Match tracks and detections by appearance x Kalman motion: speed and class gate, Hungarian."""
        area = None if self._frame is None else self._frame.area
        if not tracks or not detections or not area:
            return []
        predicted = np.array([t.mean[:4] for t in tracks])
        std = np.sqrt([max(t.covariance[0, 0], t.covariance[1, 1]) for t in tracks])
        boxes = np.array([d.convert_coords(d.tlwh) for d in detections], np.float64)
        gap = np.array([self.frame_id - t.frame_id for t in tracks]) / self.clock.fps
        gate = reachable_boxes(predicted, boxes, gap) & self._class_gate(tracks, detections)
        return hungarian(apart_log_odds(self._appearance_llr(tracks, detections), predicted, std, boxes, area), gate)

    def _class_gate(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> Bools:
        same = np.array([t.cls for t in tracks])[:, None] == np.array([d.cls for d in detections])
        return np.asarray(same | (not self.config.match_class))

    def _appearance_llr(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> Floats:
        """Log-likelihood ratio of appearance, `(T, N)` nats; 0 where there is nothing to compare."""
        llr = np.zeros((len(tracks), len(detections)), np.float32)
        seen = [(n, t.tracklet.appearance) for n, t in enumerate(tracks) if t.tracklet is not None]
        past = [(n, appearance) for n, appearance in seen if appearance is not None]
        crops = [(n, d.embedding) for n, d in enumerate(detections) if d.embedding is not None]
        if past and crops:
            (rows, appearances), (columns, embeddings) = zip(*past, strict=True), zip(*crops, strict=True)
            scores = self.recognizer.crop_scores.llr(np.array(appearances), np.array(embeddings))
            llr[np.ix_(rows, columns)] = scores
        return llr


def _rest(places: Any, taken: Container[int]) -> list[int]:
    """Those of some places whose turn, counted from 0, isn't taken."""
    return [int(place) for n, place in enumerate(places) if n not in taken]
