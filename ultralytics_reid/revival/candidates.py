"""Whom a tracklet may show: gates, the two-stage search, and what each pair is worth. Reads memory, decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.calibration import ScoreModel
from ..appearance.tracklet import Tracklet
from ..association.last_seen import Sightings, sightings
from ..association.motion import linear_decay, motion_llr, reachable
from ..config import Config
from ..memory.bank import MemoryBank
from ..tuning import IMAGE_HEIGHTS, INCUMBENT_LOG_ODDS, MAX_APPEARANCE, MAX_MOTION, REACTIVATION_LOG_ODDS


@dataclass(frozen=True)
class Candidates:
    """`T` tracklets in question against `C` identities that may have come back.

    Attributes:
        ids: `(C,)` identities.
        last: `(C,)` when each was last seen, seconds.
        scores: `(T, C)` cosines in [-1, 1].
        log_odds: `(T, C)` nats, the log-likelihood ratio of "this one" to "somebody else" from looks and motion.
        motion: `(T, C)` motion's part of it.
        gate: `(T, C)`, True where nothing rules the pair out.
        incumbent: `(T, C)`, True where the tracklet shows that identity already, or motion claims that it does.
        n_candidates: `(T,)` how many identities the tracklet may show.
    """

    ids: Ints
    last: Doubles
    scores: Floats
    log_odds: Doubles
    motion: Doubles
    gate: Bools
    incumbent: Bools
    n_candidates: Ints

    def match(self, row: int, column: int | None) -> IdentityMatch | None:
        """A pair of a tracklet and an identity; None if there is none."""
        if column is None:
            return None
        return IdentityMatch(int(self.ids[column]), float(self.scores[row, column]), float(self.last[column]))

    def log_odds_of_others(self, row: int) -> Doubles:
        """What the identities are worth that a tracklet may show, but for the one it shows or claims to."""
        return np.asarray(self.log_odds[row][self.gate[row] & ~self.incumbent[row]])

    def contradicts(self, row: int) -> bool:
        """Whether looks speak against what a tracklet claims."""
        return bool((self.log_odds[row][self.incumbent[row]] < REACTIVATION_LOG_ODDS).any())


@dataclass(frozen=True)
class IdentityMatch:
    """An identity that a tracklet may show.

    Attributes:
        identity: The id.
        score: Their cosine, in [-1, 1].
        last: When it was last seen, seconds.
    """

    identity: int
    score: float
    last: float


class CandidateSearch:
    """Finds candidates in a memory bank.

    Args:
        config: The tracker's config.
        bank: The memory.
        model: What a similarity is worth.

    Attributes:
        area: The picture's area, square pixels; None where it is unknown, and motion can't be weighed.
    """

    def __init__(self, config: Config, bank: MemoryBank, model: ScoreModel) -> None:
        self.area: float | None = None
        self._config = config
        self._bank = bank
        self._model = model

    def possible(self, asking: Sequence[Tracklet], shown: Collection[int], reactivated: Collection[int]) -> Bools:
        """Nobody is in two places, arrives before they left or faster than a body can, or turns into a car.

        Args:
            asking: `T` tracklets.
            shown: Identities that are visible, and not in question.
            reactivated: Identities that only those may show who claim to.

        Returns:
            `(T, S)` by slot of the bank.
        """
        return self._possible(asking, shown, reactivated, self._last(asking))

    def _possible(
        self, asking: Sequence[Tracklet], shown: Collection[int], reactivated: Collection[int], last: Sightings
    ) -> Bools:
        born = np.array([t.born for t in asking])[:, None]
        absent = self._bank.others(shown)
        time, cls = np.ascontiguousarray(last["time"]), np.ascontiguousarray(last["cls"])  # or each row reads them all
        gate = absent & self._bank.others(reactivated) & (time < born)
        if self._config.match_class:
            gate &= cls == np.array([t.cls for t in asking])[:, None]
        if self._config.tuning.max_speed:
            self._bar_unreachable(gate, asking, last)
        for row, tracklet in zip(gate, asking, strict=True):
            row[self._own(tracklet, absent)] = True
        return np.asarray(gate)

    def _bar_unreachable(self, gate: Bools, asking: Sequence[Tracklet], last: Sightings) -> None:
        """Take out of a gate who would have had to be too fast; only who was there lately can be."""
        born = np.array([t.born for t in asking])[:, None]
        lately = last["time"] > born.min() - IMAGE_HEIGHTS / self._config.tuning.max_speed
        recent = np.flatnonzero(lately & gate.any(axis=0))
        if not recent.size:
            return
        began, origin = origins(asking)
        gate[:, recent] &= reachable(last[recent], origin, born, self._config.tuning.max_speed) | ~began[:, None]

    def _own(self, tracklet: Tracklet, absent: Bools) -> list[int]:
        """Slots of what a tracklet shows on probation and of what motion claims it shows."""
        names = [tracklet.reactivated_id, tracklet.identity if tracklet.probation else None]
        slots = [self._bank.slot_of(i) for i in names if i is not None and i in self._bank]
        return [s for s in slots if absent[s]]

    def _last(self, asking: Sequence[Tracklet]) -> Sightings:
        """Last sightings by slot; of those on probation, the last before it."""
        waiting = [t for t in asking if t.probation is not None and t.identity in self._bank]
        if not waiting:
            return self._bank.last
        last: Sightings = self._bank.last.copy()
        last[self._bank.slots_of(t.identity for t in waiting)] = sightings(
            t.probation.before for t in waiting if t.probation is not None
        )
        return last

    def find(self, asking: Sequence[Tracklet], shown: Collection[int], reactivated: Collection[int]) -> Candidates:
        """Find who some tracklets may show.

        Args:
            asking: `T` tracklets that have clean crops, each with its `mean`.
            shown: Identities that are visible, and not in question.
            reactivated: Identities that only those may show who claim to.
        """
        queries = np.array([t.mean for t in asking], np.float32)
        last = self._last(asking)
        possible = self._possible(asking, shown, reactivated, last)
        own = [s for row, t in zip(possible, asking, strict=True) for s in self._own(t, row)]
        slots, scores = self._bank.find(queries, possible, self._most, np.array(own, np.int64))
        last, ids = last[slots], self._bank.ids_by_slot[slots]
        held = (ids == _column(t.identity for t in asking)) | (ids == _column(t.reactivated_id for t in asking))
        on_probation = np.array([t.probation is not None for t in asking])[:, None]
        crowd = np.array([np.count_nonzero(row) for row in possible])
        motion, doubt = self._motion(asking, last), np.log(np.maximum(1, crowd))[:, None]
        looks = np.where(scores > -1, np.clip(self._model.llr(scores), -MAX_APPEARANCE, MAX_APPEARANCE + doubt), 0)
        value = looks + np.where(
            held, np.where(on_probation, INCUMBENT_LOG_ODDS, REACTIVATION_LOG_ODDS), motion - doubt
        )
        gate = possible[:, slots] & ((scores > -1) | held)
        return Candidates(ids, last["time"].copy(), scores, value, motion, gate, held, crowd)

    def anyone(self, tracklets: Sequence[Tracklet]) -> Floats:
        """The log-likelihood ratio of the identity, visible or not, that each tracklet resembles most, `(T,)`.

        Args:
            tracklets: `T` tracklets that have clean crops; -inf for one that nobody can be compared with.
        """
        if not len(self._bank):
            return np.full(len(tracklets), -np.inf, np.float32)
        queries = np.array([t.mean for t in tracklets], np.float32)
        everybody = np.broadcast_to(self._bank.others(()), (len(tracklets), self._bank.slots))
        return self._model.llr(self._bank.best(queries, everybody, self._most))

    @property
    def _most(self) -> int:
        return self._config.tuning.shortlist or self._bank.capacity

    def _motion(self, asking: Sequence[Tracklet], last: Sightings) -> Doubles:
        """Log-likelihood ratios of "walked on to where this tracklet began", fading to no opinion as the gap grows."""
        llr = np.zeros((len(asking), len(last)))
        born = np.array([t.born for t in asking])[:, None]
        recent = np.flatnonzero(last["time"] > born.min(initial=np.inf) - self._config.tuning.motion_seconds)
        if self.area is None or not self._config.tuning.motion_seconds or not recent.size:
            return llr
        gap = np.maximum(0, born - last["time"][recent])
        began, origin = origins(asking)
        walked = motion_llr(last[recent], gap, origin["center"][:, None], self.area)
        faded = linear_decay(gap, self._config.tuning.motion_seconds) * began[:, None]
        llr[:, recent] = np.clip(walked, -MAX_MOTION, MAX_MOTION) * faded
        return llr


def _column(identities: Iterable[int | None]) -> Ints:
    """`(T, 1)` identities, -1, which nobody in memory has, for none."""
    return np.array([[-1 if i is None else i] for i in identities], np.int64).reshape(-1, 1)


def origins(asking: Sequence[Tracklet]) -> tuple[Bools, Sightings]:
    """Whether it is known where tracklets began, `(T,)`, and where."""
    began = np.array([t.origin is not None for t in asking])
    return began, sightings(t.origin or t.last for t in asking)
