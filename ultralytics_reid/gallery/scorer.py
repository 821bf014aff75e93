"""Similarity of two cameras' sightings: the memory's metric and calibration, fitted to all cameras together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit

from .._typing import Bools, Doubles, Floats, Ints
from ..appearance.calibration import PRIORS, ScoreModel
from ..appearance.embedding import unit
from ..appearance.evidence import LearnedStatistics
from ..appearance.metric import Metric
from ..tuning import (
    MAX_RATE,
    MIN_RATE,
    MIN_SCORE_STD,
    OUTLIER_PAIRS,
    PRIOR_SAME,
    SCORE_PAIRS,
    UNLIKE_SIGHTINGS,
    VISIT_STD,
)

# Identities of a camera below which its shift can't be estimated.
_MIN_IDENTITIES = 2
_EPS = 1e-12
_MAX_NATS = 30.0
# Cosines lie in [-1, 1].
_SCORE_RANGE = 2.0


class Scorer:
    """Compare embeddings of any two cameras.

    Each camera's light and angle shift all its embeddings alike; the shift is estimated and subtracted.

    Args:
        dim: `D` of the embeddings.
        family: Kind of embedder; see `family_of`.
        evidence: What each camera has learned, by its name.
    """

    def __init__(self, dim: int, family: str, evidence: Mapping[str, LearnedStatistics]) -> None:
        self.metric = Metric()
        self.model = ScoreModel(self.metric.project)
        self._shift = {name: np.zeros(dim, np.float32) for name in evidence}
        if family in PRIORS:
            self.model.assume(PRIORS[family])
        if evidence:
            self._learn(evidence)

    def _learn(self, evidence: Mapping[str, LearnedStatistics]) -> None:
        for camera in evidence.values():
            self.metric.add_scatter(camera.scatter, camera.crops)
        means = {name: camera.means for name, camera in evidence.items() if len(camera.means)}
        if means:
            self._shift |= _shifts(means)
            self.metric.refresh(np.concatenate([m - self._shift[name] for name, m in means.items()]))
        share = max(1, SCORE_PAIRS // len(evidence))  # otherwise the last camera's would push out all others'
        for name, camera in evidence.items():
            for pairs, same in ((camera.genuine, True), (camera.impostor, False)):
                kept = pairs[-share:] - self._shift[name]
                self.model.observe(kept[:, 0], kept[:, 1], np.full(len(kept), same))
        if self.metric.version:
            self.model.rescore()
            self.model.people = sum(map(len, means.values()))

    @property
    def is_discriminative(self) -> bool:
        """Whether similarity tells identities apart by now."""
        return self.model.is_discriminative

    def neutral(self, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Subtract the shift of their camera from embeddings, `(N, D)`."""
        if not self._shift or not len(embeddings):
            return embeddings
        none = np.zeros(embeddings.shape[1], np.float32)
        return embeddings - np.array([self._shift.get(c, none) for c in cameras], np.float32)

    def to_camera(self, camera: str, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Map embeddings, `(N, D)`, of some cameras to another camera's appearance."""
        neutral = self.neutral(embeddings, cameras)
        return np.asarray(neutral + self._shift[camera] if camera in self._shift else neutral, np.float32)

    def query(self, embedding: Floats, camera: str) -> Floats:
        """Make the vector, `(D,)` float32, to search a gallery's raw embeddings with."""
        neutral = self.neutral(unit(embedding)[None], (camera,))
        return np.asarray(self.metric.against_raw(neutral)[0], np.float32)

    def project(self, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Map embeddings, `(N, D)`, of some cameras to where cosine means identity: `(N, d)` float32 unit vectors."""
        return self.metric.project(self.neutral(embeddings, cameras))

    def exceeds_impostors(self, scores: Floats, rate: float, population: int) -> Bools:
        """Test scores against the impostor bound, corrected for the number of identities (Bonferroni).

        Args:
            scores: `(N,)` cosines.
            rate: At most this share of new people is matched to any known identity (FPIR).
            population: Number of identities of which they are the best.

        Returns:
            `(N,)`, True where at most that share of new people would reach the score.
        """
        if not self.model.evidence_weight:
            return np.zeros(len(scores), bool)
        each = np.array([np.clip(rate / max(1, population), MIN_RATE, MAX_RATE)])
        return np.asarray(scores >= self.model.impostor_bound(each))

    def log_odds(self, scores: Floats, gate: Bools, population: int) -> Doubles:
        """Compute the log-odds of each identity against any other explanation of a query.

        Others are a new identity, which may resemble any of the population by chance, and the identities that the gate
        excludes: a query resembling one that is visible beside it is more likely a similar-looking other.

        Args:
            scores: `(N,)` cosines, one an identity.
            gate: `(N,)`, True where the identity can be visible there.
            population: Number of identities searched, `N` or more.

        Returns:
            `(N,)` nats.
        """
        nats = np.clip(self.model.cautious_llr(scores).astype(np.float64), -_MAX_NATS, _MAX_NATS)
        return np.asarray(nats - np.log(max(population, 1) + np.exp(nats[~gate]).sum()))

    def min_log_odds(self, rate: float) -> float:
        """Compute the least log-odds to accept, nats: 0 for a large population; more, the fewer identities were seen.

        Args:
            rate: At most this share of new people is matched to a known identity (FPIR).
        """
        return float(-np.log(rate) * (1 - self.model.population_weight))

    def same_individual(self, scores: Floats, asked: Ints, held: Ints) -> Doubles:
        """Compute the probability that two visits show the same individual, by their most similar pair of sightings.

        It depends on nothing but these two visits, and is the same with `asked` and `held` exchanged. The prior is
        `PRIOR_SAME`. Genuine and impostor scores are Gaussians; a share of pairs says nothing (a uniform outlier
        component), and each of the two visits may show nothing typical of its individual, the likelier the fewer
        sightings it has.

        Args:
            scores: `(N,)` cosines, each the highest of all pairs of sightings of the two visits.
            asked: `(N,)` number of sightings of one visit, 1 or more; an image counts as one.
            held: `(N,)` number of sightings of the other.

        Returns:
            `(N,)` in [0, 1], rising with the score; NaN as long as similarity doesn't tell identities apart.
        """
        if not self.model.evidence_weight:
            return np.full(np.shape(scores), np.nan)
        shown = (1 - UNLIKE_SIGHTINGS ** np.asarray(count, np.float64) for count in (asked, held))
        typical = np.multiply(*shown)
        ratio = typical * self._density_ratio(scores) + 1 - typical
        nats = self.model.evidence_weight * np.log(ratio) + logit(PRIOR_SAME)
        return np.asarray(expit(nats), np.float64)

    def _density_ratio(self, scores: Floats) -> Doubles:
        """Density of scores of typical genuine pairs over that of impostor pairs."""
        genuine, impostor = self.model.population()
        # Beyond the means, the tails of two Gaussians of different widths would make the ratio fall again.
        within = np.clip(np.asarray(scores, np.float64), impostor.mean, max(impostor.mean, genuine.mean))
        outlier = OUTLIER_PAIRS / _SCORE_RANGE
        same, other = (
            (1 - OUTLIER_PAIRS) * _gaussian(within, mean, std) + outlier
            for mean, std in (
                (genuine.mean, float(np.hypot(genuine.std, VISIT_STD))),
                (impostor.mean, max(impostor.std, MIN_SCORE_STD)),
            )
        )
        return np.asarray(same / other)


def _gaussian(values: Doubles, mean: float, std: float) -> Doubles:
    return np.asarray(np.exp(-0.5 * ((values - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi)))


def _shifts(means: Mapping[str, Floats]) -> dict[str, Floats]:
    """Estimate each camera's shift: its mean identity against that of all cameras, shrunk (James & Stein 1961).

    The means of few identities differ by chance; the shift shrinks by the share of it that chance explains.
    """
    middle = np.mean([m.mean(axis=0) for m in means.values()], axis=0)
    return {n: np.asarray(_shrinkage(m, middle) * (m.mean(axis=0) - middle), np.float32) for n, m in means.items()}


def _shrinkage(means: Floats, middle: Floats) -> float:
    if len(means) < _MIN_IDENTITIES:
        return 0.0
    chance = float(means.var(axis=0, ddof=1).sum()) / len(means)
    shift = float(((means.mean(axis=0) - middle) ** 2).sum())
    return max(0.0, 1 - chance / max(shift, _EPS))
