"""Which visits of two cameras stand on the same spot: the map that explains most pairs that it isn't estimated from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..._typing import Doubles, Ints, as_doubles, as_ints
from ...association.assignment import hungarian
from ...tuning import (
    FOOT_WEIGHT,
    KEPT_GROUND_SHARE,
    MIN_GROUND_NATS,
    MIN_GROUND_PAIR_NATS,
    MIN_GROUND_RATIO,
    MIN_GROUND_SHARE,
)
from .ground_plane import Feet, GroundMap, fit_ground_map
from .open_visits import OpenVisit

# What looks say about two visits, nats.
Looks = Callable[[OpenVisit, OpenVisit], float]
# Moments of a pair from which on a map is estimated from it, and pairs tried.
_MIN_SEED, _MAX_SEEDS = 6, 12
# Moments of a pair without which it supports no map.
_MIN_SUPPORT = 3
_REFINEMENTS = 3


@dataclass(eq=False)
class ViewPair:
    """Two visits, one on each camera, in a window of time.

    Attributes:
        one: A visit.
        other: The visit on the other camera.
        window: Number of the window.
        rows: The moments of it in which both were visible: x and y on both, and the second one's height.
    """

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
        """How much a map can be estimated from them: how far they are from each other, and how many."""
        return float(np.std(self.feet.one, axis=0).sum() * np.sqrt(len(self.rows)))

    def nats(self, found: GroundMap) -> float:
        """Log-likelihood ratio under a map, one individual against two."""
        return FOOT_WEIGHT * float(found.log_likelihood_ratio(self.feet).sum())


@dataclass(frozen=True, eq=False)
class Solution:
    """A map between two cameras.

    Attributes:
        map: It.
        explained: The pairs that it explains, each with the map estimated without any pair of its two visits.
        nats: By how much they explain them, and looks.
    """

    map: GroundMap
    explained: list[tuple[ViewPair, GroundMap]]
    nats: float

    def contradicts(self, better: Solution) -> bool:
        """Whether it matches more visits otherwise than a better solution than as that does, in the same windows."""
        ones = {(p.one, p.window): p.other for p, _ in better.explained}
        others = {(p.other, p.window): p.one for p, _ in better.explained}
        same = sum(ones.get((p.one, p.window)) is p.other for p, _ in self.explained)
        otherwise = sum(
            ones.get((p.one, p.window), p.other) is not p.other or others.get((p.other, p.window), p.one) is not p.one
            for p, _ in self.explained
        )
        return otherwise > same

    def goes_on(self, before: Sequence[ViewPair]) -> bool:
        """Whether it explains most of what the last map did."""
        earlier = set(before)
        return sum(p in earlier for p, _ in self.explained) > len(before) / 2


def solve(pairs: Sequence[ViewPair], before: Sequence[ViewPair], looks: Looks) -> Solution | None:
    """Find the map between two cameras.

    Maps are estimated from the pairs whose feet spread furthest, and anew from all pairs that they explain. What counts
    is by how much each of these is explained by the others.

    Args:
        pairs: All pairs.
        before: Those that the last map explained; none without one.
        looks: Compares two visits.

    Returns:
        None if no map explains most of what it says that both cameras see, and far more than any that matches visits
        otherwise.
    """
    table = _Table([p for p in pairs if len(p.rows) >= _MIN_SUPPORT])
    solutions: list[Solution] = []
    for seed in _seeds(table.pairs, before):
        least = max((s.nats for s in solutions), default=0.0) / MIN_GROUND_RATIO
        solution = _solution(seed, table, looks, least)
        solutions += [] if solution is None else [solution]
    best = max(solutions, key=lambda s: s.nats, default=None)
    if best is None:
        return None
    rival = max((s.nats for s in solutions if s.contradicts(best)), default=0.0)
    share = KEPT_GROUND_SHARE if best.goes_on(before) else MIN_GROUND_SHARE
    explains = len(best.explained) > share * table.expected(best.map)
    return best if explains and best.nats >= max(MIN_GROUND_NATS, MIN_GROUND_RATIO * rival) else None


class _Table:
    """Pairs, and their moments in one array."""

    def __init__(self, pairs: Sequence[ViewPair]) -> None:
        self.pairs = pairs
        self._windows: dict[int, list[int]] = defaultdict(list)
        for n, pair in enumerate(pairs):
            self._windows[pair.window].append(n)

    @cached_property
    def _feet(self) -> Feet:
        return Feet.joined([p.feet for p in self.pairs])

    @cached_property
    def _starts(self) -> Ints:
        return as_ints(np.cumsum([0, *(len(p.rows) for p in self.pairs[:-1])]))

    def nats(self, found: GroundMap) -> Doubles:
        """Log-likelihood ratio of each pair."""
        return as_doubles(FOOT_WEIGHT * np.add.reduceat(found.log_likelihood_ratio(self._feet), self._starts))

    def matched(self, found: GroundMap) -> tuple[list[ViewPair], float]:
        """Assign visits one to one in each window, for the greatest evidence in all; and that."""
        nats = self.nats(found)
        places = [n for within in self._windows.values() for n in self._assigned(within, nats)]
        return [self.pairs[n] for n in places], float(nats[places].sum())

    def _assigned(self, within: Sequence[int], nats: Doubles) -> list[int]:
        ones, others = (list(dict.fromkeys(getattr(self.pairs[n], name) for n in within)) for name in ("one", "other"))
        of = {(ones.index(self.pairs[n].one), others.index(self.pairs[n].other)): n for n in within}
        values = np.zeros((len(ones), len(others)))
        for place, n in of.items():
            values[place] = nats[n]
        return [of[place] for place in hungarian(values, values > 0)]

    def expected(self, found: GroundMap) -> int:
        """Count the pairs that a map should explain: visits in a window that it says the other camera saw."""
        inside = np.add.reduceat(found.inside(self._feet).astype(np.int64), self._starts)
        pairs = zip(self.pairs, inside.tolist(), strict=True)
        return len({(p.window, p.one) for p, moments in pairs if moments >= _MIN_SUPPORT})


def _seeds(pairs: Sequence[ViewPair], before: Sequence[ViewPair]) -> Iterator[list[ViewPair]]:
    if before:
        yield list(before)
    long = sorted((p for p in pairs if len(p.rows) >= _MIN_SEED), key=lambda p: -p.spread)
    yield from ([p] for p in long[:_MAX_SEEDS])


def _solution(seed: list[ViewPair], table: _Table, looks: Looks, least: float) -> Solution | None:
    """Find the pairs that a seed's map explains, estimate it anew from those, and test each pair by the others."""
    chosen, found, total = seed, fit_ground_map(_feet(seed)), 0.0
    for _ in range(_REFINEMENTS):
        matched, total = table.matched(found)
        if not matched or {id(p) for p in matched} == {id(p) for p in chosen}:
            break
        chosen, found = matched, fit_ground_map(_feet(matched))
    likely = sum(max(0.0, looks(p.one, p.other)) for p in chosen)
    if total + likely < least:
        return None  # tested by others, pairs are explained even less
    explained = [(p, without) for p, without in _without_each(chosen) if p.nats(without) >= MIN_GROUND_PAIR_NATS]
    if len({p.one for p, _ in explained}) <= 1 or len({p.other for p, _ in explained}) <= 1:
        return None
    return Solution(found, explained, sum(p.nats(m) + looks(p.one, p.other) for p, m in explained))


def _without_each(chosen: Sequence[ViewPair]) -> Iterator[tuple[ViewPair, GroundMap]]:
    """Yield pairs with the map that is estimated from those that have neither of their visits."""
    maps: dict[tuple[OpenVisit, OpenVisit], GroundMap] = {}
    for pair in chosen:
        rest = [q for q in chosen if q.one is not pair.one and q.other is not pair.other]
        if rest:
            key = pair.one, pair.other
            maps[key] = maps.get(key) or fit_ground_map(_feet(rest))
            yield pair, maps[key]


def _feet(pairs: Iterable[ViewPair]) -> Feet:
    return Feet.joined([p.feet for p in pairs])
