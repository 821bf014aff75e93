"""The learned metric: probabilistic linear discriminant analysis with tracklets for classes, online.

A tracklet is a free label: all its crops show one individual. What varies along it (pose, light, box jitter) is noise,
`S`; what differs between the means of individuals, `B`, tells them apart. Inner products under `1/S - 1/(S + n B)` are
what tells whether two means of `n` crops show one individual (PLDA with two covariances: Ioffe 2006; Brümmer & de
Villiers 2010). Noise is whitened, as by within-class covariance normalization (Hatch et al. 2006), and directions in
which individuals hardly differ fade. `S` is shrunk toward a multiple of the identity (Ledoit & Wolf 2004), and so is
`B`, for individuals not met yet. Raw vectors are what is stored; they are projected when they are compared, so that a
better metric never makes memory stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from .._typing import Floats, as_floats
from ..tuning import (
    FIRST_REFRESH,
    INDEPENDENT_CROPS,
    MAX_BETWEEN,
    MIN_INDIVIDUALS,
    PLENTY_OF_CROPS,
    PRIOR_MET,
    PRIOR_TRACKLETS,
    REFRESH_GROWTH,
    REFRESH_WORK,
    SAMPLED_STRETCHES,
    SCATTER_BATCH,
    SHRINKAGE,
    UNMET_SHARE,
)
from .embedding import row_blocks, unit

_TINY = 1e-9
# Least variance between individuals, as a share of that within, by which it is divided.
_MIN_BETWEEN = 1e-3
# Dimensions from which on a matrix is factored in two halves.
_BLOCK = 64


class Metric:
    """Discriminant analysis of tracklets with a safe start: until there is evidence it is plain cosine.

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
            `(..., d)` float32 unit vectors; `d` is D, unless the projection is narrowed.
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
    """A projection in the making, in steps of which a frame can spare a few.

    The axes are the inverse root of `S + S (nB)^-1 S`, which is the inverse of `1/S - 1/(S + nB)`. With `nB` a multiple
    `a` of the identity and the scatter of a few individuals' means, its own inverse is `1/a` less a matrix of low rank
    (Woodbury).

    Args:
        scatter: `(D, D)` within-tracklet scatter, summed over `crops`.
        crops: Number of those crops.
        means: `(K, D)` individuals' means.

    Attributes:
        dim: Dimension of the embeddings.
        crops: Number of crops that it is made of.
        projection: The result, after all steps.
        steps: What is to be done, in this order: its cost in multiplications, and the function.
    """

    def __init__(self, scatter: Floats, crops: int, means: Floats) -> None:
        trust = len(means) / (len(means) + PRIOR_TRACKLETS)
        self.dim = dim = len(scatter)
        self.crops = crops
        self._center = np.asarray(trust * means.mean(axis=0), dtype=np.float32)
        some = np.linspace(0, len(means) - 1, min(len(means), MAX_BETWEEN)).astype(int)
        self._means: Floats = means[some] - self._center
        self._within = scatter
        self._matrix = np.empty_like(scatter)
        self.projection = Projection()
        rows = max(1, REFRESH_WORK // dim**2)
        # Copies of matrices count as what could be multiplied meanwhile.
        copied = dim**3 // 4
        self.steps: list[tuple[int, Callable[[], None]]] = [(2 * len(some) * dim**2 + copied, self._weigh)]
        self.steps += [((b.stop - b.start) * dim**2, partial(self._add, b)) for b in row_blocks(dim, rows)]
        self.steps += [(dim**3 // 4, step) for step in (self._invert_first, self._invert_second, self._join)]

    def _weigh(self) -> None:
        """Shrink both covariances, and prepare the part of low rank."""
        individuals = len(self._means)
        covariance = self._within / np.float32(self.crops)
        # Means of a finite number of crops differ by chance, too: all of it where embeddings tell nobody apart.
        chance = float(np.trace(covariance)) / len(covariance) * individuals / self.crops
        self._within = _shrunk(covariance, self.crops)
        spread = max(float((self._means**2).mean()), _TINY)
        met = (1 - UNMET_SHARE) * max(0.0, 1 - chance / spread) * individuals / (individuals + PRIOR_MET)
        least = _MIN_BETWEEN * float(np.trace(self._within)) / len(self._within)  # float32 can't hold its square beyond
        self._level = np.float32(max(INDEPENDENT_CROPS * (1 - met) * spread, least))
        known = np.float32(max(INDEPENDENT_CROPS * met / individuals, _TINY))
        overlap = self._means @ self._means.T / self._level
        core = np.linalg.inv(overlap + np.eye(individuals, dtype=np.float32) / known)
        self._seen = self._means @ self._within
        self._weighed = as_floats(core / self._level**2) @ self._seen

    def _add(self, rows: slice) -> None:
        inverse = self._within[rows] / self._level
        self._matrix[rows] = self._within[rows] + inverse @ self._within - self._seen[:, rows].T @ self._weighed

    def _invert_first(self) -> None:
        half = len(self._matrix) // 2
        self._first = _inverse_root(self._matrix[:half, :half])

    def _invert_second(self) -> None:
        self._below, self._second = _second_block(self._first, self._matrix)

    def _join(self) -> None:
        axes = np.ascontiguousarray(_joined(self._first, self._below, self._second).T)
        self.projection = Projection(self._center, axes)
        del self._within, self._matrix, self._seen, self._weighed, self._first, self._below, self._second


def _shrunk(covariance: Floats, crops: int) -> Floats:
    """Shrink a covariance matrix toward its mean eigenvalue; the fewer crops, the more."""
    dim = len(covariance)
    level = float(np.trace(covariance)) / dim
    blend = dim / (dim + crops)  # with fewer crops than dimensions, most directions were never seen
    shrunk = np.asarray((1 - blend) * covariance, np.float32)
    np.fill_diagonal(shrunk, shrunk.diagonal() + (blend + SHRINKAGE) * max(level, _TINY))
    return shrunk


def _inverse_root(matrix: Floats) -> Floats:
    """The inverse of the Cholesky factor of a positive definite matrix, `(D, D)` lower triangular.

    Inner products are all that counts, so any inverse root will do, and Cholesky's is some ten times cheaper than
    eigh's. Block by block, nearly all of it is matrix multiplication: faster than LAPACK's two steps, and without
    SciPy, which takes longer to import than all of this package.
    """
    dim = len(matrix)
    if dim <= _BLOCK:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)), np.float32)
    first = _inverse_root(matrix[: dim // 2, : dim // 2])
    return _joined(first, *_second_block(first, matrix))


def _second_block(first: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """What is left of a matrix below its first block, given that block's inverse root; and the inverse root of that."""
    half = len(first)
    below = matrix[half:, :half] @ first.T
    return below, _inverse_root(matrix[half:, half:] - below @ below.T)


def _joined(first: Floats, below: Floats, second: Floats) -> Floats:
    """The inverse root of a matrix of whose two blocks it is known."""
    half, dim = len(first), len(first) + len(second)
    inverse = np.zeros((dim, dim), np.float32)
    inverse[:half, :half], inverse[half:, half:] = first, second
    inverse[half:, :half] = -(second @ below) @ first
    return inverse
