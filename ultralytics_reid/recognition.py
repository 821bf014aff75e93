"""Who is this? From tracklets' evidence to identities: teaching the memory, calibrating, doubting, reviving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .association import assign, motion_llr
from .calibration import ScoreModel
from .config import Config
from .embedding import Bools, Floats, unit
from .events import Events, Revival
from .memory import MemoryBank
from .metric import Metric
from .tracklet import Tracklet

# Clean crops that are averaged into one prototype, at least.
_STRETCH = 5
# Seconds between two looks at how alike tracklets and identities are, and how far back the crops go that are looked at.
_CHECK_EVERY = 0.5
_CHECK_SPAN = 1.0
# Clean crops without which nobody is called a newcomer or a stranger to their own identity.
_EVIDENCE = 5
# Frames in a row that must agree before an identity is revived, and checks before one is doubted.
_VOTES = 2
_DOUBTS = 2
# Seconds that crops wait before they are taught, long enough to doubt them: what goes wrong never gets there.
_LAG = _CHECK_SPAN + _DOUBTS * _CHECK_EVERY
# Nats: the most that appearance may say, the most that motion may, and what the host's own match is worth.
_MOST_APPEARANCE = 6.0
_MOST_MOTION = 3.0
_CLAIM = 4.0
# Nats below which a tracklet doesn't resemble an identity at all.
_NOBODY = -4.0
# However well motion fits, appearance must be better than that of this share of strangers.
_MOST_RATE = 0.2
_TINY_RATE = 1e-12
# Body heights a second that people turn aside from where they were heading.
_WANDER = 0.7


@dataclass(frozen=True)
class _Findings:
    """Tracklets in question against identities that are not visible: `(T, I)` each.

    `anyone` has their looks' likelihood ratios against everybody remembered, the visible ones too.
    """

    scores: Floats
    anyone: Floats
    value: npt.NDArray[np.float64]
    motion: npt.NDArray[np.float64]
    gate: Bools
    claimed: Bools


class Recogniser:
    """One camera's memory of who was there.

    Args:
        config: The tracker's config.
        mint: Gives the next unused id.
        events: Is told of revivals.

    Attributes:
        bank: The identities.
        metric: Where embeddings are compared.
        tracklets: What a tracklet's similarity to an identity is worth.
        area: The picture's area, square pixels; None where it is unknown, and motion can't be weighed.
    """

    def __init__(self, config: Config, mint: Callable[[], int], events: Events) -> None:
        self.metric = Metric()
        self.bank = MemoryBank(config.memory_identities, config.memory_prototypes, self.metric)
        self._frames = ScoreModel(self.metric.project), ScoreModel(unit)
        self.tracklets = ScoreModel(self.metric.project)
        self.area: float | None = None
        self._config = config
        self._mint = mint
        self._events = events
        self._checked = 0.0

    def step(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        """Go through one frame.

        Args:
            seen: The tracklets that have a box in this frame; their `identity` is updated in place.
            frame: The frame's number.
            now: Its time, seconds.
        """
        settled = [t for t in seen if t.settled]
        for tracklet in settled:
            self._teach(tracklet, now)
        self._learn_metric()
        if now - self._checked >= _CHECK_EVERY:
            self._checked = now
            self._check(settled, now)
        self._recognise(seen, frame, now)
        self.bank.forget(now - self._config.memory_seconds)

    def announce(self, tracklet: Tracklet) -> None:
        """Give a tracklet an id to show, if it has none."""
        if tracklet.identity < 0:
            tracklet.identity = self._mint()

    def learn_frame(self, seen: Sequence[Tracklet], turn: int) -> None:
        """Learn what single crops' similarities are worth: to the own track's appearance, and to a co-visible one's.

        Args:
            seen: The tracklets that have a box in this frame, before they take its crop in.
            turn: Which of the others each is compared with; any number.
        """
        able = [(t.appearance, t.embedding) for t in seen if t.clean]
        pairs = [(a, e) for a, e in able if a is not None and e is not None]
        if not pairs:
            return
        looks, crops = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
        own = np.ones(len(pairs), bool)
        if len(pairs) > 1:
            others = np.roll(crops, turn % (len(pairs) - 1) + 1, axis=0)
            looks, crops, own = (
                np.tile(looks, (2, 1)),
                np.concatenate([crops, others]),
                np.repeat([True, False], len(own)),
            )
        for model in self._frames:
            model.observe(looks, crops, own)

    def agreement(self, looks: Floats, crops: Floats) -> Floats:
        """How well single crops fit tracks' appearances: under the learned metric or as they are, what is clearer.

        The metric helps weak embedders much; strong ones need it less, and while it is young it can mislead.

        Args:
            looks: `(T, D)` raw appearances of tracks.
            crops: `(N, D)` raw embeddings of detections.

        Returns:
            `(T, N)` float32 in [-1, 1]: -1 speaks against a match, 1 for it, 0 says nothing.
        """
        learned, plain = (model.agreement(model.compare(looks, crops)) for model in self._frames)
        return np.where(np.abs(learned) > np.abs(plain), learned, plain)

    def _teach(self, tracklet: Tracklet, now: float) -> None:
        self.bank.see(tracklet.identity, tracklet.last)
        lag = _LAG if self.bank.knows(tracklet.identity) else 0.0
        crops, mean = tracklet.ripe(now - lag, _STRETCH), tracklet.mean
        if crops and mean is not None:
            self.bank.learn(tracklet.identity, np.mean(crops, axis=0, dtype=np.float32), len(crops))
            self.metric.observe(np.asarray(crops, np.float32) - mean)

    def _learn_metric(self) -> None:
        if self.metric.due:
            self.metric.refresh(self.bank.means())
            self._frames[0].rescore()
            self.tracklets.rescore()

    def _check(self, settled: Sequence[Tracklet], now: float) -> None:
        """Compare those who are visible with what is remembered of them: calibrate, and doubt who looks changed."""
        crops = [(t, t.recent(now - _CHECK_SPAN)) for t in settled]
        able = [(t, np.mean(c, axis=0)) for t, c in crops if len(c) >= _EVIDENCE and self.bank.knows(t.identity)]
        if not able:
            return
        tracklets, queries = [t for t, _ in able], np.array([q for _, q in able], np.float32)
        self._doubt(tracklets, queries, now)
        rows, columns = np.indices((len(queries), len(queries))).reshape(2, -1)
        remembered = self.bank.closest(queries, [t.identity for t in tracklets])
        self.tracklets.observe(queries[rows], remembered[rows, columns], rows == columns)

    def _doubt(self, tracklets: Sequence[Tracklet], queries: Floats, now: float) -> None:
        own = np.diagonal(self.bank.search(queries, [t.identity for t in tracklets]))
        strange = self.tracklets.llr(own) < -_CLAIM
        for tracklet, changed in zip(tracklets, strange, strict=True):
            tracklet.doubts = tracklet.doubts + 1 if changed else 0
            if tracklet.doubts >= _DOUBTS:
                tracklet.restart(now - _CHECK_SPAN)
                # Its identity was last seen before the doubtful crops, so that whoever has it now may claim it.
                before = float(np.nextafter(tracklet.born, -np.inf))
                self.bank.see(tracklet.identity, replace(tracklet.last, time=before))

    def _recognise(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        young = [t for t in seen if not t.settled]
        visible = {t.identity for t in seen if t.settled}
        for tracklet in young:
            if tracklet.claim is not None and tracklet.claim not in visible and tracklet.claim not in self.bank:
                self._settle(tracklet, tracklet.claim)  # nothing is left that could contradict the host
        young = [t for t in young if not t.settled]
        absent = [i for i in self.bank.ids if i not in visible] if young else []
        for tracklet in young:
            tracklet.open = self.tracklets.trust > 0 and any(self._possible(tracklet, i) for i in absent)
        times = [self.bank.last_seen(i).time for i in absent]  # settling one may push another out of memory
        asking = [t for t in young if t.mean is not None]
        findings = self._compare(asking, absent)
        chosen = dict(assign(findings.value, findings.gate & self._credible(findings)))
        for n, tracklet in enumerate(asking):
            choice = chosen.get(n)
            tracklet.vote(None if choice is None else absent[choice])
            if choice is not None and tracklet.votes >= _VOTES:
                last, score = times[choice], float(findings.scores[n, choice])
                self._take_back(tracklet, absent[choice], score, last, (frame, now))
            elif self._is_newcomer(
                tracklet, findings.value[n][findings.gate[n] & ~findings.claimed[n]], findings.anyone[n]
            ):
                self._settle_new(tracklet)
        self._release(seen)
        for tracklet in young:
            if not tracklet.settled and tracklet.seen_for(now) >= self._config.recognise_seconds:
                self._give_up(tracklet)

    def _compare(self, asking: Sequence[Tracklet], absent: Sequence[int]) -> _Findings:
        everybody = self.bank.ids
        found = self.bank.search(np.array([t.mean for t in asking], np.float32), everybody)
        place = {identity: n for n, identity in enumerate(everybody)}
        scores = found[:, [place[i] for i in absent]]
        shape = scores.shape
        claimed = np.array([[i == t.claim for i in absent] for t in asking], bool).reshape(shape)
        possible = np.array([[self._possible(t, i) for i in absent] for t in asking], bool).reshape(shape)
        motion = np.array([[self._motion(t, i) for i in absent] for t in asking]).reshape(shape)
        known = scores > -1
        looks = np.clip(self.tracklets.llr(scores), -_MOST_APPEARANCE, _MOST_APPEARANCE)
        doubt = np.log(max(1, len(absent)))  # a newcomer may be taken for any of them
        value = np.where(known, looks, 0) + np.where(claimed, _CLAIM, motion - doubt)
        return _Findings(scores, self.tracklets.llr(found), value, motion, possible & (known | claimed), claimed)

    def _possible(self, tracklet: Tracklet, identity: int) -> bool:
        """Nobody is in two places, and a person doesn't turn into a car."""
        last = self.bank.last_seen(identity)
        return identity == tracklet.claim or (
            last.time < tracklet.born and (not self._config.match_class or last.cls == tracklet.last.cls)
        )

    def _motion(self, tracklet: Tracklet, identity: int) -> float:
        """Log-likelihood ratio of "walked on to where this tracklet is", fading to no opinion as the gap grows."""
        last = self.bank.last_seen(identity)
        gap = max(0.0, tracklet.born - last.time)
        if gap >= self._config.motion_seconds or self.area is None:
            return 0.0
        centre = last.centre + last.velocity * (1 - np.exp(-gap))
        spread = np.full((1, 2), last.spread + _WANDER * last.height * gap)
        llr = motion_llr(centre[None], spread, tracklet.last.centre[None], self.area)[0, 0]
        return float(np.clip(llr, -_MOST_MOTION, _MOST_MOTION) * (1 - gap / self._config.motion_seconds))

    def _credible(self, findings: _Findings) -> Bools:
        """Scores that a stranger hardly reaches, the less so the likelier motion makes the pair; a claim needs none."""
        if not self.tracklets.trust:
            return findings.claimed
        rate = self._config.false_revival_rate / max(1, findings.scores.shape[1]) * np.exp(findings.motion)
        credible = findings.scores >= self.tracklets.impostor_bound(np.clip(rate, _TINY_RATE, _MOST_RATE))
        best = np.max(np.where(findings.gate, findings.scores, -1), axis=1, keepdims=True, initial=-1)
        return np.asarray(findings.claimed | (credible & (findings.scores >= best)))

    def _is_newcomer(self, tracklet: Tracklet, values: npt.NDArray[np.float64], looks: Floats) -> bool:
        """Whether a tracklet resembles nobody: no absent identity, nor a visible one that may be on a wrong box."""
        if not self.tracklets.trust:
            return tracklet.claim is None and not values.size
        return tracklet.count >= _EVIDENCE and bool((values < _NOBODY).all() and (looks < _NOBODY).all())

    def _take_back(
        self, tracklet: Tracklet, identity: int, similarity: float, last: float, when: tuple[int, float]
    ) -> None:
        if identity in (tracklet.claim, tracklet.identity):
            self._settle(tracklet, identity)
            return
        gap = max(0.0, tracklet.born - last)
        previous = tracklet.identity if tracklet.identity > 0 else None
        corrected = tracklet.claim is not None
        tracklet.revival = Revival(identity, previous, *when, gap, similarity, corrected)
        self._settle(tracklet, identity)
        self._events.emit(tracklet.revival)

    def _release(self, seen: Sequence[Tracklet]) -> None:
        """Whoever is still undecided gives up an id that somebody else turned out to have."""
        taken = {t.identity for t in seen if t.settled}
        for tracklet in seen:
            if not tracklet.settled and tracklet.identity in taken:
                tracklet.identity, tracklet.claim = self._mint(), None

    def _settle_new(self, tracklet: Tracklet) -> None:
        unused = tracklet.identity > 0 and tracklet.claim is None
        self._settle(tracklet, tracklet.identity if unused else self._mint())

    def _give_up(self, tracklet: Tracklet) -> None:
        if tracklet.claim is None:
            self._settle_new(tracklet)
        else:
            self._settle(tracklet, tracklet.claim)

    def _settle(self, tracklet: Tracklet, identity: int) -> None:
        tracklet.identity, tracklet.settled, tracklet.claim, tracklet.open = identity, True, None, False
        self.bank.see(identity, tracklet.last)
