"""What tracklets add to memory: prototypes to the bank and scatter to the metric, once they are old enough to trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._typing import Floats
from ..appearance.metric import Metric
from ..memory.bank import MemoryBank
from ..tuning import MANY_CROPS, MIN_CLEAN_CROPS, STRETCH_CROPS, STRETCH_SECONDS, UPDATE_LAG
from .decision import Decision, State

# Takes each prototype update: the decision, `(D,)` the raw mean of crops, and how many crops.
UpdateListener = Callable[[Decision, Floats, int], object]


class MemoryUpdater:
    """Updates memory from decided tracklets; what is shown on probation waits until the probation ends.

    Args:
        bank: Takes prototypes.
        metric: Takes the within-tracklet scatter.

    Attributes:
        listener: Called with every prototype update; None for no listener.
        earlier: `(K, D)` raw mean embeddings of the individuals of earlier runs; None without any.
    """

    def __init__(self, bank: MemoryBank, metric: Metric) -> None:
        self._bank = bank
        self._metric = metric
        self._on_probation: list[Decision] = []
        self.listener: UpdateListener | None = None
        self.earlier: Floats | None = None

    def individuals(self) -> Floats:
        """Return `(K, D)` raw mean embeddings of all known individuals; those of earlier runs come first."""
        means = self._bank.means()
        if self.earlier is None or not len(self.earlier):
            return means
        return np.concatenate([self.earlier, means]) if len(means) else self.earlier

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no listener: it would tell the gallery the same once more."""
        return vars(self) | {"listener": None}

    def update_all(self, settled: Sequence[Decision], now: float, limit: int) -> None:
        """Update memory from the tracklets whose crops are old enough; those beyond the limit come in the next frame.

        Args:
            settled: Decisions of the tracklets that have a box in this frame.
            now: The time, seconds.
            limit: Tracklets at most; those that wait longest come first.
        """
        ready = [d for d in settled if self._is_ready(d, now)]
        if len(ready) > limit:
            ready = sorted(ready, key=lambda d: d.tracklet.waits_since)[:limit]
        for decision in ready:
            self._update(decision, now)

    def _is_ready(self, decision: Decision, now: float) -> bool:
        tracklet = decision.tracklet
        if tracklet.waiting < STRETCH_CROPS:
            return False
        if tracklet.count > MANY_CROPS and tracklet.waits_since >= now - UPDATE_LAG - STRETCH_SECONDS:
            return False
        return tracklet.has_mature(*self._maturity(decision, now))

    def _maturity(self, decision: Decision, now: float) -> tuple[float, int, int]:
        """What `Tracklet.pop_mature` is given: until it is known at all, an identity's crops needn't wait."""
        known = self._bank.knows(decision.identity)
        return (now - UPDATE_LAG, STRETCH_CROPS, MIN_CLEAN_CROPS) if known else (now, STRETCH_CROPS, 0)

    def _update(self, decision: Decision, now: float) -> None:
        """Average a settled tracklet's mature crops into a prototype; on probation it is held back."""
        tracklet = decision.tracklet
        crops = tracklet.pop_mature(*self._maturity(decision, now))
        mean = tracklet.mean
        if not crops or mean is None:
            return
        tracklet.prototype_updates.append((np.asarray(np.mean(crops, axis=0), np.float32), len(crops)))
        if not decision.unsure:
            self._metric.observe(np.asarray(crops, np.float32) - mean)
        if decision.state is State.SETTLED:
            self._learn(decision)

    def hold_back(self, decision: Decision) -> None:
        """Hold back what a tracklet shows, as it is on probation from now on."""
        self._on_probation.append(decision)

    def end_probations(self, settled: Sequence[Decision], now: float) -> None:
        """Settle tracklets whose probation is over or that have no box any more, and learn what was held back.

        Args:
            settled: Decisions of the tracklets that have a box in this frame.
            now: The time, seconds.
        """
        present = {id(d) for d in settled}
        for decision in self._on_probation:
            probation = decision.probation
            if probation is not None and (now >= probation.until or id(decision) not in present):
                decision.transition(State.SETTLED, decision.identity)
                self._learn(decision)
        self._on_probation = [d for d in self._on_probation if d.probation is not None]

    def flush(self) -> None:
        """Hand the listener what is held back: the video is over."""
        for decision in self._on_probation:
            for vector, weight in decision.tracklet.prototype_updates:
                if self.listener is not None and not decision.forced and vector.any():
                    self.listener(decision, vector, weight)

    def _learn(self, decision: Decision) -> None:
        updates, decision.tracklet.prototype_updates = decision.tracklet.prototype_updates, []
        if decision.forced:
            return  # it most likely shows another individual
        for vector, weight in updates:
            if decision.identity in self._bank and vector.any():
                self._bank.learn(decision.identity, vector, weight)
                if self.listener is not None:
                    self.listener(decision, vector, weight)
