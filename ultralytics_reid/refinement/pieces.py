"""Pieces: unbroken runs of one id, which are the solver's units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .._typing import Doubles, Floats, Ints, as_floats, as_ints
from ..association.last_seen import SIGHTING, Sightings
from ..tuning import RefineTuning
from .tracks import Tracks

# Seconds at either end of a piece that its velocity is fitted to, and the standard deviation of a box's center.
_FIT_SECONDS = 0.6
_CENTER_STD_HEIGHTS = 0.1


@dataclass(frozen=True)
class Pieces:
    """A partition of rows into pieces.

    Attributes:
        tracks: The rows.
        labels: `(R,)` int64, the piece of each row, 0 … P-1.
    """

    tracks: Tracks
    labels: Ints

    @cached_property
    def rows(self) -> list[Ints]:
        """Row numbers of each piece, by time."""
        order = np.argsort(self.labels, kind="stable")
        ends = np.searchsorted(self.labels[order], np.arange(len(self) + 1))
        return [order[a:b] for a, b in pairwise(ends.tolist())]

    def __len__(self) -> int:
        return int(self.labels.max(initial=-1)) + 1

    @cached_property
    def first(self) -> Ints:
        """`(P,)` first row of each."""
        return np.array([r[0] for r in self.rows], np.int64)

    @cached_property
    def last(self) -> Ints:
        """`(P,)` last row of each."""
        return np.array([r[-1] for r in self.rows], np.int64)

    @cached_property
    def ids(self) -> Ints:
        """`(P,)` the id that each was tracked with."""
        return self.tracks.ids[self.first]

    @cached_property
    def lengths(self) -> Ints:
        """`(P,)` rows of each."""
        return np.bincount(self.labels, minlength=len(self)).astype(np.int64)

    @cached_property
    def crops(self) -> Ints:
        """`(P,)` clean crops of each."""
        return np.bincount(self.labels[self.tracks.clean], minlength=len(self)).astype(np.int64)

    @cached_property
    def means(self) -> Floats:
        """`(P, D)` raw mean embedding of each; zeros without a clean crop."""
        return as_floats(self.sums / np.maximum(self.crops, 1)[:, None])

    @cached_property
    def sums(self) -> Floats:
        """`(P, D)` summed embeddings of each."""
        total = [self.tracks.crops_of(r[self.tracks.clean[r]]).sum(axis=0) for r in self.rows]
        return np.array(total, np.float32).reshape(len(self), self.tracks.embeddings.shape[1])

    @cached_property
    def classes(self) -> Ints:
        """`(P,)` the most frequent class of each."""
        return np.array(
            [np.bincount(_from_0(self.tracks.cls[r])).argmax() + self.tracks.cls[r].min() for r in self.rows]
        )

    @cached_property
    def ends(self) -> Sightings:
        """`(P,)` where and how each was last."""
        return self._sightings(-1)

    @cached_property
    def starts(self) -> Sightings:
        """`(P,)` where and how each began."""
        return self._sightings(0)

    def _sightings(self, at: int) -> Sightings:
        found = np.zeros(len(self), SIGHTING)
        for n, rows in enumerate(self.rows):
            time = self.tracks.time[rows]
            near = np.abs(time - time[at]) <= _FIT_SECONDS
            boxes = self.tracks.xyxy[rows[near]].astype(np.float64)
            centers, height = (boxes[:, :2] + boxes[:, 2:]) / 2, float(np.median(boxes[:, 3] - boxes[:, 1]))
            velocity = _slope(time[near], centers)
            found[n] = (time[at], self.classes[n], centers[at], velocity, _CENTER_STD_HEIGHTS * height, height)
        return found


def _from_0(classes: Ints) -> Ints:
    return as_ints(classes - classes.min())


def _slope(time: Doubles, centers: Doubles) -> Doubles:
    """Pixels a second, `(2,)`, of a line through the centers; 0 for fewer than three."""
    if len(time) < 3:  # noqa: PLR2004
        return np.zeros(2)
    t = time - time.mean()
    return np.asarray(t @ (centers - centers.mean(axis=0)) / max(float(t @ t), 1e-9))


def cut_at_gaps(tracks: Tracks, tuning: RefineTuning) -> Pieces:
    """Cut every id where it was absent for long, or where its box jumped.

    Args:
        tracks: Of the video.
        tuning: Says how long, and how far.
    """
    order = np.lexsort((tracks.time, tracks.ids))
    ids, time = tracks.ids[order], tracks.time[order]
    boxes = tracks.xyxy[order].astype(np.float64)
    centers, heights = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 3] - boxes[:, 1]
    gap = np.diff(time)
    way = np.linalg.norm(np.diff(centers, axis=0), axis=1) / np.maximum(np.maximum(heights[1:], heights[:-1]), 1)
    far = way > 1 + tuning.jump_heights * gap
    new = (np.diff(ids) != 0) | (gap > tuning.gap_seconds) | far
    labels = np.zeros(len(tracks), np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(new)])[: len(tracks)]
    return Pieces(tracks, by_first_row(labels))


def by_first_row(labels: Ints) -> Ints:
    """Renumber labels 0 … P-1 in the order in which they occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return as_ints(rank[inverse.reshape(-1)])
