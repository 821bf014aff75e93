"""A camera's refined tracks under a gallery's identities: those of the visits that lie on their boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..._typing import Doubles, Ints
from ...errors import GalleryError
from ...refinement.solver import Refinement
from ...refinement.tracks import Tracks
from ..records import FIRST_LOCAL_ID, Visit

# Pixels by which the edges of a box and of a visit's path may differ: both are the tracker's.
_SAME_BOX = 1.5
_FRAME, _ID = 0, 1


def with_identities(refined: Refinement, tracks: Tracks, visits: Sequence[Visit]) -> Refinement:
    """Give refined ids the identities of a gallery.

    A visit belongs to the id that most of its path lies on; an id gets the identity of most of its visits, unless
    another id that is visible beside it has more of them. Ids without a visit stay, or become ids from
    `FIRST_LOCAL_ID` on where an identity has their number.

    Args:
        refined: What `refine` made of the tracks.
        tracks: The log; when it was recorded needn't be known, as the boxes tell.
        visits: The gallery's, with their paths; of other cameras and runs too. Those of the camera count whose paths
            lie on most boxes.

    Raises:
        GalleryError: If no visit lies on the boxes.
    """
    found = _visits_on(refined, tracks, visits)
    cameras: Counter[str] = Counter()
    for visit, of in found.items():
        cameras[visits[visit].camera] += of.total()
    votes: Counter[tuple[int, int]] = Counter()
    for visit, of in found.items():
        if visits[visit].camera == cameras.most_common(1)[0][0]:
            votes[of.most_common(1)[0][0], visits[visit].identity] += of.total()
    if not votes:
        raise GalleryError("no visit of the gallery lies on the boxes of this track log: is it of another run?")
    names = _named(refined, votes, frozenset(v.identity for v in visits))
    rows = refined.rows.copy()
    rows[:, _ID] = [names[int(i)] for i in rows[:, _ID]]
    order = np.lexsort((rows[:, _ID], rows[:, _FRAME]))
    return replace(
        refined,
        rows=rows[order],
        interpolated=refined.interpolated[order],
        before=refined.before[order],
        mapping={old: tuple(dict.fromkeys(names[i] for i in new)) for old, new in refined.mapping.items()},
        changes=[replace(c, new_ids=tuple(dict.fromkeys(names[i] for i in c.new_ids))) for c in refined.changes],
    )


@dataclass(frozen=True)
class _Match:
    """Points of visits' paths on boxes, `N` of them: visit, row, and when the log's clock was 0 if they are one."""

    visit: Ints
    row: Ints
    origin: Doubles


def _visits_on(refined: Refinement, tracks: Tracks, visits: Sequence[Visit]) -> dict[int, Counter[int]]:
    """For each visit of this run, by place, on how many boxes of which ids its path lies."""
    match = _matches(refined.rows, tracks, visits)
    if not len(match.visit):
        return {}
    # The visits of a run share an origin; other pairs of points and boxes are alike by chance.
    frames = np.floor((match.origin - match.origin.min()) * tracks.fps).astype(np.int64)
    pairs = np.unique(np.column_stack([frames, match.visit]), axis=0)
    counts = np.bincount(pairs[:, 0])
    best = int((counts + np.append(counts[1:], 0)).argmax())
    found: dict[int, Counter[int]] = {}
    for n in np.flatnonzero((frames == best) | (frames == best + 1)).tolist():
        found.setdefault(int(match.visit[n]), Counter())[int(refined.rows[match.row[n], _ID])] += 1
    return found


def _matches(rows: Doubles, tracks: Tracks, visits: Sequence[Visit]) -> _Match:
    """All points of paths and boxes that are at the same place, at any time."""
    height, width = tracks.shape
    size = np.array([width, height, width, height], np.float64)
    order = np.argsort(rows[:, 2], kind="stable")
    left = rows[order, 2]
    frames, first = np.unique(tracks.frame, return_index=True)
    seconds = np.interp(rows[:, _FRAME], frames, tracks.time[first])
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for n, visit in enumerate(visits):
        path = visit.path.astype(np.float64)
        boxes = path[:, 1:] * size
        low, high = (np.searchsorted(left, boxes[:, 0] + side) for side in (-_SAME_BOX, _SAME_BOX))
        count = high - low
        point = np.repeat(np.arange(len(path)), count)
        row = order[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)]
        same = np.abs(rows[row, 2:6] - boxes[point]).max(axis=1, initial=0) < _SAME_BOX
        point, row = point[same], row[same]
        parts.append((np.full(len(row), n), row, visit.first + path[point, 0] - seconds[row]))
    return _Match(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _named(refined: Refinement, votes: Mapping[tuple[int, int], int], identities: frozenset[int]) -> dict[int, int]:
    """The identity of each id, or a number that no identity has."""
    frames = {int(i): refined.rows[refined.rows[:, _ID] == i, _FRAME] for i in np.unique(refined.rows[:, _ID])}
    names: dict[int, int] = {}
    taken: dict[int, Doubles] = {}
    for (i, identity), _ in sorted(votes.items(), key=lambda v: (-v[1], v[0])):
        beside = taken.get(identity, np.zeros(0))
        if i not in names and not np.isin(frames[i], beside).any():
            names[i], taken[identity] = identity, np.concatenate([beside, frames[i]])
    free = max(FIRST_LOCAL_ID - 1, *frames)
    for i in sorted(frames.keys() - names.keys()):
        free += i in identities
        names[i] = free if i in identities else i
    return names
