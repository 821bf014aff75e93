"""Boxes and vectors of people who come, go and come back for as long as wanted; now and then, odd ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ultralytics_reid._typing import Doubles, Floats

SHAPE = (720, 1280)
DIM = 64
# Frames that a visit takes, and the share of visits that are returns of one of the last so many people.
_STAY = (20, 200)
_RETURNS, _RECENT = 0.4, 60
_MISSED, _JITTER, _NOISE = 0.1, 0.03, 0.35
# What replaces a value of an odd detection.
ODD = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, -5.0, 1e-40, 1e8], np.float32)


@dataclass
class _Visit:
    person: int
    end: int
    center: Doubles
    step: Doubles
    height: float


class Passersby:
    """People in front of a camera, without end.

    Args:
        seed: Equal seeds give equal frames.
        crowd: Number of people in view.
        dim: Length of the vectors.
        odd: Share of detections of which a value, or the whole vector, is replaced by an odd one; in [0, 1].

    Attributes:
        people: Number of people so far.
        returns: Number of visits so far that are not a person's first.
    """

    def __init__(self, seed: int, *, crowd: int = 6, dim: int = DIM, odd: float = 0.0) -> None:
        self.people = self.returns = 0
        self._seed, self._crowd, self._dim, self._odd = seed, crowd, dim, odd
        self._rng = np.random.default_rng(seed)
        self._common = self._rng.normal(size=self._dim)
        self._visits: list[_Visit] = []

    def frames(self, count: int) -> Iterator[tuple[Floats, Floats]]:
        """Yield `(N, 6)` rows, xyxy in pixels, score and class, and `(N, dim)` vectors, frame by frame."""
        for frame in range(count):
            self._visits = [v for v in self._visits if v.end > frame]
            while len(self._visits) < self._crowd:
                self._visits.append(self._enter(frame))
            seen = [v for v in self._visits if self._rng.random() >= _MISSED]
            rows = np.array([self._row(v) for v in seen], np.float32).reshape(-1, 6)
            feats = np.array([self._vector(v.person) for v in seen], np.float32).reshape(-1, self._dim)
            for visit in self._visits:
                visit.center = visit.center + visit.step
            yield self._spoil(rows, feats)

    def _enter(self, frame: int) -> _Visit:
        there = {v.person for v in self._visits}
        known = [p for p in range(max(0, self.people - _RECENT), self.people) if p not in there]
        if known and self._rng.random() < _RETURNS:
            person = int(self._rng.choice(known))
            self.returns += 1
        else:
            person, self.people = self.people, self.people + 1
        center = self._rng.uniform(0.15, 0.85, 2) * [SHAPE[1], SHAPE[0]]
        end = frame + int(self._rng.integers(*_STAY))
        return _Visit(person, end, center, self._rng.normal(0, 2.0, 2), float(self._rng.uniform(80, 200)))

    def _row(self, visit: _Visit) -> list[float]:
        (x, y), h = visit.center + self._rng.normal(0, _JITTER * visit.height, 2), visit.height
        return [x - 0.2 * h, y - h / 2, x + 0.2 * h, y + h / 2, float(self._rng.uniform(0.3, 0.95)), 0.0]

    def _vector(self, person: int) -> Doubles:
        look = np.random.default_rng((self._seed, person)).normal(size=self._dim)
        return np.asarray(self._common + look + _NOISE * self._rng.normal(size=self._dim))

    def _spoil(self, rows: Floats, feats: Floats) -> tuple[Floats, Floats]:
        for n in np.flatnonzero(self._rng.random(len(rows)) < self._odd):
            if self._rng.random() < 0.5:
                rows[n, self._rng.integers(6)] = self._rng.choice(ODD)
            else:
                feats[n] = self._rng.choice(ODD)
        return rows, feats
