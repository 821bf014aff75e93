"""Synthetic embeddings: identities with nuisance directions that whitening and training can remove."""

import numpy as np

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.training.held_out import Crops
from ultralytics_reid.training.known_pairs import KnownPairs


def crops_of(*, identities=24, images=12, dim=32, nuisance=3.0, seed=0, different=None):
    """Crops whose first half of dimensions tells identities, and whose second half varies along each."""
    rng = np.random.default_rng(seed)
    half = dim // 2
    tells = np.repeat(rng.normal(size=(identities, half)), images, axis=0)
    tells += 0.3 * rng.normal(size=tells.shape)
    varies = nuisance * rng.normal(size=(len(tells), dim - half))
    rows = unit(np.concatenate([tells, varies], axis=1).astype(np.float32))
    known = KnownPairs.of(np.repeat(np.arange(identities), images), different)
    times = np.tile(np.arange(images, dtype=np.float64), identities)
    return Crops(rows, known, None, times)
