"""Whoever is asked about again is searched among those whom the first question found, and who was written since."""

from dataclasses import replace

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.linking.linker import Linker
from ultralytics_reid.gallery.linking.messages import Observation, Observations, PrototypeUpdate, Query, Settings
from ultralytics_reid.gallery.linking.shortlists import SHORTLIST_SECONDS, Shortlists
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.records import Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store

DIM, START, STRANGERS = 64, 1.8e9, 400
SETTINGS = Settings(false_rate=0.05, match_class=False, keep_days=0, family="reid")
ADA, UNLIKE_ADA = (unit(np.random.default_rng(n).normal(size=(1, DIM)).astype(np.float32))[0] for n in (0, 1))


@pytest.fixture
def site(tmp_path):
    """A linker, and a gallery of more strangers than a search finds."""
    store = open_store(tmp_path / "site.db", DIM, "test")
    write_strangers(store)
    linker = Linker(store, Topology(), SETTINGS)
    linker.work(0.0)
    yield linker, store
    store.close()


def write_strangers(store):
    first = store.reserve(STRANGERS)
    identities = np.arange(first, first + STRANGERS)
    ids, visits = new_ids(STRANGERS), new_ids(STRANGERS)
    times = np.full(STRANGERS, START - 1000.0)
    looks = unit(np.random.default_rng(7).normal(size=(STRANGERS, DIM)).astype(np.float32))
    zeros, ones = np.zeros(STRANGERS, np.int64), np.ones(STRANGERS, np.float32)
    rows = Records(ids, looks, identities, visits, ("street",) * STRANGERS, times, zeros, ones)
    spans = zip(visits.tolist(), identities.tolist(), strict=True)
    store.upsert(rows, [Visit(v, i, "street", 0, START - 1000, START - 1000) for v, i in spans])


def write_regular(store, first, last):
    """Write one who looks like Ada, with more sightings than a search finds; returns the id."""
    identity, ids, visit = store.reserve(1), new_ids(300), int(new_ids(1)[0])
    looks = unit(ADA + 0.01 * np.random.default_rng(3).normal(size=(300, DIM)).astype(np.float32))
    of, times, ones = (np.full(300, identity), np.full(300, visit)), np.full(300, first), np.ones(300, np.float32)
    rows = Records(ids, looks, *of, ("gate",) * 300, times, np.zeros(300, np.int64), ones)
    store.upsert(rows, [Visit(visit, identity, "gate", 0, first, last)])
    return identity


def ask(linker, session, identity, looks, *, asked):
    last = 1.0 + asked
    session.receive(Query(identity, looks, 10 * (asked + 1), 0, 0.0, last, frozenset(), asked=asked))
    return [a.known for _, a in linker.work(last) if a.identity == identity]


def stay(linker, session, looks, last):
    """Somebody is seen, and written as new to the gallery."""
    identity = linker.reserve(1)
    session.receive(Observations(last, (Observation(identity, 0, 0.9, (0.4, 0.4, 0.5, 0.8)),)))
    session.receive(PrototypeUpdate(identity, looks, 10, last, 0))
    session.receive(Query(identity, looks, 10, 0, last - 1, last, frozenset()))
    linker.work(last)
    return identity


@pytest.fixture
def searches(site, monkeypatch):
    """Among how many identities each search was; None for all."""
    _, store = site
    found = []
    search = type(store).search

    def watched(self, queries, k, where, **more):
        found.append(None if where.identities is None else len(where.identities))
        return search(self, queries, k, where, **more)

    monkeypatch.setattr(type(store), "search", watched)
    return found


def test_second_question_searches_only_among_identities_of_the_first(site, searches):
    linker, _ = site
    yard = linker.open_session("yard", START)
    visitor = linker.reserve(1)
    for n in range(2):
        ask(linker, yard, visitor, ADA, asked=n)
    first, second = searches
    assert first is None
    assert 0 < second < STRANGERS


def test_few_identities_that_fill_a_search_are_no_shortlist(site, searches):
    linker, store = site
    write_regular(store, START, START + 900)
    yard = linker.open_session("yard", START)
    visitor = linker.reserve(1)
    for n in range(2):
        ask(linker, yard, visitor, ADA, asked=n)
    assert searches == [None, None]


def test_who_is_visible_beside_does_not_hide_the_others(site):
    """However many sightings there are of her who stands beside."""
    linker, store = site
    door, yard = (linker.open_session(name, START) for name in ("door", "yard"))
    bob = stay(linker, door, ADA, -50.0)
    ada = write_regular(store, START - 500, START - 400)
    visitor = linker.reserve(1)
    yard.receive(Query(visitor, ADA, 10, 0, 0.0, 1.0, frozenset({ada})))
    assert [a.known for _, a in linker.work(1.0) if a.identity == visitor] == [bob]


def test_a_visitor_of_another_class_by_now_is_searched_for_anew(site, searches):
    linker, store = site
    linker = Linker(store, Topology(), replace(SETTINGS, match_class=True))
    yard = linker.open_session("yard", START)
    visitor = linker.reserve(1)
    for n, cls in enumerate((0, 2)):
        yard.receive(Query(visitor, ADA, 10 + n, cls, 0.0, 1.0 + n, frozenset(), asked=n))
        linker.work(1.0 + n)
    assert searches == [None, None]


def test_identity_written_after_the_first_question_is_an_answer_to_the_second(site):
    linker, _ = site
    yard, door = (linker.open_session(name, START) for name in ("yard", "door"))
    visitor = linker.reserve(1)
    assert ask(linker, yard, visitor, UNLIKE_ADA, asked=0) == [None]
    yard.receive(Observations(2.0, ()))
    ada = stay(linker, door, ADA, -50.0)
    assert ask(linker, yard, visitor, ADA, asked=1) == [ada]


def test_shortlist_is_out_of_date_after_its_time():
    shortlists = Shortlists()
    shortlists.keep("visitor", [1, 2], 10.0)
    assert shortlists.get("visitor", 10.0 + 0.9 * SHORTLIST_SECONDS) == {1, 2}
    assert shortlists.get("visitor", 10.0 + SHORTLIST_SECONDS) is None
    assert shortlists.get("another", 10.0) is None


def test_what_is_written_joins_every_shortlist():
    shortlists = Shortlists()
    shortlists.keep("one", [1], 0.0)
    shortlists.keep("other", [2], 0.0)
    shortlists.add(3)
    assert (shortlists.get("one", 1.0), shortlists.get("other", 1.0)) == ({1, 3}, {2, 3})
