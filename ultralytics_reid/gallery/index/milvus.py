"""An index in Milvus, beside the ledger: for sites whose vectors need more than one server."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._typing import Floats, Ints
from ...errors import GalleryError, GalleryUnavailable
from ..ledger.ledger import Ledger
from ..records import Filter, Hits, Records
from .milvus_client import BOUNDED, MAX_BYTES, MAX_ROWS, STRONG, Connect, MilvusAddress, MilvusLink, Row
from .milvus_filters import encoded, of_sightings

VECTOR = "embedding"

# Bytes of a row at most, without its embedding.
_ROW_BYTES = 512
# Of a camera's name of 200 characters: each has up to 4 bytes, each of which becomes 3 letters.
_NAME_BYTES = 2400
_HIT_BYTES = 16
_MAX_ANSWERED = 32 * 2**20
# Changes that are taken over in one transaction of the ledger.
_BATCH = 1000

# Inner products of the same two vectors differ by less than this, however they were summed up. Among equals the lowest
# ids are asked for, so a search goes on until it has seen all that may equal the last hit.
_EQUAL = 1e-5
_SPARE, _MORE = 16, 8
_TRIES = 3


class MilvusIndex:
    """A gallery's embeddings in a collection of Milvus, with the columns that filters ask for.

    *What a cluster adds.* Rows are spread by their ids over the shards that write and, in segments, over the nodes
    that search; replicas, a setting of the server's, answer more searches and outlive a node. There is no partition
    key: identities are searched for over all cameras. The vectors' index is FLAT: every search compares with all that
    match the filter, which more nodes do in less time.

    *How it follows.* The ledger queues, in the transaction of each write, the ids that changed. Before a search, one
    client after the other takes over what is queued. So Milvus may be away or lose everything without loss: writing
    goes on, and it catches up. A collection that is missing, or has another number of rows than the ledger when it is
    opened, is filled anew.

    *What a search sees.* Milvus finds ids; the rows are the ledger's. An exact search is strongly consistent, and may
    wait for that for some 0.2 s. One with `exact=False` has bounded staleness: it may miss what was written in the last
    5 s, and is repeated with the former if it finds fewer than `k`.

    The collection's name comes from a token in the ledger, so a database can hold the indexes of several galleries. A
    copy of a ledger has the same token: don't use it with the Milvus of the original.

    Args:
        ledger: That it follows.
        address: Of the server.
        connect: Makes a `MilvusClient`, whose server is trusted; None: one to the address.

    Raises:
        GalleryError: If the server is Milvus Lite or refuses, or the extra isn't installed.
        GalleryUnavailable: If it doesn't answer.
    """

    def __init__(self, ledger: Ledger, address: MilvusAddress, *, connect: Connect | None = None) -> None:
        self._ledger = ledger
        self._place = address.shown
        self._row_bytes = _ROW_BYTES + 4 * ledger.dim
        self._link = MilvusLink(connect or address.connect, self._place)
        try:
            self._collection = f"reid_{ledger.follow(self._place)}"
            self._open()
            if not self._is_whole():
                self.rebuild()
        except GalleryError:
            self._link.close()
            raise

    def _open(self) -> None:
        # Queued before the collection is made: if this client dies in between, the next one sees that it is missing.
        if not self._link.has(self._collection):
            self._ledger.queue_all(self._place)
        self._link.make(self._collection, _schema(self._ledger.dim), VECTOR)
        self.flush()

    def _is_whole(self) -> bool:
        """Whether it has as many rows as the ledger; asked again, as another client may write in between."""
        for _ in range(_TRIES):
            if self._link.count(self._collection) == self._ledger.count() or self._ledger.is_pending(self._place):
                return True
        return False

    def add(self, records: Records) -> None:
        """See `Index.add`."""
        rows = [
            {
                "id": int(records.ids[n]),
                VECTOR: records.embeddings[n],
                "identity": int(records.identities[n]),
                "visit": int(records.visits[n]),
                "camera": encoded(records.cameras[n]),
                "time": float(records.times[n]),
                "cls": int(records.classes[n]),
                "quality": float(records.qualities[n]),
            }
            for n in range(len(records))
        ]
        self._link.upsert(self._collection, rows, self._row_bytes)

    def delete(self, ids: Ints) -> None:
        """See `Index.delete`."""
        self._link.delete(self._collection, ids.tolist())

    def flush(self) -> None:
        """See `Index.flush`."""
        limit = max(1, min(_BATCH, MAX_BYTES // self._row_bytes))
        while self._ledger.is_pending(self._place):
            with self._ledger.pending(self._place, limit) as changes:
                self.add(changes.written)
                self.delete(changes.gone)

    def rebuild(self) -> bool:
        """See `Index.rebuild`."""
        self._link.drop(self._collection)
        self._open()
        return True

    def search(self, queries: Floats, k: int, where: Filter, *, exact: bool) -> list[Hits]:
        """See `Index.search`; among more than 16,000 equals, any may be found."""
        level = STRONG if exact else BOUNDED
        try:
            return self._searched(queries, k, where, level)
        except GalleryUnavailable:
            raise
        except GalleryError:
            if self._link.has(self._collection):
                raise
        # The server lost it, or another client is rebuilding it.
        self._open()
        return self._searched(queries, k, where, level)

    def _searched(self, queries: Floats, k: int, where: Filter, level: str) -> list[Hits]:
        fewest, there = 0, k
        for _ in range(_TRIES):
            self.flush()
            found = self._nearest(queries, k, where, min(k + _SPARE, MAX_ROWS), level)
            fewest = min(map(len, found), default=k)
            # Counted before this attempt, so that what is written meanwhile isn't missed in it.
            if fewest >= there:
                return found
            there = min(k, self._ledger.count(where))
            if fewest >= there:
                return found
            level = STRONG
        raise GalleryError(f"Milvus at {self._place} found {fewest} sightings, and at least {there} match")

    def _nearest(self, queries: Floats, k: int, where: Filter, limit: int, level: str) -> list[Hits]:
        found, matching = [], of_sightings(where)
        if matching is None:
            none = self._ledger.get(np.zeros(0, np.int64))
            return [Hits(none, np.zeros(0, np.float32)) for _ in queries]
        size = max(1, _MAX_ANSWERED // (limit * _HIT_BYTES))
        for start in range(0, len(queries), size):
            part = queries[start : start + size]
            answers = self._link.search(self._collection, VECTOR, part, matching, limit=limit, level=level)
            for query, rows in zip(part, answers, strict=True):
                full = len(rows) == limit < MAX_ROWS
                if full and rows[k - 1]["distance"] - rows[-1]["distance"] <= _EQUAL:
                    found += self._nearest(query[None], k, where, min(limit * _MORE, MAX_ROWS), level)
                else:
                    found.append(self._hits(query, rows, k, where))
        return found

    def _hits(self, query: Floats, rows: list[Row], k: int, where: Filter) -> Hits:
        records = self._ledger.get(np.array([row["id"] for row in rows], np.int64), where)
        # Row by row, so that equal vectors have equal similarities: a product of matrices sums up in several orders.
        similarities = np.clip((records.embeddings * query).sum(axis=1), -1, 1)
        best = np.lexsort((records.ids, -similarities))[:k]
        return Hits(records.take(best), similarities[best])

    def health(self) -> tuple[str, str]:
        """See `Index.health`."""
        return f"Milvus {self._link.version()}", ""

    def close(self) -> None:
        """See `Index.close`."""
        self._link.close()


def _schema(dim: int) -> Any:
    """The collection's schema for the client."""
    from pymilvus import DataType, MilvusClient

    made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    made.add_field("id", DataType.INT64, is_primary=True)
    made.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    made.add_field("camera", DataType.VARCHAR, max_length=_NAME_BYTES)
    for name, kind in (("identity", "INT64"), ("visit", "INT64"), ("time", "DOUBLE"), ("cls", "INT64")):
        made.add_field(name, DataType[kind])
    made.add_field("quality", DataType.FLOAT)
    return made
