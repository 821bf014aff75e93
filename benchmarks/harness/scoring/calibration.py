"""Calibration of the tracker's scores: tracklets compared with memory some time ago, with ground truth."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ultralytics_reid import Revival
from ultralytics_reid._typing import Bools, Doubles, Ints
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import sightings
from ultralytics_reid.memory.bank import MemoryBank
from ultralytics_reid.revival.decision import Decision
from ultralytics_reid.tuning import MAX_APPEARANCE

from ..contenders.host import OURS, HostContender, as_boxes, black, make_tracker
from ..data.sequences import Detections, Sequence
from ..progress import progress
from .separability import auc

RATES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
EDGES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
CONTENDER = HostContender("reid_botsort", OURS, {"gmc_method": "none"})
# Least share of the boxes of a tracklet or an identity that must be of one person for it to count as theirs.
MIN_PURITY = 0.8
# Least clean crops in a tracklet's last second for it to be compared, as in the tracker's own checks.
MIN_CROPS = 5
# How often couples are resampled, to see how much depends on single ones.
DRAWS = 400
_UNKNOWN = -1


@dataclass(frozen=True)
class Pairs:
    """Tracklets against identities, once a second.

    Attributes:
        couple: `(N, 2)`, the query's person and the identity it is compared with: couples recur every second.
        same: `(N,)`, whether both are the same person in truth.
        score: `(N,)` cosines under the metric of the moment.
        llr: `(N,)` nats, what the tracker took them for.
        above: `(N, 6)`, whether they exceed `impostor_bound` of each of `RATES`.
    """

    couple: Ints
    same: Bools
    score: Doubles
    llr: Doubles
    above: Bools

    @staticmethod
    def none() -> Pairs:
        """No pairs."""
        flags, numbers = np.zeros((0, len(RATES)), bool), np.zeros(0)
        return Pairs(np.zeros((0, 2), np.int64), flags[:, 0], numbers, numbers, flags)

    def of_kind(self, *, same: bool) -> Pairs:
        """Select genuine pairs, or impostor pairs."""
        return Pairs(*(column[self.same == same] for column in vars(self).values()))

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """Concatenate pairs."""
        rows = zip(*(vars(p).values() for p in [Pairs.none(), *parts]), strict=True)
        return Pairs(*(np.concatenate(column) for column in rows))


@dataclass(frozen=True)
class Snapshot:
    """The memory at a time in seconds, and the person behind each identity until then, if it was one person."""

    time: float
    bank: MemoryBank
    owners: dict[int, int]


class CalibrationObserver:
    """Follows a tracker with the ground truth at hand, and asks its calibration once a second.

    Args:
        tracker: This package's.
        sequence: The ground truth.
        ago: Seconds, the least age of the memory that tracklets are compared with.
    """

    def __init__(self, tracker: Any, sequence: Sequence, ago: float) -> None:
        self._tracker = tracker
        self._sequence = sequence
        self._ago = ago
        self._next = 0.0
        self._lately: dict[Tracklet, deque[int]] = {}
        self._shown: dict[int, Counter[int]] = {}
        self._snapshots: deque[Snapshot] = deque()
        tracker.events.subscribe(self._follow_merge)

    def look(self, truth: FrameBoxes) -> list[Pairs]:
        """Take note of the frame that was just tracked; gives pairs where a second has passed."""
        tracker, now = self._tracker, self._tracker.clock.now
        tracks = [t for t in tracker.tracked_stracks if t.is_activated and t.frame_id == tracker.frame_id]
        settled = [t for t in tracks if t.decision.settled]
        self._note(settled, truth)
        if now < self._next:
            return []
        self._next = now + 1
        self._snapshots.append(self._snapshot(now))
        while len(self._snapshots) > 1 and self._snapshots[1].time <= now - self._ago:
            self._snapshots.popleft()
        old = self._snapshots[0]
        return list(self._compare([t.decision for t in settled], old, now)) if old.time <= now - self._ago else []

    def _note(self, tracks: list[Any], truth: FrameBoxes) -> None:
        boxes = np.array([t.xyxy for t in tracks], np.float32).reshape(-1, 4)
        found = sightings([truth], [FrameBoxes(np.arange(len(tracks)), boxes)])
        person = {n: self._sequence.person_of(track) for _, track, n in found}
        for n, track in enumerate(tracks):
            owner, second = person.get(n, _UNKNOWN), max(1, round(self._sequence.fps))
            self._lately.setdefault(track.tracklet, deque(maxlen=second)).append(owner)
            self._shown.setdefault(track.decision.identity, Counter())[owner] += 1

    def _follow_merge(self, event: object) -> None:
        """A young identity turned out to be an older one: what it was taught is the older one's now."""
        if isinstance(event, Revival) and event.previous_id in self._shown and not event.corrected:
            self._shown.setdefault(event.identity_id, Counter()).update(self._shown.pop(event.previous_id))

    def _snapshot(self, now: float) -> Snapshot:
        recognizer, config = self._tracker.recognizer, self._tracker.config
        bank = MemoryBank(config.memory_identities, config.tuning.memory_prototypes, recognizer.metric)
        bank.restore(recognizer.bank.state())
        owners = {i: _owner(self._shown[i]) for i in bank.ids if i in self._shown and bank.knows(i)}
        return Snapshot(now, bank, {i: owner for i, owner in owners.items() if owner != _UNKNOWN})

    def _compare(self, decisions: list[Decision], old: Snapshot, now: float) -> Iterator[Pairs]:
        """Compare visible tracklets with their own identity as it was, and with identities that aren't visible."""
        model, visible = self._tracker.recognizer.tracklet_scores, {d.identity for d in decisions}
        for decision in decisions if model.evidence_weight else []:
            tracklet = decision.tracklet
            crops, person = tracklet.recent(now - 1, MIN_CROPS), _owner(Counter(self._lately[tracklet]))
            known = [i for i in old.owners if i not in visible or i == decision.identity]
            if len(crops) < MIN_CROPS or person == _UNKNOWN or not known:
                continue
            query = np.array([embedding for _, embedding in crops], np.float32).mean(axis=0)
            scores = old.bank.search(query[None], known)[0]
            same = np.array([old.owners[i] == person for i in known])
            above = scores[:, None] > model.impostor_bound(np.array(RATES))
            couple = np.array([(person, i) for i in known], np.int64)
            yield Pairs(couple, same, scores.astype(float), model.llr(scores).astype(float), above)


def _owner(votes: Counter[int]) -> int:
    person, count = votes.most_common(1)[0]
    return person if count >= MIN_PURITY * votes.total() else _UNKNOWN


def observe(sequence: Sequence, cache: list[Detections], ago: float) -> Pairs:
    """Track a sequence, and compare visible tracklets with the memory of some seconds ago.

    Args:
        sequence: The ground truth.
        cache: Detections with embeddings, by frame.
        ago: Seconds, the least age of the memory.
    """
    shape = sequence.shape
    tracker, image = make_tracker(CONTENDER, sequence.fps), black(shape)
    observer, parts = CalibrationObserver(tracker, sequence, ago), []
    pairs = zip(sequence.frames, cache, strict=True)
    for truth, detections in progress(pairs, sequence.name, len(cache)):
        tracker.update(as_boxes(detections, shape), image, feats=detections.feats)
        parts += observer.look(truth)
    return Pairs.joined(parts)


def bins(pairs: Pairs) -> Ints:
    """Into which range between `EDGES` each pair's log-likelihood ratio falls, `(N,)`, from 0."""
    return np.asarray(np.digitize(pairs.llr, EDGES))


def predicted(pairs: Pairs) -> Doubles:
    """The mean log-likelihood ratio by bin, nats, as far as the tracker follows it; NaN where there is no pair."""
    llr, place = np.clip(pairs.llr, -MAX_APPEARANCE, MAX_APPEARANCE), bins(pairs)
    ranges = [llr[place == n] for n in range(len(EDGES) + 1)]
    return np.array([r.mean() if len(r) else np.nan for r in ranges])


def observed(pairs: Pairs, weight: Doubles) -> Doubles:
    """The log-odds of "the same person" by bin, nats, less those of all pairs.

    Half a pair of either kind is added everywhere, so that nothing is infinite.

    Args:
        pairs: `N` pairs.
        weight: `(..., N)`, as how many each counts.

    Returns:
        `(..., B)`.
    """
    member = np.eye(len(EDGES) + 1)[bins(pairs)]
    same, different = ((weight * kind) @ member + 0.5 for kind in (pairs.same, ~pairs.same))
    base = (weight @ pairs.same + 0.5) / (weight @ ~pairs.same + 0.5)
    return np.asarray(np.log(same / different) - np.log(base)[..., None])


def passing(pairs: Pairs, weight: Doubles) -> Doubles:
    """The share of pairs above the bound of each of `RATES`.

    Args:
        pairs: `N` pairs of one kind.
        weight: `(..., N)`, as how many each counts.

    Returns:
        `(..., 6)`, NaN without any pair.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(weight @ pairs.above / weight.sum(axis=-1)[..., None])


def redrawn(pairs: Pairs) -> Doubles:
    """As how many each pair counts when couples are drawn with replacement, `(DRAWS, N)`."""
    couples, place = np.unique(pairs.couple, axis=0, return_inverse=True)
    draws = np.random.default_rng(0).multinomial(len(couples), np.full(len(couples), 1 / len(couples)), DRAWS)
    return np.asarray(draws[:, place.ravel()], np.float64)


def separability(pairs: Pairs) -> float:
    """Compute the AUC of genuine against impostor pairs; NaN without either."""
    return auc(pairs.score, pairs.same)
