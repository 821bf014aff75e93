"""Checks of arguments, before a database or an index is asked."""

from __future__ import annotations

import numpy as np

from ..._typing import Floats
from ...errors import GalleryError, GalleryMissing
from ..records import LAST_ID, check_name, checked_embeddings

MAX_HITS = 10_000
MAX_RESERVED = 10_000
MAX_DIMS = 16_000
MAX_BLOB = 16 * 2**20


def check_queries(queries: Floats, dim: int, k: int) -> Floats:
    """Queries, scaled to norm 1.

    Raises:
        GalleryError: If their shape or `k` is out of range, or one is zero or not finite.
    """
    if not 1 <= k <= MAX_HITS:
        raise GalleryError(f"k must be in [1, {MAX_HITS}], got {k!r}")
    return checked_embeddings(np.atleast_2d(queries), dim)


def check_same(uri: str, held: tuple[int, str], asked: tuple[int | None, str | None]) -> None:
    """Refuse to open a gallery of other vectors.

    Args:
        uri: For the message.
        held: Dimension and fingerprint of what is there.
        asked: The same of the embeddings to come; None for any.

    Raises:
        GalleryError: If they differ.
    """
    dim, fingerprint = asked
    if fingerprint is not None and fingerprint != held[1]:
        raise GalleryError(
            f"the gallery {uri} holds embeddings by {held[1] or 'an unknown embedder'}, and these are by "
            f"{fingerprint or 'an unknown embedder'}: they can't be compared; use another gallery"
        )
    if dim is not None and dim != held[0]:
        raise GalleryError(f"the gallery {uri} holds embeddings of dimension {held[0]}, and these have {dim}")


def check_new(uri: str, dim: int | None, fingerprint: str | None) -> tuple[int, str]:
    """Dimension and embedder of a new gallery.

    Raises:
        GalleryMissing: If it isn't said.
        GalleryError: If the dimension is out of range.
    """
    if dim is None or fingerprint is None:
        raise GalleryMissing(f"there is no gallery at {uri}")
    if not 1 <= dim <= MAX_DIMS:
        raise GalleryError(f"a gallery's dimension must be in [1, {MAX_DIMS}], got {dim!r}")
    return dim, fingerprint


def check_reserved(count: int) -> int:
    """Check how many ids are asked for.

    Raises:
        GalleryError: If it is out of range.
    """
    if not 1 <= count <= MAX_RESERVED:
        raise GalleryError(f"identities are reserved 1 to {MAX_RESERVED} at a time, got {count!r}")
    return int(count)


def check_identity(identity: int) -> int:
    """Check an identity.

    Raises:
        GalleryError: If it is out of range.
    """
    if not 1 <= identity <= LAST_ID:
        raise GalleryError(f"an identity must be in [1, {LAST_ID}], got {identity!r}")
    return int(identity)


def check_blob(key: str, value: bytes) -> None:
    """Refuse files that can't be kept in a gallery.

    Raises:
        GalleryError: If the name isn't printable, or the file too large.
    """
    check_name("file", key)
    if len(value) > MAX_BLOB:
        raise GalleryError(
            f"a file of a gallery may have {MAX_BLOB} bytes (16 MiB) at most, and {key} has {len(value)}"
        )
