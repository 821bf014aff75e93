"""The gallery's thread: answers, corrections, outages, and what is written."""

import gc
import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from learned import evidence
from moody_store import Moody

from ultralytics_reid import Gallery, GalleryError
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.errors import GalleryUnavailable
from ultralytics_reid.gallery.file_names import EVIDENCE_PREFIX, evidence_key
from ultralytics_reid.gallery.ledger import Move
from ultralytics_reid.gallery.linking import linker as linker_module
from ultralytics_reid.gallery.linking import worker as worker_module
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
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.linking.worker import GalleryWorker
from ultralytics_reid.gallery.moves import apply, undo
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID, LAST_ID, Filter
from ultralytics_reid.gallery.store import open_store

DIM = 64
START = 1_795_694_400.0
PATIENCE = 20.0
# Plain cosines of this family tell identities apart before anything is learned.
SETTINGS = Settings(0.05, True, 0.0, "reid")


def appearance(person, noise=0.0, seed=0):
    """`(DIM,)` embedding of a person; noisy as a single crop's."""
    clean = np.random.default_rng(person).normal(size=DIM)
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
    """The gallery as another client sees it."""
    opened = open_store(path)
    yield opened
    opened.close()


@pytest.fixture
def connect(path, monkeypatch):
    """Makes workers, each with a moody store of its own, as in a process of its own."""
    monkeypatch.setattr(worker_module, "_FIRST_RETRY", 0.01)
    monkeypatch.setattr(worker_module, "_LAST_RETRY", 0.05)
    workers = []

    def make(*, wait=True, topology=None, settings=SETTINGS, away=False):
        moody = Moody(open_store(path))
        moody.away = away

        def opened():
            if moody.away is True:
                raise GalleryUnavailable("away from the start")
            return moody

        worker = GalleryWorker(opened, topology or Topology(), settings)
        workers.append((worker, moody))
        assert not wait or worker.settle(PATIENCE)
        return worker, moody

    yield make
    for worker, moody in workers:
        moody.away, moody.broken = False, None
        moody.release()
        worker.close()


def observation(identity, cls=0, **more):
    return Observation(identity, cls, 0.8, (0.1, 0.2, 0.3, 0.9), **more)


def show(worker, channel, identity, person, when=(0.0, 5.0), *, query=True, beside=(), cls=0, noise=0.0):
    """Send what a tracker sends of a person visible for a while, and query the identity."""
    first, last = when
    embedding = appearance(person, noise, int(first))
    for time in np.arange(first + 0.5, last, 1.0):
        worker.send(channel, Observations(float(time), (observation(identity, cls),)))
    worker.send(channel, PrototypeUpdate(identity, embedding, 5, last - 0.2, cls))
    worker.send(channel, Observations(last, (observation(identity, cls),)))
    if query:
        worker.send(channel, Query(identity, embedding, 20, cls, first, last, frozenset(beside)))


def answers(worker, channel):
    """All replies until now, once everything is written."""
    assert worker.settle(PATIENCE)
    return [channel.replies.popleft() for _ in range(len(channel.replies))]


def whereabouts(store):
    """Identities by camera, in the order of their visits."""
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
    def test_ids_of_two_processes_are_disjoint(self, connect):
        workers = [connect()[0] for _ in range(2)]
        given = []
        for _ in range(60):
            for worker in workers:
                given.append(worker.next_id())
                worker.settle(PATIENCE)
        assert len(set(given)) == len(given) == 120
        assert all(1 <= i < FIRST_LOCAL_ID and int(np.float32(i)) == i for i in given)

    def test_ids_while_the_gallery_is_away_are_local(self, connect):
        worker, _ = connect(wait=False, away=True)
        given = [worker.next_id() for _ in range(100)]
        assert len(set(given)) == 100
        assert all(FIRST_LOCAL_ID <= i <= LAST_ID == int(np.float32(LAST_ID)) for i in given)
        assert all(int(np.float32(i)) == i for i in given)

    def test_local_ids_come_from_a_given_iterator(self):
        def refuse():
            raise GalleryError("no gallery")

        worker = GalleryWorker(refuse, Topology(), SETTINGS, iter([FIRST_LOCAL_ID + 7]))
        assert worker.next_id() == FIRST_LOCAL_ID + 7
        worker.close()

    def test_many_ids_at_once_are_distinct(self, connect):
        worker, _ = connect()
        given = [worker.next_id() for _ in range(200)]
        assert len(set(given)) == 200


class TestQuery:
    def test_new_identity_keeps_its_id(self, connect, store):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, mine := worker.next_id(), 1)
        (answer,) = answers(worker, channel)
        assert (answer.identity, answer.known, answer.late, answer.new) == (mine, None, False, False)
        assert whereabouts(store) == {"a": [mine]}
        assert consistent(store)

    def test_identity_of_another_process_is_linked(self, connect, store):
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        (answer,) = answers(other, b)
        assert (answer.identity, answer.known, answer.camera) == (second, first, "a")
        assert answer.gap == pytest.approx(95, abs=1)
        assert 0.3 < answer.probability < 1  # the embedder's prior is all that is known yet
        assert answer.similarity == pytest.approx(1, abs=0.01)
        assert whereabouts(store) == {"a": [first], "b": [first]}
        assert consistent(store)

    def test_messages_under_the_old_id_after_a_link_extend_the_linked_visit(self, connect, store):
        """The camera goes on with the old id until it has read the answer."""
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        assert other.settle(PATIENCE)
        show(other, b, second, 1, (6, 9), query=False)
        assert other.settle(PATIENCE)
        (visit,) = store.visits(Filter(cameras=frozenset({"b"})))
        assert (visit.identity, visit.last) == (first, START + 109)

    def test_twins_visible_together_get_different_identities(self, connect, store):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, worker.next_id(), 1, (0, 5))
        answers(worker, channel)
        worker.close_channel(channel)
        channel = worker.open_channel("a", START + 100)
        twins = [worker.next_id(), worker.next_id()]
        for twin in twins:
            show(worker, channel, twin, 1, (0, 5), query=False)
            worker.send(channel, Query(twin, appearance(1), 20, 0, 0.0, 5.0, frozenset(twins) - {twin}))
        replies = answers(worker, channel)
        assert sum(a.known is not None for a in replies) == 1
        here = whereabouts(store)["a"]
        assert len(here) == 3
        assert len(set(here)) == 2

    def test_identity_visible_beside_the_query_is_excluded(self, connect):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, owner := worker.next_id(), 1, (0, 5))
        answers(worker, channel)
        show(worker, channel, worker.next_id(), 1, (20, 25), beside=[owner])
        assert [a.known for a in answers(worker, channel)] == [None]

    @pytest.mark.parametrize(("start", "known"), [(0.0, False), (3.0, False), (5.0, True), (100.0, True)])
    def test_presence_gate_excludes_two_cameras_at_once(self, connect, start, known):
        worker, _ = connect()
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + start)
        show(worker, a, first := worker.next_id(), 1, (0, 5))
        answers(worker, a)
        show(worker, b, worker.next_id(), 1, (0, 5))
        assert [r.known for r in answers(worker, b)] == [first if known else None]

    def test_overlapping_cameras_may_show_one_identity_at_once(self, connect, tmp_path):
        (tmp_path / "site.yaml").write_text("ways: [{from: a, to: b, overlap: true}]")
        worker, _ = connect(topology=Topology.load(tmp_path / "site.yaml"))
        a, b = worker.open_channel("a", START), worker.open_channel("b", START)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        show(worker, b, worker.next_id(), 1)
        assert [r.known for r in answers(worker, b)] == [first]

    @pytest.mark.parametrize(("after", "known"), [(20.0, False), (30.0, True), (100.0, True), (150.0, False)])
    def test_travel_time_gate(self, connect, tmp_path, after, known):
        (tmp_path / "site.yaml").write_text("ways: [{from: a, to: b, least: 28, most: 120}]")
        worker, _ = connect(topology=Topology.load(tmp_path / "site.yaml"))
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 5 + after)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        show(worker, b, worker.next_id(), 1)
        assert [r.known for r in answers(worker, b)] == [first if known else None]

    @pytest.mark.parametrize(("match_class", "known"), [(True, False), (False, True)])
    def test_class_gate(self, connect, match_class, known):
        worker, _ = connect(settings=Settings(0.05, match_class, 0.0, "reid"))
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 100)
        show(worker, a, first := worker.next_id(), 1, cls=0)
        answers(worker, a)
        show(worker, b, worker.next_id(), 1, cls=2)
        assert [r.known for r in answers(worker, b)] == [first if known else None]

    def test_visit_begins_with_the_first_box_not_with_the_id(self, connect, store):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        worker.send(channel, Observations(3.0, (observation(1),)))
        worker.send(channel, Observations(4.0, (observation(1),)))
        worker.send(channel, PrototypeUpdate(1, appearance(1), 5, 4.5, 0))
        worker.send(channel, Query(1, appearance(1), 20, 0, 0.5, 5.0, frozenset()))
        answers(worker, channel)
        (visit,) = store.visits()
        assert (visit.first, visit.last) == (START + 0.5, START + 4.5)
        assert visit.path[:, 0].tolist() == [2.5, 3.5]

    def test_settle_waits_for_more_queries_than_a_round_answers(self, connect, store):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        asked = [worker.next_id() for _ in range(150)]
        for n, identity in enumerate(asked):
            show(worker, channel, identity, 100 + n, (20.0 * n, 20.0 * n + 2))
        replies = [a for a in answers(worker, channel) if not a.new]
        assert sorted(a.identity for a in replies) == sorted(asked)
        assert store.population() == 150

    def test_gap_counts_from_the_last_box_not_from_the_last_sighting(self, connect):
        (worker, _), (other, _) = connect(), connect()
        a, b = worker.open_channel("a", START), other.open_channel("b", START + 70)
        show(worker, a, first := worker.next_id(), 1, (0, 5))
        for time in range(6, 61):
            worker.send(a, Observations(float(time), (observation(first),)))
        answers(worker, a)
        show(other, b, other.next_id(), 1)
        (answer,) = answers(other, b)
        assert (answer.known, answer.camera) == (first, "a")
        assert answer.gap == pytest.approx(10, abs=1)

    def test_presence_gate_covers_earlier_visits_of_the_query(self, connect):
        (worker, _), (other, _) = connect(), connect()
        a, b = worker.open_channel("a", START), other.open_channel("b", START)
        show(worker, a, first := worker.next_id(), 1, (0, 20))
        answers(worker, a)
        mine = other.next_id()
        show(other, b, mine, 1, (5, 10))  # while the other was on camera a
        show(other, b, mine, 1, (30, 35))
        assert [answer.known for answer in answers(other, b)] == [None, None], f"{first} was on both cameras at once"

    def test_a_query_takes_one_search(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        for n in range(5):
            show(worker, channel, worker.next_id(), n, (20.0 * n, 20.0 * n + 5))
        answers(worker, channel)
        assert moody.calls["search"] == 5

    def test_idle_worker_makes_no_store_calls(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        moody.calls.clear()
        for _ in range(5):
            worker.settle(PATIENCE)
        assert not moody.calls


class TestCorrections:
    """The camera's memory decides which of its identities are one."""

    @pytest.fixture
    def camera(self, connect, store):
        """A camera on which the new identity 10 was visible."""
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, 10, 1, (0, 5))
        answers(worker, channel)
        return worker, channel, moody

    def test_merge_moves_the_visits(self, camera, store):
        worker, channel, _ = camera
        show(worker, channel, 20, 2, (30, 35))
        worker.send(channel, Merge(20, 10))
        show(worker, channel, 10, 1, (36, 40), query=False)
        answers(worker, channel)
        assert set(whereabouts(store)["a"]) == {10}
        assert consistent(store)

    def test_merge_of_an_identity_linked_elsewhere_relabels_both_cameras(self, camera, store, connect):
        worker, channel, _ = camera
        show(worker, channel, 20, 2, (30, 35))
        answers(worker, channel)
        other, _ = connect()
        there = other.open_channel("b", START + 100)
        show(other, there, 999, 2)
        assert [a.known for a in answers(other, there)] == [20]
        worker.send(channel, Merge(20, 10))
        answers(worker, channel)
        assert whereabouts(store) == {"a": [10, 10], "b": [10]}
        assert consistent(store)

    def test_merge_before_the_answer_drops_the_query(self, camera, store):
        worker, channel, moody = camera
        moody.away = True
        show(worker, channel, 20, 2, (30, 35))
        worker.send(channel, Merge(20, 10))
        moody.away = False
        replies = answers(worker, channel)
        assert [a for a in replies if isinstance(a, Answer)] == []
        assert set(whereabouts(store)["a"]) == {10}

    def test_merge_of_a_linked_identity_and_a_second_query_make_no_circle(self, camera, store, connect):
        """Each is resolved to the other: that must come to an end."""
        other, _ = connect()
        there = other.open_channel("b", START - 100)
        show(other, there, 500, 3)
        answers(other, there)
        worker, channel, _ = camera
        show(worker, channel, 20, 3, (30, 35))
        assert [a.known for a in answers(worker, channel)] == [500]
        worker.send(channel, Merge(500, 10))
        worker.send(channel, Query(10, appearance(3), 90, 0, 0.0, 45.0, frozenset()))
        answers(worker, channel)
        show(worker, channel, 10, 1, (46, 50), query=False)
        answers(worker, channel)
        assert len({v.identity for v in store.visits(Filter(cameras=frozenset({"a"})))}) == 1

    def test_linked_identity_that_was_merged_can_be_linked_again(self, camera, store, connect):
        other, _ = connect()
        there = other.open_channel("b", START - 100)
        show(other, there, 500, 3)
        answers(other, there)
        worker, channel, _ = camera
        show(worker, channel, 20, 3, (30, 35))
        answers(worker, channel)
        worker.send(channel, Merge(500, 10))
        show(worker, channel, 30, 3, (60, 65), beside=[10])
        assert [a.known for a in answers(worker, channel)] == [500]
        show(worker, channel, 500, 3, (66, 70), query=False)
        answers(worker, channel)
        (last,) = (v for v in store.visits() if v.first >= START + 60)
        assert (last.identity, last.last) == (500, START + 70)

    def test_split_moves_a_visit_that_began_with_the_mistake(self, camera, store):
        """Its sightings move, too."""
        worker, channel, _ = camera
        show(worker, channel, 10, 2, (30, 35), query=False)
        answers(worker, channel)
        worker.send(channel, Split(10, 30.0, 77))
        show(worker, channel, 77, 2, (36, 40))
        answers(worker, channel)
        assert whereabouts(store)["a"] == [10, 77]
        assert consistent(store)

    def test_an_id_that_was_merged_by_mistake_is_one_of_its_own_again(self, camera, store):
        """What is asked under it afterwards isn't asked about the identity that it was merged with."""
        worker, channel, _ = camera
        show(worker, channel, 10, 2, (30, 35))
        show(worker, channel, 77, 2, (36, 37), query=False)
        worker.send(channel, Merge(77, 10))
        worker.send(channel, Split(10, 36.0, 77))
        show(worker, channel, 77, 3, (38, 44))
        answers(worker, channel)
        assert whereabouts(store)["a"] == [10, 10, 77]
        assert consistent(store)

    def test_split_leaves_a_visit_that_began_before(self, camera, store):
        worker, channel, _ = camera
        worker.send(channel, Observations(8.0, (observation(10),)))
        worker.send(channel, Split(10, 7.5, 77))
        show(worker, channel, 77, 2, (9, 14))
        answers(worker, channel)
        assert whereabouts(store)["a"] == [10, 77]

    def test_rejected_answer_makes_a_new_identity(self, connect, store):
        (one, _), (other, _) = connect(), connect()
        a, b = one.open_channel("a", START), other.open_channel("b", START + 100)
        show(one, a, first := one.next_id(), 1)
        answers(one, a)
        show(other, b, second := other.next_id(), 1)
        assert [r.known for r in answers(other, b)] == [first]
        other.send(b, Reject(second))
        show(other, b, second, 1, (6, 9), query=False)
        answers(other, b)
        assert whereabouts(store) == {"a": [first], "b": [second]}
        assert consistent(store)


class TestMergeByHand:
    """Merges by hand while a camera is tracked that knows the merged identity."""

    def test_running_camera_follows_and_does_not_write_the_merged_identity_anew(
        self, connect, store, path, monkeypatch
    ):
        monkeypatch.setattr(linker_module, "_REREAD", 0.0)
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, 10, 1, (0, 5))
        show(worker, channel, 20, 2, (30, 35))
        answers(worker, channel)
        with Gallery(path) as gallery:
            gallery.merge(10, 20)
        show(worker, channel, 20, 2, (36, 40), query=False)
        (answer,) = answers(worker, channel)
        assert (answer.identity, answer.known) == (20, 10)
        show(worker, channel, 20, 2, (41, 43), query=False)
        answers(worker, channel)
        assert {v.identity for v in store.visits()} == {10}
        assert max(v.last for v in store.visits()) == START + 43
        assert consistent(store)

    def test_merge_before_the_process_began_is_ignored(self, connect, store, path):
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, 10, 1, (0, 5))
        show(worker, channel, 20, 2, (30, 35))
        answers(worker, channel)
        with Gallery(path) as gallery:
            gallery.merge(10, 20)
        other, _ = connect()
        there = other.open_channel("b", START + 100)
        show(other, there, 30, 2)
        assert [a.known for a in answers(other, there)] == [10]


class TestMoves:
    """Visits moved to other identities while a camera is tracked that writes them."""

    def test_running_camera_does_not_write_a_moved_visit_under_its_old_identity(
        self, connect, store, path, monkeypatch
    ):
        monkeypatch.setattr(linker_module, "_REREAD", 0.0)
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, 10, 1, (0, 5))
        show(worker, channel, 10, 1, (30, 35), query=False)
        answers(worker, channel)
        early, late = sorted(store.visits(), key=lambda v: v.first)
        with Gallery(path) as gallery:
            new = gallery.split(10, [late.id]).identities[1]
        show(worker, channel, 10, 1, (36, 40), query=False)
        answers(worker, channel)
        show(worker, channel, 10, 1, (41, 43), query=False)
        answers(worker, channel)
        now = {v.id: v.identity for v in store.visits()}
        assert (now[early.id], now[late.id]) == (10, new)
        assert consistent(store)

    def test_moves_taken_back_are_followed_too(self, connect, store, path, monkeypatch):
        monkeypatch.setattr(linker_module, "_REREAD", 0.0)
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, 10, 1, (0, 5))
        answers(worker, channel)
        (visit,) = store.visits()
        apply(store, [Move(visit.id, 10, 11)], ())
        show(worker, channel, 10, 1, (6, 8), query=False)
        answers(worker, channel)
        assert undo(store) == 1
        show(worker, channel, 10, 1, (9, 10), query=False)
        answers(worker, channel)
        assert {v.identity for v in store.visits()} == {10}
        assert consistent(store)


class TestTime:
    def test_recordings_of_unknown_start_begin_together(self, connect, store):
        worker, _ = connect()
        a, b = worker.open_channel("a", None), worker.open_channel("b", None)
        show(worker, a, 1, 1, (0, 5))
        show(worker, b, 2, 2, (0, 5))
        worker.settle(PATIENCE)
        one, other = store.visits()
        assert one.first == other.first

    def test_next_recording_begins_after_all_visits_written_or_not(self, connect, store):
        worker, moody = connect()
        moody.held = {"upsert"}
        channel = worker.open_channel("a", None)
        show(worker, channel, 1, 1, (0, 3600))
        worker.close_channel(channel)
        channel = worker.open_channel("a", None)
        show(worker, channel, 2, 1, (0, 5))
        assert moody.waits.wait(PATIENCE)
        moody.release()
        answers(worker, channel)
        first, second = sorted(store.visits(), key=lambda v: v.first)
        assert first.last - first.first == 3600
        assert first.last <= second.first

    def test_continued_clock_keeps_its_origin(self, connect, store):
        worker, _ = connect()
        channel = worker.open_channel("a", None)
        show(worker, channel, 1, 1, (0, 5))
        answers(worker, channel)
        worker.close_channel(channel)
        again = worker.open_channel("b", None, channel)
        show(worker, again, 1, 1, (100, 105))
        answers(worker, again)
        first, second = sorted(store.visits(), key=lambda v: v.first)
        assert second.first - first.first == pytest.approx(100, abs=0.01)


class TestOutage:
    def test_outage_from_the_start_is_made_up_for(self, connect, store):
        worker, moody = connect(wait=False, away=True)
        assert not worker.settle(0.1)
        early = worker.open_channel("a", START)
        show(worker, early, mine := worker.next_id(), 1)
        assert not worker.settle(0.2)
        late = worker.open_channel("b", START)
        for channel in (early, late):
            (away,) = [channel.replies.popleft() for _ in range(len(channel.replies))]
            assert away.why == "away from the start"
        moody.away = False
        replies = answers(worker, early)
        assert [a.lost for a in replies if isinstance(a, Outage)] == [0]
        assert all(a.late for a in replies if isinstance(a, Answer))
        assert [a for a in answers(worker, late) if a.why] == []
        (renamed,) = (a for a in replies if isinstance(a, Answer) and a.new)
        assert renamed.identity == mine >= FIRST_LOCAL_ID > renamed.known
        assert whereabouts(store) == {"a": [renamed.known]}

    def test_outage_in_between_is_made_up_for(self, connect, store):
        worker, moody = connect()
        a = worker.open_channel("a", START)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        moody.away = True
        show(worker, a, 777, 1, (100, 105))
        assert not worker.settle(0.3)
        assert worker.away
        (away,) = [a.replies.popleft() for _ in range(len(a.replies))]
        assert away.why == "away on demand"
        moody.away = False
        linked, back = answers(worker, a)
        assert (linked.identity, linked.known, linked.late) == (777, first, True)
        assert (back.why, back.lost) == ("", 0)
        assert not worker.away
        assert set(whereabouts(store)["a"]) == {first}

    @pytest.mark.parametrize("call", ["search", "upsert", "visits", "population", "reserve", "blobs", "put_blob"])
    def test_outage_in_any_store_call_loses_and_doubles_nothing(self, connect, store, call):
        worker, moody = connect()
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 100)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        moody.away = {call}
        show(worker, b, worker.next_id(), 1)
        show(worker, b, FIRST_LOCAL_ID + 5, 2, (10, 15))
        worker.send(b, EvidenceUpdate(evidence()))
        for _ in range(10):
            worker.settle(0.02)
        moody.away = False
        answers(worker, b)
        here = whereabouts(store)
        assert here["a"] == [first]
        assert here["b"][0] == first
        assert first != here["b"][1] < FIRST_LOCAL_ID
        assert consistent(store)
        assert len(store.blobs(EVIDENCE_PREFIX)) == 1

    @pytest.mark.parametrize("call", ["upsert", "visits"])
    def test_outage_after_a_decision_keeps_the_answer(self, connect, call):
        worker, moody = connect()
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 100)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        moody.before["search"] = lambda: setattr(moody, "away", {call})
        show(worker, b, worker.next_id(), 1)
        worker.settle(0.2)
        moody.away = False
        assert [r.known for r in answers(worker, b) if isinstance(r, Answer)] == [first]

    def test_equal_local_ids_of_two_processes_are_two_identities(self, connect, store):
        both = [connect(wait=False, away=True) for _ in range(2)]
        channels = [worker.open_channel(f"camera {n}", START) for n, (worker, _) in enumerate(both)]
        for n, ((worker, _), channel) in enumerate(zip(both, channels, strict=True)):
            identity = worker.next_id()
            assert identity == FIRST_LOCAL_ID
            show(worker, channel, identity, 50 + n)
        kept = []
        for (worker, moody), channel in zip(both, channels, strict=True):
            moody.away = False
            (renamed,) = (a for a in answers(worker, channel) if isinstance(a, Answer) and a.new)
            # The camera goes on with the old id for a moment, and then with the new one.
            show(worker, channel, renamed.identity, 50, (6, 8), query=False)
            show(worker, channel, renamed.known, 50, (8, 9), query=False)
            kept.append(renamed.known)
            worker.settle(PATIENCE)
        assert kept[0] != kept[1]
        assert whereabouts(store) == {"camera 0": [kept[0]], "camera 1": [kept[1]]}
        assert all(v.identity < FIRST_LOCAL_ID and v.last == START + 9 for v in store.visits())
        assert consistent(store)

    def test_rejected_answer_replaces_a_local_id(self, connect, store):
        worker, _ = connect()
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 100)
        show(worker, a, first := worker.next_id(), 1)
        answers(worker, a)
        show(worker, b, FIRST_LOCAL_ID, 1)
        assert [r.known for r in answers(worker, b)] == [first]
        worker.send(b, Reject(FIRST_LOCAL_ID))
        (renamed,) = answers(worker, b)
        assert (renamed.identity, renamed.new) == (FIRST_LOCAL_ID, True)
        assert whereabouts(store)["b"] == [renamed.known]
        assert renamed.known not in (first, FIRST_LOCAL_ID)

    def test_merge_of_a_younger_identity_into_a_local_one_keeps_the_gallerys_id(self, connect, store):
        """The older one appeared during an outage, and wasn't queried yet."""
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, FIRST_LOCAL_ID, 1, (0, 5), query=False)
        show(worker, channel, young := worker.next_id(), 1, (30, 35))
        answers(worker, channel)
        worker.send(channel, Merge(young, FIRST_LOCAL_ID))
        show(worker, channel, FIRST_LOCAL_ID, 1, (36, 40), query=False)
        (renamed,) = answers(worker, channel)
        assert (renamed.identity, renamed.known, renamed.new) == (FIRST_LOCAL_ID, young, True)
        assert {v.identity for v in store.visits()} == {young}

    def test_many_answers_after_an_outage_are_all_late(self, connect):
        worker, moody = connect(wait=False, away=True)
        channel = worker.open_channel("a", START)
        for n in range(120):
            show(worker, channel, worker.next_id(), 100 + n, (20.0 * n, 20.0 * n + 2))
        worker.settle(0.1)
        moody.away = False
        replies = answers(worker, channel)
        assert {a.late for a in replies if isinstance(a, Answer)} == {True}
        assert [bool(a.why) for a in replies if isinstance(a, Outage)] == [True, False]

    def test_identity_on_two_cameras_during_an_outage_is_one(self, connect, store):
        worker, moody = connect()
        a, b = worker.open_channel("a", START), worker.open_channel("b", START + 100)
        worker.settle(PATIENCE)
        moody.away = True
        show(worker, a, worker.next_id(), 1)
        show(worker, b, worker.next_id(), 1)
        worker.settle(0.2)
        moody.away = False
        worker.settle(PATIENCE)
        assert store.population() == 1

    def test_long_outage_drops_and_counts_the_oldest_visits(self, connect, monkeypatch):
        monkeypatch.setattr("ultralytics_reid.gallery.linking.session.MAX_WAITING", 3)
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        moody.away = True
        for n in range(8):
            show(worker, channel, 1000 + n, n, (30.0 * n, 30.0 * n + 5))
        worker.settle(0.2)
        moody.away = False
        (back,) = (a for a in answers(worker, channel) if isinstance(a, Outage) and not a.why)
        assert 3 <= back.lost <= 5

    def test_outage_from_the_start_bounds_the_held_messages(self, connect, monkeypatch):
        monkeypatch.setattr(worker_module, "_MAX_HELD", 50)
        worker, moody = connect(wait=False, away=True)
        channel = worker.open_channel("a", START)
        for n in range(500):
            worker.send(channel, Observations(float(n), ()))
        worker.settle(0.3)
        assert worker.backlog <= 50
        moody.away = False
        show(worker, channel, worker.next_id(), 1, (600, 605))
        assert any(isinstance(a, Answer) for a in answers(worker, channel))

    def test_slow_store_delays_no_call(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        moody.held = {"search", "upsert", "reserve"}
        show(worker, channel, worker.next_id(), 1)
        assert moody.waits.wait(PATIENCE)
        for n in range(50):
            show(worker, channel, worker.next_id(), n, (10.0 * n, 10.0 * n + 3))
        worker.close_channel(channel)
        assert len(channel.replies) == 0
        moody.release()
        assert worker.settle(PATIENCE)


class TestFailure:
    def test_unusable_gallery_has_a_reason(self):
        def refuse():
            raise GalleryError("another embedder's")

        worker = GalleryWorker(refuse, Topology(), SETTINGS)
        assert worker.settle(PATIENCE)
        assert str(worker.failed) == "another embedder's"
        assert not worker.opened
        assert worker.settle(PATIENCE)

    def test_later_failure_is_final_and_keeps_no_messages(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        moody.broken = GalleryError("the file is corrupt")
        show(worker, channel, worker.next_id(), 1)
        assert worker.settle(PATIENCE)
        assert worker.opened
        assert [r.why for r in channel.replies] == ["the file is corrupt"]
        for n in range(100):
            show(worker, channel, worker.next_id(), n)
        assert worker.backlog < 20
        assert worker.settle(PATIENCE)
        new = worker.open_channel("b", START)
        assert [r.why for r in new.replies] == ["the file is corrupt"]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_settle_does_not_wait_for_a_thread_that_died(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        moody.broken = ZeroDivisionError("a bug")
        show(worker, channel, worker.next_id(), 1)
        assert worker.settle(PATIENCE)
        assert "an error of its own" in str(worker.failed)
        assert worker.close()


class TestEnd:
    def test_close_in_the_gallerys_own_thread_writes_all_and_does_not_wait_for_itself(self, connect, store):
        """The garbage collector may run a finalizer in any thread."""
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        closed, sent = [], threading.Event()

        def close():
            sent.wait(PATIENCE)  # or what is sent after the end may come too late
            closed.append(worker.close())

        moody.before["search"] = close
        show(worker, channel, worker.next_id(), 1)
        show(worker, channel, worker.next_id(), 2, (10, 15))
        sent.set()
        worker.settle(PATIENCE)
        assert closed == [True]
        assert len(list(store.visits())) == 2
        assert worker.failed is None

    def test_messages_before_close_are_written(self, connect, store):
        """They arrive while the gallery's thread is in a slow call."""
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        answers(worker, channel)
        moody.held = {"reserve"}
        taken = [worker.next_id() for _ in range(20)]
        assert moody.waits.wait(PATIENCE)
        show(worker, channel, taken[0], 1)
        worker.close_channel(channel)
        moody.release()
        answers(worker, channel)
        assert whereabouts(store) == {"a": [taken[0]]}

    def test_finished_runs_are_released(self, connect):
        worker, _ = connect()
        forgotten = []
        for n in range(5):
            channel = worker.open_channel("a", START + 100 * n)
            show(worker, channel, worker.next_id(), n)
            worker.send(channel, EvidenceUpdate(evidence()))
            worker.close_channel(channel)
            assert worker.settle(PATIENCE)
            forgotten += [weakref.ref(channel), weakref.ref(channel.session)]
        del channel
        gc.collect()
        assert [reference() for reference in forgotten] == [None] * 10

    def test_close_retries_a_gallery_that_is_just_back(self, connect, store, monkeypatch):
        monkeypatch.setattr(worker_module, "_FIRST_RETRY", 60.0)
        monkeypatch.setattr(worker_module, "_LAST_RETRY", 60.0)
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        moody.away = True
        show(worker, channel, worker.next_id(), 1)
        assert not worker.settle(0.2)
        moody.away = False
        assert worker.close()
        assert len(list(store.visits())) == 1

    def test_close_returns_false_if_not_all_was_written(self, connect):
        worker, moody = connect()
        channel = worker.open_channel("a", START)
        moody.away = True
        show(worker, channel, worker.next_id(), 1)
        assert not worker.close(0.2)

    def test_closing_again_says_the_same(self, connect):
        """The finalizer of a connection closes what its user has closed."""
        worker, _ = connect()
        channel = worker.open_channel("a", START)
        show(worker, channel, worker.next_id(), 1)
        assert [worker.close(), worker.close()] == [True, True]


class TestEvidence:
    @pytest.mark.parametrize("camera", ["a", "10.0.0.1:554/live/one", "门口" * 80, "x" * 160])
    def test_camera_starts_with_its_evidence_of_earlier_runs(self, connect, store, camera):
        one, _ = connect()
        channel = one.open_channel(camera, START)
        for n in range(3):
            one.send(channel, EvidenceUpdate(evidence(scale=float(n + 1))))
            answers(one, channel)
        assert len(store.blobs(EVIDENCE_PREFIX)) == 1
        assert one.failed is None
        other, _ = connect()
        again, elsewhere = other.open_channel(camera, START), other.open_channel("somewhere else", START)
        answers(other, elsewhere)
        assert elsewhere.prior_evidence is None
        assert again.prior_evidence.scatter == pytest.approx(evidence(scale=3.0).scatter, abs=0.01)

    def test_junk_in_the_gallery_is_warned_of_once_and_ignored(self, connect, store, caplog):
        store.put_blob(evidence_key("a", 1), b"junk")
        worker, _ = connect()
        assert worker.settle(PATIENCE)
        channel = worker.open_channel("b", START)
        show(worker, channel, worker.next_id(), 1)
        assert [answer.known for answer in answers(worker, channel) if isinstance(answer, Answer)] == [None]
        assert worker.failed is None
        assert sum("can't be read" in message for message in caplog.messages) == 1


class TestConflicts:
    """Two processes link two people, visible at the same time, to the same identity, at the same time."""

    @pytest.fixture
    def conflicting(self, path, store, connect):
        """Two linkers with a query each; both resemble the identity that was on camera 0 before."""
        worker, _ = connect()
        channel = worker.open_channel("0", START)
        show(worker, channel, 5, 1)
        answers(worker, channel)
        made = []
        for n, noise in ((1, 0.25), (2, 0.0)):
            moody = Moody(open_store(path))
            linker = Linker(moody, Topology(), SETTINGS)
            session = linker.open_session(str(n), START + 100)
            identity = moody.reserve(1)
            session.receive(Observations(0.5, (observation(identity),)))
            session.receive(PrototypeUpdate(identity, appearance(1, noise), 5, 4.0, 0))
            session.receive(Query(identity, appearance(1, noise), 20, 0, 0.0, 5.0, frozenset()))
            made.append((linker, moody))
        yield made
        for _, moody in made:
            moody.close()

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    @pytest.mark.parametrize("meanwhile", [True, False])
    def test_one_of_two_conflicting_links_is_revoked(self, conflicting, store, order, meanwhile):
        (one, one_store), (other, _) = (conflicting[n] for n in order)
        replies = []
        if meanwhile:
            # After the one has searched, and before it has written.
            one_store.before["upsert"] = lambda: replies.extend(other.work(0.0))
        replies += one.work(0.0)
        replies += other.work(1.0)
        assert sorted(a.known is not None for _, a in replies) == [False, True]
        here = whereabouts(store)
        assert [here["1"], here["2"]].count([5]) == 1
        assert here["1"] != here["2"]
        assert consistent(store)

    def test_at_most_one_of_two_concurrent_links_stands(self, conflicting, store):
        replies, threads = [], []
        for linker, moody in conflicting:
            moody.held = {"upsert"}
            threads.append(threading.Thread(target=lambda r=linker: replies.extend(r.work(0.0))))
            threads[-1].start()
            assert moody.waits.wait(PATIENCE)
        for _, moody in conflicting:
            moody.release()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(replies) == 2
        assert sum(a.known is not None for _, a in replies) <= 1
        here = whereabouts(store)
        assert here["1"] != here["2"]
        assert consistent(store)
