"""Travel times between cameras, and which of them share a view, learned from a gallery's visits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ..records import ENROLLED, Visit
from .open_visits import OpenVisit
from .shared_views import SharedView
from .topology import Way

# Seconds of journeys, by the two cameras.
Gaps = dict[tuple[str, str], list[float]]
# Visits of two cameras that are compared, the latest: enough to find a map, in seconds.
_MAX_COMPARED = 200
# Seconds between two points of a visit's path, at most, by which those of several visits are apart.
_LAG = 2.5
# Probability from which on a visit is certainly its identity's, and journeys without which a way has no least time.
_SURE, _MIN_JOURNEYS = 0.9, 5
# Share of the shortest time seen that is taken for the least: the next one may be faster.
_FASTER = 0.5


@dataclass(frozen=True)
class LearnedWay:
    """What a gallery tells of the way between two cameras, in either direction.

    Attributes:
        cameras: Their names.
        way: Least travel time in seconds, and whether they share a view.
        journeys: Sure journeys between them.
        together: Moments in which both saw the same individuals on common ground.
    """

    cameras: tuple[str, str]
    way: Way
    journeys: int
    together: int


def learn_ways(visits: Iterable[Visit]) -> list[LearnedWay]:
    """Learn travel times and shared views.

    Two cameras share a view if one homography maps where people stand on one to where they stand at the same time on
    the other, for most of the people and whoever they are said to be. Travel times are those of identities that are
    sure on both sides.

    Args:
        visits: With their paths.

    Returns:
        A way for each two cameras of which something is known, by their names.
    """
    by_camera: dict[str, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=_by_time):
        if visit.camera != ENROLLED:
            by_camera[visit.camera].append(visit)
    gaps = _gaps([v for found in by_camera.values() for v in found])
    known = list(_ways(by_camera, gaps))
    listed = {name for found in known for name in found.cameras}
    return [*known, *_unknown(sorted(by_camera), listed, gaps)]


def _by_time(visit: Visit) -> tuple[float, float, str, int]:
    """Sort visits by when they began; of those that began at once, ids, which are random, come last."""
    return visit.first, visit.last, visit.camera, visit.id


def _ways(by_camera: dict[str, list[Visit]], gaps: Gaps) -> Iterator[LearnedWay]:
    for one, other in combinations(sorted(by_camera), 2):
        view = _shared_view(one, other, by_camera)
        found = gaps.get((one, other), [])
        if view.calibrated:
            yield LearnedWay((one, other), Way(overlap=True), len(found), view.moments)
        elif len(found) >= _MIN_JOURNEYS:
            least = float(int(_FASTER * max(0.0, min(found))))
            yield LearnedWay((one, other), Way(min_seconds=least), len(found), 0)


def _unknown(names: Sequence[str], listed: set[str], gaps: Gaps) -> Iterator[LearnedWay]:
    """Ways without times, which allow anything, to cameras of which nothing is known: a topology must have them all."""
    for n, name in enumerate(names):
        if name not in listed and len(names) > 1:
            one, other = sorted((name, names[0] if n else names[1]))
            listed |= {one, other}
            yield LearnedWay((one, other), Way(), len(gaps.get((one, other), [])), 0)


def _gaps(visits: Sequence[Visit]) -> Gaps:
    """Seconds from the end of a visit to the next one of the same identity on another camera, by the two cameras."""
    by_identity: dict[int, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=_by_time):
        by_identity[visit.identity].append(visit)
    gaps: Gaps = defaultdict(list)
    for mine in by_identity.values():
        for a, b in pairwise(mine):
            if a.camera != b.camera and min(a.probability, b.probability) >= _SURE:
                one, other = sorted((a.camera, b.camera))
                gaps[one, other].append(b.first - a.last)
    return gaps


def _shared_view(one: str, other: str, by_camera: dict[str, list[Visit]]) -> SharedView:
    """Show two cameras' latest visits at the same time to a view, moment by moment."""
    view = SharedView(one, other, _LAG)
    moments = []
    for name, theirs in ((one, by_camera[other]), (other, by_camera[one])):
        for visit in _beside(by_camera[name], theirs)[-_MAX_COMPARED:]:
            key = OpenVisit(name, visit.identity, visit.first, visit.last, id=visit.id)
            moments += [(visit.first + float(row[0]), name, key, row[1:]) for row in visit.path]
    moments.sort(key=lambda m: m[:2])
    for time, name, key, box in moments:
        left, top, right, bottom = (float(v) for v in box)
        view.observe(name, time, key, (left, top, right, bottom))
        view.update(_no_looks)
    return view


def _beside(visits: Sequence[Visit], others: Sequence[Visit]) -> list[Visit]:
    """Visits during which another camera had one too."""
    return [v for v in visits if any(o.first < v.last and v.first < o.last for o in others)]


def _no_looks(one: OpenVisit, other: OpenVisit) -> float:  # noqa: ARG001
    return 0.0


def as_yaml(ways: Sequence[LearnedWay]) -> str:
    """Write a topology file, as `Topology.load` reads it, with what each way was learned from."""
    lines = ["# Learned from a gallery: check it, and correct what is wrong.", "ways:" if ways else "ways: []"]
    lines += (f"  - {{{_described(found)}" for found in ways)
    return "\n".join(lines) + "\n"


def _described(found: LearnedWay) -> str:
    between = "from: {}, to: {}".format(*map(_quoted, found.cameras))
    if found.way.overlap:
        return f"{between}, overlap: true}}  # {found.together} moments on common ground"
    if found.way.min_seconds:
        return f"{between}, least: {found.way.min_seconds:g}}}  # {found.journeys} journeys"
    return f"{between}}}  # any time: {found.journeys} journeys"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
