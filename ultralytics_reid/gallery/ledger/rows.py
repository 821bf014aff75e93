"""Sightings and visits as rows of the ledger, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ..._typing import Floats
from ..records import Records, Visit, nothing

Row = tuple[Any, ...]
_Item = TypeVar("_Item")

# Rows that are read in one statement.
PAGE = 4096
SIGHTING_COLUMNS = "id, identity, visit, camera, time, class, quality, embedding"
VISIT_COLUMNS = "id, identity, camera, class, began, ended, probability"
DETAIL_COLUMNS = "path, crop"

STORED = np.dtype("<f4")
_PATH_COLUMNS = 5


def pages(items: Sequence[_Item], size: int = PAGE) -> Iterable[Sequence[_Item]]:
    """A sequence in parts."""
    return (items[start : start + size] for start in range(0, len(items), size))


def records_of(rows: Sequence[Row], embeddings: Floats) -> Records:
    """Rows that begin with `SIGHTING_COLUMNS`, as records.

    Args:
        rows: `N` rows.
        embeddings: `(N, D)`, decoded from their last column.
    """
    if not rows:
        return nothing(embeddings.shape[1])
    ids, identities, visits, cameras, times, classes, qualities = zip(*(row[:7] for row in rows), strict=True)
    return Records(
        np.array(ids, np.int64),
        embeddings,
        np.array(identities, np.int64),
        np.array(visits, np.int64),
        cameras,
        np.array(times, np.float64),
        np.array(classes, np.int64),
        np.array(qualities, np.float32),
    )


def visit_of(row: Row) -> Visit:
    """A row of `VISIT_COLUMNS`, with or without `DETAIL_COLUMNS`, as a visit."""
    id, identity, camera, cls, began, ended, probability, *details = row
    visit = Visit(id, identity, camera, cls, began, ended, probability=probability)
    if not details:
        return visit
    path = np.frombuffer(details[0], STORED).astype(np.float32).reshape(-1, _PATH_COLUMNS)
    return replace(visit, path=path, crop=bytes(details[1]))


def visit_row(visit: Visit) -> Row:
    """A visit as a row of `VISIT_COLUMNS`."""
    numbers = (int(visit.id), int(visit.identity), visit.camera, int(visit.cls))
    return (*numbers, float(visit.first), float(visit.last), float(visit.probability))


def detail_row(visit: Visit) -> Row:
    """A visit's `DETAIL_COLUMNS`."""
    return visit.path.astype(STORED).tobytes(), bytes(visit.crop)
