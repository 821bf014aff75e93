"""Talking to Milvus: where it is, calls with a time limit, and what their errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..._typing import Floats
from ...errors import GalleryError, GalleryUnavailable
from .milvus_filters import EVERYTHING

Row = dict[str, Any]
Connect = Callable[[], Any]

# What a read sees. Strong: everything acknowledged before it began; bounded: a cluster may be seconds behind.
STRONG, BOUNDED = "Strong", "Bounded"

# Answers and requests above 64 MB are refused by a server as it is shipped, and it likes smaller ones.
MAX_BYTES = 8 * 2**20
# Rows that a query or search answers with at most.
MAX_ROWS = 16_384

_PORT = 19530
_CONNECTING = 10.0
_CALLING = 20.0
# Milliseconds between attempts to reach a server that went away; of itself, gRPC waits up to two minutes.
_RECONNECTING = 5000
_ADDRESS = "milvus://[user:password@]host[:19530][/database][?secure=true]"

_DATABASE = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)

# Makes the lowest ids be found, in order, when there is a limit; without it, any.
_BY_ID = {"iterator": "True", "reduce_stop_for_best": "True"}

# Of the server's codes those that pass: away, out of memory, too many requests, disk full, throttled, and collections
# that aren't loaded, not wholly yet, or being recovered, as after a restart.
_PASSING = frozenset({2, 3, 4, 7, 8, 9, 101, 103, 106})


@dataclass(frozen=True)
class Address:
    """Where a Milvus is, and who asks.

    Attributes:
        host: Its name or number.
        port: 1 to 65535.
        database: Empty for the default one.
        secure: Whether to use TLS.
        user: Empty if it needs none; an API key if there is no password.
        password: Never shown.
    """

    host: str
    port: int
    database: str
    secure: bool
    user: str
    password: str

    @property
    def shown(self) -> str:
        """The address without user and password."""
        database = f"/{self.database}" if self.database else ""
        return f"milvus://{self._place}{database}{'?secure=true' if self.secure else ''}"

    @property
    def _place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def connect(self) -> Any:
        """A `MilvusClient` of a server that keeps what it acknowledged.

        Raises:
            GalleryError: If the extra isn't installed, or the server is Milvus Lite.
        """
        client = self.client()
        version = str(client.get_server_version(timeout=_CALLING))
        if "lite" in version.lower():
            client.close()
            raise GalleryError(
                f"{self.shown} is {version}, and Milvus Lite lost rows that it had acknowledged: a gallery needs "
                "Milvus itself, or a path, for SQLite"
            )
        return client

    def client(self) -> Any:
        """A `MilvusClient` with a connection of its own, whatever is there.

        Raises:
            GalleryError: If the extra isn't installed.
        """
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise GalleryError(_NO_CLIENT) from error
        scheme = "https" if self.secure else "http"
        return MilvusClient(
            uri=f"{scheme}://{self._place}",
            # Not a part of the URI, which the client puts into messages.
            token=f"{self.user}:{self.password}" if self.password else self.user,
            db_name=self.database,
            timeout=_CONNECTING,
            dedicated=True,
            grpc_options={"grpc.max_reconnect_backoff_ms": _RECONNECTING},
        )


def parsed(uri: str) -> Address:
    """Read a `milvus://…` address.

    Raises:
        GalleryError: If it isn't one, or leads to a local file.
    """
    shown = _without_secrets(uri)
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise GalleryError(f"a gallery in Milvus is {_ADDRESS}, got {shown}") from None
    database = parts.path.strip("/")
    if not host or host.startswith(".") or database.endswith(".db") or (host.endswith(".db") and port is None):
        raise GalleryError(
            f"a gallery in Milvus is on a server, {_ADDRESS}, and {shown} is a local path: Milvus Lite, which would "
            "keep it there, lost rows that it had acknowledged; give a path without milvus:// for SQLite"
        )
    if parts.scheme != "milvus" or (database and not _DATABASE.fullmatch(database)) or parts.fragment:
        raise GalleryError(f"a gallery in Milvus is {_ADDRESS}, got {shown}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Address(host, _PORT if port is None else port, database, _secure(parts.query, shown), user, password)


def _without_secrets(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _secure(query: str, shown: str) -> bool:
    options = parse_qs(query, keep_blank_values=True)
    values = options.pop("secure", ["false"])
    if options or values not in (["true"], ["false"]):
        raise GalleryError(f"the only option of a gallery in Milvus is secure, true or false, got {shown}")
    return values == ["true"]


_NO_CLIENT = "a gallery in Milvus needs the extra: pip install '.[milvus]' in the checkout"


class Link:
    """A client and what can be asked of it, by any thread, and after a fork by the child.

    Every call ends within about half a minute. All reads are strongly consistent unless something else is said.

    Args:
        connect: Makes a client.
        where: The address for messages, without a password.
    """

    def __init__(self, connect: Connect, where: str) -> None:
        self._connect = connect
        self._where = where
        self._clients: dict[int, Any] = {}
        self._closed = False
        self._client()

    def _client(self) -> Any:
        if self._closed:
            raise GalleryError(f"the gallery {self._where} is closed")
        # A connection doesn't survive a fork, and the parent still needs it: the child makes its own.
        process = os.getpid()
        if process not in self._clients:
            with self._telling():
                self._clients[process] = self._connect()
        return self._clients[process]

    def close(self) -> None:
        """Let go of this process's client; closing twice is harmless."""
        self._closed = True
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            import grpc
            from pymilvus.exceptions import MilvusException
        except ImportError as error:
            raise GalleryError(_NO_CLIENT) from error
        try:
            yield
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            raise self._as_ours(error) from error

    def _as_ours(self, error: Exception) -> GalleryError:
        said = getattr(error, "message", "") or getattr(error, "details", lambda: "")() or str(error)
        if _passes(error):
            return GalleryUnavailable(f"Milvus at {self._where} doesn't answer: {said}")
        return GalleryError(f"Milvus at {self._where} refuses: {said}")

    def version(self) -> str:
        """The server's."""
        with self._telling():
            return str(self._client().get_server_version(timeout=_CALLING))

    def has(self, collection: str) -> bool:
        """Whether a collection is there."""
        with self._telling():
            return bool(self._client().has_collection(collection, timeout=_CALLING))

    def described(self, collection: str) -> Mapping[str, Any]:
        """A collection's fields and properties."""
        with self._telling():
            described: Mapping[str, Any] = self._client().describe_collection(collection, timeout=_CALLING)
        return described

    def make(self, collection: str, schema: Any, vector: str, properties: Mapping[str, str]) -> None:
        """Make a collection with its index and begin to load it; whatever is there already stays as it is.

        Two clients may do so at once: what the other was quicker with is fine.
        """
        client = self._client()
        if not self.has(collection):
            with self._unless(lambda: self.has(collection)):
                client.create_collection(collection, schema=schema, properties=dict(properties), timeout=_CALLING)
        if not self._indexed(collection):
            index = client.prepare_index_params()
            index.add_index(vector, index_type="FLAT", metric_type="IP")
            with self._unless(lambda: self._indexed(collection)):
                client.create_index(collection, index, timeout=_CALLING, sync=False)
        with self._telling():
            client.load_collection(collection, timeout=_CALLING, _async=True)

    def load(self, collection: str) -> None:
        """Wait until a collection is loaded."""
        with self._telling():
            self._client().load_collection(collection, timeout=_CALLING)

    def _indexed(self, collection: str) -> bool:
        with self._telling():
            return bool(self._client().list_indexes(collection, timeout=_CALLING))

    @contextmanager
    def _unless(self, done: Callable[[], bool]) -> Iterator[None]:
        try:
            with self._telling():
                yield
        except GalleryUnavailable:
            raise
        except GalleryError:
            if not done():
                raise

    def query(self, collection: str, where: str, fields: Sequence[str], **options: Any) -> list[Row]:
        """Rows that match an expression, in any order; `limit` is an option, without which all of them come."""
        with self._telling():
            found = self._client().query(
                collection,
                filter=where,
                output_fields=list(fields),
                consistency_level=STRONG,
                timeout=_CALLING,
                **options,
            )
        return list(found)

    def count(self, collection: str, where: str) -> int:
        """How many rows match an expression."""
        # Of all rows the server knows it without looking at them.
        matching = "" if where == EVERYTHING else where
        return int(self.query(collection, matching, ["count(*)"])[0]["count(*)"])

    def wait(self, collection: str) -> None:
        """Wait until the nodes that search have everything that was acknowledged."""
        self.count(collection, EVERYTHING)

    def pages(self, collection: str, where: str, fields: Sequence[str], size: int) -> Iterator[list[Row]]:
        """Rows that match an expression, by ascending id.

        The client's own iterator takes the time of what it sees from this machine's clock where the server doesn't
        tell, and misses what was just written.
        """
        # Milvus 2.3 doesn't wait for what was just written when it answers in order. Whoever has waited sees it.
        self.wait(collection)
        size, last = min(size, MAX_ROWS), -1
        while page := self.query(collection, f"id > {last} and ({where})", fields, limit=size, **_BY_ID):
            yield page
            last = page[-1]["id"]

    def search(
        self,
        collection: str,
        vector: str,
        queries: Floats,
        where: str,
        *,
        limit: int,
        fields: Sequence[str],
        level: str,
    ) -> list[list[Row]]:
        """For each query the rows with the greatest inner products, the greatest first: `id`, `distance`, `entity`.

        Args:
            collection: Where to search.
            vector: In which column.
            queries: `(Q, D)` float32.
            where: Only among rows that match this expression.
            limit: Most rows a query.
            fields: Columns for `entity`.
            level: What the search sees, `STRONG` or `BOUNDED`.
        """
        with self._telling():
            found = self._client().search(
                collection,
                data=queries,
                anns_field=vector,
                limit=limit,
                filter=where,
                output_fields=list(fields),
                search_params={"metric_type": "IP"},
                consistency_level=level,
                timeout=_CALLING,
            )
        return [list(hits) for hits in found]

    def upsert(self, collection: str, rows: Sequence[Row], row_bytes: int) -> None:
        """Write rows, as many at once as a request holds; all with an id that is there replace what was there."""
        size = max(1, MAX_BYTES // row_bytes)
        for n in range(0, len(rows), size):
            with self._telling():
                self._client().upsert(collection, list(rows[n : n + size]), timeout=_CALLING)

    def delete(self, collection: str, ids: Sequence[int]) -> None:
        """Delete rows by id."""
        for n in range(0, len(ids), MAX_ROWS):
            with self._telling():
                self._client().delete(collection, ids=list(ids[n : n + MAX_ROWS]), timeout=_CALLING)


def _passes(error: Exception) -> bool:
    """Whether the same call may work later."""
    import grpc
    from pymilvus.exceptions import MilvusException, MilvusUnavailableException

    away = (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
    )
    if isinstance(error, MilvusException):
        # The client puts gRPC's status where the server's number is.
        passing = error.retriable or error.code in away or error.code in _PASSING
        return passing or isinstance(error, MilvusUnavailableException) or "Retry timeout" in error.message
    return isinstance(error, grpc.FutureTimeoutError) or (isinstance(error, grpc.Call) and error.code() in away)
