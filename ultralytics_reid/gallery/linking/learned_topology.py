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

# Journeys, by the two cameras: seconds, and whether they are sure.
Journeys = dict[tuple[str, str], list[tuple[float, bool]]]
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
        seen: All journeys between them, also of identities that are not sure on both sides.
    """

    cameras: tuple[str, str]
    way: Way
    journeys: int
    together: int
    seen: int

    @property
    def known(self) -> bool:
        """Whether anything was learned of it."""
        return self.way.overlap or self.journeys >= _MIN_JOURNEYS


def learn_ways(visits: Iterable[Visit]) -> list[LearnedWay]:
    """Learn travel times and shared views.

    Two cameras share a view if one homography maps where people stand on one to where they stand at the same time on
    the other, for most of the people and whoever they are said to be. Travel times are those of identities that are
    sure on both sides.

    Args:
        visits: With their paths.

    Returns:
        A way for each two cameras of which something is known, by their names; then those of which nothing was learned:
        between cameras with journeys, and one for each camera that has none.
    """
    by_camera: dict[str, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=_by_time):
        if visit.camera != ENROLLED:
            by_camera[visit.camera].append(visit)
    journeys = _journeys([v for found in by_camera.values() for v in found])
    ways = sorted(_ways(by_camera, journeys), key=lambda found: not found.known)
    listed = {name for found in ways for name in found.cameras}
    return [*ways, *_unknown(sorted(by_camera), listed)]


def _by_time(visit: Visit) -> tuple[float, float, str, int]:
    """Sort visits by when they began; of those that began at once, ids, which are random, come last."""
    return visit.first, visit.last, visit.camera, visit.id


def _ways(by_camera: dict[str, list[Visit]], journeys: Journeys) -> Iterator[LearnedWay]:
    for one, other in combinations(sorted(by_camera), 2):
        view = _shared_view(one, other, by_camera)
        found = journeys.get((one, other), [])
        sure = [seconds for seconds, is_sure in found if is_sure]
        if view.calibrated:
            yield LearnedWay((one, other), Way(overlap=True), len(sure), view.moments, len(found))
        elif found:
            least = float(int(_FASTER * max(0.0, min(sure)))) if len(sure) >= _MIN_JOURNEYS else 0.0
            yield LearnedWay((one, other), Way(min_seconds=least), len(sure), 0, len(found))


def _unknown(names: Sequence[str], listed: set[str]) -> Iterator[LearnedWay]:
    """Ways without times, which allow anything, to cameras without a journey: a topology must have them all."""
    for n, name in enumerate(names):
        if name not in listed and len(names) > 1:
            one, other = sorted((name, names[0] if n else names[1]))
            listed |= {one, other}
            yield LearnedWay((one, other), Way(), 0, 0, 0)


def _journeys(visits: Sequence[Visit]) -> Journeys:
    """Seconds from the end of a visit to the next one of the same identity on another camera, by the two cameras."""
    by_identity: dict[int, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=_by_time):
        by_identity[visit.identity].append(visit)
    journeys: Journeys = defaultdict(list)
    for mine in by_identity.values():
        for a, b in pairwise(mine):
            if a.camera != b.camera:
                one, other = sorted((a.camera, b.camera))
                journeys[one, other].append((b.first - a.last, min(a.probability, b.probability) >= _SURE))
    return journeys


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
    lines = ["# Learned from a gallery: check it, and correct what is wrong."]
    lines += [f"# {text}" for text in [unlearned(ways)] if text]
    lines += ["ways:" if ways else "ways: []", *(f"  - {{{_described(found)}" for found in ways)]
    return "\n".join(lines) + "\n"


def unlearned(ways: Sequence[LearnedWay]) -> str:
    """Say of how many ways nothing was learned, and why; empty where something was learned of each."""
    count = sum(not found.known for found in ways)
    if not count:
        return ""
    sure = f"{_MIN_JOURNEYS} sure journeys, whose links had a probability of {_SURE:g} or more when they were made"
    return f"Nothing was learned of {count} of {len(ways)} {'way' if len(ways) == 1 else 'ways'}: it takes {sure}."


def _described(found: LearnedWay) -> str:
    between = "from: {}, to: {}".format(*map(_quoted, found.cameras))
    if found.way.overlap:
        return f"{between}, overlap: true}}  # {found.together} moments on common ground"
    sure = f"{found.journeys} sure {'journey' if found.journeys == 1 else 'journeys'} of {found.seen}"
    if found.way.min_seconds:
        return f"{between}, least: {found.way.min_seconds:g}}}  # {sure}"
    return f"{between}}}  # any time: {sure}"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
