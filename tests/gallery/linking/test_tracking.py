"""Trackers that share a gallery: one identity over cameras, runs and processes; and what if the gallery is away."""

import gc
import itertools
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import cv2
import numpy as np
import pytest
import torch
from moody_store import Moody
from synthetic import Person, Scene, crowd, ids_of, image, make_tracker, returning, run
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from ultralytics_reid import (
    ConfigError,
    Filter,
    Gallery,
    GalleryAway,
    GalleryBack,
    GalleryError,
    Linked,
    Revival,
    RevivalReverted,
    finish,
    identities,
    links,
    tracker_yaml,
)
from ultralytics_reid.cli import main
from ultralytics_reid.demo import DETECTOR, DETECTOR_SIZE
from ultralytics_reid.gallery.linking import connection as connection_module
from ultralytics_reid.gallery.linking import worker as worker_module
from ultralytics_reid.gallery.linking.messages import Merge, Split
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID, Visit
from ultralytics_reid.gallery.store import open_store
from ultralytics_reid.revival import recognizer as recognizer_module
from ultralytics_reid.scenes import Scene as Film
from ultralytics_reid.scenes import SceneOptions

DIM, MANY = 64, 8
SLOW = 20.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "site.db"


@pytest.fixture
def camera(path):
    """Makes trackers that share a gallery, each with its own connection, as in a process of its own."""
    made = []

    def make(name="a", **keys):
        made.append(make_tracker(gallery=str(path), camera_id=name, **{"gallery_wait": SLOW, **keys}))
        return made[-1]

    yield make
    for tracker in made:
        tracker.finish(wait=True)


@pytest.fixture
def moody(path, monkeypatch):
    """Gives all connections stores that are away, or slow, on demand."""
    stores = []

    class Site:
        away = False

        def release(self):
            for store in stores:
                store.release()

    site = Site()

    def opened(*args):
        if site.away:
            raise connection_module.GalleryUnavailable("away from the start")
        stores.append(Moody(open_store(*args)))
        site.store = stores[-1]
        return stores[-1]

    monkeypatch.setattr(connection_module, "GalleryUnavailable", worker_module.GalleryUnavailable, raising=False)
    monkeypatch.setattr(connection_module, "open_store", opened)
    monkeypatch.setattr(connection_module, "_START", 0.05)
    monkeypatch.setattr(connection_module, "_END", SLOW)
    monkeypatch.setattr(worker_module, "_FIRST_RETRY", 0.01)
    monkeypatch.setattr(worker_module, "_LAST_RETRY", 0.05)
    yield site
    site.away = False
    site.release()


def people(first=0, length=150, cls=0):
    """Eight people that stay, enough to calibrate on; their appearances are numbered from `first`."""
    places = [(60 + 77 * n, 380 if n % 2 else 120) for n in range(MANY)]
    return [Person([(0, length)], at, look=first + n, cls=cls, height=80) for n, at in enumerate(places)]


def stay(tracker, *, seed=0, length=150, **more):
    """Track eight people for a while; returns their ids of the last frame, in order."""
    out = run(tracker, Scene(people(length=length, **more), length, seed=seed))
    return [out[-1][n] for n in range(len(out[-1]))]


def whereabouts(path):
    """Identities by camera, in the order of their visits."""
    with Gallery(path) as gallery:
        visits = sorted(gallery.visits(), key=lambda v: v.first)
    return {c: [v.identity for v in visits if v.camera == c] for c in {v.camera for v in visits}}


def of(tracker, kind):
    return [e for e in tracker.events if isinstance(e, kind)]


class TestOneIdentity:
    @pytest.mark.slow
    def test_identity_persists_on_another_camera_and_in_a_later_run(self, camera, path):
        a = camera("a")
        ids = stay(a)
        assert a.finish(wait=True) == f"a: 0 of {MANY} individuals were known to the gallery"
        assert len(set(ids)) == MANY
        b = camera("b")
        assert stay(b, seed=1) == ids
        assert b.finish(wait=True) == f"b: {MANY} of {MANY} individuals were known to the gallery"
        again = camera("a")
        assert stay(again, seed=2) == ids
        again.finish(wait=True)
        with Gallery(path) as gallery:
            assert [(i.identity_id, i.cameras, i.visits) for i in gallery.individuals()] == [
                (i, ("a", "b"), 3) for i in sorted(ids)
            ]

    def test_linked_events_and_boxes_carry_identity_and_probability(self, camera):
        a = camera("a")
        ids = stay(a)
        a.finish(wait=True)
        b = camera("b")
        stay(b, seed=1)
        events = of(b, Linked)
        assert sorted(e.identity_id for e in events) == sorted(ids)
        for event in events:
            assert event.previous_id not in ids
            assert event.camera_id == "a"
            assert 0 < event.gap < 10
            assert 0.3 < event.similarity <= 1
            assert 0.3 < event.probability <= 1
            assert not event.late
            assert not event.new
        boxes = b.identities()
        assert {i: box.link for i, box in boxes.items()} == {e.identity_id: e for e in events}
        assert not any(box.linked_now for box in boxes.values())

    def test_new_people_get_no_known_identity(self, camera):
        a, b = camera("a"), camera("b")
        ids = stay(a)
        a.finish(wait=True)
        assert not set(stay(b, first=20, seed=1)) & set(ids)
        assert not of(b, Linked)

    def test_another_class_is_not_linked(self, camera):
        a, b = camera("a"), camera("b")
        ids = stay(a)
        a.finish(wait=True)
        assert not set(stay(b, cls=2, seed=1)) & set(ids)

    def test_twins_visible_together_never_share_an_identity(self, camera, path):
        a = camera("a")
        ids = stay(a)
        a.finish(wait=True)
        b = camera("b")
        twins = [Person([(0, 150)], (320, 250), look=0), Person([(30, 150)], (500, 250), look=0)]
        out = run(b, Scene([*people(), *twins], 150, seed=1))
        assert all(len(set(frame.values())) == len(frame) for frame in out)
        assert out[-1][0] in ids or out[-1][MANY] in ids or out[-1][MANY + 1] in ids
        b.finish(wait=True)
        visits = whereabouts(path)["b"]
        assert len(visits) == len(set(visits)) == MANY + 2

    def test_presence_gate_excludes_two_cameras_at_once(self, camera):
        """Both see people of the same appearance at the same time."""
        trackers = [camera("a", start_time=now(), gallery_wait=SLOW), camera("b", start_time=now())]
        scenes = [Scene(people(), 150, seed=n).frames() for n in range(2)]
        for frames in zip(*scenes, strict=True):
            for tracker, (boxes, feats, _) in zip(trackers, frames, strict=True):
                tracker.update(boxes, image(), feats=feats)
        shown = [set(t.identities()) for t in trackers]
        assert not shown[0] & shown[1]

    def test_overlapping_cameras_may_show_one_identity_at_once(self, camera, tmp_path):
        (tmp_path / "ways.yaml").write_text("ways: [{from: a, to: b, overlap: true}]")
        start = now()
        trackers = [camera(n, start_time=start, topology=str(tmp_path / "ways.yaml")) for n in ("a", "b")]
        assert stay(trackers[0]) == stay(trackers[1], seed=1)

    @pytest.mark.parametrize(("gap", "known"), [(5, False), (40, True), (100, False)])
    def test_travel_time_gate(self, camera, tmp_path, gap, known):
        (tmp_path / "ways.yaml").write_text("ways: [{from: a, to: b, least: 20, most: 60}]")
        keys, start = {"topology": str(tmp_path / "ways.yaml")}, now()
        a = camera("a", start_time=start, **keys)
        ids = stay(a)
        a.finish(wait=True)
        b = camera("b", start_time=start + 15 + gap, **keys)
        assert (stay(b, seed=1) == ids) is known

    def test_ids_fit_the_hosts_float32(self, camera):
        a, b = camera("a"), camera("b")
        ids = [*stay(a), *stay(b, first=20)]
        assert len(set(ids)) == 2 * MANY
        assert all(1 <= i < FIRST_LOCAL_ID for i in ids)

    @pytest.mark.slow
    def test_identity_is_queried_once_and_a_new_one_whenever_it_has_half_as_many_more_clean_crops(self, camera, moody):
        a = camera("a")
        stay(a, length=250)
        assert 5 * MANY <= moody.store.calls["search"] <= 7 * MANY
        a.finish(wait=True)
        b = camera("b")
        stay(b, seed=1, length=250)
        assert len(of(b, Linked)) == MANY
        assert all(e.time < 10 for e in of(b, Linked))
        assert MANY <= moody.store.calls["search"] <= 2 * MANY

    @pytest.mark.slow
    def test_identity_is_known_before_the_cameras_own_memory_has_decided(self, camera, monkeypatch):
        a = camera("a")
        ids = stay(a, length=250)
        a.finish(wait=True)
        earlier = camera("b")
        stay(earlier, first=20, seed=2)
        earlier.finish(wait=True)
        monkeypatch.setattr(recognizer_module, "UNLIKE_LOG_ODDS", -np.inf)  # anybody new may be returning: 4 s
        b = camera("b")
        assert stay(b, seed=1) == ids
        assert [e.time < 3 for e in of(b, Linked)] == [True] * MANY


def now():
    """A start for several cameras, as late as a test may take."""
    return time.time()


class TestWithoutGallery:
    def test_tracker_without_a_gallery_has_no_thread_and_its_own_ids(self):
        before = set(threading.enumerate())  # those of earlier tests may end meanwhile
        tracker = make_tracker()
        out = run(tracker, returning(100))
        assert set(threading.enumerate()) <= before
        assert tracker.camera.connection is None
        assert ids_of(out, 0) == ids_of(out, 1)
        assert set().union(*[f.values() for f in out]) == {1, 2, 3, 4}

    def test_empty_gallery_changes_no_output(self, camera):
        scene = returning(100)
        tracker, alone = camera(), make_tracker()
        assert run(tracker, scene) == run(alone, scene)
        assert of(tracker, Revival) == of(alone, Revival)
        assert not of(tracker, Linked)


class TestRefused:
    @pytest.mark.parametrize(("dim", "fingerprint"), [(DIM, "another embedder's"), (DIM + 1, "")])
    def test_gallery_of_other_embeddings(self, camera, path, dim, fingerprint):
        open_store(path, dim, fingerprint).close()
        with pytest.raises(GalleryError, match=r"the gallery .* holds embeddings"):
            run(camera(), Scene(people(), 1))

    def test_file_that_is_no_gallery_is_left_unchanged(self, camera, path):
        path.write_text("a shopping list " * 1000)
        with pytest.raises(GalleryError, match="isn't a gallery"):
            run(camera(), Scene(people(), 1))
        assert path.read_text() == "a shopping list " * 1000

    def test_missing_folder(self):
        with pytest.raises(GalleryError, match="there is no folder"):
            run(make_tracker(gallery="/nowhere/site.db"), Scene(people(), 1))

    def test_every_frame_raises(self, camera, path):
        path.write_text("no gallery")
        tracker = camera()
        for _ in range(3):
            with pytest.raises(GalleryError):
                run(tracker, Scene(people(), 1))

    @pytest.mark.parametrize("name", ["yard", "auto"])
    def test_a_camera_that_the_topology_lacks_is_refused_by_name_and_leaves_no_gallery(
        self, camera, tmp_path, name, path
    ):
        (tmp_path / "ways.yaml").write_text("ways: [{from: door, to: yrad}]")
        missing = "camera" if name == "auto" else name
        with pytest.raises(ConfigError, match=f"the topology has no camera '{missing}', but door, yrad"):
            run(camera(name, topology=str(tmp_path / "ways.yaml")), Scene(people(length=3), 3))
        assert not path.exists()

    def test_unreadable_topology(self, camera, tmp_path):
        with pytest.raises(ConfigError, match=r"topology .* can't be read"):
            camera(topology=str(tmp_path / "none.yaml"))

    @pytest.mark.parametrize(
        ("keys", "why"),
        [
            ({"max_identities": 3}, "exclude each other"),
            ({"with_reid": False}, "'gallery' requires with_reid"),
            ({"memory_seconds": 0}, "'gallery' requires .* memory_seconds > 0"),
            ({"start_time": 1e9, "keep_days": 30.0}, "'start_time' is more than 30 days ago"),
        ],
    )
    def test_keys_that_exclude_a_gallery(self, camera, keys, why):
        with pytest.raises(ConfigError, match=why):
            camera(**keys)
        make_tracker(**keys)


class TestOutage:
    def test_tracking_goes_on_and_missed_links_are_made_up_for(self, camera, moody, path):
        a = camera("a")
        ids = stay(a)
        a.finish(wait=True)
        b = camera("b")
        frames = Scene(people(length=260), 260, seed=1).frames()
        for boxes, feats, _ in itertools.islice(frames, 3):
            b.update(boxes, image(), feats=feats)
        moody.store.away = True
        for boxes, feats, _ in itertools.islice(frames, 157):
            b.update(boxes, image(), feats=feats)
        assert len(b.identities()) == MANY
        assert not of(b, Linked)
        assert not of(b, GalleryBack)
        moody.store.away = False
        b.camera.connection.settle()
        for boxes, feats, _ in frames:
            b.update(boxes, image(), feats=feats)
        assert set(b.identities()) == set(ids)
        assert [e.why for e in of(b, GalleryAway)] == ["away on demand"]
        assert [e.lost for e in of(b, GalleryBack)] == [0]
        assert [(e.late, e.new) for e in of(b, Linked)] == [(True, False)] * MANY
        b.finish(wait=True)
        assert sorted(whereabouts(path)["b"]) == sorted(ids)

    def test_outage_from_the_start_gives_local_ids_until_it_is_over(self, camera, moody, path):
        moody.away = True
        a = camera("a")
        frames = Scene(people(length=260), 260).frames()
        for boxes, feats, _ in itertools.islice(frames, 150):
            rows = a.update(boxes, image(), feats=feats)
        local = set(a.identities())
        assert len(local) == MANY
        assert all(i >= FIRST_LOCAL_ID for i in local)
        assert {int(i) for i in rows[:, -4]} == local
        assert {int(i) for i in torch.as_tensor(rows, dtype=torch.float32)[:, -4]} == local
        assert [e.why for e in of(a, GalleryAway)] == ["away from the start"]
        moody.away = False
        a.camera.connection.settle()
        for boxes, feats, _ in frames:
            a.update(boxes, image(), feats=feats)
        shown = set(a.identities())
        assert all(1 <= i < FIRST_LOCAL_ID for i in shown)
        assert len(of(a, GalleryBack)) == 1
        assert {(e.previous_id, e.late, e.new) for e in of(a, Linked)} == {(i, True, True) for i in local}
        assert {e.identity_id for e in of(a, Linked)} == shown
        a.finish(wait=True)
        assert sorted(whereabouts(path)["a"]) == sorted(shown)

    def test_slow_store_delays_no_frame(self, camera, moody):
        """With any number of calls of `update` meanwhile."""
        a = camera("a", gallery_wait=0.0)
        frames = Scene(people(length=400), 400).frames()
        boxes, feats, _ = next(frames)
        a.update(boxes, image(), feats=feats)
        assert a.camera.connection.worker.settle(SLOW)
        moody.store.held = {"search", "upsert", "reserve", "blobs", "population", "visits"}
        for n, (boxes, feats, _) in enumerate(frames):
            a.update(boxes, image(), feats=feats)
            assert len(a.identities()) in ((0, MANY) if n < 10 else (MANY,))
        assert moody.store.waits.is_set()
        assert not of(a, Linked)
        moody.release()
        a.finish(wait=True)

    def test_later_failure_does_not_stop_tracking(self, camera, moody):
        a = camera("a")
        frames = Scene(people(length=200), 200).frames()
        for n, (boxes, feats, _) in enumerate(frames):
            if n == 20:
                moody.store.broken = GalleryError("the file is corrupt; use a backup of it")
            a.update(boxes, image(), feats=feats)
        assert len(a.identities()) == MANY
        assert [e.why for e in of(a, GalleryAway)] == ["the file is corrupt; use a backup of it"]
        assert not of(a, GalleryBack)

    def test_frames_do_not_wait_for_a_gallery_that_is_away(self, camera, moody, monkeypatch):
        a = camera("a")
        frames = Scene(people(length=60), 60).frames()
        boxes, feats, _ = next(frames)
        a.update(boxes, image(), feats=feats)
        moody.store.away = True
        settle, waited = a.camera.connection.worker.settle, []  # by itself it would wait for 20 s a frame
        monkeypatch.setattr(a.camera.connection.worker, "settle", lambda *a, **k: waited.append(k) or settle(*a, **k))
        for boxes, feats, _ in frames:
            a.update(boxes, image(), feats=feats)
        moody.store.away = False
        assert waited == [{"until_back": False}] * 59


class TestCorrections:
    def test_revived_identity_has_all_its_visits(self, camera, path):
        a = camera("a")
        out = run(a, returning(300))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]
        a.finish(wait=True)
        visits = whereabouts(path)["a"]
        assert visits.count(ids_of(out, 0)[-1]) == 2
        assert len(set(visits)) == 4

    def test_provisional_id_has_no_visit(self, camera, path):
        a = camera("a", provisional="show")
        run(a, returning(300))
        (revival,) = of(a, Revival)
        a.finish(wait=True)
        assert revival.previous_id is not None
        assert revival.previous_id not in whereabouts(path)["a"]
        assert whereabouts(path)["a"].count(revival.identity_id) == 2

    def test_revivals_and_reverts_are_sent_as_merges_and_splits(self, camera, monkeypatch):
        a, sent = camera("a"), []
        stay(a, length=20)
        monkeypatch.setattr(a.camera.connection.worker, "send", lambda channel, message: sent.append(message))
        a.events.emit(Revival(3, 9, 20, 2.0, 5.0, 0.8))
        a.events.emit(Revival(3, None, 20, 2.0, 5.0, 0.8))
        a.events.emit(Revival(3, 9, 20, 2.0, 5.0, 0.8, corrected=True))
        a.events.emit(RevivalReverted(11, 3, 30, 3.0, 1.5))
        a.events.emit(RevivalReverted(None, 3, 30, 3.0, 1.5))
        assert sent == [Merge(9, 3), Split(3, 1.5, 11)]

    @pytest.mark.parametrize("reverted", [False, True])
    def test_an_id_that_was_merged_by_mistake_counts_again(self, camera, reverted):
        a = camera("a")
        stay(a)
        one, other = sorted(t.track_id for t in a.tracked_stracks)[:2]
        a.events.emit(Revival(one, other, 20, 2.0, 5.0, 0.8))
        if reverted:
            a.events.emit(RevivalReverted(other, one, 30, 3.0, 1.5))
        people = MANY if reverted else MANY - 1
        assert a.finish(wait=True) == f"a: 0 of {people} individuals were known to the gallery"

    def test_undone_swap_mixes_no_visits(self, camera, path):
        left, right = Person([(0, 240)], (100, 120), look=0), Person([(0, 240)], (400, 120), look=1)

        class Swapped(Scene):
            def frames(self):
                for n, (detections, feats, shown) in enumerate(super().frames()):
                    yield detections, feats[[1, 0, *range(2, len(feats))]] if n >= 120 else feats, shown

        a = camera("a")
        run(a, Swapped([left, right, *crowd(length=240)], 240))
        a.finish(wait=True)
        b = camera("b")
        out = run(b, Scene([left, right, *crowd(length=240)], 240))
        with Gallery(path) as gallery:
            for person, look in ((0, 0), (1, 1)):
                of_them = Filter(identities=frozenset({out[-1][person]}))
                rows = [r for part in gallery.store.scan(of_them) for r in part.embeddings]
                own, other = (direction(n) for n in (look, 1 - look))
                assert all(r @ own > r @ other for r in rows)
                assert len(rows) > 5


def direction(look):
    scene = Scene([], 0)
    return scene._look(look) / np.linalg.norm(scene._look(look))


class TestRuns:
    def test_reset_begins_another_run_with_the_same_gallery(self, camera, path):
        a = camera("a")
        ids = stay(a)
        a.reset()
        assert not list(a.events)
        assert stay(a) == ids
        assert len(of(a, Linked)) == MANY
        a.finish(wait=True)
        assert sorted(whereabouts(path)["a"]) == sorted([*ids, *ids])
        with Gallery(path) as gallery:
            for identity in ids:
                first, second = sorted(gallery.visits(Filter(identities=frozenset({identity}))), key=lambda v: v.first)
                assert first.last < second.first

    def test_finish_writes_all_visits(self, camera, path, moody, monkeypatch):
        a = camera("a", gallery_wait=0.0)
        stay(a, length=1)
        worker = a.camera.connection.worker
        assert worker.settle(SLOW)
        moody.store.held = {"upsert"}
        stay(a, length=150)
        settle = worker.settle
        monkeypatch.setattr(worker, "settle", lambda seconds: moody.release() or settle(seconds))
        a.finish(wait=True)
        with Gallery(path) as gallery:
            visits = list(gallery.visits())
            assert len(visits) == MANY
            assert gallery.store.count() >= 3 * MANY
            for visit in visits:
                assert visit.last - visit.first == pytest.approx(15, abs=1.2)
                assert len(visit.path) >= 12
                assert (visit.path[:, 1:] >= 0).all()
                assert (visit.path[:, 1:] <= 1).all()

    def test_short_visit_is_written(self, camera, path):
        a = camera("a")
        passing = Person([(100, 130)], (320, 250), look=40)
        run(a, Scene([*people(), passing], 150))
        a.finish(wait=True)
        assert len(whereabouts(path)["a"]) == MANY + 1

    def test_finish_twice_or_without_a_frame_is_harmless(self, camera):
        a = camera("a")
        a.finish(wait=True)
        stay(a, length=20)
        a.finish(wait=True)
        a.finish()

    def test_clock_goes_on_after_finish(self, camera, path):
        """The host keeps trackers where it persists: their clocks run on."""
        a = camera("a")
        ids = stay(a)
        a.finish(wait=True)
        stay(a)
        a.finish(wait=True)
        with Gallery(path) as gallery:
            visits = sorted(gallery.visits(), key=lambda v: v.first)
        assert max(v.last for v in visits) - visits[0].first == pytest.approx(30, abs=2)
        assert {v.identity for v in visits[:MANY]} == {v.identity for v in visits[MANY:]} == set(ids)
        assert max(v.last for v in visits[:MANY]) <= min(v.first for v in visits[MANY:])

    @pytest.mark.slow
    def test_process_that_just_ends_has_written_its_visits(self, path):
        program = f"""
            import sys
            sys.path[:0] = {sys.path!r}
            import atexit
            from synthetic import Scene, make_tracker, run
            from moody_store import Moody
            from test_tracking import people
            from ultralytics_reid.gallery.linking import connection
            from ultralytics_reid.gallery.store import open_store
            stores = []
            connection.open_store = lambda *given: stores.append(Moody(open_store(*given))) or stores[-1]
            tracker = make_tracker(gallery={str(path)!r}, camera_id="a")
            run(tracker, Scene(people(), 1))
            tracker.camera.connection.worker.settle(20)
            stores[0].held = {{"upsert"}}  # nothing is written before the end
            atexit.register(stores[0].release)
            run(tracker, Scene(people(), 150))
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)
        assert len(whereabouts(path)["a"]) == MANY

    def test_dropped_tracker_has_written_its_visits_and_ends_its_thread(self, path):
        others = threading.enumerate()
        tracker = make_tracker(gallery=str(path), camera_id="a", gallery_wait=SLOW)
        stay(tracker)
        (thread,) = (t for t in threading.enumerate() if t.name == "reid-gallery" and t not in others)
        gone = weakref.ref(tracker.camera.connection)
        del tracker
        gc.collect()
        assert gone() is None
        thread.join(SLOW)
        assert not thread.is_alive()
        assert len(whereabouts(path)["a"]) == MANY

    def test_events_are_emitted_in_the_tracking_thread(self, camera):
        a = camera("a")
        stay(a)
        a.finish(wait=True)
        b, threads = camera("b"), set()
        b.events.subscribe(lambda _: threads.add(threading.get_ident()))
        stay(b, seed=1)
        assert of(b, Linked)
        assert threads == {threading.get_ident()}

    def test_second_run_starts_with_the_evidence_of_the_first(self, camera):
        def versions(tracker):
            found = []
            for boxes, feats, _ in Scene(people(), 12, seed=3).frames():
                tracker.update(boxes, image(), feats=feats)
                found.append(tracker.recognizer.metric.version)
            return found

        a = camera("a")
        stay(a)
        a.finish(wait=True)
        assert max(versions(camera("elsewhere"))) == 0
        assert versions(camera("a"))[0] == 1

    def test_prior_evidence_is_ignored_where_learning_is_off(self, camera):
        a = camera("a")
        stay(a)
        a.finish(wait=True)
        again = camera("a", learn_metric=False, calibrate=False)
        stay(again, length=30)
        assert again.recognizer.metric.version == 0


class TestStorage:
    @pytest.mark.parametrize(
        ("convert", "mean"),
        [
            (lambda image: image.astype(np.uint16) * 257, 128),
            (lambda image: image[..., 0].astype(np.uint16) * 257, 128),
            (lambda image: image.astype(np.float32) / 255, None),
        ],
    )
    def test_frames_of_16_bits_are_stored_as_they_look_and_others_not_at_all(self, camera, monkeypatch, convert, mean):
        told = []
        monkeypatch.setattr(LOGGER, "warning", told.append)
        a, frame = camera("a", store_crops=True), convert(np.full((480, 640, 3), 128, np.uint8))
        for boxes, feats, _ in Scene(people(length=60), 60).frames():
            a.update(boxes, frame, feats=feats)
        a.finish(wait=True)
        stored = [v.crop for v in Gallery(a.config.gallery).visits() if v.crop]
        crops = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), -1) for jpeg in stored]
        assert bool(crops) is (mean is not None)
        assert all(abs(float(crop.mean()) - mean) < 3 for crop in crops)
        assert ["crops of a aren't stored: frames must be" in text for text in told] == ([] if crops else [True])

    @pytest.mark.parametrize("store_crops", [False, True])
    def test_crops_are_stored_only_on_request(self, camera, path, store_crops):
        a = camera("a", store_crops=store_crops)
        frame = image()
        frame[:] = np.random.default_rng(0).integers(0, 255, frame.shape)
        for boxes, feats, _ in Scene(people(), 150).frames():
            a.update(boxes, frame, feats=feats)
        a.finish(wait=True)
        with Gallery(path) as gallery:
            crops = [v.crop for v in gallery.visits()]
        assert len(crops) == MANY
        if not store_crops:
            assert set(crops) == {b""}
            return
        for crop in crops:
            shape = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR).shape
            assert shape == pytest.approx((80, 32, 3), abs=2)

    def test_boxes_outside_the_image_are_harmless(self, camera, path):
        a = camera("a", store_crops=True, clean_crops=False)
        outside = Person([(0, 150)], (900, 250), look=40)
        run(a, Scene([*people(), outside], 150))
        a.finish(wait=True)
        assert len(whereabouts(path)["a"]) == MANY + 1
        assert not of(a, GalleryAway)

    @pytest.mark.parametrize(("keep_days", "left"), [(1.0, {"a"}), (0.0, {"a", "yesterday"})])
    def test_sightings_older_than_keep_days_are_deleted(self, camera, path, keep_days, left):
        store = open_store(path, DIM, "")
        long_ago = time.time() - 2 * 86_400
        store.upsert(next(rows()), [Visit(7, 999, "yesterday", 0, long_ago, long_ago + 10)])
        store.close()
        a = camera("a", keep_days=keep_days)
        stay(a)
        a.finish(wait=True)
        assert set(whereabouts(path)) == left

    def test_tracking_without_images_is_stored(self, camera, path):
        a = camera("a")
        for boxes, feats, _ in Scene(people(), 150).frames():
            boxes.orig_shape = None
            a.update(boxes, None, feats=feats)
        a.finish(wait=True)
        assert len(whereabouts(path)["a"]) == MANY


def test_a_tracker_driven_directly_is_one_camera_of_those_named(path):
    tracker = make_tracker(gallery=str(path), camera_id="door, yard", gallery_wait=SLOW)
    with pytest.raises(ConfigError, match=r"names several cameras \(door, yard\).*set tracker.camera.camera_id"):
        stay(tracker)
    tracker = make_tracker(gallery=str(path), camera_id="door, yard", gallery_wait=SLOW)
    tracker.camera.camera_id = "yard"
    stay(tracker)
    tracker.finish(wait=True)
    assert set(whereabouts(path)) == {"yard"}


def rows():
    from ultralytics_reid.gallery.records import nothing

    yield nothing(DIM)


SIZE, FPS = (640, 360), 8


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two videos of people that walk from one camera to the other."""
    folder = tmp_path_factory.mktemp("films")
    options = SceneOptions(
        people=4, seconds=16, fps=FPS, cameras=2, size=SIZE, pillars=0, look_alikes=0, away=(1, 3), visits=3
    )
    scene = Film(options)
    for n, name in enumerate(("front", "yard")):
        video = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
        for view in scene.views(n):
            video.write(scene.render(view))
        video.release()
    (folder / "list.streams").write_text(f"{folder}/front.avi\n{folder}/yard.avi\n")
    return folder


@pytest.mark.slow
class TestPredictor:
    """`YOLO(...).track(...)`, with the package's own detector."""

    @pytest.fixture
    def yaml(self, tmp_path):
        text = tracker_yaml().read_text().replace('gallery: ""', f"gallery: {tmp_path}/site.db")
        text = text.replace("gallery_wait: 0.0", "gallery_wait: 20.0")
        text = text.replace("store_crops: False", "store_crops: True")
        (tmp_path / "mine.yaml").write_text(text)
        return tmp_path / "mine.yaml"

    def track(self, source, yaml, **more):
        model = YOLO(DETECTOR)
        options = {"imgsz": DETECTOR_SIZE, "iou": 0.5, "verbose": False, "stream": True, **more}
        return model, list(model.track(str(source), tracker=str(yaml), **options))

    def test_two_streams_and_a_later_run_of_one(self, films, yaml, path):
        model, results = self.track(films / "list.streams", yaml, stream_buffer=True)
        trackers = model.predictor.trackers
        assert [t.camera.camera_id for t in trackers] == ["front", "yard"]
        assert trackers[0].camera.connection is trackers[1].camera.connection
        shown = [[b.identity_id for b in identities(r) if b] for r in results]
        for front, yard in zip(shown[::2], shown[1::2], strict=True):
            assert not set(front) & set(yard)
        with Gallery(path, detector=str(DETECTOR)) as gallery:
            stats = gallery.stats()
            assert set(stats.cameras) == {"front", "yard"}
            assert stats.fingerprint.startswith("detector:")
            assert {i.identity_id for i in gallery.individuals()} <= set(itertools.chain(*shown))
            assert stats.until - stats.since <= 16
            visit = max(gallery.visits(), key=lambda v: v.last - v.first)
            crop = cv2.imdecode(np.frombuffer(visit.crop, np.uint8), cv2.IMREAD_COLOR)
            match = gallery.search(crop, k=1, by="cosine")[0]
            assert match.identity_id == visit.identity
        before = {v.identity for v in Gallery(path).visits(Filter(cameras=frozenset({"front"})))}

        model, results = self.track(films / "front.avi", yaml)
        assert model.predictor.trackers[0].camera.camera_id == "front"
        known = [link for r in results for link in links(r)]
        assert known
        assert {link.identity_id for link in known} <= before
        assert Gallery(path).stats().cameras["front"] > stats.cameras["front"]

    def test_too_few_camera_names_are_refused(self, films, yaml):
        yaml.write_text(yaml.read_text().replace("camera_id: auto", "camera_id: front"))
        with pytest.raises(ConfigError, match="'camera_id' must name all 2 streams"):
            self.track(films / "list.streams", yaml)

    @pytest.mark.parametrize(("source", "needed"), [("list.streams", "all 2 streams"), ("front.avi", "one camera")])
    def test_surplus_camera_names_are_refused(self, films, yaml, source, needed):
        yaml.write_text(yaml.read_text().replace("camera_id: auto", "camera_id: front, yard, shop"))
        with pytest.raises(ConfigError, match=f"'camera_id' must name {needed}.*got 3 names"):
            self.track(films / source, yaml)

    def test_stream_that_the_topology_lacks_is_refused_before_the_gallery_is_made(self, films, yaml, path, tmp_path):
        (tmp_path / "ways.yaml").write_text("ways: [{from: front, to: yrad}]")
        yaml.write_text(yaml.read_text().replace('topology: ""', f"topology: {tmp_path}/ways.yaml"))
        with pytest.raises(ConfigError, match="the topology has no camera 'yard', but front, yrad"):
            self.track(films / "list.streams", yaml)
        assert not path.exists()

    def test_given_camera_names(self, films, yaml, path):
        yaml.write_text(yaml.read_text().replace("camera_id: auto", "camera_id: shop, hall"))
        model = YOLO(DETECTOR)
        stream = model.track(
            str(films / "list.streams"), tracker=str(yaml), imgsz=DETECTOR_SIZE, stream=True, verbose=False
        )
        next(stream)
        assert [t.camera.camera_id for t in model.predictor.trackers] == ["shop", "hall"]
        stream.close()

    def test_two_loops_of_frames_at_once_are_two_cameras(self, films, yaml, path):
        models, videos = [YOLO(DETECTOR), YOLO(DETECTOR)], [films / "front.avi", films / "yard.avi"]
        captures = [cv2.VideoCapture(str(video)) for video in videos]
        for n in range(60):
            for model, capture in zip(models, captures, strict=True):
                image = capture.read()[1]
                if n:
                    model.predictor.trackers[0].clock.at(n / FPS)
                model.track(image, persist=True, tracker=str(yaml), imgsz=DETECTOR_SIZE, verbose=False)
        assert [m.predictor.trackers[0].camera.camera_id for m in models] == ["camera", "camera #2"]
        for model in models:
            finish(model)
        assert set(Gallery(path).stats().cameras) == {"camera", "camera #2"}
        image = np.zeros((*SIZE[::-1], 3), np.uint8)
        models[1].track(image, persist=True, tracker=str(yaml), imgsz=DETECTOR_SIZE, verbose=False)
        assert models[1].predictor.trackers[0].camera.camera_id == "camera"  # the others are over

    def test_classes_have_the_names_of_the_detector(self, films, yaml, path, capsys):
        self.track(films / "front.avi", yaml)
        assert Gallery(path).class_names == {0: "person"}
        assert main(["list", "--gallery", str(path)]) == 0
        assert "| person |" in capsys.readouterr().out

    def test_gallery_of_another_model_stops_at_the_first_frame(self, films, yaml, path):
        open_store(path, 100, "another").close()
        with pytest.raises(GalleryError, match="can't be compared"):
            self.track(films / "front.avi", yaml)
