"""A process's line to its gallery: what is asked, told and written, by whom, and what if the gallery is away."""

import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moody_store import Moody

from ultralytics_reid import Gallery, GalleryError
from ultralytics_reid.appearance.calibration import ScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.errors import GalleryUnavailable
from ultralytics_reid.gallery.linking import linker as registrar_module
from ultralytics_reid.gallery.linking import worker as link_module
from ultralytics_reid.gallery.linking.linker import Linker
from ultralytics_reid.gallery.linking.messages import (
    Answer,
    EvidenceUpdate,
    Merge,
    Observation,
    Observations,
    Outage,
    PrototypeUpdate,
    Query,
    Reject,
    Settings,
    Split,
)
from ultralytics_reid.gallery.linking.open_visits import OpenVisit
from ultralytics_reid.gallery.linking.session import CameraSession
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.linking.worker import GalleryWorker
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID, LAST_ID, Filter
from ultralytics_reid.gallery.retention import EVIDENCE_PREFIX, evidence_key
from ultralytics_reid.gallery.store import open_store

DIM = 64
START = 1_795_694_400.0
PATIENCE = 20.0
# Plain cosines of these say who is who, before anything was learned.
SETTINGS = Settings(0.05, True, 0.0, "reid")


def look(who, noise=0.0, seed=0):
    """`(DIM,)`, what somebody looks like; with noise, for a moment."""
    clean = np.random.default_rng(who).normal(size=DIM)
    return unit((clean + noise * np.random.default_rng(10_000 + seed).normal(size=DIM)).astype(np.float32))


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "site.db"
    open_store(path, DIM, "test").close()
    return path


@pytest.fixture
def path(tmp_path, empty):
    return Path(shutil.copy(empty, tmp_path))


@pytest.fixture
def store(path):
    """The gallery as somebody else sees it."""
    opened = open_store(path)
    yield opened
    opened.close()


@pytest.fixture
def connect(path, monkeypatch):
    """Makes links, each with a moody store of its own, as each process has."""
    monkeypatch.setattr(link_module, "_FIRST_RETRY", 0.01)
    monkeypatch.setattr(link_module, "_LAST_RETRY", 0.05)
    links = []

    def make(*, wait=True, topology=None, settings=SETTINGS, away=False):
        moody = Moody(open_store(path))
        moody.away = away

        def opened():
            if moody.away is True:
                raise GalleryUnavailable("away from the start")
            return moody

        link = GalleryWorker(opened, topology or Topology(), settings)
        links.append((link, moody))
        assert not wait or link.wait_until_ready(PATIENCE)
        return link, moody

    yield make
    for link, moody in links:
        moody.away, moody.broken = False, None
        moody.release()
        link.close()


def glimpse(identity, cls=0, **more):
    return Observation(identity, cls, 0.8, (0.1, 0.2, 0.3, 0.9), **more)


def show(link, line, identity, who, when=(0.0, 5.0), *, ask=True, beside=(), cls=0, noise=0.0):
    """Tell what a tracker tells of somebody who is there for a while, and ask who it is."""
    first, last = when
    seen_as = look(who, noise, int(first))
    for time in np.arange(first + 0.5, last, 1.0):
        link.send(line, Observations(float(time), (glimpse(identity, cls),)))
    link.send(line, PrototypeUpdate(identity, seen_as, 5, last - 0.2, cls))
    link.send(line, Observations(last, (glimpse(identity, cls),)))
    if ask:
        link.send(line, Query(identity, seen_as, 20, cls, first, last, frozenset(beside)))


def answers(link, line):
    """What came back until now, once all is dealt with."""
    assert link.settle(PATIENCE)
    return [line.replies.popleft() for _ in range(len(line.replies))]


def whereabouts(store):
    """Identities by camera, in the order in which they came."""
    visits = sorted(store.visits(), key=lambda v: v.first)
    return {c: [v.identity for v in visits if v.camera == c] for c in {v.camera for v in visits}}


def consistent(store):
    """Whether all sightings have their visit's identity and camera, and lie within it."""
    visits = {v.id: v for v in store.visits()}
    for rows in store.scan():
        for n in range(len(rows)):
            visit = visits[int(rows.visits[n])]
            assert (visit.identity, visit.camera) == (rows.identities[n], rows.cameras[n])
            assert visit.first <= rows.times[n] <= visit.last
    return True


class TestIds:
    def test_two_processes_never_get_the_same(self, connect):
        links = [connect()[0] for _ in range(2)]
        given = []
        for _ in range(60):
            for link in links:
                given.append(link.next_id())
                link.settle(PATIENCE)
        assert len(set(given)) == len(given) == 120
        assert all(1 <= i < FIRST_LOCAL_ID and int(np.float32(i)) == i for i in given)

    def test_while_the_gallery_is_away_they_are_of_those_that_it_never_gives(self, connect):
        link, _ = connect(wait=False, away=True)
        given = [link.next_id() for _ in range(100)]
        assert len(set(given)) == 100
        assert all(FIRST_LOCAL_ID <= i <= LAST_ID == int(np.float32(LAST_ID)) for i in given)
        assert all(int(np.float32(i)) == i for i in given)

    def test_local_ones_go_on_where_somebody_else_began(self):
        def refuse():
            raise GalleryError("no gallery")

        link = GalleryWorker(refuse, Topology(), SETTINGS, iter([FIRST_LOCAL_ID + 7]))
        assert link.next_id() == FIRST_LOCAL_ID + 7
        link.close()

    def test_a_crowd_that_comes_at_once_gets_ids_too(self, connect):
        link, _ = connect()
        given = [link.next_id() for _ in range(200)]
        assert len(set(given)) == 200


class TestWhoIsIt:
    def test_somebody_new_keeps_their_id(self, connect, store):
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, mine := link.next_id(), 1)
        (answer,) = answers(link, line)
        assert (answer.identity, answer.known, answer.late, answer.new) == (mine, None, False, False)
        assert whereabouts(store) == {"a": [mine]}
        assert consistent(store)

    def test_who_was_seen_by_another_process_is_who_they_are(self, connect, store):
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        (answer,) = answers(other, b)
        assert (answer.identity, answer.known, answer.camera) == (second, first, "a")
        assert answer.gap == pytest.approx(95, abs=1)
        assert 0.5 < answer.probability <= 1
        assert answer.similarity == pytest.approx(1, abs=0.01)
        assert whereabouts(store) == {"a": [first], "b": [first]}
        assert consistent(store)

    def test_what_they_were_called_before_does_not_matter_to_what_is_told_next(self, connect, store):
        """The camera goes on with the old id until it has read the answer."""
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        assert other.settle(PATIENCE)
        show(other, b, second, 1, (6, 9), ask=False)
        assert other.settle(PATIENCE)
        (visit,) = store.visits(Filter(cameras=frozenset({"b"})))
        assert (visit.identity, visit.last) == (first, START + 109)

    def test_two_who_are_there_together_are_two_however_alike(self, connect, store):
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, link.next_id(), 1, (0, 5))
        answers(link, line)
        link.close_channel(line)
        line = link.open_channel("a", START + 100)
        twins = [link.next_id(), link.next_id()]
        for twin in twins:
            show(link, line, twin, 1, (0, 5), ask=False)
            link.send(line, Query(twin, look(1), 20, 0, 0.0, 5.0, frozenset(twins) - {twin}))
        told = answers(link, line)
        assert sum(a.known is not None for a in told) == 1
        here = whereabouts(store)["a"]
        assert len(here) == 3
        assert len(set(here)) == 2

    def test_nobody_is_found_to_be_who_is_visible_beside_them(self, connect):
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, owner := link.next_id(), 1, (0, 5))
        answers(link, line)
        show(link, line, link.next_id(), 1, (20, 25), beside=[owner])
        assert [a.known for a in answers(link, line)] == [None]

    @pytest.mark.parametrize(("start", "known"), [(0.0, False), (3.0, False), (5.0, True), (100.0, True)])
    def test_nobody_is_on_two_cameras_at_once(self, connect, start, known):
        link, _ = connect()
        a, b = link.open_channel("a", START), link.open_channel("b", START + start)
        show(link, a, first := link.next_id(), 1, (0, 5))
        answers(link, a)
        show(link, b, link.next_id(), 1, (0, 5))
        assert [r.known for r in answers(link, b)] == [first if known else None]

    def test_unless_both_see_the_same_place(self, connect, tmp_path):
        (tmp_path / "site.yaml").write_text("ways: [{from: a, to: b, overlap: true}]")
        link, _ = connect(topology=Topology.load(tmp_path / "site.yaml"))
        a, b = link.open_channel("a", START), link.open_channel("b", START)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        show(link, b, link.next_id(), 1)
        assert [r.known for r in answers(link, b)] == [first]

    @pytest.mark.parametrize(("after", "known"), [(20.0, False), (30.0, True), (100.0, True), (150.0, False)])
    def test_nobody_is_faster_or_slower_than_the_way_takes(self, connect, tmp_path, after, known):
        (tmp_path / "site.yaml").write_text("ways: [{from: a, to: b, least: 28, most: 120}]")
        link, _ = connect(topology=Topology.load(tmp_path / "site.yaml"))
        a, b = link.open_channel("a", START), link.open_channel("b", START + 5 + after)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        show(link, b, link.next_id(), 1)
        assert [r.known for r in answers(link, b)] == [first if known else None]

    @pytest.mark.parametrize(("match_class", "known"), [(True, False), (False, True)])
    def test_of_another_class(self, connect, match_class, known):
        link, _ = connect(settings=Settings(0.05, match_class, 0.0, "reid"))
        a, b = link.open_channel("a", START), link.open_channel("b", START + 100)
        show(link, a, first := link.next_id(), 1, cls=0)
        answers(link, a)
        show(link, b, link.next_id(), 1, cls=2)
        assert [r.known for r in answers(link, b)] == [first if known else None]

    def test_a_visit_begins_when_somebody_was_first_seen_not_when_they_got_an_id(self, connect, store):
        link, _ = connect()
        line = link.open_channel("a", START)
        link.send(line, Observations(3.0, (glimpse(1),)))
        link.send(line, Observations(4.0, (glimpse(1),)))
        link.send(line, PrototypeUpdate(1, look(1), 5, 4.5, 0))
        link.send(line, Query(1, look(1), 20, 0, 0.5, 5.0, frozenset()))
        answers(link, line)
        (visit,) = store.visits()
        assert (visit.first, visit.last) == (START + 0.5, START + 4.5)
        assert visit.path[:, 0].tolist() == [2.5, 3.5]

    def test_everybody_is_answered_before_it_is_settled(self, connect, store):
        """More than are asked about at once."""
        link, _ = connect()
        line = link.open_channel("a", START)
        asked = [link.next_id() for _ in range(150)]
        for n, identity in enumerate(asked):
            show(link, line, identity, 100 + n, (20.0 * n, 20.0 * n + 2))
        told = [a for a in answers(link, line) if not a.new]
        assert sorted(a.identity for a in told) == sorted(asked)
        assert store.population() == 150

    def test_the_gap_is_since_they_left_not_since_what_is_kept_of_their_looks(self, connect):
        (link, _), (other, _) = connect(), connect()
        a, b = link.open_channel("a", START), other.open_channel("b", START + 70)
        show(link, a, first := link.next_id(), 1, (0, 5))
        for time in range(6, 61):
            link.send(a, Observations(float(time), (glimpse(first),)))
        answers(link, a)
        show(other, b, other.next_id(), 1)
        (answer,) = answers(other, b)
        assert (answer.known, answer.camera) == (first, "a")
        assert answer.gap == pytest.approx(10, abs=1)

    def test_nobody_is_in_two_places_nor_was_in_an_earlier_visit(self, connect):
        (link, _), (other, _) = connect(), connect()
        a, b = link.open_channel("a", START), other.open_channel("b", START)
        show(link, a, first := link.next_id(), 1, (0, 20))
        answers(link, a)
        mine = other.next_id()
        show(other, b, mine, 1, (5, 10))  # while the other was on camera a
        show(other, b, mine, 1, (30, 35))
        assert [answer.known for answer in answers(other, b)] == [None, None], f"{first} was on both cameras at once"

    def test_one_search_a_question(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        for n in range(5):
            show(link, line, link.next_id(), n, (20.0 * n, 20.0 * n + 5))
        answers(link, line)
        assert moody.calls["search"] == 5

    def test_nothing_is_asked_of_the_store_while_nothing_happens(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        answers(link, line)
        moody.calls.clear()
        for _ in range(5):
            link._awake.set()
            link.settle(PATIENCE)
        assert not moody.calls


class TestWhatTheCameraFindsOut:
    """The camera's own memory has the last word on who is one of its own."""

    @pytest.fixture
    def camera(self, connect, store):
        """A camera on which somebody called 10 was seen, who is new."""
        link, moody = connect()
        line = link.open_channel("a", START)
        show(link, line, 10, 1, (0, 5))
        answers(link, line)
        return link, line, moody

    def test_two_were_one(self, camera, store):
        link, line, _ = camera
        show(link, line, 20, 2, (30, 35))
        link.send(line, Merge(20, 10))
        show(link, line, 10, 1, (36, 40), ask=False)
        answers(link, line)
        assert set(whereabouts(store)["a"]) == {10}
        assert consistent(store)

    def test_two_were_one_and_one_of_them_was_met_elsewhere_meanwhile(self, camera, store, connect):
        link, line, _ = camera
        show(link, line, 20, 2, (30, 35))
        answers(link, line)
        other, _ = connect()
        there = other.open_channel("b", START + 100)
        show(other, there, 999, 2)
        assert [a.known for a in answers(other, there)] == [20]
        link.send(line, Merge(20, 10))
        answers(link, line)
        assert whereabouts(store) == {"a": [10, 10], "b": [10]}
        assert consistent(store)

    def test_two_were_one_before_it_was_asked_who(self, camera, store):
        link, line, moody = camera
        moody.away = True
        show(link, line, 20, 2, (30, 35))
        link.send(line, Merge(20, 10))
        moody.away = False
        told = answers(link, line)
        assert [a for a in told if isinstance(a, Answer)] == []
        assert set(whereabouts(store)["a"]) == {10}

    def test_who_the_gallery_knew_turns_out_to_be_somebody_of_here_and_is_asked_about_again(
        self, camera, store, connect
    ):
        """Each may be found to be the other: that must come to an end."""
        other, _ = connect()
        there = other.open_channel("b", START - 100)
        show(other, there, 500, 3)
        answers(other, there)
        link, line, _ = camera
        show(link, line, 20, 3, (30, 35))
        assert [a.known for a in answers(link, line)] == [500]
        link.send(line, Merge(500, 10))
        link.send(line, Query(10, look(3), 90, 0, 0.0, 45.0, frozenset()))
        answers(link, line)
        show(link, line, 10, 1, (46, 50), ask=False)
        answers(link, line)
        assert len({v.identity for v in store.visits(Filter(cameras=frozenset({"a"})))}) == 1

    def test_who_the_gallery_knew_and_this_camera_took_for_another_can_be_met_again(self, camera, store, connect):
        other, _ = connect()
        there = other.open_channel("b", START - 100)
        show(other, there, 500, 3)
        answers(other, there)
        link, line, _ = camera
        show(link, line, 20, 3, (30, 35))
        answers(link, line)
        link.send(line, Merge(500, 10))
        show(link, line, 30, 3, (60, 65), beside=[10])
        assert [a.known for a in answers(link, line)] == [500]
        show(link, line, 500, 3, (66, 70), ask=False)
        answers(link, line)
        (last,) = (v for v in store.visits() if v.first >= START + 60)
        assert (last.identity, last.last) == (500, START + 70)

    def test_it_was_somebody_else(self, camera, store):
        """A visit that began with the mistake moves, with all that was written of it."""
        link, line, _ = camera
        show(link, line, 10, 2, (30, 35), ask=False)
        answers(link, line)
        link.send(line, Split(10, 30.0, 77))
        show(link, line, 77, 2, (36, 40))
        answers(link, line)
        assert whereabouts(store)["a"] == [10, 77]
        assert consistent(store)

    def test_it_was_somebody_else_but_who_was_there_before_stays(self, camera, store):
        link, line, _ = camera
        link.send(line, Observations(8.0, (glimpse(10),)))
        link.send(line, Split(10, 7.5, 77))
        show(link, line, 77, 2, (9, 14))
        answers(link, line)
        assert whereabouts(store)["a"] == [10, 77]

    def test_an_answer_can_not_be_used(self, connect, store):
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        assert [r.known for r in answers(other, b)] == [first]
        other.send(b, Reject(second))
        show(other, b, second, 1, (6, 9), ask=False)
        answers(other, b)
        assert whereabouts(store) == {"a": [first], "b": [second]}
        assert consistent(store)


class TestMergedByHand:
    """While cameras are running that know the identity that is no more."""

    def test_they_follow_and_write_nobody_anew(self, connect, store, path, monkeypatch):
        monkeypatch.setattr(registrar_module, "_REREAD", 0.0)
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, 10, 1, (0, 5))
        show(link, line, 20, 2, (30, 35))
        answers(link, line)
        with Gallery(path) as gallery:
            gallery.merge(10, 20)
        show(link, line, 20, 2, (36, 40), ask=False)
        (answer,) = answers(link, line)
        assert (answer.identity, answer.known) == (20, 10)
        show(link, line, 20, 2, (41, 43), ask=False)
        answers(link, line)
        assert {v.identity for v in store.visits()} == {10}
        assert max(v.last for v in store.visits()) == START + 43
        assert consistent(store)

    def test_what_was_merged_before_they_began_is_nothing_to_them(self, connect, store, path):
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, 10, 1, (0, 5))
        show(link, line, 20, 2, (30, 35))
        answers(link, line)
        with Gallery(path) as gallery:
            gallery.merge(10, 20)
        other, _ = connect()
        there = other.open_channel("b", START + 100)
        show(other, there, 30, 2)
        assert [a.known for a in answers(other, there)] == [10]


class TestTime:
    def test_recordings_of_which_nobody_knows_started_together(self, connect, store):
        link, _ = connect()
        a, b = link.open_channel("a", None), link.open_channel("b", None)
        show(link, a, 1, 1, (0, 5))
        show(link, b, 2, 2, (0, 5))
        link.settle(PATIENCE)
        one, other = store.visits()
        assert one.first == other.first

    def test_the_next_starts_after_all_that_was_seen_written_or_not(self, connect, store):
        link, moody = connect()
        moody.held = {"upsert"}
        line = link.open_channel("a", None)
        show(link, line, 1, 1, (0, 3600))
        link.close_channel(line)
        line = link.open_channel("a", None)
        show(link, line, 2, 1, (0, 5))
        assert moody.waits.wait(PATIENCE)
        moody.release()
        answers(link, line)
        first, second = sorted(store.visits(), key=lambda v: v.first)
        assert first.last - first.first == 3600
        assert first.last <= second.first

    def test_a_clock_that_goes_on_keeps_its_zero(self, connect, store):
        link, _ = connect()
        line = link.open_channel("a", None)
        show(link, line, 1, 1, (0, 5))
        answers(link, line)
        link.close_channel(line)
        again = link.open_channel("b", None, line)
        show(link, again, 1, 1, (100, 105))
        answers(link, again)
        first, second = sorted(store.visits(), key=lambda v: v.first)
        assert second.first - first.first == pytest.approx(100, abs=0.01)


class TestAway:
    def test_from_the_start(self, connect, store):
        link, moody = connect(wait=False, away=True)
        assert not link.wait_until_ready(0.1)
        early = link.open_channel("a", START)
        show(link, early, mine := link.next_id(), 1)
        assert not link.settle(0.2)
        late = link.open_channel("b", START)
        for line in (early, late):
            (away,) = [line.replies.popleft() for _ in range(len(line.replies))]
            assert away.why == "away from the start"
        moody.away = False
        told = answers(link, early)
        assert [a.lost for a in told if isinstance(a, Outage)] == [0]
        assert all(a.late for a in told if isinstance(a, Answer))
        assert [a for a in answers(link, late) if a.why] == []
        (renamed,) = (a for a in told if isinstance(a, Answer) and a.new)
        assert renamed.identity == mine >= FIRST_LOCAL_ID > renamed.known
        assert whereabouts(store) == {"a": [renamed.known]}

    def test_in_between_and_what_was_missed_is_made_up_for(self, connect, store):
        link, moody = connect()
        a = link.open_channel("a", START)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        moody.away = True
        show(link, a, 777, 1, (100, 105))
        assert not link.settle(0.3)
        assert link.away
        (away,) = [a.replies.popleft() for _ in range(len(a.replies))]
        assert away.why == "away on demand"
        moody.away = False
        linked, back = answers(link, a)
        assert (linked.identity, linked.known, linked.late) == (777, first, True)
        assert (back.why, back.lost) == ("", 0)
        assert not link.away
        assert set(whereabouts(store)["a"]) == {first}

    @pytest.mark.parametrize("call", ["search", "upsert", "visits", "population", "reserve", "blobs", "put_blob"])
    def test_wherever_it_fails_nothing_is_lost_or_doubled(self, connect, store, call):
        link, moody = connect()
        a, b = link.open_channel("a", START), link.open_channel("b", START + 100)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        moody.away = {call}
        show(link, b, link.next_id(), 1)
        show(link, b, FIRST_LOCAL_ID + 5, 2, (10, 15))
        link.send(b, EvidenceUpdate(evidence()))
        for _ in range(10):
            link.settle(0.02)
        moody.away = False
        answers(link, b)
        here = whereabouts(store)
        assert here["a"] == [first]
        assert here["b"][0] == first
        assert first != here["b"][1] < FIRST_LOCAL_ID
        assert consistent(store)
        assert len(store.blobs(EVIDENCE_PREFIX)) == 1

    @pytest.mark.parametrize("call", ["upsert", "visits"])
    def test_wherever_it_fails_the_camera_hears_who_it_was(self, connect, call):
        link, moody = connect()
        a, b = link.open_channel("a", START), link.open_channel("b", START + 100)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        moody.before["search"] = lambda: setattr(moody, "away", {call})
        show(link, b, link.next_id(), 1)
        link.settle(0.2)
        moody.away = False
        assert [r.known for r in answers(link, b) if isinstance(r, Answer)] == [first]

    def test_local_ids_of_two_processes_are_two_individuals(self, connect, store):
        both = [connect(wait=False, away=True) for _ in range(2)]
        lines = [link.open_channel(f"camera {n}", START) for n, (link, _) in enumerate(both)]
        for n, ((link, _), line) in enumerate(zip(both, lines, strict=True)):
            identity = link.next_id()
            assert identity == FIRST_LOCAL_ID
            show(link, line, identity, 50 + n)
        kept = []
        for (link, moody), line in zip(both, lines, strict=True):
            moody.away = False
            (renamed,) = (a for a in answers(link, line) if isinstance(a, Answer) and a.new)
            # The camera goes on with the old id for a moment, and then with the new one.
            show(link, line, renamed.identity, 50, (6, 8), ask=False)
            show(link, line, renamed.known, 50, (8, 9), ask=False)
            kept.append(renamed.known)
            link.settle(PATIENCE)
        assert kept[0] != kept[1]
        assert whereabouts(store) == {"camera 0": [kept[0]], "camera 1": [kept[1]]}
        assert all(v.identity < FIRST_LOCAL_ID and v.last == START + 9 for v in store.visits())
        assert consistent(store)

    def test_an_answer_about_a_local_id_that_can_not_be_used(self, connect, store):
        link, _ = connect()
        a, b = link.open_channel("a", START), link.open_channel("b", START + 100)
        show(link, a, first := link.next_id(), 1)
        answers(link, a)
        show(link, b, FIRST_LOCAL_ID, 1)
        assert [r.known for r in answers(link, b)] == [first]
        link.send(b, Reject(FIRST_LOCAL_ID))
        (renamed,) = answers(link, b)
        assert (renamed.identity, renamed.new) == (FIRST_LOCAL_ID, True)
        assert whereabouts(store)["b"] == [renamed.known]
        assert renamed.known not in (first, FIRST_LOCAL_ID)

    def test_a_younger_one_that_the_gallery_knows_is_who_an_older_one_was(self, connect, store):
        """The older one came while it was away, and wasn't asked about yet."""
        link, _ = connect()
        line = link.open_channel("a", START)
        show(link, line, FIRST_LOCAL_ID, 1, (0, 5), ask=False)
        show(link, line, young := link.next_id(), 1, (30, 35))
        answers(link, line)
        link.send(line, Merge(young, FIRST_LOCAL_ID))
        show(link, line, FIRST_LOCAL_ID, 1, (36, 40), ask=False)
        (renamed,) = answers(link, line)
        assert (renamed.identity, renamed.known, renamed.new) == (FIRST_LOCAL_ID, young, True)
        assert {v.identity for v in store.visits()} == {young}

    def test_many_are_all_late(self, connect):
        link, moody = connect(wait=False, away=True)
        line = link.open_channel("a", START)
        for n in range(120):
            show(link, line, link.next_id(), 100 + n, (20.0 * n, 20.0 * n + 2))
        link.settle(0.1)
        moody.away = False
        told = answers(link, line)
        assert {a.late for a in told if isinstance(a, Answer)} == {True}
        assert [bool(a.why) for a in told if isinstance(a, Outage)] == [True, False]

    def test_who_was_on_two_cameras_meanwhile_is_one(self, connect, store):
        link, moody = connect()
        a, b = link.open_channel("a", START), link.open_channel("b", START + 100)
        link.settle(PATIENCE)
        moody.away = True
        show(link, a, link.next_id(), 1)
        show(link, b, link.next_id(), 1)
        link.settle(0.2)
        moody.away = False
        link.settle(PATIENCE)
        assert store.population() == 1

    def test_for_very_long_and_the_oldest_visits_go(self, connect, monkeypatch):
        monkeypatch.setattr("ultralytics_reid.gallery.linking.session.MAX_WAITING", 3)
        link, moody = connect()
        line = link.open_channel("a", START)
        answers(link, line)
        moody.away = True
        for n in range(8):
            show(link, line, 1000 + n, n, (30.0 * n, 30.0 * n + 5))
        link.settle(0.2)
        moody.away = False
        (back,) = (a for a in answers(link, line) if isinstance(a, Outage) and not a.why)
        assert 3 <= back.lost <= 5

    def test_from_the_start_for_very_long_and_memory_is_bounded(self, connect, monkeypatch):
        monkeypatch.setattr(link_module, "_MAX_HELD", 50)
        link, moody = connect(wait=False, away=True)
        line = link.open_channel("a", START)
        for n in range(500):
            link.send(line, Observations(float(n), ()))
        link.settle(0.3)
        assert len(link._inbox) <= 50
        moody.away = False
        show(link, line, link.next_id(), 1, (600, 605))
        assert any(isinstance(a, Answer) for a in answers(link, line))

    def test_a_store_that_lets_us_wait_delays_nobody(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        moody.held = {"search", "upsert", "reserve"}
        show(link, line, link.next_id(), 1)
        assert moody.waits.wait(PATIENCE)
        for n in range(50):
            show(link, line, link.next_id(), n, (10.0 * n, 10.0 * n + 3))
        link.close_channel(line)
        assert len(line.replies) == 0
        moody.release()
        assert link.settle(PATIENCE)


class TestFailing:
    def test_a_gallery_that_can_not_be_used_says_why(self):
        def refuse():
            raise GalleryError("another embedder's")

        link = GalleryWorker(refuse, Topology(), SETTINGS)
        assert link.wait_until_ready(PATIENCE)
        assert str(link.failed) == "another embedder's"
        assert not link.opened
        assert link.settle(PATIENCE)

    def test_one_that_fails_later_is_away_for_good_and_nothing_piles_up(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        answers(link, line)
        moody.broken = GalleryError("the file is corrupt")
        show(link, line, link.next_id(), 1)
        link._thread.join(PATIENCE)
        assert link.opened
        assert [r.why for r in line.replies] == ["the file is corrupt"]
        for n in range(100):
            show(link, line, link.next_id(), n)
        assert len(link._inbox) < 20
        assert link.settle(PATIENCE)
        new = link.open_channel("b", START)
        assert [r.why for r in new.replies] == ["the file is corrupt"]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_nobody_waits_for_a_thread_that_died(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        answers(link, line)
        moody.broken = ZeroDivisionError("a bug")
        show(link, line, link.next_id(), 1)
        assert link.settle(PATIENCE)
        link._thread.join(PATIENCE)
        assert "an error of its own" in str(link.failed)
        assert link.close()


class TestEnd:
    def test_what_is_told_while_a_line_is_closed_is_written(self, connect, store):
        """The gallery's thread is between listening and dropping what is over."""
        link, moody = connect()
        line = link.open_channel("a", START)
        answers(link, line)
        moody.held = {"reserve"}
        taken = [link.next_id() for _ in range(20)]
        link._awake.set()
        assert moody.waits.wait(PATIENCE)
        show(link, line, taken[0], 1)
        link.close_channel(line)
        moody.release()
        answers(link, line)
        assert whereabouts(store) == {"a": [taken[0]]}

    def test_runs_that_are_over_are_forgotten(self, connect):
        link, _ = connect()
        for n in range(5):
            line = link.open_channel("a", START + 100 * n)
            show(link, line, link.next_id(), n)
            link.send(line, EvidenceUpdate(evidence()))
            link.close_channel(line)
            assert link.settle(PATIENCE)
        link._awake.set()
        link.open_channel("b", START)
        assert link.settle(PATIENCE)
        assert [run.camera for run in link._registrar.runs] == ["b"]
        assert len(link._lines) == 1

    def test_closing_writes_what_was_told_though_the_gallery_is_back_only_just(self, connect, store, monkeypatch):
        monkeypatch.setattr(link_module, "_FIRST_RETRY", 60.0)
        monkeypatch.setattr(link_module, "_LAST_RETRY", 60.0)
        link, moody = connect()
        line = link.open_channel("a", START)
        moody.away = True
        show(link, line, link.next_id(), 1)
        assert not link.settle(0.2)
        moody.away = False
        assert link.close()
        assert len(list(store.visits())) == 1

    def test_closing_says_if_not_everything_was_written(self, connect):
        link, moody = connect()
        line = link.open_channel("a", START)
        moody.away = True
        show(link, line, link.next_id(), 1)
        assert not link.close(0.2)


def evidence(dim=DIM, scale=1.0):
    """Of people who look a little different from moment to moment."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(12, 1, dim))
    crops = unit((people + 0.1 * rng.normal(size=(12, 25, dim))).astype(np.float32))
    means = crops.mean(axis=1)
    off = (crops - means[:, None]).reshape(-1, dim)
    genuine = crops[:, :24].reshape(-1, 2, dim)
    impostor = np.stack([crops[:-1, :10], crops[1:, :10]], axis=2).reshape(-1, 2, dim)
    return LearnedStatistics(np.float32(scale) * (off.T @ off), len(off), genuine[:100], impostor[:100], means)


class TestEvidence:
    @given(st.integers(1, 20), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.floats(1e-20, 1e20))
    def test_what_is_dumped_is_loaded_again(self, dim, genuine, impostor, people, scale):
        rng = np.random.default_rng(dim)
        root = rng.normal(size=(dim, dim))
        shapes = [(genuine, 2, dim), (impostor, 2, dim), (people, dim)]
        rows = [unit(rng.normal(size=s).astype(np.float32)) for s in shapes]
        given_ = LearnedStatistics((scale * root @ root.T).astype(np.float32), 64, *rows)
        again = LearnedStatistics.load(given_.dump(), dim)
        assert again.crops == 64
        for before, after in zip(
            (given_.scatter, given_.genuine, given_.impostor, given_.means),
            (again.scatter, again.genuine, again.impostor, again.means),
            strict=True,
        ):
            assert after.shape == before.shape
            assert after.dtype == np.float32
            assert np.allclose(after, before, rtol=0, atol=2e-3 * np.abs(before).max(initial=0))
        assert (again.scatter == again.scatter.T).all()

    def test_of_another_dimension_it_is_refused(self):
        for dim in (DIM - 1, DIM + 1, 1):
            with pytest.raises(GalleryError, match=f"isn't of dimension {dim}"):
                LearnedStatistics.load(evidence().dump(), dim)

    @given(st.one_of(st.binary(max_size=200), st.binary(max_size=50).map(lambda b: b"PK\x03\x04" + b)))
    def test_junk_is_refused(self, junk):
        with pytest.raises(GalleryError, match="can't be read"):
            LearnedStatistics.load(junk, 4)

    @given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
    def test_what_is_damaged_is_refused_or_was_not_damaged_where_it_counts(self, changes):
        whole = evidence(4).dump()
        damaged = bytearray(whole)
        for place, value in changes:
            damaged[int(place * len(damaged))] = value
        try:
            loaded = LearnedStatistics.load(bytes(damaged), 4)
        except GalleryError:
            return
        assert (loaded.scatter == LearnedStatistics.load(whole, 4).scatter).all()

    @given(st.floats(0, 0.99))
    def test_what_is_cut_off_is_refused(self, share):
        whole = evidence(4).dump()
        with pytest.raises(GalleryError, match="can't be read"):
            LearnedStatistics.load(whole[: int(share * len(whole))], 4)

    @pytest.mark.parametrize("wrong", [{"scatter": np.full((4, 4), np.nan, np.float32)}, {"crops": 0}])
    def test_numbers_that_can_not_be_are_refused(self, wrong):
        good = evidence(4)
        parts = {"scatter": good.scatter, "crops": 9, "genuine": good.genuine, "impostor": good.impostor}
        with pytest.raises(GalleryError, match="out of range"):
            LearnedStatistics.load(LearnedStatistics(**{**parts, "means": good.means, **wrong}).dump(), 4)

    def test_before_anything_was_learned_there_is_none(self):
        metric = Metric()
        assert LearnedStatistics.of(metric, ScoreModel(metric.project), np.zeros((0, DIM), np.float32)) is None

    @pytest.mark.parametrize("camera", ["a", "10.0.0.1:554/live/one", "门口" * 80, "x" * 160])
    def test_a_camera_starts_with_what_it_has_learned_before(self, connect, store, camera):
        one, _ = connect()
        line = one.open_channel(camera, START)
        for n in range(3):
            one.send(line, EvidenceUpdate(evidence(scale=float(n + 1))))
            answers(one, line)
        assert len(store.blobs(EVIDENCE_PREFIX)) == 1
        assert one.failed is None
        other, _ = connect()
        again, elsewhere = other.open_channel(camera, START), other.open_channel("somewhere else", START)
        answers(other, elsewhere)
        assert elsewhere.known_before is None
        assert again.known_before.scatter == pytest.approx(evidence(scale=3.0).scatter, abs=0.01)

    def test_junk_in_the_gallery_is_said_and_ends_nothing_else(self, connect, store, caplog):
        store.put_blob(evidence_key("a", 1), b"junk")
        link, _ = connect()
        assert link.wait_until_ready(PATIENCE)
        line = link.open_channel("b", START)
        show(link, line, link.next_id(), 1)
        assert [answer.known for answer in answers(link, line) if isinstance(answer, Answer)] == [None]
        assert link.failed is None
        assert sum("can't be read" in message for message in caplog.messages) == 1


class TestConflicts:
    """Two processes that take two people, who are there at the same time, for the same one, at the same time."""

    @pytest.fixture
    def rivals(self, path, store, connect):
        """Two registrars, each about to answer who somebody is; both look like who was on camera 0 before."""
        link, _ = connect()
        line = link.open_channel("0", START)
        show(link, line, 5, 1)
        answers(link, line)
        made = []
        for n, noise in ((1, 0.25), (2, 0.0)):
            moody = Moody(open_store(path))
            registrar = Linker(moody, Topology(), SETTINGS)
            registrar.runs.append(run := CameraSession(str(n), START + 100))
            identity = registrar._store.reserve(1)
            run.take(Observations(0.5, (glimpse(identity),)))
            run.take(PrototypeUpdate(identity, look(1, noise), 5, 4.0, 0))
            run.take(Query(identity, look(1, noise), 20, 0, 0.0, 5.0, frozenset()))
            made.append((registrar, moody))
        yield made
        for _, moody in made:
            moody.close()

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    @pytest.mark.parametrize("meanwhile", [True, False])
    def test_one_gives_way(self, rivals, store, order, meanwhile):
        (one, one_store), (other, _) = (rivals[n] for n in order)
        told = []
        if meanwhile:
            # After the one has looked, and before it has written.
            one_store.before["upsert"] = lambda: told.extend(other.work(0.0))
        told += one.work(0.0)
        told += other.work(1.0)
        assert sorted(a.known is not None for _, a in told) == [False, True]
        here = whereabouts(store)
        assert [here["1"], here["2"]].count([5]) == 1
        assert here["1"] != here["2"]
        assert consistent(store)

    def test_they_are_never_both_the_same_however_close_it_is(self, rivals, store):
        told, threads = [], []
        for registrar, moody in rivals:
            moody.held = {"upsert"}
            threads.append(threading.Thread(target=lambda r=registrar: told.extend(r.work(0.0))))
            threads[-1].start()
            assert moody.waits.wait(PATIENCE)
        for _, moody in rivals:
            moody.release()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(told) == 2
        assert sum(a.known is not None for _, a in told) <= 1
        here = whereabouts(store)
        assert here["1"] != here["2"]
        assert consistent(store)


class TestDrafts:
    def test_who_stays_for_long_fills_neither_disk_nor_memory(self):
        draft = OpenVisit("a", 1, START, START)
        for n in range(4 * 3600):
            draft.see(START + n, glimpse(1))
            if n % 2 == 0:
                draft.learn(START + n, PrototypeUpdate(1, look(1), 5, 0.0, 0))
        visit = draft.visit()
        assert 100 < len(visit.path) <= 257
        assert np.all(np.diff(visit.path[:, 0]) > 0)
        assert visit.path[-1, 0] > 3.9 * 3600
        assert 20 < len(draft.pending) < 100

    def test_the_class_is_the_one_it_had_most_often(self):
        draft = OpenVisit("a", 1, START, START)
        for n, cls in enumerate([0, 2, 2, 0, 2]):
            draft.see(START + n, glimpse(1, cls))
        assert draft.visit().cls == 2

    def test_the_best_crop_is_kept(self):
        draft = OpenVisit("a", 1, START, START)
        for sharpness, value in ((1.0, 10), (3.0, 200), (2.0, 90)):
            crop = np.full((40, 20, 3), value, np.uint8)
            draft.see(START, glimpse(1, crop=crop, sharpness=sharpness))
        picture = cv2.imdecode(np.frombuffer(draft.visit().crop, np.uint8), cv2.IMREAD_COLOR)
        assert picture.mean() == pytest.approx(200, abs=2)

    def test_a_box_outside_of_the_picture_has_no_crop(self):
        draft = OpenVisit("a", 1, START, START)
        draft.see(START, glimpse(1, crop=np.zeros((0, 20, 3), np.uint8), sharpness=5.0))
        assert draft.visit().crop == b""
