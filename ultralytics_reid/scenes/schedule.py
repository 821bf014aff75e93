"""Schedule of all visits, searchable by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Ints
from ..errors import ConfigError
from .cameras import Camera
from .hashed_random import between, uniform
from .options import SceneOptions
from .routes import make_routes

_OTHER_CAMERA = 0.75  # fraction of the next visits on another camera, with several cameras
_BATCH = 1 << 16  # number of visits whose routes are generated at once
_MIN_ARRIVAL_SPAN = 0.25  # fraction of the scene over which arrivals are spread, at least
# Seconds that boxes may be out of view at the ends of a visit.
_EDGE = 0.3
_SLOT = 0.5  # seconds, resolution of the crowd limit

Rows = slice | Ints | Bools


@dataclass(frozen=True)
class Visits:
    """`V` visits.

    Attributes:
        person: `(V,)` int64 ids.
        number: `(V,)` int64, number of the visit, counted by person from 0.
        camera: `(V,)` int64, index of the camera.
        start: `(V,)` start, seconds.
        end: `(V,)` end, seconds.
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
    """Visits to one camera, sorted for queries by time.

    Args:
        visits: Visits to the camera.
    """

    def __init__(self, visits: Visits) -> None:
        self._visits = visits[np.argsort(visits.start, kind="stable")]
        self._longest = float((visits.end - visits.start).max(initial=0))

    def during(self, begin: float, end: float) -> Visits:
        """Select the visits that overlap an interval of seconds."""
        starts = self._visits.start
        first, last = np.searchsorted(starts, begin - self._longest), np.searchsorted(starts, end, "right")
        candidates = self._visits[first:last]
        return candidates[candidates.end >= begin]


def make_schedules(options: SceneOptions, cameras: Sequence[Camera]) -> tuple[Schedule, ...]:
    """Generate the visits of all people, by camera.

    Args:
        options: Options of the scene.
        cameras: All cameras.

    Raises:
        ConfigError: If `crowd` is too small for the number of people.
    """
    visits = _chains(options, cameras)
    start = _arrivals(options, visits)
    if options.crowd is not None:
        start = _delay_arrivals(options, visits, start)
    begin = start[visits.person - 1]
    moved = Visits(visits.person, visits.number, visits.camera, visits.start + begin, visits.end + begin)
    moved = moved[moved.start < options.seconds]
    return tuple(Schedule(moved[moved.camera == c.number]) for c in cameras)


def _chains(options: SceneOptions, cameras: Sequence[Camera]) -> Visits:
    """Visits of all people, by person, in seconds since each person's first visit."""
    people = np.arange(1, options.people + 1)
    clock = np.zeros(len(people))
    camera = np.full(len(people), -1)
    found, number = [], 0
    shortest, longest = options.away[0], max(options.away[0], options.away[1] - _EDGE)
    while len(people) and (options.visits is None or number < options.visits):
        camera = _next_cameras(options, people, number, camera)
        seconds = _durations(options, cameras, people, number, camera)
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
    moves = (uniform(*key, "moves") < _OTHER_CAMERA) & (before >= 0)
    return np.where(moves, other, np.where(before >= 0, before, anywhere))


def _durations(options: SceneOptions, cameras: Sequence[Camera], people: Ints, number: int, camera: Ints) -> Doubles:
    """Duration of each visit, `(V,)` seconds; routes are generated in batches and discarded."""
    seconds = np.zeros(len(people))
    for c in cameras:
        (here,) = np.nonzero(camera == c.number)
        for rows in np.split(here, range(_BATCH, len(here), _BATCH)):
            routes = make_routes(c, options.stops, options.seed, people[rows], np.full(len(rows), number))
            seconds[rows] = routes.seconds
    return seconds


def _arrivals(options: SceneOptions, chains: Visits) -> Doubles:
    """Start of each first visit, `(people,)` seconds: spread evenly so that all visits end within the scene."""
    length = np.zeros(options.people)
    np.maximum.at(length, chains.person - 1, chains.end)
    people = np.arange(1, options.people + 1)
    place = np.argsort(np.argsort(uniform(options.seed, "order", people), kind="stable"), kind="stable")
    share = (place + uniform(options.seed, "arrival", people)) / options.people
    return share * np.maximum(options.seconds - length, _MIN_ARRIVAL_SPAN * options.seconds)


def _delay_arrivals(options: SceneOptions, chains: Visits, arrivals: Doubles) -> Doubles:
    """Delay arrivals, in their order, until all visits of a person fit the crowd limit."""
    assert options.crowd is not None
    slots = int(options.seconds / _SLOT) + 1
    busy = np.zeros((options.cameras, slots + 1), np.int32)
    first = np.searchsorted(chains.person, np.arange(1, options.people + 2))
    start, earliest = np.empty(options.people), 0
    for place, person in enumerate(np.argsort(arrivals, kind="stable")):
        visits = chains[first[person] : first[person + 1]]
        slot = max(earliest, int(arrivals[person] / _SLOT))
        while slot < slots and not all(b.max(initial=0) < options.crowd for b in _occupied_slots(busy, visits, slot)):
            slot += 1
        if slot >= slots:
            room = f"room for {place} of {options.people} people in {options.seconds:g} s"
            raise ConfigError(f"'crowd' must leave room for all, got {options.crowd}: {room}")
        for taken in _occupied_slots(busy, visits, slot):
            np.add(taken, 1, out=taken)
        start[person], earliest = slot * _SLOT, slot
    return start


def _occupied_slots(busy: npt.NDArray[np.int32], visits: Visits, slot: int) -> list[npt.NDArray[np.int32]]:
    """Views of the slots occupied by visits that start at `slot`."""
    begins = slot + (visits.start / _SLOT).astype(int)
    ends = slot + (visits.end / _SLOT).astype(int) + 1
    return [busy[c, b:e] for c, b, e in zip(visits.camera, begins, ends, strict=True)]
