"""Who is this? From tracklets' evidence to identities: teaching the memory, calibrating, doubting, reviving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .._typing import Bools, Floats
from ..appearance.calibration import PRIORS, ScoreModel
from ..appearance.crop_score import CropScoreModel
from ..appearance.metric import Metric
from ..appearance.tracklet import Probation, Tracklet
from ..association.assignment import assign
from ..association.last_seen import sightings
from ..config import Config
from ..events import Events, Revival, RevivalReverted
from ..memory.bank import MemoryBank
from ..tuning import (
    CHECK_EVERY,
    CHECK_SPAN,
    CHECK_TRACKLETS,
    CONTRADICTIONS_TO_REVERT,
    ELSEWHERE_CROPS,
    HARDLY_LOG_ODDS,
    INCUMBENT_MARGIN,
    MAX_RATE,
    MIN_CLEAN_CROPS,
    MIN_RATE,
    REACTIVATION_LOG_ODDS,
    UNCALIBRATED_SECONDS,
    UNLIKE_LOG_ODDS,
)
from .candidates import Candidates, CandidateSearch, IdentityMatch
from .id_pool import Ids
from .late_merge import LateMerges
from .memory_update import MemoryUpdater

if TYPE_CHECKING:
    from ..appearance.evidence import LearnedStatistics


# Is told of a tracklet, the raw mean of some of its crops, and how many.
Lessons = Callable[[Tracklet, Floats, int], object]
# A frame's number, and its time in seconds.
When = tuple[int, float]
# Identities that are visible, and those that only claimants may show.
Taken = tuple[set[int], set[int]]


class Recognizer:
    """One camera's memory of who was there.

    Args:
        config: The tracker's config.
        ids: Gives ids out.
        events: Is told of revivals.

    Attributes:
        bank: The identities.
        metric: Where embeddings are compared.
        looks: What a crop's similarity to a track is worth.
        tracklets: What a tracklet's similarity to an identity is worth.
        candidate_search: Finds who a tracklet may show.
    """

    def __init__(self, config: Config, ids: Ids, events: Events) -> None:
        self.metric = Metric(learns=config.tuning.learn_metric)
        self.bank = MemoryBank(config.memory_identities, config.tuning.memory_prototypes, self.metric)
        self.crop_scores = CropScoreModel(self.metric, learns=config.tuning.calibrate)
        self.tracklet_scores = ScoreModel(self.metric.project, learns=config.tuning.calibrate)
        self.candidate_search = CandidateSearch(config, self.bank, self.tracklet_scores)
        self._teacher = MemoryUpdater(self.bank, self.metric)
        self._late = LateMerges(config, self.bank, self.tracklet_scores)
        self._config = config
        self._ids = ids
        self._events = events
        self._checked = 0.0
        self._checks = 0
        self._seen: Sequence[Tracklet] = ()
        self._earlier: Floats | None = None

    def step(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        """Go through one frame.

        Args:
            seen: The tracklets that have a box in this frame; their `identity` is updated in place.
            frame: The frame's number.
            now: Its time, seconds.
        """
        self._seen = seen
        settled = [t for t in seen if t.settled]
        self._teacher.end_probations(settled, now)
        self.bank.see_all([t.identity for t in settled], sightings(t.last for t in settled))
        for tracklet in settled:
            self._teacher.teach(tracklet, now)
        self._learn_metric()
        due = now - self._checked >= CHECK_EVERY
        if due:
            self._checked = now
            self._check(settled, now)
        self._recognize(seen, (frame, now), review=due)
        if due:
            self._merge(seen, (frame, now))
        if not self._ids.closed:
            self.bank.forget(now - self._config.memory_seconds)

    def assume(self, family: str) -> None:
        """Start from what similarities of a family of embedders are usually worth, if that is known."""
        prior = PRIORS.get(family)
        if prior is not None and not self.metric.version:
            self.tracklet_scores.assume(prior)
            self.crop_scores.assume(prior)

    def announce(self, tracklet: Tracklet) -> None:
        """Give a tracklet an id to show, if it has none; in a closed set, where none may be wasted, it has to wait."""
        if tracklet.identity < 0 and not (self._ids.closed and self._config.remembers):
            tracklet.identity = self._ids.new() or tracklet.identity

    def on_lesson(self, listener: Lessons) -> None:
        """Have somebody told of all that memory is taught: the tracklet, `(D,)` the raw mean of crops, and how many."""
        self._teacher.listener = listener

    def tell_rest(self) -> None:
        """Tell that listener what those who came back have shown of whom memory isn't sure yet: the video is over."""
        self._teacher.tell_rest()

    def individuals(self) -> Floats:
        """`(K, D)` raw mean embeddings of all individuals it knows of; those of earlier runs come first."""
        means = self.bank.means()
        return means if self._earlier is None or not len(self._earlier) else _stacked(self._earlier, means)

    def remember_evidence(self, evidence: LearnedStatistics) -> None:
        """Start from what this camera has learned in earlier runs, as far as the config lets it learn."""
        if self._config.tuning.learn_metric:
            self._earlier = evidence.means
            self.metric.add_scatter(evidence.scatter, evidence.crops)
        for pairs, same in ((evidence.genuine, True), (evidence.impostor, False)):
            self.tracklet_scores.observe(pairs[:, 0], pairs[:, 1], np.full(len(pairs), same))

    def remember_looks(self, identity: int, looks: Floats) -> None:
        """Teach memory what an identity looked like elsewhere, as far as there is room beside what was seen here.

        Args:
            identity: The id; one that isn't in memory is left alone.
            looks: `(K, D)` embeddings, the most important first.
        """
        if identity in self.bank:
            for look in looks[: self._config.tuning.memory_prototypes // 2]:
                self.bank.learn(identity, look, ELSEWHERE_CROPS)

    def has(self, identity: int, everybody: Iterable[Tracklet]) -> bool:
        """Whether an identity is in memory, or one of some tracklets shows or claims it."""
        return identity in self.bank or any(identity in (t.identity, t.reactivated_id) for t in everybody)

    def rename(self, old: int, new: int, everybody: Iterable[Tracklet]) -> bool:
        """An identity turns out to be another, which may be in memory too.

        Args:
            old: The id that is no more.
            new: The one that they have.
            everybody: All tracklets that may show or reactivated_id one of them.

        Returns:
            Whether it was done: not where both are visible, so that they can't be the same.
        """
        if any(t.settled and t.identity == new for t in self._seen):
            return False
        if old in self.bank and new in self.bank:
            self.bank.merge(old, new)
        elif old in self.bank:
            self.bank.rename(old, new)
        for tracklet in everybody:
            tracklet.identity = new if tracklet.identity == old else tracklet.identity
            tracklet.reactivated_id = new if tracklet.reactivated_id == old else tracklet.reactivated_id
        return True

    def _learn_metric(self) -> None:
        if not self.metric.due:
            return
        means, version = self.individuals(), self.metric.version
        self.metric.refresh(means)
        if self.metric.version > version:  # of one individual alone there is nothing to learn, and cosines stay plain
            self.crop_scores.rescore()
            self.tracklet_scores.rescore()
            self.tracklet_scores.people = len(means)

    def _check(self, settled: Sequence[Tracklet], now: float) -> None:
        """Compare those who are visible with what is remembered of them: calibrate, and doubt who looks changed."""
        sure = [t for t in settled if not t.unsure and self.bank.knows(t.identity)]
        crops = [(t, t.recent(now - CHECK_SPAN, MIN_CLEAN_CROPS)) for t in sure]
        able = [(t, c) for t, c in crops if len(c) >= MIN_CLEAN_CROPS]
        if not able:
            return
        queries = np.array([np.mean([e for _, e in c], axis=0) for _, c in able], np.float32)
        if self._config.tuning.reverify:
            self._reverify([t for t, _ in able], queries, [c[0][0] for _, c in able])
        self._checks += 1
        chosen = (self._checks * CHECK_TRACKLETS + np.arange(min(len(able), CHECK_TRACKLETS))) % len(able)
        queries, tracklets = queries[chosen], [able[n][0] for n in chosen]
        rows, columns = np.indices((len(queries), len(queries))).reshape(2, -1)
        remembered = self.bank.closest(queries, [t.identity for t in tracklets])
        self.tracklet_scores.observe(queries[rows], remembered[rows, columns], rows == columns)

    def _reverify(self, tracklets: Sequence[Tracklet], queries: Floats, since: Sequence[float]) -> None:
        own = np.diagonal(self.bank.compare(queries, self.bank.slots_of(t.identity for t in tracklets)))
        strange = self.tracklet_scores.llr(own) < -REACTIVATION_LOG_ODDS
        for tracklet, changed, start in zip(tracklets, strange, since, strict=True):
            if tracklet.probation is not None:
                continue  # looked at elsewhere
            tracklet.contradictions = tracklet.contradictions + 1 if changed else 0
            if tracklet.contradictions >= CONTRADICTIONS_TO_REVERT:
                tracklet.restart(start)
                # Its identity was last seen before the doubtful crops, so that whoever has it now may take it.
                before = float(np.nextafter(tracklet.born, -np.inf))
                self.bank.see(tracklet.identity, replace(tracklet.last, time=before))

    def _recognize(self, seen: Sequence[Tracklet], when: When, *, review: bool) -> None:
        young = [t for t in seen if not t.settled]
        tested = [t for t in seen if review and t.probation is not None and t.count >= MIN_CLEAN_CROPS]
        if not young and not tested:
            return
        shown = {t.identity for t in seen if t.settled} - {t.identity for t in tested}
        young = [t for t in young if not self._goes_undisputed(t, shown)]
        reactivated = {t.reactivated_id for t in young if t.reactivated_id is not None and not t.contradicted}
        likely = self._judge(young, tested, (shown, reactivated), when)
        self._release(seen)
        self._wait(young, (shown, reactivated), likely)
        for tracklet in young:
            if not tracklet.settled and tracklet.seen_for(when[1]) >= self._patience:
                self._give_up(tracklet, when)

    @property
    def _patience(self) -> float:
        """Seconds for which a tracklet may be undecided."""
        most = self._config.tuning.recognize_seconds
        return most if self.tracklet_scores.evidence_weight else min(most, UNCALIBRATED_SECONDS)

    def _judge(
        self, young: Sequence[Tracklet], tested: Sequence[Tracklet], taken: Taken, when: When
    ) -> dict[int, bool]:
        """Decide what can be decided; returns whether somebody may be coming back in each tracklet, by its `id`."""
        asking = [*(t for t in young if t.mean is not None), *tested]
        if not asking:
            return {}
        found = self.candidate_search.find(asking, *taken)
        chosen = dict(assign(found.log_odds, found.gate & self._credible(found)))
        contested = {t.identity for t in tested}
        newcomers = self._newcomers(asking, found, chosen)
        for n, tracklet in enumerate(asking):
            match = found.match(n, chosen.get(n))
            if tracklet.settled:
                self._recheck_probation(tracklet, match, when)
            elif match is None or match.identity not in contested:
                self._decide(tracklet, match, when, is_new=n in newcomers)
            tracklet.contradicted = tracklet.count >= MIN_CLEAN_CROPS and found.contradicts(n)
        pairs = zip(asking, found.log_odds, found.gate, strict=True)
        return {id(t): bool((value[gate] > HARDLY_LOG_ODDS).any()) for t, value, gate in pairs}

    def _goes_undisputed(self, tracklet: Tracklet, shown: set[int]) -> bool:
        """Settle whom the host says it is, where nothing is remembered that could contradict it."""
        reactivated_id = tracklet.reactivated_id
        if reactivated_id is None or reactivated_id in shown or reactivated_id in self.bank:
            return False
        self._settle(tracklet, reactivated_id)
        return True

    def _decide(self, tracklet: Tracklet, match: IdentityMatch | None, when: When, *, is_new: bool) -> None:
        tracklet.vote(None if match is None else match.identity)
        if is_new:
            self._settle_new(tracklet, when)
        elif match is not None and tracklet.streak >= self._config.tuning.confirm_frames:
            self._accept_match(tracklet, match, when)

    def _recheck_probation(self, tracklet: Tracklet, match: IdentityMatch | None, when: When) -> None:
        """Look again at somebody on probation; who is found to be somebody else twice in a row gives the id back."""
        right = tracklet.forced if match is None else match.identity == tracklet.identity
        tracklet.contradictions = 0 if right else tracklet.contradictions + 1
        if tracklet.contradictions >= CONTRADICTIONS_TO_REVERT and tracklet.probation is not None:
            previous = tracklet.identity
            self.bank.see(previous, tracklet.probation.before)
            tracklet.reopen(self._ids.provisional())
            self._events.emit(RevivalReverted(max(tracklet.identity, 0) or None, previous, *when, tracklet.born))

    def _credible(self, found: Candidates) -> Bools:
        """Scores strangers hardly reach, the less so the likelier motion makes the pair; the incumbent needs none."""
        if not self.tracklet_scores.evidence_weight:
            return found.incumbent
        if self._config.false_revival_rate >= 1:
            return found.gate
        rate = self._config.false_revival_rate / np.maximum(1, found.n_candidates)[:, None] * np.exp(found.motion)
        credible = found.scores >= self.tracklet_scores.impostor_bound(np.clip(rate, MIN_RATE, MAX_RATE))
        best = np.max(np.where(found.gate, found.scores, -1), axis=1, keepdims=True, initial=-1)
        rival = np.max(np.where(found.gate & ~found.incumbent & credible, found.scores, -1), axis=0, initial=-1)
        kept = found.incumbent & (found.scores >= rival - INCUMBENT_MARGIN)
        return np.asarray(kept | (~found.incumbent & credible & (found.scores >= best)))

    def _newcomers(self, asking: Sequence[Tracklet], found: Candidates, chosen: dict[int, int]) -> set[int]:
        """Rows of those who resemble nobody: no absent identity, nor a visible one that may be on a wrong box."""
        rows = [n for n, t in enumerate(asking) if n not in chosen and not t.settled]
        if not self.tracklet_scores.evidence_weight:
            return {n for n in rows if asking[n].reactivated_id is None and not found.log_odds_of_others(n).size}
        rows = [
            n
            for n in rows
            if asking[n].count >= MIN_CLEAN_CROPS and (found.log_odds_of_others(n) < UNLIKE_LOG_ODDS).all()
        ]
        if not rows:
            return set()
        strange = self.candidate_search.anyone([asking[n] for n in rows]) < UNLIKE_LOG_ODDS
        return {n for n, alone in zip(rows, strange, strict=True) if alone}

    def _wait(self, young: Sequence[Tracklet], taken: Taken, likely: dict[int, bool]) -> None:
        """Note in whom somebody may be coming back: an id is worth waiting for only where looks can tell."""
        blind = [t for t in young if id(t) not in likely]
        if blind and self.tracklet_scores.evidence_weight:
            likely |= {
                id(t): bool(p.any()) for t, p in zip(blind, self.candidate_search.possible(blind, *taken), strict=True)
            }
        tells = self.tracklet_scores.is_discriminative
        for tracklet in young:
            tracklet.may_be_returning = not tracklet.settled and tells and likely.get(id(tracklet), False)

    def _accept_match(self, tracklet: Tracklet, match: IdentityMatch, when: When) -> None:
        if match.identity not in (tracklet.reactivated_id, tracklet.identity):
            self._revive(tracklet, match, when)
        else:
            self._settle_again(tracklet, match.identity, when, by_looks=False)

    def _revive(self, tracklet: Tracklet, match: IdentityMatch, when: When, *, forced: bool = False) -> None:
        gap = max(0.0, tracklet.born - match.last)
        previous = tracklet.identity if tracklet.identity > 0 else None
        corrected = tracklet.reactivated_id is not None
        tracklet.revival = Revival(match.identity, previous, *when, gap, match.score, corrected, forced)
        self._settle_again(tracklet, match.identity, when, by_looks=True)
        self._events.emit(tracklet.revival)

    def _settle_again(self, tracklet: Tracklet, identity: int, when: When, *, by_looks: bool) -> None:
        """Settle, on probation, who was there before, unless they have just been pushed out of memory."""
        before = self.bank.last_seen(identity) if identity in self.bank else None
        self._settle(tracklet, identity)
        seconds = self._config.tuning.probation_seconds
        if before is not None and seconds:
            self._teacher.put_off(tracklet, Probation(before, when[1] + seconds, by_looks))

    def _merge(self, seen: Sequence[Tracklet], when: When) -> None:
        """Young identities that turn out to be older ones."""
        for tracklet, identity, score, gap in self._late.find(seen, when[1]):
            tracklet.revival = Revival(identity, tracklet.identity, *when, gap, score)
            self.bank.merge(tracklet.identity, identity)
            self._ids.give_back(tracklet.identity)
            tracklet.identity = identity
            self._events.emit(tracklet.revival)

    def _release(self, seen: Sequence[Tracklet]) -> None:
        """Whoever is still undecided gives up an id that somebody else turned out to have."""
        taken = {t.identity for t in seen if t.settled}
        for tracklet in seen:
            if not tracklet.settled and tracklet.identity in taken:
                tracklet.identity, tracklet.reactivated_id = self._ids.provisional(), None

    def _settle_new(self, tracklet: Tracklet, when: When) -> None:
        unused = tracklet.identity > 0 and tracklet.reactivated_id is None
        identity = tracklet.identity if unused else self._ids.new()
        if identity is None:
            self._force(tracklet, when)
        else:
            self._settle(tracklet, identity)

    def _force(self, tracklet: Tracklet, when: When) -> None:
        """In a closed set whose ids are all given, take the likeliest of those who aren't there, however unlikely."""
        taken = {t.identity for t in self._seen if t.settled} | {t.reactivated_id for t in self._seen}
        absent = [i for i in self.bank.ids if i not in taken]
        if not absent:
            return
        mean = tracklet.mean
        scores = np.full(len(absent), -1.0) if mean is None else self.bank.search(mean[None], absent)[0]
        best = int(np.argmax(scores))
        match = IdentityMatch(absent[best], float(scores[best]), self.bank.last_seen(absent[best]).time)
        self._revive(tracklet, match, when, forced=True)

    def _give_up(self, tracklet: Tracklet, when: When) -> None:
        if tracklet.reactivated_id is None:
            self._settle_new(tracklet, when)
        else:
            self._settle(tracklet, tracklet.reactivated_id)

    def _settle(self, tracklet: Tracklet, identity: int) -> None:
        tracklet.identity, tracklet.settled, tracklet.reactivated_id, tracklet.may_be_returning = (
            identity,
            True,
            None,
            False,
        )
        if identity not in self.bank:
            # It has been there since then: nobody who was seen later is the same.
            self.bank.see(identity, tracklet.origin or tracklet.last)
        self.bank.see(identity, tracklet.last)


def _stacked(a: Floats, b: Floats) -> Floats:
    return np.concatenate([a, b]) if len(b) else a
