"""The second pass over a whole video: which of a tracker's pieces are one individual.

Ids are cut into pieces where they were absent for long, or where their looks change; pieces are linked by log-odds of
appearance, motion, class and the tracker's own decision, under cannot-link constraints (visible together), by
average-linkage clustering. Cutting and linking tracklets again is GTA-Link's scheme (Sun et al. 2024); what differs is
that scores are calibrated on the video itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools
from ..errors import TrackLogError
from ..tuning import RefineTuning
from .changes import Change, tell_changes
from .clustering import Link, cluster, collect
from .cuts import cut_at_changes
from .encounters import ambiguous_links
from .interpolation import interpolated
from .overlaps import Pairs, count_overlaps, pairs_of
from .pieces import Pieces, cut_at_gaps
from .scores import Appearance, learn_appearance
from .surplus import second_boxes, short_clusters, still_held
from .track_log import TrackLog
from .tracks import Tracks

IdPairs = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class Refinement:
    """A video's tracks after the second pass.

    Attributes:
        rows: `(R, 8)` float64, by frame: frame, id, x1, y1, x2, y2, confidence, class.
        interpolated: `(R,)` bool, which of the rows were filled in.
        before: `(R,)` int64, the tracker's id of each row; 0 where it was held back, or the row was filled in.
        mapping: New ids by old id, those with most boxes first; none for an id that was dropped.
        changes: What was done and why.
        separation: d' of what looks tell of individuals in this video, standard deviations.
        discriminative: Whether looks could be believed; where not, only motion and time tell.
    """

    rows: Doubles
    interpolated: Bools
    before: Ints
    mapping: dict[int, tuple[int, ...]]
    changes: list[Change]
    separation: float
    discriminative: bool


def refine(
    tracks: Tracks | TrackLog | str | Path,
    *,
    must_link: IdPairs = (),
    cannot_link: IdPairs = (),
    interpolate: bool = False,
    tuning: RefineTuning | None = None,
) -> Refinement:
    """Decide identities over a whole video.

    It is deterministic, takes the output of any tracker, and leaves ids as they are where nothing tells more.

    Args:
        tracks: A track log, its path, or `Tracks.from_arrays`.
        must_link: Pairs of the tracker's ids that are one individual.
        cannot_link: Pairs of the tracker's ids that are two.
        interpolate: Whether to fill short gaps where motion is certain.
        tuning: Constants in place of the shipped ones.

    Raises:
        TrackLogError: If the log can't be used; if `must_link` or `cannot_link` names an id that isn't there, or both
            name the same pair.
    """
    tuning = tuning or RefineTuning()
    given = _tracks_of(tracks)
    known = set(given.ids[given.ids > 0].tolist())
    same, different = (_checked(n, p, known) for n, p in (("must_link", must_link), ("cannot_link", cannot_link)))
    if clash := same & different:
        raise TrackLogError(f"'must_link' and 'cannot_link' both name {sorted(clash)}")
    return _solve(given, same, different, interpolate, tuning)


def cut_tracks(tracks: Tracks, tuning: RefineTuning) -> tuple[Pieces, Pairs, Appearance]:
    """Cut ids where they were absent for long and where their looks change.

    Returns:
        The pieces, the pairs of boxes that are in one frame, and what looks tell in this video.
    """
    pairs, pieces = pairs_of(tracks), cut_at_gaps(tracks, tuning)
    appearance = learn_appearance(pieces, count_overlaps(pieces, pairs, tuning).strangers(tuning), tuning)
    return cut_at_changes(pieces, pairs, appearance, tuning), pairs, appearance


def _tracks_of(tracks: Tracks | TrackLog | str | Path) -> Tracks:
    if isinstance(tracks, Tracks):
        return tracks
    return (tracks if isinstance(tracks, TrackLog) else TrackLog(tracks)).read()


def _checked(name: str, pairs: IdPairs, known: set[int]) -> set[tuple[int, int]]:
    found = {(min(int(a), int(b)), max(int(a), int(b))) for a, b in pairs}
    for pair in sorted(found):
        if pair[0] == pair[1]:
            raise TrackLogError(f"'{name}' must name pairs of two ids of the tracks, got {pair}")
        if unknown := " and ".join(str(i) for i in pair if i not in known):
            raise TrackLogError(f"'{name}' must name ids of the tracks, which have no {unknown}, got {pair}")
    return found


def _solve(
    tracks: Tracks, same: set[tuple[int, int]], different: set[tuple[int, int]], interpolate: bool, tuning: RefineTuning
) -> Refinement:
    pieces, pairs, appearance = cut_tracks(tracks, tuning)
    overlaps = count_overlaps(pieces, pairs, tuning)
    evidence = collect(pieces, overlaps, appearance, tuning)
    if not appearance.is_discriminative:
        evidence.motion[ambiguous_links(pieces, pairs)] = 0
    for a, b in different:
        out = np.outer(pieces.ids == a, pieces.ids == b)
        evidence.gated |= out | out.T
    clusters, links = cluster(evidence, appearance, tuning, _whole_ids(pieces, same))
    dropped = short_clusters(pieces, clusters, overlaps, tuning)
    held = still_held(pieces, clusters, pairs, appearance, tuning)
    return _result(_Solution(pieces, clusters, links, dropped, held), appearance, interpolate)


def _whole_ids(pieces: Pieces, same: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pieces that must be linked: the first of each two ids. Their other pieces follow by the evidence of one id."""
    first = {int(i): n for n, i in reversed(list(enumerate(pieces.ids.tolist())))}
    return [(first[a], first[b]) for a, b in sorted(same)]


@dataclass(frozen=True)
class _Solution:
    """What was decided of pieces: their clusters, what was linked, and which clusters, and which rows, are left out."""

    pieces: Pieces
    clusters: Ints
    links: list[Link]
    dropped: Bools
    held: Bools


def _result(solution: _Solution, appearance: Appearance, interpolate: bool) -> Refinement:
    pieces, clusters = solution.pieces, solution.clusters
    tracks, owner = pieces.tracks, clusters[pieces.labels]
    known = np.zeros(len(pieces), bool)
    known[clusters[pieces.ids > 0]] = True  # what was held back, and belongs to no id, stays so
    known &= ~solution.dropped
    second = second_boxes(pieces, clusters) & known[owner]
    ids = np.where(known[owner] & ~second & ~solution.held, _new_ids(pieces, clusters)[owner], 0)
    rows = np.column_stack([tracks.frame, ids, tracks.xyxy, tracks.confidence, tracks.cls]).astype(np.float64)[ids > 0]
    filled = interpolated(rows, tracks.fps) if interpolate else np.zeros((0, 8))
    both = np.concatenate([rows, filled])
    before = np.concatenate([np.maximum(tracks.ids[ids > 0], 0), np.zeros(len(filled), np.int64)])
    order = np.lexsort((both[:, 1], both[:, 0]))
    return Refinement(
        both[order],
        as_bools((np.arange(len(both)) >= len(rows))[order]),
        before[order],
        _mapping(tracks, ids),
        tell_changes(pieces, clusters, solution.links, ids, second),
        appearance.separation,
        appearance.is_discriminative,
    )


def _new_ids(pieces: Pieces, clusters: Ints) -> Ints:
    """`(P,)` ids of clusters: the tracker's id with most boxes, of those that no larger cluster has taken."""
    counts: dict[tuple[int, int], int] = {}
    for who, online, rows in zip(clusters.tolist(), pieces.ids.tolist(), pieces.lengths.tolist(), strict=True):
        if online > 0:
            counts[who, online] = counts.get((who, online), 0) + rows
    ids = np.zeros(len(pieces), np.int64)
    taken: set[int] = set()
    for (who, online), _ in sorted(counts.items(), key=lambda c: (-c[1], c[0])):
        if not ids[who] and online not in taken:
            ids[who] = online
            taken.add(online)
    free = int(pieces.ids.max(initial=0))
    for who in sorted({w for w, _ in counts if not ids[w]}):
        free += 1
        ids[who] = free
    return ids


def _mapping(tracks: Tracks, ids: Ints) -> dict[int, tuple[int, ...]]:
    mapping = {}
    for old in np.unique(tracks.ids[tracks.ids > 0]).tolist():
        new, counts = np.unique(ids[(tracks.ids == old) & (ids > 0)], return_counts=True)
        mapping[old] = tuple(new[np.argsort(-counts, kind="stable")].tolist())
    return mapping
