"""What a similarity is worth: genuine and impostor scores, learned online, turned into log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from statistics import NormalDist

from .embedding import Bools, Floats

_KEPT = 256
# Below this many pairs of either kind a score says nothing; from twice as many on it is believed in full.
_TRUSTED = 12
_MIN_SPREAD = 0.02
SEP = 4.0


class _Pairs:
    """The last pairs of raw embeddings of one kind, and their scores under the metric of now."""

    def __init__(self) -> None:
        self._pairs: Floats | None = None
        self._used = 0
        self._scores = np.zeros(_KEPT, np.float32)

    def add(self, a: Floats, b: Floats, project: Callable[[Floats], Floats]) -> None:
        a, b = a[-_KEPT:], b[-_KEPT:]
        if self._pairs is None:
            self._pairs = np.zeros((_KEPT, 2, a.shape[1]), np.float32)
        rows = (self._used + np.arange(len(a))) % _KEPT
        self._pairs[rows, 0], self._pairs[rows, 1] = a, b
        self._scores[rows] = _similarity(self._pairs[rows], project)
        self._used += len(a)

    def rescore(self, project: Callable[[Floats], Floats]) -> None:
        if self._pairs is not None:
            self._scores[: len(self)] = _similarity(self._pairs[: len(self)], project)

    def __len__(self) -> int:
        return min(self._used, _KEPT)

    @property
    def scores(self) -> Floats:
        return self._scores[: len(self)]


def _similarity(pairs: Floats, project: Callable[[Floats], Floats]) -> Floats:
    seen = project(pairs)
    return np.asarray(np.einsum("nd,nd->n", seen[:, 0], seen[:, 1]), dtype=np.float32)


class ScoreModel:
    """Two Gaussians with a common spread: scores of the same individual and scores of different ones.

    The common spread makes the ratio linear, hence monotone, in the score: a model with two spreads would call very
    high similarities suspicious. The pairs are kept raw, so that the model follows the metric (`rescore`).

    Args:
        project: Maps raw embeddings to where they are compared.
    """

    def __init__(self, project: Callable[[Floats], Floats]) -> None:
        self._project = project
        self._genuine, self._impostor = _Pairs(), _Pairs()

    def observe(self, a: Floats, b: Floats, same: Bools) -> None:
        """Learn from pairs whose truth is known.

        Args:
            a: `(N, D)` float32 raw embeddings.
            b: `(N, D)` float32 raw embeddings, the other half of each pair.
            same: `(N,)`, whether both show the same individual.
        """
        for pairs, mask in ((self._genuine, same), (self._impostor, ~same)):
            if mask.any():
                pairs.add(a[mask], b[mask], self._project)

    def rescore(self) -> None:
        """Measure what is kept anew; to be called when the metric has changed."""
        self._genuine.rescore(self._project)
        self._impostor.rescore(self._project)

    @property
    def trust(self) -> float:
        """How far the model may be believed, from 0 (no evidence) to 1."""
        n = min(len(self._genuine), len(self._impostor))
        return float(np.clip((n - _TRUSTED) / _TRUSTED, 0, 1))

    def llr(self, scores: Floats) -> Floats:
        """Log-likelihood ratios, same over different individual, of an array of scores; 0 says nothing."""
        if not self.trust:
            return np.zeros_like(scores)
        g, i = float(self._genuine.scores.mean()), float(self._impostor.scores.mean())
        slope = max(0.0, g - i) / self._spread() ** 2
        return np.asarray(self.trust * slope * (scores - (g + i) / 2), dtype=np.float32)

    def agreement(self, scores: Floats) -> Floats:
        if not self.trust:
            return np.zeros_like(scores)
        g, i = float(self._genuine.scores.mean()), float(self._impostor.scores.mean())
        half = max((g - i) / 2, 1e-6)
        sep = np.clip((g - i) / self._spread() / SEP, 0, 1)
        return np.asarray(self.trust * sep * np.clip((scores - (g + i) / 2) / half, -1, 1), dtype=np.float32)

    def impostor_bound(self, rate: float) -> float:
        """The score that a different individual exceeds with probability `rate`, in (-1, 1]."""
        if not len(self._impostor):
            return 1.0
        spread = max(float(self._impostor.scores.std()), _MIN_SPREAD)
        return min(1.0, float(self._impostor.scores.mean() + NormalDist().inv_cdf(1 - rate) * spread))

    def genuine_bound(self, share: float) -> float:
        """The score that the same individual exceeds in `share` of cases, in (-1, 1]."""
        return float(np.quantile(self._genuine.scores, 1 - share)) if len(self._genuine) else 1.0

    def _spread(self) -> float:
        pooled = (self._genuine.scores.var() + self._impostor.scores.var()) / 2
        return max(_MIN_SPREAD, float(np.sqrt(pooled)))
