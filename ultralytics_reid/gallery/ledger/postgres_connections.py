"""Address of a PostgreSQL ledger, and the connections to it."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ...errors import GalleryError, GalleryUnavailable
from .postgres_values import can_send

DEFAULT_SCHEMA = "ultralytics_reid"

PsycopgConnection = psycopg.Connection[tuple[Any, ...]]

_SCHEMA = "schema="
_SECRETS = ("password=", "sslpassword=")
_LONGEST_SCHEMA = 63
_MAX_IDLE = 4
# None of these may hang for ever: a server that can't be reached, that went silent, that takes too long.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "fallback_application_name": "ultralytics-reid",
}
# Compiling a query and one plan for all filters cost more than they save here. The rows that a commit has acknowledged
# must survive a crash, whatever the server's default is.
_OPTIONS = (
    "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on"
    " -c jit=off -c plan_cache_mode=force_custom_plan -c hnsw.iterative_scan=relaxed_order"
)
_SEARCH_PATH = """
SELECT set_config('search_path', concat_ws(', ', quote_ident(%s), quote_ident(nspname)), false)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'
"""


@dataclass(frozen=True)
class PostgresAddress:
    """Address of a gallery.

    Attributes:
        uri: Without passwords.
        schema: The database's schema in which its tables are.
        parameters: Of the connection, by libpq's names, with passwords.
    """

    uri: str
    schema: str
    parameters: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, uri: str) -> PostgresAddress:
        """Parse `postgresql://user:password@host:port/database?schema=…`.

        All of libpq's parameters can be given: `connect_timeout=10`, `sslmode=verify-full`,
        `options=-c%20statement_timeout%3D5s`, several hosts.

        Raises:
            GalleryError: If it can't be read; the message shows none of it, for a part of a password may be anywhere.
        """
        base, _, query = uri.partition("?")
        fields = [f for f in query.split("&") if f]
        ours = [unquote(f.removeprefix(_SCHEMA)) for f in fields if f.startswith(_SCHEMA)]
        others = [f for f in fields if not f.startswith(_SCHEMA)]
        login, hosts, path = _split(base)
        parameters = _parameters(base + ("?" + "&".join(others) if others else ""))
        shown = [f for f in fields if not f.startswith(_SECRETS)]
        if ("password" in parameters) != (":" in login or any(f.startswith(_SECRETS[0]) for f in fields)):
            raise _unreadable()
        user = login.partition(":")[0]
        public = f"postgresql://{user + '@' if user else ''}{hosts}{path}" + ("?" + "&".join(shown) if shown else "")
        return cls(public, _checked_schema(ours[-1] if ours else DEFAULT_SCHEMA), parameters)

    def for_pg_dump(self) -> list[str]:
        """What says to PostgreSQL's own tools where it is, without passwords."""
        base, _, query = self.uri.partition("?")
        others = "&".join(f for f in query.split("&") if f and not f.startswith(_SCHEMA))
        schema = self.schema.replace('"', '""')
        return [f'--schema="{schema}"', f"--dbname={base}" + (f"?{others}" if others else "")]


def _unreadable() -> GalleryError:
    return GalleryError(
        "a gallery's URL must read postgresql://user:password@host:port/database, "
        "with special characters in each of them percent-encoded (%40 for @, %2F for /, %3F for ?)"
    )


def _split(base: str) -> tuple[str, str, str]:
    """User and password, hosts, and path of an URL without its query."""
    authority, slash, path = base.partition("://")[2].partition("/")
    login, _, hosts = authority.rpartition("@")
    if "@" in login or "@" in path:
        raise _unreadable()
    return login, hosts, slash + path


def _parameters(uri: str) -> dict[str, Any]:
    try:
        parameters = conninfo_to_dict(uri)
    except psycopg.Error:
        # Its text repeats what it couldn't read.
        raise _unreadable() from None
    if not all(port.isdigit() for port in str(parameters.get("port", "")).split(",") if port):
        raise _unreadable()
    options = f"{_OPTIONS} {parameters.pop('options', '') or ''}"
    return {**_DEFAULTS, "client_encoding": "utf8", **parameters, "options": options}


def _checked_schema(schema: str) -> str:
    if not schema.isprintable() or not 1 <= len(schema.encode()) <= _LONGEST_SCHEMA or schema.startswith("pg_"):
        raise GalleryError(
            f"a schema's name must be printable, of 1 to {_LONGEST_SCHEMA} bytes, and not begin with pg_, "
            f"got {schema!r}"
        )
    return schema


class Connections:
    """Pool of connections: each is lent to one caller, and a few wait for the next.

    Args:
        address: Where to.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._closed = False
        # By process: what a parent had open is the parent's. Appending and popping need no lock, which a fork could
        # leave locked.
        self._idle: dict[int, deque[PsycopgConnection]] = {}

    @contextmanager
    def lent(self) -> Iterator[PsycopgConnection]:
        """One to use; every statement is its own transaction unless one is begun.

        Raises:
            GalleryError: If what was asked for in it is refused.
            GalleryUnavailable: If there is none, or it is lost.
        """
        with self._translated():
            connection, sound = self._take(), False
            try:
                yield connection
                sound = True
            finally:
                self._give(connection, sound)

    @contextmanager
    def transaction(self) -> Iterator[PsycopgConnection]:
        """One in a transaction, which is committed unless an error ends it; raises what `lent` does."""
        with self.lent() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Close those that wait; those that are lent are closed when they come back."""
        self._closed = True
        self._drop_idle()

    def use_schema(self, connection: PsycopgConnection) -> None:
        """Let a connection find the gallery's tables and pgvector's types by their names."""
        connection.execute(_SEARCH_PATH, (self._address.schema,))

    def _take(self) -> PsycopgConnection:
        if self._closed:
            raise GalleryError(f"the gallery {self._address.uri} is closed")
        waiting = self._waiting()
        while waiting:
            try:
                connection = waiting.pop()
            except IndexError:
                break
            if _lives(connection):
                return connection
            connection.close()
        return self._connect()

    def _connect(self) -> PsycopgConnection:
        connection = psycopg.connect(**self._address.parameters, autocommit=True)
        can_send(connection)
        self.use_schema(connection)
        return connection

    def _give(self, connection: PsycopgConnection, sound: bool) -> None:
        if not sound:
            # Whatever broke it may have broken the others.
            self._drop_idle()
        if sound and not self._closed and len(self._waiting()) < _MAX_IDLE:
            self._waiting().append(connection)
        else:
            connection.close()

    def _waiting(self) -> deque[PsycopgConnection]:
        return self._idle.setdefault(os.getpid(), deque())

    def _drop_idle(self) -> None:
        while self._waiting():
            try:
                self._waiting().pop().close()
            except IndexError:
                return

    @contextmanager
    def _translated(self) -> Iterator[None]:
        lost = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
        try:
            yield
        except lost as error:
            raise GalleryUnavailable(f"the gallery {self._address.uri} isn't available: {self._said(error)}") from error
        except psycopg.Error as error:
            raise GalleryError(f"the gallery {self._address.uri} refused: {self._said(error)}") from error

    def _said(self, error: psycopg.Error) -> str:
        password = str(self._address.parameters.get("password") or "")
        said = str(error).strip() or type(error).__name__
        return said.replace(password, "***") if password else said


def _lives(connection: PsycopgConnection) -> bool:
    """Whether a waiting connection is still open: nothing comes from a server that isn't asked but its end."""
    if connection.closed:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(0)
