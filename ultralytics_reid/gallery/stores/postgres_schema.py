"""A PostgreSQL gallery's tables: made on first use, checked on every other; and the index over its embeddings."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ...errors import GalleryError
from .checks import check_new, check_same
from .postgres_connections import Address, Connection, Connections

FORMAT = 1
# pgvector indexes half-precision vectors up to here, and others only up to half of it.
MAX_INDEXED_DIMS = 4000
# From here an index pays: what it adds to each write, it saves in one or two searches.
INDEXED_FROM = 50_000

# A row with an embedding of so many dimensions and the longest name of a camera fits into a page. Kept there, a search
# reads them in a row; a larger one is kept aside.
_INLINE_DIMS = 1800
_PAGE_TARGET = 8160
_MIN_PGVECTOR = (0, 8)
_OPENING, _INDEXING = 0x5265_4944, 0x5265_4945
_LOOK_AGAIN = 60.0
_BYTES_PER_NODE = 600
_MAX_MEMORY_MB = 2048
_MIN_MEMORY_MB = 64
_INDEX = "sightings_embedding"
_LOGGER = logging.getLogger("ultralytics")

_TABLES = """
CREATE TABLE gallery (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL,
    dim integer NOT NULL,
    fingerprint text NOT NULL,
    next_identity bigint NOT NULL DEFAULT 1
);
CREATE TABLE sightings (
    id bigint PRIMARY KEY,
    identity bigint NOT NULL,
    visit bigint NOT NULL,
    time double precision NOT NULL,
    class bigint NOT NULL,
    quality real NOT NULL,
    camera text COLLATE "C" NOT NULL,
    embedding vector({dim}) NOT NULL
){options};
ALTER TABLE sightings ALTER embedding SET STORAGE {storage};
CREATE INDEX sightings_identity ON sightings (identity);
CREATE INDEX sightings_visit ON sightings (visit);
CREATE INDEX sightings_camera ON sightings (camera);
CREATE INDEX sightings_time ON sightings (time);
CREATE INDEX sightings_class ON sightings (class);
CREATE TABLE visits (
    id bigint PRIMARY KEY,
    identity bigint NOT NULL,
    camera text COLLATE "C" NOT NULL,
    class bigint NOT NULL,
    began double precision NOT NULL,
    ended double precision NOT NULL,
    probability double precision NOT NULL,
    path bytea NOT NULL,
    crop bytea NOT NULL
);
CREATE INDEX visits_identity ON visits (identity);
CREATE INDEX visits_camera ON visits (camera);
CREATE INDEX visits_ended ON visits (ended);
CREATE TABLE names (identity bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE blobs (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
"""


@dataclass(frozen=True)
class Held:
    """What a gallery is for."""

    dim: int
    fingerprint: str


def open_tables(connections: Connections, address: Address, dim: int | None, fingerprint: str | None) -> Held:
    """Find a gallery's tables, or make them; of two clients that come at once, one makes them.

    Raises:
        GalleryError: If there are none and it isn't said what for, they are for other vectors or by a newer version,
            or the server has no pgvector of at least 0.8, or the role may not do what is needed.
        GalleryUnavailable: If the server can't be reached.
    """
    with connections.lent() as connection:
        held = _find(connection, address)
        if held is None:
            check_new(address.uri, dim, fingerprint)
            with connection.transaction():
                held = _find_or_make(connection, address, *check_new(address.uri, dim, fingerprint))
            connections.use_schema(connection)
        check_pgvector(connection, address)
    check_same(address.uri, (held.dim, held.fingerprint), (dim, fingerprint))
    return held


def _find(connection: Connection, address: Address) -> Held | None:
    # to_regclass wouldn't do: it can answer from before the lock that one has just waited for.
    there = connection.execute(
        "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = 'gallery'", (address.schema,)
    )
    if not there.fetchall():
        return None
    table = sql.Identifier(address.schema, "gallery")
    row = connection.execute(sql.SQL("SELECT format, dim, fingerprint FROM {}").format(table)).fetchone()
    if row is None:
        raise GalleryError(f"the table gallery in {address.uri} is empty: it isn't a gallery of this package")
    if row[0] > FORMAT:
        raise GalleryError(f"the gallery {address.uri} was made by a newer version of ultralytics-reid")
    return Held(row[1], row[2])


def _find_or_make(connection: Connection, address: Address, dim: int, fingerprint: str) -> Held:
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_OPENING, address.schema))
    held = _find(connection, address)
    if held is not None:
        return held
    try:
        _make(connection, address, dim, fingerprint)
    except psycopg.errors.InsufficientPrivilege as error:
        raise GalleryError(
            f"the role may not make a gallery at {address.uri} ({str(error).splitlines()[0]}): let an administrator "
            f"run CREATE EXTENSION vector, and GRANT CREATE ON DATABASE to the role"
        ) from error
    return Held(dim, fingerprint)


def _make(connection: Connection, address: Address, dim: int, fingerprint: str) -> None:
    row = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
    if row is None:
        raise GalleryError(f"the server of {address.uri} has no pgvector: install pgvector 0.8 or newer on it")
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    schema = sql.Identifier(address.schema)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    place = "SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace"
    connection.execute(
        f"SELECT set_config('search_path', quote_ident(%s) || ', ' || ({place} WHERE extname = 'vector'), true)",
        (address.schema,),
    )
    inline = dim <= _INLINE_DIMS
    options = f" WITH (toast_tuple_target = {_PAGE_TARGET})" if inline else ""
    connection.execute(_TABLES.format(dim=dim, options=options, storage="PLAIN" if inline else "EXTERNAL"))
    connection.execute("INSERT INTO gallery (format, dim, fingerprint) VALUES (%s, %s, %s)", (FORMAT, dim, fingerprint))


def check_pgvector(connection: Connection, address: Address) -> str:
    """Version of the database's pgvector.

    Raises:
        GalleryError: If it can't search an index further until it has found enough.
    """
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    version = str(row[0]) if row else "none"
    if row is None or tuple(int(n) for n in version.split(".")[:2]) < _MIN_PGVECTOR:
        raise GalleryError(
            f"the gallery {address.uri} needs pgvector 0.8 or newer, and its database has {version}: "
            f"install it on the server and run ALTER EXTENSION vector UPDATE"
        )
    return version


class Index:
    """The approximate index over a gallery's embeddings.

    There is none at first: it makes writing slower, and searching faster only where there is much to search. It is
    made without keeping anybody waiting, by the first who searches a large gallery with `exact=False`, or by `build`.

    Args:
        connections: To the gallery.
        address: Where that is.
        dim: `D` of its embeddings.
    """

    def __init__(self, connections: Connections, address: Address, dim: int) -> None:
        self._connections = connections
        self._address = address
        self._dim = dim
        self._there = False
        self._failed = False
        self._looked = -_LOOK_AGAIN

    def usable(self) -> bool:
        """Whether there is one; if it would pay, and there is none, it is begun in the background."""
        due = time.monotonic() - self._looked >= _LOOK_AGAIN
        if not self._there and due and self._dim <= MAX_INDEXED_DIMS:
            self._looked = time.monotonic()
            with self._connections.lent() as connection:
                self._there = _is_valid(connection)
                wanted = not self._there and not self._failed and _is_large(connection)
            if wanted:
                threading.Thread(target=self._build_quietly, name="gallery-index", daemon=True).start()
        return self._there

    def build(self) -> bool:
        """Make it now; others go on reading and writing.

        Returns:
            Whether it is there; False if somebody else is making it.

        Raises:
            GalleryError: If embeddings have too many dimensions for one, or the server refuses.
        """
        if self._dim > MAX_INDEXED_DIMS:
            raise GalleryError(f"embeddings of {self._dim} dimensions can't be indexed, at most {MAX_INDEXED_DIMS}")
        with self._connections.lent() as connection:
            self._there = _is_valid(connection)
            if self._there:
                return True
            lock = (_INDEXING, self._address.schema)
            # Nobody may wait for this lock: building waits for all who wait for something.
            row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", lock).fetchone()
            if row is None or not row[0]:
                return False
            try:
                self._build(connection)
            finally:
                connection.close()
        self._there = True
        return True

    def _build(self, connection: Connection) -> None:
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
            self.build()
        except GalleryError as error:
            self._failed = True
            _LOGGER.warning(f"the gallery is searched without an index: {error}")

    def note(self, connection: Connection) -> str:
        """What an operator should know of it; empty if nothing."""
        if self._dim > MAX_INDEXED_DIMS:
            return f"every search is exact: pgvector indexes {MAX_INDEXED_DIMS} dimensions at most"
        if not _exists(connection) or _is_valid(connection):
            return ""
        return f"the index {_INDEX} is being made, or its making was cut short; until it is whole, searches are exact"


def _is_large(connection: Connection) -> bool:
    many = "SELECT count(*) >= %s FROM (SELECT FROM sightings LIMIT %s) AS several"
    row = connection.execute(many, (INDEXED_FROM, INDEXED_FROM)).fetchone()
    return bool(row and row[0])


def _is_valid(connection: Connection) -> bool:
    row = connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (_INDEX,)).fetchone()
    return bool(row and row[0])


def _exists(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (_INDEX,)).fetchone()
    return bool(row and row[0])
