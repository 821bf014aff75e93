"""BoT-SORT's track, with its last crop's embedding and the decision on which identity it shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.bot_sort import BOTrack

from .._typing import Doubles, Floats
from ..appearance.embedding import unit
from ..appearance.tracklet import Tracklet
from ..association.last_seen import LastSeen
from ..revival.decision import Decision

# Columns of an upright box: center, size and number.
UPRIGHT = 5


class ReIDTrack(BOTrack):
    """A host track that keeps its last detection's embedding as it was; the host only keeps running means.

    Attributes:
        clean: Whether the crop of its last detection may update memory.
        resumed: Whether its last detection re-activated it after so long that another tracklet begins.
        decision: Which identity it shows; None until the end of its first frame.
    """

    # The host sets them; said for the type checker.
    state: int
    frame_id: int
    tracklet_len: int
    score: float
    cls: float
    idx: int

    clean: bool = False
    resumed: bool = False
    decision: Decision | None = None
    _lean: bool = False
    _matched: ReIDTrack | None = None

    @classmethod
    def lean(cls, box: npt.NDArray[np.float32], score: float, kind: int) -> ReIDTrack:
        """Make a detection that, unlike the host's, keeps no running mean of all crops, which nothing reads."""
        track = cls(box, score, kind)
        track._lean = True
        return track

    @classmethod
    def lean_batch(cls, boxes: Doubles, scores: Floats, kinds: Floats) -> list[ReIDTrack]:
        """Make detections as `lean` does, all at once.

        Args:
            boxes: `(N, 5)` center, size and number; boxes with an angle, `(N, 6)`, are made one by one.
            scores: `(N,)` in [0, 1].
            kinds: `(N,)` classes.
        """
        if boxes.shape[1] != UPRIGHT or not len(boxes):
            return [cls.lean(*box) for box in zip(boxes, scores, kinds, strict=True)]
        alike = vars(cls.lean(boxes[0], scores[0], kinds[0]))  # whatever else the host's tracks have
        ltwh = boxes[:, :4].copy()
        ltwh[:, :2] -= ltwh[:, 2:] / 2
        made = []
        for row, score, kind, idx in zip(ltwh.astype(np.float32), scores, kinds, boxes[:, 4], strict=True):
            track = cls.__new__(cls)
            track.__dict__ |= alike
            track._tlwh, track.score, track.cls, track.idx = row, score, kind, idx
            made.append(track)
        return made

    @property
    def ltwh(self) -> Floats:
        """`(4,)` float32 left, top, width and height of the box that it was made of, pixels."""
        box: Floats = self._tlwh
        return box

    @property
    def xyxy(self) -> npt.NDArray[np.floating]:
        """See the host's: the box as the Kalman filter has it; a detection's own. In the host's arithmetic, faster."""
        if self.mean is None:
            left, top, width, height = self.ltwh.tolist()
            return np.array([left, top, width + left, height + top], np.float32)
        x, y, width, height = self.mean[:4].tolist()
        left, top = x - width / 2, y - height / 2
        return np.array([left, top, width + left, height + top])

    def set_embedding(self, embedding: Floats) -> None:
        """Set the embedding of a detection, `(D,)` of unit norm; zeros say nothing."""
        if embedding.any():
            self.curr_feat = embedding

    @property
    def tracklet(self) -> Tracklet | None:
        """Its evidence; None until the end of its first frame."""
        return None if self.decision is None else self.decision.tracklet

    @property
    def appearance(self) -> Floats | None:
        """`(D,)` running mean of its clean crops; None before it is confirmed: a single crop is often a poor one."""
        return self.tracklet.appearance if self.tracklet is not None and self.is_activated else None

    @property
    def smooth_feat(self) -> Floats | None:
        """`(D,)` unit embedding of its clean crops, as the host's: a running mean; None before the first crop."""
        tracklet = self.tracklet
        if not self._lean or tracklet is None or tracklet.appearance is None:
            return self._smooth
        return unit(tracklet.appearance)

    @smooth_feat.setter
    def smooth_feat(self, value: Floats | None) -> None:
        self._smooth = value

    @property
    def embedding(self) -> Floats | None:
        """`(D,)` unit embedding of its last detection; None without one."""
        feat: Floats | None = (self._matched or self).curr_feat
        return feat

    def observe(self, last: LastSeen, now: float, *, class_votes: bool) -> Decision:
        """Bring its tracklet up to this frame; a re-activated track begins another.

        Args:
            last: Where and how it is in this frame.
            now: The frame's time, seconds.
            class_votes: Whether its class is the most frequent one.
        """
        if self.decision is None:
            self.decision = Decision(Tracklet(now, last, last), self.track_id)
        elif self.resumed:
            self.decision = self.decision.resumed(now, last)
        tracklet = self.decision.tracklet
        tracklet.see(last, votes=class_votes)
        tracklet.embedding, tracklet.clean = self.embedding, self.clean
        return self.decision

    def rescale(self, x: float, y: float) -> None:
        """Go on in an image that is `x` times as wide and `y` times as high."""
        factors = np.array([x, y] * 4)  # of the Kalman state: center, size, and the velocities of both
        np.multiply(self.mean, factors, out=self.mean)
        np.multiply(self.covariance, np.outer(factors, factors), out=self.covariance)
        if self.decision is not None:
            self.decision.rescale(x, y)

    def update_features(self, feat: Floats) -> None:
        """See the host's: a crop of this track."""
        if self._lean:
            self.curr_feat = feat
        else:
            super().update_features(feat)

    def re_activate(self, new_track: ReIDTrack, frame_id: int, new_id: bool = False) -> None:
        """See the host's: a lost track is found again."""
        super().re_activate(new_track, frame_id, new_id)
        self._match(new_track)
        self.resumed = True

    def update(self, new_track: ReIDTrack, frame_id: int) -> None:
        """See the host's: a tracked track goes on."""
        super().update(new_track, frame_id)
        self._match(new_track)
        self.resumed = False

    def go_on(self, detection: ReIDTrack, mean: Doubles, covariance: Doubles, frame_id: int, missed: int) -> None:
        """Take a detection whose Kalman update is known: what `update`, or `re_activate` of a lost track, does.

        Args:
            detection: The track's next box.
            mean: `(8,)` of the updated state.
            covariance: `(8, 8)` of the updated state.
            frame_id: The frame's number.
            missed: Frames in a row that the detector may have missed it in without ending its tracklet.
        """
        lost = self.state != TrackState.Tracked
        self.resumed = lost and frame_id - self.frame_id > missed + 1
        self.tracklet_len = 0 if lost else self.tracklet_len + 1
        self.mean, self.covariance = mean, covariance
        self.state, self.is_activated, self.frame_id = TrackState.Tracked, True, frame_id
        self.score, self.cls, self.idx = detection.score, detection.cls, detection.idx
        if detection.curr_feat is not None:
            self.curr_feat = detection.curr_feat
        self._matched, self.clean = detection, detection.clean

    def mark_removed(self) -> None:
        """See the host's, which keeps removed tracks for long: their crops go."""
        super().mark_removed()
        self._matched = None
        if self._lean:
            self.__dict__["curr_feat"] = None  # a row of its frame's embeddings, which would all stay with it
        if self.tracklet is not None:
            self.tracklet.drop_crops()

    def drop_evidence(self) -> None:
        """Let go of embeddings and decision; number and place stay."""
        self._matched = self._smooth = self.decision = None
        self.__dict__["curr_feat"] = None  # which the host takes for an array from its first crop on

    def _match(self, detection: ReIDTrack) -> None:
        self._matched, self.clean = detection, detection.clean
