"""All visits and names of a gallery in memory, which the pages list and count, and which follow the gallery."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import Bools, Doubles, Ints
from ..errors import GalleryError
from ..gallery.gallery import Gallery
from ..gallery.records import ENROLLED, Filter, Visit
from ..gallery.visit_columns import VisitColumns

# Seconds after which what others wrote is read.
MAX_AGE = 1.0
# Following takes one part in so many of the time, at most.
_SHARE = 20
_NO_PATH = np.zeros((0, 5), np.float32)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A gallery's visits and names at one moment.

    Attributes:
        visits: All visits.
        names: Names by identity.
        class_names: Names by class index, as far as they are known.
        version: Of the gallery; see `Ledger.version`.
    """

    visits: VisitColumns
    names: Mapping[int, str]
    class_names: Mapping[int, str]
    version: object

    @cached_property
    def people(self) -> People:
        """All identities, over all their visits."""
        return people_of(self, np.ones(len(self.visits), bool))

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras, sorted; enrolled images are none."""
        return [name for name in self.visits.names if name != ENROLLED]

    @property
    def classes(self) -> dict[int, str]:
        """Names of the classes that were seen, by their index."""
        return {cls: self.class_name(cls) for cls in np.unique(self.visits.classes).tolist()}

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

    def class_name(self, cls: int) -> str:
        """Name of a class; its number where the gallery records none."""
        return self.class_names.get(cls, f"class {cls}")

    def as_visits(self, mask: Bools) -> Iterator[Visit]:
        """Some visits as objects, without paths and crops, a tenth as slow as reading them from the gallery."""
        chosen = self.visits.take(mask)
        columns = (chosen.ids, chosen.identities, chosen.cameras, chosen.classes, chosen.firsts, chosen.lasts)
        for id, identity, camera, cls, first, last in zip(*(c.tolist() for c in columns), strict=True):
            yield Visit(id, identity, chosen.names[camera], cls, first, last, _NO_PATH)

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
    """Keep a snapshot of a gallery that follows it, so that no page waits until all visits are read.

    Args:
        gallery: The gallery.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()
        self._held: Snapshot | None = None
        self._cost = 0.0
        self._ending = threading.Event()
        self._follower = threading.Thread(target=self._keep_following, name="directory", daemon=True)
        self._follower.start()

    def get(self) -> Snapshot:
        """The gallery as it was a second ago; of many visits, twenty times as long ago as reading them takes.

        Raises:
            GalleryError: If it can't be read.
        """
        return self._held or self.current()

    def current(self) -> Snapshot:
        """The gallery as it is now: after a change of one's own, or where an old state would mislead.

        Raises:
            GalleryError: If it can't be read.
        """
        with self._lock:
            # First the version: what is committed while the rest is read gives another one.
            start, version = time.monotonic(), self._gallery.store.version()
            if self._held is None or self._held.version != version:
                visits, names = self._gallery.visit_columns(), self._gallery.store.names()
                self._held = Snapshot(visits, names, self._gallery.class_names, version)
                self._cost = time.monotonic() - start
            return self._held

    def now(self, identities: Iterable[int]) -> Snapshot:
        """Some identities as they are now, and no others: for previews of changes, fast however many there are.

        Raises:
            GalleryError: If they can't be read.
        """
        wanted = Filter(identities=frozenset(identities))
        visits, names = self._gallery.visit_columns(wanted), self._gallery.store.names()
        return Snapshot(visits, names, self._gallery.class_names, None)

    def close(self) -> None:
        """Stop following."""
        self._ending.set()
        self._follower.join()

    def _keep_following(self) -> None:
        while not self._ending.wait(max(MAX_AGE, _SHARE * self._cost)):
            if self._held is not None:  # somebody has looked
                try:
                    _ = self.current().people  # computed here, so that no page waits for it
                except GalleryError:
                    self._held = None  # the next page says what is wrong
