"""The coarse half of a search: one vector a slot, laid out so that finding the nearest few is cheap."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Floats, Ints

# Slots a block. BLAS multiplies a few queries by matrices this small where they lie; bigger ones it copies first, which
# takes three times as long as the arithmetic.
_BLOCK = 32
_GROUPS = 16


class Centroids:
    """Unit vectors by slot, kept in blocks `(B, n, 32)` of 32 slots each.

    Args:
        slots: How many there is room for, at least.
        dim: Their dimension `n`.
    """

    def __init__(self, slots: int, dim: int) -> None:
        self._blocks: Floats = np.zeros((-(-slots // _BLOCK), dim, _BLOCK), np.float32)

    def __len__(self) -> int:
        """How many slots there is room for."""
        return len(self._blocks) * _BLOCK

    @property
    def nbytes(self) -> int:
        """Bytes that the vectors take."""
        return self._blocks.nbytes

    def put(self, slots: Ints, vectors: Floats) -> None:
        """Set the vectors, `(N, n)`, of `N` slots."""
        self._blocks[slots // _BLOCK, :, slots % _BLOCK] = vectors

    def compare(self, queries: Floats, slots: int) -> Floats:
        """Inner products of queries `(Q, n)` with the first so many slots, `(Q, slots)`."""
        blocks = self._blocks[: -(-slots // _BLOCK)]
        scores = np.empty((len(queries), len(blocks), _BLOCK), np.float32)
        np.matmul(queries, blocks, out=scores.transpose(1, 0, 2))
        return scores.reshape(len(queries), -1)[:, :slots]


def widest(vectors: Floats, k: int) -> Floats:
    """The `k` directions in which vectors `(N, d)` extend furthest: orthonormal columns, `(d, k)` float32."""
    from scipy.linalg import eigh  # takes long to import, and memory is that full in few videos

    dim = vectors.shape[1]
    scatter = vectors.T @ vectors
    _, columns = eigh(scatter, subset_by_index=[dim - k, dim - 1], overwrite_a=True, check_finite=False)
    return np.ascontiguousarray(columns, np.float32)


def highest(scores: Floats, allowed: Bools, k: int) -> Ints:
    """Columns that are among the `k` highest that a row allows, of any row; all it allows if there are no more.

    Args:
        scores: `(Q, S)`.
        allowed: `(Q, S)`.
        k: 1 or more.

    Returns:
        `(C,)` columns, sorted and unique.
    """
    chosen = np.zeros(allowed.shape[1], bool)
    for row, able in zip(scores, allowed, strict=True):
        few = np.count_nonzero(able) <= k
        chosen[able if few else _highest_of(np.where(able, row, -np.inf), k)] = True
    return np.flatnonzero(chosen)


def _highest_of(row: Floats, k: int) -> Ints:
    """Places of the `k` highest values of a row that has more, in any order."""
    groups = row[: len(row) // _GROUPS * _GROUPS].reshape(_GROUPS, -1).max(axis=0)
    # As many values as there are groups above the floor reach it, mostly few more: they alone are worth sorting.
    floor = np.partition(groups, -k)[-k] if len(groups) >= k else -np.inf
    near = np.flatnonzero(row >= floor)
    return near[np.argpartition(row[near], -k)[-k:]]
