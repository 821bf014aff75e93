"""Where identities went: their stays on cameras, how long these were, and how they got from one to the next."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from .._typing import Floats
from ..errors import GalleryError
from .records import ENROLLED, Visit

JOIN_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Stay:
    """An individual on one camera, without having been anywhere else or away for long.

    Attributes:
        camera: Its name.
        first: When they were first seen, seconds since 1970 (UTC).
        last: When they were last seen.
        path: `(P, 5)` float32, by time: seconds since `first`, and the box's left, top, right and bottom as shares of
            the picture's width and height.
        visits: Ids of the visits that it is made of, by when they began.
    """

    camera: str
    first: float
    last: float
    path: Floats
    visits: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """How long it was, moments out of sight that were joined included."""
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class Journey:
    """All stays of an identity.

    Attributes:
        identity: The `identity_id`.
        name: Empty if it has none.
        stays: At least one, by when they began, and of those that began together, by when they ended.
    """

    identity: int
    name: str
    stays: tuple[Stay, ...]

    @property
    def first(self) -> float:
        """When they were first seen, seconds since 1970 (UTC)."""
        return self.stays[0].first

    @property
    def last(self) -> float:
        """When they were last seen."""
        return max(stay.last for stay in self.stays)

    @property
    def seconds(self) -> float:
        """How long all stays were; while two cameras saw them at once, both count."""
        return sum(stay.seconds for stay in self.stays)


@dataclass(frozen=True)
class Dwell:
    """How long identities stayed on a camera.

    Attributes:
        camera: Its name.
        identities: How many were there.
        stays: How many stays that were.
        seconds: Of all stays together: person-seconds.
        median: Of a stay, seconds.
        longest: The same.
    """

    camera: str
    identities: int
    stays: int
    seconds: float
    median: float
    longest: float


@dataclass(frozen=True)
class Transition:
    """How identities got from one camera to another.

    Attributes:
        before: The camera on which they were last.
        after: The one on which they were next, never the same.
        count: How often that was.
        overlapping: How often both saw them at once, which counts as a travel time of 0.
        shortest: Travel time, seconds, 0 or more.
        median: The same.
        longest: The same.
    """

    before: str
    after: str
    count: int
    overlapping: int
    shortest: float
    median: float
    longest: float


@dataclass
class _Span:
    """Visits that are one stay."""

    camera: str
    first: float
    last: float
    visits: list[Visit] = field(default_factory=list)


def journeys(
    visits: Iterable[Visit], join: float = JOIN_SECONDS, names: Mapping[int, str] | None = None
) -> list[Journey]:
    """Where every identity was, from first to last.

    Visits of an identity on the same camera that are less than `join` seconds apart, or overlap, become one stay,
    unless all of a stay on another camera lies in between: then they had been there, and came back. Enrolled pictures
    are no visits to any camera.

    Args:
        visits: In any order; without their paths, the stays have none either.
        join: Seconds, 0 or more; 0 joins only those that overlap.
        names: By identity.

    Returns:
        One for every identity that was seen, the lowest first.

    Raises:
        GalleryError: If `join` is out of range.
    """
    if not join >= 0:
        raise GalleryError(f"join must be 0 seconds or more, got {join!r}")
    seen: dict[int, list[_Span]] = defaultdict(list)
    for visit in visits:
        if visit.camera != ENROLLED:
            seen[visit.identity].append(_Span(visit.camera, visit.first, visit.last, [visit]))
    called = names or {}
    return [Journey(who, called.get(who, ""), _stays(seen[who], join)) for who in sorted(seen)]


def _stays(spans: list[_Span], join: float) -> tuple[Stay, ...]:
    spans = _in_order(spans)
    # What is joined may no longer lie in between others, which can then be joined too.
    while len(joined := _joined(spans, join)) < len(spans):
        spans = joined
    return tuple(_stay(span) for span in spans)


def _joined(spans: Sequence[_Span], join: float) -> list[_Span]:
    """One round of joining, each span to the one before it on its camera; takes and returns them in order."""
    starts = [span.first for span in spans]
    kept: list[_Span] = []
    latest: dict[str, _Span] = {}
    for span in spans:
        before = latest.get(span.camera)
        near = before is not None and span.first - before.last < join
        if before and near and not _elsewhere(span, spans, bisect_left(starts, before.last)):
            before.last = max(before.last, span.last)
            before.visits.extend(span.visits)
        else:
            latest[span.camera] = replace(span, visits=list(span.visits))
            kept.append(latest[span.camera])
    return _in_order(kept)


def _in_order(spans: Iterable[_Span]) -> list[_Span]:
    return sorted(spans, key=lambda s: (s.first, s.last, s.visits[0].id))


def _elsewhere(after: _Span, spans: Sequence[_Span], start: int) -> bool:
    """Whether all of any span on another camera, of those from `start` on, lies before one."""
    for n in range(start, len(spans)):
        if spans[n].first > after.first:
            return False
        if spans[n].camera != after.camera and spans[n].last <= after.first:
            return True
    return False


def _stay(span: _Span) -> Stay:
    visits = sorted(span.visits, key=lambda v: (v.first, v.last, v.id))
    paths = [_later(visit.path, visit.first - span.first) for visit in visits]
    path = paths[0] if len(paths) == 1 else np.concatenate(paths)
    path = path[np.argsort(path[:, 0], kind="stable")]
    return Stay(span.camera, span.first, span.last, path, tuple(visit.id for visit in visits))


def _later(path: Floats, seconds: float) -> Floats:
    """A path by a clock that started so many seconds earlier."""
    return path + np.array([seconds, 0, 0, 0, 0], np.float32)


def dwell(journeys: Iterable[Journey]) -> list[Dwell]:
    """How long identities stayed, by camera, in the order of their names."""
    stays: dict[str, list[float]] = defaultdict(list)
    who: dict[str, set[int]] = defaultdict(set)
    for journey in journeys:
        for stay in journey.stays:
            stays[stay.camera].append(stay.seconds)
            who[stay.camera].add(journey.identity)
    return [
        Dwell(camera, len(who[camera]), len(times), sum(times), median(times), max(times))
        for camera, times in sorted(stays.items())
    ]


def transitions(journeys: Iterable[Journey], within: float = math.inf) -> list[Transition]:
    """How identities got from camera to camera, the most frequent first.

    Somebody who appears on a camera comes from the one on which they had been seen last, or still are. From when they
    were last seen there to when they were first seen here is the travel time; while both cameras see them, as where
    views overlap, it is 0, never less. Coming back to the same camera is no transition.

    Args:
        journeys: Of all identities that count.
        within: Seconds; what took longer is a return after an absence, and left out.

    Returns:
        One for every pair of cameras that was made use of, in either direction by itself.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for journey in journeys:
        for before, after in _moves(journey):
            if after.first - before.last <= within:
                times[before.camera, after.camera].append(after.first - before.last)
    found = [_transition(cameras, seconds) for cameras, seconds in times.items()]
    return sorted(found, key=lambda t: (-t.count, t.before, t.after))


def _moves(journey: Journey) -> Iterator[tuple[Stay, Stay]]:
    """Stays, each with the one before that lasted longest, where that is on another camera."""
    before = journey.stays[0]
    for stay in journey.stays[1:]:
        if stay.camera != before.camera:
            yield before, stay
        if stay.last >= before.last:
            before = stay


def _transition(cameras: tuple[str, str], seconds: Sequence[float]) -> Transition:
    times = [max(0.0, s) for s in seconds]
    overlapping = sum(s < 0 for s in seconds)
    return Transition(*cameras, len(times), overlapping, min(times), median(times), max(times))
