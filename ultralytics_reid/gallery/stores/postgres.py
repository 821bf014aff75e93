"""A gallery in PostgreSQL with pgvector: for a site that outgrows one machine's file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._typing import Floats, Ints
from ...errors import GalleryError
from ..records import ANY, FIRST_LOCAL_ID, Filter, Hits, Records, Visit, check_name, checked_records, checked_visits
from . import Deleted, Health
from .checks import check_blob, check_identity, check_queries, check_reserved

try:
    import psycopg
except ImportError as error:
    raise GalleryError("a gallery in PostgreSQL needs a driver: pip install '.[postgres]' in the checkout") from error

from .postgres_connections import Address, Connection, Connections
from .postgres_rows import (
    BARE_VISIT_COLUMNS,
    SIGHTING_COLUMNS,
    VISIT_COLUMNS,
    as_vector,
    records_of,
    sighting_values,
    sightings_where,
    visit_of,
    visit_values,
    visits_where,
)
from .postgres_schema import Index, check_pgvector, open_tables

# The index is asked for twice the hits, for it is of half precision, and remembers four candidates for each, within
# what pgvector allows; for more hits, every search is exact. To look at one candidate takes as long as to compare some
# 20 rows by themselves.
_SPARE = 2
_CANDIDATES = 4
_MIN_CANDIDATES, _MAX_CANDIDATES = 100, 1000
_CANDIDATE_COST = 20

_UPSERT = """
INSERT INTO sightings (id, identity, visit, camera, time, class, quality, embedding)
SELECT id, identity, visit, camera, time, class, quality,
    (%(embeddings)s::real[])[(n - 1) * {dim} + 1 : n * {dim}]::vector
FROM unnest(%(ids)s::bigint[], %(identities)s::bigint[], %(visits)s::bigint[], %(cameras)s::text[],
    %(times)s::float8[], %(classes)s::bigint[], %(qualities)s::real[])
    WITH ORDINALITY AS new (id, identity, visit, camera, time, class, quality, n)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, visit = excluded.visit, camera = excluded.camera,
    time = excluded.time, class = excluded.class, quality = excluded.quality, embedding = excluded.embedding
"""
_UPSERT_VISIT = f"""
INSERT INTO visits ({VISIT_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, camera = excluded.camera, class = excluded.class,
    began = excluded.began, ended = excluded.ended, probability = excluded.probability, path = excluded.path,
    crop = excluded.crop
"""
# The index is over half-precision vectors, so that this order is never taken from it.
_EXACT = f"""
SELECT {SIGHTING_COLUMNS}, distance FROM (
    SELECT id, embedding <#> %(query)s::vector AS distance FROM sightings WHERE {{where}}
    ORDER BY distance, id LIMIT %(k)s
) AS nearest JOIN sightings USING (id) ORDER BY distance, id
"""
_APPROXIMATE = f"""
SELECT {SIGHTING_COLUMNS}, embedding <#> %(query)s::vector AS distance FROM (
    SELECT id FROM sightings WHERE {{where}}
    ORDER BY embedding::halfvec({{dim}}) <#> %(query)s::vector::halfvec({{dim}}) LIMIT %(k)s * {_SPARE}
) AS nearest JOIN sightings USING (id) ORDER BY distance, id LIMIT %(k)s
"""
# From one identity to the next in the index: PostgreSQL would read all rows of each.
_POPULATION = """
WITH RECURSIVE found AS (
    SELECT min(identity) AS identity FROM sightings UNION ALL
    SELECT (SELECT min(identity) FROM sightings WHERE identity > found.identity) FROM found WHERE identity IS NOT NULL
)
SELECT count(identity) FROM found
"""
_USED = "SELECT FROM {} WHERE identity BETWEEN %(at)s AND %(at)s + %(count)s - 1"
_IS_FREE = f"SELECT NOT EXISTS ({' UNION ALL '.join(map(_USED.format, ('sightings', 'visits', 'names')))})"
# The first run of enough free ids that begins at `at` or later, or if there is none, at 1 or later.
_FREE = """
WITH used AS (
    SELECT identity FROM sightings UNION SELECT identity FROM visits UNION SELECT identity FROM names
    UNION SELECT 0 UNION SELECT %(end)s
), gaps AS (
    SELECT identity + 1 AS first, lead(identity) OVER (ORDER BY identity) AS beyond FROM used WHERE identity <= %(end)s
), runs AS (
    SELECT 0 AS round, greatest(first, %(at)s) AS first, beyond FROM gaps UNION ALL SELECT 1, first, beyond FROM gaps
)
SELECT first FROM runs WHERE beyond - first >= %(count)s ORDER BY round, first LIMIT 1
"""


class PostgresStore:
    """A gallery in a schema of its own in a PostgreSQL database; see `Store` for what its methods do.

    The connection is to the server itself: a pooler between them must keep sessions.

    Args:
        uri: `postgresql://user:password@host:port/database`, with any of libpq's parameters, and `schema=…` for
            another schema than `ultralytics_reid`. The password can also be in `PGPASSWORD` or a password file.
        dim: `D` of the embeddings to come; None: whatever is there.
        fingerprint: Of their embedder; None: whatever is there.

    Raises:
        GalleryError: If there is no gallery and it isn't said what for, it is for other vectors, the URL can't be
            read, or the server has no pgvector 0.8.
        GalleryUnavailable: If the server can't be reached.
    """

    def __init__(self, uri: str, dim: int | None = None, fingerprint: str | None = None) -> None:
        self._address = Address.parse(uri)
        self._connections = Connections(self._address)
        held = open_tables(self._connections, self._address, dim, fingerprint)
        self._index = Index(self._connections, self._address, held.dim)
        self.uri = self._address.uri
        self.dim = held.dim
        self.fingerprint = held.fingerprint

    def reserve(self, count: int) -> int:
        """Take ids for identities, which nobody else gets."""
        with self._connections.transaction() as connection:
            first = _free(connection, check_reserved(count))
            if first is None:
                raise GalleryError(f"there are no {count} consecutive ids left that nobody has in {self.uri}")
            connection.execute("UPDATE gallery SET next_identity = %s", (first + count,))
        return first

    def upsert(self, records: Records, visits: Sequence[Visit] = ()) -> None:
        """Write sightings and visits, in one transaction; rows whose ids are there already are replaced."""
        sightings = sighting_values(checked_records(records, self.dim))
        rows = visit_values(checked_visits(visits))
        with self._connections.transaction() as connection:
            if len(records):
                connection.execute(_UPSERT.format(dim=self.dim), sightings)
            if rows:
                connection.cursor().executemany(_UPSERT_VISIT, rows)

    def search(self, queries: Floats, k: int, where: Filter = ANY, *, exact: bool = True) -> list[Hits]:
        """The sightings most alike to each query; not `exact`, by the index where that is faster."""
        checked = check_queries(queries, self.dim, k)
        if exact or not self._index_pays(k, where):
            return self._exact(checked, k, where)
        found = self._approximate(checked, k, where)
        # Where it found fewer, the index may have given up.
        short = [n for n, hits in enumerate(found) if len(hits) < k]
        for n, hits in zip(short, self._exact(checked[short], k, where), strict=True):
            found[n] = hits
        return found

    def _index_pays(self, k: int, where: Filter) -> bool:
        """Whether the index must look at so few that it is faster than to compare all that match."""
        candidates = max(_MIN_CANDIDATES, _CANDIDATES * k)
        if candidates > _MAX_CANDIDATES or not self._index.usable():
            return False
        text, values = sightings_where(where)
        with self._connections.lent() as connection:
            matching = max(1, _expected(connection, f"SELECT FROM sightings WHERE {text}", values))
            rows = _expected(connection, "SELECT FROM sightings", {})
        return _CANDIDATE_COST * max(candidates, _SPARE * k * rows / matching) < matching

    def _exact(self, queries: Floats, k: int, where: Filter) -> list[Hits]:
        with self._connections.lent() as connection:
            return self._searched(connection, _EXACT, queries, k, where)

    def _approximate(self, queries: Floats, k: int, where: Filter) -> list[Hits]:
        candidates = str(max(_MIN_CANDIDATES, _CANDIDATES * k))
        with self._connections.transaction() as connection:
            connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (candidates,))
            return self._searched(connection, _APPROXIMATE, queries, k, where)

    def _searched(self, connection: Connection, query: str, queries: Floats, k: int, where: Filter) -> list[Hits]:
        text, values = sightings_where(where)
        query = query.format(where=text, dim=self.dim)
        asked = ({**values, "k": k, "query": as_vector(vector)} for vector in queries)
        return [self._hits(connection.execute(query, each, binary=True).fetchall()) for each in asked]

    def _hits(self, rows: Sequence[Sequence[Any]]) -> Hits:
        similarities = np.array([-row[-1] for row in rows], np.float32)
        return Hits(records_of(rows, self.dim), np.clip(similarities, -1, 1))

    def build_index(self) -> bool:
        """Make the index for searches that needn't be exact now, instead of when a large gallery is first searched so.

        Writing goes on meanwhile, and takes several times as long from then on.

        Returns:
            Whether it is there; False if another client is making it.

        Raises:
            GalleryError: If embeddings have more than 4,000 dimensions, or the server refuses.
        """
        return self._index.build()

    def get(self, ids: Ints) -> Records:
        """Sightings by id, in that order; those that aren't there are left out."""
        query = f"""
            SELECT {SIGHTING_COLUMNS} FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS asked (id, n)
            JOIN sightings USING (id) ORDER BY n
        """
        return records_of(self._all(query, {"ids": np.asarray(ids, np.int64).tolist()}), self.dim)

    def scan(self, where: Filter = ANY, batch: int = 1000) -> Iterator[Records]:
        """All sightings, by ascending id, in batches; what is written meanwhile may or may not be among them."""
        text, values = sightings_where(where)
        for rows in self._pages(f"SELECT {SIGHTING_COLUMNS} FROM sightings WHERE {text}", values, batch):
            yield records_of(rows, self.dim)

    def visits(self, where: Filter = ANY, *, details: bool = True, batch: int = 1000) -> Iterator[Visit]:
        """All visits, by ascending id; without `details` their paths and crops are left empty."""
        text, values = visits_where(where)
        columns = VISIT_COLUMNS if details else BARE_VISIT_COLUMNS
        for rows in self._pages(f"SELECT {columns} FROM visits WHERE {text}", values, batch):
            yield from map(visit_of, rows)

    def relabel(self, where: Filter, identity: int) -> int:
        """Give the sightings and visits that match another identity; returns how many sightings that were."""
        to = {"to": check_identity(identity)}
        sightings, visits = sightings_where(where), visits_where(where)
        with self._connections.transaction() as connection:
            query = f"UPDATE sightings SET identity = %(to)s WHERE {sightings.text}"
            changed = connection.execute(query, {**sightings.values, **to}).rowcount
            connection.execute(f"UPDATE visits SET identity = %(to)s WHERE {visits.text}", {**visits.values, **to})
        return changed

    def delete(self, where: Filter) -> Deleted:
        """Delete sightings that match, and visits that match and lie wholly between `since` and `until`."""
        sightings, visits = sightings_where(where), visits_where(where, within=True)
        gone = 0
        with self._connections.transaction() as connection:
            deleted = connection.execute(f"DELETE FROM sightings WHERE {sightings.text}", sightings.values).rowcount
            if where.min_quality is None:
                gone = connection.execute(f"DELETE FROM visits WHERE {visits.text}", visits.values).rowcount
        return Deleted(deleted, gone)

    def count(self, where: Filter = ANY) -> int:
        """How many sightings match."""
        text, values = sightings_where(where)
        return int(self._one(f"SELECT count(*) FROM sightings WHERE {text}", values))

    def population(self) -> int:
        """How many identities there are of whom there are sightings."""
        return int(self._one(_POPULATION, {}))

    def names(self) -> dict[int, str]:
        """Names by identity, of those who have one."""
        return dict(self._all("SELECT identity, name FROM names ORDER BY identity"))

    def name(self, identity: int, name: str) -> None:
        """Name an identity; an empty name takes it away."""
        check_identity(identity)
        check_name("identity", name)
        self._put("names", ("identity", "name"), (int(identity), name))

    def blob(self, key: str) -> bytes | None:
        """A small file by its name, None if there is none."""
        check_name("file", key)
        value = self._one("SELECT value FROM blobs WHERE key = %(key)s", {"key": key})
        return None if value is None else bytes(value)

    def blobs(self, prefix: str) -> list[str]:
        """Names of files that begin so, sorted."""
        check_name("file", prefix)
        return [row[0] for row in self._all("SELECT key FROM blobs WHERE starts_with(key, %(p)s)", {"p": prefix})]

    def put_blob(self, key: str, value: bytes) -> None:
        """Keep a small file (16 MiB at most); empty to delete it."""
        check_blob(key, value)
        self._put("blobs", ("key", "value"), (key, bytes(value)))

    def flush(self) -> None:
        """Nothing: what is committed is seen."""

    def backup(self, path: Path) -> None:
        """Refer to PostgreSQL's own tools, which back up a server that is being written to.

        Raises:
            GalleryError: Always; the message says which command to run.
        """
        command = shlex.join(["pg_dump", "--format=custom", *self._address.for_pg_dump(), f"--file={path}"])
        raise GalleryError(
            f"PostgreSQL has its own tools to back up a gallery: {command} "
            f"and to restore it, pg_restore into a database in which CREATE EXTENSION vector was run"
        )

    def health(self) -> Health:
        """How it is."""
        query = """
            SELECT current_setting('server_version'), (SELECT count(*) FROM sightings), (SELECT count(*) FROM visits),
                sum(pg_total_relation_size(c.oid))
            FROM pg_class c WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)
        """
        with self._connections.lent() as connection:
            pgvector = check_pgvector(connection, self._address)
            schema = psycopg.sql.Identifier(self._address.schema).as_string(connection)
            ((server, sightings, visits, size),) = connection.execute(query, (schema,)).fetchall()
            note = self._index.note(connection)
        return Health(f"PostgreSQL {server} with pgvector {pgvector}", sightings, visits, int(size), note)

    def close(self) -> None:
        """Let go of it; closing it twice is harmless. An index that is being made is finished by the server."""
        self._connections.close()

    def _all(self, query: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._connections.lent() as connection:
            return connection.execute(query, values, binary=True).fetchall()

    def _one(self, query: str, values: dict[str, Any]) -> Any:
        rows = self._all(query, values)
        return rows[0][0] if rows else None

    def _pages(self, query: str, values: dict[str, Any], batch: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows by ascending id, a batch a query: nobody holds a transaction while they are looked at."""
        query += " AND id > %(after)s ORDER BY id LIMIT %(batch)s"
        after = -1
        while rows := self._all(query, {**values, "after": after, "batch": batch}):
            yield rows
            if len(rows) < batch:
                return
            after = rows[-1][0]

    def _put(self, table: str, columns: tuple[str, str], values: tuple[int | str, str | bytes]) -> None:
        key, value = columns
        query = f"""
            INSERT INTO {table} ({key}, {value}) VALUES (%(key)s, %(value)s)
            ON CONFLICT ({key}) DO UPDATE SET {value} = excluded.{value}
        """
        if not values[1]:
            query = f"DELETE FROM {table} WHERE {key} = %(key)s"
        with self._connections.lent() as connection:
            connection.execute(query, dict(zip(("key", "value"), values, strict=True)))


def _expected(connection: Connection, query: str, values: dict[str, Any]) -> int:
    """How many rows the server expects that a query returns."""
    ((plan,),) = connection.execute(f"EXPLAIN (FORMAT JSON) {query}", values).fetchall()
    return int(plan[0]["Plan"]["Plan Rows"])


def _free(connection: Connection, count: int) -> int | None:
    """First of `count` ids that can be reserved; nobody else reserves any until the transaction ends."""
    ((at,),) = connection.execute("SELECT next_identity FROM gallery FOR UPDATE").fetchall()
    values = {"at": at, "count": count, "end": FIRST_LOCAL_ID}
    if at + count <= FIRST_LOCAL_ID and connection.execute(_IS_FREE, values).fetchone() == (True,):
        return int(at)
    row = connection.execute(_FREE, values).fetchone()
    return None if row is None else int(row[0])
