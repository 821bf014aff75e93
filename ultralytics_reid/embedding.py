"""Embeddings as arrays: checks, normalising, cosine. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .errors import EmbeddingError

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_TINY = 1e-12


def as_embeddings(vectors: npt.ArrayLike, rows: int) -> Floats:
    """Check a batch of vectors, and return it as float32 rows of unit norm.

    A row that says nothing (all zero, or not finite) comes back as zeros: that detection goes on without appearance.

    Args:
        vectors: `(N, D)`, any real dtype, any norm.
        rows: How many rows there must be, one a detection.

    Returns:
        `(N, D)` float32, each row of norm 1 or 0.

    Raises:
        EmbeddingError: If the array isn't two-dimensional, has no columns or another number of rows.
    """
    batch = np.asarray(vectors, dtype=np.float32)
    if batch.ndim != 2 or not batch.shape[1] or len(batch) != rows:
        raise EmbeddingError(f"embeddings must have the shape ({rows}, D), one row a detection, got {batch.shape}")
    return unit(np.where(np.isfinite(batch).all(axis=1, keepdims=True), batch, np.float32(0)))


def unit(vectors: Floats) -> Floats:
    """Scale the last axis to norm 1; vectors of norm 0 stay 0."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norm > _TINY, norm, 1), dtype=np.float32)


def present(vectors: Floats) -> Bools:
    """Which rows of an `(N, D)` batch say something, as `(N,)`."""
    return np.asarray(np.any(vectors, axis=-1))


def cosine(a: Floats, b: Floats) -> Floats:
    """Cosine similarities of two batches of unit rows, `(N, D)` and `(M, D)`, as `(N, M)` in [-1, 1]."""
    return np.clip(a @ b.T, -1, 1)
