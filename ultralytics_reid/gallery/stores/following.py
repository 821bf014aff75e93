"""A cache that follows what all processes write into a gallery's file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._typing import Floats
from ..records import Filter, Hits
from .cache import Cache
from .database import Connection
from .rows import PAGE, SIGHTINGS, as_sightings, pages
from .sql import is_member, members

_RANGE = "SELECT (SELECT min(number) FROM changes), (SELECT max(number) FROM changes)"
_CHANGED = "SELECT DISTINCT seq FROM changes WHERE number > ? ORDER BY seq"


class FollowingCache:
    """All sightings of a gallery in memory, read when they are first searched; for one thread at a time.

    New rows are those with higher sequence numbers than the last; rows that changed or went are in a list, of which
    old entries are dropped: who is further behind than that reads everything anew. All is read in short transactions.

    Args:
        reader: Connection to the file.
        dim: `D` of the embeddings.
    """

    def __init__(self, reader: Connection, dim: int) -> None:
        self._reader = reader
        self._dim = dim
        self._cache = Cache(dim)
        # Which data version of which opening of the file is in the cache, and up to which change.
        self._version: tuple[int, int] | None = None
        self._change = 0

    def search(self, queries: Floats, k: int, where: Filter) -> list[Hits]:
        """Search what is in the file now; see `Cache.search`."""
        self._follow()
        return self._cache.search(queries, k, where)

    def _follow(self) -> None:
        with self._reader.using() as connection:
            version = (self._reader.opened, connection.execute("PRAGMA data_version").fetchone()[0])
        # What is written from here on gives another version, so that the next search reads it if this one doesn't.
        if version != self._version:
            self._follow_changes()
            while self._append_page():
                pass
            self._version = version

    def _follow_changes(self) -> None:
        with self._reader.reading() as connection:
            oldest, newest = connection.execute(_RANGE).fetchone()
            missed = oldest is not None and oldest > self._change + 1
            if self._version is None or missed:
                self._cache.clear()
                self._cache.expect(connection.execute("SELECT count(*) FROM sightings").fetchone()[0])
            changed = [seq for (seq,) in connection.execute(_CHANGED, (self._change,))] if len(self._cache) else []
        for page in pages(changed):
            self._take_over(page)
        self._change = newest or 0

    def _take_over(self, changed: Sequence[int]) -> None:
        """Read rows again that changed, and forget those that are gone."""
        with self._reader.using() as connection:
            rows = connection.execute(f"{SIGHTINGS} WHERE {is_member('seq')}", (members(changed),)).fetchall()
        sequence, records = as_sightings(rows, self._dim)
        self._cache.replace(sequence, records)
        self._cache.remove(np.setdiff1d(changed, sequence))

    def _append_page(self) -> int:
        with self._reader.using() as connection:
            text = f"{SIGHTINGS} WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = connection.execute(text, (self._cache.last, PAGE)).fetchall()
        self._cache.append(*as_sightings(rows, self._dim))
        return len(rows)
