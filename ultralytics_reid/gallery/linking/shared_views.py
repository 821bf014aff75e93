"""Cameras that see the same place at the same time: which open visits of the two stand on the same spot.

Where two views overlap (`overlap: true` in the topology), feet tell more than looks: one homography has to explain all
people whom both cameras see. It is found without any link, from pairs of visits that explain other pairs, so that
people in like clothes are told apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..._typing import as_doubles
from ...tuning import (
    FOOT_WEIGHT,
    MIN_GROUND_NATS,
    MIN_GROUND_PAIR_NATS,
)
from .ground_plane import Feet, GroundMap, fit_ground_map
from .open_visits import OpenVisit
from .session import CameraSession
from .topology import Topology

# Moments kept of a pair of visits, the last ones; points kept of a visit's trail.
_MAX_FEET, _MAX_TRAIL = 60, 30
# Pairs of visits kept; those that began first go.
_MAX_PAIRS = 400
# Seconds between two points of a trail between which feet are interpolated.
_MAX_STEP = 2.5
# Moments of a pair from which on a map is estimated from it, pairs tried, and growth of evidence between two tries.
_MIN_SEED, _MAX_SEEDS, _GROWTH = 6, 12, 1.25
# Moments of a pair without which it supports no map.
_MIN_SUPPORT = 3
_REFINEMENTS = 3
# Shares of the image beyond which a box is cut off, so that its feet aren't where it ends.
_SIDES, _BOTTOM = 0.01, 0.985
_BIG = 1e6


@dataclass(eq=False)
class _Pair:
    """Two visits, one on each camera, and the moments in which both were visible."""

    one: OpenVisit
    other: OpenVisit
    rows: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=_MAX_FEET))

    @property
    def feet(self) -> Feet:
        """Those moments."""
        rows = as_doubles(self.rows).reshape(-1, 5)
        return Feet(rows[:, :2], rows[:, 2:4], rows[:, 4])


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
        self._pairs: dict[tuple[OpenVisit, OpenVisit], _Pair] = {}
        self._map: GroundMap | None = None
        self._matched: dict[tuple[OpenVisit, OpenVisit], GroundMap] = {}
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

    def update(self) -> None:
        """Pair what both cameras have reported, and estimate the map anew when there is enough more of it."""
        while self._pending and self._pending[0][0] < self._reported[self.cameras[1]]:
            time, one, point = self._pending.popleft()
            for other, trail in self._trails[self.cameras[1]].items():
                found = _at(trail, time)
                if found is not None:
                    pair = self._pairs.setdefault((one, other), _Pair(one, other))
                    pair.rows.append((point[1], point[2], *found))
                    self._moments += 1
        self._forget()
        if self._moments >= max(_MIN_SEED, _GROWTH * self._tried_at):
            self._tried_at = self._moments
            self._estimate()

    def evidence(self, one: OpenVisit, other: OpenVisit) -> Evidence:
        """Return what feet say about two visits, one on each camera in this order."""
        pair = self._pairs.get((one, other))
        if pair is None or self._map is None:
            return NOTHING
        return Evidence(_nats(self._matched.get((one, other), self._map), pair), len(pair.rows))

    def _forget(self) -> None:
        oldest = min(self._reported.values()) - _MAX_STEP
        for trails in self._trails.values():
            for visit in [v for v, trail in trails.items() if trail[-1][0] < oldest]:
                del trails[visit]
        while len(self._pairs) > _MAX_PAIRS:
            gone = next(iter(self._pairs))
            del self._pairs[gone]
            self._matched.pop(gone, None)

    def _estimate(self) -> None:
        """Find the map that explains most pairs that it wasn't estimated from; none if that isn't clear."""
        pairs = [p for p in self._pairs.values() if len(p.rows) >= _MIN_SUPPORT]
        solutions = [s for seed in self._seeds(pairs) if (s := _solve(seed, pairs)) is not None]
        best = max(solutions, key=lambda s: s.nats, default=None)
        if best is None:
            self._map, self._matched = None, {}
            return
        rivals = [s.nats for s in solutions if not s.agrees(best)]
        if best.nats - max(rivals, default=0.0) >= MIN_GROUND_NATS:
            self._map = best.map
            self._matched = {(p.one, p.other): m for p, m in best.left_out}

    def _seeds(self, pairs: Sequence[_Pair]) -> Iterator[list[_Pair]]:
        matched = [p for p in pairs if (p.one, p.other) in self._matched]
        if matched:
            yield matched
        long = sorted((p for p in pairs if len(p.rows) >= _MIN_SEED), key=lambda p: -len(p.rows))
        yield from ([p] for p in long[:_MAX_SEEDS])


@dataclass(frozen=True, eq=False)
class _Solution:
    """A map, the pairs that it explains with the map estimated without each, and by how much those explain them."""

    map: GroundMap
    left_out: list[tuple[_Pair, GroundMap]]
    nats: float

    def agrees(self, better: _Solution) -> bool:
        """Whether no visit is matched otherwise by a better solution."""
        theirs = {p.one: p.other for p, _ in better.left_out}, {p.other: p.one for p, _ in better.left_out}
        return all(
            theirs[0].get(p.one, p.other) is p.other and theirs[1].get(p.other, p.one) is p.one
            for p, _ in self.left_out
        )


def _solve(seed: list[_Pair], pairs: Sequence[_Pair]) -> _Solution | None:
    """Find the pairs that a seed's map explains, estimate it anew from those, and test each pair by the others."""
    chosen = seed
    found = fit_ground_map(_feet(chosen))
    for _ in range(_REFINEMENTS):
        matched = _matched(found, pairs)
        if not matched or {id(p) for p in matched} == {id(p) for p in chosen}:
            break
        chosen = matched
        found = fit_ground_map(_feet(chosen))
    if len(chosen) <= 1:
        return None
    left_out = [(p, fit_ground_map(_feet([q for q in chosen if q is not p]))) for p in chosen]
    supported = [(p, m, n) for p, m in left_out if (n := _nats(m, p)) >= MIN_GROUND_PAIR_NATS]
    if len(supported) <= 1:
        return None
    return _Solution(found, [(p, m) for p, m, _ in supported], sum(n for _, _, n in supported))


def _feet(pairs: Iterable[_Pair]) -> Feet:
    return Feet.joined([p.feet for p in pairs])


def _nats(found: GroundMap, pair: _Pair) -> float:
    return FOOT_WEIGHT * float(found.log_likelihood_ratio(pair.feet).sum())


def _matched(found: GroundMap, pairs: Sequence[_Pair]) -> list[_Pair]:
    """Assign visits one to one, for the greatest evidence in all."""
    ones, others = (list(dict.fromkeys(getattr(p, name) for p in pairs)) for name in ("one", "other"))
    cost = np.zeros((len(ones), len(others) + len(ones)))
    cost[:, : len(others)] = _BIG
    places = {(a, b): (i, j) for (i, a), (j, b) in product(enumerate(ones), enumerate(others))}
    of = {places[p.one, p.other]: p for p in pairs}
    for place, pair in of.items():
        cost[place] = -_nats(found, pair)
    assigned = zip(*linear_sum_assignment(cost), strict=True)
    return [of[int(r), int(c)] for r, c in assigned if (int(r), int(c)) in of and cost[r, c] < 0]


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

    def update(self, sessions: Sequence[CameraSession]) -> None:
        """Take what cameras have reported since the last call."""
        for session in sessions:
            for time, visit, box in session.pop_trail():
                for pair in self._pairs:
                    if session.camera in pair:
                        self.between(*pair).observe(session.camera, time, visit, box)
        for view in self._views.values():
            view.update()

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

    def forget(self, camera: str) -> None:
        """Forget what a camera saw, whose times or view have changed."""
        self._views = {pair: view for pair, view in self._views.items() if camera not in pair}

    def pairs(self, cameras: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the pairs of some cameras that are known to see the same places."""
        names = set(cameras)
        for pair, view in self._views.items():
            if view.calibrated and names.issuperset(pair):
                yield view.cameras
