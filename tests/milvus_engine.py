"""Milvus for tests: Milvus Lite's engine stands in for a server. No other index is kept there."""

from pathlib import Path

import pytest
from gallery_engines import DIM, SQLiteEngine

from ultralytics_reid.gallery.index.milvus import MilvusIndex
from ultralytics_reid.gallery.index.milvus_client import parsed
from ultralytics_reid.gallery.store import Store


class Server:
    """A server in this process, on a folder.

    It takes one call after the other: Milvus Lite's engine loses rows when two write at once, and a read during a
    write may see what that deleted gone and what it wrote not yet there.
    """

    def __init__(self, folder, port=0):
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        self._server, self._database, self.port = start_server_in_thread(str(folder), port=port, max_workers=1)
        self.uri = f"milvus://127.0.0.1:{self.port}"

    def connect(self):
        return parsed(self.uri).client()

    def stop(self):
        self._server.stop(grace=1).wait()
        self._database.close()


def with_index(store, server, connect=None):
    """A store of the same ledger with an index in a server."""
    index = MilvusIndex(store, parsed(server.uri), connect=connect or server.connect)
    return Store(store.database, index)


class MilvusEngine:
    """A ledger of another engine, and a Milvus of its own beside it."""

    def __init__(self, folder, ledger):
        self.name = f"{ledger.name}+milvus"
        self.ledger = ledger
        self.server = Server(Path(folder) / "milvus")

    def open(self, dim=DIM, fingerprint="test", connect=None):
        return with_index(self.ledger.open(dim, fingerprint), self.server, connect)

    def skip_to(self, identity):
        self.ledger.skip_to(identity)

    def close(self):
        self.ledger.close()
        self.server.stop()


def sqlite_milvus_engine(folder):
    pytest.importorskip("milvus_lite", reason="needs milvus-lite")
    return MilvusEngine(folder, SQLiteEngine(folder))


def postgres_milvus_engine(folder):
    pytest.importorskip("milvus_lite", reason="needs milvus-lite")
    from postgres_server import postgres_engine

    return MilvusEngine(folder, postgres_engine(folder))
