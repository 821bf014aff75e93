"""What tracklets teach: prototypes to the memory, scatter to the metric, when they are old enough to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._typing import Floats
from ..appearance.metric import Metric
from ..appearance.tracklet import Probation, Tracklet
from ..memory.bank import MemoryBank
from ..tuning import MANY_CROPS, MIN_CLEAN_CROPS, STRETCH_CROPS, STRETCH_SECONDS, UPDATE_LAG


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
        if tracklet.count > MANY_CROPS and tracklet.waits_since >= now - UPDATE_LAG - STRETCH_SECONDS:
            return
        crops = (
            tracklet.pop_mature(now - UPDATE_LAG, STRETCH_CROPS, MIN_CLEAN_CROPS)
            if known
            else tracklet.pop_mature(now, STRETCH_CROPS, 0)
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
