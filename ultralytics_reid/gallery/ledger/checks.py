"""Checks of arguments, before a database or an index is asked."""

from __future__ import annotations

import re

import numpy as np

from ..._typing import Floats
from ...embedders.head import base_name
from ...errors import GalleryError, GalleryMissing
from ..records import LAST_ID, check_name, checked_embeddings

MAX_HITS = 10_000
MAX_RESERVED = 10_000
MAX_DIMS = 16_000
MAX_BLOB = 16 * 2**20
MAX_FINGERPRINT = 4096
_TOKEN = re.compile(r"[0-9a-f]{16}")


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
        do = "use another gallery"
        if base_name(fingerprint) == held[1].partition("/")[0] != "":
            do = f"re-embed it: ultralytics-reid reembed --gallery {uri} --head FILE --out NEW"
        elif base_name(held[1]) == fingerprint.partition("/")[0] != "":
            do = "name the head that it was made with: --head, or 'head' in the tracker YAML"
        raise GalleryError(
            f"the gallery {uri} holds embeddings by {held[1] or 'an unknown embedder'}, and these are by "
            f"{fingerprint or 'an unknown embedder'}: they can't be compared; {do}"
        )
    if dim is not None and dim != held[0]:
        raise GalleryError(f"the gallery {uri} holds embeddings of dimension {held[0]}, and these have {dim}")


def check_held(uri: str, row: object) -> tuple[int, str]:
    """Dimension and embedder of a gallery that is there, as it records them.

    Args:
        uri: For the message.
        row: What was read: both, or None if nothing is recorded.

    Raises:
        GalleryError: If they are missing or out of range.
    """
    dim, fingerprint = row if isinstance(row, tuple) and len(row) == 2 else (None, None)  # noqa: PLR2004
    if not isinstance(dim, int) or not 1 <= dim <= MAX_DIMS:
        raise GalleryError(f"the gallery {uri} is damaged: its dimension must be in [1, {MAX_DIMS}], got {dim!r:.100}")
    if not isinstance(fingerprint, str) or len(fingerprint) > MAX_FINGERPRINT:
        raise GalleryError(
            f"the gallery {uri} is damaged: its fingerprint must be a text of up to {MAX_FINGERPRINT} characters, "
            f"got {fingerprint!r:.100}"
        )
    return dim, fingerprint


def check_whole(what: str, value: object) -> int:
    """Check a whole number that was read from a gallery.

    Raises:
        GalleryError: If it is something else, or below 0.
    """
    if not isinstance(value, int) or value < 0:
        raise GalleryError(f"the gallery is damaged: {what} must be a whole number, 0 or more, got {value!r:.100}")
    return value


def check_next(value: object) -> int:
    """Check the next identity that a gallery says it will give.

    Raises:
        GalleryError: If it is out of range.
    """
    if not isinstance(value, int) or not 1 <= value <= LAST_ID:
        raise GalleryError(
            f"the gallery is damaged: gallery.next_identity must be in [1, {LAST_ID}], got {value!r:.100}"
        )
    return value


def check_token(value: object) -> str:
    """Check an index's name, which decides which collection of a server is read, written and deleted.

    Raises:
        GalleryError: If it isn't one that a ledger makes.
    """
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise GalleryError(f"the gallery is damaged: followers.token must be 16 hexadecimal digits, got {value!r:.100}")
    return value


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
