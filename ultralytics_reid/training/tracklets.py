"""Labels out of a tracked video: sure tracklets, clean crops spread in time, and who was visible beside them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .._typing import Bools, Ints, as_ints
from ..refinement.overlaps import count_overlaps
from ..refinement.pieces import Pieces, by_first_row
from ..refinement.solver import cut_tracks, refine
from ..refinement.tracks import Tracks
from ..tuning import RefineTuning

# Boxes that overlap so much, of the smaller, may exchange ids.
_ENCOUNTER_IOS = 0.3
MIN_CROPS = 4


@dataclass(frozen=True, eq=False)
class VideoLabels:
    """Crops of a video to learn from.

    Attributes:
        rows: `(N,)` rows of the tracks, by identity and time.
        identities: `(N,)` int64 from 1.
        different: `(M, 2)` identities that are two individuals for certain: visible together, apart from each other.
    """

    rows: Ints
    identities: Ints
    different: Ints


def label_tracks(tracks: Tracks, *, max_crops: int, refined: bool = True) -> VideoLabels:
    """Choose crops of a tracked video, and say of which pairs it is known that they show one individual, or two.

    Ids are cut where they were absent, where their looks change, and at encounters, after which another may have the
    id. With `refined`, the second pass over the whole video says which of these pieces are one individual; without, of
    pieces that weren't visible together nothing is known.

    Args:
        tracks: Of the whole video.
        max_crops: Of an identity, spread evenly over its time.
        refined: Whether to take over what the second pass linked.
    """
    tuning = RefineTuning()
    pieces, pairs, _ = cut_tracks(tracks, tuning)
    met = np.zeros(len(tracks), bool)
    close = pairs.ios >= _ENCOUNTER_IOS
    met[pairs.a[close]] = met[pairs.b[close]] = True
    if not refined:
        pieces = _cut_at_encounters(pieces, met)
    labels = _refined_ids(tracks) if refined else pieces.labels + 1
    strangers = count_overlaps(pieces, pairs, tuning).strangers(tuning)
    usable = tracks.clean & ~met & (labels > 0)
    rows, identities = _chosen(usable, labels, tracks, max_crops)
    return VideoLabels(rows, identities, _different(pieces, labels, strangers, np.unique(identities)))


def _refined_ids(tracks: Tracks) -> Ints:
    """`(R,)` ids of the second pass; 0 for a box that it dropped."""
    found = refine(tracks).rows
    known = {tuple(row[[0, 2, 3, 4, 5]].tolist()): int(row[1]) for row in found}
    keys = np.column_stack([tracks.frame, tracks.xyxy]).astype(np.float64).tolist()
    return np.array([known.get(tuple(key), 0) for key in keys], np.int64)


def _cut_at_encounters(pieces: Pieces, met: Bools) -> Pieces:
    """Begin a new piece after each encounter."""
    labels, count = pieces.labels.copy(), len(pieces)
    for rows in pieces.rows:
        ends = np.flatnonzero(met[rows][:-1] & ~met[rows][1:]) + 1
        for a, b in pairwise([*ends.tolist(), len(rows)]):
            labels[rows[a:b]] = count
            count += 1
    return Pieces(pieces.tracks, by_first_row(labels))


def _chosen(usable: Bools, labels: Ints, tracks: Tracks, max_crops: int) -> tuple[Ints, Ints]:
    """Crops of each identity that has some, evenly over its crops in time."""
    rows = []
    for identity in np.unique(labels[usable]).tolist():
        of = np.flatnonzero(usable & (labels == identity))
        if len(of) >= MIN_CROPS:
            of = of[np.argsort(tracks.time[of], kind="stable")]
            rows.append(of[np.unique(np.linspace(0, len(of) - 1, min(len(of), max_crops)).round().astype(np.int64))])
    chosen = as_ints(np.concatenate([np.zeros(0, np.int64), *rows]))
    return chosen, labels[chosen]


def _different(pieces: Pieces, labels: Ints, strangers: Bools, kept: Ints) -> Ints:
    """Pairs of identities, two pieces of which were visible together, `(M, 2)`, ascending."""
    owner = labels[pieces.first]
    a, b = np.nonzero(np.triu(strangers, 1))
    pairs = np.sort(np.column_stack([owner[a], owner[b]]), axis=1)
    good = np.isin(pairs, kept).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    return as_ints(np.unique(pairs[good], axis=0)).reshape(-1, 2)
