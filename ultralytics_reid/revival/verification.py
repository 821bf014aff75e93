"""Checks of visible identities against memory: calibrate scores, and find tracks that no longer look like theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import Floats
from ..appearance.calibration import ScoreModel
from ..memory.bank import MemoryBank
from ..tuning import (
    CHECK_EVERY,
    CHECK_SPAN,
    CHECK_TRACKLETS,
    CONTRADICTIONS_TO_REVERT,
    MIN_CLEAN_CROPS,
    REACTIVATION_LOG_ODDS,
)
from .decision import Decision, State


class Verifier:
    """Compare the last second of visible identities with what memory has of them, twice a second.

    Args:
        bank: The memory bank.
        model: Learns genuine scores from an identity and itself, impostor scores from co-visible identities.
        reverifies: Whether a track that no longer looks like its identity is matched again.
    """

    def __init__(self, bank: MemoryBank, model: ScoreModel, *, reverifies: bool) -> None:
        self._bank = bank
        self._model = model
        self._reverifies = reverifies
        self._checked = 0.0
        self._checks = 0

    def due(self, now: float) -> bool:
        """Whether the next check is due; if so, the one after it is due `CHECK_EVERY` seconds later."""
        if now - self._checked < CHECK_EVERY:
            return False
        self._checked = now
        return True

    def check(self, settled: Sequence[Decision], now: float) -> list[tuple[int, float]]:
        """Calibrate scores and reverify, on the decisions whose tracklets have a box in this frame.

        Returns:
            Identities that are matched again, and since when, in seconds, their boxes may have shown somebody else.
        """
        sure = [d for d in settled if not d.unsure and self._bank.knows(d.identity)]
        crops = [(d, d.tracklet.recent(now - CHECK_SPAN, MIN_CLEAN_CROPS)) for d in sure]
        able = [(d, c) for d, c in crops if len(c) >= MIN_CLEAN_CROPS]
        if not able:
            return []
        queries = np.array([np.mean([e for _, e in c], axis=0) for _, c in able], np.float32)
        doubted = []
        if self._reverifies:
            doubted = self._reverify([d for d, _ in able], queries, [c[0][0] for _, c in able])
        self._calibrate([d for d, _ in able], queries)
        return doubted

    def _calibrate(self, decisions: Sequence[Decision], queries: Floats) -> None:
        self._checks += 1
        count = min(len(decisions), CHECK_TRACKLETS)
        chosen = (self._checks * CHECK_TRACKLETS + np.arange(count)) % len(decisions)
        queries = queries[chosen]
        remembered, scores = self._bank.closest(queries, [decisions[n].identity for n in chosen.tolist()])
        rows, columns = np.indices((count, count)).reshape(2, -1)
        self._model.observe(queries[rows], remembered[rows, columns], rows == columns, scores[rows, columns])

    def _reverify(
        self, decisions: Sequence[Decision], queries: Floats, since: Sequence[float]
    ) -> list[tuple[int, float]]:
        doubted = []
        own = self._bank.compare_own(queries, self._bank.slots_of(d.identity for d in decisions))
        strange = self._model.llr(own) < -REACTIVATION_LOG_ODDS
        for decision, contradicted, start in zip(decisions, strange, since, strict=True):
            if decision.state is State.ON_PROBATION:
                continue  # `Recognizer` rechecks those
            decision.contradictions = decision.contradictions + 1 if contradicted else 0
            if decision.contradictions >= CONTRADICTIONS_TO_REVERT:
                decision.reverify(start)
                # The identity was last seen before the contradicting crops, so that another tracklet may match it.
                before = float(np.nextafter(decision.tracklet.born, -np.inf))
                self._bank.see(decision.identity, decision.tracklet.last.at(before))
                doubted.append((decision.identity, start))
        return doubted
