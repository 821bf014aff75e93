"""The learned metric: within-tracklet whitening, online.

A tracklet is a free label: all its crops show one individual. What varies along it (pose, light, box jitter) is
noise, so whitening by the within-tracklet scatter keeps what tells individuals apart. This is linear discriminant
analysis with tracklets for classes (Fisher 1936; WCCN, Hatch et al. 2006), shrunk toward a multiple of the identity
(Ledoit & Wolf 2004). Raw vectors are what is stored; they are projected when they are compared, so that a better
metric never makes memory stale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from .._typing import Floats
from ..tuning import (
    FIRST_REFRESH,
    MAX_METRIC_DIMS,
    MIN_INDIVIDUALS,
    PLENTY_OF_CROPS,
    PRIOR_TRACKLETS,
    REFRESH_GROWTH,
    SAMPLED_STRETCHES,
    SCATTER_BATCH,
    SHRINKAGE,
    UNMET_SHARE,
)
from .embedding import unit

_TINY = 1e-9


class Metric:
    """Within-tracklet whitening with a safe start: until there is evidence it is plain cosine.

    Args:
        learns: Whether to learn at all; if not, it stays plain cosine.

    Attributes:
        version: Grows by one with every refresh; caches of projections compare it.
    """

    def __init__(self, *, learns: bool = True) -> None:
        self.version = 0
        self._learns = learns
        self._center: Floats | None = None
        self._map: Floats | None = None
        self._scatter: npt.NDArray[np.float32] | None = None
        self._crops = 0
        self._offered = 0
        self._refreshed_at = 0
        self._pending: list[Floats] = []

    def observe(self, residuals: Floats) -> None:
        """Learn from crops of unbroken tracklets.

        Args:
            residuals: `(N, D)` float32, each a unit embedding less the mean of its tracklet's clean ones.
        """
        self._offered += 1
        if not self._learns or (self._crops >= PLENTY_OF_CROPS and self._offered % SAMPLED_STRETCHES):
            return
        self._pending.append(residuals)
        if sum(map(len, self._pending)) >= SCATTER_BATCH:
            self._absorb()

    def _absorb(self) -> None:
        batch = np.concatenate(self._pending)
        self._pending.clear()
        outer = batch.T @ batch
        self._scatter = outer if self._scatter is None else self._scatter + outer
        self._crops += len(batch)

    @property
    def scatter(self) -> tuple[Floats, int] | None:
        """The within-tracklet scatter, `(D, D)`, summed over so many crops; None as long as there is none."""
        return None if self._scatter is None else (self._scatter, self._crops)

    def add_scatter(self, scatter: Floats, crops: int) -> None:
        """Take over what another metric has learned, of the same embedder: its `scatter`."""
        self._scatter = scatter.copy() if self._scatter is None else self._scatter + scatter
        self._crops += crops

    @property
    def due(self) -> bool:
        """Whether there is so much new evidence that `refresh` pays."""
        return self._crops >= max(FIRST_REFRESH, REFRESH_GROWTH * self._refreshed_at)

    def refresh(self, means: Floats) -> None:
        """Recompute the projection.

        Args:
            means: `(K, D)` float32, one mean embedding an individual; their mean becomes the origin.
        """
        if self._scatter is None or len(means) < MIN_INDIVIDUALS:
            return
        trust = len(means) / (len(means) + PRIOR_TRACKLETS)
        self._center = np.asarray(trust * means.mean(axis=0), dtype=np.float32)
        whitener = _inverse_root(self._scatter / np.float32(self._crops), self._crops)
        self._map = _informative(means - self._center, whitener)
        self._refreshed_at = self._crops
        self.version += 1

    @property
    def affine(self) -> tuple[Floats, Floats] | None:
        """Center `(D,)` and map `(D, d)` of `linear`; None as long as nothing was learned."""
        return None if self._map is None or self._center is None else (self._center, self._map)

    def project(self, vectors: Floats) -> Floats:
        """Map raw embeddings to where cosine means identity.

        Args:
            vectors: `(..., D)` float32 raw embeddings; rows of zeros stay zero.

        Returns:
            `(..., d)` float32 unit vectors; `d` is D until something was learned, and at most 512 from then on.
        """
        return unit(vectors if self._map is None else self._onto(self._map, vectors))

    def linear(self, vectors: Floats) -> Floats:
        """What `project` gives before it is scaled to norm 1: means of it are projected means, but for their norm.

        Args:
            vectors: `(N, D)` float32 raw embeddings; rows of zeros stay zero.

        Returns:
            `(N, d)` float32.
        """
        return vectors if self._map is None else self._onto(self._map, vectors)

    def narrowed(self, directions: Floats) -> Callable[[Floats], Floats]:
        """What `project` gives, seen from some directions only, in one step that costs far less.

        Args:
            directions: `(d, n)` float32 orthonormal columns, in the space that `project` maps to.

        Returns:
            Maps `(..., D)` raw embeddings to `(..., n)` float32 unit vectors, under the metric of now.
        """
        onto = directions if self._map is None else self._map @ directions
        return lambda vectors: unit(self._onto(onto, vectors))

    def against_raw(self, vectors: Floats) -> Floats:
        """What to compare raw vectors with for their inner products to rank as those under the metric do.

        Only the other side's norm is missing then, which differs little: good enough for a shortlist
        among vectors that can't all be projected anew whenever the metric changes.

        Args:
            vectors: `(N, D)` float32 raw embeddings.

        Returns:
            `(N, D)` float32 unit vectors.
        """
        if self._map is None or self._center is None:
            return unit(vectors)
        return unit((vectors - self._center) @ self._map @ self._map.T)

    def _onto(self, axes: Floats, vectors: Floats) -> Floats:
        rows = vectors.reshape(-1, vectors.shape[-1])  # NumPy would multiply a stack of matrices one by one
        mapped = (rows if self._center is None else rows - self._center) @ axes
        mapped[~np.any(rows, axis=1)] = 0
        return np.asarray(mapped, np.float32).reshape(*vectors.shape[:-1], axes.shape[1])


def _inverse_root(scatter: Floats, crops: int) -> Floats:
    """`W` with `W @ W.T` the inverse of the scatter, shrunk toward its mean eigenvalue; the fewer crops, the more."""
    dim = len(scatter)
    level = float(np.trace(scatter)) / dim
    blend = dim / (dim + crops)  # with fewer crops than dimensions, most directions were never seen
    target = np.asarray((1 - blend) * scatter, np.float32)
    np.fill_diagonal(target, target.diagonal() + (blend + SHRINKAGE) * max(level, _TINY))
    # Inner products are all that counts, so any root will do; Cholesky's is some ten times cheaper than eigh's.
    inverse, _ = lapack.strtri(np.linalg.cholesky(target), lower=1)
    return np.ascontiguousarray(inverse.T)


def _informative(means: Floats, whitener: Floats) -> Floats:
    """The whitener, narrowed to the directions in which individuals differ most, `(D, d)`.

    Args:
        means: `(K, D)` individuals' means, centerd.
        whitener: `(D, D)`.
    """
    if len(whitener) <= MAX_METRIC_DIMS:
        return whitener
    white, level = means @ whitener, max(float((means**2).mean()), _TINY)
    known = np.float32((1 - UNMET_SHARE) / len(white)) * (white.T @ white)
    unmet = np.float32(UNMET_SHARE * level) * (whitener.T @ whitener)
    _, directions = eigh(known + unmet, driver="evd", overwrite_a=True, check_finite=False)
    return np.asarray(whitener @ directions[:, -MAX_METRIC_DIMS:])
