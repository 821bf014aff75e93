"""Re-ranking with k-reciprocal encoding (Zhong et al., "Re-ranking person re-identification", CVPR 2017).

It needs the whole gallery and all queries at once, so it is nothing for a tracker; it says how much of a model's error
is in the ranking of single pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .._typing import Doubles, Floats, Ints, as_doubles, as_floats
from ..appearance.embedding import unit

# Values of the paper: neighbors, neighbors of the query expansion, weight of the original distance.
K1, K2, WEIGHT = 20, 6, 0.3
# Neighbors of neighbors join where they share this much with a candidate's own.
_MIN_SHARED = 2 / 3
# Distances that are computed at once, which bounds the memory.
_PAIRS_AT_ONCE = 2**23


def rerank(rows: Floats, queries: Ints, gallery: Ints, *, k1: int = K1, k2: int = K2, weight: float = WEIGHT) -> Floats:
    """Compute similarities after re-ranking.

    Args:
        rows: `(N, D)` embeddings of any norm, of all images that are a query or in the gallery.
        queries: `(Q,)` indices of the queries.
        gallery: `(G,)` indices of the images that are searched; they may be the queries too.
        k1: Number of neighbors that must be reciprocal, 1 or more.
        k2: Number of neighbors whose encodings are averaged, 1 or more.
        weight: Weight of the original distance against the Jaccard distance, in [0, 1].

    Returns:
        `(Q, G)` float32, minus the distance, higher is more similar. The original distance is the squared Euclidean one
        of unit vectors over its maximum by row.
    """
    rows = unit(rows)
    neighbors, farthest = _neighbors(rows, k1)
    encoded = _encode(rows, neighbors, farthest, k1)
    if k2 > 1:
        encoded = _expand(encoded, neighbors[:, :k2])
    by_column = encoded.tocsc()
    found = np.empty((len(queries), len(gallery)), np.float32)
    for n, query in enumerate(queries.tolist()):
        original = _squared(rows, np.array([query]))[0] / farthest[query]
        jaccard = 1 - _shared(encoded, by_column, query, len(rows))
        found[n] = -((1 - weight) * jaccard + weight * original)[gallery]
    return found


def _parts(count: int) -> list[slice]:
    step = max(1, _PAIRS_AT_ONCE // max(1, count))
    return [slice(n, n + step) for n in range(0, count, step)]


def _squared(rows: Floats, part: slice | Ints) -> Floats:
    """Squared Euclidean distance of some rows to all, `(n, N)`."""
    return as_floats(np.maximum(2 - 2 * (rows[part] @ rows.T), 0))


def _neighbors(rows: Floats, k1: int) -> tuple[Ints, Floats]:
    """The `k1 + 1` nearest rows of each, itself among them, and the distance of the farthest, `(N,)`."""
    k = min(k1 + 1, len(rows))
    nearest, farthest = [], []
    for part in _parts(len(rows)):
        distances = _squared(rows, part)
        found = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, found, axis=1), axis=1, kind="stable")
        nearest.append(np.take_along_axis(found, order, axis=1))
        farthest.append(distances.max(axis=1))
    return np.concatenate(nearest).astype(np.int64), np.maximum(np.concatenate(farthest), 1e-12)


def _encode(rows: Floats, neighbors: Ints, farthest: Floats, k1: int) -> Any:
    """Each row as weights of its k-reciprocal neighbors, `(N, N)` sparse."""
    full = [set(n.tolist()) for n in neighbors]
    half_size = round(k1 / 2) + 1
    near = [set(n[:half_size].tolist()) for n in neighbors]
    half = [{m for m in near[n] if n in near[m]} for n in range(len(rows))]
    columns, weights = [], []
    for n in range(len(rows)):
        reciprocal = {m for m in full[n] if n in full[m]}
        chosen = set(reciprocal)
        for m in reciprocal:
            if len(half[m] & reciprocal) > _MIN_SHARED * len(half[m]):
                chosen |= half[m]
        kept = np.array(sorted(chosen), np.int64)
        weight = np.exp(-np.maximum(2 - 2 * (rows[kept] @ rows[n]), 0) / farthest[n])
        columns.append(kept)
        weights.append(weight / weight.sum())
    ends = np.cumsum([0, *map(len, columns)])
    shape = len(rows), len(rows)
    return sparse.csr_matrix((np.concatenate(weights), np.concatenate(columns), ends), shape=shape)


def _expand(encoded: Any, nearest: Ints) -> Any:
    """Average the encodings of each row's nearest rows."""
    count, k = nearest.shape
    ends = np.arange(0, count * k + 1, k)
    mean = sparse.csr_matrix((np.full(count * k, np.float32(1 / k)), nearest.ravel(), ends), shape=(count, count))
    return (mean @ encoded).tocsr()


def _shared(encoded: Any, by_column: Any, n: int, count: int) -> Doubles:
    """Jaccard similarity of a row's encoding to all, `(N,)`; each encoding sums to 1."""
    own = slice(encoded.indptr[n], encoded.indptr[n + 1])
    shared = np.zeros(count)
    for column, value in zip(encoded.indices[own], encoded.data[own], strict=True):
        part = slice(by_column.indptr[column], by_column.indptr[column + 1])
        shared[by_column.indices[part]] += np.minimum(value, by_column.data[part])
    return as_doubles(shared / (2 - shared))
