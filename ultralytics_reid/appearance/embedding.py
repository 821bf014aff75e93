"""Embeddings as arrays: checks, normalizing, cosine. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._typing import Floats
from ..errors import EmbeddingError

_TINY = 1e-12
# Magnitude from which on the square of a vector's norm may be beyond float32.
_HUGE = 1e15


def as_features(vectors: npt.ArrayLike, rows: int) -> Floats:
    """Check a batch of vectors, one a detection.

    A row that isn't finite, or beyond 1e15, comes back as zeros: the detection goes on without appearance.

    Args:
        vectors: `(N, D)`, any real dtype, any norm; a torch tensor may be on any device.
        rows: How many rows there must be.

    Returns:
        `(N, D)` float32, the rows' norms as they were.

    Raises:
        EmbeddingError: If the array isn't two-dimensional, has no columns or another number of rows.
    """
    batch = np.asarray(vectors.detach().float().cpu() if hasattr(vectors, "detach") else vectors, dtype=np.float32)
    if batch.shape[:-1] != (rows,) or (rows and not batch.size):
        raise EmbeddingError(f"embeddings must have the shape ({rows}, D), one row a detection, got {batch.shape}")
    usable = (np.abs(batch) < _HUGE).all(axis=1, keepdims=True)  # False for NaN
    return np.asarray(np.where(usable, batch, 0), dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Scale the last axis to norm 1; vectors of norm 0 stay 0."""
    with np.errstate(over="ignore"):  # beyond float32 the norm is infinite, and the vector becomes 0
        norm = np.sqrt(np.add.reduce(vectors * vectors, axis=-1, keepdims=True))
    norm[norm <= _TINY] = 1
    return np.asarray(vectors / norm, dtype=np.float32)


def row_blocks(count: int, size: int) -> list[slice]:
    """Slices of `size` rows, the last one of fewer, that together cover `count` rows."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def cosine(a: Floats, b: Floats) -> Floats:
    """Cosine similarities of two batches of unit rows, `(N, D)` and `(M, D)`, as `(N, M)` in [-1, 1]."""
    return np.asarray(np.clip(a @ b.T, -1, 1), dtype=np.float32)
