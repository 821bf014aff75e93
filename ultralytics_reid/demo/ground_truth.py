"""Who really came back in a generated scene, and what a tracker made of it until now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..evaluation.frames import Frame
from ..evaluation.returns import Returns, Sighting, matches, returns

# Somebody is in view where as much of the body is.
SHOWN = 0.3
# Who was out of view for as many seconds comes back; who is in view for less than the other has not been there.
AWAY_SECONDS, STAY_SECONDS = 2.0, 1.0


class TruthFrame(Protocol):
    """What a generated scene says of a frame; see `ultralytics_reid.scenes.View`."""

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """`(N,)` who."""
        ...

    @property
    def xyxy(self) -> npt.NDArray[np.float32]:
        """`(N, 4)` pixels."""
        ...

    @property
    def visible(self) -> npt.NDArray[np.float32]:
        """`(N,)` share of the body that can be seen, in [0, 1]."""
        ...


@dataclass(frozen=True)
class SceneTruth:
    """Ground truth of a generated scene, by visits: a person who comes back is on another track.

    Attributes:
        fps: Frames a second.
        frames: Boxes by frame; the ids are tracks, numbered by when they begin.
        person: Individual behind each track.
        away: Seconds out of view before each track that is a return.
    """

    fps: float
    frames: tuple[Frame, ...]
    person: dict[int, int]
    away: dict[int, float]

    @classmethod
    def of(cls, views: Iterable[TruthFrame], fps: float) -> SceneTruth:
        """Gather the visits of everybody from a scene's views, one a frame."""
        kept = [(v.ids[v.visible >= SHOWN], v.xyxy[v.visible >= SHOWN]) for v in views]
        shown: dict[int, list[int]] = {}
        for n, (ids, _) in enumerate(kept):
            for i in ids:
                shown.setdefault(int(i), []).append(n)
        visits = sorted((frames[0], person, frames) for person in shown for frames in _visits(shown[person], fps))
        track = {(person, n): t for t, (_, person, frames) in enumerate(visits, 1) for n in frames}
        frames = tuple(_frame([track.get((int(i), n), 0) for i in ids], xyxy) for n, (ids, xyxy) in enumerate(kept))
        return cls(fps, frames, {t: person for t, (_, person, _) in enumerate(visits, 1)}, _away(visits, fps))

    def person_of(self, track: int) -> int:
        """The individual behind a track."""
        return self.person[track]

    @property
    def people(self) -> list[int]:
        """Everybody, in the order in which they first appear."""
        return list(dict.fromkeys(self.person[t] for t in sorted(self.person)))

    def until(self, frame: int) -> SceneTruth:
        """The same of the frames before `frame` only."""
        return replace(self, frames=self.frames[:frame])


Visit = tuple[int, int, list[int]]


def _visits(frames: list[int], fps: float) -> list[list[int]]:
    cuts = [0, *(k for k, (a, b) in enumerate(pairwise(frames), 1) if b - a > AWAY_SECONDS * fps), len(frames)]
    return [frames[a:b] for a, b in pairwise(cuts) if b - a >= STAY_SECONDS * fps]


def _frame(tracks: list[int], xyxy: npt.NDArray[np.float32]) -> Frame:
    """The boxes of a frame, without those of track 0, which is none."""
    ids = np.array(tracks, np.int64)
    return Frame(ids[ids > 0], xyxy[ids > 0])


def _away(visits: list[Visit], fps: float) -> dict[int, float]:
    last: dict[int, int] = {}
    away = {}
    for track, (first, person, frames) in enumerate(visits, 1):
        if person in last:
            away[track] = (first - last[person]) / fps
        last[person] = frames[-1]
    return away


class ReturnScorer:
    """Follows one tracker's output of a scene, frame by frame.

    Args:
        truth: The ground truth.

    Attributes:
        found: What became of returns, as of the last count; they are counted once a second, and when somebody comes.
    """

    def __init__(self, truth: SceneTruth) -> None:
        self.truth = truth
        self.found = Returns((), 0)
        self._seen: list[Sighting] = []
        self._begun: set[int] = set()

    def add(self, output: list[Frame]) -> dict[int, int]:
        """Take the next frame.

        Args:
            output: All frames until now, this one last.

        Returns:
            Whom each id is on: `{id: track}`.
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

    def count(self, output: list[Frame]) -> Returns:
        """What became of returns until now."""
        self.found = returns(self.truth.until(len(output)), output, self._seen)
        return self.found
