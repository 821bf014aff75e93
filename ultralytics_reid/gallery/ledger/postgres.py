"""The ledger in PostgreSQL, with vectors of pgvector: for a site that outgrows one machine's file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..._typing import Floats
from ...errors import GalleryError
from ..records import Records, Visit
from .checks import check_held, check_new, check_same
from .conditions import Condition
from .database import Cursor, Health, Session
from .rows import DETAIL_COLUMNS, VISIT_COLUMNS, Row, detail_row, visit_row

try:
    import psycopg
    from psycopg import sql
except ImportError as error:
    raise GalleryError("a gallery in PostgreSQL needs a driver: pip install '.[postgres]' in the checkout") from error

from .postgres_connections import Connections, PostgresAddress, PsycopgConnection
from .postgres_values import as_reals, from_vectors

FORMAT = 1

# A row with an embedding of so many dimensions and the longest name of a camera fits into a page. Kept there, a search
# reads them in a row; a larger one is kept aside.
_INLINE_DIMS = 1800
_PAGE_TARGET = 8160
_MIN_PGVECTOR = (0, 8)
_OPENING, _QUEUE = 0x5265_4944, 0x5265_4951

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
_PUT_SIGHTINGS = """
INSERT INTO sightings (id, identity, visit, camera, time, class, quality, embedding)
SELECT id, identity, visit, camera, time, class, quality, (?::real[])[(n - 1) * {dim} + 1 : n * {dim}]::vector
FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::float8[], ?::bigint[], ?::real[])
    WITH ORDINALITY AS new (id, identity, visit, camera, time, class, quality, n)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, visit = excluded.visit, camera = excluded.camera,
    time = excluded.time, class = excluded.class, quality = excluded.quality, embedding = excluded.embedding
"""
_PUT_VISIT = f"""
INSERT INTO visits ({VISIT_COLUMNS}, {DETAIL_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, camera = excluded.camera, class = excluded.class,
    began = excluded.began, ended = excluded.ended, probability = excluded.probability, path = excluded.path,
    crop = excluded.crop
"""
# By statement, not by row; until an index elsewhere follows, there are no triggers, and writing costs nothing more.
_MAKE_QUEUE = """
CREATE TABLE followers (place text PRIMARY KEY, token text NOT NULL);
CREATE TABLE pending (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, place text NOT NULL, id bigint NOT NULL);
CREATE INDEX pending_place ON pending (place, number);
CREATE FUNCTION queue_changes() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
    INSERT INTO {schema}.pending (place, id) SELECT place, id FROM written, {schema}.followers;
    RETURN NULL;
END $body$;
CREATE TRIGGER queue_insert AFTER INSERT ON sightings
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION queue_changes();
CREATE TRIGGER queue_update AFTER UPDATE ON sightings
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION queue_changes();
CREATE TRIGGER queue_delete AFTER DELETE ON sightings
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION queue_changes();
"""


class PostgresSession:
    """A connection that takes a `?` a parameter, and answers in binary form.

    Args:
        connection: Lent to it.

    Attributes:
        connection: The same.
    """

    def __init__(self, connection: PsycopgConnection) -> None:
        self.connection = connection

    def execute(self, text: str, values: Sequence[Any] = (), /) -> Cursor:
        """See `Session.execute`."""
        return self.connection.execute(text.replace("?", "%s"), values, binary=True)


# A client can't see when the server has reused the space.
_REMAINS = (
    "the PostgreSQL server keeps deleted rows on disk until VACUUM has freed their space and it is reused, and in its "
    "write-ahead log and backups"
)


class PostgresDatabase:
    """A schema of its own in a PostgreSQL database; see `Database`.

    The connection is to the server itself: a pooler between them must keep sessions. The tables are made on first use;
    of two clients that come at once, one makes them.

    Args:
        uri: `postgresql://user:password@host:port/database`, with any of libpq's parameters, and `schema=…` for
            another schema than `ultralytics_reid`. The password can also be in `PGPASSWORD` or a password file.
        dim: See `open_store`.
        fingerprint: See `open_store`.

    Attributes:
        address: What the URL says.
        connections: To the server.

    Raises:
        GalleryError: If there is no gallery and it isn't said what for, it is for other vectors or by a newer version,
            the URL can't be read, the server has no pgvector 0.8, or the role lacks a right.
        GalleryUnavailable: If the server can't be reached.
    """

    locked = " FOR UPDATE"
    sightings = "sightings"
    detailed_visits = "visits"

    def __init__(self, uri: str, dim: int | None = None, fingerprint: str | None = None) -> None:
        self.address = PostgresAddress.parse(uri)
        self.uri = self.address.uri
        self.connections = Connections(self.address)
        with self.connections.lent() as connection:
            held = _find(connection, self.address)
            if held is None:
                new = check_new(self.uri, dim, fingerprint)
                with connection.transaction():
                    held = _find_or_make(connection, self.address, *new)
                self.connections.use_schema(connection)
            check_pgvector(connection, self.address)
        held = check_held(self.uri, tuple(held))
        check_same(self.uri, held, (dim, fingerprint))
        self.dim, self.fingerprint = held

    @contextmanager
    def reading(self) -> Iterator[PostgresSession]:
        """See `Database.reading`."""
        with self.connections.lent() as connection:
            yield PostgresSession(connection)

    @contextmanager
    def writing(self, *, lasting: bool = False) -> Iterator[PostgresSession]:  # noqa: ARG002
        """See `Database.writing`; every commit outlives a power cut."""
        with self.connections.transaction() as connection:
            yield PostgresSession(connection)

    def among(self, column: str, values: list[int] | list[str]) -> Condition:
        """See `Database.among`."""
        kind = "text" if column == "camera" else "bigint"
        return Condition(f"{column} = ANY(?::{kind}[])", (values,))

    def put_sightings(self, session: Session, records: Records) -> None:
        """See `Database.put_sightings`."""
        # By ascending id: two clients that write the same rows don't wait for each other in a circle.
        records = records.take(np.argsort(records.ids))
        values = (
            as_reals(records.embeddings),
            records.ids.tolist(),
            records.identities.tolist(),
            records.visits.tolist(),
            list(records.cameras),
            records.times.tolist(),
            records.classes.tolist(),
            as_reals(records.qualities),
        )
        session.execute(_PUT_SIGHTINGS.format(dim=self.dim), values)

    def put_visits(self, session: Session, visits: Sequence[Visit]) -> None:
        """See `Database.put_visits`."""
        rows = [(*visit_row(v), *detail_row(v)) for v in sorted(visits, key=lambda v: v.id)]
        _connection(session).cursor().executemany(_PUT_VISIT, rows)

    def note_changes(self, session: Session, condition: Condition) -> None:
        """See `Database.note_changes`: no index needs it."""

    def delete(self, session: Session, table: str, condition: Condition) -> int:
        """See `Database.delete`."""
        return session.execute(f"DELETE FROM {table} WHERE {condition.text}", condition.values).rowcount

    def embeddings(self, rows: Sequence[Row]) -> Floats:
        """See `Database.embeddings`."""
        return from_vectors([row[-1] for row in rows], self.dim)

    def make_queue(self, session: Session) -> None:
        """See `Database.make_queue`."""
        connection = _connection(session)
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_OPENING, self.address.schema))
        if not _has_table(connection, self.address, "followers"):
            schema = sql.Identifier(self.address.schema).as_string(connection)
            connection.execute(_MAKE_QUEUE.format(schema=schema))

    def lock(self, session: Session, place: str) -> None:
        """See `Database.lock`."""
        session.execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_QUEUE, f"{self.address.schema} {place}"))

    def scrub(self, seconds: float) -> str:  # noqa: ARG002
        """See `Database.scrub`: the server's vacuum does it."""
        return _REMAINS

    def backup(self, path: Path) -> None:
        """Refer to PostgreSQL's own tools, which back up a server that is being written to.

        Raises:
            GalleryError: Always; the message says which command to run.
        """
        command = shlex.join(["pg_dump", "--format=custom", *self.address.for_pg_dump(), f"--file={path}"])
        raise GalleryError(
            f"PostgreSQL has its own tools to back up a gallery: {command} "
            f"and to restore it, pg_restore into a database in which CREATE EXTENSION vector was run"
        )

    def version(self) -> object:
        """See `Database`: transactions that are over and under way, of all databases of the server."""
        with self.reading() as session:
            return session.execute("SELECT pg_current_snapshot()::text").fetchone()[0]

    def health(self, sightings: int, visits: int) -> Health:
        """See `Database.health`."""
        query = """
            SELECT current_setting('server_version'), sum(pg_total_relation_size(c.oid))::bigint
            FROM pg_class c WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)
        """
        with self.connections.lent() as connection:
            pgvector = check_pgvector(connection, self.address)
            schema = sql.Identifier(self.address.schema).as_string(connection)
            ((server, size),) = connection.execute(query, (schema,)).fetchall()
        return Health(f"PostgreSQL {server} with pgvector {pgvector}", sightings, visits, int(size))

    def close(self) -> None:
        """See `Database.close`."""
        self.connections.close()


def _connection(session: Session) -> PsycopgConnection:
    assert isinstance(session, PostgresSession)
    return session.connection


def _has_table(connection: PsycopgConnection, address: PostgresAddress, table: str) -> bool:
    # to_regclass wouldn't do: it can answer from before a lock that was just waited for.
    query = "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    return bool(connection.execute(query, (address.schema, table)).fetchall())


def _find(connection: PsycopgConnection, address: PostgresAddress) -> tuple[int, str] | None:
    if not _has_table(connection, address, "gallery"):
        return None
    table = sql.Identifier(address.schema, "gallery")
    row = connection.execute(sql.SQL("SELECT format, dim, fingerprint FROM {}").format(table)).fetchone()
    if row is None:
        raise GalleryError(f"the table gallery in {address.uri} is empty: it isn't a gallery of this package")
    if row[0] > FORMAT:
        raise GalleryError(f"the gallery {address.uri} was made by a newer version of ultralytics-reid")
    return row[1], row[2]


def _find_or_make(
    connection: PsycopgConnection, address: PostgresAddress, dim: int, fingerprint: str
) -> tuple[int, str]:
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
    return dim, fingerprint


def _make(connection: PsycopgConnection, address: PostgresAddress, dim: int, fingerprint: str) -> None:
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


def check_pgvector(connection: PsycopgConnection, address: PostgresAddress) -> str:
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
