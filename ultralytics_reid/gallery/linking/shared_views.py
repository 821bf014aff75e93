"""Cameras that see the same place at the same time: which open visits of the two stand on the same spot.

Where two views overlap (`overlap: true` in the topology), feet tell more than looks: one homography has to explain all
people whom both cameras see. It is found without any link, from pairs of visits that explain other pairs, so that
people in like clothes are told apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from .ground_plane import GroundMap
from .open_visits import OpenVisit
from .session import CameraSession
from .topology import Topology
from .view_pairs import Looks, ViewPair, solve

# Points kept of a visit's trail, and trails kept of a camera; the oldest go.
_MAX_TRAIL, _MAX_TRAILS = 30, 1000
# Boxes of one camera that wait for the other one, which may report nothing for long; the oldest go.
_MAX_WAITING = 10_000
# Seconds of a window, in which two visits are compared as a whole: ids are swapped at crossings, and a window that
# shows two people fits nobody. The last windows of two visits count.
_WINDOW, _LAST_WINDOWS = 10.0, 2
# Windows of pairs kept; the oldest go.
_MAX_PAIRS = 300
# Seconds between two points of a trail between which feet are interpolated.
_MAX_STEP = 2.5
# Moments of all pairs before the first estimate, and their growth between two.
_FIRST, _GROWTH = 6, 1.25
# Shares of the image beyond which a box is cut off, so that its feet aren't where it ends.
_SIDES, _BOTTOM = 0.01, 0.985


class SharedView:
    """What two cameras see of the same place.

    Args:
        one: Name of one camera.
        other: Name of the other.
        lag: Seconds by which boxes of one moment may be reported one after another.
    """

    def __init__(self, one: str, other: str, lag: float = 0.0) -> None:
        self.cameras = (one, other)
        self._lag = lag
        self._trails: dict[str, dict[OpenVisit, list[tuple[float, ...]]]] = {one: {}, other: {}}
        self._pending: deque[tuple[float, OpenVisit, tuple[float, ...]]] = deque(maxlen=_MAX_WAITING)
        self._reported = dict.fromkeys(self.cameras, float("-inf"))
        self._pairs: dict[tuple[OpenVisit, OpenVisit, int], ViewPair] = {}
        self._map: GroundMap | None = None
        self._explained: dict[ViewPair, GroundMap] = {}
        self._moments, self._tried_at = 0, 0

    @property
    def calibrated(self) -> bool:
        """Whether it is known where a place on the ground is on both cameras."""
        return self._map is not None

    @property
    def moments(self) -> int:
        """Number of moments that the map explains."""
        return sum(len(pair.rows) for pair in self._explained)

    def observe(self, camera: str, time: float, visit: OpenVisit, box: tuple[float, float, float, float]) -> None:
        """Take a box: left, top, right and bottom as shares of the image, at a time in seconds since 1970."""
        if time < self._reported[camera] - _MAX_STEP:  # its clock was set back
            self._restart()
        self._reported[camera] = max(self._reported[camera], time)
        left, top, right, bottom = box
        if left < _SIDES or right > 1 - _SIDES or bottom > _BOTTOM:
            return
        point = (time, (left + right) / 2, bottom, bottom - top)
        trails = self._trails[camera]
        trail = trails.setdefault(visit, [])
        trail.append(point)
        del trail[:-_MAX_TRAIL]
        if len(trails) > _MAX_TRAILS:
            del trails[next(iter(trails))]
        if camera == self.cameras[0]:
            self._pending.append((time, visit, point))

    def update(self, looks: Looks) -> None:
        """Pair what both cameras have reported, and estimate the map anew when there is enough more of it."""
        while self._pending and self._pending[0][0] < self._reported[self.cameras[1]] - self._lag:
            time, one, point = self._pending.popleft()
            for other, trail in self._trails[self.cameras[1]].items():
                found = _at(trail, time)
                if found is not None:
                    key = one, other, int(time // _WINDOW)
                    pair = self._pairs.setdefault(key, ViewPair(*key))
                    pair.rows.append((point[1], point[2], *found))
                    self._moments += 1
        self._forget()
        if self._moments >= max(_FIRST, _GROWTH * self._tried_at):
            self._tried_at = self._moments
            self._estimate(looks)

    def nats(self, one: OpenVisit, other: OpenVisit) -> float:
        """Return what feet have said of late about two visits, one on each camera in this order.

        Returns:
            Log-likelihood ratio, one individual against two; 0 as long as the view isn't calibrated, or a camera hasn't
            reported.
        """
        latest = min(self._reported.values())
        if self._map is None or latest == float("-inf"):  # one of them hasn't reported since the clock was set
            return 0.0
        window = int(latest // _WINDOW)
        windows = (self._pairs.get((one, other, n)) for n in range(window - _LAST_WINDOWS + 1, window + 2))
        return sum(p.nats(self._explained.get(p, self._map)) for p in windows if p is not None)

    def _restart(self) -> None:
        """Forget when anything was; where places are on both cameras stays known."""
        self._pending.clear()
        for camera, trails in self._trails.items():
            trails.clear()
            self._reported[camera] = float("-inf")

    def _forget(self) -> None:
        oldest = min(self._reported.values()) - _MAX_STEP - self._lag
        for trails in self._trails.values():
            for visit in [v for v, trail in trails.items() if trail[-1][0] < oldest]:
                del trails[visit]
        while len(self._pairs) > _MAX_PAIRS:
            self._explained.pop(self._pairs.pop(next(iter(self._pairs))), None)

    def _estimate(self, looks: Looks) -> None:
        """Find where places are on both cameras anew; unknown if that isn't clear."""
        found = solve(list(self._pairs.values()), list(self._explained), looks)
        self._map, self._explained = (None, {}) if found is None else (found.map, dict(found.explained))


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
        first, second = sorted((one, other))
        return self._views.setdefault((first, second), SharedView(first, second))

    def nats(self, one: OpenVisit, other: OpenVisit) -> float:
        """Return what feet say about two visits of two cameras; see `SharedView.nats`."""
        first, second = sorted((one, other), key=lambda v: v.camera)
        return self.between(first.camera, second.camera).nats(first, second)

    def calibrated(self, one: str, other: str) -> bool:
        """Whether it is known where a place is on two cameras."""
        view = self._views.get(tuple(sorted((one, other))))
        return view is not None and view.calibrated

    def pairs(self, cameras: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the pairs of some cameras that are known to see the same places, by their names."""
        names = set(cameras)
        for one, other in self._pairs:
            if self.calibrated(one, other) and names.issuperset((one, other)):
                yield one, other
