"""Whether two sightings show the same individual: the memory's own metric and calibration, of all cameras together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..calibration import PRIORS, ScoreModel
from ..embedding import Bools, Floats, unit
from ..metric import Metric
from .evidence import Evidence
from .records import Doubles

# As many individuals the belief counts that a camera shows things in no other light than all others do.
_SAME_LIGHT = 8.0
# Pairs of each kind that a score model keeps.
_PAIRS = 256
_TINY_RATE, _MOST_RATE = 1e-12, 0.2
_MOST_NATS = 30.0


class Scorer:
    """Compares embeddings of any two cameras.

    Args:
        dim: `D` of the embeddings.
        family: Kind of embedder; see `family_of`.
        evidence: What each camera has learned, by its name.
    """

    def __init__(self, dim: int, family: str, evidence: Mapping[str, Evidence]) -> None:
        self.metric = Metric()
        self.model = ScoreModel(self.metric.project)
        self._shift = {name: np.zeros(dim, np.float32) for name in evidence}
        if family in PRIORS:
            self.model.assume(PRIORS[family])
        if evidence:
            self._learn(evidence)

    def _learn(self, evidence: Mapping[str, Evidence]) -> None:
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
    def tells(self) -> bool:
        """Whether likeness can be judged at all yet."""
        return self.model.tells

    def neutral(self, embeddings: Floats, cameras: tuple[str, ...]) -> Floats:
        """Embeddings without what their camera's light and angle add to everybody's, `(N, D)`."""
        if not self._shift or not len(embeddings):
            return embeddings
        none = np.zeros(embeddings.shape[1], np.float32)
        return embeddings - np.array([self._shift.get(c, none) for c in cameras], np.float32)

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
        if not self.model.trust:
            return np.zeros(len(scores), bool)
        each = np.array([np.clip(rate / max(1, crowd), _TINY_RATE, _MOST_RATE)])
        return np.asarray(scores >= self.model.impostor_bound(each))

    def probabilities(self, scores: Floats, crowd: int) -> Doubles:
        """How likely each of some individuals is who was seen; they and "none of them" add up to 1.

        Before anything was seen, somebody known and somebody new are held to be as likely, and all who are known too.

        Args:
            scores: `(N,)` cosines, one an individual.
            crowd: How many individuals were in question, `N` or more.

        Returns:
            `(N,)` in [0, 1]; NaN as long as likeness can't be judged.
        """
        if not self.model.trust:
            return np.full(len(scores), np.nan)
        odds = np.exp(np.clip(self.model.llr(scores).astype(np.float64), -_MOST_NATS, _MOST_NATS))
        return np.asarray(odds / (odds.sum() + max(crowd, len(scores), 1)))


def _shifts(means: Mapping[str, Floats]) -> dict[str, Floats]:
    """How far the average individual of each camera is from that of all; less where few were seen."""
    own = {name: m.mean(axis=0) for name, m in means.items()}
    middle = np.mean(list(own.values()), axis=0)
    trust = {name: len(m) / (len(m) + _SAME_LIGHT) for name, m in means.items()}
    return {name: np.asarray(trust[name] * (mean - middle), np.float32) for name, mean in own.items()}
