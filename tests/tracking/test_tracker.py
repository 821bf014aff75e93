"""The tracker driven directly: what becomes of identities in generated scenes, and of stock BoT-SORT with us off."""

import numpy as np
import pytest
from synthetic import Person, Scene, boxes, crowd, ids_of, image, make_tracker, our_args, returning, run, stock_args
from ultralytics.engine.results import OBB, Boxes
from ultralytics.trackers.bot_sort import BOTSORT, BOTrack
from ultralytics.utils import LOGGER, YAML

from ultralytics_reid import ConfigError, EmbeddingError, ReIDBOTSORT, tracker_yaml

OFF = {"memory_seconds": 0.0, "fuse_appearance": False}


class TestReturns:
    @pytest.mark.parametrize("gap", [5, 40, 100, 300])
    def test_who_comes_back_has_the_id_they_had(self, gap):
        out = run(make_tracker(), returning(gap))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]

    def test_without_memory_they_do_not(self):
        out = run(make_tracker(memory_seconds=0.0), returning(100))
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[-1]

    def test_stock_does_not(self):
        out = run(BOTSORT(stock_args(with_reid=True)), returning(100))
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[-1]

    def test_a_stranger_is_somebody_new(self):
        scene = returning(60)
        scene.people[1].look = 99
        out = run(make_tracker(), scene)
        assert not set(ids_of(out, 1)) & set(ids_of(out, 0))

    def test_after_memory_seconds_they_are_somebody_new(self):
        out = run(make_tracker(memory_seconds=5.0), returning(100))
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[-1]

    def test_seconds_follow_the_frame_rate(self):
        assert ids_of(out := run(make_tracker(fps=30, memory_seconds=5.0), returning(100)), 1)[-1] == ids_of(out, 0)[-1]

    def test_a_person_is_not_revived_as_a_car(self):
        out = run(make_tracker(), returning(60, back_cls=2))
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[-1]

    def test_unless_classes_may_flip(self):
        out = run(make_tracker(match_class=False), returning(60, back_cls=2))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]

    def test_a_double_of_somebody_visible_is_somebody_else(self):
        twin = Person([(60, 160)], (300, 120), look=0)
        out = run(make_tracker(), Scene([Person([(0, 160)], (60, 120), look=0), twin, *crowd()], 160))
        assert set(ids_of(out, 0)).isdisjoint(ids_of(out, 1))

    def test_a_double_does_not_become_who_leaves_beside_them(self):
        """Whoever was there before somebody left is not that somebody, however alike."""
        leaving, double = Person([(0, 62)], (60, 120), look=0), Person([(60, 160)], (500, 120), look=0)
        out = run(make_tracker(), Scene([leaving, double, *crowd()], 160))
        assert set(ids_of(out, 0)).isdisjoint(ids_of(out, 1))

    @pytest.mark.parametrize("visible", [[(101, 200)], [(109, 200)], [(109, 110), (114, 200)]])
    def test_a_stranger_who_takes_somebodys_place_is_somebody_new(self, visible):
        """Without a gap, after one that the host bridges by motion, and after two of them."""
        owner, stranger = Person([(0, 100)], (320, 120), look=0), Person(visible, (320, 120), look=99)
        out = run(make_tracker(), Scene([owner, stranger, *crowd()], 200))
        assert not set(ids_of(out, 1, 130)) & set(ids_of(out, 0))

    def test_who_came_back_elsewhere_is_no_longer_awaited_where_they_were(self):
        gone, back = Person([(0, 60)], (100, 120), look=0), Person([(66, 160)], (500, 120), look=0)
        stranger = Person([(80, 160)], (100, 120), look=99)
        out = run(make_tracker(), Scene([gone, back, stranger, *crowd()], 160))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1] not in ids_of(out, 2)
        assert all(len(set(frame.values())) == len(frame) for frame in out)

    def test_who_came_back_may_be_out_of_sight_for_a_moment_again(self):
        scene = returning(100)
        scene.people[1].visible = [(161, 190), (194, 221)]
        tracker = make_tracker()
        out = run(tracker, scene)
        assert ids_of(out, 1, 185) == ids_of(out, 0)
        assert len(tracker.events) == 1

    def test_two_who_come_back_at_once_are_told_apart(self):
        a, b = ([Person([span], (x, 120), look=n) for span in [(0, 60), (130, 200)]] for n, x in enumerate((100, 400)))
        a[1].start, b[1].start = b[0].start, a[0].start
        out = run(make_tracker(), Scene([*a, *b, *crowd()], 200))
        assert (ids_of(out, 1)[-1], ids_of(out, 3)[-1]) == (ids_of(out, 0)[-1], ids_of(out, 2)[-1])

    def test_the_same_person_may_come_back_again_and_again(self):
        spans = [(n * 100, n * 100 + 50) for n in range(5)]
        people = [Person([s], (100 + 40 * n, 120)) for n, s in enumerate(spans)]
        out = run(make_tracker(), Scene([*people, *crowd(length=450)], 450))
        assert len({ids_of(out, n)[-1] for n in range(5)}) == 1

    def test_nobody_is_in_two_places(self):
        for frame in run(make_tracker(), returning(60)):
            assert len(set(frame.values())) == len(frame)

    def test_a_parade_of_strangers_gives_as_many_ids_as_people(self):
        people = [Person([(n * 60, n * 60 + 50)], (100, 120), (2, 0), look=n) for n in range(8)]
        for n, person in enumerate(people):
            person.start = (60 - 2 * n * 60, 120)
        out = run(make_tracker(), Scene([*people, *crowd(length=480)], 480))
        assert len({ids_of(out, n)[-1] for n in range(8)}) == 8

    def test_weak_embeddings_revive_nobody_wrongly(self):
        people = [Person([(n * 60, n * 60 + 50)], (60 + 70 * n, 120), look=n) for n in range(8)]
        scene = Scene([*people, *crowd(length=480)], 480, noise=30.0)
        out = run(make_tracker(), scene)
        assert len({ids_of(out, n)[-1] for n in range(8)}) >= 7

    def test_a_swap_is_noticed_and_undone(self):
        """Two cross and the boxes change owners within one frame: each gets their own id back."""
        left = Person([(0, 240)], (100, 120), look=0)
        right = Person([(0, 240)], (400, 120), look=1)

        class Swapped(Scene):
            def frames(self):
                for n, (detections, feats, people) in enumerate(super().frames()):
                    swapped = feats.copy()
                    if n >= 120:
                        swapped[[0, 1]] = feats[[1, 0]]
                    yield detections, swapped, people

        tracker = make_tracker()
        out = run(tracker, Swapped([left, right, *crowd(length=240)], 240))
        before, after = out[110], out[-1]
        assert (after[0], after[1]) == (before[1], before[0])
        assert [e.corrected for e in tracker.events] == [True, True]

    @pytest.mark.parametrize("small", [{}, {"memory_seconds": 0.5}, {"memory_identities": 2}, {"memory_identities": 1}])
    def test_who_is_out_of_sight_for_a_moment_stays_who_they_were_however_small_the_memory(self, small):
        blinker = Person([(0, 60), (76, 200), (216, 260)], (320, 120))
        tracker = make_tracker(**small)
        out = run(tracker, Scene([blinker, *crowd(length=260)], 260))
        assert len(ids_of(out, 0)) == 1
        assert not list(tracker.events)

    def test_one_who_flickers_does_not_come_back_as_themselves(self):
        flicker = Person([(0, 60), *[(n, n) for n in range(62, 90, 2)], (90, 200)], (320, 120))
        tracker = make_tracker()
        out = run(tracker, Scene([flicker, *crowd(length=200)], 200))
        assert len(ids_of(out, 0)) == 1
        assert not list(tracker.events)


class TestShowing:
    def test_ids_count_up_from_1_without_gaps_however_much_flickers(self):
        flicker = [Person([(n, n)], (300, 200), look=50 + n) for n in range(20, 100, 4)]
        out = run(make_tracker(), Scene([*crowd(), *flicker], 120))
        assert set().union(*[f.values() for f in out]) == {1, 2, 3}

    def test_hidden_boxes_wait_no_longer_than_told(self):
        out = run(make_tracker(hold_seconds=1.0), returning(60))
        first = next(n for n, frame in enumerate(out) if 1 in frame)
        assert first - 121 <= 1 + 10

    def test_revived_boxes_say_so_after_a_moment_out_of_sight_too(self):
        scene = returning(60)
        scene.people[1].visible = [(121, 150), (153, 181)]
        tracker = make_tracker()
        run(tracker, scene)
        assert sum(b.revival is not None for b in tracker.identities().values()) == 1

    def test_shown_boxes_do_not_wait_and_the_event_says_what_they_were_shown_as(self):
        tracker = make_tracker(provisional="show")
        out = run(tracker, returning(60))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]
        assert 1 in out[122]
        (event,) = tracker.events
        assert event.previous_id == ids_of(out, 1)[0] != event.identity_id


class TestEvents:
    def test_a_revival_tells_who_when_after_how_long_and_how_alike(self):
        tracker = make_tracker()
        out = run(tracker, returning(100))
        (event,) = tracker.events
        assert event.identity_id == ids_of(out, 0)[-1]
        assert event.gap == pytest.approx(10, abs=0.3)
        assert event.time == pytest.approx(event.frame / 10, abs=0.11)
        assert 161 < event.frame < 175
        assert 0.3 < event.similarity <= 1
        assert not event.corrected

    def test_listeners_hear_until_they_leave(self):
        tracker, heard = make_tracker(), []
        leave = tracker.events.subscribe(heard.append)
        run(tracker, returning(100))
        assert heard == list(tracker.events)
        leave()
        tracker.reset()
        run(tracker, returning(100))
        assert len(heard) == 1

    def test_boxes_know_who_they_show(self):
        tracker = make_tracker()
        run(tracker, returning(100))
        revived = [b for b in tracker.identities().values() if b.revival is not None]
        assert [b.identity_id for b in revived] == [b.revival.identity_id for b in revived]
        assert len(revived) == 1
        assert not revived[0].revived_now
        assert not revived[0].provisional


class TestReset:
    def test_it_forgets_people_events_and_time(self):
        tracker = make_tracker()
        first = run(tracker, returning(60))
        tracker.reset()
        assert tracker.clock.now == 0
        assert not len(tracker.events)
        assert run(tracker, returning(60)) == first

    def test_nobody_of_the_video_before_is_recognized(self):
        tracker = make_tracker()
        run(tracker, Scene([Person([(0, 60)], (60, 120), look=0), *crowd()], 100))
        tracker.reset()
        run(tracker, Scene([Person([(20, 60)], (60, 120), look=0), *crowd()], 100))
        assert not list(tracker.events)

    def test_frame_rate_and_listeners_stay(self):
        tracker, heard = make_tracker(fps=7), []
        tracker.events.subscribe(heard.append)
        tracker.reset()
        assert tracker.fps == 7
        run(tracker, returning(100))
        assert heard

    def test_embeddings_of_another_dimension_are_welcome_after_it(self):
        tracker = make_tracker()
        run(tracker, Scene(crowd(), 5, dim=64))
        tracker.reset()
        run(tracker, Scene(crowd(), 5, dim=32))


class TestInput:
    def test_another_dimension_in_the_middle_is_an_error(self):
        tracker = make_tracker()
        run(tracker, Scene(crowd(), 5, dim=64))
        with pytest.raises(EmbeddingError, match="64 dimensions until now, got 32"):
            run(tracker, Scene(crowd(), 5, dim=32))

    def test_another_number_of_rows_is_an_error(self):
        with pytest.raises(EmbeddingError, match=r"\(1, D\).*\(2, 8\)"):
            make_tracker().update(boxes([[0, 0, 50, 99, 0.9, 0]]), image(), feats=np.ones((2, 8)))

    def test_vectors_that_are_not_finite_cost_nobody_their_track(self):
        scene = Scene(crowd(), 60)
        tracker = make_tracker()
        for n, (detections, feats, _) in enumerate(scene.frames()):
            feats[0] = np.nan if n > 20 else feats[0]
            rows = tracker.update(detections, image(), feats=feats)
        assert sorted(rows[:, -4]) == [1, 2, 3]

    def test_a_frame_rate_must_be_above_0(self):
        with pytest.raises(ValueError, match="above 0, got 0"):
            make_tracker(fps=0)

    @pytest.mark.slow
    def test_a_thousand_empty_frames_and_then_somebody_comes_back(self):
        out = run(make_tracker(fps=30), returning(1000))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]

    def test_nothing_at_all(self):
        tracker = make_tracker()
        for _ in range(1000):
            assert len(tracker.update(boxes([]), image())) == 0

    def test_one_detection_ever(self):
        rows = make_tracker().update(boxes([[10, 10, 60, 160, 0.9, 0]]), image(), feats=np.ones((1, 8)))
        assert rows[:, -4].tolist() == [1]

    def test_five_hundred(self):
        people = [Person([(0, 30)], (12 + 24 * (n % 25), 12 + 23 * (n // 25)), look=n, height=22) for n in range(500)]
        out = run(make_tracker(min_crop_height=10.0), Scene(people, 8))
        assert len(out[-1]) > 450

    def test_frames_of_low_scores_only_ask_the_embedder_for_nothing(self):
        tracker = make_tracker(track_low_thresh=0.3, track_high_thresh=0.5)
        tracker.embedder = lambda image, xyxy: np.ones((len(xyxy), 16), np.float32)
        for conf in (0.2, 0.9, 0.2, 0.9):
            tracker.update(boxes([[10, 10, 60, 160, conf, 0]]), image())

    def test_motion_weighs_the_same_without_a_picture(self):
        with_picture, without = make_tracker(), make_tracker()
        for detections, feats, _ in returning(60).frames():
            a = with_picture.update(detections, image(), feats=feats)
            b = without.update(detections, feats=feats)
        assert np.array_equal(a, b)

    def test_without_a_picture(self):
        tracker = make_tracker()
        for detections, feats, _ in Scene(crowd(), 10).frames():
            rows = tracker.update(detections, feats=feats)
        assert len(rows) == 3

    def test_without_embeddings_it_says_so_once_and_what_to_do(self, monkeypatch):
        told = []
        monkeypatch.setattr(LOGGER, "warning", told.append)
        tracker = make_tracker()
        for detections, _, _ in Scene(crowd(), 10).frames():
            rows = tracker.update(detections, image())
        assert len(told) == 1
        assert "osnet" in told[0]
        assert sorted(rows[:, -4]) == [1, 2, 3]

    def test_oriented_boxes(self):
        tracker = make_tracker()
        for detections, feats, _ in Scene(crowd(), 30).frames():
            b = detections
            turned = np.concatenate([b.xywh, np.full((len(b), 1), 0.3), b.conf[:, None], b.cls[:, None]], axis=1)
            rows = tracker.update(OBB(turned.astype(np.float32), (480, 640)), image(), feats=feats)
        assert rows.shape == (3, 9)
        assert sorted(rows[:, -4]) == [1, 2, 3]


def outputs(tracker, frames, img):
    return [tracker.update(detections, img, feats=feats) for detections, feats in frames]


def same(ours, stock):
    assert len(ours) == len(stock)
    for a, b in zip(ours, stock, strict=True):
        assert np.array_equal(a, b)


def generated(seed):
    rng = np.random.default_rng(seed)
    people = [
        Person([(s := int(rng.integers(0, 60)), s + int(rng.integers(5, 90)))], tuple(rng.uniform(50, 430, 2)),
               tuple(rng.normal(0, 4, 2)), look=n, cls=int(rng.integers(0, 2)))
        for n in range(15)
    ]  # fmt: skip
    frames = list(Scene(people, 120, seed=seed).frames())
    for detections, _, _ in frames:  # some of low score, for the second association
        detections.data[:, 4] *= rng.uniform(0.1, 1, len(detections)).astype(np.float32)
    return [(detections, feats) for detections, feats, _ in frames]


def cached(path, limit=None):
    with np.load(path) as cache:
        rows, feats, length = cache["detections"], cache["embeddings"].astype(np.float32), int(cache["frames"])
    for n in range(1, (limit or length) + 1):
        mask = rows[:, 0] == n
        yield Boxes(rows[mask][:, 1:7], (576, 768)), feats[mask]


class TestStock:
    """With our features off, the output equals stock BoT-SORT's bit for bit."""

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("with_reid", [False, True])
    def test_on_generated_scenes(self, seed, with_reid):
        frames = generated(seed)
        stock = outputs(BOTSORT(stock_args(with_reid=with_reid)), frames, image())
        same(outputs(ReIDBOTSORT(our_args(with_reid=with_reid, **OFF)), frames, image()), stock)

    @pytest.mark.slow
    @pytest.mark.parametrize("with_reid", [False, True])
    @pytest.mark.parametrize("name", ["pets09-s2l1", "tud-stadtmitte"])
    def test_on_whole_real_sequences(self, shared, name, with_reid):
        frames = list(cached(shared(f"data/cache/{name}.npz")))
        stock = outputs(BOTSORT(stock_args(with_reid=with_reid)), frames, None)
        same(outputs(ReIDBOTSORT(our_args(with_reid=with_reid, **OFF)), frames, None), stock)

    @pytest.mark.slow
    def test_with_camera_motion(self):
        cv2 = pytest.importorskip("cv2")
        rng = np.random.default_rng(0)
        frames = generated(9)
        pictures = [rng.integers(0, 255, (480, 640, 3), np.uint8) for _ in range(4)]
        both = []
        for tracker in (BOTSORT(stock_args(gmc_method="sparseOptFlow")),
                        ReIDBOTSORT(our_args(gmc_method="sparseOptFlow", with_reid=False, **OFF))):  # fmt: skip
            cv2.setRNGSeed(0)
            both.append([tracker.update(d, pictures[n % 4], feats=f) for n, (d, f) in enumerate(frames)])
        same(*both)

    def test_without_reid_our_other_keys_change_nothing(self):
        frames = generated(3)
        stock = outputs(BOTSORT(stock_args()), frames, image())
        same(outputs(ReIDBOTSORT(our_args(with_reid=False)), frames, image()), stock)

    def test_it_is_a_botsort_and_its_tracks_are_botracks(self):
        tracker = make_tracker()
        run(tracker, Scene(crowd(), 3))
        assert isinstance(tracker, BOTSORT)
        assert all(isinstance(t, BOTrack) for t in tracker.tracked_stracks)


@pytest.mark.parametrize("keys", [{}, {"fuse_appearance": False}, {"memory_seconds": 0.0}])
def test_tracks_show_their_embedding_as_the_hosts_do(keys):
    tracker = make_tracker(**keys)
    scene = Scene(crowd(), 30)
    run(tracker, scene)
    for track in tracker.tracked_stracks:
        assert np.linalg.norm(track.smooth_feat) == pytest.approx(1, abs=1e-5)
        assert track.smooth_feat @ track.curr_feat > 0.5


def test_removed_tracks_keep_no_crops():
    tracker = make_tracker(track_buffer=3)
    run(tracker, Scene([Person([(0, 30)], (200, 200)), *crowd(length=60)], 60))
    (gone,) = {id(t): t for t in tracker.removed_stracks}.values()
    assert not gone.tracklet.waiting


def test_memory_is_bounded_however_many_pass():
    tracker = make_tracker(memory_identities=5, memory_prototypes=2)
    people = [Person([(n * 12, n * 12 + 30)], (100 + 90 * (n % 5), 120), look=n) for n in range(40)]
    run(tracker, Scene(people, 500))
    assert len(tracker.recognizer.bank) <= 5
    assert len(tracker.recognizer.bank.state()["raw"]) <= 5


class TestFromYaml:
    def test_without_a_path_keys_have_the_shipped_values(self):
        tracker, shipped = ReIDBOTSORT.from_yaml(memory_seconds=7.0), YAML.load(tracker_yaml())
        assert tracker.config.memory_seconds == 7.0
        assert vars(tracker.args) == shipped | {"memory_seconds": 7.0}

    def test_a_shipped_file_is_found_by_name(self):
        name = "reid_gallery.yaml"
        assert vars(ReIDBOTSORT.from_yaml(name).args) == YAML.load(tracker_yaml(name))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "mine.yaml: there is no such file"),
            ("tracker_type: bytetrack", "its tracker_type must be reid_botsort, got bytetrack"),
            ("- 1", "must be a YAML file of keys and values"),
            ("a: [", "must be a YAML file of keys and values"),
            ("tracker_type: reid_botsort", "is missing in the tracker YAML"),
        ],
    )
    def test_a_file_that_is_no_tracker_yaml_is_refused_by_name(self, tmp_path, content, message):
        path = tmp_path / "mine.yaml"
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            ReIDBOTSORT.from_yaml(path)

    def test_unknown_keys_are_refused(self):
        with pytest.raises(ConfigError, match="unknown key 'memory_second'"):
            ReIDBOTSORT.from_yaml(memory_second=1)
