"""Cameras that see the same place at the same time: which open visits of the two stand on the same spot.

Where two views overlap (`overlap: true` in the topology), feet tell more than looks: one homography has to explain all
people whom both cameras see. It is found without any link, from pairs of visits that explain other pairs, so that
people in like clothes are told apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..._typing import as_doubles
from ...association.assignment import hungarian
from ...tuning import (
    FOOT_WEIGHT,
    MIN_GROUND_NATS,
    MIN_GROUND_PAIR_NATS,
    MIN_GROUND_RATIO,
    MIN_GROUND_SHARE,
)
from .ground_plane import Feet, GroundMap, fit_ground_map
from .open_visits import OpenVisit
from .session import CameraSession
from .topology import Topology

# Points kept of a visit's trail.
_MAX_TRAIL = 30
# Seconds of a window, in which two visits are compared as a whole: ids are swapped at crossings, and a window that
# shows two people fits nobody. The last windows of two visits count.
_WINDOW, _LAST_WINDOWS = 10.0, 2
# Windows of pairs kept; the oldest go.
_MAX_PAIRS = 400
# Seconds between two points of a trail between which feet are interpolated.
_MAX_STEP = 2.5
# Moments of a pair from which on a map is estimated from it, pairs tried, and growth of evidence between two tries.
_MIN_SEED, _MAX_SEEDS, _GROWTH = 6, 16, 1.25
# Moments of a pair without which it supports no map.
_MIN_SUPPORT = 3
_REFINEMENTS = 3
# Shares of the image beyond which a box is cut off, so that its feet aren't where it ends.
_SIDES, _BOTTOM = 0.01, 0.985


@dataclass(eq=False)
class _Pair:
    """Two visits, one on each camera, in a window of time, and the moments of it in which both were visible."""

    one: OpenVisit
    other: OpenVisit
    window: int
    rows: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def feet(self) -> Feet:
        """Those moments."""
        rows = as_doubles(self.rows).reshape(-1, 5)
        return Feet(rows[:, :2], rows[:, 2:4], rows[:, 4])

    @property
    def spread(self) -> float:
        """How far they are from each other: what a map can be estimated from."""
        return float(np.std(self.feet.one, axis=0).sum() * np.sqrt(len(self.rows)))

    def apart_from(self, pair: _Pair) -> bool:
        """Whether it has no visit in common with another pair."""
        return self.one is not pair.one and self.other is not pair.other


@dataclass(frozen=True)
class Evidence:
    """What feet say about two visits.

    Attributes:
        nats: Log-likelihood ratio, one individual against two.
        moments: Number of moments in which both were visible.
    """

    nats: float
    moments: int


NOTHING = Evidence(0.0, 0)
# What looks say about two visits, nats.
Looks = Callable[[OpenVisit, OpenVisit], float]


class SharedView:
    """What two cameras see of the same place.

    Args:
        one: Name of one camera.
        other: Name of the other.
    """

    def __init__(self, one: str, other: str) -> None:
        self.cameras = (one, other)
        self._trails: dict[str, dict[OpenVisit, list[tuple[float, ...]]]] = {one: {}, other: {}}
        self._pending: deque[tuple[float, OpenVisit, tuple[float, ...]]] = deque()
        self._reported = dict.fromkeys(self.cameras, float("-inf"))
        self._pairs: dict[tuple[OpenVisit, OpenVisit, int], _Pair] = {}
        self._map: GroundMap | None = None
        self._left_out: dict[_Pair, GroundMap] = {}
        self._moments, self._tried_at = 0, 0

    @property
    def calibrated(self) -> bool:
        """Whether it is known where a place on the ground is on both cameras."""
        return self._map is not None

    def observe(self, camera: str, time: float, visit: OpenVisit, box: tuple[float, float, float, float]) -> None:
        """Take a box: left, top, right and bottom as shares of the image, at a time in seconds since 1970."""
        self._reported[camera] = max(self._reported[camera], time)
        left, top, right, bottom = box
        if left < _SIDES or right > 1 - _SIDES or bottom > _BOTTOM:
            return
        point = (time, (left + right) / 2, bottom, bottom - top)
        trail = self._trails[camera].setdefault(visit, [])
        trail.append(point)
        del trail[:-_MAX_TRAIL]
        if camera == self.cameras[0]:
            self._pending.append((time, visit, point))

    def update(self, looks: Looks) -> None:
        """Pair what both cameras have reported, and estimate the map anew when there is enough more of it."""
        while self._pending and self._pending[0][0] < self._reported[self.cameras[1]]:
            time, one, point = self._pending.popleft()
            for other, trail in self._trails[self.cameras[1]].items():
                found = _at(trail, time)
                if found is not None:
                    key = one, other, int(time // _WINDOW)
                    pair = self._pairs.setdefault(key, _Pair(*key))
                    pair.rows.append((point[1], point[2], *found))
                    self._moments += 1
        self._forget()
        if self._moments >= max(_MIN_SEED, _GROWTH * self._tried_at):
            self._tried_at = self._moments
            self._estimate(looks)

    def evidence(self, one: OpenVisit, other: OpenVisit) -> Evidence:
        """Return what feet have said of late about two visits, one on each camera in this order."""
        if self._map is None:
            return NOTHING
        window = int(min(self._reported.values()) // _WINDOW)
        windows = (self._pairs.get((one, other, n)) for n in range(window - _LAST_WINDOWS + 1, window + 2))
        pairs = [p for p in windows if p is not None]
        nats = sum(_nats(self._left_out.get(p, self._map), p) for p in pairs)
        return Evidence(nats, sum(len(p.rows) for p in pairs))

    def _forget(self) -> None:
        oldest = min(self._reported.values()) - _MAX_STEP
        for trails in self._trails.values():
            for visit in [v for v, trail in trails.items() if trail[-1][0] < oldest]:
                del trails[visit]
        while len(self._pairs) > _MAX_PAIRS:
            self._left_out.pop(self._pairs.pop(next(iter(self._pairs))), None)

    def _estimate(self, looks: Looks) -> None:
        """Find the map that explains most pairs that it wasn't estimated from; none if that isn't clear."""
        pairs = [p for p in self._pairs.values() if len(p.rows) >= _MIN_SUPPORT]
        solutions = [s for seed in self._seeds(pairs) if (s := _solve(seed, pairs, looks)) is not None]
        best = max(solutions, key=lambda s: s.nats, default=None)
        if best is None:
            self._map, self._left_out = None, {}
            return
        rival = max((s.nats for s in solutions if not s.agrees(best)), default=0.0)
        explained = len(best.left_out) > MIN_GROUND_SHARE * _possible(pairs)
        if explained and best.nats >= max(MIN_GROUND_NATS, MIN_GROUND_RATIO * rival):
            self._map = best.map
            self._left_out = dict(best.left_out)
        else:
            self._map, self._left_out = None, {}

    def _seeds(self, pairs: Sequence[_Pair]) -> Iterator[list[_Pair]]:
        if self._left_out:
            yield list(self._left_out)
        long = sorted((p for p in pairs if len(p.rows) >= _MIN_SEED), key=lambda p: -p.spread)
        yield from ([p] for p in long[:_MAX_SEEDS])


@dataclass(frozen=True, eq=False)
class _Solution:
    """A map, the pairs that it explains with the map estimated without each, and by how much those explain them."""

    map: GroundMap
    left_out: list[tuple[_Pair, GroundMap]]
    nats: float

    def agrees(self, better: _Solution) -> bool:
        """Whether no visit is matched otherwise by a better solution in the same window."""
        ones = {(p.one, p.window): p.other for p, _ in better.left_out}
        others = {(p.other, p.window): p.one for p, _ in better.left_out}
        return all(
            ones.get((p.one, p.window), p.other) is p.other and others.get((p.other, p.window), p.one) is p.one
            for p, _ in self.left_out
        )


def _possible(pairs: Iterable[_Pair]) -> int:
    """Count the pairs that a map can explain at most: in each window as many as the camera that saw fewer has visits."""
    ones: dict[int, set[OpenVisit]] = defaultdict(set)
    others: dict[int, set[OpenVisit]] = defaultdict(set)
    for pair in pairs:
        ones[pair.window].add(pair.one)
        others[pair.window].add(pair.other)
    return sum(min(len(ones[w]), len(others[w])) for w in ones)


def _solve(seed: list[_Pair], pairs: Sequence[_Pair], looks: Looks) -> _Solution | None:
    """Find the pairs that a seed's map explains, estimate it anew from those, and test each pair by the others."""
    chosen = seed
    found = fit_ground_map(_feet(chosen))
    for _ in range(_REFINEMENTS):
        matched = _matched(found, pairs)
        if not matched or {id(p) for p in matched} == {id(p) for p in chosen}:
            break
        chosen = matched
        found = fit_ground_map(_feet(chosen))
    left_out = []
    for pair in chosen:
        rest = [q for q in chosen if q.apart_from(pair)]
        if rest and _nats(without := fit_ground_map(_feet(rest)), pair) >= MIN_GROUND_PAIR_NATS:
            left_out.append((pair, without))
    if all(p.one is left_out[0][0].one or p.other is left_out[0][0].other for p, _ in left_out):
        return None
    return _Solution(found, left_out, sum(_nats(m, p) + looks(p.one, p.other) for p, m in left_out))


def _feet(pairs: Iterable[_Pair]) -> Feet:
    return Feet.joined([p.feet for p in pairs])


def _nats(found: GroundMap, pair: _Pair) -> float:
    return FOOT_WEIGHT * float(found.log_likelihood_ratio(pair.feet).sum())


def _matched(found: GroundMap, pairs: Sequence[_Pair]) -> list[_Pair]:
    """Assign visits one to one in each window, for the greatest evidence in all."""
    windows: dict[int, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        windows[pair.window].append(pair)
    return [pair for within in windows.values() for pair in _assigned(found, within)]


def _assigned(found: GroundMap, pairs: Sequence[_Pair]) -> list[_Pair]:
    ones, others = (list(dict.fromkeys(getattr(p, name) for p in pairs)) for name in ("one", "other"))
    of = {(ones.index(p.one), others.index(p.other)): p for p in pairs}
    nats = np.zeros((len(ones), len(others)))
    for place, pair in of.items():
        nats[place] = _nats(found, pair)
    return [of[place] for place in hungarian(nats, nats > 0)]


def _at(trail: Sequence[tuple[float, ...]], time: float) -> tuple[float, ...] | None:
    """Interpolate a trail's x, y and height; None where it has no points close enough on both sides."""
    place = bisect_left(trail, (time,))
    if place < len(trail) and trail[place][0] == time:
        return tuple(trail[place][1:])
    if not 0 < place < len(trail):
        return None
    before, after = trail[place - 1], trail[place]
    if after[0] - before[0] > _MAX_STEP:
        return None
    share = (time - before[0]) / (after[0] - before[0])
    return tuple(a + share * (b - a) for a, b in zip(before[1:], after[1:], strict=True))


class SharedViews:
    """All pairs of cameras of a process that share a view.

    Args:
        topology: Says which do.
    """

    def __init__(self, topology: Topology) -> None:
        self._pairs = sorted({tuple(sorted(pair)) for pair, way in topology.ways.items() if way.overlap})
        self._views: dict[tuple[str, ...], SharedView] = {}

    def concern(self, camera: str) -> bool:
        """Whether a camera shares a view with another one."""
        return any(camera in pair for pair in self._pairs)

    def update(self, sessions: Sequence[CameraSession], looks: Looks) -> None:
        """Take what cameras have reported since the last call.

        Args:
            sessions: The cameras'.
            looks: Compares two visits, which helps to find where a place is on two cameras.
        """
        for session in sessions:
            for time, visit, box in session.pop_trail():
                for pair in self._pairs:
                    if session.camera in pair:
                        self.between(*pair).observe(session.camera, time, visit, box)
        for view in self._views.values():
            view.update(looks)

    def between(self, one: str, other: str) -> SharedView:
        """Return what two cameras share, whatever their order; empty where they share nothing."""
        pair = tuple(sorted((one, other)))
        if pair not in self._views:
            self._views[pair] = SharedView(*pair)
        return self._views[pair]

    def evidence(self, one: OpenVisit, other: OpenVisit) -> Evidence:
        """Return what feet say about two visits of two cameras."""
        first, second = sorted((one, other), key=lambda v: v.camera)
        return self.between(first.camera, second.camera).evidence(first, second)

    def calibrated(self, one: str, other: str) -> bool:
        """Whether it is known where a place is on two cameras."""
        view = self._views.get(tuple(sorted((one, other))))
        return view is not None and view.calibrated

    def pairs(self, cameras: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the pairs of some cameras that are known to see the same places."""
        names = set(cameras)
        for pair, view in self._views.items():
            if view.calibrated and names.issuperset(pair):
                yield view.cameras
