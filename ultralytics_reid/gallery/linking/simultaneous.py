"""One identity in two places at once: which of the two visits shows somebody else.

Neither a question nor its answer can foresee it. A visitor is linked to somebody who has left another camera; then that
camera's own memory sees its person come back, while the visitor is still there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from ..records import Visit
from .open_visits import OpenVisit
from .session import CameraSession

# Seconds for which both must have been visible: a camera's memory may take a revival back at once.
_TOGETHER = 2.0


def impossible_visits(
    sessions: Sequence[CameraSession], may_be_one: Callable[[OpenVisit, Visit], bool]
) -> Iterator[tuple[CameraSession, OpenVisit]]:
    """Find open visits that can't show their identity, as it is visible on another camera that shares no view.

    Of two such visits the weaker one is given: one that the gallery linked, rather than one that a camera's own memory
    recognized; then the one whose camera didn't see the identity first; then the later one.

    Args:
        sessions: The cameras' sessions.
        may_be_one: Whether presence and travel times allow that two visits are one individual's.
    """
    places: dict[int, list[tuple[CameraSession, OpenVisit]]] = defaultdict(list)
    for session in sessions:
        if not session.ended:
            for visit in session.visible(float("-inf")):
                places[visit.identity].append((session, visit))
    for visits in places.values():
        gone: set[int] = set()
        for pair in combinations(visits, 2):
            (_, a), (_, b) = pair
            if gone.isdisjoint((a.id, b.id)) and _together(a, b) and not may_be_one(b, a.to_visit()):
                weaker = min(pair, key=_strength)
                gone.add(weaker[1].id)
                yield weaker


def _together(a: OpenVisit, b: OpenVisit) -> bool:
    return min(a.last, b.last) - max(a.visible_since, b.visible_since) >= _TOGETHER


def _strength(place: tuple[CameraSession, OpenVisit]) -> tuple[float, bool, float]:
    session, visit = place
    return visit.probability, session.saw_first(visit.identity), -visit.first
