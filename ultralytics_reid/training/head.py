"""Learn a head: within-identity whitening, then a linear map trained from there, if held-out data says it is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._typing import Doubles, Floats, as_doubles, as_floats
from ..appearance.embedding import unit
from ..appearance.metric import Metric
from ..errors import ConfigError
from .held_out import Crops, Gain, Score, folds, gain_of, identity_tars
from .losses import pair_loss
from .sampler import PKSampler

Affine = tuple[Floats, Floats]
# Called with steps done and steps in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class HeadTuning:
    """Constants of training a head.

    Attributes:
        steps: Batches.
        identities: Of a batch.
        images: Crops of each.
        rate: Adam's step, in the whitened space, where variances along an identity are about 1.
        pull: Weight of the mean squared distance from whitening.
        max_dims: Of the mapped embeddings.
    """

    steps: int = 200
    identities: int = 32
    images: int = 4
    rate: float = 1e-3
    pull: float = 1.0
    max_dims: int = 512


@dataclass(frozen=True)
class LearnedHead:
    """A head, and what held-out data says of it.

    Attributes:
        center: `(D,)` float32.
        matrix: `(D, d)` float32.
        trained: Whether it was trained beyond whitening.
        whitening: Gain of whitening over plain cosine, on held-out identities.
        identities: Gain of training over whitening, on held-out identities.
        times: The same on later crops of the training identities.
    """

    center: Floats
    matrix: Floats
    trained: bool
    whitening: Gain
    identities: Gain
    times: Gain


def whitening(crops: Crops, max_dims: int) -> Affine:
    """Within-identity whitening, as the tracker learns it: `(D,)` center, `(D, d)` map.

    Args:
        crops: With two crops of some identities at least.
        max_dims: Of the mapped embeddings; the directions in which identities differ most are kept.

    Raises:
        ConfigError: If no identity has two crops, or there are too few identities.
    """
    means = crops.known.means(crops.rows)
    several = np.bincount(crops.known.identities)[crops.known.identities] > 1
    if not several.any():
        raise ConfigError("training needs identities with two images or more, got one image an identity")
    metric = Metric()
    residuals = (crops.rows - means[crops.known.identities])[several]
    metric.add_scatter(residuals.T @ residuals, len(residuals))
    metric.refresh(means)
    if metric.affine is None:
        raise ConfigError(f"training needs more identities than {crops.known.count}")
    center, matrix = metric.affine
    if matrix.shape[1] <= max_dims:
        return center, matrix
    white = (means - center) @ matrix
    _, directions = np.linalg.eigh(white.T @ white)
    return center, as_floats(matrix @ directions[:, -max_dims:])


def applied(affine: Affine) -> Score:
    """Map unit embeddings, `(N, D)`, to unit rows `(N, d)`."""
    center, matrix = affine
    return lambda rows: unit(as_floats((rows - center) @ matrix))


def train_map(crops: Crops, start: Affine, tuning: HeadTuning, loss: str, seed: int) -> Affine:
    """Train a linear map from a start, pulled toward it.

    The map is `start @ (1 + A)`: a step in the whitened space has the same meaning in all directions.

    Args:
        crops: To train on.
        start: Whitening.
        tuning: Constants.
        loss: One of `LOSSES`.
        seed: The same seed gives the same map, on the same machine.

    Returns:
        Center and map; the start itself where no step was possible, as its loss wasn't finite.
    """
    import torch

    center, matrix = start
    white = torch.from_numpy(as_floats((crops.rows - center) @ matrix))
    value = pair_loss(loss)
    change = torch.zeros(matrix.shape[1], matrix.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=tuning.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, tuning.steps)
    sampler = PKSampler(crops.known, min(tuning.identities, crops.known.count), tuning.images, seed)
    step = epoch = 0
    while step < tuning.steps:
        for rows in sampler.epoch(epoch):
            batch = white[torch.from_numpy(rows)]
            pulled = tuning.pull * (change**2).sum() / len(change)
            total = value(batch + batch @ change, *crops.known.masks(rows)) + pulled
            if not torch.isfinite(total):
                break
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step >= tuning.steps:
                break
        else:
            epoch += 1
            continue
        break
    learned = change.detach().numpy()
    return center, as_floats(matrix + matrix @ learned)
