"""Score calibration: genuine and impostor cosines, learned online, turned into log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import NormalDist

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints
from ..tuning import (
    FULL_PAIRS,
    FULL_SEPARATION,
    MIN_PAIRS,
    MIN_SCORE_STD,
    MIN_SEPARATION,
    PRIOR_INDIVIDUALS,
    REFRESH_WORK,
    SCORE_PAIRS,
)
from .embedding import cosine, row_blocks


@dataclass(frozen=True)
class Prior:
    """What plain cosines of a kind of embedder are usually like, until the video tells.

    Attributes:
        genuine: Mean of crops of one individual against what is remembered of it.
        impostor: The same for another individual.
        std: Standard deviation of both.
    """

    genuine: float
    impostor: float
    std: float


@dataclass(frozen=True)
class Scores:
    """Scores of one kind of pairs.

    Attributes:
        mean: Their mean.
        std: Their standard deviation.
    """

    mean: float
    std: float


# Cosines under the learned metric, whatever the embedder.
LEARNED = Prior(0.65, 0.1, 0.22)
# By embedders' family. Classifiers and detectors have none: their plain cosines hardly tell individuals apart, and
# those under the learned metric are alike for all embedders. A head is such a metric.
PRIORS = {"reid": Prior(0.88, 0.65, 0.1), "head": LEARNED}


def _quantile(probability: Doubles) -> Doubles:
    """Of the standard normal distribution, elementwise; most values are equal. SciPy would take 0.2 s to import."""
    values, places = np.unique(probability, return_inverse=True)
    return np.array([*map(NormalDist().inv_cdf, values.tolist())])[places].reshape(np.shape(probability))


class _Pairs:
    """The last pairs of raw embeddings of one kind, and their scores under the metric of now."""

    def __init__(self) -> None:
        self._pairs: Floats | None = None
        self._used = 0
        self._scores = np.zeros(SCORE_PAIRS, np.float32)
        self._moments: tuple[float, float] | None = None
        # Scores under the metric to come, and how many pairs had come by then.
        self._prepared: tuple[Floats, int] | None = None

    def add(self, a: Floats, b: Floats, scores: Floats) -> None:
        a, b, scores = a[-SCORE_PAIRS:], b[-SCORE_PAIRS:], scores[-SCORE_PAIRS:]
        if self._pairs is None:
            self._pairs = np.zeros((SCORE_PAIRS, 2, a.shape[1]), np.float32)
        rows = (self._used + np.arange(len(a))) % SCORE_PAIRS
        self._pairs[rows, 0], self._pairs[rows, 1] = a, b
        self._scores[rows] = scores
        self._used += len(a)
        self._moments = None

    def preparations(self, project: Callable[[Floats], Floats]) -> list[tuple[int, Callable[[], None]]]:
        """Steps that score all pairs by another metric, which `rescore` is given later; see `ScoreModel`."""
        if self._pairs is None:
            return []
        scores, cost = np.zeros(SCORE_PAIRS, np.float32), 2 * self._pairs.shape[2] ** 2
        self._prepared = scores, self._used
        rows = max(1, REFRESH_WORK // cost)
        blocks = row_blocks(len(self), rows)
        return [(cost * (b.stop - b.start), partial(self._prepare, scores, b, project)) for b in blocks]

    def _prepare(self, scores: Floats, rows: slice, project: Callable[[Floats], Floats]) -> None:
        assert self._pairs is not None
        scores[rows] = _similarity(self._pairs[rows], project)

    def catch_up(self, project: Callable[[Floats], Floats]) -> None:
        """Score the pairs that came since `preparations`, or since this was last done; all without either."""
        scores, used = self._prepared or (np.zeros(SCORE_PAIRS, np.float32), 0)
        rows = np.unique(np.arange(max(used, self._used - SCORE_PAIRS), self._used) % SCORE_PAIRS)
        if len(rows) and self._pairs is not None:
            scores[rows] = _similarity(self._pairs[rows], project)
        self._prepared = scores, self._used

    def rescore(self, project: Callable[[Floats], Floats]) -> None:
        self.catch_up(project)
        assert self._prepared is not None
        self._scores, self._prepared, self._moments = self._prepared[0], None, None

    def __len__(self) -> int:
        return min(self._used, SCORE_PAIRS)

    @property
    def kept(self) -> Floats | None:
        """`(N, 2, D)` pairs, in any order; None before the first."""
        return None if self._pairs is None else self._pairs[: len(self)]

    @property
    def moments(self) -> tuple[float, float]:
        """The scores' sum, and that of their squared deviations from their mean."""
        if self._moments is None:
            scores = self._scores[: len(self)]
            total = float(scores.sum())
            self._moments = total, float(((scores - total / max(1, len(self))) ** 2).sum())
        return self._moments


def _similarity(pairs: Floats, project: Callable[[Floats], Floats]) -> Floats:
    return _inner(*project(pairs).swapaxes(0, 1))


def _inner(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("nd,nd->n", a, b), dtype=np.float32)


@dataclass(frozen=True)
class _Fit:
    """What all scores so far say: how far to believe it, both kinds' means and variances, and the common deviation."""

    evidence_weight: float
    means: tuple[float, float]
    variances: tuple[float, float]

    @cached_property
    def std(self) -> float:
        return max(MIN_SCORE_STD, float(np.sqrt(sum(self.variances) / 2)))

    @cached_property
    def separation(self) -> float:
        genuine, impostor = self.means
        return (genuine - impostor) / self.std if self.evidence_weight else 0.0


class ScoreModel:
    """Two Gaussians with a common deviation: scores of the same individual and scores of different ones.

    The common deviation makes the ratio linear, hence monotone, in the score: with two deviations very high
    similarities would become suspicious. The pairs are kept raw, so that the model follows the metric (`rescore`).

    Args:
        project: Maps raw embeddings to where they are compared.
        learns: Whether to learn from the video; if not, priors are all there is.

    Attributes:
        people: How many individuals the learned metric was learned from; None for plain cosine.
    """

    def __init__(self, project: Callable[[Floats], Floats], *, learns: bool = True) -> None:
        self._project = project
        self._learns = learns
        self._prior: Prior | None = None
        self.people: int | None = None
        self._genuine, self._impostor = _Pairs(), _Pairs()
        self._known: _Fit | None = None

    @property
    def _fit(self) -> _Fit:
        """Fitted when it is first asked for after a change."""
        if self._known is None:
            n = min(len(pairs) + self._assumed(pairs) for pairs in (self._genuine, self._impostor))
            weight = float(np.clip((n - MIN_PAIRS) / (FULL_PAIRS - MIN_PAIRS), 0, 1))
            self._known = _Fit(weight, self._means(), self._variances())
        return self._known

    def assume(self, prior: Prior) -> None:
        """Take a prior for evidence until the learned metric, which has one of its own, replaces plain cosine."""
        self._prior, self._known = prior, None

    def observe(self, a: Floats, b: Floats, same: Bools, scores: Floats | None = None) -> None:
        """Learn from pairs whose truth is known.

        Args:
            a: `(N, D)` float32 raw embeddings.
            b: `(N, D)` float32 raw embeddings, the other half of each pair.
            same: `(N,)`, whether both show the same individual.
            scores: `(N,)` float32 cosines under the metric of now; None to compute them.
        """
        if not self._learns:
            return
        if scores is None:
            scores = _inner(self._project(a), self._project(b))
        self._known = None
        for pairs, mask in ((self._genuine, same), (self._impostor, ~same)):
            if mask.any():
                pairs.add(a[mask], b[mask], scores[mask])

    def observe_table(self, a: Floats, b: Floats, pairs: Ints, same: Bools) -> None:
        """Learn from pairs of few embeddings that are in several of them: each is projected once.

        Args:
            a: `(A, D)` float32 raw embeddings.
            b: `(B, D)` float32 raw embeddings.
            pairs: `(2, N)` rows of `a` and of `b`.
            same: `(N,)`, whether both show the same individual.
        """
        if self._learns:
            seen = self._project(np.concatenate([a, b]))  # the map is read once for both
            scores = cosine(seen[: len(a)], seen[len(a) :])[tuple(pairs)]
            self.observe(a[pairs[0]], b[pairs[1]], same, scores)

    @property
    def pairs(self) -> tuple[Floats | None, Floats | None]:
        """What it learned from: genuine and impostor pairs, `(N, 2, D)` raw; None where there are none."""
        return self._genuine.kept, self._impostor.kept

    def forget(self) -> None:
        """Forget all pairs; priors and what the metric is stay."""
        self._genuine, self._impostor, self._known = _Pairs(), _Pairs(), None

    def preparations(self, project: Callable[[Floats], Floats]) -> list[tuple[int, Callable[[], None]]]:
        """What can be done ahead of `rescore`, of a metric to come: costs in multiplications, and functions.

        Args:
            project: What the model's own `project` will be when it rescores.
        """
        return [*self._genuine.preparations(project), *self._impostor.preparations(project)]

    def catch_up(self, project: Callable[[Floats], Floats]) -> None:
        """Score the pairs that came since `preparations`: what `rescore` need not do then."""
        self._genuine.catch_up(project)
        self._impostor.catch_up(project)

    def rescore(self) -> None:
        """Measure what is kept anew; to be called when the metric has changed, which has a prior of its own."""
        self._prior, self._known = LEARNED, None
        self._genuine.rescore(self._project)
        self._impostor.rescore(self._project)

    @property
    def evidence_weight(self) -> float:
        """How far the model may be believed, from 0 (no evidence) to 1."""
        return self._fit.evidence_weight

    @property
    def is_discriminative(self) -> bool:
        """Whether it is believed, and the two kinds can be told apart at all."""
        return self.separation > MIN_SEPARATION

    @property
    def separation(self) -> float:
        """Standard deviations between the means of the two kinds, 0 as long as there is too little evidence."""
        return self._fit.separation

    def llr(self, scores: Floats) -> Floats:
        """Log-likelihood ratios, same over different individual, of an array of scores; 0 says nothing."""
        if not self.evidence_weight:
            return np.zeros_like(scores)
        g, i = self._fit.means
        slope = max(0.0, g - i) / self._fit.std**2
        return np.asarray(self.evidence_weight * slope * (scores - (g + i) / 2), dtype=np.float32)

    def appearance_affinity(self, scores: Floats) -> Floats:
        """Scores on a scale from -1, typical of different individuals, to 1, typical of the same; 0 says nothing.

        Where the two kinds overlap, or there is too little evidence, everything is drawn toward 0.
        """
        if not self.evidence_weight:
            return np.zeros_like(scores)
        g, i = self._fit.means
        sharpness = np.clip(self.separation / FULL_SEPARATION, 0, 1)
        scale = np.clip((scores - (g + i) / 2) / max((g - i) / 2, MIN_SCORE_STD), -1, 1)
        return np.asarray(self.evidence_weight * sharpness * scale, dtype=np.float32)

    @property
    def population_weight(self) -> float:
        """How far it can be believed that others will be as those it has met are, from 0 to 1."""
        return 1.0 if self.people is None else self.people / (self.people + PRIOR_INDIVIDUALS)

    def cautious_llr(self, scores: Floats) -> Floats:
        """As `llr`, but individuals not met yet may differ from these as much as those of other videos do."""
        if not self.evidence_weight:
            return np.zeros_like(scores)
        g, i = self._fit.means
        known = self.population_weight
        variance = known * self._fit.std**2 + (1 - known) * LEARNED.std**2
        return np.asarray(self.evidence_weight * max(0.0, g - i) / variance * (scores - (g + i) / 2), dtype=np.float32)

    def impostor_bound(self, rate: Doubles) -> Doubles:
        """The scores that a different individual exceeds with the given probabilities.

        Args:
            rate: Probabilities in (0, 1), any shape.

        Returns:
            Scores of the same shape; above 1, which is never reached, as long as no impostor was seen.
        """
        if not self.evidence_weight:
            return np.full_like(rate, 2.0)
        _, impostor = self.population()
        return np.asarray(impostor.mean - _quantile(rate) * max(impostor.std, MIN_SCORE_STD))

    def population(self) -> tuple[Scores, Scores]:
        """Genuine and impostor scores of any individuals: those met, blended with those of other videos."""
        known, learned = self.population_weight, (LEARNED.genuine, LEARNED.impostor)
        moments = zip(self._fit.means, learned, self._fit.variances, strict=True)
        genuine, impostor = (
            Scores(known * mean + (1 - known) * usual, np.sqrt(known * variance + (1 - known) * LEARNED.std**2))
            for mean, usual, variance in moments
        )
        return genuine, impostor

    def _assumed(self, pairs: _Pairs) -> int:
        """As many pairs of a kind the prior counts; the learned metric's those that evidence of impostors is short of.

        Where individuals come one at a time, there are no impostor pairs for minutes. Genuine pairs come with each of
        them, and where embeddings are noise, they must show it.
        """
        if self._prior is None:
            return 0
        if self._prior is not LEARNED:
            return FULL_PAIRS
        return max(0, FULL_PAIRS - len(pairs)) if pairs is self._impostor or not self._learns else 0

    def _means(self) -> tuple[float, float]:
        prior = (0.0, 0.0) if self._prior is None else (self._prior.genuine, self._prior.impostor)
        both = zip((self._genuine, self._impostor), prior, strict=True)
        g, i = (_blend(p.moments[0], len(p), mean, self._assumed(p)) for p, mean in both)
        return g, i

    def _variances(self) -> tuple[float, float]:
        variance = 0.0 if self._prior is None else self._prior.std**2
        both = (self._genuine, self._impostor)
        g, i = (_blend(p.moments[1], len(p), variance, self._assumed(p)) for p in both)
        return g, i


def _blend(total: float, count: int, prior: float, weight: int) -> float:
    """Mean of `count` values of a given sum and of a prior that counts as `weight` of them."""
    return float((total + weight * prior) / max(1, count + weight))
