"""How often pieces are visible together, apart from each other or one in another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Ints
from ..tuning import RefineTuning
from .pieces import Pieces
from .tracks import Tracks


@dataclass(frozen=True)
class Pairs:
    """Boxes of one frame, two by two.

    Attributes:
        a: `(N,)` rows.
        b: `(N,)` rows of the same frame, each after that of `a`.
        ios: `(N,)` intersection over the smaller box.
    """

    a: Ints
    b: Ints
    ios: Doubles


def pairs_of(tracks: Tracks) -> Pairs:
    """List all pairs of boxes that are in one frame."""
    found = []
    for step in range(1, len(tracks)):
        a = np.flatnonzero(tracks.frame[step:] == tracks.frame[:-step])
        if not len(a):
            break
        found.append((a, a + step, _ios(tracks, a, a + step)))
    if not found:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _ios(tracks: Tracks, a: Ints, b: Ints) -> Doubles:
    one, two = tracks.xyxy[a].astype(np.float64), tracks.xyxy[b].astype(np.float64)
    sides = np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2])
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (one, two)]
    return np.asarray(np.prod(np.clip(sides, 0, None), axis=1) / np.maximum(np.minimum(*areas), 1e-6))


@dataclass(frozen=True)
class Overlaps:
    """Numbers of frames, `(P, P)` int64, symmetric.

    Attributes:
        common: In which both pieces are visible.
        apart: In which their boxes don't overlap.
        inside: In which one box lies in the other.
    """

    common: Ints
    apart: Ints
    inside: Ints

    def strangers(self, tuning: RefineTuning) -> Bools:
        """Which pieces are different individuals for certain, `(P, P)`: visible together, and apart."""
        enough = self.common > tuning.tolerated_frames
        return np.asarray(enough & (self.apart >= tuning.apart_share * self.common))

    def excluded(self, tuning: RefineTuning) -> Bools:
        """Which pieces can't be linked, `(P, P)`: visible together, neither box in the other."""
        return np.asarray(self.common - self.inside > tuning.tolerated_frames)


def count_overlaps(pieces: Pieces, pairs: Pairs, tuning: RefineTuning) -> Overlaps:
    """Count, for each two pieces, the frames in which they are visible together."""
    count = len(pieces)
    keys = pieces.labels[pairs.a] * count + pieces.labels[pairs.b]
    masks = (np.ones(len(keys), bool), pairs.ios <= tuning.apart_ios, pairs.ios >= tuning.same_ios)
    counts = []
    for mask in masks:
        table = np.bincount(keys[mask], minlength=count * count).reshape(count, count)
        counts.append((table + table.T).astype(np.int64))
    return Overlaps(*counts)
