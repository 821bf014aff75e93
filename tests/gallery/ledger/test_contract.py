"""Contract of a gallery's store: every ledger with every index must pass."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from gallery_engines import (
    CAMERAS,
    DIM,
    ENGINES,
    MAKERS,
    START,
    TIMES,
    a_visit,
    goes,
    matching,
    rows,
    some_visits,
    visit_matches,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.errors import GalleryError
from ultralytics_reid.gallery.ledger import Move
from ultralytics_reid.gallery.records import ANY, ENROLLED, FIRST_LOCAL_ID, LAST_ID, Filter, Records, nothing

COLUMNS = ("ids", "identities", "visits", "times", "classes", "qualities")
FOREVER = 60

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
some = st.integers(0, 10_000)
filters = st.builds(
    Filter,
    identities=st.none() | st.frozensets(st.integers(1, 6)),
    excluding=st.frozensets(st.integers(1, 6), max_size=2),
    visits=st.none() | st.none() | st.frozensets(st.integers(99, 125), min_size=3),
    cameras=st.none() | st.frozensets(st.sampled_from([*CAMERAS, "nowhere"])),
    classes=st.none() | st.frozensets(st.integers(0, 3), min_size=1),
    since=st.none() | st.sampled_from(TIMES),
    until=st.none() | st.sampled_from(TIMES),
    min_quality=st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
)


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def everything(store, where=ANY):
    return Records.joined(list(store.scan(where)), store.dim)


def held(store):
    """All that is in a store, as something that can be compared."""
    records = everything(store)
    columns = tuple(getattr(records, name).tobytes() for name in COLUMNS)
    visits = [as_values(v) for v in store.visits()]
    files = {key: store.blob(key) for key in store.blobs("")}
    return (*columns, records.embeddings.tobytes(), records.cameras, visits, store.names(), files)


def as_values(visit):
    times = (visit.first, visit.last, visit.probability)
    return (visit.id, visit.identity, visit.camera, visit.cls, *times, visit.path.tolist(), visit.crop)


def assert_same(found, expected):
    for name in COLUMNS:
        column = getattr(found, name)
        np.testing.assert_array_equal(column, getattr(expected, name), err_msg=name)
        assert column.dtype == getattr(nothing(DIM), name).dtype, name
    assert found.cameras == expected.cameras
    assert found.embeddings.dtype == np.float32
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-6)


def by_id(records):
    return records.take(np.argsort(records.ids))


def refill(store, records, visits=()):
    store.delete(ANY)
    store.upsert(records, visits)


def assert_nearest(hits, query, records, k):
    """Hits are the most alike among these records, equals by id."""
    true = records.embeddings.astype(np.float64) @ (query / np.linalg.norm(query))
    assert len(hits) == len(hits.records) == min(k, len(records))
    assert hits.similarities.dtype == np.float32
    assert (np.abs(hits.similarities) <= 1).all()
    np.testing.assert_allclose(hits.similarities, np.sort(true)[::-1][: len(hits)], atol=2e-6)
    assert_is_among(hits, true, records)
    assert_equals_by_id(hits, records)


def assert_is_among(hits, true, records):
    place = {id: n for n, id in enumerate(records.ids.tolist())}
    assert len(set(hits.records.ids.tolist())) == len(hits)
    places = [place[id] for id in hits.records.ids.tolist()]
    assert_same(hits.records, records.take(places))
    np.testing.assert_allclose(hits.similarities, true[places], atol=2e-6)
    assert (np.diff(hits.similarities) <= 0).all()


def assert_equals_by_id(hits, records):
    for vector in np.unique(hits.records.embeddings, axis=0):
        found = hits.records.ids[(hits.records.embeddings == vector).all(axis=1)]
        there = np.sort(records.ids[np.isclose(records.embeddings, vector, atol=1e-7).all(axis=1)])
        np.testing.assert_array_equal(found, there[: len(found)])


# Searching.


@few
@given(seed=some, count=st.integers(0, 60), k=st.integers(1, 70), asked=st.lists(filters, max_size=5))
def test_a_search_finds_the_most_alike_among_what_matches(store, seed, count, k, asked):
    records = rows(count, seed)
    refill(store, records)
    queries = np.random.default_rng(seed).normal(size=(2, DIM)).astype(np.float32) * 100
    for where in (ANY, *asked):
        answers = store.search(queries, k, where)
        among = records.take(np.flatnonzero(matching(records, where)))
        assert len(answers) == 2
        for query, hits in zip(queries, answers, strict=True):
            assert_nearest(hits, query, among, k)


@few
@given(seed=some, count=st.integers(0, 60), k=st.integers(1, 70), where=filters)
def test_an_inexact_search_finds_as_many(store, seed, count, k, where):
    records = rows(count, seed)
    refill(store, records)
    queries = np.random.default_rng(seed).normal(size=(3, DIM)).astype(np.float32)
    among = records.take(np.flatnonzero(matching(records, where)))
    for query, hits in zip(queries, store.search(queries, k, where, exact=False), strict=True):
        assert len(hits) == min(k, len(among))
        assert_is_among(hits, among.embeddings.astype(np.float64) @ (query / np.linalg.norm(query)), among)


def test_a_stored_vector_finds_itself(store):
    records = rows(300, embeddings=unit(np.random.default_rng(1).normal(size=(300, DIM)).astype(np.float32)))
    store.upsert(records)
    found = store.search(records.embeddings, 1)
    assert [int(hits.records.ids[0]) for hits in found] == records.ids.tolist()
    np.testing.assert_allclose([hits.similarities[0] for hits in found], 1, atol=1e-6)


def test_among_equals_the_lowest_ids_are_found(store):
    ids = np.random.default_rng(2).permutation(500) + 7
    store.upsert(rows(500, ids=ids, embeddings=np.eye(DIM)[0]))
    (hits,) = store.search(np.eye(DIM, dtype=np.float32)[:1], 9)
    assert hits.records.ids.tolist() == list(range(7, 16))


def test_a_single_vector_is_a_query_and_none_is_none(store):
    store.upsert(rows(5))
    assert len(store.search(np.ones(DIM, np.float32), 3)) == 1
    assert store.search(np.zeros((0, DIM), np.float32), 3) == []


def test_a_search_of_an_empty_gallery_finds_nothing(store):
    (hits,) = store.search(np.ones((1, DIM), np.float32), 3)
    assert (len(hits), hits.records.embeddings.shape) == (0, (0, DIM))


def test_as_many_hits_as_are_allowed(store):
    records = rows(10_050)
    for start in range(0, 10_050, 2010):
        store.upsert(records.take(np.arange(start, start + 2010)))
    (hits,) = store.search(np.ones((1, DIM), np.float32), 10_000)
    assert len(set(hits.records.ids.tolist())) == 10_000


@pytest.mark.parametrize("k", [-1, 0, 10_001])
def test_a_search_for_too_few_or_too_many_is_refused(store, k):
    with pytest.raises(GalleryError, match=rf"got {k}"):
        store.search(np.ones((1, DIM), np.float32), k)


@pytest.mark.parametrize("query", [np.zeros(DIM), np.full(DIM, np.nan), np.full(DIM, np.inf), np.ones(DIM + 1)])
def test_a_query_that_cannot_be_compared_is_refused(store, query):
    store.upsert(rows(5))
    with pytest.raises(GalleryError):
        store.search(np.stack([np.ones(len(query)), query]).astype(np.float32), 3)


# Writing.


def test_what_was_written_is_there(store):
    records, visits = rows(200), some_visits(20)
    store.upsert(records, visits)
    assert_same(everything(store), by_id(records))
    assert_same(store.get(records.ids), records)
    assert [as_values(v) for v in store.visits()] == [as_values(v) for v in sorted(visits, key=lambda v: v.id)]
    assert all(v.path.dtype == np.float32 for v in store.visits())


def test_what_was_written_is_there_when_it_is_opened_again(engine):
    first = engine.open()
    first.upsert(rows(50), some_visits(5))
    first.name(3, "Ada")
    first.put_blob("key", b"value")
    expected = held(first)
    first.close()
    again = engine.open()
    assert held(again) == expected
    again.close()


def test_embeddings_are_stored_with_norm_1(store):
    records = rows(3)
    store.upsert(replace(records, embeddings=records.embeddings * np.array([[1e-3], [7], [1e6]], np.float32)))
    assert_same(store.get(records.ids), records)


def test_writing_again_changes_nothing(store):
    records, visits = rows(50), some_visits(5)
    store.upsert(records, visits)
    before = held(store)
    store.upsert(records, visits)
    assert held(store) == before
    assert (store.health().sightings, store.health().visits) == (50, 5)


def test_rows_with_ids_that_are_there_are_replaced(store):
    old, others = rows(20, 1), rows(20, 2)
    store.upsert(old, [a_visit(1), a_visit(2)])
    store.search(old.embeddings, 1)
    new = replace(rows(30, 3), ids=np.concatenate([old.ids[:10], others.ids]))
    store.upsert(new, [a_visit(2, camera="gate", crop=b"new")])
    assert_same(everything(store), by_id(Records.joined([new, old.take(np.arange(10, 20))], DIM)))
    assert [(v.camera, v.crop) for v in store.visits()] == [("front door", b""), ("gate", b"new")]
    (hits,) = store.search(new.embeddings[:1], 100)
    assert_nearest(hits, new.embeddings[0], everything(store), 100)


def test_visits_need_no_sightings_and_nothing_needs_neither(store):
    store.upsert(nothing(DIM))
    store.upsert(nothing(DIM), [a_visit(4)])
    assert ([v.id for v in store.visits()], store.count()) == ([4], 0)


def test_the_largest_and_smallest_values_come_back(store):
    records = rows(2, ids=[0, 2**63 - 1], identities=[1, LAST_ID], visits=[2**63 - 1, 0], qualities=[0, 1])
    store.upsert(records, [a_visit(2**63 - 1, identity=LAST_ID), a_visit(0, camera=ENROLLED)])
    assert_same(everything(store), records)
    assert [v.id for v in store.visits()] == [0, 2**63 - 1]
    assert store.count(Filter(visits=frozenset({2**63 - 1}), identities=frozenset({1}))) == 1


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"embeddings": np.ones((4, DIM + 1), np.float32)}, "shape"),
        ({"embeddings": np.ones((3, DIM), np.float32)}, "4 rows"),
        ({"embeddings": np.diag([1, 1, 0, 1]) @ np.ones((4, DIM), np.float32)}, "zero"),
        ({"embeddings": np.full((4, DIM), np.nan, np.float32)}, "finite"),
        ({"embeddings": np.full((4, DIM), np.inf, np.float32)}, "finite"),
        ({"ids": np.array([1, 2, 3, -1])}, "ids"),
        ({"ids": np.array([1, 2, 3, 3])}, "ids"),
        ({"identities": np.array([1, 2, 3, 0])}, "identities"),
        ({"identities": np.array([1, 2, 3, LAST_ID + 1])}, "identities"),
        ({"visits": np.array([1, 2, 3, -1])}, "visits"),
        ({"times": np.array([1, 2, 3, np.nan])}, "times"),
        ({"qualities": np.array([0, 1, 0.5, 1.1], np.float32)}, "qualities"),
        ({"cameras": ("a", "b", "c", "a\0b")}, "camera"),
        ({"cameras": ("a", "b", "c", "x" * 201)}, "camera"),
    ],
)
def test_sightings_that_cannot_be_stored_are_refused(store, wrong, match):
    store.upsert(rows(5), some_visits(3))
    before = held(store)
    with pytest.raises(GalleryError, match=match):
        store.upsert(replace(rows(4), **wrong), [a_visit(5)])
    assert held(store) == before


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"identity": 0}, "identities"),
        ({"first": START, "last": START - 1}, "end after it began"),
        ({"last": np.inf}, "end after it began"),
        ({"camera": "a\nb"}, "camera"),
        ({"path": np.zeros((2, 4), np.float32)}, "path"),
        ({"path": np.full((2, 5), np.nan, np.float32)}, "path"),
        ({"id": -1}, "visits' ids must be 0 or more, .* got -1"),
        ({"id": 2**63}, "visits' ids must be 0 or more, and below"),
        ({"probability": 1.5}, r"probabilities must be in \[0, 1\], got"),
        ({"probability": float("nan")}, "probabilities must be in"),
    ],
)
def test_visits_that_cannot_be_stored_are_refused(store, wrong, match):
    before = held(store)
    with pytest.raises(GalleryError, match=match):
        store.upsert(rows(4), [a_visit(1), replace(a_visit(2), **wrong)])
    assert held(store) == before


# Reading.


def test_sightings_come_in_the_order_in_which_they_are_asked_for(store):
    records = rows(30)
    store.upsert(records)
    order = np.random.default_rng(1).permutation(30)[:20]
    assert_same(store.get(np.array([5, *records.ids[order], 6])), records.take(order))
    assert len(store.get(np.zeros(0, np.int64))) == 0


@few
@given(seed=some, asked=st.lists(filters, min_size=1, max_size=5))
def test_scans_counts_and_visits_are_of_what_matches(store, seed, asked):
    records, visits = rows(40, seed), some_visits(12, seed)
    refill(store, records, visits)
    for where in asked:
        found = matching(records, where)
        assert store.count(where) == found.sum()
        assert_same(everything(store, where), by_id(records.take(np.flatnonzero(found))))
        expected = sorted(v.id for v in visits if visit_matches(v, where))
        assert [v.id for v in store.visits(where)] == expected


@pytest.mark.parametrize("key", ["identities", "visits", "cameras", "classes"])
def test_an_empty_set_matches_nothing(store, key):
    store.upsert(rows(9), some_visits(3))
    where = Filter(**{key: frozenset()})
    assert (store.count(where), list(store.visits(where)), len(everything(store, where))) == (0, [], 0)
    assert len(store.search(np.ones((1, DIM), np.float32), 3, where)[0]) == 0
    assert store.relabel(where, 3) == 0
    assert (store.delete(where).sightings, store.delete(where).visits) == (0, 0)
    assert (store.count(), len(list(store.visits()))) == (9, 3)


def test_the_population_is_the_number_of_identities_with_sightings(store):
    assert store.population() == 0
    store.upsert(rows(30, identities=np.arange(30) % 7 + 1), [a_visit(1, identity=50)])
    store.name(60, "Ada")
    assert store.population() == 7
    store.relabel(Filter(identities=frozenset({1, 2})), LAST_ID)
    assert store.population() == 6
    store.delete(Filter(identities=frozenset({3})))
    assert store.population() == 5


def test_filters_can_name_many(store):
    records = rows(10, identities=np.arange(1, 11) * 4000)
    store.upsert(records)
    many = frozenset(range(1, 40_000))
    assert store.count(Filter(identities=many)) == 9
    assert store.count(Filter(excluding=many)) == 1
    (hits,) = store.search(np.ones((1, DIM), np.float32), 20, Filter(identities=many))
    assert len(hits) == 9


def test_the_ends_of_a_time_belong_to_it(store):
    store.upsert(rows(3, times=[1, 2, 3]), [a_visit(1, first=1, last=2), a_visit(2, first=3, last=4)])
    assert [store.count(Filter(since=t)) for t in (1, 1.5, 3, 3.5)] == [3, 2, 1, 0]
    assert [store.count(Filter(until=t)) for t in (0.5, 1, 2.5, 3)] == [0, 1, 2, 3]
    assert [[v.id for v in store.visits(Filter(since=t))] for t in (2, 2.5, 4, 4.5)] == [[1, 2], [2], [2], []]
    assert [[v.id for v in store.visits(Filter(until=t))] for t in (0.5, 1, 2.5, 3)] == [[], [1], [1], [1, 2]]


def test_a_quality_of_exactly_the_least_is_enough(store):
    store.upsert(rows(5, qualities=[0.1, 0.3, 0.6, 0.7, 0.9]))
    assert [store.count(Filter(min_quality=q)) for q in (0.1, 0.3, 0.6, 0.7, 0.9)] == [5, 4, 3, 2, 1]


def test_a_scan_comes_in_batches(store):
    records = rows(25)
    store.upsert(records)
    batches = list(store.scan(batch=10))
    assert [len(b) for b in batches] == [10, 10, 5]
    assert_same(Records.joined(batches, DIM), by_id(records))


def test_writing_while_scanning_is_allowed(store):
    records = rows(40)
    store.upsert(records, some_visits(10))
    found = []
    for batch in store.scan(batch=7):
        found.append(batch)
        store.upsert(rows(1, len(found)))
        store.delete(Filter(identities=frozenset({77})))
    ids = Records.joined(found, DIM).ids
    assert len(set(ids.tolist())) == len(ids)
    assert set(records.ids.tolist()) <= set(ids.tolist())
    seen = [store.relabel(Filter(visits=frozenset({v.id})), 9) is not None for v in store.visits(batch=3)]
    assert len(seen) == 10


def test_visits_can_be_had_without_their_details(store):
    visits = some_visits(25)
    store.upsert(nothing(DIM), visits)
    bare = list(store.visits(details=False, batch=10))
    assert [v.id for v in bare] == sorted(v.id for v in visits)
    assert all(v.path.shape == (0, 5) and v.crop == b"" for v in bare)
    assert [v.first for v in bare] == [v.first for v in store.visits()]


@few
@given(seed=some, where=filters)
def test_visits_in_columns_are_those_that_match(store, seed, where):
    store.delete(Filter(classes=frozenset(range(4))))
    store.upsert(nothing(DIM), some_visits(20, seed))
    columns, visits = store.visit_columns(where), list(store.visits(where, details=False))
    assert columns.ids.tolist() == [v.id for v in visits]
    assert [columns.names[n] for n in columns.cameras.tolist()] == [v.camera for v in visits]
    for name, attribute in {
        "identities": "identity",
        "classes": "cls",
        "firsts": "first",
        "lasts": "last",
        "probabilities": "probability",
    }.items():
        assert getattr(columns, name).tolist() == [getattr(v, attribute) for v in visits]


def test_the_version_changes_with_what_any_client_writes(engine):
    store, other = engine.open(), engine.open()
    before = store.version()
    assert store.version() == before
    for change in (
        lambda: other.upsert(nothing(DIM), [a_visit(1)]),
        lambda: other.name(1, "Ada"),
        lambda: store.upsert(nothing(DIM), [a_visit(2)]),
        lambda: store.relabel(Filter(visits=frozenset({2})), 5),
        lambda: other.delete(Filter(visits=frozenset({1}))),
    ):
        change()
        assert store.version() != before
        before = store.version()
    assert store.version() == before


def test_large_paths_and_crops_come_back_also_after_relabeling(store):
    rng = np.random.default_rng(0)
    visits = [a_visit(n, path=rng.random((3000, 5)).astype(np.float32), crop=rng.bytes(2_000_000)) for n in range(3)]
    store.upsert(rows(3), visits)
    store.relabel(ANY, 9)
    for found, written in zip(store.visits(), visits, strict=True):
        assert (found.path.tobytes(), found.crop) == (written.path.tobytes(), written.crop)
        assert found.identity == 9


# Changing.


def test_visits_move_in_time_with_their_sightings(store):
    visits = [a_visit(n, first=100.0 * n, last=100.0 * n + 9) for n in (1, 2, 3)]
    records = rows(6, visits=[1, 1, 2, 2, 3, 77], times=[100, 105, 200, 205, 300, 700])
    store.upsert(records, visits)
    for _ in range(2):  # repeated, as after an outage
        store.retime({1: 5100.0, 2: 50.0, 77: 1.0, 88: 1.0})
        assert [(v.first, v.last) for v in store.visits()] == [(5100, 5109), (50, 59), (300, 309)]
        assert sorted(everything(store).times.tolist()) == [50, 55, 300, 700, 5100, 5105]
    assert [v.path.tolist() for v in store.visits()] == [v.path.tolist() for v in visits]
    found = store.search(np.ones((1, DIM), np.float32), 9, Filter(since=5000))[0].records
    assert sorted(found.times.tolist()) == [5100, 5105]


@few
@given(seed=some, where=filters)
def test_relabeling_changes_the_identity_of_what_matches(store, seed, where):
    records, visits = rows(40, seed), some_visits(12, seed)
    refill(store, records, visits)
    store.search(records.embeddings[:1], 1)
    found = matching(records, where)
    assert store.relabel(where, 77) == found.sum()
    records = replace(records, identities=np.where(found, 77, records.identities))
    assert_same(everything(store), by_id(records))
    expected = {v.id: 77 if visit_matches(v, where) else v.identity for v in visits}
    assert {v.id: v.identity for v in store.visits()} == expected
    (hits,) = store.search(np.ones((1, DIM), np.float32), 50)
    assert_nearest(hits, np.ones(DIM), records, 50)


@few
@given(seed=some, where=filters)
def test_deleting_takes_what_matches_and_visits_that_lie_within(store, seed, where):
    records, visits = rows(40, seed), some_visits(12, seed)
    refill(store, records, visits)
    store.search(records.embeddings[:1], 1)
    found, left = matching(records, where), [v for v in visits if not goes(v, where)]
    deleted = store.delete(where)
    assert (deleted.sightings, deleted.visits) == (found.sum(), len(visits) - len(left))
    records = records.take(np.flatnonzero(~found))
    assert_same(everything(store), by_id(records))
    assert [as_values(v) for v in store.visits()] == [as_values(v) for v in sorted(left, key=lambda v: v.id)]
    (hits,) = store.search(np.ones((1, DIM), np.float32), 50)
    assert_nearest(hits, np.ones(DIM), records, 50)


def test_visits_that_begin_before_or_end_after_what_is_deleted_stay(store):
    spans = [(1, 2), (2, 3), (2, 5), (1, 6), (5, 6)]
    store.upsert(nothing(DIM), [a_visit(n, first=first, last=last) for n, (first, last) in enumerate(spans)])
    assert store.delete(Filter(since=2, until=5)).visits == 2
    assert [v.id for v in store.visits()] == [0, 3, 4]
    assert store.delete(Filter(min_quality=0.0)).visits == 0
    assert store.delete(Filter(until=2)).visits == 1


def test_what_was_deleted_can_be_written_again(store):
    records = rows(10)
    store.upsert(records)
    store.delete(ANY)
    assert len(store.get(records.ids)) == 0
    store.upsert(records)
    assert_same(everything(store), by_id(records))


@pytest.mark.parametrize("identity", [-1, 0, LAST_ID + 1])
def test_identities_out_of_range_are_refused(store, identity):
    store.upsert(rows(5))
    before = held(store)
    with pytest.raises(GalleryError, match=rf"{identity}"):
        store.relabel(ANY, identity)
    with pytest.raises(GalleryError, match=rf"{identity}"):
        store.name(identity, "Ada")
    assert held(store) == before


# Strings.


@pytest.mark.parametrize("text", CAMERAS[1:])
def test_no_name_is_taken_for_anything_else(store, text):
    store.upsert(rows(3, cameras=["a", text, "b"]), [a_visit(1, camera=text), a_visit(2, camera="a")])
    store.name(2, text)
    store.put_blob(text, b"x")
    where = Filter(cameras=frozenset({text}))
    assert (store.count(where), [v.id for v in store.visits(where)]) == (1, [1])
    assert [h.records.cameras for h in store.search(np.ones((1, DIM), np.float32), 9, where)] == [(text,)]
    assert (store.names(), store.blobs(""), store.blobs(text), store.blob(text)) == ({2: text}, [text], [text], b"x")
    assert store.relabel(where, 9) == 1
    assert store.delete(where).sightings == 1
    assert store.count() == 2


def test_names_come_and_go(store):
    store.name(2, "Ada")
    store.name(LAST_ID, "Ada")
    store.name(2, "Bob")
    assert store.names() == {2: "Bob", LAST_ID: "Ada"}
    store.name(2, "")
    store.name(3, "")
    assert store.names() == {LAST_ID: "Ada"}
    with pytest.raises(GalleryError, match="printable"):
        store.name(2, "a\nb")


def test_blobs_come_and_go(store):
    keys = ["metric/10%", "metric/10_", "Metric/a", "metric/B", "metric/a", "metric/ä", "other"]
    for key in keys:
        store.put_blob(key, key.encode())
    store.put_blob("other", b"\0\xff'")
    assert store.blobs("metric/") == sorted(k for k in keys if k.startswith("metric/"))
    assert (store.blobs("metric/10%"), store.blobs("m_tric"), store.blobs("%")) == (["metric/10%"], [], [])
    assert [store.count_blobs(prefix) for prefix in ("metric/", "metric/10%", "m_tric", "%", "")] == [
        len(store.blobs(prefix)) for prefix in ("metric/", "metric/10%", "m_tric", "%", "")
    ]
    assert (store.blob("other"), store.blob("metric/ä"), store.blob("none")) == (b"\0\xff'", "metric/ä".encode(), None)
    store.put_blob("other", b"")
    store.put_blob("none", b"")
    assert (store.blob("other"), store.blobs("o"), store.blobs("n")) == (None, [], [])


def test_blobs_may_be_large_but_not_any_size(store):
    large = np.random.default_rng(0).bytes(16 * 2**20)
    store.put_blob("large", large)
    assert store.blob("large") == large
    with pytest.raises(GalleryError, match="16"):
        store.put_blob("large", large + b"1")
    store.put_blob("large", b"small")
    assert store.blob("large") == b"small"


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


# Ids of identities.


def test_identities_are_reserved_in_ascending_order(store):
    assert [store.reserve(n) for n in (1, 3, 10_000, 1)] == [1, 2, 5, 10_005]


@pytest.mark.parametrize("count", [-1, 0, 10_001])
def test_too_few_or_too_many_identities_are_refused(store, count):
    with pytest.raises(GalleryError, match=rf"{count}"):
        store.reserve(count)
    assert store.reserve(1) == 1


def test_no_identity_is_reserved_twice(engine):
    stores = [engine.open(), engine.open()]
    with ThreadPoolExecutor(6) as pool:
        firsts = list(pool.map(lambda n: stores[n % 2].reserve(1 + n % 3), range(60)))
    taken = [first + n for call, first in enumerate(firsts) for n in range(1 + call % 3)]
    assert len(set(taken)) == len(taken) == 120
    assert sorted(taken) == list(range(1, 121))
    for store in stores:
        store.close()


def test_reserved_identities_stay_reserved_when_it_is_opened_again(engine):
    first = engine.open()
    assert first.reserve(5) == 1
    first.close()
    again = engine.open()
    assert again.reserve(1) == 6
    again.close()


def test_identities_in_the_gallery_are_not_reserved(store):
    store.upsert(rows(2, identities=[2, 6]), [a_visit(1, identity=9)])
    store.name(13, "Ada")
    assert [store.reserve(n) for n in (2, 3, 1, 3)] == [3, 10, 14, 15]


def test_after_the_last_identity_free_ones_are_reserved_from_the_first(engine):
    first = engine.open()
    assert first.reserve(3) == 1
    first.upsert(rows(2, identities=[2, FIRST_LOCAL_ID]))
    first.close()
    engine.skip_to(FIRST_LOCAL_ID - 3)
    store = engine.open()
    assert [store.reserve(n) for n in (2, 2, 1)] == [FIRST_LOCAL_ID - 3, 3, 5]
    store.close()


def test_without_a_run_of_free_identities_none_are_reserved(store):
    store.upsert(rows(1572, identities=np.arange(1, 1573) * 10_000))
    with pytest.raises(GalleryError, match=r"10,?000"):
        store.reserve(10_000)
    assert [store.reserve(9_999), store.reserve(9_999)] == [1, 10_001]


# Opening, closing, sharing.


def test_a_gallery_says_what_it_is_for(engine):
    store = engine.open(dim=12, fingerprint="osnet")
    again = engine.open(dim=None, fingerprint=None)
    assert (store.dim, store.fingerprint) == (again.dim, again.fingerprint) == (12, "osnet")
    assert store.uri
    assert store.uri == again.uri
    store.close()
    again.close()


@pytest.mark.parametrize(
    ("dim", "fingerprint", "match"),
    [(DIM + 1, "test", "dimension 8"), (DIM, "other", "other"), (None, "other", "test")],
)
def test_a_gallery_of_other_vectors_is_refused(engine, dim, fingerprint, match):
    store = engine.open()
    store.upsert(rows(4))
    with pytest.raises(GalleryError, match=match):
        engine.open(dim=dim, fingerprint=fingerprint)
    assert store.count() == 4
    store.close()


@pytest.mark.parametrize(
    ("dim", "fingerprint"), [(None, None), (8, None), (None, "test"), (0, "test"), (16_001, "test")]
)
def test_no_gallery_is_made_unless_it_is_said_what_for(engine, dim, fingerprint):
    with pytest.raises(GalleryError):
        engine.open(dim=dim, fingerprint=fingerprint)
    with pytest.raises(GalleryError, match="no gallery"):
        engine.open(dim=None, fingerprint=None)
    engine.open().close()


def test_two_stores_on_one_place_see_what_the_other_writes(engine):
    one, other = engine.open(), engine.open()
    records = rows(20)
    for writer, reader in ((one, other), (other, one)):
        writer.upsert(records, some_visits(4))
        writer.flush()
        assert held(reader) == held(writer)
        assert len(reader.search(np.ones((1, DIM), np.float32), 50)[0]) == 20
        writer.relabel(ANY, 8)
        writer.flush()
        assert set(reader.search(np.ones((1, DIM), np.float32), 50)[0].records.identities) == {8}
        writer.delete(ANY)
        writer.flush()
        assert (reader.count(), len(reader.search(np.ones((1, DIM), np.float32), 50)[0])) == (0, 0)
    one.close()
    other.close()


def test_its_health_says_how_much_it_holds(store):
    store.upsert(rows(7), some_visits(3))
    health = store.health()
    assert (health.sightings, health.visits) == (7, 3)
    assert health.engine
    assert health.bytes is None or health.bytes > 0


def test_a_backup_holds_everything_or_says_what_to_do_instead(store, tmp_path):
    store.upsert(rows(7), some_visits(3))
    copy = tmp_path / "backup"
    try:
        store.backup(copy)
    except GalleryError:
        assert not copy.exists()
    else:
        assert copy.exists()


def test_a_backup_never_replaces_a_file(store, tmp_path):
    copy = tmp_path / "backup"
    copy.write_bytes(b"mine")
    with pytest.raises(GalleryError):
        store.backup(copy)
    assert copy.read_bytes() == b"mine"


def test_closing_twice_is_harmless(engine):
    store = engine.open()
    store.upsert(rows(3))
    store.close()
    store.close()


def test_any_thread_may_call(store):
    kept, failed = [], []

    def work(seed):
        try:
            for n in range(5):
                records = rows(8, 100 * seed + n)
                store.upsert(records, [a_visit(100 * seed + n)])
                kept.append(records)
                assert len(store.search(records.embeddings[:2], 3)[1]) == 3
                assert_same(store.get(records.ids), records)
                store.name(seed + 1, f"thread {seed}")
        except (AssertionError, GalleryError) as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER)
    assert not failed
    assert_same(everything(store), by_id(Records.joined(kept, DIM)))
    assert len(list(store.visits())) == 20


def test_a_forked_process_may_go_on_with_it(store):
    records = rows(20)
    store.upsert(records.take(np.arange(10)))
    store.search(records.embeddings[:1], 3)

    def child():
        assert len(store.search(records.embeddings[:1], 50)[0]) == 10
        store.upsert(records.take(np.arange(10, 20)))
        assert store.reserve(1) == 6
        assert len(store.search(records.embeddings[:1], 50)[0]) == 20

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(FOREVER)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0
    assert store.reserve(1) == 7
    assert len(store.search(records.embeddings[:1], 50)[0]) == 20
    assert_same(everything(store), by_id(records))


class TestReassign:
    """Visits that get other identities, all at once."""

    @pytest.fixture
    def three(self, store):
        for n in (101, 102, 103):
            store.upsert(rows(3, n, identities=n - 100, visits=n), [a_visit(n, identity=n - 100)])
        return store

    def now(self, store):
        found = {v.id: v.identity for v in store.visits()}
        records = everything(store)
        assert [found[v] for v in records.visits.tolist()] == records.identities.tolist()
        return found

    def test_moves_visits_and_their_sightings(self, three):
        assert three.reassign([Move(101, 1, 2), Move(103, 3, 2)], {}) == 2
        assert self.now(three) == {101: 2, 102: 2, 103: 2}
        found = three.search(everything(three).embeddings[:1], 9, Filter(identities=frozenset({2})))
        assert len(found[0]) == 9

    def test_a_visit_moves_once(self, three):
        assert three.reassign([Move(101, 1, 2), Move(102, 2, 3), Move(103, 3, 1)], {}) == 3
        assert self.now(three) == {101: 2, 102: 3, 103: 1}

    def test_visits_that_were_moved_meanwhile_or_are_gone_stay(self, three):
        assert three.reassign([Move(101, 7, 2), Move(999, 1, 2)], {}) == 0
        assert self.now(three) == {101: 1, 102: 2, 103: 3}

    def test_files_are_written_and_deleted_with_it(self, three):
        three.put_blob("old", b"1")
        three.reassign([], {"old": b"", "new": b"2"})
        assert (three.blob("old"), three.blob("new")) == (None, b"2")

    @pytest.mark.parametrize("identity", [-1, 0, LAST_ID + 1])
    def test_identities_out_of_range_change_nothing(self, three, identity):
        with pytest.raises(GalleryError, match="an identity must be"):
            three.reassign([Move(101, 1, 2), Move(102, 2, identity)], {"new": b"2"})
        assert self.now(three) == {101: 1, 102: 2, 103: 3}
        assert three.blob("new") is None
