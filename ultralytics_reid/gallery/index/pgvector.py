"""Search in the ledger's own PostgreSQL, by pgvector: exact, or by an HNSW index where that is faster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from ..._typing import Floats, Ints
from ...errors import GalleryError
from ..ledger.conditions import of_sightings
from ..ledger.database import Session
from ..ledger.postgres import PostgresDatabase
from ..ledger.postgres_connections import PsycopgConnection
from ..ledger.postgres_values import as_vector
from ..ledger.rows import SIGHTING_COLUMNS, Row, records_of
from ..records import Filter, Hits, Records

# pgvector indexes half-precision vectors up to here, and others only up to half of it.
MAX_INDEXED_DIMS = 4000
# From here an index pays: what it adds to each write, it saves in one or two searches.
INDEXED_FROM = 50_000

# The index is asked for twice the hits, for it is of half precision, and remembers four candidates for each, within
# what pgvector allows; for more hits, every search is exact. To look at one candidate takes as long as to compare some
# 20 rows by themselves.
_SPARE = 2
_CANDIDATES = 4
_MIN_CANDIDATES, _MAX_CANDIDATES = 100, 1000
_CANDIDATE_COST = 20

_INDEXING = 0x5265_4945
_LOOK_AGAIN = 60.0
_BYTES_PER_NODE = 600
_MIN_MEMORY_MB, _MAX_MEMORY_MB = 64, 2048
_INDEX = "sightings_embedding"
_LOGGER = logging.getLogger("ultralytics")

# The index is over half-precision vectors, so that this order is never taken from it.
_EXACT = f"""
SELECT {SIGHTING_COLUMNS}, distance FROM (
    SELECT id, embedding <#> ?::vector AS distance FROM sightings WHERE {{where}} ORDER BY distance, id LIMIT ?
) AS nearest JOIN sightings USING (id) ORDER BY distance, id
"""
_APPROXIMATE = f"""
SELECT {SIGHTING_COLUMNS}, embedding <#> ?::vector AS distance FROM (
    SELECT id FROM sightings WHERE {{where}}
    ORDER BY embedding::halfvec({{dim}}) <#> ?::vector::halfvec({{dim}}) LIMIT ?
) AS nearest JOIN sightings USING (id) ORDER BY distance, id LIMIT ?
"""


class PgvectorIndex:
    """pgvector over the ledger's own table: whatever is committed there is found, and there is nothing to follow.

    There is no HNSW index at first: it makes writing slower, and searching faster only where there is much to search.
    It is made in the background by the first client that searches a large gallery with `exact=False`, or by `rebuild`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._dim = database.dim
        self._there = False
        self._failed = False
        self._looked = -_LOOK_AGAIN

    def add(self, records: Records) -> None:
        """See `Index.add`: the ledger's table has them."""

    def delete(self, ids: Ints) -> None:
        """See `Index.delete`: the ledger's table has lost them."""

    def flush(self) -> None:
        """See `Index.flush`: there is nothing to take over."""

    def close(self) -> None:
        """See `Index.close`. An index that is being made is finished by the server."""

    def search(self, queries: Floats, k: int, where: Filter, *, exact: bool) -> list[Hits]:
        """See `Index.search`; not `exact`, by HNSW where that is faster."""
        if exact or not self._index_pays(k, where):
            return self._exact(queries, k, where)
        found = self._approximate(queries, k, where)
        # Where it found fewer, the index may have given up.
        short = [n for n, hits in enumerate(found) if len(hits) < k]
        for n, hits in zip(short, self._exact(queries[short], k, where), strict=True):
            found[n] = hits
        return found

    def _index_pays(self, k: int, where: Filter) -> bool:
        """Whether HNSW looks at so few candidates that it is faster than comparing all that match."""
        candidates = max(_MIN_CANDIDATES, _CANDIDATES * k)
        if candidates > _MAX_CANDIDATES or not self.usable():
            return False
        condition = of_sightings(where, self._database.among)
        with self._database.reading() as session:
            matching = max(1, _expected(session, f"SELECT FROM sightings WHERE {condition.text}", condition.values))
            rows = _expected(session, "SELECT FROM sightings", ())
        return _CANDIDATE_COST * max(candidates, _SPARE * k * rows / matching) < matching

    def _exact(self, queries: Floats, k: int, where: Filter) -> list[Hits]:
        condition = of_sightings(where, self._database.among)
        text = _EXACT.format(where=condition.text)
        with self._database.reading() as session:
            asked = ((as_vector(query), *condition.values, k) for query in queries)
            return [self._hits(session.execute(text, values).fetchall()) for values in asked]

    def _approximate(self, queries: Floats, k: int, where: Filter) -> list[Hits]:
        condition = of_sightings(where, self._database.among)
        text = _APPROXIMATE.format(where=condition.text, dim=self._dim)
        with self._database.writing() as session:
            candidates = str(max(_MIN_CANDIDATES, _CANDIDATES * k))
            session.execute("SELECT set_config('hnsw.ef_search', ?, true)", (candidates,))
            vectors = [as_vector(query) for query in queries]
            asked = ((vector, *condition.values, vector, _SPARE * k, k) for vector in vectors)
            return [self._hits(session.execute(text, values).fetchall()) for values in asked]

    def _hits(self, rows: Sequence[Row]) -> Hits:
        similarities = np.array([-row[-1] for row in rows], np.float32)
        embeddings = self._database.embeddings([row[:-1] for row in rows])
        return Hits(records_of(rows, embeddings), np.clip(similarities, -1, 1))

    def usable(self) -> bool:
        """Whether HNSW is there; if it would pay and isn't there, it is begun in the background."""
        due = time.monotonic() - self._looked >= _LOOK_AGAIN
        if not self._there and due and self._dim <= MAX_INDEXED_DIMS:
            self._looked = time.monotonic()
            with self._database.connections.lent() as connection:
                self._there = _is_valid(connection)
                wanted = not self._there and not self._failed and _is_large(connection)
            if wanted:
                threading.Thread(target=self._build_quietly, name="gallery-index", daemon=True).start()
        return self._there

    def rebuild(self) -> bool:
        """See `Index.rebuild`: make HNSW now, unless it is there; writing takes several times as long from then on.

        Raises:
            GalleryError: If embeddings have more than 4,000 dimensions, or the server refuses.
        """
        if self._dim > MAX_INDEXED_DIMS:
            raise GalleryError(f"embeddings of {self._dim} dimensions can't be indexed, at most {MAX_INDEXED_DIMS}")
        with self._database.connections.lent() as connection:
            self._there = _is_valid(connection)
            if self._there:
                return True
            lock = (_INDEXING, self._database.address.schema)
            # No client may wait for this lock: building waits for all that wait for something.
            row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", lock).fetchone()
            if row is None or not row[0]:
                return False
            try:
                self._build(connection)
            finally:
                connection.close()
        self._there = True
        return True

    def _build(self, connection: PsycopgConnection) -> None:
        connection.execute("SET statement_timeout = 0")
        # What an earlier attempt left unfinished.
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_INDEX}")
        rows = connection.execute("SELECT count(*) FROM sightings").fetchone() or (0,)
        needed = rows[0] * (2 * self._dim + _BYTES_PER_NODE) >> 20
        memory = min(_MAX_MEMORY_MB, max(_MIN_MEMORY_MB, needed))
        connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (f"{memory}MB",))
        connection.execute(
            f"CREATE INDEX CONCURRENTLY {_INDEX} ON sightings "
            f"USING hnsw ((embedding::halfvec({self._dim})) halfvec_ip_ops)"
        )

    def _build_quietly(self) -> None:
        try:
            self.rebuild()
        except GalleryError as error:
            self._failed = True
            _LOGGER.warning(f"the gallery is searched without an index: {error}")

    def health(self) -> tuple[str, str]:
        """See `Index.health`."""
        if self._dim > MAX_INDEXED_DIMS:
            return "", f"every search is exact: pgvector indexes {MAX_INDEXED_DIMS} dimensions at most"
        with self._database.connections.lent() as connection:
            there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (_INDEX,)).fetchone() == (True,)
            if not there or _is_valid(connection):
                return "", ""
        return "", f"the index {_INDEX} is being made, or its making was cut short; until then, searches are exact"


def _expected(session: Session, query: str, values: Row) -> int:
    """How many rows the server expects that a query returns."""
    ((plan,),) = session.execute(f"EXPLAIN (FORMAT JSON) {query}", values).fetchall()
    return int(plan[0]["Plan"]["Plan Rows"])


def _is_large(connection: PsycopgConnection) -> bool:
    many = "SELECT count(*) >= %s FROM (SELECT FROM sightings LIMIT %s) AS several"
    return connection.execute(many, (INDEXED_FROM, INDEXED_FROM)).fetchone() == (True,)


def _is_valid(connection: PsycopgConnection) -> bool:
    row = connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (_INDEX,)).fetchone()
    return row == (True,)
