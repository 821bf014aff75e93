"""TAR at FAR over more pairs than fit in memory, with bootstrap intervals by identity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .._typing import Doubles, Floats, Ints, as_doubles
from .estimate import Estimate, ratio

# Of the impostors' highest scores, so many times what the rate asks for are kept: draws of identities move the bound.
_KEPT = 2
# Thresholds that the draws are counted at, between the lowest and the highest score that is kept.
_THRESHOLDS = 2048


@dataclass
class Verification:
    """Counts pairs, part by part, and keeps genuine scores and the highest of the impostors.

    Args:
        rate: FAR, in (0, 1].
        pairs: Number of pairs that may come, which bounds the memory.
        identities: Number of identities.
    """

    rate: float
    pairs: int
    identities: int
    _genuine: list[tuple[Floats, Ints]] = field(default_factory=list)
    _tail: list[tuple[Floats, Ints]] = field(default_factory=list)
    _impostors: Doubles = field(init=False)

    def __post_init__(self) -> None:
        self._impostors = np.zeros(self.identities)

    def add(self, genuine: tuple[Floats, Ints], impostors: tuple[Floats, Ints]) -> None:
        """Add scores `(M,)` with the query's identity `(M,)`, of pairs of one individual and of pairs of two."""
        self._genuine.append(genuine)
        self._impostors += np.bincount(impostors[1], minlength=self.identities)
        self._tail.append(impostors)
        if sum(len(scores) for scores, _ in self._tail) > 2 * self._capacity:
            self._tail = [self._highest()]

    @property
    def _capacity(self) -> int:
        return int(_KEPT * self.rate * self.pairs) + 2

    def _highest(self) -> tuple[Floats, Ints]:
        scores, identities = _joined(self._tail)
        if len(scores) <= self._capacity:
            return scores, identities
        kept = np.argpartition(scores, len(scores) - self._capacity)[-self._capacity :]
        return scores[kept], identities[kept]

    def tar(self, counts: Doubles) -> Estimate:
        """Share of genuine pairs above the threshold that `rate` of the impostors exceed.

        Args:
            counts: `(R, K)`, as `draw_identities` returns it.

        Returns:
            In [0, 1], `tar_at_far` of all pairs; NaN without genuine or impostor pairs.
        """
        genuine, owners = _joined(self._genuine)
        tail, strangers = self._highest() if self._tail else (np.zeros(0, np.float32), np.zeros(0, np.int64))
        total = int(self._impostors.sum())
        if not len(genuine) or not total:
            return Estimate(float("nan"), np.full(len(counts), np.nan))
        allowed = int(np.floor(self.rate * total + 1e-9))
        ranked = np.sort(tail)[::-1]
        bound = ranked[allowed] if allowed < len(ranked) else -np.inf
        value = float((genuine > bound).mean())
        return Estimate(value, self._drawn(counts, (genuine, owners), (tail, strangers)))

    def _drawn(self, counts: Doubles, genuine: tuple[Floats, Ints], tail: tuple[Floats, Ints]) -> Doubles:
        thresholds = np.linspace(tail[0].min(), tail[0].max(), _THRESHOLDS)
        accepted = counts @ _above(*genuine, thresholds, self.identities)
        alarms = counts @ _above(*tail, thresholds, self.identities)
        allowed = self.rate * (counts @ self._impostors)
        # The lowest threshold that no more impostors exceed than allowed.
        at = (alarms > allowed[:, None] + 1e-9).sum(axis=1).clip(max=_THRESHOLDS - 1)
        numbers = counts @ np.bincount(genuine[1], minlength=self.identities)
        return ratio(accepted[np.arange(len(counts)), at], as_doubles(numbers))


def _joined(parts: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    if not parts:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    return np.concatenate([scores for scores, _ in parts]), np.concatenate([who for _, who in parts])


def _above(scores: Floats, identities: Ints, thresholds: Doubles, count: int) -> Doubles:
    """How many scores of each identity exceed each threshold, `(count, thresholds)`."""
    # A score exceeds the thresholds before its place.
    places = np.searchsorted(thresholds, scores, side="left")
    table = np.bincount(identities * (len(thresholds) + 1) + places, minlength=count * (len(thresholds) + 1))
    table = table.reshape(count, -1)
    return as_doubles(np.cumsum(table[:, ::-1], axis=1)[:, ::-1][:, 1:])
