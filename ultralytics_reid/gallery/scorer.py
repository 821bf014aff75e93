"""Whether two sightings show the same individual: the memory's own metric and calibration, of all cameras together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .._typing import Bools, Doubles, Floats
from ..appearance.calibration import PRIORS, ScoreModel
from ..appearance.embedding import unit
from ..appearance.evidence import LearnedStatistics
from ..appearance.metric import Metric

# Individuals of a camera without whom nothing can be said of its light.
_FEWEST = 2
_TINY = 1e-12
# Pairs of each kind that a score model keeps.
_PAIRS = 256
_TINY_RATE, _MAX_RATE = 1e-12, 0.2
_MAX_NATS = 30.0


class Scorer:
    """Compares embeddings of any two cameras.

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
            everybody = [m - self._shift[name] for name, m in means.items()]
            self.metric.refresh(np.concatenate(everybody))
        share = max(1, _PAIRS // len(evidence))  # or the last camera's would push out all others'
        for name, camera in evidence.items():
            for pairs, same in ((camera.genuine, True), (camera.impostor, False)):
                kept = pairs[-share:] - self._shift[name]
                self.model.observe(kept[:, 0], kept[:, 1], np.full(len(kept), same))
        if self.metric.version:
            self.model.rescore()
            self.model.people = sum(map(len, means.values()))

    @property
    def is_discriminative(self) -> bool:
        """Whether likeness can be judged at all yet."""
        return self.model.is_discriminative

    def neutral(self, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Embeddings without what their camera's light and angle add to everybody's, `(N, D)`."""
        if not self._shift or not len(embeddings):
            return embeddings
        none = np.zeros(embeddings.shape[1], np.float32)
        return embeddings - np.array([self._shift.get(c, none) for c in cameras], np.float32)

    def as_on(self, camera: str, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Embeddings as they would look on a camera, `(N, D)`."""
        neutral = self.neutral(embeddings, cameras)
        return np.asarray(neutral + self._shift[camera] if camera in self._shift else neutral, np.float32)

    def query(self, embedding: Floats, camera: str) -> Floats:
        """What to search a gallery's raw vectors with, `(D,)` float32."""
        neutral = self.neutral(unit(embedding)[None], (camera,))
        return np.asarray(self.metric.against_raw(neutral)[0], np.float32)

    def compare(self, embedding: Floats, camera: str, others: Floats) -> Floats:
        """Cosines under the common metric.

        Args:
            embedding: `(D,)` float32, as it was seen.
            camera: Where it was seen.
            others: `(N, D)` float32, `neutral` already.

        Returns:
            `(N,)` float32 in [-1, 1].
        """
        one = self.metric.project(self.neutral(unit(embedding)[None], (camera,)))[0]
        return np.asarray(np.clip(self.metric.project(others) @ one, -1, 1), np.float32)

    def credible(self, scores: Floats, rate: float, crowd: int) -> Bools:
        """Which scores one of so many strangers hardly reaches.

        Args:
            scores: `(N,)` cosines.
            rate: How often somebody new may be taken for one of them.
            crowd: How many individuals they are the best of.
        """
        if not self.model.evidence_weight:
            return np.zeros(len(scores), bool)
        each = np.array([np.clip(rate / max(1, crowd), _TINY_RATE, _MAX_RATE)])
        return np.asarray(scores >= self.model.impostor_bound(each))

    def worth(self, scores: Floats, allowed: Bools, crowd: int) -> Doubles:
        """How much likelier each of some individuals is who was seen than anybody else is, nats.

        That is somebody new, of whom any of a crowd might be taken for one of them by chance, or somebody of those who
        can't have been there: who looks like one who is visible beside them is more likely a look-alike of theirs.

        Args:
            scores: `(N,)` cosines, one an individual.
            allowed: `(N,)`, whether they can have been there.
            crowd: How many individuals were in question, `N` or more.
        """
        nats = np.clip(self.model.cautious_llr(scores).astype(np.float64), -_MAX_NATS, _MAX_NATS)
        return np.asarray(nats - np.log(max(crowd, 1) + np.exp(nats[~allowed]).sum()))

    def least_worth(self, rate: float) -> float:
        """How much somebody must be worth, nats: nothing among many; the fewer were met, the surer it must be.

        Args:
            rate: How often somebody new may be taken for somebody known.
        """
        return float(-np.log(rate) * (1 - self.model.population_weight))

    def probabilities(self, scores: Floats, crowd: int) -> Doubles:
        """How likely each of some individuals is who was seen; they and "none of them" add up to 1.

        Before anything was seen, somebody known and somebody new are held to be as likely, and all who are known too.

        Args:
            scores: `(N,)` cosines, one an individual.
            crowd: How many individuals were in question, `N` or more.

        Returns:
            `(N,)` in [0, 1]; NaN as long as likeness can't be judged.
        """
        if not self.model.evidence_weight:
            return np.full(len(scores), np.nan)
        odds = np.exp(np.clip(self.model.cautious_llr(scores).astype(np.float64), -_MAX_NATS, _MAX_NATS))
        return np.asarray(odds / (odds.sum() + max(crowd, len(scores), 1)))


def _shifts(means: Mapping[str, Floats]) -> dict[str, Floats]:
    """How far the average individual of each camera is from that of all, but for what chance explains.

    Few individuals differ from others in the mean without any help of the camera's: their shift is shrunk by the share
    of it that is to be expected so (James & Stein 1961).
    """
    middle = np.mean([m.mean(axis=0) for m in means.values()], axis=0)
    return {name: np.asarray(_trust(m, middle) * (m.mean(axis=0) - middle), np.float32) for name, m in means.items()}


def _trust(means: Floats, middle: Floats) -> float:
    if len(means) < _FEWEST:
        return 0.0
    chance = float(means.var(axis=0, ddof=1).sum()) / len(means)
    shift = float(((means.mean(axis=0) - middle) ** 2).sum())
    return max(0.0, 1 - chance / max(shift, _TINY))
