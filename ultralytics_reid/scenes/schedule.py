"""Who is where when: all visits of everybody, found by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._typing import Doubles, Ints
from ..errors import ConfigError
from .cameras import Camera
from .hashed_random import between, uniform
from .options import SceneOptions
from .routes import make_ways

_ELSEWHERE = 0.75  # of the returns, with several cameras, are on another one
_AT_ONCE = 1 << 16  # visits whose ways are made together
_SPREAD = 0.25  # of the scene, over which people arrive who stay for all of it
# Seconds that boxes may still be outside the image at a visit's ends.
_EDGE = 0.3
_SLOT = 0.5  # seconds, in which a crowd is counted

Rows = slice | Ints | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Visits:
    """Visits, by their start.

    Attributes:
        person: `(V,)` int64 ids.
        number: `(V,)` int64, a person's how manieth visit.
        camera: `(V,)` int64.
        start: `(V,)` seconds.
        end: `(V,)` seconds.
    """

    person: Ints
    number: Ints
    camera: Ints
    start: Doubles
    end: Doubles

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: Rows) -> Visits:
        return Visits(*(values[rows] for values in vars(self).values()))


class Schedule:
    """Visits of one camera, of which only those around a time are touched.

    Args:
        visits: The camera's.
    """

    def __init__(self, visits: Visits) -> None:
        self._visits = visits[np.argsort(visits.start, kind="stable")]
        self._longest = float((visits.end - visits.start).max(initial=0))

    def during(self, begin: float, end: float) -> Visits:
        """Visits that lie, with some part, in a span of seconds."""
        starts = self._visits.start
        some = self._visits[np.searchsorted(starts, begin - self._longest) : np.searchsorted(starts, end, "right")]
        return some[some.end >= begin]


def make_schedules(options: SceneOptions, cameras: Sequence[Camera]) -> tuple[Schedule, ...]:
    """Everybody's visits, by camera.

    Args:
        options: The scene's.
        cameras: All of them.

    Raises:
        ConfigError: If `crowd` leaves room for fewer people than there are.
    """
    visits = _chains(options, cameras)
    start = _arrivals(options, visits)
    if options.crowd is not None:
        start = _admitted(options, visits, start)
    begin = start[visits.person - 1]
    moved = Visits(visits.person, visits.number, visits.camera, visits.start + begin, visits.end + begin)
    moved = moved[moved.start < options.seconds]
    return tuple(Schedule(moved[moved.camera == c.number]) for c in cameras)


def _chains(options: SceneOptions, cameras: Sequence[Camera]) -> Visits:
    """Everybody's visits in seconds since their own first one, by person."""
    people = np.arange(1, options.people + 1)
    clock = np.zeros(len(people))
    camera = np.full(len(people), -1)
    found, number = [], 0
    shortest, longest = options.away[0], max(options.away[0], options.away[1] - _EDGE)
    while len(people) and (options.visits is None or number < options.visits):
        camera = _next_cameras(options, people, number, camera)
        seconds = _seconds(options, cameras, people, number, camera)
        found.append(Visits(people, np.full_like(people, number), camera, clock, clock + seconds))
        clock = clock + seconds + between(shortest, longest, options.seed, "away", people, number)
        stays = clock < options.seconds
        people, clock, camera, number = people[stays], clock[stays], camera[stays], number + 1
    joined = Visits(*(np.concatenate(parts) for parts in zip(*(vars(v).values() for v in found), strict=True)))
    return joined[np.lexsort((joined.number, joined.person))]


def _next_cameras(options: SceneOptions, people: Ints, number: int, before: Ints) -> Ints:
    if options.cameras == 1:
        return np.zeros_like(people)
    key = (options.seed, "camera", people, number)
    anywhere = (uniform(*key) * options.cameras).astype(np.int64)
    other = (before + 1 + (uniform(*key, "other") * (options.cameras - 1)).astype(np.int64)) % options.cameras
    moves = (uniform(*key, "moves") < _ELSEWHERE) & (before >= 0)
    return np.where(moves, other, np.where(before >= 0, before, anywhere))


def _seconds(options: SceneOptions, cameras: Sequence[Camera], people: Ints, number: int, camera: Ints) -> Doubles:
    """How long visits take; their ways aren't kept."""
    seconds = np.zeros(len(people))
    for c in cameras:
        (here,) = np.nonzero(camera == c.number)
        for rows in np.split(here, range(_AT_ONCE, len(here), _AT_ONCE)):
            ways = make_ways(c, options.stops, options.seed, people[rows], np.full(len(rows), number))
            seconds[rows] = ways.seconds
    return seconds


def _arrivals(options: SceneOptions, chains: Visits) -> Doubles:
    """`(people,)` seconds of the first visits: evenly over the time that lets everybody finish."""
    length = np.zeros(options.people)
    np.maximum.at(length, chains.person - 1, chains.end)
    people = np.arange(1, options.people + 1)
    place = np.argsort(np.argsort(uniform(options.seed, "order", people), kind="stable"), kind="stable")
    share = (place + uniform(options.seed, "arrival", people)) / options.people
    return share * np.maximum(options.seconds - length, _SPREAD * options.seconds)


def _admitted(options: SceneOptions, chains: Visits, arrivals: Doubles) -> Doubles:
    """Arrivals put off until there is room for all of a person's visits; nobody overtakes another in the queue."""
    assert options.crowd is not None
    slots = int(options.seconds / _SLOT) + 1
    busy = np.zeros((options.cameras, slots + 1), np.int32)
    first = np.searchsorted(chains.person, np.arange(1, options.people + 2))
    start, earliest = np.empty(options.people), 0
    for place, who in enumerate(np.argsort(arrivals, kind="stable")):
        mine = chains[first[who] : first[who + 1]]
        slot = max(earliest, int(arrivals[who] / _SLOT))
        while slot < slots and not all(b.max(initial=0) < options.crowd for b in _spans(busy, mine, slot)):
            slot += 1
        if slot >= slots:
            room = f"room for {place} of {options.people} people in {options.seconds:g} s"
            raise ConfigError(f"'crowd' must leave room for all, got {options.crowd}: {room}")
        for taken in _spans(busy, mine, slot):
            np.add(taken, 1, out=taken)
        start[who], earliest = slot * _SLOT, slot
    return start


def _spans(busy: npt.NDArray[np.int32], visits: Visits, slot: int) -> list[npt.NDArray[np.int32]]:
    """The slots that visits take which start at `slot`."""
    begins = slot + (visits.start / _SLOT).astype(int)
    ends = slot + (visits.end / _SLOT).astype(int) + 1
    return [busy[c, b:e] for c, b, e in zip(visits.camera, begins, ends, strict=True)]
