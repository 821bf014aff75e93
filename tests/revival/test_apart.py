"""What follows from two tracklets having been apart, or never; and how long a likely return waits."""

import numpy as np
import pytest
import test_recognizer
from synthetic import Person, Scene, crowd, make_tracker, run
from test_matching import AREA, CONFIG, NOTHING_VISIBLE, asking, axis, bank_of, seen

from ultralytics_reid.appearance.calibration import LEARNED, ScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.revival.decision import State
from ultralytics_reid.revival.late_merge import LateMerges
from ultralytics_reid.revival.matching import blind_log_odds, candidate_gate, kalman_log_odds


@pytest.fixture
def model():
    made = ScoreModel(unit, learns=False)
    made.assume(LEARNED)
    return made


class TestLateMerges:
    """Identity 2 is young, and looks like 1, who was last seen a second after 2 began."""

    def found(self, model, seen_apart, change=lambda late: None):
        bank = bank_of((seen(11), axis(0)), (seen(10), axis(0)))
        late = LateMerges(CONFIG, bank, model)
        young = asking(axis(0), born=10, identity=2, state=State.SETTLED, seen_apart=seen_apart)
        for now in (12.0, 12.5):
            found = [(d.identity, older) for d, older, _, _ in late.find([young], now)]
            change(late)
            young.seen_apart = {}
        return found

    def test_a_piece_that_began_before_the_old_track_ended_is_merged(self, model):
        assert self.found(model, {}) == [(2, 1)]

    def test_one_that_was_seen_apart_is_not(self, model):
        assert self.found(model, {1: 11.0}) == []

    def test_it_is_once_that_turns_out_to_have_been_somebody_else(self, model):
        late = LateMerges(CONFIG, bank_of((seen(11), axis(0)), (seen(10), axis(0))), model)
        young = asking(axis(0), born=10, identity=2, state=State.SETTLED, seen_apart={1: 11.0})
        assert not list(late.find([young], 12.0))
        young.seen_apart = {}
        late.forget_apart(1)
        late.find([young], 12.5)
        assert [older for _, older, _, _ in late.find([young], 13.0)] == [1]

    def test_it_follows_an_identity_that_is_another(self, model):
        assert self.found(model, {7: 11.0}, lambda late: late.rename_apart(7, 1)) == []

    def test_what_it_was_seen_apart_from_follows_its_own_new_id(self, model):
        bank = bank_of((seen(11), axis(0)), (seen(10), axis(0)))
        late = LateMerges(CONFIG, bank, model)
        young = asking(axis(0), born=10, identity=2, state=State.SETTLED, seen_apart={1: 11.0})
        late.find([young], 12.0)
        bank.rename(2, 9)
        late.rename_apart(2, 9)
        young.identity, young.seen_apart = 9, {}
        assert not [*late.find([young], 12.5), *late.find([young], 13.0)]


def test_motion_says_nothing_of_an_identity_seen_since_the_tracklet_began():
    last = bank_of((seen(9.9), None), (seen(10.5), None)).last
    before, since = kalman_log_odds([asking(axis(0), born=10)], last, 2.0, AREA)[0]
    assert before > 0
    assert since == 0


def test_a_blind_tracklet_is_judged_by_its_last_crop(model):
    bank = bank_of((seen(5), axis(0)))
    made = [asking(axis(0)), asking(axis(1)), asking(None), asking(axis(0), seen_apart={1: 12.0}, born=4)]
    gate = candidate_gate(made, bank, CONFIG, NOTHING_VISIBLE)
    alike, other, nothing, excluded = blind_log_odds(made, gate, bank, model, CONFIG)
    assert alike > 0 > other > -np.inf
    assert (nothing, excluded) == (0, -np.inf)


def test_who_was_apart_from_a_wrong_revival_was_not_apart_from_its_identity():
    tracker = make_tracker()
    run(tracker, test_recognizer.TestProbation().scene(240))
    assert test_recognizer.taken_back(tracker)
    others = [t.decision for t in tracker.tracked_stracks]
    assert len(others) > len(crowd(length=240)) / 2
    assert all(1 not in d.seen_apart for d in others)


def test_a_renamed_identity_is_followed():
    tracker = make_tracker()
    run(tracker, test_recognizer.TestProbation().scene(60))
    decisions = [t.decision for t in tracker.tracked_stracks]
    apart = [d for d in decisions if 2 in d.seen_apart]
    assert apart
    tracker.recognizer.rename(2, 900, decisions)
    assert all(900 in d.seen_apart and 2 not in d.seen_apart for d in apart)


def test_a_likely_return_waits_a_second_for_its_id_though_it_is_never_accepted():
    look_alike = test_recognizer.newcomer(look=50)
    scene = test_recognizer.scene_of(test_recognizer.owner(), look_alike, length=220, looks=test_recognizer.mixed(0.3))
    out = run(make_tracker(false_revival_rate=1e-6), scene)
    first = next(n for n, frame in enumerate(out) if 1 in frame) - test_recognizer.BACK
    assert out[-1][1] != 1
    assert first in range(10, 13)  # at 10 frames a second, and one frame confirms the track


class TestMergesFromOutside:
    """The gallery says that identity 1, which is in memory alone, is 2, which is visible."""

    def renamed(self, change=lambda visible: None):
        tracker = make_tracker()
        run(tracker, Scene([Person([(0, 60)], (100, 150)), Person([(70, 120)], (400, 150), look=5)], 110))
        (visible,) = [t.decision for t in tracker.tracked_stracks]
        assert visible.identity == 2
        change(visible)
        return tracker.recognizer.rename(1, 2, [visible]), set(tracker.recognizer.bank.ids)

    def test_both_become_one(self):
        assert self.renamed() == (True, {2})

    def test_not_who_were_visible_at_once(self):
        assert self.renamed(lambda visible: visible.seen_apart.update({1: 5.0})) == (False, {1, 2})
