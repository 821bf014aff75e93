"""An index in Milvus beside the ledger: addresses, outages, catching up; test_contract.py is for all engines."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from urllib.parse import unquote

import numpy as np
import pytest
from gallery_engines import DIM, SQLiteEngine, a_visit, rows
from hypothesis import given
from hypothesis import strategies as st

from ultralytics_reid.errors import GalleryError, GalleryUnavailable
from ultralytics_reid.gallery.records import ANY, Filter, Records, checked_embeddings, new_ids
from ultralytics_reid.gallery.store import open_store

pytest.importorskip("pymilvus", reason="needs pymilvus")

from milvus_engine import Server, postgres_milvus_engine, sqlite_milvus_engine, with_index

from ultralytics_reid.gallery.index import milvus_client
from ultralytics_reid.gallery.index.milvus_client import parsed
from ultralytics_reid.gallery.index.milvus_filters import encoded, of_sightings

pytestmark = pytest.mark.extras

SECRET = "s3cr3t"
QUERY = np.ones((1, DIM), np.float32)


class DeadError(Exception):
    """The client is gone in the middle of a call."""


class Wrapped:
    """A client some of whose methods are others."""

    def __init__(self, client, **methods):
        self._client = client
        self._methods = methods

    def __getattr__(self, name):
        call = getattr(self._client, name)
        return (lambda *args, **kwargs: self._methods[name](call, *args, **kwargs)) if name in self._methods else call


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request, tmp_path):
    made = {"sqlite": sqlite_milvus_engine, "postgres": postgres_milvus_engine}[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def beside(tmp_path):
    """Opens a gallery in a file with an index at an address."""
    return lambda index: open_store(tmp_path / "beside.db", DIM, "test", index)


def opened_with(engine, **methods):
    """A store whose Milvus client answers some calls in another way."""
    return engine.open(connect=lambda: Wrapped(engine.server.connect(), **methods))


def collections(engine):
    client = engine.server.connect()
    found = client.list_collections()
    client.close()
    return found


def indexed(engine):
    """Number of rows in the only collection, by id."""
    (collection,) = collections(engine)
    client = engine.server.connect()
    found = client.query(collection, filter="id >= 0", output_fields=["id", "identity"], consistency_level="Strong")
    client.close()
    return {row["id"]: row["identity"] for row in found}


def assert_index_matches(engine, store):
    """The index holds exactly the ledger's sightings, with their identities."""
    records = Records.joined(list(store.scan()), store.dim)
    assert indexed(engine) == dict(zip(records.ids.tolist(), records.identities.tolist(), strict=True))


# Addresses.


@pytest.mark.parametrize(
    ("uri", "expected", "shown"),
    [
        ("milvus://db", ("db", 19530, "", False, "", ""), "milvus://db:19530"),
        (
            "milvus://db:1234/site?secure=true",
            ("db", 1234, "site", True, "", ""),
            "milvus://db:1234/site?secure=true",
        ),
        (f"milvus://me:{SECRET}@db/", ("db", 19530, "", False, "me", SECRET), "milvus://db:19530"),
        (f"milvus://me%40home:{SECRET}@[::1]:80", ("::1", 80, "", False, "me@home", SECRET), "milvus://[::1]:80"),
        ("milvus://host.db:19530?secure=false", ("host.db", 19530, "", False, "", ""), "milvus://host.db:19530"),
    ],
)
def test_addresses_are_parsed(uri, expected, shown):
    found = parsed(uri)
    assert astuple(found) == expected
    assert found.shown == shown
    assert parsed(found.shown).shown == shown


def test_milvus_alone_is_refused_and_both_keys_are_named():
    with pytest.raises(GalleryError, match=r"'gallery' to a path or postgresql.*'gallery_index'") as caught:
        open_store(f"milvus://me:{SECRET}@db", DIM, "test")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("index", ["index.db", "postgresql://me:s3cr3t@db/x", "http://me:s3cr3t@db"])
def test_an_index_that_is_not_milvus_is_refused(beside, index, tmp_path):
    with pytest.raises(GalleryError, match="'gallery_index' must be empty or milvus") as caught:
        beside(index)
    assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uri", ["milvus:///srv/a.db", "milvus://a.db", "milvus://./a.db", "milvus://folder/a.db", "milvus://", "milvus:///"]
)
def test_local_paths_are_refused_with_the_reason(beside, uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GalleryError, match="lost rows that it had acknowledged"):
        beside(uri)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["host:x", "host:70000", "host/a/b", "host/1a", "host?secure=yes", "host?tls=true", "[host", "host#a"]
)
def test_a_malformed_address_is_refused_without_showing_the_password(beside, address):
    with pytest.raises(GalleryError) as caught:
        beside(f"milvus://me:{SECRET}@{address}")
    assert SECRET not in str(caught.value)
    assert address in str(caught.value)


@pytest.mark.parametrize("password", ["a/b", "a#b", "a?b", "a@b", "a:b"])
def test_a_password_with_special_characters_is_not_shown(password):
    try:
        said = parsed(f"milvus://me:{SECRET}{password}@host").shown
    except GalleryError as error:
        said = str(error)
    assert SECRET not in said


def test_user_and_password_go_to_the_client_only(monkeypatch):
    given = {}
    monkeypatch.setattr("pymilvus.MilvusClient", lambda **kwargs: given.update(kwargs))
    parsed(f"milvus://me:{SECRET}%3A@db/site?secure=true").client()
    assert (given["uri"], given["db_name"], given["token"]) == ("https://db:19530", "site", f"me:{SECRET}:")
    assert given["timeout"] <= 30
    parsed("milvus://key@db").client()
    assert (given["uri"], given["token"]) == ("http://db:19530", "key")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pymilvus", None)
    with pytest.raises(GalleryError, match=r"\.\[milvus\]"):
        parsed("milvus://db").client()


def test_milvus_lite_as_a_server_is_refused_and_nothing_is_made_there(engine, beside):
    with pytest.raises(GalleryError, match=r"milvus_lite.* lost rows that it had acknowledged"):
        beside(engine.server.uri)
    assert collections(engine) == []


# Servers that don't answer.


@pytest.fixture
def silent():
    """A port on which connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_is_not_there_is_unavailable(silent, beside, monkeypatch, capfd):
    monkeypatch.setattr(milvus_client, "_CONNECTING", 1.0)
    for port in (silent, 1):
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable, match=f"127.0.0.1:{port}") as caught:
            beside(f"milvus://me:{SECRET}@127.0.0.1:{port}")
        assert time.monotonic() - began < 10
        assert SECRET not in str(caught.value)
    assert SECRET not in "".join(capfd.readouterr())


def test_while_the_server_is_away_rows_are_written_and_searches_are_unavailable(engine, monkeypatch):
    store, records = engine.open(), rows(20)
    monkeypatch.setattr(milvus_client, "_CALLING", 1.0)
    engine.server.stop()
    store.upsert(records, [a_visit(1)])
    assert (store.count(), store.reserve(1), len(list(store.visits()))) == (20, 6, 1)
    for call in (lambda: store.search(QUERY, 3), store.flush, lambda: store.delete(ANY), engine.open):
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable):
            call()
        assert time.monotonic() - began < 15
    store.close()


def test_when_the_server_is_back_the_index_catches_up(tmp_path, monkeypatch):
    monkeypatch.setattr(milvus_client, "_CALLING", 2.0)
    first, ledger = Server(tmp_path / "milvus"), SQLiteEngine(tmp_path)
    store = with_index(ledger.open(), first)
    records = rows(20)
    store.upsert(records)
    store.flush()
    first.stop()
    store.upsert(rows(3, 1))
    with pytest.raises(GalleryUnavailable):
        store.search(QUERY, 3)
    second = Server(tmp_path / "milvus", first.port)
    # Unlike Milvus, it doesn't load again what was loaded.
    soon(lambda: with_index(ledger.open(), second)).close()
    assert len(soon(lambda: store.search(QUERY, 50))[0]) == 23
    store.close()
    second.stop()


def soon(call):
    """What a call returns as soon as the server answers."""
    until = time.monotonic() + 15
    while True:
        try:
            return call()
        except GalleryUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_what_the_server_refuses_is_not_called_unavailable(engine):
    client = milvus_client.MilvusLink(engine.server.connect, engine.server.uri)
    with pytest.raises(GalleryError, match="refuses") as caught:
        client.count("none")
    assert not isinstance(caught.value, GalleryUnavailable)
    client.close()


def test_a_closed_store_says_so(store):
    store.close()
    for call in (store.count, lambda: store.search(QUERY, 3)):
        with pytest.raises(GalleryError, match="closed"):
            call()


# Making the index, and making it anew.


def test_clients_that_make_an_index_at_once_get_the_same(engine):
    engine.ledger.open().close()
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda n: engine.open(), range(4)))
    stores[0].upsert(rows(5, identities=9))
    assert [len(s.search(QUERY, 9)[0]) for s in stores] == [5] * 4
    assert len(collections(engine)) == 1
    assert_index_matches(engine, stores[0])
    for store in stores:
        store.close()


@pytest.mark.parametrize("dies_in", ["create_collection", "create_index", "upsert"])
def test_an_index_whose_making_was_cut_short_is_completed(engine, dies_in):
    plain = engine.ledger.open()
    plain.upsert(rows(20))

    def die(call, *args, **kwargs):
        raise DeadError

    with pytest.raises(DeadError):
        opened_with(engine, **{dies_in: die})
    store = engine.open()
    assert len(store.search(QUERY, 50)[0]) == 20
    assert_index_matches(engine, store)


def test_other_collections_are_left_alone(engine):
    client = engine.server.connect()
    client.create_collection("sightings", dimension=DIM, timeout=5)
    store = engine.open()
    store.upsert(rows(5))
    store.index.rebuild()
    assert len(store.search(QUERY, 9)[0]) == 5
    assert "sightings" in client.list_collections()
    client.close()


def test_one_milvus_holds_the_indexes_of_several_galleries(engine, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    one, other = engine.open(), with_index(SQLiteEngine(folder).open(dim=3), engine.server)
    one.upsert(rows(5))
    other.upsert(rows(4, dim=3))
    assert len(one.search(QUERY, 9)[0]) == 5
    assert len(other.search(np.ones((1, 3), np.float32), 9)[0]) == 4
    other.close()


def test_a_gallery_that_had_no_index_gets_one_with_all_its_rows(engine):
    plain = engine.ledger.open()
    plain.upsert(rows(2500))
    store = engine.open()
    assert_index_matches(engine, store)
    assert len(store.search(QUERY, 3000)[0]) == 2500


@pytest.mark.parametrize("how", ["reopened", "running"])
def test_an_index_that_is_lost_is_filled_anew(engine, how):
    store = engine.open()
    store.upsert(rows(30))
    store.flush()
    client = engine.server.connect()
    for collection in client.list_collections():
        client.drop_collection(collection)
    client.close()
    if how == "reopened":
        store = engine.open()
    assert len(store.search(QUERY, 50)[0]) == 30
    assert_index_matches(engine, store)


@pytest.mark.parametrize("change", ["loses rows", "gets rows back"])
def test_an_index_with_another_number_of_rows_is_filled_anew_when_it_is_opened(engine, change):
    store = engine.open()
    records = rows(30)
    store.upsert(records)
    store.flush()
    (collection,) = collections(engine)
    if change == "loses rows":
        client = engine.server.connect()
        client.delete(collection, ids=records.ids[:4].tolist())
        client.close()
    else:
        store.delete(Filter(identities=frozenset({1, 2})))
        store.index.add(records)
    again = engine.open()
    assert_index_matches(engine, again)
    assert len(again.search(QUERY, 50)[0]) == again.count()


def test_rebuilding_changes_nothing(store, engine):
    store.upsert(rows(40))
    before = store.search(QUERY, 50)[0]
    assert store.index.rebuild()
    assert store.search(QUERY, 50)[0].records.ids.tolist() == before.records.ids.tolist()
    assert_index_matches(engine, store)


# Following the ledger.


def test_what_clients_without_an_index_write_is_found(engine, store):
    store.upsert(rows(10))
    store.flush()
    plain = engine.ledger.open()
    added = rows(5, 1, identities=7)
    plain.upsert(added)
    plain.relabel(Filter(identities=frozenset({1})), 8)
    plain.delete(Filter(identities=frozenset({2})))
    (hits,) = store.search(QUERY, 50)
    assert sorted(hits.records.ids.tolist()) == sorted(id for part in plain.scan() for id in part.ids.tolist())
    assert_index_matches(engine, store)


def test_what_is_deleted_is_gone_from_the_index_when_the_call_returns(engine, store):
    records = rows(20)
    store.upsert(records)
    store.flush()
    store.delete(Filter(identities=frozenset({1, 2, 3})))
    assert_index_matches(engine, store)
    assert len(indexed(engine)) < 20


@pytest.mark.parametrize("dies_in", ["upsert", "delete"])
def test_what_a_client_that_died_had_not_taken_over_is_taken_over_by_the_next(engine, dies_in):
    def die(call, *args, **kwargs):
        raise DeadError

    store = engine.open()
    store.upsert(rows(20))
    store.flush()
    mortal = opened_with(engine, **{dies_in: die})
    if dies_in == "upsert":
        mortal.relabel(ANY, 9)
    with pytest.raises(DeadError):
        mortal.flush() if dies_in == "upsert" else mortal.delete(Filter(identities=frozenset({1, 2})))
    (hits,) = store.search(QUERY, 50)
    assert len(hits) == store.count()
    assert_index_matches(engine, store)


def test_an_older_state_never_overwrites_a_newer_one(engine):
    """A client is slow in writing to Milvus, while another relabels and searches."""
    waits, go = threading.Event(), threading.Event()

    def slow(call, *args, **kwargs):
        waits.set()
        go.wait(20)
        return call(*args, **kwargs)

    other, sluggish = engine.open(), opened_with(engine, upsert=slow)
    sluggish.upsert(rows(20, identities=1))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sluggish.search, QUERY, 50)
        assert waits.wait(20)
        second = pool.submit(
            lambda: (other.relabel(ANY, 2), other.search(QUERY, 50, Filter(identities=frozenset({2}))))
        )
        time.sleep(0.3)
        go.set()
        first.result(30)
        _, (hits,) = second.result(30)
    assert len(hits) == 20
    assert set(indexed(engine).values()) == {2}
    sluggish.close()
    other.close()


def test_clients_that_write_and_search_at_once_lose_nothing(engine):
    stores = [engine.open() for _ in range(3)]
    written = [rows(30, n) for n in range(9)]

    def work(n):
        store = stores[n % 3]
        store.upsert(written[n])
        found = store.search(written[n].embeddings[:3], 400)
        assert all(set(written[n].ids.tolist()) <= set(hits.records.ids.tolist()) for hits in found)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(9)))
    stores[0].flush()
    assert_index_matches(engine, stores[0])
    for store in stores:
        store.close()


# Searches that come short.


def test_fewer_hits_than_match_are_an_error(engine):
    lost = []

    def search(call, *args, **kwargs):
        return [hits[: len(hits) - len(lost)] for hits in call(*args, **kwargs)]

    store = opened_with(engine, search=search)
    store.upsert(rows(20))
    query = np.ones((2, DIM), np.float32)
    assert [len(h) for h in store.search(query, 30)] == [20, 20]
    lost.append(1)
    assert [len(h) for h in store.search(query, 10)] == [10, 10]
    for exact in (True, False):
        with pytest.raises(GalleryError, match="found 19 sightings, and at least 20"):
            store.search(query, 20, exact=exact)
    store.close()


def test_a_search_that_lags_behind_is_repeated_with_strong_consistency(engine):
    levels = []

    def search(call, *args, consistency_level, **kwargs):
        levels.append(consistency_level)
        found = call(*args, consistency_level=consistency_level, **kwargs)
        return [hits[:3] for hits in found] if consistency_level != "Strong" else found

    store = opened_with(engine, search=search)
    store.upsert(rows(20))
    assert len(store.search(QUERY, 5, exact=False)[0]) == 5
    assert levels == ["Bounded", "Strong"]
    assert len(store.search(QUERY, 5)[0]) == 5
    assert levels == ["Bounded", "Strong", "Strong"]
    store.close()


def test_answers_that_would_be_too_large_are_fetched_in_parts(store, monkeypatch):
    store.upsert(rows(200))
    queries = np.random.default_rng(0).normal(size=(5, DIM)).astype(np.float32)
    expected = [(h.records.ids.tolist(), h.similarities.tolist()) for h in store.search(queries, 50)]
    monkeypatch.setattr("ultralytics_reid.gallery.index.milvus._MAX_ANSWERED", 2000)
    assert [(h.records.ids.tolist(), h.similarities.tolist()) for h in store.search(queries, 50)] == expected


def test_rows_come_from_the_ledger_to_the_last_bit(store):
    records = rows(100, times=np.random.default_rng(0).normal(size=100) * 10.0 ** np.linspace(-50, 9, 100))
    store.upsert(records)
    order = np.argsort(records.ids)
    embeddings = checked_embeddings(records.embeddings, DIM)[order]
    for part in (store.get(records.ids), store.search(records.embeddings, 200)[0].records, *store.scan()):
        found = part.take(np.argsort(part.ids))
        assert found.embeddings.tobytes() == embeddings.tobytes()
        assert found.times.tobytes() == records.times[order].tobytes()


def test_ids_beyond_what_a_float_holds_are_exact(store):
    ids = np.array([2**53 + 1, 2**53, 2**63 - 1, 2**63 - 2, *new_ids(3)], np.int64)
    store.upsert(replace(rows(7, ids=ids), embeddings=np.eye(DIM, dtype=np.float32)[:7]))
    for n, id in enumerate(ids):
        assert store.search(np.eye(DIM, dtype=np.float32)[n], 1)[0].records.ids.tolist() == [id]


# Filters in Milvus's language.


@given(st.text())
def test_names_need_no_quoting_and_differ(name):
    text = encoded(name)
    assert unquote(text, errors="surrogatepass") == name
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~%")
    assert f'["{text}"]' in of_sightings(Filter(cameras=frozenset({name})))


@pytest.mark.parametrize("bound", [0.0, -1.5, 1e-300, -5e10, 1 / 3, np.float32(0.1), np.inf, -np.inf])
def test_every_bound_can_be_asked_for(store, bound):
    times = np.array([-6e10, -1.5, 0, 1e-300, np.float32(0.1), 1 / 3, 2e11])
    store.upsert(rows(7, times=times))
    for where, expected in ((Filter(since=bound), times >= bound), (Filter(until=bound), times <= bound)):
        assert store.count(where) == len(store.search(QUERY, 9, where)[0]) == expected.sum()


def test_a_backup_is_the_ledgers(engine, tmp_path):
    store = engine.open()
    store.upsert(rows(5))
    if engine.ledger.name == "postgres":
        with pytest.raises(GalleryError, match="pg_dump"):
            store.backup(tmp_path / "copy")
        return
    store.backup(tmp_path / "copy")
    assert open_store(tmp_path / "copy").count() == 5
    assert "Milvus" in store.health().engine
