"""What tracking a video came to: rows, times, events; and the same by identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from .._typing import Doubles, Ints
from ..events import Event
from ..refinement.changes import Change
from ..tracking.closing_line import MIN_RETURN_SECONDS

FRAME, ID, X1, Y1, X2, Y2, CONFIDENCE, CLASS = range(8)
COLUMNS = 8

# Begin and end, seconds.
Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class IdentityTrack:
    """Where one identity was in a video.

    Attributes:
        identity: Its id.
        cls: Class index of most of its boxes.
        rows: `(N, 8)` float64, its rows by frame, at least one.
        spans: When it was in view, bridging gaps shorter than a second; in seconds.
    """

    identity: int
    cls: int
    rows: Doubles
    spans: tuple[Span, ...]

    @property
    def first(self) -> float:
        """When it was first seen, seconds."""
        return self.spans[0][0]

    @property
    def last(self) -> float:
        """When it was last seen, seconds."""
        return self.spans[-1][1]

    @property
    def seconds(self) -> float:
        """How long it was in view altogether."""
        return sum(end - begin for begin, end in self.spans)

    @property
    def absences(self) -> tuple[Span, ...]:
        """When it was gone, and came back under the same id; in seconds."""
        return tuple((a[1], b[0]) for a, b in pairwise(self.spans))


@dataclass(frozen=True)
class TrackedVideo:
    """A tracked video.

    Attributes:
        name: Name of the source, to show.
        rows: `(R, 8)` float64 by frame: frame, counted from 1 in those that were tracked, id, left, top, right and
            bottom in pixels, confidence, class index. Boxes without an id are not among them.
        times: `(F,)` float64, seconds of each frame that was tracked.
        fps: Frames per second, of those that were tracked.
        size: Width and height of the first frame, pixels.
        class_names: Names by class index.
        events: What the tracker reported; none after a second pass, as they name ids before it.
        changes: What a second pass changed.
        before: `(R,)` int64, the id of each row before a second pass; 0 where it had none. None where there was no
            second pass.
        stride: Every so many frames of the source one was tracked.
    """

    name: str
    rows: Doubles
    times: Doubles
    fps: float
    size: tuple[int, int]
    class_names: Mapping[int, str]
    events: tuple[Event, ...] = ()
    changes: tuple[Change, ...] = ()
    before: Ints | None = None
    stride: int = 1

    def time_of(self, frame: int) -> float:
        """Time of a frame of `rows`, seconds."""
        return float(self.times[frame - 1])

    def source_frame(self, frame: int) -> int:
        """Number of a frame of `rows` in the source, counted from 1."""
        return frame * self.stride

    def class_name(self, cls: int) -> str:
        """Name of a class, or its index where names aren't known."""
        return str(self.class_names.get(cls, f"class {cls}"))

    @property
    def has_classes(self) -> bool:
        """Whether its identities are of several classes, so that labels need their names."""
        return len({track.cls for track in self.identities}) > 1

    def by_frame(self) -> list[Doubles]:
        """Rows of each frame that was tracked, `(N, 8)` each."""
        return _cut(self.rows, self.rows[:, FRAME].astype(np.int64) - 1, len(self.times))

    @cached_property
    def identities(self) -> tuple[IdentityTrack, ...]:
        """Identities by first appearance."""
        ids, index = np.unique(self.rows[:, ID].astype(np.int64), return_inverse=True)
        order = np.argsort(index, kind="stable")
        parts = _cut(self.rows[order], index[order], len(ids))
        tracks = (self._identity(int(i), rows) for i, rows in zip(ids, parts, strict=True))
        return tuple(sorted(tracks, key=lambda track: (track.first, track.identity)))

    def _identity(self, identity: int, rows: Doubles) -> IdentityTrack:
        cls = Counter(rows[:, CLASS].astype(int).tolist()).most_common(1)[0][0]
        times = self.times[rows[:, FRAME].astype(np.int64) - 1]
        cuts = [0, *(np.flatnonzero(np.diff(times) >= MIN_RETURN_SECONDS) + 1).tolist(), len(times)]
        spans = ((float(times[a]), float(times[b - 1])) for a, b in pairwise(cuts))
        return IdentityTrack(identity, cls, rows, tuple(spans))


def _cut(rows: Doubles, index: Ints, parts: int) -> list[Doubles]:
    """Cut rows into parts by an ascending index from 0."""
    return np.split(rows, np.searchsorted(index, np.arange(1, parts))) if parts else []
