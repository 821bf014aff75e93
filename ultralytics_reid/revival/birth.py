"""Evidence on whether a new tracklet is one whole individual."""

from __future__ import annotations

from dataclasses import dataclass

from ..tuning import SURE_SCORE, WEAK_SCORE, WHOLE_SHARE


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

    def doubt(self, inside: float) -> float:
        """Doubt that this is one whole individual whom no other box shows, in [0, 1].

        Args:
            inside: Largest share of the box that is in the box of a track with an id, or has one in it.
        """
        if inside > WHOLE_SHARE:
            return 1.0
        mean = self.total / self.frames
        return min(1.0, max(0.0, (SURE_SCORE - mean) / (SURE_SCORE - WEAK_SCORE)))
