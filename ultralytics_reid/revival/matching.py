"""Revival: match tracklets to remembered identities by embedding similarity and Kalman motion, Hungarian, open set.

Everything about one match stands here in its order: gating, the two-stage search by cosine similarity, log-odds from
appearance and motion, the open-set threshold, and the Hungarian assignment. It reads memory and decides nothing; what
becomes of a match is `recognizer.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.calibration import ScoreModel
from ..association.assignment import hungarian
from ..association.last_seen import Sightings, sightings
from ..association.motion import linear_decay, motion_llr, reachable
from ..config import Config
from ..memory.bank import MemoryBank
from ..tuning import (
    IMAGE_HEIGHTS,
    INCUMBENT_LOG_ODDS,
    INCUMBENT_MARGIN,
    MAX_APPEARANCE,
    MAX_MOTION,
    MAX_RATE,
    MIN_RATE,
    REACTIVATION_LOG_ODDS,
)
from .decision import Decision, State


@dataclass(frozen=True)
class Present:
    """Identities that are out of question for some tracklets, as they are visible.

    Attributes:
        visible: Identities of settled tracklets: in question for none.
        reactivated: Identities that motion says are visible: in question only for the tracklets that it says so of.
    """

    visible: frozenset[int] = frozenset()
    reactivated: frozenset[int] = frozenset()


@dataclass(frozen=True)
class RevivalMatch:
    """An identity that a tracklet may show.

    Attributes:
        identity: The id.
        similarity: Cosine under the learned metric, in [-1, 1].
        last: When the identity was last seen, seconds.
    """

    identity: int
    similarity: float
    last: float


@dataclass(frozen=True)
class Assignment:
    """`T` tracklets against `C` candidate identities, and which of them belong together.

    Attributes:
        ids: `(C,)` identities.
        last: `(C,)` when each was last seen, seconds.
        similarity: `(T, C)` cosines in [-1, 1]; -1 where they weren't compared.
        log_odds: `(T, C)` nats: this identity against any other, from appearance and motion.
        gate: `(T, C)`, True where nothing rules the pair out.
        incumbent: `(T, C)`, True where the tracklet shows that identity already, or motion says so.
        pairs: Row to column, one to one; a row without a column is a new or an undecided identity.
    """

    ids: Ints
    last: Doubles
    similarity: Floats
    log_odds: Doubles
    gate: Bools
    incumbent: Bools
    pairs: dict[int, int] = field(default_factory=dict)

    def match(self, row: int) -> RevivalMatch | None:
        """Return a tracklet's match; None without one."""
        column = self.pairs.get(row)
        if column is None:
            return None
        return RevivalMatch(int(self.ids[column]), float(self.similarity[row, column]), float(self.last[column]))

    def log_odds_of_others(self, row: int) -> Doubles:
        """Log-odds of the identities that a tracklet may show, without its incumbent."""
        return np.asarray(self.log_odds[row][self.gate[row] & ~self.incumbent[row]])

    def best_log_odds(self, row: int) -> float:
        """Highest log-odds that the gate allows; -inf where gated out."""
        return float(self.log_odds[row][self.gate[row]].max(initial=-np.inf))

    def contradicts(self, row: int) -> bool:
        """Whether appearance speaks against a tracklet's incumbent."""
        return bool((self.log_odds[row][self.incumbent[row]] < REACTIVATION_LOG_ODDS).any())


def match_returning(
    decisions: Sequence[Decision],
    bank: MemoryBank,
    model: ScoreModel,
    config: Config,
    *,
    present: Present,
    image_area: float | None,
) -> Assignment:
    """Match tracklets to remembered identities: cosine similarity x Kalman motion, Hungarian, open set.

    Log-likelihood ratios of appearance and motion add up. A pair is made where the gate allows it, the similarity is
    above the open-set bound and the tracklet's best, and the log-odds are above 0; the Hungarian assignment settles
    which of several tracklets gets an identity.

    Args:
        decisions: `T` tracklets in question, each with clean crops (`tracklet.mean`).
        bank: The memory bank of `S` slots.
        model: Turns cosines into log-likelihood ratios.
        config: Has the gates and the false revival rate.
        present: Visible identities.
        image_area: Square pixels; None where it is unknown, and motion can't be weighed.

    Returns:
        The assignment.
    """
    last = last_before(decisions, bank)
    allowed = presence_gate(decisions, bank, last, present)  # (T, S): one place at a time, no time travel
    allowed &= class_gate(decisions, last) if config.match_class else True
    allowed &= speed_gate(decisions, last, allowed, config.tuning.max_speed)
    own = allow_incumbents(allowed, decisions, bank, present)

    queries = np.array([d.tracklet.mean for d in decisions], np.float32)  # (T, D)
    shortlist = config.tuning.shortlist or bank.capacity
    slots, cosine = bank.find(queries, allowed, shortlist, own)  # coarse to (C,), then prototypes: (T, C)
    n_candidates = np.maximum(1, np.count_nonzero(allowed, axis=1))[:, None]
    ids, last = bank.ids_by_slot[slots], last[slots]
    incumbent = (ids == _column(d.identity for d in decisions)) | (ids == _column(d.reactivated_id for d in decisions))
    gate = allowed[:, slots] & ((cosine > -1) | incumbent)

    motion = kalman_log_odds(decisions, last, config.tuning.motion_seconds, image_area)
    log_odds = appearance_log_odds(cosine, model, n_candidates)
    log_odds = log_odds + np.where(incumbent, incumbent_log_odds(decisions), motion - np.log(n_candidates))
    rate = config.false_revival_rate
    accepted = gate & open_set(
        cosine, gate, incumbent, motion=motion, n_candidates=n_candidates, model=model, false_revival_rate=rate
    )
    pairs = dict(hungarian(log_odds, accepted))  # unmatched row: a new identity, or undecided
    return Assignment(ids, last["time"].copy(), cosine, log_odds, gate, incumbent, pairs)


def candidate_gate(decisions: Sequence[Decision], bank: MemoryBank, config: Config, present: Present) -> Bools:
    """Gate `T` tracklets against all `S` slots by presence, class and speed alone; they need no crops."""
    last = last_before(decisions, bank)
    allowed = presence_gate(decisions, bank, last, present)
    allowed &= class_gate(decisions, last) if config.match_class else True
    allowed &= speed_gate(decisions, last, allowed, config.tuning.max_speed)
    allow_incumbents(allowed, decisions, bank, present)
    return allowed


def last_before(decisions: Sequence[Decision], bank: MemoryBank) -> Sightings:
    """Return last sightings by slot, `(S,)`; of identities on probation, the last before it."""
    waiting = [(d.identity, d.probation.before) for d in decisions if d.probation is not None and d.identity in bank]
    if not waiting:
        return bank.last
    last: Sightings = bank.last.copy()
    last[bank.slots_of(identity for identity, _ in waiting)] = sightings(before for _, before in waiting)
    return last


def presence_gate(decisions: Sequence[Decision], bank: MemoryBank, last: Sightings, present: Present) -> Bools:
    """Gate by presence, `(T, S)`: an identity is absent, and was never seen apart from the tracklet.

    It may have been seen since the tracklet began, if only where the two boxes overlapped: one of them was a second
    box on the same individual, or a track that was about to lose it.
    """
    absent = bank.others(present.visible) & bank.others(present.reactivated)
    never_apart = bank.others_of_each([d.seen_apart.keys() for d in decisions])
    return np.asarray(absent & ((np.ascontiguousarray(last["time"]) < _born(decisions)) | never_apart))


def class_gate(decisions: Sequence[Decision], last: Sightings) -> Bools:
    """Gate by class, `(T, S)`."""
    return np.asarray(np.ascontiguousarray(last["cls"]) == np.array([d.tracklet.cls for d in decisions])[:, None])


def speed_gate(decisions: Sequence[Decision], last: Sightings, allowed: Bools, max_speed: float) -> Bools:
    """Gate by speed, `(T, S)`: an identity can have moved and grown to where the tracklet began.

    Args:
        decisions: `T` of them; one whose beginning isn't known passes.
        last: `(S,)` last sightings.
        allowed: `(T, S)` what other gates allow; the rest isn't computed.
        max_speed: Body heights a second; 0 is no limit.
    """
    gate = np.ones_like(allowed)
    born = _born(decisions)
    # Identities unseen for long can have come from anywhere in the image.
    lately = last["time"] > born.min() - IMAGE_HEIGHTS / max_speed if max_speed else np.zeros(len(last), bool)
    columns = np.flatnonzero(lately & allowed.any(axis=0))
    if columns.size:
        began, origin = origins(decisions)
        gate[:, columns] = reachable(last[columns], origin, born, max_speed) | ~began[:, None]
    return gate


def allow_incumbents(allowed: Bools, decisions: Sequence[Decision], bank: MemoryBank, present: Present) -> Ints:
    """Open the gate for what a tracklet shows on probation or is re-activated as, unless that is visible elsewhere.

    Args:
        allowed: `(T, S)`, changed in place.
        decisions: `T` of them.
        bank: The memory bank.
        present: Visible identities.

    Returns:
        The slots that were opened.
    """
    absent, opened = bank.others(present.visible), []
    for row, decision in zip(allowed, decisions, strict=True):
        shown = decision.identity if decision.state is State.ON_PROBATION else None
        known = [i for i in (decision.reactivated_id, shown) if i is not None and i in bank]
        slots = [slot for slot in map(bank.slot_of, known) if absent[slot]]
        row[slots] = True
        opened += slots
    return np.array(opened, np.int64)


def appearance_log_odds(cosine: Floats, model: ScoreModel, n_candidates: Ints) -> Doubles:
    """Log-likelihood ratio of appearance, `(T, C)` nats, bounded; 0 where there was nothing to compare.

    The bound leaves room for what it takes to single one out of `n_candidates`, `(T, 1)`.
    """
    bounded = np.clip(model.llr(cosine), -MAX_APPEARANCE, MAX_APPEARANCE + np.log(n_candidates))
    return np.asarray(np.where(cosine > -1, bounded, 0))


def incumbent_log_odds(decisions: Sequence[Decision]) -> Doubles:
    """Return log-odds of the incumbent, `(T, 1)` nats: hysteresis on probation, else the host's motion match."""
    on_probation = np.array([d.state is State.ON_PROBATION for d in decisions])[:, None]
    return np.where(on_probation, INCUMBENT_LOG_ODDS, REACTIVATION_LOG_ODDS)


def kalman_log_odds(
    decisions: Sequence[Decision], last: Sightings, seconds: float, image_area: float | None
) -> Doubles:
    """Log-likelihood ratio of Kalman motion, `(T, C)` nats, bounded, and decaying to 0 as the gap grows.

    Args:
        decisions: `T` of them; one whose beginning isn't known gets 0.
        last: `(C,)` last sightings.
        seconds: Gap from which on motion says nothing; 0 switches it off.
        image_area: Square pixels, or None, where motion says nothing.
    """
    llr, born = np.zeros((len(decisions), len(last))), _born(decisions)
    columns = np.flatnonzero(last["time"] > born.min(initial=np.inf) - seconds)
    if image_area is None or not seconds or not columns.size:
        return llr
    gap = np.maximum(0, born - last["time"][columns])
    began, origin = origins(decisions)
    motion = motion_llr(last[columns], gap, origin["center"][:, None], image_area)
    before = last["time"][columns] < born  # what was seen since may be anywhere by now
    faded = linear_decay(gap, seconds) * began[:, None] * before
    llr[:, columns] = np.clip(motion, -MAX_MOTION, MAX_MOTION) * faded
    return llr


def open_set(
    cosine: Floats,
    gate: Bools,
    incumbent: Bools,
    *,
    motion: Doubles,
    n_candidates: Ints,
    model: ScoreModel,
    false_revival_rate: float,
) -> Bools:
    """Accept only similarities that impostors hardly reach, `(T, C)`.

    At most `false_revival_rate` of new individuals are matched to a known identity, at any gallery size (open-set
    FPIR): the rate is divided by the number of candidates. Motion raises or lowers it by its likelihood ratio. Only a
    tracklet's most similar candidate is accepted. An incumbent needs no threshold, but loses to a tracklet that
    resembles it clearly more.

    Args:
        cosine: `(T, C)` similarities.
        gate: `(T, C)`.
        incumbent: `(T, C)`.
        motion: `(T, C)` nats.
        n_candidates: `(T, 1)`, 1 or more.
        model: Knows the scores of impostors; without evidence only incumbents are accepted.
        false_revival_rate: In (0, 1]; 1 is no bound.
    """
    if not model.evidence_weight:
        return incumbent
    if false_revival_rate >= 1:
        return gate
    rate = false_revival_rate / n_candidates * np.exp(motion)
    credible = cosine >= model.impostor_bound(np.clip(rate, MIN_RATE, MAX_RATE))
    best = np.max(np.where(gate, cosine, -1), axis=1, keepdims=True, initial=-1)
    rival = np.max(np.where(gate & ~incumbent & credible, cosine, -1), axis=0, initial=-1)
    kept = incumbent & (cosine >= rival - INCUMBENT_MARGIN)
    return np.asarray(kept | (~incumbent & credible & (cosine >= best)))


def closest_log_odds(decisions: Sequence[Decision], bank: MemoryBank, model: ScoreModel, config: Config) -> Floats:
    """Log-likelihood ratio of the identity, visible or not, that each tracklet resembles most, `(T,)` nats.

    Args:
        decisions: `T` tracklets with clean crops; -inf for one that can't be compared with any identity.
        bank: The memory bank.
        model: Turns cosines into log-likelihood ratios.
        config: Has the length of the shortlist.
    """
    if not len(bank):
        return np.full(len(decisions), -np.inf, np.float32)
    queries = np.array([d.tracklet.mean for d in decisions], np.float32)
    everywhere = np.broadcast_to(bank.others(()), (len(decisions), bank.slots))
    return model.llr(bank.best(queries, everywhere, config.tuning.shortlist or bank.capacity))


def blind_log_odds(
    decisions: Sequence[Decision], gate: Bools, bank: MemoryBank, model: ScoreModel, config: Config
) -> Floats:
    """Log-likelihood ratio of the likeliest identity for tracklets without a clean crop, by their last crop.

    Args:
        decisions: `T` of them.
        gate: `(T, S)` identities in question.
        bank: The memory bank.
        model: Turns cosines into log-likelihood ratios.
        config: Has the length of the shortlist.

    Returns:
        `(T,)` nats; 0, which says nothing, without a crop, and -inf where the gate allows none.
    """
    log_odds = np.where(gate.any(axis=1), 0.0, -np.inf).astype(np.float32)
    rows = [n for n, d in enumerate(decisions) if gate[n].any() and d.tracklet.embedding is not None]
    if rows:
        queries = np.array([decisions[n].tracklet.embedding for n in rows], np.float32)
        log_odds[rows] = model.llr(bank.best(queries, gate[rows], config.tuning.shortlist or bank.capacity))
    return log_odds


def origins(decisions: Sequence[Decision]) -> tuple[Bools, Sightings]:
    """Whether it is known where tracklets began, `(T,)`, and their first Kalman states, `(T,)`."""
    tracklets = [d.tracklet for d in decisions]
    return np.array([t.origin is not None for t in tracklets]), sightings(t.origin or t.last for t in tracklets)


def _born(decisions: Sequence[Decision]) -> Doubles:
    return np.array([d.tracklet.born for d in decisions], np.float64)[:, None]


def _column(identities: Iterable[int | None]) -> Ints:
    """Return `(T, 1)` identities; -1, which no identity in memory has, for None."""
    return np.array([[-1 if i is None else i] for i in identities], np.int64).reshape(-1, 1)
