"""Calls to Milvus, each with a time limit; the address of a server, and its errors translated."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..._typing import Floats
from ...errors import GalleryError, GalleryUnavailable

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

# The server's error codes that pass: away, out of memory, too many requests, disk full, throttled, and collections
# that aren't loaded, not wholly yet, or being recovered, as after a restart.
_PASSING = frozenset({2, 3, 4, 7, 8, 9, 101, 103, 106})


@dataclass(frozen=True)
class MilvusAddress:
    """Address of a Milvus server, and its user.

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
                f"{self.shown} is {version}, and Milvus Lite lost rows that it had acknowledged: an index needs "
                "Milvus itself"
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


def parsed(uri: str) -> MilvusAddress:
    """Read a `milvus://…` address.

    Raises:
        GalleryError: If it isn't one, or leads to a local file.
    """
    shown = _without_secrets(uri)
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise GalleryError(f"a gallery's index in Milvus is {_ADDRESS}, got {shown}") from None
    database = parts.path.strip("/")
    if not host or host.startswith(".") or database.endswith(".db") or (host.endswith(".db") and port is None):
        raise GalleryError(
            f"a gallery's index in Milvus is on a server, {_ADDRESS}, and {shown} is a local path: Milvus Lite, which "
            "would keep it there, lost rows that it had acknowledged"
        )
    if parts.scheme != "milvus" or (database and not _DATABASE.fullmatch(database)) or parts.fragment:
        raise GalleryError(f"a gallery's index in Milvus is {_ADDRESS}, got {shown}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MilvusAddress(host, _PORT if port is None else port, database, _secure(parts.query, shown), user, password)


def _without_secrets(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _secure(query: str, shown: str) -> bool:
    options = parse_qs(query, keep_blank_values=True)
    values = options.pop("secure", ["false"])
    if options or values not in (["true"], ["false"]):
        raise GalleryError(f"the only option of an index in Milvus is secure, true or false, got {shown}")
    return values == ["true"]


_NO_CLIENT = "an index in Milvus needs the extra: pip install '.[milvus]' in the checkout"


class MilvusLink:
    """A client, for any thread, and after a fork for the child.

    Every call ends within about half a minute.

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
            raise GalleryError(f"the index {self._where} is closed")
        # A connection doesn't survive a fork, and the parent still needs it: the child makes its own.
        process = os.getpid()
        if process not in self._clients:
            with self._telling():
                self._clients[process] = self._connect()
        return self._clients[process]

    def close(self) -> None:
        """Close this process's client; closing twice is harmless."""
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

    def make(self, collection: str, schema: Any, vector: str) -> None:
        """Make a collection with its index and load it; what is there already stays as it is.

        Two clients may do so at once.
        """
        client = self._client()
        if not self.has(collection):
            with self._unless(lambda: self.has(collection)):
                client.create_collection(collection, schema=schema, timeout=_CALLING)
        if not self._indexed(collection):
            index = client.prepare_index_params()
            index.add_index(vector, index_type="FLAT", metric_type="IP")
            with self._unless(lambda: self._indexed(collection)):
                client.create_index(collection, index, timeout=_CALLING, sync=False)
        with self._telling():
            client.load_collection(collection, timeout=_CALLING)

    def drop(self, collection: str) -> None:
        """Delete a collection with all that is in it; one that isn't there is ignored."""
        with self._telling():
            self._client().drop_collection(collection, timeout=_CALLING)

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

    def count(self, collection: str) -> int:
        """Number of rows, strongly consistent."""
        with self._telling():
            found = self._client().query(
                collection, filter="", output_fields=["count(*)"], consistency_level=STRONG, timeout=_CALLING
            )
        return int(found[0]["count(*)"])

    def search(
        self, collection: str, vector: str, queries: Floats, where: str, *, limit: int, level: str
    ) -> list[list[Row]]:
        """For each query the rows with the greatest inner products, the greatest first: `id` and `distance`.

        Args:
            collection: Where to search.
            vector: In which column.
            queries: `(Q, D)` float32.
            where: Only among rows that match this expression.
            limit: Most rows a query.
            level: What the search sees, `STRONG` or `BOUNDED`.
        """
        with self._telling():
            found = self._client().search(
                collection,
                data=queries,
                anns_field=vector,
                limit=limit,
                filter=where,
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
