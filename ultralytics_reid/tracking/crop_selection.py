"""Which detections are worth an encoder's time, decided before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Floats
from ..tuning import APART_IOU, CROPS_TO_KNOW, FITTING_IOU
from .track import ReIDTrack


@dataclass
class CropSelector:
    """Picks the detections whose crops are embedded.

    Those are the ones that no track or more than one may claim, those of undecided tracks, and, now and then, the
    unambiguous ones: memory keeps up with their appearance, and notices tracks that changed to another individual.

    Attributes:
        interval: Seconds between two crops of an unambiguous track; 0 embeds every detection.
        recognizes: Whether identities are decided at all; if not, no track counts as undecided.
        embedded: Crops that were picked so far.
        seen: Detections that were looked at so far.
    """

    interval: float
    recognizes: bool = True
    embedded: int = 0
    seen: int = 0

    def pick(
        self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack], distance: Floats, now: float
    ) -> list[int]:
        """Pick detections.

        Args:
            tracks: `T` of them, with their boxes where they are expected.
            detections: `N` of them.
            distance: `(T, N)`, 1 - IoU.
            now: The time, seconds.

        Returns:
            Places of those that are to be embedded.
        """
        picked = list(range(len(detections)))
        if self.interval and distance.size:
            clear, owners = unambiguous(distance), distance.argmin(axis=0)
            picked = [n for n in picked if not clear[n] or self._due(tracks[owners[n]], detections[n], now)]
        self.note(len(detections), len(picked))
        return picked

    def note(self, seen: int, embedded: int) -> None:
        """Count detections that were looked at, and how many of them were picked."""
        self.seen += seen
        self.embedded += embedded

    def _due(self, track: ReIDTrack, detection: ReIDTrack, now: float) -> bool:
        decision = track.decision
        if decision is None or (self.recognizes and not decision.settled):
            return True
        tracklet = decision.tracklet
        stale = now - tracklet.embedded_at >= self.interval
        return detection.clean and (stale or tracklet.blended < CROPS_TO_KNOW)


def unambiguous(distance: Floats) -> Bools:
    """Which detections fit one track, and that track no other detection.

    Args:
        distance: `(T, N)`, 1 - IoU; T and N above 0.

    Returns:
        `(N,)`.
    """
    owners, near = distance.argmin(axis=0), distance < 1 - APART_IOU
    alone = (near.sum(axis=0) == 1) & (near.sum(axis=1)[owners] == 1)
    return np.asarray(alone & (distance.min(axis=0) <= 1 - FITTING_IOU))
