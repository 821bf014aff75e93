"""Separability of individuals under the metric learned from the video, for a perfect tracker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ultralytics_reid._typing import Bools, Doubles, Floats
from ultralytics_reid.appearance.crop_quality import clean_crops
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import sightings

from ..data.sequences import Detections, Sequence

CROPS = 5  # of a query, and of a prototype
_PROTOTYPES = 8
_FEWEST = 3  # individuals in memory before the first query
_WARM_GAPS = 1.5  # before the first query, in gaps

Tracklet = tuple[int, int, int]  # person, ground-truth track, how often that was interrupted before


def auc(scores: Floats | Doubles, same: Bools) -> float:
    """Compute how often a genuine score is higher than an impostor's; equal ones count half.

    Args:
        scores: `(N,)`.
        same: `(N,)`, whether a score is genuine.

    Returns:
        The area under the ROC curve, NaN without scores of either kind.
    """
    n, m = int(same.sum()), int((~same).sum())
    ranks = rankdata(scores)[same].sum()
    return float((ranks - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


@dataclass(frozen=True)
class Crop:
    """A clean crop: its frame, its row among all embeddings, and its person."""

    frame: int
    row: int
    person: int
    track: int


@dataclass(frozen=True)
class Separability:
    """Separability of genuine from impostor scores.

    Attributes:
        auc: Share of pairs of a genuine and an impostor score in which the genuine one is higher.
        at_1: Share of genuine scores above all but 1 % of the impostors'.
        at_03: Share of genuine scores above all but 0.3 % of the impostors'.
    """

    auc: float
    at_1: float
    at_03: float

    @classmethod
    def of(cls, genuine: Doubles, impostor: Doubles) -> Separability:
        """Compute it of scores."""
        below = np.searchsorted(np.sort(impostor), genuine) / len(impostor)
        strict = (float((genuine > np.quantile(impostor, q)).mean()) for q in (0.99, 0.997))
        return cls(float(below.mean()), *strict)


def crops_of(sequence: Sequence, cache: list[Detections], shape: tuple[int, int]) -> list[Crop]:
    """Select the cached detections that match a person and are clean, by the tracker's own defaults."""
    output = [FrameBoxes(np.arange(len(d.xyxy)), d.xyxy) for d in cache]
    starts = np.cumsum([0, *(len(d.xyxy) for d in cache)])
    limits = {"min_conf": 0.25, "min_height": 24, "max_covered": 0.4}
    clean = [clean_crops(d.xyxy, d.conf, shape=shape, **limits) for d in cache]
    return [
        Crop(frame, int(starts[frame]) + box, sequence.person_of(track), track)
        for frame, track, box in sightings(sequence.frames, output)
        if clean[frame][box]
    ]


def both_ways(rows: Floats, crops: list[Crop], fps: float, gap: float) -> list[Separability]:
    """Forwards, and with time reversed.

    Args:
        rows: `(N, D)` embeddings.
        crops: Those of them that count, in order.
        fps: Frames a second.
        gap: Seconds; prototypes are that old, or older, when they are compared.
    """
    last = max(c.frame for c in crops)
    turned = [Crop(last - c.frame, c.row, c.person, c.track) for c in reversed(crops)]
    rows = unit(np.asarray(rows, np.float32))
    return [Separability.of(*_Watch(rows, fps, gap).scores(c)) for c in (crops, turned)]


class _Watch:
    """A perfect tracker: it learns the metric as the real one does, and queries its memory."""

    def __init__(self, rows: Floats, fps: float, gap: float) -> None:
        self._rows, self._fps, self._gap = rows, fps, gap * fps
        self._metric = Metric()
        self._breaks: dict[tuple[int, int], tuple[int, int]] = {}
        self._crops: dict[Tracklet, list[Crop]] = defaultdict(list)
        self._prototypes: dict[int, list[tuple[int, Floats]]] = defaultdict(list)

    def scores(self, crops: list[Crop]) -> tuple[Doubles, Doubles]:
        """Compute genuine and impostor scores; queries come ten times a gap."""
        genuine: list[float] = []
        impostor: list[float] = []
        step = max(1, round(self._gap / 10))
        by_frame: dict[int, list[Crop]] = defaultdict(list)
        for crop in crops:
            by_frame[crop.frame].append(crop)
        for frame in range(crops[-1].frame + 1):
            for crop in by_frame[frame]:
                self._learn(crop)
            if frame % step == 0 and frame >= _WARM_GAPS * self._gap:
                for same, score in self._ask(frame):
                    (genuine if same else impostor).append(score)
        return np.array(genuine), np.array(impostor)

    def _learn(self, crop: Crop) -> None:
        seen = self._crops[self._tracklet(crop)]
        seen.append(crop)
        if len(seen) % CROPS:
            return
        rows = self._rows[[c.row for c in seen]]
        self._prototypes[crop.person].append((crop.frame, rows[-CROPS:].mean(axis=0)))
        self._metric.observe(rows[-CROPS:] - rows.mean(axis=0))
        if self._metric.due:
            self._metric.refresh(np.array([np.mean([v for _, v in p], axis=0) for p in self._prototypes.values()]))

    def _tracklet(self, crop: Crop) -> Tracklet:
        """A crop's tracklet: an absence of a second ends one."""
        key = crop.person, crop.track
        last, breaks = self._breaks.get(key, (crop.frame, 0))
        breaks += crop.frame - last > self._fps
        self._breaks[key] = crop.frame, breaks
        return *key, breaks

    def _ask(self, frame: int) -> Iterator[tuple[bool, float]]:
        """Whether it is the same individual, and the score, of visible people against all in memory."""
        old = {p: [v for f, v in known if f <= frame - self._gap] for p, known in self._prototypes.items()}
        known = {p: self._metric.project(_looks(vectors)) for p, vectors in old.items() if vectors}
        there = {t: c for t, c in self._crops.items() if len(c) >= CROPS and _lately(c, frame, self._fps)}
        if len(known) < _FEWEST:
            return
        for (person, *_), crops in there.items():
            query = self._metric.project(self._rows[[c.row for c in crops[-CROPS:]]].mean(axis=0)[None])
            for other, looks in known.items():
                yield other == person, float((looks @ query[0]).max())


def _looks(vectors: list[Floats]) -> Floats:
    """Up to eight of an individual's prototypes, evenly from first to last, and the mean of all."""
    kept = np.linspace(0, len(vectors) - 1, min(len(vectors), _PROTOTYPES)).astype(int)
    return np.array([*(vectors[k] for k in kept), np.mean(vectors, axis=0)])


def _lately(crops: list[Crop], frame: int, fps: float) -> bool:
    """Whether the last crop is from the last second, and the query from the last two."""
    return crops[-1].frame > frame - fps and crops[-CROPS].frame > frame - 2 * fps
