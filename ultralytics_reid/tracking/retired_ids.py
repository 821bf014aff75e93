"""Which ids are gone for good: Ultralytics' solutions drop what they keep of a track that is told to them as removed.

A track ends a second after its last box; its identity is remembered for minutes, and may come back under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from ..memory.bank import MemoryBank
from .track import ReIDTrack

# Seconds of the tracker's clock between two looks at what memory has forgotten.
_INTERVAL = 1.0


class RetiredIds:
    """Hold back removed tracks until memory has forgotten their identities."""

    def __init__(self) -> None:
        self._held: dict[int, ReIDTrack] = {}
        self._next = 0.0

    def hold(self, track: ReIDTrack) -> None:
        """Hold back a track that is removed, or whose id is about to change."""
        if track.track_id > 0:
            self._held[track.track_id] = _light(track)

    def release(self, now: float, bank: MemoryBank, tracks: Iterable[ReIDTrack]) -> list[ReIDTrack]:
        """Take out those whose ids no track has and memory doesn't hold any more.

        Args:
            now: Seconds of the tracker's clock.
            bank: The memory.
            tracks: All tracks, lost ones too.
        """
        if now < self._next or not self._held:
            return []
        self._next = now + _INTERVAL
        shown = {t.track_id for t in tracks}
        gone = [i for i in self._held if i not in bank and i not in shown]
        return [self._held.pop(i) for i in gone]


def _light(track: ReIDTrack) -> ReIDTrack:
    """A copy without embeddings and evidence, of which there may be thousands."""
    light = copy(track)
    light.drop_evidence()
    return light
