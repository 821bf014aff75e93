"""Add images of a named identity to a gallery."""

from __future__ import annotations

import time

import numpy as np

from .._typing import Floats
from .identities import identity_named
from .records import ENROLLED, Records, Visit, new_ids
from .store import Store


def add_images(store: Store, name: str, embeddings: Floats, cls: int, crop: bytes = b"") -> int:
    """Write images as one visit of the identity with a name, which is made if there is none.

    Args:
        store: Of the gallery.
        name: Not empty.
        embeddings: `(N, D)` float32 unit vectors, one an image.
        cls: Class index.
        crop: A JPEG of one of them to keep; empty for none.

    Returns:
        The identity.
    """
    identity = identity_named(store.names(), name) or store.reserve(1)
    now, n = time.time(), len(embeddings)
    visit = Visit(int(new_ids(1)[0]), identity, ENROLLED, cls, now, now, crop=crop)
    of, visits, classes = (np.full(n, value, np.int64) for value in (identity, visit.id, cls))
    times, qualities = np.full(n, now), np.ones(n, np.float32)
    records = Records(new_ids(n), embeddings, of, visits, (ENROLLED,) * n, times, classes, qualities)
    # First the name: if this ends in between, a repetition finds it, and no identity is there twice.
    store.name(identity, name)
    store.upsert(records, [visit])
    return identity
