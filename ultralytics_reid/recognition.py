"""Who is this? From tracklets' evidence to identities: teaching the memory, calibrating, reviving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .association import assign, motion_llr
from .calibration import ScoreModel
from .config import Config
from .embedding import Bools, Floats
from .events import Events, Revival
from .memory import LastSeen, MemoryBank
from .metric import Metric
from .tracklet import Tracklet

# Seconds that crops wait before they are taught: what goes wrong at a tracklet's end never gets there.
_LAG = 1.0
# Clean crops that are averaged into one prototype, at least.
_STRETCH = 5
# Seconds between two looks at how alike tracklets and their own and others' identities are, and how far each goes back.
_CHECK_EVERY = 0.5
_CHECK_SPAN = 1.0
# Clean crops without which nothing is decided against the motion.
_EVIDENCE = 3
# Frames in a row that must agree before an identity is revived.
_VOTES = 3
# Nats: the most that appearance, the most that motion, and how much the host's own match, may weigh.
_MOST_APPEARANCE = 6.0
_MOST_MOTION = 3.0
_CLAIM = 4.0
# Nats below which nobody in memory is taken for possible.
_NOBODY = -2.0
_DOUBTS = 2
# Seconds that an old track may seem to go on while its owner has a new one already: it has caught on another box.
_OVERLAP = 0.5
RES = True
OPEN2 = False
OPEN = -2.0


@dataclass(frozen=True)
class _Findings:
    """Tracklets in question against identities that are not visible: `(T, I)` each."""

    scores: Floats
    value: npt.NDArray[np.float64]
    gate: Bools


class Recogniser:
    """One camera's memory of who was there.

    Args:
        config: The tracker's config.
        mint: Gives the next unused id.

    Attributes:
        bank: The identities.
        metric: Where embeddings are compared.
        frames: What one crop's similarity to a track's appearance is worth.
        tracklets: What a tracklet's similarity to an identity is worth.
        events: What a caller can observe.
        area: The picture's area in square pixels.
    """

    def __init__(self, config: Config, mint: Callable[[], int], events: Events) -> None:
        self.config = config
        self.metric = Metric()
        self.bank = MemoryBank(config.memory_identities, config.memory_prototypes, self.metric)
        self.frames = ScoreModel(self.metric.project)
        self.tracklets = ScoreModel(self.metric.project)
        self.events = events
        self.area = 1.0
        self._mint = mint
        self._checked = 0.0

    def step(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        """Go through one frame.

        Args:
            seen: The tracklets that have a box in this frame; their `identity` is updated in place.
            frame: The frame's number.
            now: Its time, seconds.
        """
        for tracklet in seen:
            tracklet.take(now)
        for tracklet in seen:
            if tracklet.settled:
                self._teach(tracklet, now)
        self._learn_metric()
        if now - self._checked >= _CHECK_EVERY:
            self._checked = now
            self._check([t for t in seen if t.settled], now)
        self._recognise(seen, frame, now)
        self.bank.forget(now - self.config.memory_seconds)

    def _teach(self, tracklet: Tracklet, now: float) -> None:
        self.bank.see(tracklet.identity, tracklet.last)
        lag = _LAG if self.bank.knows(tracklet.identity) else 0.0
        crops = tracklet.ripe(now - lag, _STRETCH)
        if crops:
            self.bank.learn(tracklet.identity, np.mean(crops, axis=0, dtype=np.float32), len(crops))
            self.metric.observe(np.asarray(crops, np.float32) - tracklet.mean)

    def _learn_metric(self) -> None:
        if self.metric.due:
            self.metric.refresh(self.bank.means())
            self.frames.rescore()
            self.tracklets.rescore()

    def _check(self, settled: Sequence[Tracklet], now: float) -> None:
        """Calibrate on those who are visible, and doubt who no longer looks like themselves."""
        crops = [(t, t.recent(now - _CHECK_SPAN)) for t in settled]
        known = [(t, c, self.bank.mean(t.identity)) for t, c in crops if len(c) >= _EVIDENCE]
        able = [(t, np.mean(c, axis=0, dtype=np.float32), m) for t, c, m in known if m is not None]
        if not able:
            return
        queries, means = np.array([q for _, q, _ in able]), np.array([m for _, _, m in able])
        self._doubt([t for t, _, _ in able], queries, now)
        self._calibrate(queries, means)

    def _calibrate(self, queries: Floats, means: Floats) -> None:
        rows, columns = np.indices((len(queries), len(means))).reshape(2, -1)
        self.tracklets.observe(queries[rows], means[columns], rows == columns)

    def _doubt(self, tracklets: Sequence[Tracklet], queries: Floats, now: float) -> None:
        for tracklet, query in zip(tracklets, queries, strict=True):
            score = self.bank.search(query[None], [tracklet.identity])
            strange = self.tracklets.llr(score)[0, 0] + _CLAIM < 0
            tracklet.doubts = tracklet.doubts + 1 if strange else 0
            if tracklet.doubts >= _DOUBTS:
                tracklet.restart(now - _CHECK_SPAN)
                self.bank.see(tracklet.identity, replace(tracklet.last, time=tracklet.born))

    def _recognise(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        young = [t for t in seen if not t.settled]
        if not young:
            return
        visible = {t.identity for t in seen if t.settled}
        absent = [i for i in self.bank.ids if i not in visible]
        for tracklet in young:
            tracklet.open = tracklet.mean is None and any(self._possible(tracklet, i, self.bank.last_seen(i)) for i in absent)
        asking = [t for t in young if t.mean is not None]
        findings = self._compare(asking, absent)
        chosen = dict(assign(findings.value, findings.gate & self._credible(asking, absent, findings)))
        for n, tracklet in enumerate(asking):
            choice = chosen.get(n)
            tracklet.open = bool((findings.value[n][findings.gate[n]] >= OPEN).any()) if not OPEN2 else bool(findings.gate[n].any()) and self.tracklets.trust > 0
            self._vote(tracklet, None if choice is None else absent[choice])
            if choice is not None and tracklet.votes >= _VOTES:
                self._take_back(tracklet, absent[choice], float(findings.scores[n, choice]), frame, now)
            elif self._is_new(tracklet, findings.value[n][findings.gate[n]]):
                self._settle_new(tracklet)
        for tracklet in young:
            if not tracklet.settled and tracklet.seen_for(now) >= self.config.recognise_seconds:
                self._give_up(tracklet)

    def _compare(self, asking: Sequence[Tracklet], absent: list[int]) -> _Findings:
        queries = np.array([t.mean for t in asking], np.float32)
        scores = self.bank.search(queries, absent)
        lasts = [self.bank.last_seen(i) for i in absent]
        pairs = [[(t, i, last) for i, last in zip(absent, lasts, strict=True)] for t in asking]
        gate = np.array([[self._possible(*p) for p in row] for row in pairs], bool).reshape(scores.shape)
        motion = np.array([[self._motion(*p) for p in row] for row in pairs]).reshape(scores.shape)
        looks = np.where(scores > -1, np.clip(self.tracklets.llr(scores), -_MOST_APPEARANCE, _MOST_APPEARANCE), 0)
        known = scores > -1
        return _Findings(scores, looks + motion, gate & (known | (motion >= _CLAIM)))

    def _possible(self, tracklet: Tracklet, identity: int, last: LastSeen) -> bool:
        """Nobody is in two places, and a person doesn't turn into a car."""
        if identity == tracklet.claim:
            return True
        return last.time < tracklet.born + _OVERLAP and (not self.config.match_class or last.cls == tracklet.last.cls)

    def _motion(self, tracklet: Tracklet, identity: int, last: LastSeen) -> float:
        if identity == tracklet.claim:
            return _CLAIM
        gap = max(0.0, tracklet.born - last.time)
        silence = 1 - gap / self.config.motion_seconds if self.config.motion_seconds else 0
        if silence <= 0:
            return 0.0
        centre = last.centre + last.velocity * (1 - np.exp(-gap))
        spread = np.full(2, last.spread + 0.7 * last.height * gap)
        llr = motion_llr(centre[None], spread[None], tracklet.last.centre[None].astype(np.float32), self.area)
        return float(np.clip(llr[0, 0], -_MOST_MOTION, _MOST_MOTION) * silence)

    def _credible(self, asking: Sequence[Tracklet], absent: list[int], findings: _Findings) -> Bools:
        """Scores that a stranger hardly reaches; what motion claims needs none."""
        rate = self.config.false_revival_rate / max(1, len(absent))
        bound = self.tracklets.impostor_bound(rate) if self.tracklets.trust else 1.0
        claimed = np.array([[i == t.claim for i in absent] for t in asking], bool).reshape(findings.scores.shape)
        enough = findings.value >= max(0.0, float(np.clip(self.tracklets.llr(np.float32(bound)), 0, _MOST_APPEARANCE)))
        best = findings.scores >= np.max(np.where(findings.gate, findings.scores, -1), axis=1, keepdims=True, initial=-1)
        return np.asarray(claimed | (enough & best & (self.tracklets.trust > 0)))

    def _vote(self, tracklet: Tracklet, identity: int | None) -> None:
        agrees = tracklet.votes > 0 and identity == tracklet.favourite
        tracklet.favourite, tracklet.votes = identity, tracklet.votes + 1 if agrees else 1

    def _is_new(self, tracklet: Tracklet, values: npt.NDArray[np.float64]) -> bool:
        if not len(self.bank) or not values.size and not RES:
            return True
        if tracklet.count < _EVIDENCE: return False
        if RES:
            looks = self.tracklets.llr(self.bank.search(tracklet.mean[None], self.bank.ids))
            return bool((values < _NOBODY).all() and (looks < _NOBODY).all())
        return bool((values < _NOBODY).all())

    def _take_back(self, tracklet: Tracklet, identity: int, similarity: float, frame: int, now: float) -> None:
        if identity != tracklet.claim:
            gap = max(0.0, tracklet.born - self.bank.last_seen(identity).time)
            previous = tracklet.identity if tracklet.identity > 0 else None
            tracklet.revival = Revival(identity, previous, frame, now, gap, similarity)
        self._settle(tracklet, identity)
        if tracklet.revival:
            self.events.emit(tracklet.revival)

    def _settle_new(self, tracklet: Tracklet) -> None:
        if tracklet.identity < 0 or tracklet.claim is not None:
            tracklet.identity = self._mint()
        self._settle(tracklet, tracklet.identity)

    def _give_up(self, tracklet: Tracklet) -> None:
        if tracklet.claim is not None:
            self._settle(tracklet, tracklet.claim)
        else:
            self._settle_new(tracklet)

    def _settle(self, tracklet: Tracklet, identity: int) -> None:
        tracklet.identity, tracklet.settled, tracklet.claim = identity, True, None
        self.bank.see(identity, tracklet.last)

    def announce(self, tracklet: Tracklet) -> None:
        """Give a tracklet an id to show, if it has none."""
        if tracklet.identity < 0:
            tracklet.identity = self._mint()
