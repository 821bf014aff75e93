"""BoT-SORT's track, with the crop it saw last and the tracklet it is in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.bot_sort import BOTrack

from .._typing import Floats
from ..appearance.tracklet import Tracklet


class ReIDTrack(BOTrack):
    """A host track that remembers its last detection's crop as it was; the host only keeps running means.

    Attributes:
        clean: Whether the crop of its last detection is fit to teach.
        resumed: Whether its last detection ended a time of being lost.
        tracklet: The evidence of who it shows; None until the end of its first frame.
    """

    clean: bool = False
    resumed: bool = False
    _lean: bool = False
    tracklet: Tracklet | None = None
    _matched: ReIDTrack | None = None

    @classmethod
    def lean(cls, box: npt.NDArray[np.float32], score: float, kind: int) -> ReIDTrack:
        """A detection that, other than the host's, keeps no running mean of all crops, which nobody asks for."""
        track = cls(box, score, kind)
        track._lean = True
        return track

    def show(self, crop: Floats) -> None:
        """Take the embedding of a detection's crop, `(D,)` of unit norm; zeros say nothing."""
        if crop.any():
            self.curr_feat = crop

    @property
    def appearance(self) -> Floats | None:
        """`(D,)` running mean of its clean crops; None before it is confirmed: a single crop is often a poor one."""
        return self.tracklet.appearance if self.tracklet is not None and self.is_activated else None

    @property
    def embedding(self) -> Floats | None:
        """`(D,)` unit embedding of its last detection, None if that had none."""
        feat: Floats | None = (self._matched or self).curr_feat
        return feat

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

    def mark_removed(self) -> None:
        """See the host's, which keeps removed tracks for long: their crops go."""
        super().mark_removed()
        self._matched = None
        if self.tracklet is not None:
            self.tracklet.drop_crops()

    def _match(self, detection: ReIDTrack) -> None:
        self._matched, self.clean = detection, detection.clean
