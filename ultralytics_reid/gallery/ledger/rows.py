"""Sightings and visits as rows of the ledger, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..._typing import Bools, Floats
from ...errors import GalleryError
from ..records import LAST_ID, MAX_TIME, MIN_TIME, Records, Visit, check_name, checked_records, checked_visits, nothing
from ..visit_columns import VisitColumns

Row = tuple[Any, ...]
_Item = TypeVar("_Item")

# Rows that are read in one statement.
PAGE = 4096
SIGHTING_COLUMNS = "id, identity, visit, camera, time, class, quality, embedding"
VISIT_COLUMNS = "id, identity, camera, class, began, ended, probability"
DETAIL_COLUMNS = "path, crop"

STORED = np.dtype("<f4")
_PATH_COLUMNS = 5
# What norms of embeddings may be off by: they are stored as float32.
_NORM_SLACK = 1e-2
_NOT_CONVERTED = (TypeError, ValueError, OverflowError)


def pages(items: Iterable[_Item], size: int = PAGE) -> Iterator[tuple[_Item, ...]]:
    """Items in parts."""
    rest = iter(items)
    while page := tuple(islice(rest, size)):
        yield page


def records_of(rows: Sequence[Row], embeddings: Floats) -> Records:
    """Rows that begin with `SIGHTING_COLUMNS`, as records.

    Args:
        rows: `N` rows.
        embeddings: `(N, D)`, decoded from their last column.

    Raises:
        GalleryError: If a row holds what no gallery writes; the message names it.
    """
    if not rows:
        return nothing(embeddings.shape[1])
    try:
        records = _columns(rows, embeddings)
    except _NOT_CONVERTED:
        for n, row in enumerate(rows):
            _name_fault(row, embeddings[n : n + 1])
        raise
    valid = _valid(records)
    if not valid.all():
        first = int(np.flatnonzero(~valid)[0])
        raise damaged("sighting", rows[first][0], _reason(records.take([first])))
    return records


def damaged(what: str, key: object, reason: object) -> GalleryError:
    """The error for a row that no gallery writes: damaged, or made by another program."""
    return GalleryError(f"the gallery is damaged: {what} {key!r:.100}: {reason}")


def _columns(rows: Sequence[Row], embeddings: Floats) -> Records:
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


def _name_fault(row: Row, embedding: Floats) -> None:
    """Raise the error of a row that can't be converted, if it is this one."""
    try:
        _columns([row], embedding)
    except _NOT_CONVERTED as error:
        raise damaged("sighting", row[0], error) from error


def _valid(records: Records) -> Bools:
    """Which rows hold what a gallery writes."""
    norms = np.einsum("nd,nd->n", records.embeddings, records.embeddings)
    named = {camera: _is_name(camera) for camera in set(records.cameras)}
    valid = (records.ids >= 0) & (records.visits >= 0) & (records.identities >= 1) & (records.identities <= LAST_ID)
    valid &= (records.times >= MIN_TIME) & (records.times <= MAX_TIME)
    valid &= (records.qualities >= 0) & (records.qualities <= 1) & (np.abs(norms - 1) < _NORM_SLACK)
    return np.asarray(valid & np.array([named[camera] for camera in records.cameras], bool))


def _is_name(camera: object) -> bool:
    try:
        check_name("camera", camera)  # type: ignore[arg-type]
    except GalleryError:
        return False
    return True


def _reason(record: Records) -> object:
    try:
        checked_records(record, record.embeddings.shape[1])
    except GalleryError as error:
        return error
    return "its embedding isn't of norm 1"


def visit_of(row: Row) -> Visit:
    """A row of `VISIT_COLUMNS`, with or without `DETAIL_COLUMNS`, as a visit.

    Raises:
        GalleryError: If it holds what no gallery writes; the message names it.
    """
    id, identity, camera, cls, began, ended, probability, *details = row
    for value in (id, identity, cls):
        if not isinstance(value, int):
            raise damaged("visit", id, f"its id, identity and class must be whole numbers, got {value!r:.100}")
    for value in (began, ended, probability):
        if not isinstance(value, int | float):
            raise damaged("visit", id, f"its times and probability must be numbers, got {value!r:.100}")
    numbers = float(began), float(ended)
    try:
        path, crop = _details(*details) if details else (_NO_PATH, b"")
        visit = Visit(id, identity, camera, cls, *numbers, path, float(probability), crop)
        checked_visits([visit])
    except (GalleryError, *_NOT_CONVERTED) as error:
        raise damaged("visit", id, error) from error
    return visit


_NO_PATH = np.zeros((0, _PATH_COLUMNS), np.float32)


def visits_of(rows: Sequence[Row]) -> list[Visit]:
    """Rows of `VISIT_COLUMNS`, by ascending id and without details, as visits: checked all at once.

    Raises:
        GalleryError: If a row holds what no gallery writes; the message names it.
    """
    of = visit_columns_of(rows)
    cameras = [of.names[n] for n in of.cameras]
    columns = (of.ids, of.identities, of.classes, of.firsts, of.lasts, of.probabilities)
    each = zip(cameras, *(column.tolist() for column in columns), strict=True)
    return [
        Visit(id, identity, camera, cls, first, last, _NO_PATH, probability)
        for camera, id, identity, cls, first, last, probability in each
    ]


def visit_columns_of(rows: Sequence[Row]) -> VisitColumns:
    """Rows of `VISIT_COLUMNS`, by ascending id, in columns.

    Raises:
        GalleryError: If a row holds what no gallery writes; the message names it.
    """
    try:
        columns = _visit_columns(rows)
        if _right(columns).all():
            return columns
    except (GalleryError, *_NOT_CONVERTED):
        pass
    for row in rows:  # names the row that is wrong
        visit_of(row)
    raise GalleryError("the gallery is damaged: a visit's number is no whole number")


def _visit_columns(rows: Sequence[Row]) -> VisitColumns:
    ids, identities, cameras, classes, firsts, lasts, probabilities = zip(*rows, strict=True) if rows else ((),) * 7
    whole, numbers = (*ids, *identities, *classes), (*firsts, *lasts, *probabilities)
    if not {*map(type, whole)} <= {int} or not {*map(type, numbers)} <= {int, float}:
        raise GalleryError("a visit's number is none")
    names = tuple(sorted(set(cameras)))
    place = {name: n for n, name in enumerate(names)}
    for name in names:
        check_name("camera", name)
    return VisitColumns(
        np.array(ids, np.int64),
        np.array(identities, np.int64),
        names,
        np.array([place[camera] for camera in cameras], np.int64),
        np.array(classes, np.int64),
        np.array(firsts, np.float64),
        np.array(lasts, np.float64),
        np.array(probabilities, np.float64),
    )


def _right(columns: VisitColumns) -> Bools:
    right = (columns.ids >= 0) & (columns.identities >= 1) & (columns.identities <= LAST_ID)
    right &= (columns.firsts >= MIN_TIME) & (columns.lasts <= MAX_TIME) & (columns.firsts <= columns.lasts)
    return np.asarray(right & (columns.probabilities >= 0) & (columns.probabilities <= 1), bool)


def _details(path: bytes, crop: bytes) -> tuple[Floats, bytes]:
    if not all(isinstance(value, bytes | memoryview) for value in (path, crop)):
        raise GalleryError("its path and crop must be binary")
    return np.frombuffer(path, STORED).astype(np.float32).reshape(-1, _PATH_COLUMNS), bytes(crop)


def visit_row(visit: Visit) -> Row:
    """A visit as a row of `VISIT_COLUMNS`."""
    numbers = (int(visit.id), int(visit.identity), visit.camera, int(visit.cls))
    return (*numbers, float(visit.first), float(visit.last), float(visit.probability))


def detail_row(visit: Visit) -> Row:
    """A visit's `DETAIL_COLUMNS`."""
    return visit.path.astype(STORED).tobytes(), bytes(visit.crop)
