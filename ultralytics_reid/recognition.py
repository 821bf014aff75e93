"""Who is this? From tracklets' evidence to identities: teaching the memory, calibrating, reviving."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

# Crops are taught to memory this late: what went wrong at a tracklet's end never gets there.
_LAG = 1.0
_STRETCH = 5
_CALIBRATE_EVERY = 0.5
_QUERY = 1.0
_MOST_MOTION = 3.0
_VOTES = 3
_MARGIN = 0.05


class Recogniser:
    """One camera's memory of who was there.

    Attributes:
        bank: The identities.
        metric: Where their embeddings are compared.
        scores: What a tracklet's similarity to an identity is worth.
        events: What a caller can observe.
    """

    def __init__(self, config: Config, mint: Callable[[], int]) -> None:
        self.config = config
        self.metric = Metric()
        self.bank = MemoryBank(config.memory_identities, config.memory_prototypes, self.metric)
        self.scores = ScoreModel(self.metric.project)
        self.events = Events()
        self.area = 1.0
        self._mint = mint
        self._calibrated = 0.0

    def step(self, seen: Sequence[Tracklet], frame: int, now: float) -> None:
        """Go through one frame.

        Args:
            seen: The tracklets that have a box in this frame; their `identity` is updated in place.
            frame: The frame's number.
            now: Its time, seconds.
        """
        for tracklet in seen:
            tracklet.take(now)
        settled = [t for t in seen if t.settled]
        for tracklet in settled:
            self._teach(tracklet, now)
        self._learn_metric(settled)
        self._calibrate(settled, now)
        self._recognise([t for t in seen if not t.settled], frame, now)
        self.bank.forget(now - self.config.memory_seconds)

    def _teach(self, tracklet: Tracklet, now: float) -> None:
        assert tracklet.last is not None
        self.bank.see(tracklet.identity, tracklet.last)
        crops = tracklet.ripe(now - _LAG, _STRETCH)
        if crops:
            mean = np.mean(crops, axis=0, dtype=np.float32)
            self.bank.learn(tracklet.identity, mean, len(crops))
            assert tracklet.mean is not None
            self.metric.observe(np.asarray(crops - tracklet.mean, np.float32))

    def _learn_metric(self, settled: Sequence[Tracklet]) -> None:
        if self.metric.due:
            self.metric.refresh(self.bank.means())
            self.scores.rescore()
            self.on_metric()

    def _calibrate(self, settled: Sequence[Tracklet], now: float) -> None:
        if now - self._calibrated < _CALIBRATE_EVERY:
            return
        self._calibrated = now
        pairs = [(t, t.recent(now - _QUERY)) for t in settled]
        pairs = [(t, r) for t, r in pairs if len(r) >= 3]
        if not pairs:
            return
        queries = np.array([np.mean(r, axis=0) for _, r in pairs], np.float32)
        remembered = [self.bank.mean(t.identity) for t, _ in pairs]
        known = [n for n, m in enumerate(remembered) if m is not None]
        for n in known:
            others = [k for k in range(len(pairs)) if k == n or k in known]
            a = queries[others]
            self.scores.observe(a, np.broadcast_to(remembered[n], a.shape), np.array([k == n for k in others]))

    def _recognise(self, young: Sequence[Tracklet], frame: int, now: float) -> None:
        if not young:
            return
        absent = [i for i in self.bank.ids if self.bank.last_seen(i).time < now]
        asking = [t for t in young if t.mean is not None]
        scores, gate = self._compare(asking, absent)
        for tracklet, row in zip(asking, gate, strict=True):
            if not row.any():
                self._settle_new(tracklet)
        value = self._value(asking, absent, scores)
        chosen = dict(assign(value, gate & self._clear_best(scores, gate, len(absent))))
        for n, tracklet in enumerate(asking):
            self._vote(tracklet, absent[chosen[n]] if n in chosen else None)
            if tracklet.votes >= _VOTES and not tracklet.settled:
                self._revive(tracklet, absent[chosen[n]], float(scores[n, chosen[n]]), frame, now)
        for tracklet in young:
            self._give_up(tracklet, now)

    def _compare(self, asking: Sequence[Tracklet], absent: list[int]) -> tuple[Floats, Bools]:
        queries = np.array([t.mean for t in asking], np.float32)
        scores = self.bank.search(queries, absent)
        lasts = [self.bank.last_seen(i) for i in absent]
        gate = np.array([[self._possible(t, last) for last in lasts] for t in asking], bool)
        return scores, gate.reshape(scores.shape) & (scores > -1)

    def _possible(self, tracklet: Tracklet, last: LastSeen) -> bool:
        """Nobody is in two places, and a person doesn't turn into a car."""
        assert tracklet.last is not None
        return last.time < tracklet.born and (not self.config.match_class or last.cls == tracklet.last.cls)

    def _clear_best(self, scores: Floats, gate: Bools, rivals: int) -> Bools:
        """Scores that a stranger hardly reaches, and that nobody else in memory comes near to."""
        rate = self.config.false_revival_rate / max(1, rivals)
        bound = self.scores.impostor_bound(rate) if self.scores.trust else 1.0
        allowed = np.where(gate, scores, -1)
        best = allowed == allowed.max(axis=1, keepdims=True, initial=-1)
        return np.asarray((scores >= bound) & best)

    def _value(self, asking: Sequence[Tracklet], absent: list[int], scores: Floats) -> npt.NDArray[np.float64]:
        lasts = [self.bank.last_seen(i) for i in absent]
        motion = np.array([[self._motion(t, last) for last in lasts] for t in asking]).reshape(scores.shape)
        return np.asarray(self.scores.llr(scores) + motion, dtype=np.float64)

    def _motion(self, tracklet: Tracklet, last: LastSeen) -> float:
        assert tracklet.last is not None
        gap = tracklet.born - last.time
        silence = 1 - gap / max(self.config.motion_seconds, 1e-9)
        if silence <= 0:
            return 0.0
        centre = last.centre + last.velocity * (1 - np.exp(-gap))
        spread = np.full(2, last.spread + 0.7 * last.height * gap)
        llr = motion_llr(centre[None], spread[None], tracklet.last.centre[None].astype(np.float32), self.area)
        return float(np.clip(llr[0, 0], -_MOST_MOTION, _MOST_MOTION) * silence)

    def _vote(self, tracklet: Tracklet, identity: int | None) -> None:
        agrees = identity is not None and identity == tracklet.favourite
        tracklet.votes = tracklet.votes + 1 if agrees else int(identity is not None)
        tracklet.favourite = identity

    def _revive(self, tracklet: Tracklet, identity: int, similarity: float, frame: int, now: float) -> None:
        gap = tracklet.born - self.bank.last_seen(identity).time
        previous = tracklet.identity if tracklet.identity > 0 else None
        tracklet.identity, tracklet.settled = identity, True
        assert tracklet.last is not None
        self.bank.see(identity, tracklet.last)
        self.events.emit(Revival(identity, previous, frame, now, gap, similarity))

    def _settle_new(self, tracklet: Tracklet) -> None:
        self.announce(tracklet)
        tracklet.settled = True
        assert tracklet.last is not None
        self.bank.see(tracklet.identity, tracklet.last)

    def announce(self, tracklet: Tracklet) -> None:
        """Give a tracklet an id to show, if it has none."""
        if tracklet.identity < 0:
            tracklet.identity = self._mint()

    def _give_up(self, tracklet: Tracklet, now: float) -> None:
        since = tracklet.first_clean if tracklet.first_clean is not None else tracklet.born + self.config.recognise_seconds
        if not tracklet.settled and now - since >= self.config.recognise_seconds:
            self._settle_new(tracklet)
