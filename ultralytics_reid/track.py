"""BoT-SORT's track, with the evidence of who it shows."""

from __future__ import annotations

from ultralytics.trackers.bot_sort import BOTrack

from .tracklet import Tracklet


class ReIDTrack(BOTrack):
    """A host track that carries a tracklet.

    Attributes:
        clean: Whether the crop of its last detection is fit to teach.
        tracklet: Its evidence; None until it is first tracked.
    """

    clean: bool = False
    resumed: bool = False
    tracklet: Tracklet | None = None

    def re_activate(self, new_track: ReIDTrack, frame_id: int, new_id: bool = False) -> None:
        super().re_activate(new_track, frame_id, new_id)
        self.resumed = True
        self._take_crop(new_track)

    def update(self, new_track: ReIDTrack, frame_id: int) -> None:
        super().update(new_track, frame_id)
        self._take_crop(new_track)

    def _take_crop(self, detection: ReIDTrack) -> None:
        self.clean = detection.clean
        self.crop = detection.curr_feat
