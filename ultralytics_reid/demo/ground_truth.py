"""Ground truth of a generated scene, and incremental scoring of a tracker's output against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from .._typing import Floats, Ints
from ..evaluation.frames import FrameBoxes
from ..evaluation.returns import Returns, Sighting, matches, returns

# Minimum visible fraction of the body for a person to be in view.
MIN_VISIBLE = 0.3
# An absence longer than the first is followed by a return; visits shorter than the second are ignored.
MIN_ABSENCE_SECONDS, MIN_VISIT_SECONDS = 2.0, 1.0


class GroundTruthView(Protocol):
    """Ground truth of a frame; `ultralytics_reid.scenes.View` is one."""

    @property
    def ids(self) -> Ints:
        """`(N,)` int64 persons."""
        ...

    @property
    def xyxy(self) -> Floats:
        """`(N, 4)` float32 boxes, pixels."""
        ...

    @property
    def visible(self) -> Floats:
        """`(N,)` float32, visible fraction of the body, in [0, 1]."""
        ...


@dataclass(frozen=True)
class SceneGroundTruth:
    """Ground truth of a generated scene, with a track for each visit of a person.

    Attributes:
        fps: Frames per second.
        frames: Boxes by frame; ids are tracks, numbered by start.
        person: Person of each track.
        away: Seconds out of view before each track that is a return.
    """

    fps: float
    frames: tuple[FrameBoxes, ...]
    person: dict[int, int]
    away: dict[int, float]

    @classmethod
    def of(cls, views: Iterable[GroundTruthView], fps: float) -> SceneGroundTruth:
        """Split a scene's views, one per frame, into the visits of each person."""
        kept = [(v.ids[v.visible >= MIN_VISIBLE], v.xyxy[v.visible >= MIN_VISIBLE]) for v in views]
        shown: dict[int, list[int]] = {}
        for n, (ids, _) in enumerate(kept):
            for i in ids:
                shown.setdefault(int(i), []).append(n)
        visits = sorted((frames[0], person, frames) for person in shown for frames in _visits(shown[person], fps))
        track = {(person, n): t for t, (_, person, frames) in enumerate(visits, 1) for n in frames}
        frames = tuple(_frame([track.get((int(i), n), 0) for i in ids], xyxy) for n, (ids, xyxy) in enumerate(kept))
        return cls(fps, frames, {t: person for t, (_, person, _) in enumerate(visits, 1)}, _away(visits, fps))

    def person_of(self, track: int) -> int:
        """Person of a track."""
        return self.person[track]

    @property
    def people(self) -> list[int]:
        """Persons by first appearance."""
        return list(dict.fromkeys(self.person[t] for t in sorted(self.person)))

    def until(self, frame: int) -> SceneGroundTruth:
        """Ground truth of the frames before `frame`."""
        return replace(self, frames=self.frames[:frame])


Visit = tuple[int, int, list[int]]


def _visits(frames: list[int], fps: float) -> list[list[int]]:
    cuts = [0, *(k for k, (a, b) in enumerate(pairwise(frames), 1) if b - a > MIN_ABSENCE_SECONDS * fps), len(frames)]
    return [frames[a:b] for a, b in pairwise(cuts) if b - a >= MIN_VISIT_SECONDS * fps]


def _frame(tracks: list[int], xyxy: Floats) -> FrameBoxes:
    """Boxes of a frame; track 0 means no track."""
    ids = np.array(tracks, np.int64)
    return FrameBoxes(ids[ids > 0], xyxy[ids > 0])


def _away(visits: list[Visit], fps: float) -> dict[int, float]:
    last: dict[int, int] = {}
    away = {}
    for track, (first, person, frames) in enumerate(visits, 1):
        if person in last:
            away[track] = (first - last[person]) / fps
        last[person] = frames[-1]
    return away


class ReturnScorer:
    """Incremental scorer of a tracker's output, frame by frame.

    Args:
        truth: Ground truth.

    Attributes:
        found: Scores of the last count, which is done once a second and when a track begins.
    """

    def __init__(self, truth: SceneGroundTruth) -> None:
        self.truth = truth
        self.found = Returns((), 0)
        self._seen: list[Sighting] = []
        self._begun: set[int] = set()

    def add(self, output: list[FrameBoxes]) -> dict[int, int]:
        """Add the next frame.

        Args:
            output: All frames so far, the new one last.

        Returns:
            The track each id is matched to: `{id: track}`.
        """
        n = len(output) - 1
        now = self.truth.frames[n]
        found = list(matches(now, output[-1]))
        self._seen += [(n, *pair) for pair in found]
        begun = {int(t) for t in now.ids} - self._begun
        if begun or n % max(1, round(self.truth.fps)) == 0:
            self._begun |= begun
            self.count(output)
        return {i: track for track, i in found}

    def count(self, output: list[FrameBoxes]) -> Returns:
        """Score the returns so far."""
        self.found = returns(self.truth.until(len(output)), output, self._seen)
        return self.found
