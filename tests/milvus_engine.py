"""Milvus for tests: this package's client on Milvus Lite's local engine, which is never offered as storage."""

import threading
from collections import defaultdict
from pathlib import Path

import pytest

from ultralytics_reid.gallery.records import new_ids
from ultralytics_reid.gallery.stores.milvus import MilvusStore
from ultralytics_reid.gallery.stores.milvus_rows import CLAIMS, NO_VECTOR

# Its engine takes one write at a time, without saying so when there are two.
_ONE_WRITER = defaultdict(threading.Lock)
_WRITES = ("create_collection", "create_index", "load_collection", "upsert", "delete")


def local_client(path, **kwargs):
    """A `MilvusClient` on the file, in this process."""
    from pymilvus import MilvusClient

    client = MilvusClient(str(path), timeout=10, dedicated=True, **kwargs)
    for name in _WRITES:
        setattr(client, name, _one_at_a_time(getattr(client, name), _ONE_WRITER[str(path)]))
    return client


def _one_at_a_time(call, lock):
    def locked(*args, **kwargs):
        with lock:
            return call(*args, **kwargs)

    return locked


class MilvusEngine:
    """A folder of Milvus Lite's in the test's own."""

    name = "milvus"

    def __init__(self, folder):
        self.path = Path(folder) / "milvus.db"

    def connect(self):
        return local_client(self.path)

    def open(self, dim=8, fingerprint="test", connect=None):
        return MilvusStore("milvus://local", dim, fingerprint, connect=connect or self.connect)

    def skip_to(self, identity):
        client = self.connect()
        # Position p is the id p + 1.
        claim = {"id": int(new_ids(1)[0]), "began": 0, "ended": identity - 1, "kept": True, **NO_VECTOR}
        client.upsert(CLAIMS, [claim])
        client.close()

    def close(self):
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(str(self.path))


def milvus_engine(folder):
    pytest.importorskip("milvus_lite", reason="needs milvus-lite")
    return MilvusEngine(folder)
