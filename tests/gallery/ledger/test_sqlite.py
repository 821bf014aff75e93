"""The gallery's SQLite file: what happens to it when processes die, disks fill up and files go bad."""

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from gallery_engines import DIM, START, a_visit, matching, rows, some_visits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultralytics_reid import Gallery
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.errors import GalleryError, GalleryUnavailable
from ultralytics_reid.gallery.index.replica import Replica
from ultralytics_reid.gallery.ledger import sqlite
from ultralytics_reid.gallery.ledger.sqlite import SQLiteDatabase
from ultralytics_reid.gallery.records import ANY, Filter, Records, new_ids, nothing
from ultralytics_reid.gallery.store import Store, open_store

FOREVER = 60
MIB = 2**20
FORK = multiprocessing.get_context("fork")
QUERY = np.ones((1, DIM), np.float32)


def sqlite_store(path, dim=None, fingerprint=None, **options):
    database = SQLiteDatabase(path, dim, fingerprint, **options)
    return Store(database, Replica(database))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


@pytest.fixture
def make(path):
    """Opens stores that are closed when the test is over."""
    with contextlib.ExitStack() as opened:

        def opener(where=path, dim=DIM, fingerprint="test", **options):
            return opened.enter_context(contextlib.closing(sqlite_store(where, dim, fingerprint, **options)))

        yield opener


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def everything(store, where=ANY):
    return Records.joined(list(store.scan(where)), store.dim)


def files(folder):
    return sorted(entry.name for entry in folder.iterdir())


def fill(store, kept, batches=1000):
    """Write batches and note those that were acknowledged."""
    for _ in range(batches):
        records = rows(200)
        store.upsert(records, [a_visit(len(kept))])
        kept.append(records)


def started(target, *args):
    process = FORK.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def ended(process):
    process.join(FOREVER)
    if process.exitcode is None:
        process.kill()
    return process.exitcode


def vector_of(id):
    return np.random.default_rng(id).normal(size=DIM).astype(np.float32)


# Processes that are killed.


def write_forever(path, log, seed):
    """Writes batches, each of as many sightings as its visit's class says, and logs those that are acknowledged."""
    rng = np.random.default_rng(seed)
    store = open_store(path, DIM, "test")
    acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        count = int(rng.integers(1, 40))
        records = rows(count, visits=new_ids(1)[0], classes=count)
        records = replace(records, embeddings=unit(np.stack([vector_of(id) for id in records.ids])))
        visit = a_visit(int(records.visits[0]), cls=count, crop=rng.bytes(2000))
        # Now and then written twice, as after an answer that got lost.
        for _ in range(1 + (count % 5 == 0)):
            store.upsert(records, [visit])
        os.write(acknowledged, records.ids.tobytes())
        time.sleep(0.005)


@pytest.mark.slow
def test_what_was_acknowledged_survives_being_killed(path, tmp_path, make):
    for seed in range(4):
        log = tmp_path / "acknowledged"
        writers = [started(write_forever, path, log, 3 * seed + n) for n in range(3)]
        reader = make()
        end = time.monotonic() + 0.5 + 0.2 * seed
        for writer, extra in zip(writers, (-0.2, -0.1, 0), strict=True):
            while time.monotonic() < end + extra:
                there = reader.count()
                assert len(reader.search(QUERY, 3)[0]) >= min(3, there)
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
    acknowledged = np.fromfile(log, np.int64)
    assert_nothing_lost(reader, acknowledged)
    reader.close()
    np.testing.assert_array_equal(make().get(acknowledged).ids, acknowledged)
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def assert_nothing_lost(store, acknowledged):
    assert len(acknowledged) > 500
    np.testing.assert_array_equal(store.get(acknowledged).ids, acknowledged)
    vectors = np.stack([vector_of(id) for id in acknowledged])
    found = [hits.records.ids[0] for hits in store.search(vectors, 1)]
    np.testing.assert_array_equal(found, acknowledged)
    there = everything(store)
    assert len(np.unique(there.ids)) == len(there) == store.count()
    assert len(np.unique(there.embeddings, axis=0)) == len(there)
    sizes = dict(zip(*(part.tolist() for part in np.unique(there.visits, return_counts=True)), strict=True))
    assert {v.id: v.cls for v in store.visits()} == sizes


def test_what_another_process_wrote_is_found_by_the_very_next_search(path, make):
    ours, theirs = FORK.Pipe()

    def write():
        store = open_store(path)
        while theirs.recv() is not None:
            records = rows(1)
            store.upsert(records)
            theirs.send(records)

    reader = make()
    process = started(write)
    for n in range(20):
        assert len(reader.search(QUERY, 100)[0]) == n
        ours.send("go")
        records = ours.recv()
        assert records.ids[0] in reader.search(records.embeddings, 100)[0].records.ids
    ours.send(None)
    assert ended(process) == 0


def test_processes_that_create_at_once_get_one_gallery(path):
    barrier = FORK.Barrier(6)

    def create(n):
        barrier.wait()
        store = open_store(path, DIM, "test")
        store.upsert(rows(1, identities=store.reserve(1)))
        store.close()

    assert [ended(p) for p in [started(create, n) for n in range(6)]] == [0] * 6
    assert files(path.parent) == [path.name]
    assert sorted(everything(open_store(path)).identities) == [1, 2, 3, 4, 5, 6]


def test_of_processes_that_create_different_galleries_one_wins(path):
    first = sqlite_store(path, DIM, "test")
    with pytest.raises(GalleryError, match="other"):
        sqlite_store(path, DIM, "other")
    assert first.count() == 0


# Forks.


def test_a_child_goes_on_when_its_parent_has_closed(path, make):
    """SQLite alone loses what the child writes: it inherits an open file, but not the lock that guards its log."""
    store = make()
    store.upsert(rows(5))
    ours, theirs = FORK.Pipe()

    def child():
        store.upsert(rows(5))
        theirs.send("open")
        theirs.recv()
        store.upsert(rows(5))
        os._exit(0)

    process = started(child)
    assert ours.recv() == "open"
    store.close()
    other = make()
    other.upsert(rows(5))
    other.close()
    ours.send("closed")
    assert ended(process) == 0
    assert make().count() == 20


@pytest.mark.slow
def test_forks_while_other_threads_write_and_search_do_no_harm(make):
    store, stop, failed = make(), threading.Event(), []

    def work(seed):
        try:
            while not stop.is_set():
                store.upsert(rows(3, seed))
                store.search(QUERY, 3)
        except GalleryError as error:
            failed.append(error)

    def child():
        store.search(QUERY, 3)
        store.upsert(rows(1, cameras="child"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    codes = [ended(started(child)) for _ in range(8)]
    stop.set()
    for thread in threads:
        thread.join(FOREVER)
    assert (codes, failed) == ([0] * 8, [])
    assert store.count(Filter(cameras=frozenset({"child"}))) == 8
    assert (store.count() - 8) % 3 == 0


# Disks.


def test_a_full_disk_loses_nothing_and_is_no_end(small_disk, make):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * MIB)
    store, kept = make(small_disk / "gallery.db"), []
    with pytest.raises(GalleryUnavailable, match="full"):
        fill(store, kept)
    written = set(Records.joined(kept, DIM).ids.tolist())
    assert set(everything(store).ids.tolist()) == written
    assert len(store.search(QUERY, 10_000)[0]) == len(written)
    ballast.unlink()
    store.upsert(rows(200))
    assert (store.count(), len(list(store.visits()))) == (len(written) + 200, len(kept))


def test_on_a_full_disk_no_gallery_is_made(small_disk):
    (small_disk / "ballast").write_bytes(b"x" * (3 * MIB - 16_384))
    with pytest.raises(GalleryUnavailable, match="full"):
        sqlite_store(small_disk / "gallery.db", DIM, "test")
    assert files(small_disk) == ["ballast"]


def test_a_full_file_loses_nothing(make):
    """The same where a small disk can't be mounted."""
    store, kept = make(), []
    with store.database.writing() as session:
        session.execute("PRAGMA max_page_count = 64")
    with pytest.raises(GalleryUnavailable, match="full"):
        fill(store, kept)
    assert store.count() == len(store.search(QUERY, 10_000)[0]) == sum(map(len, kept))
    store.close()
    again = make()
    fill(again, kept, 1)
    assert again.count() == sum(map(len, kept))


@contextlib.contextmanager
def read_only(folder):
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("needs a folder that root can't write")
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_refused(tmp_path, make):
    folder = tmp_path / "folder"
    folder.mkdir()
    store = make(folder / "there.db")
    store.upsert(rows(3))
    store.close()
    with read_only(folder):
        for name in ("there.db", "new.db"):
            with pytest.raises(GalleryError, match=r"written.*read-only"):
                make(folder / name)
        assert files(folder) == ["there.db"]
    assert make(folder / "there.db").count() == 3


def test_a_read_only_gallery_can_be_read_searched_and_backed_up(tmp_path, make):
    folder = tmp_path / "folder"
    folder.mkdir()
    store = make(folder / "there.db")
    store.upsert(rows(3), [a_visit(1)])
    store.name(1, "Ada")
    store.close()
    with read_only(folder):
        with Gallery(folder / "there.db") as gallery:
            assert [one.name for one in gallery.individuals()] == ["Ada"]
            assert gallery.store.count() == 3
            assert len(gallery.search(QUERY[0], 3, by="cosine")) > 0
            assert "read-only" in gallery.stats().health.note
            gallery.backup(tmp_path / "copy.db")
            with pytest.raises(GalleryError, match=r"can't be written.*read-only"):
                gallery.delete(Filter(identities=frozenset({1})))
            with pytest.raises(GalleryError, match=r"can't be written.*read-only"):
                gallery.store.name(1, "Bob")
        assert files(folder) == ["there.db"]
    assert make(tmp_path / "copy.db").count() == 3


def test_a_read_only_gallery_shows_what_others_write_meanwhile(path, make, monkeypatch):
    store = make()
    store.upsert(rows(3))
    store.close()
    monkeypatch.setattr(sqlite, "read_only_part", lambda path: path)
    reading = sqlite_store(path, None, None)
    assert reading.count() == len(reading.search(QUERY, 10)[0]) == 3
    writing = make()
    writing.upsert(rows(2))
    assert reading.count() == len(reading.search(QUERY, 10)[0]) == 5
    writing.close()
    assert reading.count() == len(reading.search(QUERY, 10)[0]) == 5
    writing = make()
    writing.upsert(rows(1))
    writing.close()
    assert reading.count() == len(reading.search(QUERY, 10)[0]) == 6
    with pytest.raises(GalleryError, match="read-only"):
        reading.upsert(rows(1))
    reading.close()


# Files that aren't galleries.


def not_a_database(path):
    path.write_text("camera,time\n" * 1000)


def nothing_in_it(path):
    path.touch()


def of_another_program(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sightings (id)")


def cut_off(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def newer(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")


def older(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 0")


def header_only(path):
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (not_a_database, "isn't a gallery"),
        (nothing_in_it, "isn't a gallery"),
        (of_another_program, "isn't a gallery"),
    ],
)
def test_other_files_are_refused_and_left_as_they_are(path, spoil, match):
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(GalleryError, match=match):
        sqlite_store(path, DIM, "test")
    assert path.read_bytes() == before
    assert files(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [(cut_off, "corrupt"), (newer, "version 99"), (older, "version 1, .*2 only"), (header_only, "gallery")],
)
def test_spoilt_galleries_are_refused_and_left_as_they_are(path, make, spoil, match):
    store = make()
    store.upsert(rows(2000))
    store.close()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(GalleryError, match=match):
        sqlite_store(path, DIM, "test")
    assert path.read_bytes() == before
    assert files(path.parent) == [path.name]


def test_a_gallery_with_a_bad_page_is_refused_when_it_is_read(path, make):
    store = make()
    store.upsert(rows(3000))
    store.close()
    with path.open("r+b") as file:
        for page in range(4, path.stat().st_size // 16_384):
            file.seek(page * 16_384)
            file.write(b"\xa5" * 16_384)
    store = make()
    for read in (lambda: store.search(QUERY, 3), lambda: everything(store), lambda: store.upsert(rows(3))):
        with pytest.raises(GalleryError, match="corrupt"):
            read()


def test_an_embedding_of_another_length_is_reported(path, make):
    store = make()
    store.upsert(rows(3))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE vectors SET embedding = x'00' WHERE seq = 2")
    with pytest.raises(GalleryError, match="damaged"):
        store.search(QUERY, 3)


def test_a_folder_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(GalleryError, match="is a folder"):
        sqlite_store(tmp_path, DIM, "test")
    with pytest.raises(GalleryError, match="no folder"):
        sqlite_store(tmp_path / "none" / "gallery.db", DIM, "test")
    assert files(tmp_path) == []


def test_a_file_that_is_moved_away_is_reported_and_used_again_when_it_is_back(path, make):
    store = make()
    store.upsert(rows(3))
    path.rename(path.with_name("away"))
    for call in (store.count, lambda: store.upsert(rows(3)), lambda: store.search(QUERY, 3)):
        with pytest.raises(GalleryUnavailable, match="reached"):
            call()
    with pytest.raises(GalleryError, match="log of one"):
        sqlite_store(path, DIM, "test")
    path.with_name("away").rename(path)
    store.upsert(rows(3))
    assert store.count() == 6


def test_nothing_is_written_into_a_file_that_took_its_place(path, make):
    store, other = make(), make(path.with_name("other"))
    store.upsert(rows(3))
    other.close()
    path.with_name("other").replace(path)
    with pytest.raises(GalleryUnavailable, match="replaced"):
        store.upsert(rows(3))
    with pytest.raises(GalleryUnavailable, match="replaced"):
        store.count()


@pytest.mark.parametrize("name", ["100%20?mode=memory#x.db", "ga llery;--'\".db", "门口.db", "file:x.db"])
def test_any_file_name_will_do(tmp_path, make, name):
    make(tmp_path / name).upsert(rows(3))
    assert make(tmp_path / name).count() == 3
    assert files(tmp_path)[0] == name


def test_it_stays_where_it_was_opened(tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = make("gallery.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.upsert(rows(3))
    assert store.uri == str(tmp_path / "gallery.db")
    assert files(tmp_path / "elsewhere") == []


def test_a_closed_store_says_so(make):
    store = make()
    store.close()
    for call in (store.count, lambda: store.upsert(rows(3)), lambda: store.search(QUERY, 3)):
        with pytest.raises(GalleryError, match="closed"):
            call()


# Other programs that use the file.


@contextlib.contextmanager
def foreign(path, *statements):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()
        yield connection


def test_the_log_stays_bounded_while_another_program_reads_for_long(path, make):
    store, log, written = make(log_limit=MIB, patience=0.1), path.with_name(path.name + "-wal"), []
    with foreign(path, "BEGIN", "SELECT * FROM gallery"):
        with pytest.raises(GalleryUnavailable, match="reading for long"):
            fill(store, written)
        assert MIB < log.stat().st_size < 2 * MIB
        for call in (lambda: store.reserve(1), lambda: store.delete(ANY), lambda: store.name(1, "Ada")):
            with pytest.raises(GalleryUnavailable, match="reading for long"):
                call()
        assert len(store.search(QUERY, 10_000)[0]) == store.count() == sum(map(len, written))
    fill(store, written, 1)
    assert store.count() == sum(map(len, written))
    assert log.stat().st_size < MIB


def test_the_log_stays_bounded_by_itself_while_our_own_readers_read(path, make):
    store, log, stop = make(log_limit=MIB), path.with_name(path.name + "-wal"), threading.Event()

    def read():
        other = sqlite_store(path)
        scan = iter(())
        while not stop.is_set():
            scan = other.scan(batch=50) if next(scan, None) is None else scan
            other.search(QUERY, 3)
        other.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(60):
            store.upsert(rows(200))
            assert log.stat().st_size < 2 * MIB
    finally:
        stop.set()
        reader.join(FOREVER)


def test_another_program_that_writes_for_too_long_is_reported(path, make):
    store = make(patience=0.05)
    store.upsert(rows(3))
    with foreign(path, "BEGIN IMMEDIATE"):
        with pytest.raises(GalleryUnavailable, match="writing"):
            store.upsert(rows(3))
        assert store.count() == len(store.search(QUERY, 9)[0]) == 3
    store.upsert(rows(3))
    assert store.count() == 6


operations = st.lists(
    st.tuples(st.sampled_from(["add", "again", "relabel", "delete", "search"]), st.integers(0, 1), st.integers(0, 999)),
    min_size=3,
    max_size=25,
)


@pytest.mark.parametrize("changes_kept", [3, 50_000])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=operations)
def test_a_search_knows_of_all_that_two_stores_did(path, make, monkeypatch, changes_kept, steps):
    monkeypatch.setattr(sqlite, "_CHANGES", changes_kept)
    stores, held = (make(), make()), nothing(DIM)
    stores[0].delete(ANY)
    for what, which, seed in steps:
        held = step(stores[which], held, what, seed)
    (found,), (again,) = (store.search(QUERY, 10_000) for store in stores)
    for hits in (found, again):
        assert sorted(zip(hits.records.ids, hits.records.identities, strict=True)) == sorted(
            zip(held.ids, held.identities, strict=True)
        )
    np.testing.assert_array_equal(found.records.ids, again.records.ids)
    np.testing.assert_array_equal(found.similarities, again.similarities)
    for store in stores:
        store.close()


def step(store, held, what, seed):
    """Do one thing to a store, and the same to what it should hold."""
    where = Filter(identities=frozenset({seed % 5 + 1, seed % 3 + 1, 9}))
    found = matching(held, where)
    if what == "add":
        added = rows(seed % 9, seed)
        store.upsert(added)
        return Records.joined([held, added], DIM)
    if what == "again":
        changed = replace(rows(len(held), seed), ids=held.ids)
        store.upsert(changed)
        return changed
    if what == "relabel":
        assert store.relabel(where, 9) == found.sum()
        return replace(held, identities=np.where(found, 9, held.identities))
    if what == "delete":
        assert store.delete(where).sightings == found.sum()
        return held.take(np.flatnonzero(~found))
    assert len(store.search(QUERY, 10_000)[0]) == len(held)
    return held


# Privacy, and what an operator sees.


def test_only_its_owner_may_read_it(path, make, tmp_path):
    before = os.umask(0)
    try:
        store = make()
        store.upsert(rows(3))
        store.backup(tmp_path / "backup.db")
        assert len(files(tmp_path)) == 4
        assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_what_is_deleted_is_overwritten(path, make):
    store, records = make(), rows(300, cameras="a camera of that name")
    store.upsert(records, [a_visit(1, crop=b"crop of a person")])
    traces = [records.embeddings[5].tobytes(), b"a camera of that name", b"crop of a person"]

    def found():
        content = b"".join(entry.read_bytes() for entry in path.parent.iterdir())
        return [trace in content for trace in traces]

    assert found() == [True] * 3
    store.delete(ANY)
    assert found() == [False] * 3


def test_a_backup_is_a_gallery_with_everything(path, make, tmp_path):
    store, records = make(), rows(50)
    store.upsert(records, some_visits(5))
    store.name(2, "Ada")
    store.put_blob("key", b"value")
    store.reserve(10)
    store.backup(tmp_path / "backup.db")
    store.delete(ANY)
    copy = make(tmp_path / "backup.db")
    assert set(everything(copy).ids.tolist()) == set(records.ids.tolist())
    assert (len(list(copy.visits())), copy.names(), copy.blob("key"), copy.reserve(1)) == (5, {2: "Ada"}, b"value", 16)
    copy.upsert(rows(3))
    assert len(copy.search(QUERY, 100)[0]) == 53
    assert sorted(name for name in files(tmp_path) if name.endswith("db")) == ["backup.db", "gallery.db"]


def test_a_backup_that_cannot_be_written_leaves_nothing(path, make, tmp_path, small_disk):
    store = make()
    store.upsert(rows(20_000, dim=DIM))
    (small_disk / "ballast").write_bytes(b"x" * (2 * MIB))
    with pytest.raises(GalleryUnavailable, match="full"):
        store.backup(small_disk / "backup.db")
    with pytest.raises(GalleryError, match="no folder"):
        store.backup(tmp_path / "none" / "backup.db")
    assert files(small_disk) == ["ballast"]
    assert store.count() == 20_000


def test_its_health_counts_the_log(path, make):
    store = make()
    store.upsert(rows(50), [a_visit(1, first=START)])
    health = store.health()
    log = path.with_name(path.name + "-wal").stat().st_size
    assert (health.sightings, health.visits, health.bytes) == (50, 1, path.stat().st_size + log)
    assert log > 0
    assert health.engine.startswith("SQLite 3.")
    assert health.note == ""
