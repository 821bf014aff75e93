"""What tracklets teach: prototypes to the memory, scatter to the metric, when they are old enough to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._typing import Floats
from ..appearance.metric import Metric
from ..appearance.tracklet import Probation, Tracklet
from ..memory.bank import MemoryBank

# Seconds between two looks at how alike tracklets and identities are, and how far back the crops go that are looked at.
CHECK_EVERY = 0.5
CHECK_SPAN = 1.0
# Clean crops without which nobody is called a newcomer or a stranger to their own identity.
MIN_CLEAN_CROPS = 5
# Checks in a row that must agree before an identity is doubted or given up.
CONTRADICTIONS_TO_REVERT = 2
# Seconds that crops wait before they are taught, long enough to doubt them: what goes wrong never gets there.
_LAG = CHECK_SPAN + CONTRADICTIONS_TO_REVERT * CHECK_EVERY
# Clean crops that are averaged into one prototype, at least. Of whom there are many, they span some seconds too.
_STRETCH = 5
_STRETCH_SECONDS = 1.0
_MANY = 128


class MemoryUpdater:
    """Hands on what tracklets show.

    Args:
        bank: Learns prototypes.
        metric: Learns how crops of one individual differ.

    Attributes:
        listener: Is told of all that memory is taught; None for nobody.
    """

    def __init__(self, bank: MemoryBank, metric: Metric) -> None:
        self._bank = bank
        self._metric = metric
        self._waiting: list[Tracklet] = []
        self.listener: Callable[[Tracklet, Floats, int], object] | None = None

    def teach(self, tracklet: Tracklet, now: float) -> None:
        """Teach a settled tracklet's crops that are old enough; those of who is on probation wait for its end."""
        known = self._bank.knows(tracklet.identity)
        if tracklet.count > _MANY and tracklet.waits_since >= now - _LAG - _STRETCH_SECONDS:
            return
        crops = (
            tracklet.pop_mature(now - _LAG, _STRETCH, MIN_CLEAN_CROPS)
            if known
            else tracklet.pop_mature(now, _STRETCH, 0)
        )
        mean = tracklet.mean
        if not crops or mean is None:
            return
        tracklet.prototype_updates.append((np.asarray(np.mean(crops, axis=0), np.float32), len(crops)))
        if not tracklet.unsure:
            self._metric.observe(np.asarray(crops, np.float32) - mean)
        if tracklet.probation is None:
            self._learn(tracklet)

    def put_off(self, tracklet: Tracklet, probation: Probation) -> None:
        """Put a tracklet on probation."""
        tracklet.probation = probation
        self._waiting.append(tracklet)

    def end_probations(self, settled: Sequence[Tracklet], now: float) -> None:
        """What was learned on probation counts once it is over, or nobody is there any more to go on with it.

        Args:
            settled: The settled tracklets that have a box in this frame.
            now: The time, seconds.
        """
        there = {id(t) for t in settled}
        for tracklet in self._waiting:
            probation = tracklet.probation
            if probation is not None and (now >= probation.until or id(tracklet) not in there):
                tracklet.probation = None
                self._learn(tracklet)
        self._waiting = [t for t in self._waiting if t.probation is not None]

    def tell_rest(self) -> None:
        """Tell the listener what tracklets on probation have shown: nothing more will come of them."""
        for tracklet in self._waiting:
            for vector, weight in tracklet.prototype_updates:
                if self.listener is not None and not tracklet.forced and vector.any():
                    self.listener(tracklet, vector, weight)

    def _learn(self, tracklet: Tracklet) -> None:
        lessons, tracklet.prototype_updates = tracklet.prototype_updates, []
        if tracklet.forced:
            return  # it most likely shows somebody else
        for vector, weight in lessons:
            if tracklet.identity in self._bank and vector.any():
                self._bank.learn(tracklet.identity, vector, weight)
                if self.listener is not None:
                    self.listener(tracklet, vector, weight)
