"""Milvus for tests: Milvus Lite's engine stands in for a server. A gallery is never kept there otherwise."""

from pathlib import Path

import pytest

from ultralytics_reid.gallery.records import new_ids
from ultralytics_reid.gallery.stores.milvus import MilvusStore
from ultralytics_reid.gallery.stores.milvus_client import parsed
from ultralytics_reid.gallery.stores.milvus_rows import CLAIMS, NO_VECTOR


class Server:
    """A server in this process, on a folder.

    It takes one call after the other: Milvus Lite's engine loses rows when two write at once, and a read during a
    write may see what that deleted gone and what it wrote not yet there.
    """

    def __init__(self, folder, port=0):
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        self._server, self._database, self.port = start_server_in_thread(str(folder), port=port, max_workers=1)
        self.uri = f"milvus://127.0.0.1:{self.port}"

    def stop(self):
        self._server.stop(grace=1).wait()
        self._database.close()


class MilvusEngine:
    """A server of its own."""

    name = "milvus"

    def __init__(self, folder):
        self.server = Server(Path(folder) / "milvus")

    def connect(self):
        return parsed(self.server.uri).client()

    def open(self, dim=8, fingerprint="test", connect=None):
        return MilvusStore(self.server.uri, dim, fingerprint, connect=connect or self.connect)

    def skip_to(self, identity):
        client = self.connect()
        # Position p is the id p + 1.
        claim = {"id": int(new_ids(1)[0]), "began": 0, "ended": identity - 1, "kept": True, **NO_VECTOR}
        client.upsert(CLAIMS, [claim])
        client.close()

    def close(self):
        self.server.stop()


def milvus_engine(folder):
    pytest.importorskip("milvus_lite", reason="needs milvus-lite")
    return MilvusEngine(folder)
