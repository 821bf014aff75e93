"""Statistics as a camera learns them."""

import numpy as np

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.evidence import LearnedStatistics


def evidence(dim=64, scale=1.0):
    """Make the statistics of twelve people, 25 noisy crops each; the scatter is scaled."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(12, 1, dim))
    crops = unit((people + 0.1 * rng.normal(size=(12, 25, dim))).astype(np.float32))
    means = crops.mean(axis=1)
    off = (crops - means[:, None]).reshape(-1, dim)
    genuine = crops[:, :24].reshape(-1, 2, dim)
    impostor = np.stack([crops[:-1, :10], crops[1:, :10]], axis=2).reshape(-1, 2, dim)
    return LearnedStatistics(np.float32(scale) * (off.T @ off), len(off), genuine[:100], impostor[:100], means)
