"""Late merges: young identities that turn out to be older ones once there is more to see of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.calibration import ScoreModel
from ..association.assignment import hungarian
from ..association.motion import reachable
from ..config import Config
from ..memory.bank import MemoryBank
from ..tuning import MAX_MERGE_RATE, MERGE_MARGIN, MERGE_STREAK, MERGES_AT_ONCE
from .decision import Decision, State
from .matching import class_gate, origins

_NO_IDENTITY = -1


class LateMerges:
    """Compare identities that are still young with older ones that are not visible.

    Args:
        config: The tracker's config.
        bank: The memory bank.
        model: Turns cosines into log-likelihood ratios.
    """

    def __init__(self, config: Config, bank: MemoryBank, model: ScoreModel) -> None:
        self._config = config
        self._bank = bank
        self._model = model
        self._streaks: dict[int, tuple[int, int]] = {}
        self._turn = 0
        self._apart: dict[int, set[int]] = {}

    def find(self, visible: Sequence[Decision], now: float) -> list[tuple[Decision, int, float, float]]:
        """Find young identities that are older ones, in several checks in a row.

        Args:
            visible: Decisions of the tracklets that have a box in this frame.
            now: The time, seconds.

        Returns:
            For each: the decision, the older identity, their cosine, and the seconds that it was away.
        """
        young = [d for d in visible if self._is_young(d, now)] if self._model.evidence_weight else []
        self._note_apart(young, now)
        turn = self._next(young)
        pairs = list(self._match(turn, {d.identity for d in visible})) if turn else []
        found = {d.identity: identity for d, identity, _, _ in pairs}
        streaks = {d.identity: self._streaks.get(d.identity, (_NO_IDENTITY, 0)) for d in young}
        for identity in (d.identity for d in turn):
            older, (before, streak) = found.get(identity, _NO_IDENTITY), streaks[identity]
            streaks[identity] = older, streak + 1 if older == before else 1
        self._streaks = streaks
        return [p for p in pairs if streaks[p[0].identity][1] >= MERGE_STREAK]

    def _note_apart(self, young: Sequence[Decision], now: float) -> None:
        """Keep which identities young ones were seen apart from, also in tracklets that are over."""
        self._apart = {i: a for i, a in self._apart.items() if i in self._bank and self._age(i, now) < self._limit}
        for decision in young:
            self._apart.setdefault(decision.identity, set()).update(decision.seen_apart)

    def forget_apart(self, identity: int) -> None:
        """Forget that identities were seen apart from one whose box showed somebody else."""
        for others in self._apart.values():
            others.discard(identity)

    def rename_apart(self, old: int, new: int) -> None:
        """Follow an identity that turned out to be another."""
        if mine := self._apart.pop(old, None):
            self._apart.setdefault(new, set()).update(mine)
        for others in self._apart.values():
            if old in others:
                others.remove(old)
                others.add(new)

    @property
    def _limit(self) -> float:
        return self._config.tuning.merge_seconds

    def _age(self, identity: int, now: float) -> float:
        return float(now - self._bank.first[self._bank.slot_of(identity)])

    def _next(self, young: Sequence[Decision]) -> list[Decision]:
        """Take turns: in a crowd of new identities not all are compared at once."""
        self._turn += MERGES_AT_ONCE
        start = self._turn % max(1, len(young))
        return [*young[start:], *young[:start]][:MERGES_AT_ONCE]

    def _is_young(self, decision: Decision, now: float) -> bool:
        bank, identity = self._bank, decision.identity
        if decision.state is not State.SETTLED or not bank.knows(identity):
            return False
        return self._age(identity, now) < self._limit

    def _match(self, young: Sequence[Decision], visible: set[int]) -> Iterator[tuple[Decision, int, float, float]]:
        """Assign young identities to older ones: Hungarian, maximum total log-odds, open set."""
        bank = self._bank
        mine = bank.slots_of(d.identity for d in young)
        queries, first = bank.means_of(mine), bank.first[mine][:, None]
        allowed = self._gate(young, first, visible)
        slots = bank.shortlist(queries, allowed, self._config.tuning.shortlist or bank.capacity)
        cosine = bank.compare(queries, slots)
        cosine[~allowed[:, slots]] = -1
        floor = np.maximum(self._impostor_bound(allowed), self._closest_visible(queries, mine, visible) + MERGE_MARGIN)
        accepted = (cosine >= floor[:, None]) & (cosine >= cosine.max(axis=1, keepdims=True, initial=-1))
        for row, column in hungarian(self._model.llr(cosine), accepted):
            gap = max(0.0, float(first[row, 0] - bank.last["time"][slots[column]]))
            yield young[row], int(bank.ids_by_slot[slots[column]]), float(cosine[row, column]), gap

    def _gate(self, young: Sequence[Decision], first: Doubles, visible: set[int]) -> Bools:
        """Gate `(Y, S)`: identities that were never seen apart from the young one, of its class, in reach."""
        last = self._bank.last
        never_apart = self._bank.others_of_each([self._apart.get(d.identity, set()) for d in young])
        gate = self._bank.others(visible) & ((last["time"] < first) | never_apart)
        if self._config.match_class:
            gate &= class_gate(young, last)
        if max_speed := self._config.tuning.max_speed:
            began, origin = origins(young)
            began &= origin["time"] <= first[:, 0]  # or it is not where the identity began
            gate &= reachable(last, origin, first, max_speed) | ~began[:, None]
        return np.asarray(gate)

    def _impostor_bound(self, allowed: Bools) -> Doubles:
        """Return the cosines that one of so many impostors hardly reaches, `(Y,)`."""
        rate = self._config.false_revival_rate / np.maximum(1, np.count_nonzero(allowed, axis=1))
        return self._model.impostor_bound(np.minimum(rate, MAX_MERGE_RATE))

    def _closest_visible(self, queries: Floats, mine: Ints, visible: set[int]) -> Floats:
        """Return the highest cosine to any other visible identity, `(Y,)`."""
        others = self._bank.slots_of(i for i in visible if self._bank.knows(i))
        cosine = np.where(others[None] == mine[:, None], -1, self._bank.compare(queries, others))
        return np.asarray(cosine.max(axis=1, initial=-1))
