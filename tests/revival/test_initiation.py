"""Track initiation: which newcomer waits for its id, and who is certainly somebody else."""

from collections import Counter

import numpy as np
import pytest
from test_matching import axis, bank_of, seen
from ultralytics.engine.results import Boxes

from tests.synthetic import SHAPE, make_tracker
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.config import Config
from ultralytics_reid.revival.birth import UsualScore
from ultralytics_reid.revival.decision import Decision, State
from ultralytics_reid.revival.initiation import (
    VisibleBoxes,
    forget_apart,
    initiate,
    note_apart,
    prune_apart,
    rename_apart,
)
from ultralytics_reid.tuning import Tuning

PERSON, HALF, ELSEWHERE = (100, 100, 140, 200), (100, 150, 140, 200), (400, 100, 440, 200)
HERE = LastSeen(0.0, 0, np.zeros(2), np.zeros(2), 1.0, 100.0)


def decision(identity=-1, state=State.UNDECIDED, **more):
    return Decision(Tracklet(0.0, HERE, HERE), identity, state, **more)


def boxes(*rows, scores=None):
    return VisibleBoxes(np.array(rows, np.float32), np.array(scores or [0.9] * len(rows)))


def in_doubt(box, score, now=0.0, config=None, **more):
    """Whether a newcomer waits that is seen beside id 1, who stands at `PERSON`."""
    newcomer = decision(**more)
    visible = [decision(1, State.SETTLED), newcomer]
    initiate(visible, boxes(PERSON, box, scores=[0.9, score]), UsualScore(), now, config or Config())
    return newcomer.in_doubt


class TestDoubt:
    @pytest.mark.parametrize(("box", "score"), [(ELSEWHERE, 0.9), (ELSEWHERE, 0.65)])
    def test_a_confident_box_by_itself_has_its_id_at_once(self, box, score):
        assert not in_doubt(box, score)

    @pytest.mark.parametrize(("box", "score"), [(ELSEWHERE, 0.4), (HALF, 0.7), (HALF, 0.9)])
    def test_a_weak_box_or_a_part_of_somebody_waits(self, box, score):
        assert in_doubt(box, score)

    @pytest.mark.parametrize(
        ("box", "score", "seconds"),
        [(ELSEWHERE, 0.4, 2.8), (ELSEWHERE, 0.55, 1.4), (HALF, 0.7, 2.8), (HALF, 0.9, 0.21)],
    )
    def test_it_waits_so_long_and_no_longer(self, box, score, seconds):
        assert in_doubt(box, score, now=seconds - 0.01)
        assert not in_doubt(box, score, now=seconds + 0.01)

    def test_the_mean_of_its_scores_counts(self):
        newcomer = decision()
        for score in (0.3, 0.9, 0.9):
            initiate([newcomer], boxes(ELSEWHERE, scores=[score]), UsualScore(), 0.0, Config())
        assert not newcomer.in_doubt

    @pytest.mark.parametrize(("usual", "waits"), [(0.45, False), (0.65, True), (0.9, True)])
    def test_scores_count_by_what_the_detector_gives_usually(self, usual, waits):
        scores = UsualScore()
        for _ in range(200):
            initiate([decision(1, State.SETTLED)], boxes(PERSON, scores=[usual]), scores, 0.0, Config())
        newcomer = decision()
        initiate([newcomer], boxes(ELSEWHERE, scores=[0.5]), scores, 0.0, Config())
        assert newcomer.in_doubt == waits

    @pytest.mark.parametrize("usual", [0.0, -1.0])
    def test_boxes_without_a_score_wait(self, usual):
        scores = UsualScore(mean=usual)
        assert in_doubt(ELSEWHERE, usual)
        newcomer = decision()
        initiate([newcomer], boxes(ELSEWHERE, scores=[usual]), scores, 0.0, Config())
        assert newcomer.in_doubt

    def test_a_first_weak_box_is_not_usual(self):
        newcomer, scores = decision(), UsualScore()
        for _ in range(10):
            initiate([newcomer], boxes(ELSEWHERE, scores=[0.3]), scores, 0.0, Config())
        assert newcomer.in_doubt

    @pytest.mark.parametrize(
        "config",
        [Config(provisional="show"), Config(tuning=Tuning(initiation_seconds=0.0))],
        ids=["provisional ids are shown", "switched off"],
    )
    def test_nobody_waits_where_that_is_not_wanted(self, config):
        assert not in_doubt(HALF, 0.3, config=config)

    def test_a_track_that_had_an_id_does_not_wait(self):
        assert not in_doubt(HALF, 0.3, identity=7)
        assert not in_doubt(HALF, 0.3, reactivated_id=7)


class TestApart:
    def note(self, box, config=None):
        visible = [decision(1, State.SETTLED), decision()]
        note_apart(visible, boxes(PERSON, box), 3.0, config or Config())
        return visible[1].seen_apart

    def test_a_box_elsewhere_is_somebody_else(self):
        assert self.note(ELSEWHERE) == {1: 3.0}

    def test_a_box_that_overlaps_may_be_the_same_person(self):
        assert self.note(HALF) == {}

    def test_unless_any_two_boxes_count(self):
        assert self.note(HALF, Config(tuning=Tuning(covisible_apart=False))) == {1: 3.0}

    def test_boxes_that_are_unknown_are_apart(self):
        visible = [decision(1, State.SETTLED), decision(2, State.SETTLED), decision(-3)]
        note_apart(visible, None, 3.0, Config())
        assert [d.seen_apart for d in visible] == [{2: 3.0}, {1: 3.0}, {1: 3.0, 2: 3.0}]

    def test_only_what_was_seen_since_a_time_is_forgotten(self):
        old, new = decision(seen_apart={1: 2.0, 4: 2.0}), decision(seen_apart={1: 5.0, 4: 5.0})
        forget_apart([old, new], 1, since=4.0)
        assert (old.seen_apart, new.seen_apart) == ({1: 2.0, 4: 2.0}, {4: 5.0})

    def test_it_follows_an_identity_that_is_another(self):
        made = decision(seen_apart={1: 2.0})
        rename_apart([made, decision()], 1, 9)
        assert made.seen_apart == {9: 2.0}
        made.seen_apart = {9: 5.0, 4: 2.0}
        rename_apart([made], 4, 9)
        assert made.seen_apart == {9: 5.0}

    def test_whom_memory_forgot_is_dropped_once_there_are_many(self):
        made = decision(seen_apart={n: float(n) for n in range(1, 9)})
        prune_apart([made], bank_of((seen(1), axis(0)), (seen(2), axis(1)), (seen(3), axis(2))))
        assert made.seen_apart == {1: 1.0, 2: 2.0, 3: 3.0}


class TestTracker:
    """Somebody walks, with a second box on the lower half for some frames."""

    def run(self, part_frames, score=0.7, **keys):
        tracker, rng = make_tracker(**keys), np.random.default_rng(0)
        look = rng.normal(size=32)
        shown = Counter()
        for n in range(60):
            x = 100 + 4 * n
            rows = [(x, 100, x + 40, 200, 0.9, 0)]
            if n in part_frames:
                rows.append((x + 2, 145, x + 38, 200, score, 0))
            feats = np.array([look + 0.3 * rng.normal(size=32) for _ in rows], np.float32)
            shown.update(int(i) for i in tracker.update(Boxes(np.array(rows, float), SHAPE), None, feats=feats)[:, 4])
        return shown

    def test_a_second_box_for_a_second_costs_no_id(self):
        assert set(self.run(range(20, 30))) == {1}

    def test_with_initiation_off_it_does(self):
        assert len(self.run(range(20, 30), initiation_seconds=0.0)) == 2

    def test_one_that_stays_is_shown_after_its_time(self):
        shown = self.run(range(20, 60))
        assert len(shown) == 2
        # 40 frames less the one that confirms it and 2.8 s at 10 frames a second
        assert min(shown.values()) in range(9, 13)
