"""What is Milvus's own in a gallery in Milvus; what every store must do is in test_contract.py."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import numpy as np
import pytest
from gallery_engines import CAMERAS, DIM, a_visit, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics_reid.errors import GalleryError, GalleryMissing, GalleryUnavailable
from ultralytics_reid.gallery.records import Filter, Visit, checked_embeddings, new_ids
from ultralytics_reid.gallery.store import open_store

pytest.importorskip("pymilvus", reason="needs pymilvus")

from milvus_engine import Server, milvus_engine

from ultralytics_reid.gallery.stores import milvus_claims, milvus_client
from ultralytics_reid.gallery.stores.milvus import MilvusStore
from ultralytics_reid.gallery.stores.milvus_claims import LAP, Claims, free_run
from ultralytics_reid.gallery.stores.milvus_client import parsed
from ultralytics_reid.gallery.stores.milvus_filters import decoded, encoded, joined, of_sightings, of_visits, pieces
from ultralytics_reid.gallery.stores.milvus_rows import CLAIMS, FILES, NO_VECTOR, SIGHTINGS, VISITS, row_of, visit_of

pytestmark = pytest.mark.extras

SECRET = "s3cr3t"


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


@pytest.fixture
def engine(tmp_path):
    made = milvus_engine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(engine):
    opened = engine.open()
    yield opened
    opened.close()


def opened_with(engine, **methods):
    """A store whose client answers some calls in another way."""
    return engine.open(connect=lambda: Wrapped(engine.connect(), **methods))


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
def test_addresses_are_read(uri, expected, shown):
    found = parsed(uri)
    assert astuple(found) == expected
    assert found.shown == shown
    assert parsed(found.shown).shown == shown


@pytest.mark.parametrize(
    "uri", ["milvus:///srv/a.db", "milvus://a.db", "milvus://./a.db", "milvus://folder/a.db", "milvus://", "milvus:///"]
)
def test_local_paths_are_refused_with_the_reason(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GalleryError, match="lost rows that it had acknowledged"):
        open_store(uri, DIM, "test")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["host:x", "host:70000", "host/a/b", "host/1a", "host?secure=yes", "host?tls=true", "[host", "host#a"]
)
def test_what_is_no_address_is_refused_without_telling_the_password(address):
    with pytest.raises(GalleryError) as caught:
        open_store(f"milvus://me:{SECRET}@{address}", DIM, "test")
    assert SECRET not in str(caught.value)
    assert address in str(caught.value)


@pytest.mark.parametrize("password", ["a/b", "a#b", "a?b", "a@b", "a:b"])
def test_a_password_with_special_characters_is_not_told_either(password):
    try:
        said = parsed(f"milvus://me:{SECRET}{password}@host").shown
    except GalleryError as error:
        said = str(error)
    assert SECRET not in said


def test_user_and_password_go_to_the_client_and_nowhere_else(monkeypatch):
    given = {}
    monkeypatch.setattr("pymilvus.MilvusClient", lambda **kwargs: given.update(kwargs))
    parsed(f"milvus://me:{SECRET}%3A@db/site?secure=true").client()
    assert (given["uri"], given["db_name"], given["token"]) == ("https://db:19530", "site", f"me:{SECRET}:")
    assert given["timeout"] <= 30
    parsed("milvus://key@db").client()
    assert (given["uri"], given["token"]) == ("http://db:19530", "key")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pymilvus", None)
    with pytest.raises(GalleryError, match=r"ultralytics-reid\[milvus\]"):
        parsed("milvus://db").client()


def test_milvus_lite_as_a_server_is_refused_and_nothing_is_made_there(engine):
    with pytest.raises(GalleryError, match=r"milvus_lite.* lost rows that it had acknowledged"):
        open_store(engine.server.uri, DIM, "test")
    client = engine.connect()
    assert client.list_collections() == []
    client.close()


# Servers that don't answer.


@pytest.fixture
def silent():
    """A port on which connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_is_not_there_is_unavailable(silent, monkeypatch, capfd):
    monkeypatch.setattr(milvus_client, "_CONNECTING", 1.0)
    for port in (silent, 1):
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable, match=f"127.0.0.1:{port}") as caught:
            open_store(f"milvus://me:{SECRET}@127.0.0.1:{port}", DIM, "test")
        assert time.monotonic() - began < 10
        assert SECRET not in str(caught.value)
    assert SECRET not in "".join(capfd.readouterr())


def test_a_server_that_goes_away_is_unavailable_and_nothing_hangs(engine, monkeypatch):
    store = engine.open()
    monkeypatch.setattr(milvus_client, "_CALLING", 1.0)
    engine.server.stop()
    for call in (store.count, lambda: store.upsert(rows(3)), lambda: list(store.scan()), lambda: store.reserve(1)):
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable):
            call()
        assert time.monotonic() - began < 15
    store.close()


def test_when_the_server_is_back_the_store_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(milvus_client, "_CALLING", 2.0)
    first = Server(tmp_path / "milvus")
    connect = parsed(first.uri).client
    store = MilvusStore(first.uri, DIM, "test", connect=connect)
    records = rows(20)
    store.upsert(records)
    first.stop()
    with pytest.raises(GalleryUnavailable):
        store.count()
    second = Server(tmp_path / "milvus", first.port)
    # Unlike Milvus, it doesn't load again what was loaded.
    soon(lambda: MilvusStore(first.uri, connect=connect)).close()
    assert soon(store.count) == 20
    store.upsert(rows(3, 1))
    assert store.get(records.ids).ids.tolist() == records.ids.tolist()
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


def test_what_the_server_refuses_is_not_called_unavailable(store):
    with pytest.raises(GalleryError, match="refuses") as caught:
        store._link.query(SIGHTINGS, "nonsense ==", ["id"])
    assert not isinstance(caught.value, GalleryUnavailable)


def test_after_closing_it_says_so(store):
    store.close()
    with pytest.raises(GalleryError, match="closed"):
        store.count()


# Making a gallery.


def test_clients_that_make_a_gallery_at_once_get_the_same(engine):
    engine.connect().close()
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda n: engine.open(), range(4)))
    stores[0].upsert(rows(5, identities=9))
    assert [s.count() for s in stores] == [5] * 4
    assert sorted(s.reserve(1) for s in stores) == [1, 2, 3, 4]
    for store in stores:
        store.close()


def test_of_two_galleries_made_at_once_for_different_vectors_one_is_refused(engine):
    made = threading.Event()

    def create(call, name, **kwargs):
        # The other is made after this one has seen that there is none.
        if not made.is_set():
            made.set()
            engine.open(fingerprint="other").close()
        return call(name, **kwargs)

    with pytest.raises(GalleryError, match="other"):
        opened_with(engine, create_collection=create)
    assert engine.open(None, None).fingerprint == "other"


def test_a_client_that_died_while_it_made_a_gallery_is_made_up_for(engine):
    def create(call, name, **kwargs):
        if name == SIGHTINGS:
            raise DeadError
        return call(name, **kwargs)

    with pytest.raises(DeadError):
        opened_with(engine, create_collection=create)
    with pytest.raises(GalleryMissing):
        engine.open(None, None)
    store = engine.open()
    store.upsert(rows(5), [a_visit(1)])
    assert store.health().sightings == 5


def test_somebody_elses_collection_is_left_alone(engine):
    client = engine.connect()
    client.create_collection(SIGHTINGS, dimension=DIM, timeout=5)
    with pytest.raises(GalleryError, match="isn't a gallery's"):
        engine.open()
    assert client.list_collections() == [SIGHTINGS]


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
    query = np.ones((1, DIM), np.float32)
    assert len(store.search(query, 5, exact=False)[0]) == 5
    assert levels == ["Bounded", "Strong"]
    assert len(store.search(query, 5)[0]) == 5
    assert levels == ["Bounded", "Strong", "Strong"]
    store.close()


def test_all_other_reads_are_strongly_consistent(engine):
    levels = []

    def noted(call, *args, **kwargs):
        levels.append(kwargs["consistency_level"])
        return call(*args, **kwargs)

    store = opened_with(engine, query=noted)
    records = rows(5)
    store.upsert(records, [a_visit(1)])
    store.put_blob("key", b"value")
    store.relabel(Filter(), 3)
    found = store.get(records.ids), store.count(), store.names(), store.blob("key"), store.blobs(""), store.reserve(1)
    assert all(f is not None for f in found)
    assert len(list(store.visits())) == 1
    assert set(levels) == {"Strong"}
    assert len(levels) > 8
    store.close()


def test_answers_that_would_be_too_large_are_fetched_in_parts(store, monkeypatch):
    records = rows(200)
    store.upsert(records)
    queries = np.random.default_rng(0).normal(size=(5, DIM)).astype(np.float32)
    expected = [(h.records.ids.tolist(), h.similarities.tolist()) for h in store.search(queries, 50)]
    monkeypatch.setattr("ultralytics_reid.gallery.stores.milvus._MAX_ANSWERED", 10_000)
    assert [(h.records.ids.tolist(), h.similarities.tolist()) for h in store.search(queries, 50)] == expected
    assert [len(b) for b in store.scan()][:2] == [18, 18]
    assert store.get(records.ids).ids.tolist() == records.ids.tolist()


def test_vectors_and_times_come_back_to_the_last_bit(store):
    records = rows(100, times=np.random.default_rng(0).normal(size=100) * 10.0 ** np.arange(-50, 50))
    store.upsert(records)
    order = np.argsort(records.ids)
    embeddings = checked_embeddings(records.embeddings, DIM)[order]
    for found in (store.get(records.ids), store.search(records.embeddings, 200)[0].records, *store.scan()):
        assert found.take(np.argsort(found.ids)).embeddings.tobytes() == embeddings.tobytes()
        assert found.take(np.argsort(found.ids)).times.tobytes() == records.times[order].tobytes()


# Strings and bytes in Milvus's language.


@given(st.text())
def test_names_come_back_and_need_no_quoting(name):
    text = encoded(name)
    assert decoded(text) == name
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~%")
    assert f'["{text}"]' in of_sightings(Filter(cameras=frozenset({name})))


@settings(max_examples=30)
@given(st.integers(0, 150_000), st.integers(0, 99))
def test_bytes_come_back_and_every_piece_fits(size, seed):
    value = np.random.default_rng(seed).bytes(size)
    assert joined(pieces(value)) == value
    assert all(len(text) <= 65_535 for text in pieces(value))


@pytest.mark.parametrize("bound", [0.0, -1.5, 1e-300, -1e300, 1 / 3, np.float32(0.1), np.inf, -np.inf])
def test_every_bound_can_be_asked_for(store, bound):
    times = np.array([-1e301, -1.5, 0, 1e-300, np.float32(0.1), 1 / 3, 1e301])
    store.upsert(rows(7, times=times))
    assert store.count(Filter(since=bound)) == (times >= bound).sum()
    assert store.count(Filter(until=bound)) == (times <= bound).sum()
    assert of_visits(Filter(since=bound, until=bound)).count("and") == 2


# Paths, crops and files that are larger than a string.


def large_visit(id, seed=0, points=3000, crop=200_000):
    rng = np.random.default_rng(seed)
    path = rng.random((points, 5)).astype(np.float32)
    return Visit(id, 1, CAMERAS[-1], 0, 1.0, 2.0, path, 0.5, rng.bytes(crop))


def test_large_paths_and_crops_come_back_also_after_relabeling(store):
    visits = [large_visit(n, n) for n in range(5)]
    store.upsert(rows(3), visits)
    store.relabel(Filter(), 9)
    for found, written in zip(store.visits(), visits, strict=True):
        assert (found.path.tobytes(), found.crop) == (written.path.tobytes(), written.crop)
        assert found.identity == 9


def test_a_visit_of_more_than_a_mebibyte_is_refused_before_anything_is_written(store):
    fits = Visit(1, 1, "a", 0, 1.0, 2.0, crop=bytes(2**20))
    assert visit_of(row_of(fits)).crop == fits.crop
    with pytest.raises(GalleryError, match=r"1 MiB.*1048577"):
        store.upsert(rows(3), [fits, Visit(2, 1, "a", 0, 1.0, 2.0, crop=bytes(2**20 + 1))])
    assert (store.count(), list(store.visits())) == (0, [])


def test_a_file_that_is_being_written_is_not_seen_before_it_is_whole(engine):
    seen = []

    def upsert(call, collection, data, **kwargs):
        if collection == FILES:
            seen.append(plain.blob("file"))
        return call(collection, data, **kwargs)

    plain, store = engine.open(), opened_with(engine, upsert=upsert)
    store.put_blob("file", b"old")
    new = np.random.default_rng(0).bytes(300_000)
    store.put_blob("file", new)
    assert seen == [None, b"old", b"old"]
    assert plain.blob("file") == new
    plain.close()
    store.close()


def test_pieces_of_a_file_that_was_never_finished_are_not_seen_and_go(engine):
    def upsert(call, collection, data, **kwargs):
        if collection == FILES and any(row["part"] == 0 for row in data):
            raise DeadError
        return call(collection, data, **kwargs)

    plain, dying = engine.open(), opened_with(engine, upsert=upsert)
    with pytest.raises(DeadError):
        dying.put_blob("file", bytes(200_000))
    assert (plain.blob("file"), plain.blobs("")) == (None, [])
    plain.put_blob("file", b"new")
    assert (plain.blob("file"), plain._link.count(FILES, "id >= 0")) == (b"new", 1)
    with pytest.raises(DeadError):
        dying.put_blob("file", bytes(200_000))
    assert plain.blob("file") == b"new"
    plain.put_blob("file", b"")
    assert (plain.blob("file"), plain._link.count(FILES, "id >= 0")) == (None, 0)
    plain.close()
    dying.close()


def test_a_file_is_read_whole_while_it_is_replaced(engine):
    values = [np.random.default_rng(n).bytes(150_000) for n in range(12)]
    one, other = engine.open(), engine.open()
    one.put_blob("file", values[0])
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: [one.put_blob("file", v) for v in values])
        while not written.done():
            assert other.blob("file") in values
        written.result()
    assert other.blob("file") == values[-1]
    one.close()
    other.close()


def test_a_file_with_missing_pieces_is_an_error(store):
    store.put_blob("file", bytes(200_000))
    (last,) = store._link.query(FILES, "part == 3", ["id"])
    store._link.delete(FILES, [last["id"]])
    with pytest.raises(GalleryError, match="pieces of the file file are missing"):
        store.blob("file")


# What is left when a client dies in the middle of a write.


def written_to(engine, act):
    """In what order an act writes to collections."""
    order = []

    def noted(call, collection, *args, **kwargs):
        order.append(collection)
        return call(collection, *args, **kwargs)

    store = opened_with(engine, upsert=noted, delete=noted)
    act(store)
    store.close()
    return order


def test_nothing_refers_to_what_is_not_there_yet(engine):
    assert written_to(engine, lambda s: s.upsert(rows(5), [a_visit(1)])) == [VISITS, SIGHTINGS]
    assert written_to(engine, lambda s: s.relabel(Filter(), 9)) == [SIGHTINGS, VISITS]
    assert written_to(engine, lambda s: s.delete(Filter())) == [SIGHTINGS, VISITS]


@pytest.mark.parametrize("act", ["relabel", "delete"])
def test_trying_again_completes_what_was_cut_off(engine, act, monkeypatch):
    left = []

    def dying(call, collection, *args, **kwargs):
        left.append(0)
        if len(left) == 3:
            raise DeadError
        return call(collection, *args, **kwargs)

    where = Filter(identities=frozenset({1, 2}))
    store = engine.open()
    store.upsert(rows(60), [a_visit(n, identity=1 + n % 3) for n in range(9)])
    matching = store.count(where)
    # In pages of a few, so that it is cut off in the middle.
    monkeypatch.setattr("ultralytics_reid.gallery.stores.milvus.MAX_ROWS", 5)
    mortal = opened_with(engine, **{"upsert" if act == "relabel" else "delete": dying})
    with pytest.raises(DeadError):
        mortal.relabel(where, 9) if act == "relabel" else mortal.delete(where)
    assert 0 < store.count(where) < matching
    store.relabel(where, 9) if act == "relabel" else store.delete(where)
    assert (store.count(where), list(store.visits(where))) == (0, [])
    assert store.count() == (60 if act == "relabel" else 60 - matching)
    mortal.close()
    store.close()


# Ids that nobody else gets.


class Table:
    """A collection of claims in memory, strongly consistent, with a pause before each call."""

    def __init__(self):
        self.rows = {}
        self._lock = threading.Lock()

    def _pause(self):
        time.sleep(np.random.default_rng().uniform(0, 2e-3))

    def query(self, collection, where, fields):
        self._pause()
        with self._lock:
            return [dict(row) for row in self.rows.values()]

    def upsert(self, collection, rows, size):
        self._pause()
        with self._lock:
            self.rows.update({row["id"]: row for row in rows})

    def delete(self, collection, ids):
        self._pause()
        with self._lock:
            for id in ids:
                self.rows.pop(id, None)


def claims_on(table, used=lambda first, last: set()):
    return Claims(table, CLAIMS, used)


def test_no_id_is_given_twice_or_left_out_by_claims_of_many_clients():
    table = Table()
    clients = [claims_on(table) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        firsts = list(pool.map(lambda n: clients[n % 4].take(1 + n % 3), range(60)))
    taken = sorted(first + n for call, first in enumerate(firsts) for n in range(1 + call % 3))
    assert taken == list(range(1, 121))
    assert len(table.rows) < 30


def test_of_two_who_claim_the_same_ids_at_most_one_gets_them():
    table = Table()
    barrier = threading.Barrier(2, timeout=10)
    waits = iter([True, True])

    class Together(Table):
        # Both look before either writes its first claim, and both write it before either looks again.
        rows = property(lambda self: table.rows, lambda self, rows: None)
        _lock = property(lambda self: table._lock, lambda self, lock: None)

        def upsert(self, collection, rows, size):
            first = next(waits, False)
            if first:
                barrier.wait()
            super().upsert(collection, rows, size)
            if first:
                barrier.wait()

    with ThreadPoolExecutor(2) as pool:
        firsts = list(pool.map(lambda n: claims_on(Together()).take(5), range(2)))
    assert sorted(firsts) == [1, 6]


def test_the_claim_of_a_client_that_died_costs_a_wait_and_its_ids(monkeypatch):
    monkeypatch.setattr(milvus_claims, "_ABANDONED", 0.2)
    table = Table()
    claims = claims_on(table)
    assert claims.take(3) == 1
    table.upsert(CLAIMS, [{"id": 1, "began": 3, "ended": 13, "kept": False, **NO_VECTOR}], 1)
    assert claims.take(1) == 14
    assert 1 not in table.rows
    began = time.monotonic()
    assert claims.take(1) == 15
    assert time.monotonic() - began < 0.2


def test_who_comes_late_withdraws(monkeypatch):
    """A client sleeps between its claim and the look at others', for so long that it is taken for dead."""
    monkeypatch.setattr(milvus_claims, "_ABANDONED", 0.1)
    table = Table()

    class Sleepy(Table):
        rows = table.rows
        awake = True

        def __init__(self):
            self._lock = table._lock

        def upsert(self, collection, rows, size):
            super().upsert(collection, rows, size)
            if self.awake:
                self.awake = False
                others.extend(claims_on(table).take(4) for _ in range(20))

    others = []
    first = claims_on(Sleepy()).take(4)
    assert len({*others, first}) == 21
    assert first > max(others)


def test_others_that_never_stop_are_an_error(monkeypatch):
    monkeypatch.setattr(milvus_claims, "_PATIENCE", 0.3)
    table = Table()
    table.upsert(CLAIMS, [{"id": 1, "began": 0, "ended": 13, "kept": False, **NO_VECTOR}], 1)
    with pytest.raises(GalleryUnavailable):
        claims_on(table).take(1)


@settings(max_examples=200)
@given(
    used=st.sets(st.integers(1, 40)),
    after=st.integers(0, 30),
    count=st.integers(1, 12),
    lap=st.integers(12, 40),
)
def test_a_run_is_the_first_that_is_free(used, after, count, lap):
    def in_range(first, last):
        assert 1 <= first <= last <= lap
        return {n for n in used if first <= n <= last}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milvus_claims, "LAP", lap)
        try:
            found = free_run(after, count, in_range)
        except GalleryError:
            found = None
    right = [p for p in range(after, after + lap) if fits(p % lap + 1, count, used, lap)]
    assert found == (right[0] if right else None)


def fits(first, count, used, lap):
    return first + count - 1 <= lap and not used & set(range(first, first + count))


def test_a_run_in_a_crowded_lap_takes_few_questions():
    asked = []

    def used(first, last):
        asked.append((first, last))
        return set(range(first, min(last, 3_000_000) + 1, 5_000))

    assert free_run(0, 6_000, used) % LAP > 2_990_000
    assert len(asked) < 400


def test_identities_of_many_sightings_are_all_seen_as_used(store, monkeypatch):
    monkeypatch.setattr("ultralytics_reid.gallery.stores.milvus.MAX_ROWS", 7)
    store.upsert(rows(60, identities=np.repeat([1, 2, 4, 5, 9, 30], 10)))
    assert store._used(1, 20) == {1, 2, 4, 5, 9}
    assert store.reserve(3) == 6


def test_backups_are_left_to_milvus(store, tmp_path):
    with pytest.raises(GalleryError, match="milvus-backup"):
        store.backup(tmp_path / "copy")


def test_ids_beyond_what_a_float_holds_are_exact(store):
    ids = np.array([2**53 + 1, 2**53, 2**63 - 1, 2**63 - 2, *new_ids(3)], np.int64)
    store.upsert(rows(7, ids=ids))
    for id in ids:
        assert store.get(np.array([id])).ids.tolist() == [id]
    assert store.delete(Filter()).sightings == 7
