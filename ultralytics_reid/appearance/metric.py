"""The learned metric: within-tracklet whitening, online.

A tracklet is a free label: all its crops show one individual. What varies along it (pose, light, box jitter) is
noise, so whitening by the within-tracklet scatter keeps what tells individuals apart. This is linear discriminant
analysis with tracklets for classes (Fisher 1936; WCCN, Hatch et al. 2006), shrunk toward a multiple of the identity
(Ledoit & Wolf 2004). Raw vectors are what is stored; they are projected when they are compared, so that a better
metric never makes memory stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
# Dimensions from which on a matrix is factored in two halves.
_BLOCK = 64


class Metric:
    """Within-tracklet whitening with a safe start: until there is evidence it is plain cosine.

    Args:
        learns: Whether to learn at all; if not, it stays plain cosine.

    Attributes:
        version: Grows by one with every refresh; caches of projections compare it.
        projection: What it projects by now.
    """

    def __init__(self, *, learns: bool = True) -> None:
        self.version = 0
        self._learns = learns
        self.projection = Projection()
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

    def _absorb(self) -> None:
        """Add what waits to the scatter, if it is worth a multiplication: once a frame, not once a tracklet."""
        if sum(map(len, self._pending)) < SCATTER_BATCH:
            return
        batch = np.concatenate(self._pending)
        self._pending.clear()
        outer = batch.T @ batch
        self._scatter = outer if self._scatter is None else self._scatter + outer
        self._crops += len(batch)

    @property
    def scatter(self) -> tuple[Floats, int] | None:
        """The within-tracklet scatter, `(D, D)`, summed over so many crops; None as long as there is none."""
        self._absorb()
        return None if self._scatter is None else (self._scatter, self._crops)

    def add_scatter(self, scatter: Floats, crops: int) -> None:
        """Take over what another metric has learned, of the same embedder: its `scatter`."""
        self._scatter = scatter.copy() if self._scatter is None else self._scatter + scatter
        self._crops += crops

    @property
    def due(self) -> bool:
        """Whether there is so much new evidence that `refresh` pays."""
        self._absorb()
        return self._crops >= max(FIRST_REFRESH, REFRESH_GROWTH * self._refreshed_at)

    def fit(self, means: Floats) -> ProjectionFit | None:
        """Begin to compute a projection of all evidence so far; None as long as there is too little.

        Args:
            means: `(K, D)` float32, one mean embedding an individual; their mean becomes the origin.
        """
        self._absorb()
        if self._scatter is None or len(means) < MIN_INDIVIDUALS:
            return None
        return ProjectionFit(self._scatter, self._crops, means)

    def adopt(self, fit: ProjectionFit) -> None:
        """Project as a fit that is done says from now on."""
        self.projection, self._refreshed_at = fit.projection, fit.crops
        self.version += 1

    def refresh(self, means: Floats) -> None:
        """Recompute the projection at once; see `fit`."""
        fit = self.fit(means)
        if fit is not None:
            for _, step in fit.steps:
                step()
            self.adopt(fit)

    @property
    def affine(self) -> tuple[Floats, Floats] | None:
        """See `Projection.affine`."""
        return self.projection.affine

    def project(self, vectors: Floats) -> Floats:
        """See `Projection.project`."""
        return self.projection.project(vectors)

    def linear(self, vectors: Floats) -> Floats:
        """See `Projection.linear`."""
        return self.projection.linear(vectors)

    def against_raw(self, vectors: Floats) -> Floats:
        """See `Projection.against_raw`."""
        return self.projection.against_raw(vectors)


@dataclass(frozen=True, eq=False)
class Projection:
    """A map from raw embeddings to where cosine means identity; without a center and axes it is plain cosine.

    Attributes:
        center: `(D,)` float32, the origin; None for zeros.
        axes: `(D, d)` float32; None for the identity.
    """

    center: Floats | None = None
    axes: Floats | None = None

    @property
    def affine(self) -> tuple[Floats, Floats] | None:
        """Center `(D,)` and axes `(D, d)` of `linear`; None as long as nothing was learned."""
        return None if self.axes is None or self.center is None else (self.center, self.axes)

    def project(self, vectors: Floats) -> Floats:
        """Map raw embeddings to where cosine means identity.

        Args:
            vectors: `(..., D)` float32 raw embeddings; rows of zeros stay zero.

        Returns:
            `(..., d)` float32 unit vectors; `d` is D until something was learned, and at most 512 from then on.
        """
        return unit(self.linear(vectors))

    def linear(self, vectors: Floats) -> Floats:
        """What `project` gives before it is scaled to norm 1: means of it are projected means, but for their norm.

        Args:
            vectors: `(..., D)` float32 raw embeddings; rows of zeros stay zero.

        Returns:
            `(..., d)` float32.
        """
        return vectors if self.axes is None else self._onto(self.axes, vectors)

    def narrowed(self, directions: Floats) -> Projection:
        """What `project` gives, seen from some directions only, in one step that costs far less.

        Args:
            directions: `(d, n)` float32 orthonormal columns, in the space that `project` maps to.
        """
        return Projection(self.center, directions if self.axes is None else self.axes @ directions)

    def against_raw(self, vectors: Floats) -> Floats:
        """What to compare raw vectors with for their inner products to rank as those under the metric do.

        Only the other side's norm is missing then, which differs little: good enough for a shortlist
        among vectors that can't all be projected anew whenever the metric changes.

        Args:
            vectors: `(N, D)` float32 raw embeddings.

        Returns:
            `(N, D)` float32 unit vectors.
        """
        if self.axes is None or self.center is None:
            return unit(vectors)
        return unit((vectors - self.center) @ self.axes @ self.axes.T)

    def _onto(self, axes: Floats, vectors: Floats) -> Floats:
        rows = vectors.reshape(-1, vectors.shape[-1])  # NumPy would multiply a stack of matrices one by one
        mapped = (rows if self.center is None else rows - self.center) @ axes
        mapped[~np.any(rows, axis=1)] = 0
        return np.asarray(mapped, np.float32).reshape(*vectors.shape[:-1], axes.shape[1])


class ProjectionFit:
    """A projection in the making, in steps of which a frame can spare one or two.

    Args:
        scatter: `(D, D)` within-tracklet scatter, summed over `crops`.
        crops: Number of those crops.
        means: `(K, D)` individuals' means.

    Attributes:
        crops: Number of crops that it is made of.
        projection: The result, after all steps.
        steps: What is to be done, in this order: its cost in multiplications, and the function.
    """

    def __init__(self, scatter: Floats, crops: int, means: Floats) -> None:
        trust = len(means) / (len(means) + PRIOR_TRACKLETS)
        self.crops = crops
        self._matrix = scatter
        self._center = np.asarray(trust * means.mean(axis=0), dtype=np.float32)
        self._means: Floats = means - self._center
        self.projection = Projection()
        cube = len(scatter) ** 3
        self.steps: list[tuple[int, Callable[[], None]]] = [(2 * cube, self._whiten)]
        if len(scatter) > MAX_METRIC_DIMS:
            self.steps.append((10 * cube, self._narrow))

    def _whiten(self) -> None:
        self._matrix = _whitener(self._matrix / np.float32(self.crops), self.crops)
        self.projection = Projection(self._center, self._matrix)

    def _narrow(self) -> None:
        self.projection = Projection(self._center, _informative(self._means, self._matrix))


def _whitener(scatter: Floats, crops: int) -> Floats:
    """`W` with `W.T @ S @ W` the identity; `S` is the scatter, shrunk toward its mean eigenvalue.

    The fewer crops, the more it is shrunk. Inner products are all that counts, so the inverse of any root will do;
    Cholesky's is some ten times cheaper than eigh's.
    """
    dim = len(scatter)
    level = float(np.trace(scatter)) / dim
    blend = dim / (dim + crops)  # with fewer crops than dimensions, most directions were never seen
    target = np.asarray((1 - blend) * scatter, np.float32)
    np.fill_diagonal(target, target.diagonal() + (blend + SHRINKAGE) * max(level, _TINY))
    return np.ascontiguousarray(_inverse_root(target).T)


def _inverse_root(matrix: Floats) -> Floats:
    """The inverse of the Cholesky factor of a positive definite matrix, `(D, D)` lower triangular.

    Block by block, so that nearly all of it is matrix multiplication: faster than LAPACK's two steps, and without
    SciPy, which takes longer to import than all of this package.
    """
    dim = len(matrix)
    if dim <= _BLOCK:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)), np.float32)
    half = dim // 2
    inverse = np.zeros_like(matrix)
    first = inverse[:half, :half] = _inverse_root(matrix[:half, :half])
    below = matrix[half:, :half] @ first.T
    second = inverse[half:, half:] = _inverse_root(matrix[half:, half:] - below @ below.T)
    inverse[half:, :half] = -(second @ below) @ first
    return inverse


def _informative(means: Floats, whitener: Floats) -> Floats:
    """The whitener, narrowed to the directions in which individuals differ most, `(D, d)`.

    Args:
        means: `(K, D)` individuals' means, centered.
        whitener: `(D, D)`, of more than `MAX_METRIC_DIMS`.
    """
    from scipy.linalg import eigh  # takes long to import, and few embedders have that many dimensions

    white, level = means @ whitener, max(float((means**2).mean()), _TINY)
    known = np.float32((1 - UNMET_SHARE) / len(white)) * (white.T @ white)
    unmet = np.float32(UNMET_SHARE * level) * (whitener.T @ whitener)
    _, directions = eigh(known + unmet, driver="evd", overwrite_a=True, check_finite=False)
    return np.asarray(whitener @ directions[:, -MAX_METRIC_DIMS:])
