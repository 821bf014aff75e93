"""Appearance of pieces under a metric learned on the whole video, calibrated on the video itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints, as_doubles
from ..appearance.embedding import cosine
from ..appearance.metric import Metric
from ..tuning import RefineTuning
from .pieces import Pieces

# Crops at a time, for bounded memory.
_CHUNK = 16384


@dataclass(frozen=True)
class Appearance:
    """What cosines under the learned metric say.

    Attributes:
        metric: The learned metric.
        genuine: Mean score of one individual's.
        impostor: Mean score of different individuals'.
        std: Standard deviation of both.
        separation: d' of the pairs as they are, without priors.
        pairs: Number of genuine and of impostor pairs.
        tuning: Constants.
    """

    metric: Metric
    genuine: float
    impostor: float
    std: float
    separation: float
    pairs: tuple[int, int]
    tuning: RefineTuning

    @property
    def is_discriminative(self) -> bool:
        """Whether individuals can be told apart at all."""
        return min(self.pairs) > 0 and self.separation > self.tuning.min_separation

    def llr(self, scores: Doubles, crops: Doubles) -> Doubles:
        """Log-likelihood ratios, same over different individual.

        Args:
            scores: Cosines of means under the metric, any shape.
            crops: Clean crops of the side that has fewer, of the same shape.

        Returns:
            Nats of the same shape; 0 where nothing can be said.
        """
        if not self.is_discriminative:
            return np.zeros_like(scores)
        slope = (self.genuine - self.impostor) / self.std**2
        value = slope * (scores - (self.genuine + self.impostor) / 2)
        believed = np.where(crops >= self.tuning.min_crops, crops / (crops + self.tuning.min_crops), 0)
        bound = self.tuning.max_appearance
        return np.asarray(believed * np.clip(value, -bound, bound))


def learn_appearance(pieces: Pieces, strangers: Bools, tuning: RefineTuning) -> Appearance:
    """Learn the metric within pieces, then calibrate it.

    Genuine scores are those of halves of pieces, and of pieces that the tracker took for one individual across a gap;
    impostor scores those of pieces visible together.

    Args:
        pieces: Of the whole video.
        strangers: `(P, P)`, which are different individuals for certain.
        tuning: Constants.
    """
    metric = _learn_metric(pieces, tuning)
    enough = pieces.crops >= 2 * tuning.cut_crops
    genuine = _halves(pieces, np.flatnonzero(enough), metric)
    seen = metric.project(pieces.means)
    genuine = np.concatenate([genuine, _resumed(pieces, seen, enough)])
    a, b = np.nonzero(np.triu(strangers & np.outer(enough, enough), 1))
    impostor = np.einsum("nd,nd->n", seen[a], seen[b]).astype(np.float64)
    return calibrate(metric, genuine, impostor, tuning)


def _learn_metric(pieces: Pieces, tuning: RefineTuning) -> Metric:
    metric = Metric()
    clean, labels = pieces.tracks.clean, pieces.labels
    known = np.flatnonzero(clean & (pieces.crops[labels] >= tuning.min_crops))
    for start in range(0, len(known), _CHUNK):
        rows = known[start : start + _CHUNK]
        residuals = pieces.tracks.crops_of(rows) - pieces.means[labels[rows]]
        metric.add_scatter(residuals.T @ residuals, len(rows))
    if len(known):
        metric.refresh(pieces.means[pieces.crops >= tuning.min_crops])
    return metric


def _halves(pieces: Pieces, which: Ints, metric: Metric) -> Doubles:
    """Scores of pieces' first against their last halves, `(N,)`."""
    scores = []
    for piece in which.tolist():
        rows = pieces.rows[piece]
        crops = pieces.tracks.crops_of(rows[pieces.tracks.clean[rows]])
        half = len(crops) // 2
        scores.append(float(similarity(crops[:half], crops[half:], metric)))
    return np.array(scores, np.float64)


def _resumed(pieces: Pieces, seen: Floats, enough: Bools) -> Doubles:
    """Scores of pieces that the tracker took for one individual across a gap, `(N,)`: how alike returns are."""
    order = np.lexsort((pieces.first, pieces.ids))
    a, b = order[:-1], order[1:]
    used = (pieces.ids[a] == pieces.ids[b]) & (pieces.ids[a] > 0) & enough[a] & enough[b]
    return as_doubles(np.einsum("nd,nd->n", seen[a[used]], seen[b[used]]))


def similarity(a: Floats, b: Floats, metric: Metric) -> float:
    """Cosine of two sets' means, `(N, D)` and `(M, D)`, under the metric."""
    means = metric.project(np.stack([a.mean(axis=0), b.mean(axis=0)]))
    return float(cosine(means[:1], means[1:])[0, 0])


def calibrate(metric: Metric, genuine: Doubles, impostor: Doubles, tuning: RefineTuning) -> Appearance:
    """Fit what cosines say to pairs that are known, shrunk toward the prior.

    Args:
        metric: That they were scored under.
        genuine: `(G,)` scores of one individual's.
        impostor: `(I,)` scores of different individuals'.
        tuning: Constants.
    """
    prior, count = tuning.prior_std**2, tuning.prior_pairs
    means = [float(x.mean()) if len(x) else 0.0 for x in (genuine, impostor)]
    squares = [float(((x - m) ** 2).sum()) for x, m in zip((genuine, impostor), means, strict=True)]
    raw = np.sqrt(sum(squares) / max(1, len(genuine) + len(impostor)))
    stds = [(s + count * prior) / (len(x) + count) for s, x in zip(squares, (genuine, impostor), strict=True)]
    mean_genuine = (genuine.sum() + count * tuning.prior_genuine) / (len(genuine) + count)
    return Appearance(
        metric,
        float(min(mean_genuine, means[0])),
        means[1],
        float(np.sqrt(sum(stds) / 2)),
        (means[0] - means[1]) / max(float(raw), 1e-6),
        (len(genuine), len(impostor)),
        tuning,
    )
