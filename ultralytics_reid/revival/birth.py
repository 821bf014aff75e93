"""Evidence on whether a new tracklet is one whole individual whom no other box shows."""

from __future__ import annotations

from dataclasses import dataclass

from ..tuning import PART_DOUBT, PART_SCORE, SURE_SCORE, WEAK_SCORE, WHOLE_SHARE


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

    def doubt(self, share: float) -> float:
        """Doubt in [0, 1]: the share of `Tuning.initiation_seconds` that the tracklet waits for its id.

        Args:
            share: Largest overlap, by the smaller box, with the box of a track that has an id, in [0, 1].
        """
        mean = self.total / self.frames
        if share > WHOLE_SHARE:
            return PART_DOUBT if mean >= PART_SCORE else 1.0
        return min(1.0, max(0.0, (SURE_SCORE - mean) / (SURE_SCORE - WEAK_SCORE)))
