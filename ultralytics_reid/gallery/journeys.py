"""Journeys of identities: stays on cameras, dwell times, and transitions between cameras."""

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
    """A presence of one identity on one camera, without a long absence or a visit to another camera in between.

    Attributes:
        camera: Name of the camera.
        first: First sighting, seconds since 1970 (UTC).
        last: Last sighting, seconds since 1970 (UTC).
        path: `(P, 5)` float32, by time: seconds since `first`, and the box's left, top, right and bottom as fractions
            of the image's width and height.
        visits: Ids of the joined visits, by start.
    """

    camera: str
    first: float
    last: float
    path: Floats
    visits: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Duration, including the joined gaps."""
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class Journey:
    """All stays of an identity.

    Attributes:
        identity: The `identity_id`.
        name: Its name; empty if it has none.
        stays: At least one, by start and then by end.
    """

    identity: int
    name: str
    stays: tuple[Stay, ...]

    @property
    def first(self) -> float:
        """First sighting, seconds since 1970 (UTC)."""
        return self.stays[0].first

    @property
    def last(self) -> float:
        """Last sighting, seconds since 1970 (UTC)."""
        return max(stay.last for stay in self.stays)

    @property
    def seconds(self) -> float:
        """Total duration of the stays; overlapping stays on two cameras both count."""
        return sum(stay.seconds for stay in self.stays)


@dataclass(frozen=True)
class Dwell:
    """Dwell time on one camera.

    Attributes:
        camera: Name of the camera.
        identities: Number of identities.
        stays: Number of stays.
        seconds: Total of the stays, person-seconds.
        median: Median duration of a stay, seconds.
        longest: Longest duration of a stay, seconds.
    """

    camera: str
    identities: int
    stays: int
    seconds: float
    median: float
    longest: float


@dataclass(frozen=True)
class Transition:
    """Transitions from one camera to another.

    Attributes:
        before: The camera that was left.
        after: The camera that was reached, another one.
        count: Number of transitions.
        overlapping: Those during which both cameras saw the identity; their travel time is 0.
        shortest: Shortest travel time, seconds, 0 or more.
        median: Median travel time, seconds.
        longest: Longest travel time, seconds.
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
    """Visits joined into one stay, so far."""

    camera: str
    first: float
    last: float
    visits: list[Visit] = field(default_factory=list)


def journeys(
    visits: Iterable[Visit], join: float = JOIN_SECONDS, names: Mapping[int, str] | None = None
) -> list[Journey]:
    """Join visits into stays and group them by identity.

    Visits of an identity to the same camera that overlap, or are less than `join` seconds apart, become one stay,
    unless a stay on another camera lies entirely in between. Enrolled images are no visits to a camera.

    Args:
        visits: Visits in any order; without paths, the stays have none either.
        join: Maximum gap within a stay, seconds, 0 or more; 0 joins only overlapping visits.
        names: Names by identity.

    Returns:
        A journey for each identity, by ascending identity.

    Raises:
        GalleryError: If `join` is out of range.
    """
    if not join >= 0:
        raise GalleryError(f"join must be 0 seconds or more, got {join!r}")
    spans: dict[int, list[_Span]] = defaultdict(list)
    for visit in visits:
        if visit.camera != ENROLLED:
            spans[visit.identity].append(_Span(visit.camera, visit.first, visit.last, [visit]))
    names = names or {}
    return [Journey(i, names.get(i, ""), _stays(spans[i], join)) for i in sorted(spans)]


def _stays(spans: list[_Span], join: float) -> tuple[Stay, ...]:
    spans = _in_order(spans)
    # A joined span may no longer lie in between two others, which can then be joined too.
    while len(joined := _join_once(spans, join)) < len(spans):
        spans = joined
    return tuple(_stay(span) for span in spans)


def _join_once(spans: Sequence[_Span], join: float) -> list[_Span]:
    """Join each span to the one before it on its camera; spans are sorted, and so is the result."""
    starts = [span.first for span in spans]
    kept: list[_Span] = []
    latest: dict[str, _Span] = {}
    for span in spans:
        before = latest.get(span.camera)
        near = before is not None and span.first - before.last < join
        if before and near and not _was_elsewhere(span, spans, bisect_left(starts, before.last)):
            before.last = max(before.last, span.last)
            before.visits.extend(span.visits)
        else:
            latest[span.camera] = replace(span, visits=list(span.visits))
            kept.append(latest[span.camera])
    return _in_order(kept)


def _in_order(spans: Iterable[_Span]) -> list[_Span]:
    return sorted(spans, key=lambda s: (s.first, s.last, s.visits[0].id))


def _was_elsewhere(after: _Span, spans: Sequence[_Span], start: int) -> bool:
    """Whether any span on another camera, from index `start` on, ends before `after` begins."""
    for n in range(start, len(spans)):
        if spans[n].first > after.first:
            return False
        if spans[n].camera != after.camera and spans[n].last <= after.first:
            return True
    return False


def _stay(span: _Span) -> Stay:
    visits = sorted(span.visits, key=lambda v: (v.first, v.last, v.id))
    if not any(len(v.path) for v in visits):
        return Stay(span.camera, span.first, span.last, visits[0].path, tuple(visit.id for visit in visits))
    # A path's times count from its own visit's start.
    paths = [v.path + np.array([v.first - span.first, 0, 0, 0, 0], np.float32) for v in visits]
    path = np.concatenate(paths)
    path = path[np.argsort(path[:, 0], kind="stable")]
    return Stay(span.camera, span.first, span.last, path, tuple(visit.id for visit in visits))


def dwell(journeys: Iterable[Journey]) -> list[Dwell]:
    """Compute dwell times by camera, sorted by camera name."""
    stays: dict[str, list[float]] = defaultdict(list)
    identities: dict[str, set[int]] = defaultdict(set)
    for journey in journeys:
        for stay in journey.stays:
            stays[stay.camera].append(stay.seconds)
            identities[stay.camera].add(journey.identity)
    return [
        Dwell(camera, len(identities[camera]), len(times), sum(times), median(times), max(times))
        for camera, times in sorted(stays.items())
    ]


def transitions(journeys: Iterable[Journey], within: float = math.inf) -> list[Transition]:
    """Summarize transitions between cameras, the most frequent first.

    A stay follows the stay that ended last before it, or is still going on. The travel time is from the last sighting
    on the one camera to the first sighting on the other; where both see the identity at once (overlapping views) it
    is 0. A return to the same camera is no transition.

    Args:
        journeys: Journeys of the identities to count.
        within: Maximum travel time, seconds; longer ones are returns after an absence, and are ignored.

    Returns:
        One for each ordered pair of cameras with a transition.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for journey in journeys:
        for before, after in _moves(journey):
            if after.first - before.last <= within:
                times[before.camera, after.camera].append(after.first - before.last)
    summaries = [_summarize(cameras, seconds) for cameras, seconds in times.items()]
    return sorted(summaries, key=lambda t: (-t.count, t.before, t.after))


def _moves(journey: Journey) -> Iterator[tuple[Stay, Stay]]:
    """Pair each stay with the one before it that ended last, where that is on another camera."""
    before = journey.stays[0]
    for stay in journey.stays[1:]:
        if stay.camera != before.camera:
            yield before, stay
        if stay.last >= before.last:
            before = stay


def _summarize(cameras: tuple[str, str], seconds: Sequence[float]) -> Transition:
    times = [max(0.0, s) for s in seconds]
    overlapping = sum(s < 0 for s in seconds)
    return Transition(*cameras, len(times), overlapping, min(times), median(times), max(times))
