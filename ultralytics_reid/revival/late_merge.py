"""Young identities that turn out to be older ones: recognized late, once there is more to see of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.calibration import ScoreModel
from ..appearance.tracklet import Tracklet
from ..association.assignment import assign
from ..association.motion import reachable
from ..config import Config
from ..memory.bank import MemoryBank
from ..tuning import MAX_MERGE_RATE, MERGE_MARGIN, MERGE_STREAK, MERGES_AT_ONCE
from .candidates import origins

_NOBODY = -1


class LateMerges:
    """Compares identities that are still young with older ones that are not visible.

    Args:
        config: The tracker's config.
        bank: The memory.
        model: What a similarity is worth.
    """

    def __init__(self, config: Config, bank: MemoryBank, model: ScoreModel) -> None:
        self._config = config
        self._bank = bank
        self._model = model
        self._votes: dict[int, tuple[int, int]] = {}
        self._turn = 0

    def find(self, seen: Sequence[Tracklet], now: float) -> list[tuple[Tracklet, int, float, float]]:
        """Find out who is an older identity.

        Args:
            seen: The tracklets that have a box in this frame.
            now: The time, seconds.

        Returns:
            For each: the tracklet, the older identity, their cosine, and the seconds that it was away.
        """
        young = [t for t in seen if self._is_young(t, now)] if self._model.evidence_weight else []
        looked_at = self._next(young)
        pairs = list(self._pairs(looked_at, {t.identity for t in seen})) if looked_at else []
        found = {t.identity: identity for t, identity, _, _ in pairs}
        votes = {t.identity: self._votes.get(t.identity, (_NOBODY, 0)) for t in young}
        for identity in (t.identity for t in looked_at):
            older = found.get(identity, _NOBODY)
            votes[identity] = older, votes[identity][1] + 1 if older == votes[identity][0] else 1
        self._votes = votes
        return [p for p in pairs if votes[p[0].identity][1] >= MERGE_STREAK]

    def _next(self, young: Sequence[Tracklet]) -> list[Tracklet]:
        """Those whose turn it is: in a crowd of newcomers, not all are looked at at once."""
        self._turn += MERGES_AT_ONCE
        start = self._turn % max(1, len(young))
        return [*young[start:], *young[:start]][:MERGES_AT_ONCE]

    def _is_young(self, tracklet: Tracklet, now: float) -> bool:
        bank, identity = self._bank, tracklet.identity
        if not tracklet.settled or tracklet.probation is not None or not bank.knows(identity):
            return False
        return bool(now - bank.first[bank.slot_of(identity)] < self._config.tuning.merge_seconds)

    def _pairs(self, young: Sequence[Tracklet], shown: set[int]) -> Iterator[tuple[Tracklet, int, float, float]]:
        bank = self._bank
        mine = bank.slots_of(t.identity for t in young)
        queries, first = bank.means_of(mine), bank.first[mine][:, None]
        possible = self._possible(young, first, shown)
        slots = bank.shortlist(queries, possible, self._config.tuning.shortlist or bank.capacity)
        scores = bank.compare(queries, slots)
        scores[~possible[:, slots]] = -1
        floor = np.maximum(self._bound(possible), self._rivals(queries, mine, shown) + MERGE_MARGIN)[:, None]
        sure = (scores >= floor) & (scores >= scores.max(axis=1, keepdims=True, initial=-1))
        value = self._model.llr(scores)
        for row, column in assign(value, sure):
            gap = float(first[row, 0] - bank.last["time"][slots[column]])
            yield young[row], int(bank.ids_by_slot[slots[column]]), float(scores[row, column]), gap

    def _possible(self, young: Sequence[Tracklet], first: Doubles, shown: set[int]) -> Bools:
        """Identities that were never there together with the young one."""
        last = self._bank.last
        gate = self._bank.others(shown) & (last["time"] < first)
        if self._config.match_class:
            gate &= last["cls"] == np.array([t.cls for t in young])[:, None]
        if self._config.tuning.max_speed:
            began, origin = origins(young)
            began &= origin["time"] <= first[:, 0]  # or it is not where the identity began
            gate &= reachable(last, origin, first, self._config.tuning.max_speed) | ~began[:, None]
        return np.asarray(gate)

    def _bound(self, possible: Bools) -> Doubles:
        """The score that one of so many strangers hardly reaches."""
        rate = self._config.false_revival_rate / np.maximum(1, np.count_nonzero(possible, axis=1))
        return self._model.impostor_bound(np.minimum(rate, MAX_MERGE_RATE))

    def _rivals(self, queries: Floats, mine: Ints, shown: set[int]) -> Floats:
        """The best score of anybody else who is visible."""
        others = self._bank.slots_of(i for i in shown if self._bank.knows(i))
        scores = np.where(others[None] == mine[:, None], -1, self._bank.compare(queries, others))
        return np.asarray(scores.max(axis=1, initial=-1))
