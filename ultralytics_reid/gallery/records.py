"""Rows of a gallery: embeddings of sightings, the visits they belong to, and filters over both."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from .._typing import Doubles, Floats, Ints
from ..appearance.embedding import unit
from ..errors import GalleryError

# The host returns ids as float32, which holds every whole number up to 2^24. A gallery never gives those from
# `FIRST_LOCAL_ID` on: a tracker whose gallery is away takes its ids from them, so that they can't clash.
LAST_ID = 2**24 - 1
LAST_CLASS = 2**31 - 1
FIRST_LOCAL_ID = 15 * 2**20
# The camera of identities that were enrolled from images.
ENROLLED = ""

# Seconds since 1970, of the years 5 to 9987: what a calendar can show in every time zone.
MIN_TIME, MAX_TIME = -62e9, 253e9
# Points of a visit's path (a tracker writes 256), and bytes of its crop.
MAX_PATH, MAX_CROP = 10_000, 16 * 2**20

_PATH_COLUMNS = 5
_ID_BITS = 63
_LONGEST_NAME = 200


def new_ids(count: int) -> Ints:
    """Ids for new sightings or visits, made by the client, so that repeating a write changes nothing."""
    return np.array([secrets.randbits(_ID_BITS) for _ in range(count)], np.int64)


@dataclass(frozen=True, eq=False)
class Records:
    """Sightings, `N` of them in columns: an embedding of an identity at one moment.

    Attributes:
        ids: `(N,)` int64, 0 or more, unique; see `new_ids`.
        embeddings: `(N, D)` float32 of unit norm.
        identities: `(N,)` int64, `identity_id`s, 1 or more.
        visits: `(N,)` int64, ids of the visits they belong to.
        cameras: `N` names, `ENROLLED` for images.
        times: `(N,)` float64, seconds since 1970 (UTC).
        classes: `(N,)` int64 class indices.
        qualities: `(N,)` float32 in [0, 1], how much the crops can be trusted.
    """

    ids: Ints
    embeddings: Floats
    identities: Ints
    visits: Ints
    cameras: tuple[str, ...]
    times: Doubles
    classes: Ints
    qualities: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Ints | Sequence[int]) -> Records:
        """Some rows, by place."""
        rows = np.asarray(rows, np.int64)
        return Records(
            self.ids[rows],
            self.embeddings[rows],
            self.identities[rows],
            self.visits[rows],
            tuple(self.cameras[n] for n in rows),
            self.times[rows],
            self.classes[rows],
            self.qualities[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Records], dim: int) -> Records:
        """All rows of several, in order; of none, no rows of that dimension."""
        parts = [*parts, nothing(dim)]
        return cls(
            np.concatenate([p.ids for p in parts]),
            np.concatenate([p.embeddings for p in parts]),
            np.concatenate([p.identities for p in parts]),
            np.concatenate([p.visits for p in parts]),
            tuple(c for p in parts for c in p.cameras),
            np.concatenate([p.times for p in parts]),
            np.concatenate([p.classes for p in parts]),
            np.concatenate([p.qualities for p in parts]),
        )


def nothing(dim: int) -> Records:
    """No rows."""
    ints, floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Records(ints, np.zeros((0, dim), np.float32), ints, ints, (), np.zeros(0), ints, floats)


@dataclass(frozen=True, eq=False)
class Hits:
    """Result of a search for one query, the most similar first.

    Attributes:
        records: `(K,)` sightings.
        similarities: `(K,)` float32, inner products of the query scaled to norm 1 with their embeddings, in [-1, 1].
    """

    records: Records
    similarities: Floats

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, eq=False)
class Visit:
    """An identity on one camera, from when it was first seen until it was last seen.

    Attributes:
        id: 0 or more; see `new_ids`.
        identity: The `identity_id`, 1 or more.
        camera: Its name, `ENROLLED` for images.
        cls: Class index.
        first: Seconds since 1970 (UTC).
        last: The same; no less than `first`.
        path: `(P, 5)` float32: seconds since `first`, and the box's left, top, right and bottom as shares of the
            image's width and height.
        probability: That it is this identity, in [0, 1], when the gallery linked it; 1 where it did not.
        crop: A JPEG of the best crop; empty unless crops are stored.
    """

    id: int
    identity: int
    camera: str
    cls: int
    first: float
    last: float
    path: Floats = field(default_factory=lambda: np.zeros((0, _PATH_COLUMNS), np.float32))
    probability: float = 1.0
    crop: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Conditions on sightings or visits; None is no condition, and an empty set matches nothing.

    Attributes:
        identities: Only these.
        excluding: None of these identities.
        visits: Only those of these visits.
        cameras: Only these cameras.
        classes: Only these classes.
        since: Sightings at this time or later, visits that ended then or later; seconds since 1970.
        until: Sightings at this time or earlier, visits that began then or earlier.
        min_quality: Sightings of this quality or better; ignored for visits.
    """

    identities: frozenset[int] | None = None
    excluding: frozenset[int] = frozenset()
    visits: frozenset[int] | None = None
    cameras: frozenset[str] | None = None
    classes: frozenset[int] | None = None
    since: float | None = None
    until: float | None = None
    min_quality: float | None = None


ANY = Filter()


def checked_embeddings(vectors: npt.ArrayLike, dim: int) -> Floats:
    """Embeddings as a gallery stores them.

    Args:
        vectors: `(N, D)`, any real dtype and norm.
        dim: The gallery's `D`.

    Returns:
        `(N, D)` float32 of unit norm.

    Raises:
        GalleryError: If the shape is another, or a row is zero or not finite.
    """
    batch = np.asarray(vectors, np.float32)
    if batch.ndim != 2 or batch.shape[1] != dim:  # noqa: PLR2004
        raise GalleryError(f"embeddings must have the shape (N, {dim}) in this gallery, got {batch.shape}")
    bad = ~np.isfinite(batch).all(axis=1) | ~batch.any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        what = "zero" if not batch[row].any() else "not finite"
        raise GalleryError(f"embeddings must be finite and not zero, and row {row} of {len(batch)} is {what}")
    return unit(batch)


def checked_records(records: Records, dim: int) -> Records:
    """Records as a gallery stores them: checked, with embeddings of unit norm.

    Raises:
        GalleryError: If a column has another length than `ids`, an embedding can't be stored, or a value is out of
            range; the message says which.
    """
    embeddings = checked_embeddings(records.embeddings, dim)
    n = len(records.ids)
    rows = (embeddings, records.identities, records.visits, records.cameras)
    lengths = {len(c) for c in (*rows, records.times, records.classes, records.qualities)}
    if lengths != {n}:
        raise GalleryError(f"every column must have {n} rows, as ids has")
    if len(np.unique(records.ids)) != n:
        raise GalleryError("ids must differ from each other")
    _check("ids", records.ids, records.ids >= 0, "0 or more")
    _check("visits", records.visits, records.visits >= 0, "0 or more")
    _check_identities(records.identities)
    within = (records.times >= MIN_TIME) & (records.times <= MAX_TIME)
    _check("times", records.times, within, f"in [{MIN_TIME:g}, {MAX_TIME:g}]")
    _check("qualities", records.qualities, (records.qualities >= 0) & (records.qualities <= 1), "in [0, 1]")
    for camera in set(records.cameras):
        check_name("camera", camera)
    return replace(records, embeddings=embeddings)


def checked_visits(visits: Sequence[Visit]) -> Sequence[Visit]:
    """Visits as a gallery stores them.

    Raises:
        GalleryError: If a value is out of range; the message says which.
    """
    _check_identities(np.array([v.identity for v in visits], np.int64))
    ids = [v.id for v in visits]
    if wrong := [i for i in ids if not 0 <= i < 2**_ID_BITS]:
        raise GalleryError(f"visits' ids must be 0 or more, and below 2^{_ID_BITS}, got {wrong[0]!r}")
    if len(set(ids)) != len(ids):
        raise GalleryError("visits' ids must differ from each other")
    probabilities = np.array([v.probability for v in visits], np.float64)
    _check("probabilities", probabilities, (probabilities >= 0) & (probabilities <= 1), "in [0, 1]")
    for visit in visits:
        check_name("camera", visit.camera)
        _check_span(visit)
        _check_details(visit)
    return visits


def _check_span(visit: Visit) -> None:
    if not MIN_TIME <= visit.first <= visit.last <= MAX_TIME:
        raise GalleryError(
            f"a visit must end after it began, both in [{MIN_TIME:g}, {MAX_TIME:g}] seconds since 1970, "
            f"got {visit.first!r} to {visit.last!r}"
        )


def _check_details(visit: Visit) -> None:
    shape = visit.path.shape
    if len(shape) != 2 or shape[1] != _PATH_COLUMNS or shape[0] > MAX_PATH or not np.isfinite(visit.path).all():  # noqa: PLR2004
        raise GalleryError(f"a visit's path must be finite, of the shape (P, 5), P up to {MAX_PATH}, got {shape}")
    if len(visit.crop) > MAX_CROP:
        raise GalleryError(f"a visit's crop must have {MAX_CROP} bytes (16 MiB) at most, got {len(visit.crop)}")


def printable(text: str) -> str:
    """Text of an unknown origin, fit for a terminal: control characters escaped, cut to 200 characters."""
    cut = text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def check_name(what: str, name: str) -> None:
    """Refuse names that can't be stored or printed.

    Raises:
        GalleryError: If it isn't a string, longer than 200 characters, or has control characters.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or any(not c.isprintable() for c in name):
        raise GalleryError(
            f"a {what}'s name must be printable, of at most {_LONGEST_NAME} characters, got {printable(str(name))!r}"
        )


def _check_identities(identities: Ints) -> None:
    _check("identities", identities, (identities >= 1) & (identities <= LAST_ID), f"in [1, {LAST_ID}]")


def _check(what: str, values: npt.NDArray[np.generic], right: npt.NDArray[np.bool_], rule: str) -> None:
    if not right.all():
        raise GalleryError(f"{what} must be {rule}, got {values[~right][0]!r}")
