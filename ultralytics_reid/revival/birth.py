"""Evidence on whether a new tracklet is one whole individual whom no other box shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Floats
from ..tuning import PART_DOUBT, PART_SCORE, SURE_SCORE, USUAL_BOXES, WEAK_SCORE, WHOLE_SHARE

# Scores may be 0 or less, as of a detector with random weights: what is divided by isn't.
_MIN_SCALE = 0.01


@dataclass
class UsualScore:
    """Detection score of a usual box, against which newcomers' are weighed: some detectors score all of them low.

    Attributes:
        mean: Of the scores in [0, 1] of confirmed tracks' boxes, the last ones above all.
        boxes: As how many boxes it counts.
    """

    mean: float = SURE_SCORE
    boxes: float = USUAL_BOXES[0]

    def add(self, scores: Floats) -> None:
        """Count the boxes of a frame by their scores, `(N,)` in [0, 1]."""
        if len(scores):
            self.boxes = min(self.boxes, USUAL_BOXES[1]) + len(scores)
            self.mean += (float(np.mean(scores)) - self.mean) * len(scores) / self.boxes

    @property
    def scale(self) -> float:
        """Factor in (0, 1] of what the detector's scores are worth against those that constants were set for."""
        return min(1.0, max(_MIN_SCALE, self.mean / SURE_SCORE))


@dataclass
class Birth:
    """Detection scores of a tracklet that has no id yet.

    Attributes:
        frames: How many boxes.
        total: The sum of their scores.
    """

    frames: int = 0
    total: float = 0.0

    def add(self, score: float) -> None:
        """Count a box with its detection score in [0, 1]."""
        self.frames += 1
        self.total += score

    def doubt(self, share: float, scale: float = 1.0) -> float:
        """Doubt in [0, 1]: the share of `Tuning.initiation_seconds` that the tracklet waits for its id.

        Args:
            share: Largest overlap, by the smaller box, with the box of a track that has an id, in [0, 1].
            scale: Of the detector's scores, see `UsualScore`.
        """
        mean = self.total / self.frames / scale
        if share > WHOLE_SHARE:
            return PART_DOUBT if mean >= PART_SCORE else 1.0
        return min(1.0, max(0.0, (SURE_SCORE - mean) / (SURE_SCORE - WEAK_SCORE)))
