"""Learn a head: within-identity whitening, then a linear map trained from there, if held-out data says it is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, islice

import numpy as np

from .._typing import Bools, Floats, Ints, as_floats
from ..appearance.metric import Metric, Projection
from ..errors import ConfigError
from .held_out import Crops, Gain, Score, folds, gain_of, identity_tars, later
from .losses import pair_loss
from .sampler import PKSampler

Affine = tuple[Floats, Floats]
Train = Callable[[Crops, Affine], Affine]
# TAR that may be lost on one of held-out identities and later crops, where the other gains.
TOLERATED_LOSS = 0.01
# Dimensions of a head's embeddings at most.
_MAX_DIMS = 512


@dataclass(frozen=True)
class HeadTuning:
    """Constants of training a head.

    Attributes:
        steps: Batches.
        identities: Of a batch.
        images: Crops of each.
        rate: Adam's step, in the whitened space, where variances along an identity are 1 at most.
        pulls: Weights of the mean squared distance from whitening that are tried, in this order. On PETS' first half
            (10 people), SupCon with a pull of 0.3 lost 50 points of TAR on people who weren't trained on; batch-hard
            triplets with 10 lost 2, with 30 lost 1.
    """

    steps: int = 100
    identities: int = 64
    images: int = 4
    rate: float = 1e-3
    pulls: tuple[float, ...] = (10.0, 30.0, 100.0)


@dataclass(frozen=True)
class LearnedHead:
    """A head, and what held-out data says of it.

    Attributes:
        center: `(D,)` float32.
        matrix: `(D, d)` float32.
        trained: Whether it was trained beyond whitening.
        whitening: Gain of whitening over plain cosine, on held-out identities.
        identities: Gain of training over whitening, on held-out identities.
        times: The same on later crops of known identities.
    """

    center: Floats
    matrix: Floats
    trained: bool
    whitening: Gain
    identities: Gain
    times: Gain


def whitening(crops: Crops) -> Affine:
    """Within-identity whitening, as the tracker learns it: `(D,)` center, `(D, d)` map, of at most 512 dimensions.

    Of longer embeddings those directions are kept in which the mapped crops differ most.

    Args:
        crops: With two crops of some identities at least.

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
    center, axes = metric.affine
    if axes.shape[1] > _MAX_DIMS:
        mapped = metric.linear(crops.rows)
        axes = as_floats(axes @ np.linalg.eigh(mapped.T @ mapped)[1][:, -_MAX_DIMS:])
    return center, axes


def applied(affine: Affine) -> Score:
    """Map unit embeddings, `(N, D)`, to unit rows `(N, d)`."""
    return Projection(*affine).project


def train_map(crops: Crops, start: Affine, tuning: HeadTuning, *, loss: str, seed: int, pull: float) -> Affine:
    """Train a linear map from a start, pulled toward it.

    The map is `start @ (1 + A)`: a step in the whitened space has the same meaning in all directions.

    Args:
        crops: To train on.
        start: Whitening.
        tuning: Constants.
        loss: One of `LOSSES`.
        seed: The same seed gives the same map, on the same machine.
        pull: Weight of the mean squared distance from the start.

    Returns:
        Center and map. Where a loss isn't finite, training stops, and the map of before that step is returned.

    Raises:
        ConfigError: If pytorch-metric-learning isn't installed.
    """
    value = pair_loss(loss)
    import torch

    center, matrix = start
    white = torch.from_numpy(as_floats((crops.rows - center) @ matrix))
    change = torch.zeros(matrix.shape[1], matrix.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=tuning.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, tuning.steps)
    for rows in islice(_batches(crops, tuning, seed), tuning.steps):
        batch = white[torch.from_numpy(rows)]
        pulled = pull * (change**2).sum() / len(change)
        total = value(batch + batch @ change, *crops.known.masks(rows)) + pulled
        if not torch.isfinite(total):
            break
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
    return center, as_floats(matrix + matrix @ change.detach().numpy())


def _batches(crops: Crops, tuning: HeadTuning, seed: int) -> Iterator[Ints]:
    images = min(tuning.images, max(2, int(np.median(np.bincount(crops.known.identities)))))
    sampler = PKSampler(crops.known, min(tuning.identities, crops.known.count), images, seed)
    return chain.from_iterable(map(sampler.epoch, count()))


@dataclass(frozen=True, eq=False)
class _Split:
    """What is trained on and what is asked.

    Attributes:
        asked: `(N,)`, crops whose pairs are scored; they aren't trained on.
        compared: `(N,)`, these and those that they are compared with.
        kept: Crops to train on.
        start: Their whitening.
    """

    asked: Bools
    compared: Bools
    kept: Crops
    start: Affine

    @classmethod
    def of(cls, crops: Crops, asked: Bools, compared: Bools, trained: Bools) -> _Split:
        """Fit whitening to the crops that are `trained`."""
        kept = crops.take(np.flatnonzero(trained))
        return cls(asked, compared, kept, whitening(kept))

    def scored(self, crops: Crops, score: Score) -> dict[int, float]:
        """TAR by identity of `crops`."""
        rows = np.flatnonzero(self.compared)
        names = np.unique(crops.known.identities[rows])
        found = identity_tars(crops.take(rows), score, self.asked[rows])
        return {int(names[n]): tar for n, tar in found.items()}


def _splits(crops: Crops, seed: int) -> tuple[list[_Split], list[_Split]]:
    """Splits by identity, and the one in time, if times are known.

    Held-out identities are compared with crops that weren't trained on: trained ones are alike beyond what can be hoped
    for. Later crops are compared with the earlier ones that were trained on, as returns are with what is enrolled.
    """
    late = later(crops)
    every = np.ones(len(late), bool)
    by_identity = [_Split.of(crops, out, out | late, ~(out | late)) for out in folds(crops, seed)]
    return by_identity, [_Split.of(crops, late, every, ~late)] if late.any() else []


def learn_head(
    crops: Crops,
    *,
    loss: str = "triplet",
    seed: int = 0,
    tuning: HeadTuning | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> LearnedHead:
    """Learn a head, and keep plain whitening unless held-out data says that training is better.

    Each identity is held out once; where times are known, so is the last third of each one's crops, at once. Weak pulls
    toward whitening are tried first; the first that `is_better` is kept, and learned on all crops.

    Args:
        crops: Embedded crops.
        loss: One of `LOSSES`.
        seed: Of folds, batches and bootstrap.
        tuning: Constants in place of the shipped ones.
        report: Takes a line a trial.

    Raises:
        ConfigError: If the crops don't suffice: too few identities, one image an identity, no known strangers.
    """
    tuning = tuning or HeadTuning()
    _check(crops)
    splits, in_time = _splits(crops, seed)
    plain = _joined(s.scored(crops, _plain) for s in splits)
    if not plain:
        raise ConfigError("no two identities are known to differ: nothing can be verified, and nothing learned")
    white, white_later = (_joined(s.scored(crops, applied(s.start)) for s in some) for some in (splits, in_time))
    start = whitening(crops)
    found = LearnedHead(*start, False, gain_of(plain, white), gain_of({}, {}), gain_of({}, {}))
    for pull in tuning.pulls:
        fit = partial(train_map, tuning=tuning, loss=loss, seed=seed, pull=pull)
        tars = [_joined(_trained(crops, s, fit) for s in some) for some in (splits, in_time)]
        found = replace(found, identities=gain_of(white, tars[0]), times=gain_of(white_later, tars[1]))
        report(f"pull {pull:g}: {found.identities.value:+.3f} on held-out identities{_later_text(found.times)}")
        if is_better(found.identities, found.times):
            center, matrix = fit(crops, start)
            return replace(found, center=center, matrix=matrix, trained=True)
    return found


def _trained(crops: Crops, split: _Split, fit: Train) -> dict[int, float]:
    return split.scored(crops, applied(fit(split.kept, split.start)))


def _joined(parts: Iterable[dict[int, float]]) -> dict[int, float]:
    return {identity: tar for part in parts for identity, tar in part.items()}


def _later_text(times: Gain) -> str:
    return f", {times.value:+.3f} on later crops" if times.identities else ""


def is_better(identities: Gain, times: Gain) -> bool:
    """Whether training counts as better than whitening.

    Its gain must exceed the bootstrap's error on held-out identities or on later crops of known ones, and on the other
    of both it may lose no more than a point.

    Args:
        identities: Gain on held-out identities.
        times: Gain on later crops; of no identity where times aren't known.
    """
    if not times.identities:
        return identities.sure
    return (identities.sure or times.sure) and min(identities.value, times.value) >= -TOLERATED_LOSS


def _plain(rows: Floats) -> Floats:
    return rows


def _check(crops: Crops) -> None:
    if not np.isfinite(crops.rows).all():
        raise ConfigError("embeddings must be finite")
    if crops.known.count < 2:  # noqa: PLR2004
        raise ConfigError("training needs several identities, got one: there is nothing to tell apart")
