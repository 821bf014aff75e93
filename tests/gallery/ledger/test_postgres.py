"""A gallery in PostgreSQL: outages, crashes, shared servers, passwords, and the HNSW index of pgvector."""

import contextlib
import logging
import multiprocessing
import os
import shlex
import signal
import socket
import threading
import time
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
from gallery_engines import a_visit, rows
from postgres_server import PASSWORD, Server, session_server

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.errors import GalleryError, GalleryUnavailable
from ultralytics_reid.gallery.records import ANY, Filter, Records, new_ids, nothing
from ultralytics_reid.gallery.store import open_store

pytestmark = pytest.mark.extras

DIM = 32
FOREVER = 60


@pytest.fixture
def driver():
    pytest.importorskip("psycopg", reason="needs the extra postgres")


@pytest.fixture
def server():
    return session_server()


@pytest.fixture
def database(server):
    name = server.new_database()
    yield name
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def opened(server, database):
    """Opens stores on one database, and closes them."""
    with contextlib.ExitStack() as stack:
        yield lambda dim=DIM, query="", **given: stack.enter_context(
            contextlib.closing(open_store(server.uri(database, query=query, **given), dim, "test"))
        )


@pytest.fixture
def own_server():
    server = session_server() and Server().start()
    yield server
    server.close()


def looks(id):
    """How the sighting of that id looked."""
    return unit(np.random.default_rng(int(id)).normal(size=(1, DIM)).astype(np.float32))[0]


def visit_of_five(visit):
    """Five sightings of one visit, which are written whole or not at all."""
    ids = new_ids(5)
    records = rows(5, ids=ids, dim=DIM, embeddings=np.stack([looks(id) for id in ids]), visits=visit)
    return records, [a_visit(visit)]


def everything(store, where=ANY):
    return Records.joined(list(store.scan(where)), store.dim)


def assert_all_there(store, acknowledged):
    """Every acknowledged row is found by its vector, none is doubled, and no visit is there by halves."""
    assert acknowledged
    for id in acknowledged:
        (hits,) = store.search(looks(id), 1)
        assert hits.records.ids.tolist() == [id]
    records = everything(store)
    assert len(np.unique(records.ids)) == len(records) == store.count()
    visits, sizes = np.unique(records.visits, return_counts=True)
    assert set(sizes.tolist()) == {5}
    assert sorted(visits.tolist()) == [v.id for v in store.visits()]


def eventually(condition, seconds=FOREVER):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def grows(items, by):
    """Whether so many come to a list before long."""
    enough = len(items) + by
    return eventually(lambda: len(items) >= enough)


# Killing.


def write_until_killed(store, log):
    """A process that writes visits, and notes the ids that were acknowledged."""
    with log.open("ab", buffering=0) as notes:
        while True:
            records, visits = visit_of_five(int(new_ids(1)[0]))
            store.upsert(records, visits)
            notes.write(b"".join(b"%d\n" % id for id in records.ids))


def read_until_killed(store, log):
    """A process that searches, and notes how often it found what a visit must have."""
    with log.open("ab", buffering=0) as notes:
        while True:
            (hits,) = store.search(looks(1), 20)
            for visit in set(hits.records.visits.tolist()):
                assert store.count(Filter(visits=frozenset({visit}))) == 5
            notes.write(b"1\n" if len(hits) else b"")


def noted(log):
    """The numbers in whole lines of a log."""
    return [int(line) for line in log.read_bytes().rpartition(b"\n")[0].split()]


def test_what_was_acknowledged_survives_the_death_of_its_writers(opened, tmp_path):
    store = opened()
    context = multiprocessing.get_context("fork")
    logs = [tmp_path / f"{n}" for n in range(4)]
    for _ in range(3):
        works = [write_until_killed] * 3 + [read_until_killed]
        processes = [context.Process(target=w, args=(store, log)) for w, log in zip(works, logs, strict=True)]
        before = [len(noted(log)) if log.exists() else 0 for log in logs]
        for process in processes:
            process.start()
        assert eventually(
            lambda at=before: all(log.exists() and len(noted(log)) > n for log, n in zip(logs, at, strict=True))
        )
        for process in processes:
            assert process.exitcode is None
            os.kill(process.pid, signal.SIGKILL)
            process.join(FOREVER)
    acknowledged = [id for log in logs[:3] for id in noted(log)]
    assert len(set(acknowledged)) == len(acknowledged)
    assert_all_there(store, acknowledged)


def test_a_server_that_dies_while_one_writes_loses_nothing_and_is_found_again(own_server):
    store = open_store(own_server.uri(), DIM, "test")
    acknowledged, unavailable, done = [], [], threading.Event()

    def write():
        while not done.is_set():
            records, visits = visit_of_five(int(new_ids(1)[0]))
            while not done.is_set():
                try:
                    store.upsert(records, visits)
                except GalleryUnavailable as error:
                    unavailable.append(error)
                    time.sleep(0.02)
                else:
                    acknowledged.extend(records.ids.tolist())
                    break

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(2):
            assert grows(acknowledged, 50)
            own_server.kill()
            with pytest.raises(GalleryUnavailable, match="isn't available"):
                store.health()
            assert grows(unavailable, 1)
            own_server.start()
        assert grows(acknowledged, 50)
    finally:
        done.set()
        for writer in writers:
            writer.join(FOREVER)
    assert_all_there(store, acknowledged)
    store.close()


def test_a_connection_that_was_lost_is_replaced_unnoticed(server, database, opened):
    store = opened()
    store.upsert(*visit_of_five(1))
    server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")
    assert store.count() == 5
    store.upsert(*visit_of_five(2))


# What can't be reached, and what waits.


@pytest.mark.usefixtures("driver")
def test_a_server_that_is_not_there_is_refused_at_once():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable, match="isn't available"):
            open_store(f"postgresql://u@127.0.0.1:{closed.getsockname()[1]}/db", DIM, "test")
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("driver")
def test_a_server_that_does_not_answer_is_given_up():
    from ultralytics_reid.gallery.ledger.postgres_connections import PostgresAddress

    assert PostgresAddress.parse("postgresql://u@somewhere/db").parameters["connect_timeout"] <= 10
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable, match="timeout"):
            open_store(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=2", DIM, "test")
        assert time.monotonic() - began < 10


def test_a_statement_that_takes_too_long_is_given_up(server, database, opened):
    import psycopg

    store = opened(query="?options=-c%20statement_timeout%3D200ms")
    with psycopg.connect(server.uri(database)) as other:
        other.execute("LOCK TABLE ultralytics_reid.sightings")
        with pytest.raises(GalleryUnavailable, match="statement timeout"):
            store.upsert(*visit_of_five(1))
    store.upsert(*visit_of_five(1))


# Secrets.


def said(error):
    """All that an error and its causes say."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)


def test_a_wrong_password_is_refused_and_shown_nowhere(server, database, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(GalleryUnavailable, match="password authentication failed") as caught:
        open_store(server.uri(database, password="wr0ng/secret"), DIM, "test")
    shown = said(caught.value) + caplog.text
    assert "wr0ng" not in shown
    assert "secret" not in shown


def test_the_uri_of_a_gallery_has_no_password(opened, server, database):
    for store in (
        opened(),
        opened(password="ignored", query=f"?password={quote(PASSWORD, safe='')}&connect_timeout=7"),
    ):
        assert store.uri.startswith(f"postgresql://postgres@127.0.0.1:{server.port}/{database}")
        assert not any(secret in store.uri for secret in (PASSWORD, quote(PASSWORD, safe=""), "s3cr", "ignored"))
        assert "s3cr" not in repr(store.database.address)
    assert store.uri.endswith("?connect_timeout=7")


@pytest.mark.parametrize(
    "password", ["s3/cr3t", "s3@cr3t", "s3?cr3t", "s3%cr3t", "12?cr3t", "s3:cr/3t", "/cr3t", "s3 cr3t@"]
)
def test_a_password_that_is_not_encoded_is_not_shown_either(password):
    with pytest.raises(GalleryError) as caught:
        open_store(f"postgresql://me:{password}@127.0.0.1:1/db?connect_timeout=2", DIM, "test")
    assert not any(part in said(caught.value) for part in ("s3", "cr3t"))


# Sharing a server.


def test_the_other_tables_of_a_database_stay_as_they_are(server, database, opened):
    for name in ("sightings", "visits", "gallery", "names", "blobs"):
        server.execute(f"CREATE TABLE public.{name} AS SELECT 7 AS id", database)
    store = opened()
    store.upsert(*visit_of_five(1))
    store.name(1, "Ada")
    store.delete(ANY)
    for name in ("sightings", "visits", "gallery", "names", "blobs"):
        assert server.execute(f"TABLE public.{name}", database) == [(7,)]
    ours = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'names' ORDER BY 1"
    assert server.execute(ours, database) == [("public",), ("ultralytics_reid",)]


@pytest.mark.parametrize("schema", ["other", 'O\'Brien "x"; DROP TABLE y', "Ñ %s {0}"])
def test_a_database_can_hold_several_galleries(opened, schema):
    one, other = opened(), opened(dim=3, query=f"?schema={quote(schema, safe='')}")
    other.upsert(rows(4, dim=3))
    assert (one.dim, one.count(), other.dim, other.count()) == (DIM, 0, 3, 4)
    with pytest.raises(GalleryError, match="pg_dump"):
        other.backup("x")


@pytest.mark.parametrize("schema", ["", "pg_mine", "x" * 64, "a%00b", "a%0Ab"])
def test_a_schema_that_cannot_be_is_refused(opened, schema):
    with pytest.raises(GalleryError, match="schema"):
        opened(query=f"?schema={schema}")


def test_of_clients_that_come_at_once_one_makes_the_gallery(server, database):
    made, failed = [], []

    def come(n):
        try:
            made.append(open_store(server.uri(database), DIM, f"embedder {n % 2}"))
        except GalleryError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=come, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER)
    assert (len(made), len(failed)) == (3, 3), failed
    assert all("can't be compared" in text for text in failed)
    assert len({store.fingerprint for store in made}) == 1
    for store in made:
        store.close()


def test_a_role_that_may_not_make_a_gallery_is_told_what_it_needs(server, database):
    server.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest'")
    with pytest.raises(GalleryError, match="CREATE EXTENSION vector"):
        open_store(server.uri(database, user="guest", password="guest"), DIM, "test")
    server.execute("CREATE EXTENSION vector", database)
    server.execute(f"GRANT CREATE ON DATABASE {database} TO guest")
    store = open_store(server.uri(database, user="guest", password="guest"), DIM, "test")
    store.upsert(*visit_of_five(1))
    assert store.count() == 5
    store.close()


def test_an_old_pgvector_is_refused(server, database, opened):
    opened().close()
    server.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'", database)
    with pytest.raises(GalleryError, match=r"0\.8 or newer.*0\.7\.4"):
        opened()


def test_a_gallery_of_a_newer_version_is_refused(server, database, opened):
    opened().close()
    server.execute("UPDATE ultralytics_reid.gallery SET format = 99", database)
    with pytest.raises(GalleryError, match="newer"):
        opened()


def test_pgvector_may_be_in_any_schema(server, database, opened):
    server.execute('CREATE SCHEMA "My Types"; CREATE EXTENSION vector SCHEMA "My Types"', database)
    store = opened()
    store.upsert(*visit_of_five(1))
    assert len(store.search(looks(1), 9)[0]) == 5


# Writing.


def test_what_is_refused_is_refused_whole(opened):
    store = opened()
    records, _ = visit_of_five(1)
    with pytest.raises(GalleryError, match="refused"):
        store.upsert(records, [a_visit(1, cls=2**70)])
    assert (store.count(), list(store.visits())) == (0, [])


def test_clients_that_write_the_same_rows_do_not_deadlock(opened):
    store, failed = opened(), []
    records = rows(200, dim=DIM)

    def write(seed):
        order = np.random.default_rng(seed).permutation(200)
        visits = [a_visit(int(n)) for n in order]
        try:
            for _ in range(5):
                store.upsert(records.take(order) if seed % 2 else nothing(DIM), visits)
        except GalleryError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER)
    assert not failed
    assert store.count() == 200


@pytest.mark.parametrize("dim", [2, 1800, 1850, 2001, 4001, 16_000])
def test_embeddings_of_any_dimension_fit_with_the_longest_names(opened, dim):
    store = opened(dim=dim)
    records = rows(6, dim=dim, cameras="🚪" * 200, embeddings=np.random.default_rng(0).normal(size=(6, dim)))
    store.upsert(records)
    (hits,) = store.search(records.embeddings[2], 3, exact=False)
    assert int(hits.records.ids[0]) == int(records.ids[2])
    np.testing.assert_allclose(store.get(records.ids).embeddings, unit(records.embeddings), atol=1e-6)
    assert ("every search is exact" in store.health().note) == (dim > 4000)


def test_a_gallery_is_backed_up_by_the_command_that_it_names(server, opened, tmp_path):
    store = opened()
    store.upsert(*visit_of_five(1))
    store.name(1, "Ada")
    copy = tmp_path / "the copy"
    with pytest.raises(GalleryError) as caught:
        store.backup(copy)
    command = shlex.split(str(caught.value))
    start = command.index("pg_dump")
    server.tool(command[start : start + 5])
    elsewhere = server.new_database()
    server.execute("CREATE EXTENSION vector", elsewhere)
    server.tool(["pg_restore", f"--dbname=postgresql://postgres@127.0.0.1:{server.port}/{elsewhere}", str(copy)])
    restored = open_store(server.uri(elsewhere))
    assert everything(restored).ids.tolist() == everything(store).ids.tolist()
    assert restored.names() == {1: "Ada"}
    restored.close()
    server.execute(f"DROP DATABASE {elsewhere} WITH (FORCE)")


# The index.


def crowd(count=5000, people=100):
    """Sightings of people, each close to how they look, on two cameras."""
    rng = np.random.default_rng(0)
    person = rng.integers(0, people, count)
    centers = rng.normal(size=(people, DIM))
    embeddings = centers[person] + 0.3 * rng.normal(size=(count, DIM))
    cameras = np.array(["one", "two"])[rng.integers(0, 2, count)].tolist()
    return rows(count, dim=DIM, embeddings=embeddings.astype(np.float32), identities=person + 1, cameras=cameras)


def recall(found, true):
    alike = [len(np.intersect1d(f.records.ids, t.records.ids)) / len(t) for f, t in zip(found, true, strict=True)]
    return float(np.mean(alike))


def scans(server, database):
    """How often the index was used by clients that are gone."""
    query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'sightings_embedding'"
    ((count,),) = server.execute(query, database)
    return count


@pytest.fixture
def filled(server, database, opened):
    """Makes a store with rows and an index."""

    def fill(records, query=""):
        store = opened(query=query)
        store.upsert(records)
        server.execute("ANALYZE ultralytics_reid.sightings", database)
        assert store.index.rebuild()
        return store

    return fill


@pytest.fixture
def indexed(filled):
    return filled(crowd())


def test_an_inexact_search_uses_the_index_and_misses_little(server, database, indexed):
    records = crowd()
    queries = records.embeddings[:50] + np.float32(0.1)
    true = indexed.search(queries, 10)
    indexed.close()
    assert scans(server, database) == 0
    store = open_store(server.uri(database))
    for where in (ANY, Filter(cameras=frozenset({"one"})), Filter(excluding=frozenset({3, 4}))):
        true, found = (store.search(queries, 10, where, exact=exact) for exact in (True, False))
        assert [len(hits) for hits in found] == [10] * 50
        assert recall(found, true) > 0.9
        assert all((np.diff(hits.similarities) <= 0).all() for hits in found)
    store.close()
    assert eventually(lambda: scans(server, database) >= 50)


def test_a_narrow_search_is_exact_with_an_index_too(indexed):
    queries = crowd().embeddings[:20]
    for where in (Filter(identities=frozenset({5})), Filter(identities=frozenset({5}), cameras=frozenset({"two"}))):
        true, found = (indexed.search(queries, 10, where, exact=exact) for exact in (True, False))
        assert recall(found, true) == 1


def test_where_the_index_gives_up_the_search_is_exact(server, database, filled):
    """Half of the rows match, but none of those that the index looks at first: they are on the other side."""
    records = crowd(people=20)
    matches = records.identities > 10
    sides = np.where(matches, -1, 1)[:, None] * 9 * np.eye(DIM, dtype=np.float32)[0]
    records = replace(records, embeddings=records.embeddings + sides, qualities=matches.astype(np.float32))
    store = filled(records, query="?options=-c%20hnsw.max_scan_tuples%3D1")
    queries = records.embeddings[~matches][:5]
    true, found = (store.search(queries, 10, Filter(min_quality=0.5), exact=exact) for exact in (True, False))
    assert [len(hits) for hits in found] == [10] * 5
    assert recall(found, true) == 1
    store.close()
    assert eventually(lambda: scans(server, database) >= 5)


def test_rows_that_are_written_after_the_index_are_found_by_it(indexed):
    new = crowd().take(np.arange(30))
    new = replace(new, ids=new_ids(30), embeddings=-new.embeddings)
    indexed.upsert(new)
    found = indexed.search(new.embeddings, 1, exact=False)
    assert [int(hits.records.ids[0]) for hits in found] == new.ids.tolist()


def test_a_large_gallery_gets_its_index_without_being_asked(opened, monkeypatch):
    from ultralytics_reid.gallery.index import pgvector

    monkeypatch.setattr(pgvector, "INDEXED_FROM", 1000)
    monkeypatch.setattr(pgvector, "_LOOK_AGAIN", 0.0)
    store = opened()
    store.upsert(crowd(900))
    store.search(looks(1), 3, exact=False)
    assert not store.index.usable()
    store.upsert(crowd(1100))
    assert len(store.search(looks(1), 3, exact=False)[0]) == 3
    assert eventually(store.index.usable)


def test_only_one_client_makes_the_index(server, database, opened):
    import psycopg

    store = opened()
    with psycopg.connect(server.uri(database)) as other:
        other.execute("SELECT pg_advisory_lock(%s, hashtext('ultralytics_reid'))", (0x5265_4945,))
        assert not store.index.rebuild()
    assert eventually(store.index.rebuild)
    assert store.index.rebuild()


def test_an_index_whose_making_was_cut_short_is_made_again(server, database, opened):
    store = opened()
    store.upsert(crowd(100))
    assert store.index.rebuild()
    unfinished = (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ultralytics_reid.sightings_embedding'::regclass"
    )
    server.execute(unfinished, database)
    again = opened()
    assert "cut short" in again.health().note
    assert again.index.rebuild()
    assert again.health().note == ""
