"""What was deleted is not on disk any more, or it is said and tried again."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import numpy as np
import pytest

from ultralytics_reid import Filter, Gallery
from ultralytics_reid.cli import main
from ultralytics_reid.gallery import gallery as gallery_module
from ultralytics_reid.gallery.file_names import evidence_key
from ultralytics_reid.gallery.records import Records, Visit, checked_embeddings, new_ids
from ultralytics_reid.gallery.store import open_store

DIM = 64
NAME, OTHER = "ALICE-IN-WONDERLAND", "BOB-THE-BUILDER"
RNG = np.random.default_rng(0)
CROP, LEARNED = b"\xff\xd8" + RNG.bytes(20_000), RNG.bytes(50_000)
VECTOR = RNG.normal(size=(1, DIM)).astype(np.float32)
STORED = checked_embeddings(VECTOR, DIM).astype("<f4").tobytes()
SECRETS = {"name": NAME.encode(), "crop": CROP[100:500], "learned": LEARNED[100:500], "vector": STORED}


def write(store, identity, crop=b"", seconds=None, vector=VECTOR[:, ::-1]):
    now, visit = time.time() if seconds is None else seconds, int(new_ids(1)[0])
    one = np.ones(1, np.int64)
    of = (identity * one, visit * one, ("door",), np.full(1, now), 0 * one, np.ones(1, np.float32))
    store.upsert(Records(new_ids(1), vector, *of), [Visit(visit, identity, "door", 0, now, now + 1, crop=crop)])


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery_module, "_ERASE_SECONDS", 0.2)
    return tmp_path / "site.db"


@pytest.fixture
def running(path):
    """A store as a running tracker has it open, all of whose rows have reached the file."""
    store = open_store(path, DIM, "x")
    write(store, 1, CROP, time.time() - 10, VECTOR)
    write(store, 2)
    store.name(1, NAME)
    store.put_blob(evidence_key("door", time.time_ns() - 10**10), LEARNED)
    store.scrub()
    yield store
    store.close()


def left(path):
    """What can still be found in the gallery's files."""
    files = [f.read_bytes() for f in path.parent.iterdir() if f.name.startswith(path.name)]
    return {what for what, data in SECRETS.items() if any(data in content for content in files)}


@contextlib.contextmanager
def reader(path):
    """Another program that reads."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM visits").fetchall()
        yield


def test_deleting_overwrites_names_crops_vectors_and_what_was_learned(path, running):
    assert left(path) == set(SECRETS)
    with Gallery(path) as gallery:
        assert gallery.delete(Filter(identities=frozenset({1}))).remains == ""
        assert left(path) == set()


def test_pruning_overwrites_it_too(path, running):
    with Gallery(path) as gallery:
        assert gallery.prune(5 / 86_400).remains == ""
    assert left(path) == set()


def test_what_cannot_be_overwritten_yet_is_said_and_any_writer_does_it_later(path, running):
    with reader(path):
        with Gallery(path) as gallery:
            told = gallery.delete(Filter(identities=frozenset({1}))).remains
        assert "still on disk" in told
        assert left(path)
        write(running, 2)
        assert left(path)
    time.sleep(1.1)
    write(running, 2)
    assert left(path) == set()
    assert running.blobs("unscrubbed") == []


def test_pruning_makes_up_for_it(path, running):
    with reader(path), Gallery(path) as gallery:
        assert gallery.delete(Filter(identities=frozenset({1}))).remains
    with Gallery(path) as gallery:
        assert gallery.prune(30).remains == ""
    assert left(path) == set()


def test_a_deletion_waits_for_a_short_reader(path, running, monkeypatch):
    import threading

    monkeypatch.setattr(gallery_module, "_ERASE_SECONDS", 20.0)
    reading, done = threading.Event(), threading.Event()

    def read():
        with reader(path):
            reading.set()
            done.wait(0.5)

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait()
    with Gallery(path) as gallery:
        assert gallery.delete(Filter(identities=frozenset({1}))).remains == ""
    thread.join()
    assert left(path) == set()


def test_the_command_says_what_remains(path, running, capsys):
    with reader(path):
        assert main(["delete", "--gallery", str(path), "--identity", "1", "--yes"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("deleted 1 sighting and 1 visit")
    assert "still on disk" in told.err


@pytest.mark.parametrize("name", [OTHER, ""])
def test_a_changed_name_is_overwritten(path, running, name):
    with Gallery(path) as gallery:
        gallery.rename(1, name)
    assert "name" not in left(path)


def test_the_name_of_a_merged_identity_is_overwritten(path, running):
    with Gallery(path) as gallery:
        gallery.rename(2, OTHER)
        gallery.merge(2, 1, force=True)
    assert "name" not in left(path)
