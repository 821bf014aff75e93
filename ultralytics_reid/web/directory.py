"""All visits and names of a gallery in memory, which the pages list and count, and which follow the gallery."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Ints
from ..errors import GalleryUnavailable
from ..gallery.gallery import Gallery
from ..gallery.records import ENROLLED, Filter
from ..gallery.visit_columns import VisitColumns

# Seconds after which what others wrote is read.
MAX_AGE = 1.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A gallery's visits and names at one moment.

    Attributes:
        visits: All visits.
        names: Names by identity.
        read: When it was read, seconds on the monotonic clock.
    """

    visits: VisitColumns
    names: Mapping[int, str]
    read: float

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras, sorted; enrolled images are none."""
        return [name for name in self.visits.names if name != ENROLLED]

    def matching(self, where: Filter) -> Bools:
        """`(V,)`, which visits match a filter."""
        visits = self.visits
        right = np.ones(len(visits), bool)
        if where.identities is not None:
            right &= np.isin(visits.identities, np.fromiter(where.identities, np.int64, len(where.identities)))
        if where.cameras is not None:
            right &= np.array([name in where.cameras for name in visits.names], bool)[visits.cameras]
        if where.classes is not None:
            right &= np.isin(visits.classes, np.fromiter(where.classes, np.int64, len(where.classes)))
        if where.since is not None:
            right &= visits.lasts >= where.since
        if where.until is not None:
            right &= visits.firsts <= where.until
        return right

    @property
    def on_camera(self) -> Bools:
        """`(V,)`, which visits are to a camera, and no enrolled images."""
        return ~self.visits.on(ENROLLED)

    def of(self, identity: int) -> VisitColumns:
        """The visits of an identity, by when they began."""
        own = self.visits.take(self.visits.identities == identity)
        return own.take(np.lexsort((own.ids, own.firsts)))


@dataclass(frozen=True, eq=False)
class People:
    """Identities in columns, `P` of them.

    Attributes:
        identities: `(P,)` int64.
        firsts: `(P,)` float64, when each was first seen, seconds since 1970.
        lasts: `(P,)` float64, when each was last seen.
        visits: `(P,)` int64, number of visits to cameras.
        cameras: `(P,)` int64, number of cameras.
        latest: `(P,)` int64, the row of the visit that ended last.
        longest: `(P,)` int64, the row of the longest visit, whose image stands for the identity.
    """

    identities: Ints
    firsts: Doubles
    lasts: Doubles
    visits: Ints
    cameras: Ints
    latest: Ints
    longest: Ints

    def take(self, rows: Ints | Bools) -> People:
        """Some of them, by place or by a mask."""
        columns = (self.identities, self.firsts, self.lasts, self.visits, self.cameras, self.latest, self.longest)
        return People(*(column[rows] for column in columns))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.identities)


def people_of(snapshot: Snapshot, mask: Bools) -> People:
    """Summarize the identities of some visits, by ascending id.

    Args:
        snapshot: The gallery.
        mask: `(V,)`, which visits count.
    """
    rows = np.flatnonzero(mask)
    all_visits = snapshot.visits
    rows = rows[np.argsort(all_visits.identities[rows], kind="stable")]
    visits, seen = all_visits.take(rows), snapshot.on_camera[rows]
    identities, starts, place = np.unique(visits.identities, return_index=True, return_inverse=True)
    if not len(identities):
        nothing = np.zeros(0, np.int64)
        return People(nothing, np.zeros(0), np.zeros(0), nothing, nothing, nothing, nothing)
    pairs = np.unique(place[seen] * (len(visits.names) + 1) + visits.cameras[seen])
    return People(
        identities,
        np.minimum.reduceat(visits.firsts, starts),
        np.maximum.reduceat(visits.lasts, starts),
        np.bincount(place[seen], minlength=len(identities)),
        np.bincount(pairs // (len(visits.names) + 1), minlength=len(identities)),
        rows[_last_of_each(place, visits.lasts)],
        rows[_last_of_each(place, visits.lasts - visits.firsts)],
    )


def _last_of_each(place: Ints, value: Doubles) -> Ints:
    """The place of the highest value of each group."""
    order = np.lexsort((value, place))
    ends = np.flatnonzero(np.diff(place[order], append=-1))
    return np.asarray(order[ends], np.int64)


class Directory:
    """Keep a snapshot of a gallery that is read again when it is a second old, while the older one is used.

    Args:
        gallery: The gallery.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()
        self._held: Snapshot | None = None
        self._reader = ThreadPoolExecutor(1, "directory")
        self._next: Future[None] | None = None

    def get(self) -> Snapshot:
        """The gallery as it was a second ago or later, unless nobody looked at it for longer.

        Raises:
            GalleryError: If it can't be read.
        """
        held = self._held
        if held is None:
            return self._read()
        if time.monotonic() - held.read > MAX_AGE and (self._next is None or self._next.done()):
            self._next = self._reader.submit(self._try)
        return held

    def refresh(self) -> Snapshot:
        """The gallery as it is now: after a change of one's own, or where an old state would mislead."""
        return self._read()

    def close(self) -> None:
        """Stop reading."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _try(self) -> None:
        try:
            self._read()
        except GalleryUnavailable:
            self._held = None  # the next page says so

    def _read(self) -> Snapshot:
        with self._lock:
            read = time.monotonic()
            self._held = Snapshot(self._gallery.visit_columns(), self._gallery.store.names(), read)
            return self._held
