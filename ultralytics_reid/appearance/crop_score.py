"""Calibrated scores of single crops against tracks' running appearances, for the first association."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._typing import Floats
from ..tuning import CROP_SCORES_EVERY, CROP_SCORES_TRACKLETS, ENOUGH_SEPARATION
from .calibration import Prior, ScoreModel
from .embedding import cosine, unit
from .metric import Metric
from .tracklet import Tracklet


class CropScoreModel:
    """Compare crops under the learned metric and by plain cosine, and calibrate both.

    The metric helps weak embedders much; strong ones need it less. As it was learned from the few individuals present,
    it can mislead: it makes a crop that shows two people, one behind the other, look like either.

    Args:
        metric: The learned metric.
        learns: Whether to learn from the video what similarities are worth.
    """

    def __init__(self, metric: Metric, *, learns: bool = True) -> None:
        self._metric = metric
        self._due, self._turn = 0.0, 0
        self._learned = ScoreModel(metric.project, learns=learns)
        self._plain = ScoreModel(unit, learns=learns)

    def assume(self, prior: Prior) -> None:
        """Believe what embedders of a kind are like, until the video tells."""
        self._learned.assume(prior)
        self._plain.assume(prior)

    def preparations(self, project: Callable[[Floats], Floats]) -> list[tuple[int, Callable[[], None]]]:
        """See `ScoreModel.preparations`."""
        return self._learned.preparations(project)

    def catch_up(self, project: Callable[[Floats], Floats]) -> None:
        """See `ScoreModel.catch_up`."""
        self._learned.catch_up(project)

    def rescore(self) -> None:
        """Follow the metric, which has changed."""
        self._learned.rescore()

    def forget(self) -> None:
        """Forget the crops that it learned from."""
        self._learned.forget()
        self._plain.forget()

    def learn(self, seen: Sequence[Tracklet], now: float) -> None:
        """Learn what single crops' similarities are worth: to the own track's appearance, and to a co-visible one's.

        Args:
            seen: The tracklets that have a box in this frame, before they take its crop in.
            now: The time, seconds.
        """
        if now < self._due:
            return
        self._due = now + CROP_SCORES_EVERY
        self._turn += 1
        able = [t for t in seen if t.clean and t.appearance is not None and t.embedding is not None]
        if not able:
            return
        start = self._turn * CROP_SCORES_TRACKLETS % len(able)
        able = (able[start:] + able[:start])[: CROP_SCORES_TRACKLETS + 1]
        appearances = np.array([t.appearance for t in able], np.float32)
        crops = np.array([t.embedding for t in able], np.float32)
        own = np.arange(len(able))
        others = [np.roll(own, self._turn % (len(able) - 1) + 1)] if len(able) > 1 else []
        pairs = np.array([np.tile(own, 1 + len(others)), np.concatenate([own, *others])])
        for model in (self._learned, self._plain):
            model.observe_table(appearances, crops, pairs, pairs[0] == pairs[1])

    def appearance_affinity(self, appearances: Floats, crops: Floats) -> Floats:
        """How well single crops fit tracks' appearances: under the learned metric or as they are, what is clearer.

        Args:
            appearances: `(T, D)` raw appearances of tracks.
            crops: `(N, D)` raw embeddings of detections.

        Returns:
            `(T, N)` float32 in [-1, 1]: -1 speaks against a match, 1 for it, 0 says nothing.
        """
        return self._clearer(appearances, crops, ScoreModel.appearance_affinity)

    def llr(self, appearances: Floats, crops: Floats) -> Floats:
        """Log-likelihood ratio of appearance: the same individual over another.

        Args:
            appearances: `(T, D)` raw appearances of tracks.
            crops: `(N, D)` raw embeddings of detections.

        Returns:
            `(T, N)` float32 nats; 0 says nothing.
        """
        return self._clearer(appearances, crops, ScoreModel.llr)

    def _clearer(self, appearances: Floats, crops: Floats, worth: Callable[[ScoreModel, Floats], Floats]) -> Floats:
        """What scores are worth under the learned metric or as they are, whichever says more."""
        plain = worth(self._plain, cosine(unit(appearances), unit(crops)))
        doubt = float(np.clip(ENOUGH_SEPARATION - self._plain.separation, 0, 1))
        if not doubt:
            return plain
        seen = self._metric.project(np.concatenate([appearances, crops]))  # the map is read once for both
        learned = doubt * worth(self._learned, cosine(seen[: len(appearances)], seen[len(appearances) :]))
        return np.where(np.abs(learned) > np.abs(plain), learned, plain)
