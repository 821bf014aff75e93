"""Surplus boxes: second boxes of one individual in a frame, and short pieces that no identity explains."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Ints
from ..tuning import RefineTuning
from .overlaps import Overlaps, Pairs
from .pieces import Pieces
from .scores import Appearance


def second_boxes(pieces: Pieces, clusters: Ints) -> Bools:
    """Which rows are a cluster's second in a frame, `(R,)`; the longer piece's box is its first.

    Args:
        pieces: Of the whole video.
        clusters: `(P,)` the cluster of each piece.
    """
    tracks, owner = pieces.tracks, clusters[pieces.labels]
    order = np.lexsort((-tracks.confidence, -pieces.lengths[pieces.labels], owner, tracks.frame))
    frame, who = tracks.frame[order], owner[order]
    second = np.zeros(len(tracks), bool)
    second[order[1:]] = (frame[1:] == frame[:-1]) & (who[1:] == who[:-1])
    return second


def still_held(pieces: Pieces, clusters: Ints, pairs: Pairs, appearance: Appearance, tuning: RefineTuning) -> Bools:
    """Which rows that the tracker held back are left out, `(R,)`, as nothing confirms them.

    These are the rows of clusters that were held back longer than they were shown; and, where looks don't tell
    individuals apart, those in a box that was shown: mostly they are second boxes.

    Args:
        pieces: Of the whole video.
        clusters: `(P,)` the cluster of each piece.
        pairs: Boxes of one frame.
        appearance: The calibration.
        tuning: Says how far one box lies in another.
    """
    tracks, owner = pieces.tracks, clusters[pieces.labels]
    held = tracks.ids <= 0
    shown = np.bincount(owner[~held], minlength=len(pieces))
    out = held & (np.bincount(owner[held], minlength=len(pieces)) > shown)[owner]
    if not appearance.is_discriminative:
        close = pairs.ios >= tuning.same_ios
        for one, other in ((pairs.a[close], pairs.b[close]), (pairs.b[close], pairs.a[close])):
            out[one[held[one] & ~held[other]]] = True
    return np.asarray(out)


def short_clusters(pieces: Pieces, clusters: Ints, overlaps: Overlaps, tuning: RefineTuning) -> Bools:
    """Which clusters are too short to be an individual's, `(P,)` by cluster number.

    These are blips, short runs of low confidence, and short runs inside another's box. What the video's beginning or
    end cuts short is none of them.

    Args:
        pieces: Of the whole video.
        clusters: `(P,)` the cluster of each piece.
        overlaps: Of the pieces.
        tuning: Says how short, and how low.
    """
    count = len(pieces)
    rows = np.bincount(clusters[pieces.labels], minlength=count)
    confidence = np.bincount(clusters[pieces.labels], pieces.tracks.confidence, count) / np.maximum(rows, 1)
    hidden = np.bincount(clusters, overlaps.inside.max(axis=1, initial=0), count) / np.maximum(rows, 1)
    seconds = np.where(_at_ends(pieces, clusters), np.inf, rows / pieces.tracks.fps)
    doubtful = (confidence < tuning.short_confidence) | (hidden >= tuning.twin_share)
    blip = seconds < tuning.blip_seconds
    return np.asarray((rows > 0) & (blip | (doubtful & (seconds < tuning.short_seconds))))


def _at_ends(pieces: Pieces, clusters: Ints) -> Bools:
    """Which clusters are visible in the first or the last frame that has boxes, `(P,)` by cluster number."""
    frame = pieces.tracks.frame
    ends = (frame == frame[:1]) | (frame == frame[-1:])
    found = np.zeros(len(pieces), bool)
    found[clusters[pieces.labels[ends]]] = True
    return found
