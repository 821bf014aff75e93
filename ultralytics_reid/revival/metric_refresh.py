"""Refreshes of the learned metric, spread over frames: no frame waits for the whole of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from .._typing import Floats
from ..appearance.calibration import ScoreModel
from ..appearance.crop_score import CropScoreModel
from ..appearance.metric import Metric, ProjectionFit
from ..memory.bank import MemoryBank
from ..tuning import FIRST_REFRESH_FRAMES, REFRESH_FRAMES, REFRESH_WORK, SCORE_PAIRS


class MetricRefresh:
    """Compute a new projection, scores and centroids under it, a bounded part a frame; all change in one frame.

    Until then everything goes on under the projection of before. How much a frame does depends on sizes alone, so that
    runs repeat.

    Args:
        metric: The metric; it says when a refresh is due.
        crop_scores: Scores that follow it.
        tracklet_scores: The same.
        bank: Its centroids follow it.
    """

    def __init__(
        self, metric: Metric, crop_scores: CropScoreModel, tracklet_scores: ScoreModel, bank: MemoryBank
    ) -> None:
        self._metric = metric
        self._crop_scores = crop_scores
        self._tracklet_scores = tracklet_scores
        self._bank = bank
        self._fit: ProjectionFit | None = None
        self._people = 0
        self._todo: deque[tuple[int, Callable[[], None]]] = deque()
        self._work = 0.0

    def step(self, individuals: Callable[[], Floats]) -> None:
        """Do a frame's part of the refresh, if one is due.

        Args:
            individuals: Gives `(K, D)` raw mean embeddings of all known individuals.
        """
        if self._fit is None:
            if self._metric.due:
                self._begin(individuals())  # the frame that brought the evidence has done enough
            return
        work = 0
        while self._todo and (not work or work + self._todo[0][0] <= self._work):
            cost, do = self._todo.popleft()
            do()
            work += cost

    def at_once(self, individuals: Callable[[], Floats]) -> None:
        """Do the whole of a refresh that is due, as before the first frame.

        Args:
            individuals: Gives `(K, D)` raw mean embeddings of all known individuals.
        """
        if self._fit is None and self._metric.due:
            self._begin(individuals())
        while self._todo:
            self._todo.popleft()[1]()

    def _begin(self, means: Floats) -> None:
        self._fit, self._people = self._metric.fit(means), len(means)
        if self._fit is not None:  # one individual alone teaches nothing, and cosines stay plain
            self._todo = deque([*self._fit.steps, (0, self._prepare)])
            self._share()

    def _share(self) -> None:
        """Divide what is to be done among frames: a bounded part each, or more for long embeddings, lest it lag.

        The first refresh is in a hurry: until then cosines are plain, which tell little of a detector's features.
        """
        frames = REFRESH_FRAMES if self._metric.version else FIRST_REFRESH_FRAMES
        self._work = max(REFRESH_WORK, sum(cost for cost, _ in self._todo) / frames)

    def _prepare(self) -> None:
        assert self._fit is not None
        projection = self._fit.projection
        scores = (self._crop_scores, self._tracklet_scores)
        self._todo.extend(step for model in scores for step in model.preparations(projection.project))
        self._todo.extend(self._bank.preparations(projection))
        self._share()
        # What came meanwhile counts as half of what is kept; the last step scores what came in a frame or two.
        caught_up = SCORE_PAIRS * self._fit.dim**2
        self._todo.extend((caught_up, partial(model.catch_up, projection.project)) for model in scores)
        self._todo.append((REFRESH_WORK, self._adopt))

    def _adopt(self) -> None:
        assert self._fit is not None
        self._metric.adopt(self._fit)
        self._crop_scores.rescore()
        self._tracklet_scores.rescore()
        self._tracklet_scores.people = self._people
        self._fit = None
