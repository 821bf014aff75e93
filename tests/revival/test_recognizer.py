"""What becomes of a recognition: taken back, made late, refused, protected; and what every key of it changes."""

from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Person, Scene, boxes, crowd, ids_of, image, make_tracker, run, stock_args
from ultralytics.trackers.bot_sort import BOTSORT

from ultralytics_reid import Revival, RevivalReverted, revivals
from ultralytics_reid.tracking.results import Shown, attach

LEFT, BACK = 60, 120
NEAR, FAR = (60, 120), (400, 120)


def until(frame, before, after):
    """A look or a class that changes once."""
    return lambda n: before if n < frame else after


def flickering(usual, wrong, *frames):
    """A class that is another in single frames."""
    return lambda n: wrong if n in frames else usual


def scene_of(*people, length, **kinds):
    return Scene([*people, *crowd(length=length)], length, **kinds)


def owner(*later, look=0, **kinds):
    """Somebody who is there until `LEFT`, and in later spans again."""
    return Person([(0, LEFT), *later], NEAR, look=look, **kinds)


def newcomer(last=220, look=0, start=FAR, **kinds):
    return Person([(BACK, last)], start, look=look, **kinds)


def mixed(share):
    """Looks of a scene in which number 50 is partly number 0's."""
    looks = {n: np.random.default_rng(1000 + n).normal(size=64) for n in (0, 99)}
    return looks | {50: np.sqrt(share) * looks[0] + np.sqrt(1 - share) * looks[99]}


def taken_back(tracker):
    return [e for e in tracker.events if isinstance(e, RevivalReverted)]


def remembered(tracker, identity):
    """Prototypes of an identity, their weights, and where it was last seen."""
    state = tracker.recognizer.bank.state()
    (row,) = np.flatnonzero(state["ids"] == identity)
    return state["raw"][row], state["weight"][row], state["last"][row]


class TestProbation:
    """The newcomer's first crops look like the owner's who is gone; all others don't."""

    def scene(self, length=260):
        impostor = newcomer(220, look=until(BACK + 5, 0, 99))
        return scene_of(owner((240, 300)), impostor, length=length)

    @pytest.mark.parametrize("keys", [{}, {"reverify": False}, {"learn_metric": False}])
    def test_a_revival_that_turns_out_wrong_is_taken_back(self, keys):
        tracker = make_tracker(**keys)
        out = run(tracker, self.scene(240))
        first, second = ids_of(out, 1)
        assert first == ids_of(out, 0)[0] != second
        (event,) = taken_back(tracker)
        assert (event.previous_id, event.identity_id) == (first, second)
        assert out[event.frame - 2][1] == first
        assert out[event.frame - 1][1] == second
        assert event.time - (BACK + 1) / 10 < tracker.config.tuning.probation_seconds

    def test_an_id_that_was_shown_before_a_wrong_revival_is_shown_again(self):
        tracker = make_tracker(provisional="show")
        out = run(tracker, self.scene(240))
        (reverted,) = taken_back(tracker)
        (revived,) = (e for e in tracker.events if isinstance(e, Revival) and e.identity_id == reverted.previous_id)
        assert reverted.identity_id == revived.previous_id
        assert len({*ids_of(out, 1)}) == 2

    def test_what_is_remembered_of_the_owner_is_as_it_was(self):
        before, after = make_tracker(), make_tracker()
        run(before, self.scene(BACK))
        run(after, self.scene(239))
        assert taken_back(after)
        for a, b in zip(remembered(before, 1), remembered(after, 1), strict=True):
            assert np.array_equal(a, b)

    def test_the_owner_can_be_revived_after_it(self):
        tracker = make_tracker()
        out = run(tracker, self.scene())
        assert ids_of(out, 0) == [1]
        assert ids_of(out, 1, 220 - 20) == ids_of(out, 1)[-1:] != [1]
        last = list(tracker.events)[-1]
        assert isinstance(last, Revival)
        assert last.gap == pytest.approx((240 - LEFT) / 10, abs=0.2)

    def test_the_owner_may_turn_up_while_it_lasts(self):
        """Who has their id looks somewhat like them."""
        double, back = newcomer(260, look=50), Person([(150, 260)], (250, 120), look=0)
        tracker = make_tracker()
        out = run(tracker, scene_of(owner(), double, back, length=260, looks=mixed(0.5)))
        assert ids_of(out, 1)[0] == ids_of(out, 2)[-1] == ids_of(out, 0)[0] != ids_of(out, 1)[-1]
        assert len(taken_back(tracker)) == 1

    def test_without_probation_nothing_is_taken_back(self):
        tracker = make_tracker(probation_seconds=0.0, reverify=False)
        out = run(tracker, self.scene(240))
        assert not taken_back(tracker)
        assert ids_of(out, 1) == [1]

    @pytest.mark.parametrize("keys", [{}, {"reverify": False}])
    def test_who_was_right_stays_and_teaches_once_it_is_sure(self, keys):
        tracker = make_tracker(probation_seconds=3.0, **keys)
        out = run(tracker, scene_of(owner(), newcomer(220), length=220))
        assert ids_of(out, 1) == ids_of(out, 0)
        assert not taken_back(tracker)
        untaught = make_tracker()
        run(untaught, scene_of(owner(), length=BACK))
        assert remembered(tracker, 1)[1].sum() > remembered(untaught, 1)[1].sum() + 50

    def test_nothing_is_taught_while_it_lasts(self):
        tracker, before = make_tracker(probation_seconds=30.0), make_tracker()
        run(tracker, scene_of(owner(), newcomer(200), length=200))
        run(before, scene_of(owner(), length=BACK))
        assert np.array_equal(remembered(tracker, 1)[1], remembered(before, 1)[1])

    def test_the_metric_does_not_learn_that_an_impostor_is_a_look_of_the_owner(self):
        """The difference between the two would count as noise, and both as the same person ever after."""
        tracker, scene = make_tracker(), self.scene(239)
        run(tracker, scene)
        common = np.random.default_rng(0).normal(size=64)
        impostor = np.array(common + scene.looks[99], np.float32)[None]
        assert tracker.recognizer.bank.search(impostor, [1])[0, 0] < 0.35

    def test_listeners_hear_of_it_and_a_frames_revivals_do_not_hold_it(self):
        tracker, heard, frames = make_tracker(), [], []
        tracker.events.subscribe(heard.append)
        for detections, feats, _ in self.scene(240).frames():
            ids = tracker.update(detections, image(), feats=feats)[:, -4]
            result = SimpleNamespace(boxes=SimpleNamespace(id=ids), obb=None)
            attach(result, Shown(tracker.identities(), {}))
            frames.append(revivals(result))
        assert [type(e) for e in heard] == [Revival, RevivalReverted]
        assert [(n + 1, r) for n, found in enumerate(frames) for r in found] == [(heard[0].frame, heard[0])]
        assert frames[heard[1].frame - 1] == []


class TestLateMerge:
    """Somebody comes back looking different for five seconds. Doubt, which may find out too, is off."""

    def tracker(self, **keys):
        return make_tracker(reverify=False, **keys)

    def scene(self, turn=50, length=260, **kinds):
        return scene_of(owner(), newcomer(length, look=until(BACK + turn, 98, 0)), length=length, **kinds)

    def test_the_young_identity_becomes_the_old_one(self):
        tracker = self.tracker()
        out = run(tracker, self.scene())
        old, young = ids_of(out, 0)[0], ids_of(out, 1)[0]
        assert ids_of(out, 1) == [young, old]
        (event,) = tracker.events
        assert (event.previous_id, event.identity_id) == (young, old)
        assert event.gap == pytest.approx((BACK - LEFT) / 10, abs=0.3)
        assert (out[event.frame - 2][1], out[event.frame - 1][1]) == (young, old)
        assert young not in tracker.recognizer.bank

    def test_crops_cut_off_by_the_border_do_not_count_until_there_are_whole_ones(self):
        """At first nothing but a part of them is seen at the border, which may say anything."""
        back = Person([(BACK, 250)], (20 - 0.1 * BACK, 120), (0.1, 0), look=until(BACK + 30, 98, 0))
        tracker = self.tracker(recognize_seconds=1.0)
        out = run(tracker, scene_of(owner(), back, length=250))
        young, old = ids_of(out, 1)
        assert young != old == ids_of(out, 0)[0]

    def test_not_with_merging_off(self):
        out = run(self.tracker(merge_seconds=0.0), self.scene())
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[0]

    def test_not_once_it_is_too_old(self):
        out = run(self.tracker(merge_seconds=4.0), self.scene())
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[0]

    def test_never_who_were_there_together(self):
        """Not even for a moment, not even if they look the same ever after."""
        double = Person([(LEFT - 3, 260)], FAR, look=until(110, 98, 0))
        out = run(self.tracker(), scene_of(owner(), double, length=260))
        assert set(ids_of(out, 1)).isdisjoint(ids_of(out, 0))

    def test_never_as_another_class(self):
        scene = self.scene()
        scene.people[1].cls = 2
        out = run(self.tracker(), scene)
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[0]

    def test_never_with_somebody_who_is_visible(self):
        out = run(self.tracker(), scene_of(owner((61, 260)), newcomer(260, look=until(170, 98, 0)), length=260))
        assert set(ids_of(out, 1)).isdisjoint(ids_of(out, 0))


class TestClasses:
    """The detector takes a car for a truck now and then."""

    car, truck = 2, 7

    def ids(self, left, back, **keys):
        out = run(make_tracker(**keys), scene_of(owner(cls=left), newcomer(160, cls=back), length=160))
        return ids_of(out, 0)[0], ids_of(out, 1)[-1]

    def test_flickers_do_not_stop_a_revival(self):
        left = flickering(self.car, self.truck, 10, 25, 40, LEFT)
        first, second = self.ids(left, flickering(self.car, self.truck, BACK, BACK + 3))
        assert first == second

    def test_without_votes_a_wrong_class_at_the_end_does(self):
        first, second = self.ids(flickering(self.car, self.truck, LEFT), self.car, class_votes=False, merge_seconds=0.0)
        assert first != second

    @pytest.mark.parametrize(("match_class", "same"), [(True, False), (False, True)])
    def test_classes_are_ignored_if_asked(self, match_class, same):
        first, second = self.ids(self.car, self.truck, match_class=match_class)
        assert (first == second) is same

    def test_a_flicker_after_a_moment_out_of_sight_counts_with_what_was_seen_before(self):
        blinker = Person([(0, 40), (50, LEFT)], NEAR, cls=until(50, self.car, self.truck))
        out = run(make_tracker(), scene_of(blinker, newcomer(160, cls=self.car), length=160))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[0]


class TestFrameRates:
    @pytest.mark.slow
    @pytest.mark.parametrize("fps", [2, 3, 30, 60])
    def test_the_same_scene_revives_at_every_rate(self, fps):
        """Ten seconds there, more than the host's buffer away, six there again, at an ordinary pace."""
        away = max(3 * fps, 35)
        left, back = 10 * fps, 10 * fps + away
        length = back + 6 * fps
        walk = (20 / fps, 0)
        gone = Person([(0, left)], NEAR, walk)
        returned = Person([(back, length)], (FAR[0] - walk[0] * back, 120), walk)
        out = run(make_tracker(fps=fps), scene_of(gone, returned, length=length))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[0]


class TestStrictness:
    def ids(self, share, **keys):
        """Ids of the owner and of somebody whose look is partly the owner's."""
        scene = scene_of(owner(), newcomer(170, look=50), length=170, looks=mixed(share))
        out = run(make_tracker(**keys), scene)
        return ids_of(out, 0)[0], ids_of(out, 1)[-1]

    def test_whoever_is_likeliest_at_rate_1(self):
        first, second = self.ids(0.2, false_revival_rate=1.0)
        assert first == second

    def test_a_strict_rate_asks_for_more(self):
        first, second = self.ids(0.2, false_revival_rate=1e-6)
        assert first != second

    def test_the_default_is_content_with_a_good_likeness(self):
        first, second = self.ids(0.9)
        assert first == second

    @pytest.mark.parametrize("keys", [{}, {"shortlist": 0}, {"max_speed": 0.0, "match_class": False}])
    def test_strangers_with_random_embeddings_are_tracked_as_stock_does_and_never_revived(self, keys):
        rng = np.random.default_rng(7)
        people = [Person([(s, s + 40)], (60 + 100 * (n % 6), 120 + 150 * (n // 6)), look=n)
                  for n, s in enumerate(rng.integers(0, 200, 12).tolist())]  # fmt: skip
        frames = [(d, rng.normal(size=(len(d), 64)).astype(np.float32), p) for d, _, p in Scene(people, 240).frames()]
        ours, stock = make_tracker(**keys), BOTSORT(stock_args())
        ids = []
        for tracker in (ours, stock):
            rows = [tracker.update(d, image(), feats=f) for d, f, _ in frames]
            ids.append([_ids_by_person(r, p) for r, (_, _, p) in zip(rows, frames, strict=True)])
        assert sum(isinstance(e, Revival) for e in ours.events) <= 1
        assert _changes(ids[0]) <= _changes(ids[1]) + 1


def _ids_by_person(rows, people):
    return {id(people[int(r[-1])]): int(r[-4]) for r in rows}


def _changes(frames):
    """How many (person, id) pairs there are: as many as people if all is well."""
    return len({pair for frame in frames for pair in frame.items()})


class TestKeys:
    @pytest.mark.parametrize("learns", [True, False])
    def test_the_metric_is_learned_or_not(self, learns):
        tracker = make_tracker(learn_metric=learns)
        run(tracker, Scene(crowd(), 80))
        assert (tracker.recognizer.metric.version > 0) is learns

    @pytest.mark.parametrize("clean", [True, False])
    def test_covered_crops_teach_only_if_all_may(self, clean):
        behind, front = Person([(0, 60)], (300, 190), look=0), Person([(0, 60)], (310, 230), look=1)
        tracker = make_tracker(clean_crops=clean)
        out = run(tracker, Scene([behind, front], 60))
        known = [tracker.recognizer.bank.knows(out[-1][n]) for n in (0, 1)]
        assert known == [not clean, True]

    def test_without_doubt_a_swap_stays(self):
        left, right = Person([(0, 200)], NEAR, look=until(100, 0, 1)), Person([(0, 200)], FAR, look=until(100, 1, 0))
        tracker = make_tracker(reverify=False)
        out = run(tracker, scene_of(left, right, length=200))
        assert len(ids_of(out, 0)) == len(ids_of(out, 1)) == 1
        assert not list(tracker.events)

    @pytest.mark.parametrize(("speed", "same"), [(10.0, False), (0.0, True)])
    def test_nobody_gets_from_one_end_of_the_picture_to_the_other_at_once(self, speed, same):
        gone, there = Person([(0, LEFT)], (60, 100), look=0), Person([(LEFT + 3, 110)], (600, 300), look=0)
        out = run(make_tracker(max_speed=speed), scene_of(gone, there, length=75))
        assert (ids_of(out, 1)[-1] == ids_of(out, 0)[0]) is same

    def test_a_late_merge_is_not_faster_than_a_body_either(self):
        gone, there = Person([(0, LEFT)], (60, 100), look=0), Person([(LEFT + 3, 200)], (600, 300), look=0)
        out = run(make_tracker(), scene_of(gone, there, length=160))
        assert ids_of(out, 1)[-1] != ids_of(out, 0)[0]

    @pytest.mark.slow
    def test_the_shortlist_changes_nothing_among_few(self):
        """Six who come and go."""
        people = [Person([(20 * n, 20 * n + 50), (20 * n + 100, 20 * n + 140)], (60 + 90 * n, 120), look=n)
                  for n in range(6)]  # fmt: skip
        outs = [run(make_tracker(shortlist=n), scene_of(*people, length=240)) for n in (0, 32)]
        assert outs[0] == outs[1]
        assert all(len(ids_of(outs[0], n)) == 1 for n in range(6))


class TestClaims:
    @pytest.mark.parametrize("look", [0, 50])
    def test_who_is_found_again_by_motion_keeps_their_id_though_a_double_asks_for_it(self, look):
        """Both turn up in the same frame; the double looks quite like, or just like, the owner."""
        lost, double = Person([(0, LEFT), (70, 150)], NEAR, look=0), Person([(70, 150)], FAR, look=look)
        tracker = make_tracker()
        out = run(tracker, scene_of(double, lost, length=150, looks=mixed(0.9)))
        assert ids_of(out, 1) == ids_of(out, 1, 0, LEFT)
        assert ids_of(out, 1)[0] not in ids_of(out, 0)
        assert not list(tracker.events)

    def test_even_if_too_little_is_seen_of_them_to_say_who_they_are(self):
        """They walk out of the picture while a double walks in."""
        lost, double = Person([(0, LEFT), (70, 150)], (34, 120), (-0.2, 0), look=0), Person([(70, 150)], FAR, look=0)
        out = run(make_tracker(recognize_seconds=2.0), scene_of(lost, double, length=150))
        assert ids_of(out, 0) == [out[5][0]]
        assert ids_of(out, 1)[-1] not in ids_of(out, 0)

    def test_until_its_looks_speak_against_it(self):
        """A stranger stands where the owner was lost; the owner turns up elsewhere at the same moment."""
        back, stranger = Person([(70, 150)], FAR, look=0), Person([(70, 150)], NEAR, look=99)
        out = run(make_tracker(), scene_of(owner(), stranger, back, length=150))
        assert ids_of(out, 2)[-1] == ids_of(out, 0)[0] != ids_of(out, 1)[-1]


def test_no_embedding_for_a_while_is_no_reason_to_doubt():
    tracker = make_tracker()
    for n, (detections, feats, _) in enumerate(scene_of(owner((LEFT, 150)), length=150).frames()):
        blind = 70 <= n < 100
        rows = tracker.update(detections, image(), feats=np.zeros_like(feats) if blind else feats)
    assert sorted(rows[:, -4]) == [1, 2, 3, 4]
    assert not list(tracker.events)
    assert len(tracker.update(boxes([]), image())) == 0


class TestOneAtATime:
    """Nobody is ever seen beside anybody else, so that the video never shows what different people look like."""

    @pytest.mark.slow
    @pytest.mark.parametrize("stay", [40, 60])
    def test_everybody_is_known_when_they_come_back(self, stay):
        stays = [(n * (stay + 40) + 1, n * (stay + 40) + stay) for n in range(24)]
        people = [Person([stays[n], stays[n + 8], stays[n + 16]], (NEAR, FAR)[n % 2], look=n) for n in range(8)]
        out = run(make_tracker(), Scene(people, stays[-1][1] + 1, noise=0.6))
        shown = [ids_of(out, n) for n in range(8)]
        assert all(len(ids) == 1 for ids in shown)
        assert len({ids[0] for ids in shown}) == 8

    def test_nobody_is_taken_for_the_first_however_much_all_have_in_common(self):
        class Uniform(Scene):
            def _look(self, look):
                return 0.7 * super()._look(look)

        people = [Person([(n * 160 + 1, n * 160 + 140)], (NEAR, FAR)[n % 2], look=n) for n in range(6)]
        out = run(make_tracker(), Uniform(people, 960, noise=0.3))
        assert len({i for n in range(6) for i in ids_of(out, n)}) == 6
