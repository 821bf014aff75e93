"""What the second pass changed, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .._typing import Bools, Ints
from .clustering import Link
from .pieces import Pieces

MERGED, SPLIT, DROPPED, ABSORBED = "merged", "split", "dropped", "absorbed"


@dataclass(frozen=True)
class Change:
    """One change of the tracker's ids.

    Attributes:
        kind: `merged` (ids that are one individual), `split` (an id that was several), `dropped` (a short id that
            nothing was linked to) or `absorbed` (second boxes of an individual, which are left out).
        ids: The tracker's ids.
        new_ids: Ids after the second pass.
        frames: First and last frame.
        probability: That it is right, as calibrated on this video, in [0, 1]; None where it wasn't weighed.
        reason: What says so, in words.
    """

    kind: str
    ids: tuple[int, ...]
    new_ids: tuple[int, ...]
    frames: tuple[int, int]
    probability: float | None
    reason: str


def tell_changes(pieces: Pieces, clusters: Ints, links: list[Link], ids: Ints, second: Bools) -> list[Change]:
    """List what was changed, by kind, then by frame.

    Args:
        pieces: Of the whole video.
        clusters: `(P,)` the cluster of each piece.
        links: What was linked, in order.
        ids: `(R,)` new ids; 0 for rows that are left out.
        second: `(R,)` rows left out as second boxes.
    """
    return [*_merges(pieces, clusters, links, ids), *_splits(pieces, ids), *_losses(pieces, ids, second)]


def _merges(pieces: Pieces, clusters: Ints, links: list[Link], ids: Ints) -> list[Change]:
    members = {n: [n] for n in range(len(clusters))}
    found = []
    for link in links:
        sides = tuple(_online_ids(pieces, members[side]) for side in (link.a, link.b))
        members[link.a] += members.pop(link.b)
        new = _new_id(pieces, members[link.a], ids)
        if all(sides) and sides[0].isdisjoint(sides[1]) and new:
            together = tuple(sorted(sides[0] | sides[1]))
            rows = np.concatenate([pieces.rows[n] for n in members[link.a]])
            probability = float(expit(link.log_odds))
            found.append(Change(MERGED, together, (new,), _frames(pieces, rows), probability, link.reason))
    return found


def _online_ids(pieces: Pieces, members: list[int]) -> set[int]:
    return {int(pieces.ids[n]) for n in members if pieces.ids[n] > 0}


def _new_id(pieces: Pieces, members: list[int], ids: Ints) -> int:
    return int(max(ids[pieces.rows[n]].max() for n in members))


def _splits(pieces: Pieces, ids: Ints) -> list[Change]:
    found = []
    tracks = pieces.tracks
    for old in np.unique(tracks.ids[(tracks.ids > 0) & (ids > 0)]).tolist():
        rows = np.flatnonzero((tracks.ids == old) & (ids > 0))
        new = tuple(dict.fromkeys(ids[rows].tolist()))
        if len(new) > 1:
            reason = "parts look like different individuals, or conflict"
            found.append(Change(SPLIT, (old,), new, _frames(pieces, rows), None, reason))
    return found


def _losses(pieces: Pieces, ids: Ints, second: Bools) -> list[Change]:
    tracks = pieces.tracks
    reasons = {
        DROPPED: ((ids == 0) & ~second, "too short, and like nobody"),
        ABSORBED: (second, "a second box of one individual in a frame"),
    }
    found = []
    for kind, (mask, reason) in reasons.items():
        for old in np.unique(tracks.ids[mask & (tracks.ids > 0)]).tolist():
            rows = np.flatnonzero(mask & (tracks.ids == old))
            found.append(Change(kind, (old,), (), _frames(pieces, rows), None, reason))
    return found


def _frames(pieces: Pieces, rows: Ints) -> tuple[int, int]:
    frames = pieces.tracks.frame[rows]
    return int(frames.min()), int(frames.max())
