"""Low frame rates: people who are past their own box by the next frame."""

import numpy as np
import pytest
from synthetic import Person, Scene, boxes, ids_of, image, make_tracker, run, stock_args
from ultralytics.trackers.bot_sort import BOTSORT, BOTrack
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYWH

from ultralytics_reid.tracking.kalman import FrameIntervalKalmanFilter
from ultralytics_reid.tuning import LOW_FPS

# Pixels a frame: one and a half widths, so that no box overlaps its own in the next frame.
STRIDE = 60
FAR = {"noise": 0.4, "length": 40}


def walkers(**options):
    """Two who walk past each other, a row apart, and one who stands."""
    left = Person([(0, 8)], (60, 120), (STRIDE, 0), look=0)
    right = Person([(0, 8)], (580, 260), (-STRIDE, 0), look=1)
    return Scene([left, right, Person([(0, 40)], (80, 420), look=2)], **(FAR | options))


def shown(out, person, frames=9):
    """Share of a person's boxes that have an id."""
    return sum(person in frame for frame in out[:frames]) / frames


class TestWalkers:
    def test_stock_cannot_follow_them(self):
        out = run(BOTSORT(stock_args(with_reid=True)), walkers())
        assert shown(out, 0) < 0.5

    def test_they_keep_their_ids(self):
        out = run(make_tracker(fps=2), walkers())
        for person in (0, 1):
            assert shown(out, person) > 0.8
            assert len(ids_of(out, person)) == 1

    def test_at_the_usual_rate_overlap_decides_as_before(self):
        out = run(make_tracker(fps=LOW_FPS), walkers())
        assert shown(out, 0) < 0.5

    def test_without_appearance_in_the_association_it_is_stocks(self):
        off = {"memory_seconds": 0.0, "fuse_appearance": False, "with_reid": False}
        out = run(make_tracker(fps=2, **off), walkers())
        assert out == run(BOTSORT(stock_args()), walkers())

    def test_a_newcomer_beside_a_lost_track_is_not_taken_for_it(self):
        """Appearance objects where motion would allow it."""
        gone = Person([(0, 20)], (300, 200), look=0)
        comes = Person([(22, 39)], (360, 200), look=9)
        stay = [Person([(0, 40)], (80 + 150 * n, 420), look=2 + n) for n in range(4)]
        out = run(make_tracker(fps=2), Scene([gone, comes, *stay], **FAR))
        assert set(ids_of(out, 0)).isdisjoint(ids_of(out, 1))

    def test_a_lost_track_goes_on_a_step_away(self):
        before, after = Person([(0, 20)], (300, 200), look=0), Person([(23, 39)], (370, 200), look=0)
        stay = [Person([(0, 40)], (80 + 150 * n, 420), look=2 + n) for n in range(4)]
        out = run(make_tracker(fps=2), Scene([before, after, *stay], **FAR))
        assert ids_of(out, 1)[-1] == ids_of(out, 0)[-1]
        assert 1 in out[24]  # at once, not when memory is sure

    def test_nobody_is_in_two_places(self):
        for frame in run(make_tracker(fps=2), walkers()):
            assert len(set(frame.values())) == len(frame)

    @pytest.mark.parametrize(("match_class", "ids"), [(True, 2), (False, 1)])
    def test_another_class_is_somebody_else_unless_classes_may_flip(self, match_class, ids):
        flips = Person([(0, 8)], (60, 120), (STRIDE, 0), cls=lambda frame: int(frame > 0))
        out = run(make_tracker(fps=2, match_class=match_class), Scene([flips, *walkers().people[2:]], **FAR))
        assert len(ids_of(out, 0)) == ids  # of the step before the velocity is known; later, predictions overlap


class TestWithoutEverything:
    def test_without_embeddings_motion_decides(self):
        tracker = make_tracker(fps=2)
        tracker.embeddings.silence_warning()
        ids = [tracker.update(d, None) for d, _, _ in walkers().frames()]
        assert len(ids[5]) == 3

    def test_no_detections(self):
        tracker = make_tracker(fps=2)
        for rows in ([[0, 0, 40, 100, 0.9, 0]], [], [[60, 0, 100, 100, 0.9, 0]], []):
            tracker.update(boxes(rows), image(), feats=np.ones((len(rows), 8), np.float32))
        assert len(tracker.tracked_stracks) + len(tracker.lost_stracks) <= 1


class TestKalman:
    BOX = np.array([100.0, 100.0, 40.0, 100.0])

    def test_one_step_is_the_hosts(self):
        ours, host = FrameIntervalKalmanFilter(), KalmanFilterXYWH()
        state, stocks = ours.initiate(self.BOX), host.initiate(self.BOX)
        after, stocks_after = ours.multi_predict(*_rows(state)), host.multi_predict(*_rows(stocks))
        for a, b in zip((*state, *after), (*stocks, *stocks_after), strict=True):
            assert np.array_equal(a, b)

    def test_a_long_step_spreads_as_many_short_ones(self):
        """Of a velocity that is known: to within what a velocity that wanders adds."""
        ours, host = FrameIntervalKalmanFilter(), KalmanFilterXYWH()
        mean, covariance = host.initiate(self.BOX)
        covariance[4:, 4:] = 0
        short = mean[None], covariance[None]
        for _ in range(15):
            short = host.multi_predict(*short)
        ours.steps = 15
        long = ours.multi_predict(mean[None], covariance[None])
        assert long[1][0, 0, 0] == pytest.approx(short[1][0, 0, 0], rel=0.5)
        assert long[1][0, 4, 4] == pytest.approx(15**2 * short[1][0, 4, 4])

    def test_the_first_velocity_counts_the_whole_step(self):
        ours = FrameIntervalKalmanFilter()
        ours.steps = 15
        assert ours.initiate(self.BOX)[1][4, 4] == pytest.approx(15**2 * KalmanFilterXYWH().initiate(self.BOX)[1][4, 4])

    def test_a_track_confirmed_a_step_away_has_its_velocity(self):
        tracker = make_tracker(fps=2)
        run(tracker, walkers(length=4))
        track = max(tracker.tracked_stracks, key=lambda t: t.mean[4])
        assert track.mean[4] == pytest.approx(STRIDE, rel=0.3)

    def test_states_go_on_where_the_rate_rises(self):
        tracker = make_tracker(fps=2)
        scene = list(walkers().frames())
        for n, (detections, feats, _) in enumerate(scene[:6]):
            tracker.fps = 2 if n < 3 else 25
            tracker.update(detections, image(), feats=feats)
        assert tracker.kalman_filter.steps == 1
        assert all(isinstance(t, BOTrack) and np.isfinite(t.mean).all() for t in tracker.tracked_stracks)


def _rows(state):
    return state[0][None], state[1][None]
