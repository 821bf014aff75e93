"""One camera's identities: what becomes of matches, frame by frame.

`Recognizer.step` tells it all: update memory, check, match what is undecided (`matching.match_returning`), decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .._typing import Floats
from ..appearance.calibration import PRIORS, ScoreModel
from ..appearance.crop_score import CropScoreModel
from ..appearance.evidence import LearnedStatistics
from ..appearance.metric import Metric
from ..association.last_seen import sightings
from ..config import Config
from ..events import Events, Revival, RevivalReverted
from ..memory.bank import MemoryBank
from ..tuning import (
    CONTRADICTIONS_TO_REVERT,
    ELSEWHERE_CROPS,
    FAST_FRAME_SECONDS,
    MAX_UPDATES,
    MIN_CLEAN_CROPS,
    UNCALIBRATED_SECONDS,
    UNLIKE_LOG_ODDS,
)
from .birth import UsualScore
from .decision import Decision, Probation, State
from .id_pool import IdPool
from .initiation import VisibleBoxes, forget_apart, initiate, note_apart, prune_apart, rename_apart
from .late_merge import LateMerges
from .matching import (
    Assignment,
    Present,
    RevivalMatch,
    blind_log_odds,
    candidate_gate,
    closest_log_odds,
    match_returning,
)
from .memory_update import MemoryUpdater
from .metric_refresh import MetricRefresh
from .verification import Verifier

# A frame's number, and its time in seconds.
When = tuple[int, float]


class Recognizer:
    """Decide which identity each tracklet shows, and keep the memory bank.

    Args:
        config: The tracker's config.
        ids: Gives ids.
        events: Takes revivals.

    Attributes:
        bank: The memory bank.
        metric: Where embeddings are compared.
        crop_scores: Calibrated scores of a crop against a track's running appearance.
        tracklet_scores: Calibrated scores of a tracklet against an identity.
        updater: Learns what decided tracklets show.
    """

    def __init__(self, config: Config, ids: IdPool, events: Events) -> None:
        tuning = config.tuning
        self.metric = Metric(learns=tuning.learn_metric)
        self.bank = MemoryBank(config.memory_identities, tuning.memory_prototypes, self.metric)
        self.crop_scores = CropScoreModel(self.metric, learns=tuning.calibrate)
        self.tracklet_scores = ScoreModel(self.metric.project, learns=tuning.calibrate)
        self.updater = MemoryUpdater(self.bank, self.metric)
        self._refresh = MetricRefresh(self.metric, self.crop_scores, self.tracklet_scores, self.bank)
        self._verifier = Verifier(self.bank, self.tracklet_scores, reverifies=tuning.reverify)
        self._late = LateMerges(config, self.bank, self.tracklet_scores)
        self._usual = UsualScore()
        self._config = config
        self._ids = ids
        self._events = events
        self._visible: Sequence[Decision] = ()
        self._merges = False
        self._stepped = float("-inf")

    def step(
        self,
        visible: Sequence[Decision],
        when: When,
        image_area: float | None = None,
        boxes: VisibleBoxes | None = None,
    ) -> None:
        """Decide on one frame.

        Args:
            visible: Decisions of the `N` confirmed tracklets that have a box in this frame; changed in place.
            when: The frame's number, and its time in seconds.
            image_area: Square pixels; None where it is unknown.
            boxes: Their `N` boxes; None where they are unknown, and no tracklet is in doubt.
        """
        now, settled = when[1], [d for d in visible if d.settled]
        self._visible = visible
        initiate(visible, boxes, self._usual, now, self._config)

        self.updater.end_probations(settled, now)
        self.bank.see_all([d.identity for d in settled], sightings(d.tracklet.last for d in settled))
        # Where frames follow each other fast, what takes long is spread over them.
        fast = now - self._stepped < FAST_FRAME_SECONDS
        self._stepped = now
        self.updater.update_all(settled, now, MAX_UPDATES if fast else len(settled))
        check = self._verifier.due(now)
        if not fast:
            self._refresh.at_once(self.updater.individuals)
        elif not check:  # one of both is enough for a frame
            self._refresh.step(self.updater.individuals)
        if check:
            for identity, since in self._verifier.check(settled, now):
                self._forget_apart(identity, since)
            prune_apart(visible, self.bank)
        note_apart(visible, boxes, now, self._config)

        open_ = [d for d in visible if not d.settled]
        tested = [d for d in visible if check and d.probation is not None and d.tracklet.count >= MIN_CLEAN_CROPS]
        if open_ or tested:
            self._decide_all(open_, tested, when, image_area)
        if self._merges or (check and not fast):  # else in the frame after a check: each takes a while in a crowd
            self._merge(when)
        self._merges = check and fast
        if not self._ids.closed:
            self.bank.forget(now - self._config.memory_seconds)

    def _decide_all(
        self, open_: Sequence[Decision], tested: Sequence[Decision], when: When, image_area: float | None
    ) -> None:
        """Match tracklets that are undecided, or tested on probation, and decide what can be decided."""
        visible = frozenset(d.identity for d in self._visible if d.settled) - {d.identity for d in tested}
        open_ = [d for d in open_ if not self._accept_undisputed(d, visible)]
        reactivated = (d.reactivated_id for d in open_ if not d.contradicted)
        present = Present(visible, frozenset(i for i in reactivated if i is not None))

        returning: dict[int, float] = {}
        asking = [*(d for d in open_ if d.tracklet.mean is not None), *tested]
        if asking:
            found = match_returning(
                asking, self.bank, self.tracklet_scores, self._config, present=present, image_area=image_area
            )
            self._decide(asking, found, {d.identity for d in tested}, when)
            returning = {id(d): found.best_log_odds(n) for n, d in enumerate(asking)}
        self._release()
        self._mark_returning(open_, returning, present)
        patience = self._patience
        for decision in open_:
            over = decision.tracklet.seen_for(when[1]) >= patience
            if over and not decision.settled and not decision.in_doubt:
                self._settle_by_default(decision, when)

    def _accept_undisputed(self, decision: Decision, visible: frozenset[int]) -> bool:
        """Settle as what the host re-activated, where memory has nothing that could contradict it."""
        identity = decision.reactivated_id
        if identity is None or identity in visible or identity in self.bank:
            return False
        self._settle(decision, identity)
        return True

    def _decide(self, asking: Sequence[Decision], found: Assignment, contested: set[int], when: When) -> None:
        new = self._new_identities(asking, found)
        for row, decision in enumerate(asking):
            match = found.match(row)
            if decision.settled:
                self._recheck_probation(decision, match, when)
            elif match is None or match.identity not in contested:
                decision.vote(None if match is None else match.identity)
                if row in new and not decision.in_doubt:
                    self._settle_new(decision, when)
                elif match is not None and decision.streak >= self._config.tuning.confirm_frames:
                    self._accept_match(decision, match, when)
            decision.contradicted = decision.tracklet.count >= MIN_CLEAN_CROPS and found.contradicts(row)

    def _new_identities(self, asking: Sequence[Decision], found: Assignment) -> set[int]:
        """Rows of tracklets that resemble no identity, neither an absent one nor a visible one on a wrong box."""
        rows = [n for n, d in enumerate(asking) if n not in found.pairs and not d.settled]
        if not self.tracklet_scores.evidence_weight:
            return {n for n in rows if asking[n].reactivated_id is None and not found.log_odds_of_others(n).size}
        unlike = self.tracklet_scores.llr(found.similarity.max(axis=1, initial=-1)) < UNLIKE_LOG_ODDS
        rows = [
            n
            for n in rows
            if asking[n].tracklet.count >= MIN_CLEAN_CROPS
            and unlike[n]
            and (found.log_odds_of_others(n) < UNLIKE_LOG_ODDS).all()
        ]
        if not rows:  # or the closest of all, visible ones too, is looked for
            return set()
        closest = closest_log_odds([asking[n] for n in rows], self.bank, self.tracklet_scores, self._config)
        return {n for n, log_odds in zip(rows, closest, strict=True) if log_odds < UNLIKE_LOG_ODDS}

    def _recheck_probation(self, decision: Decision, match: RevivalMatch | None, when: When) -> None:
        """Revert a revival that is matched to another identity in two checks in a row."""
        right = decision.forced if match is None else match.identity == decision.identity
        decision.contradictions = 0 if right else decision.contradictions + 1
        if decision.contradictions >= CONTRADICTIONS_TO_REVERT and decision.probation is not None:
            previous = decision.identity
            self.bank.see(previous, decision.probation.before)
            self._forget_apart(previous, decision.probation.until - self._config.tuning.probation_seconds)
            decision.reopen(self._shown_before(decision))
            shown = decision.identity if decision.identity > 0 else None
            self._events.emit(RevivalReverted(shown, previous, *when, decision.tracklet.born))

    def _shown_before(self, decision: Decision) -> int:
        """Return the id that a tracklet had before its revival: no revert costs a second one. Else a new id."""
        revival = decision.revival
        before = None if revival is None or revival.corrected else revival.previous_id
        return self._ids.provisional() if before is None or before in self.bank else before

    def _accept_match(self, decision: Decision, match: RevivalMatch, when: When) -> None:
        if match.identity in (decision.reactivated_id, decision.identity):
            self._settle_on_probation(decision, match.identity, when[1], by_appearance=False)
        else:
            self._revive(decision, match, when)

    def _revive(self, decision: Decision, match: RevivalMatch, when: When, *, forced: bool = False) -> None:
        decision.revival = Revival(
            match.identity,
            decision.identity if decision.identity > 0 else None,
            *when,
            gap=max(0.0, decision.tracklet.born - match.last),
            similarity=match.similarity,
            corrected=decision.reactivated_id is not None,
            forced=forced,
        )
        self._settle_on_probation(decision, match.identity, when[1], by_appearance=True)
        self._events.emit(decision.revival)

    def _settle_on_probation(self, decision: Decision, identity: int, now: float, *, by_appearance: bool) -> None:
        """Settle on probation as a remembered identity, unless it has just been evicted from memory."""
        before = self.bank.last_seen(identity) if identity in self.bank else None
        seconds = self._config.tuning.probation_seconds
        if before is None or not seconds:
            self._settle(decision, identity)
        else:
            self._settle(decision, identity, Probation(before, now + seconds, by_appearance))
            self.updater.hold_back(decision)

    def _settle_new(self, decision: Decision, when: When) -> None:
        unused = decision.identity > 0 and decision.reactivated_id is None
        identity = decision.identity if unused else self._ids.new()
        if identity is None:
            self._force(decision, when)
        else:
            self._settle(decision, identity)

    def _force(self, decision: Decision, when: When) -> None:
        """In a closed set without ids left, revive the most similar absent identity, however dissimilar."""
        visible = {d.identity for d in self._visible if d.settled} | {d.reactivated_id for d in self._visible}
        absent = [i for i in self.bank.ids if i not in visible]
        if not absent:
            return
        mean = decision.tracklet.mean
        scores = np.full(len(absent), -1.0) if mean is None else self.bank.search(mean[None], absent)[0]
        best = int(np.argmax(scores))
        match = RevivalMatch(absent[best], float(scores[best]), self.bank.last_seen(absent[best]).time)
        self._revive(decision, match, when, forced=True)

    def _settle_by_default(self, decision: Decision, when: When) -> None:
        if decision.reactivated_id is None:
            self._settle_new(decision, when)
        else:
            self._settle(decision, decision.reactivated_id)

    def _settle(self, decision: Decision, identity: int, probation: Probation | None = None) -> None:
        state = State.SETTLED if probation is None else State.ON_PROBATION
        decision.transition(state, identity, probation=probation)
        tracklet = decision.tracklet
        if identity not in self.bank:
            # Visible since the tracklet began: an identity that was seen later is another.
            self.bank.see(identity, tracklet.origin or tracklet.last)
        self.bank.see(identity, tracklet.last)

    def _release(self) -> None:
        """Take ids that settled tracklets turned out to have from undecided ones."""
        taken = {d.identity for d in self._visible if d.settled}
        for decision in self._visible:
            if not decision.settled and decision.identity in taken:
                decision.transition(State.UNDECIDED, self._ids.provisional())

    def _mark_returning(self, open_: Sequence[Decision], returning: dict[int, float], present: Present) -> None:
        """Mark tracklets that may show an absent identity: only there, if scores tell, is an id worth waiting for."""
        blind = [d for d in open_ if self._may_wait(d) and id(d) not in returning]
        if blind and self.tracklet_scores.evidence_weight:
            gate = candidate_gate(blind, self.bank, self._config, present)
            log_odds = blind_log_odds(blind, gate, self.bank, self.tracklet_scores, self._config)
            returning = returning | {id(d): float(odds) for d, odds in zip(blind, log_odds, strict=True)}
        tells = self.tracklet_scores.is_discriminative
        for decision in open_:
            known = tells and not decision.settled
            decision.returning_log_odds = returning.get(id(decision), -np.inf) if known else -np.inf

    def _may_wait(self, decision: Decision) -> bool:
        """Whether it depends on a likely return if a tracklet's id is shown: it has none, and isn't hidden anyway."""
        return self._config.provisional == "hide" and decision.identity < 0 and not decision.in_doubt

    @property
    def _patience(self) -> float:
        """Seconds for which a tracklet may be undecided."""
        longest = self._config.tuning.recognize_seconds
        return longest if self.tracklet_scores.evidence_weight else min(longest, UNCALIBRATED_SECONDS)

    def _merge(self, when: When) -> None:
        """Merge young identities that turn out to be older ones."""
        for decision, identity, similarity, gap in self._late.find(self._visible, when[1]):
            young = decision.identity
            decision.revival = Revival(identity, young, *when, gap, similarity)
            self.bank.merge(young, identity)
            self._ids.give_back(young)
            decision.identity = identity
            self._rename_apart(young, identity, self._visible)
            self._events.emit(decision.revival)

    def _forget_apart(self, identity: int, since: float) -> None:
        forget_apart(self._visible, identity, since)
        self._late.forget_apart(identity)

    def _rename_apart(self, old: int, new: int, decisions: Iterable[Decision]) -> None:
        rename_apart(decisions, old, new)
        self._late.rename_apart(old, new)

    def show_id(self, decision: Decision) -> None:
        """Give an id to show to a tracklet that has none; a closed set, which has none to spare, makes it wait."""
        if decision.identity < 0 and not (self._ids.closed and self._config.remembers):
            decision.identity = self._ids.new() or decision.identity

    def assume(self, family: str) -> None:
        """Start from the score prior of a family of embedders, if there is one."""
        prior = PRIORS.get(family)
        if prior is not None and not self.metric.version:
            self.tracklet_scores.assume(prior)
            self.crop_scores.assume(prior)

    # What a gallery tells and hears.

    def remember_evidence(self, evidence: LearnedStatistics) -> None:
        """Start from what this camera has learned in earlier runs, as far as learning is on."""
        if self._config.tuning.learn_metric:
            self.updater.earlier = evidence.means
            self.metric.add_scatter(evidence.scatter, evidence.crops)
        for pairs, same in ((evidence.genuine, True), (evidence.impostor, False)):
            self.tracklet_scores.observe(pairs[:, 0], pairs[:, 1], np.full(len(pairs), same))
        self._refresh.at_once(self.updater.individuals)

    def remember_prototypes(self, identity: int, prototypes: Floats) -> None:
        """Add prototypes from other cameras to an identity in memory, as far as there is room beside its own.

        Args:
            identity: The id; one that isn't in memory is left alone.
            prototypes: `(K, D)` embeddings, the most important first.
        """
        if identity in self.bank:
            for prototype in prototypes[: self._config.tuning.memory_prototypes // 2]:
                self.bank.learn(identity, prototype, ELSEWHERE_CROPS)

    def forget(self, identities: frozenset[int]) -> None:
        """Forget identities, and the vectors that scores were learned from, which don't tell whose they are.

        A tracklet that shows one of them now goes on; what is seen of it from now on is learned anew.
        """
        self.bank.drop(identities)
        self.updater.earlier = None
        self.tracklet_scores.forget()
        self.crop_scores.forget()

    def has(self, identity: int, decisions: Iterable[Decision]) -> bool:
        """Whether an identity is in memory, or one of some tracklets shows it or is re-activated as it."""
        return identity in self.bank or any(identity in (d.identity, d.reactivated_id) for d in decisions)

    def settle(self, identity: int, decisions: Iterable[Decision]) -> None:
        """Settle tracklets that show an identity and are undecided: the gallery knew it before the memory decided."""
        for decision in decisions:
            if decision.state is State.UNDECIDED and decision.identity == identity:
                self._settle(decision, identity)

    def rename(self, old: int, new: int, decisions: Iterable[Decision]) -> bool:
        """Rename an identity that turns out to be another, which may be in memory too.

        Args:
            old: The id that goes.
            new: The id that stays.
            decisions: All decisions that may have one of them.

        Returns:
            Whether it was done: not where both are visible, or were at once, so that they can't be the same.
        """
        visible = {d.identity for d in self._visible if d.settled}
        if any(old in visible or old in d.seen_apart for d in self._visible if d.settled and d.identity == new):
            return False
        if old in self.bank and new in self.bank:
            self.bank.merge(old, new)
        elif old in self.bank:
            self.bank.rename(old, new)
        decisions = list(decisions)
        self._rename_apart(old, new, decisions)
        for decision in decisions:
            decision.identity = new if decision.identity == old else decision.identity
            decision.reactivated_id = new if decision.reactivated_id == old else decision.reactivated_id
        return True
