"""Whether one embedding verifies better than another, on identities and times that neither was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints, as_bools, as_doubles
from ..errors import ConfigError
from ..evaluation.retrieval import tar_at_far
from .known_pairs import KnownPairs

FAR = 0.01
FOLDS = 3
# Share of an identity's crops that come after those trained on, where times are known; and its crops for that.
LATE_SHARE = 1 / 3
_MIN_LATE = 6
# Crops a fold, pairs of which are compared: 4 million pairs.
_MAX_CROPS = 2000
_DRAWS = 1000
# Of the bootstrap's draws, below which share of gains none may count as a gain.
_RISK = 0.05

Score = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Crops:
    """Embedded crops and what is known of them.

    Attributes:
        rows: `(N, D)` float32 unit embeddings.
        known: Labels.
        cameras: `(N,)` int64; None where there are none.
        times: `(N,)` seconds; None where they aren't known.
    """

    rows: Floats
    known: KnownPairs
    cameras: Ints | None = None
    times: Doubles | None = None

    def take(self, rows: Ints) -> Crops:
        """Some of them."""
        cameras, times = (None if a is None else a[rows] for a in (self.cameras, self.times))
        return Crops(self.rows[rows], self.known.take(rows), cameras, times)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Gain:
    """How much better one embedding verifies than another; by identity, so that long tracklets don't outweigh others.

    Attributes:
        before: Mean TAR at 1 % FAR of the held-out identities by the first, in [0, 1].
        after: By the second.
        low: Lower bound of the gain, with a confidence of 95 %, from a bootstrap over identities.
        identities: Number of identities with a genuine pair.
    """

    before: float
    after: float
    low: float
    identities: int

    @property
    def value(self) -> float:
        """The gain."""
        return self.after - self.before

    @property
    def sure(self) -> bool:
        """Whether it exceeds the bootstrap's error."""
        return self.low > 0

    def __str__(self) -> str:
        bound = f"at least {self.low:+.3f} with 95 % confidence"
        return f"{self.before:.3f} -> {self.after:.3f} ({self.value:+.3f}, {bound}, {self.identities} identities)"


def folds(crops: Crops, seed: int) -> Iterator[Bools]:
    """Split crops by identity, so that each identity is held out once.

    Args:
        crops: All crops.
        seed: The same seed gives the same folds.

    Yields:
        `(N,)`, which crops are held out.

    Raises:
        ConfigError: If there are too few identities.
    """
    known = crops.known
    if known.count < 2 * FOLDS:
        raise ConfigError(f"training needs {2 * FOLDS} identities or more, to hold some out, got {known.count}")
    fold_of = np.random.default_rng(seed).permutation(known.count) % FOLDS
    for fold in range(FOLDS):
        yield as_bools(fold_of[known.identities] == fold)


def later(crops: Crops) -> Bools:
    """The last third of each identity's crops in time, `(N,)`; none where times aren't known."""
    late = np.zeros(len(crops.rows), bool)
    if crops.times is None:
        return late
    for identity in range(crops.known.count):
        rows = np.flatnonzero(crops.known.identities == identity)
        if len(rows) >= _MIN_LATE:
            ordered = rows[np.argsort(crops.times[rows], kind="stable")]
            late[ordered[round(len(rows) * (1 - LATE_SHARE)) :]] = True
    return late


def identity_tars(crops: Crops, score: Score, asked: Bools, seed: int = 0) -> dict[int, float]:
    """TAR at 1 % FAR of each identity, at the threshold of all impostor pairs.

    Genuine pairs are of two cameras where there are several, else of the farther half in time where times are known.
    Impostor pairs are those of known strangers.

    Args:
        crops: Crops, of which the embedding wasn't trained on those that are asked.
        score: Maps their embeddings to unit rows, compared by cosine.
        asked: `(N,)`; only pairs with one of these count.
        seed: Draws crops where there are too many.

    Returns:
        TAR by identity of `crops.known`; none for an identity without a genuine pair.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(asked))[:_MAX_CROPS])
    some, wanted = crops.take(chosen), asked[chosen]
    names = crops.known.identities[chosen]
    seen = score(some.rows)
    same, different = some.known.masks(np.arange(len(chosen)))
    similarity, counted = as_doubles(seen @ seen.T), wanted[:, None] | wanted
    impostor = similarity[np.triu(different & counted, 1)]
    a, b = _telling(some, *np.nonzero(np.triu(same & counted, 1)))
    genuine = similarity[a, b]
    if not len(impostor):
        return {}
    return {int(n): tar_at_far(genuine[names[a] == n], impostor, FAR) for n in np.unique(names[a])}


def _telling(crops: Crops, a: Ints, b: Ints) -> tuple[Ints, Ints]:
    """Genuine pairs that tell something: of neighboring frames, any embedding is right."""
    kept = np.ones(len(a), bool)
    if crops.cameras is not None and (crops.cameras[a] != crops.cameras[b]).any():
        kept = crops.cameras[a] != crops.cameras[b]
    elif crops.times is not None and len(a):
        apart, who = np.abs(crops.times[a] - crops.times[b]), crops.known.identities[a]
        for identity in np.unique(who):
            of = who == identity
            kept[of] = apart[of] >= np.median(apart[of])
    return a[kept], b[kept]


def gain_of(before: dict[int, float], after: dict[int, float], seed: int = 0) -> Gain:
    """Compare TARs by identity.

    Args:
        before: By one embedding.
        after: By another, of the same identities.
        seed: Of the bootstrap.
    """
    names = sorted(before)
    if not names:
        return Gain(float("nan"), float("nan"), float("-inf"), 0)
    one, two = (as_doubles([tars[n] for n in names]) for tars in (before, after))
    draws = np.random.default_rng(seed).integers(0, len(names), (_DRAWS, len(names)))
    low = float(np.quantile((two - one)[draws].mean(axis=1), _RISK))
    return Gain(float(one.mean()), float(two.mean()), low, len(names))
