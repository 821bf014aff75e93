"""All tracks of a frame at once give what the host's own functions give one by one."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Person, Scene, crowd, make_tracker, run
from ultralytics.trackers.bot_sort import BOTrack
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYWH

from ultralytics_reid.tracking.kalman import FrameIntervalKalmanFilter
from ultralytics_reid.tracking.track import ReIDTrack
from ultralytics_reid.tracking.track_arrays import corners, iou_cost, kalman_states, measurements, output_rows

SEEDS = st.integers(0, 2**32 - 1)


def detections(seed, count):
    """`count` pairs of one detection as the host makes it alone, and as we make all at once."""
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 1000, (count, 2)), rng.uniform(1, 400, (count, 2))], axis=1)
    rows = np.concatenate([boxes.astype(np.float32), np.arange(count)[:, None]], axis=1)
    scores, kinds = rng.uniform(0, 1, count).astype(np.float32), np.zeros(count, np.float32)
    return [ReIDTrack.lean(*row) for row in zip(rows, scores, kinds, strict=True)], ReIDTrack.lean_batch(
        rows, scores, kinds
    )


def tracks(seed, count, age=3):
    """Tracks with a history that the host's own filter made, some of them lost."""
    rng = np.random.default_rng(seed)
    made, _ = detections(seed, count)
    for track in made:
        track.next_id = iter(range(1, 99)).__next__
        track.activate(KalmanFilterXYWH(), 2)
        for frame in range(age):
            track.predict()
            box = np.append(track.mean[:4] + rng.normal(0, 3, 4), 0)
            track.update(ReIDTrack.lean(box, 0.9, 0), 3 + frame)
        track.predict()
    for track in made[::3]:
        track.mark_lost()
    return made


def state_of(track):
    return {
        k: v for k, v in vars(track).items() if k not in {"mean", "covariance", "kalman_filter", "_matched", "next_id"}
    }


def same_state(a, b):
    one, other = state_of(a), state_of(b)
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert np.array_equal(value, other[key]), key


class TestKalman:
    @given(seed=SEEDS, count=st.integers(1, 20))
    def test_one_update_of_all_is_the_hosts_of_each(self, seed, count):
        made, (found, _) = tracks(seed, count), detections(seed + 1, count)
        means, covariances = FrameIntervalKalmanFilter().multi_update(*kalman_states(made), measurements(found))
        for track, detection, mean, covariance in zip(made, found, means, covariances, strict=True):
            track.update(detection, 9)
            assert mean == pytest.approx(track.mean, rel=1e-9, abs=1e-9)
            assert covariance == pytest.approx(track.covariance, rel=1e-9, abs=1e-9)

    @given(seed=SEEDS, count=st.integers(1, 20))
    def test_one_prediction_of_all_is_the_hosts(self, seed, count):
        states = kalman_states(tracks(seed, count))
        before = deepcopy(states)
        for ours, host in zip(
            FrameIntervalKalmanFilter().multi_predict(*states), KalmanFilterXYWH().multi_predict(*before), strict=True
        ):
            assert np.array_equal(ours, host)
        assert all(np.array_equal(a, b) for a, b in zip(states, before, strict=True))

    def test_of_no_tracks(self):
        means, covariances = FrameIntervalKalmanFilter().multi_update(*kalman_states([]), measurements([]))
        assert (means.shape, covariances.shape) == ((0, 8), (0, 8, 8))


class TestTracks:
    @given(seed=SEEDS, count=st.integers(0, 20))
    def test_detections_made_at_once_are_those_made_one_by_one(self, seed, count):
        for one, other in zip(*detections(seed, count), strict=True):
            same_state(one, other)

    def test_boxes_with_an_angle_are_made_one_by_one(self):
        row = np.array([[50.0, 60.0, 20.0, 40.0, 0.3, 0.0]])
        (made,) = ReIDTrack.lean_batch(row, np.ones(1, np.float32), np.zeros(1, np.float32))
        same_state(made, ReIDTrack.lean(row[0], np.float32(1), np.float32(0)))

    @given(seed=SEEDS)
    def test_going_on_leaves_what_the_hosts_update_and_re_activation_leave(self, seed):
        made, (found, _) = tracks(seed, 4), detections(seed + 1, 4)
        for track, detection in zip(made, found, strict=True):
            detection.set_embedding(np.ones(3, np.float32))
            theirs = deepcopy(track)
            lost = track.state != theirs.state or theirs.state == 2
            (theirs.re_activate if lost else theirs.update)(detection, 9)
            track.go_on(detection, theirs.mean, theirs.covariance, 9, missed=0)
            same_state(track, theirs)
            assert track.resumed == lost

    @given(seed=SEEDS)
    def test_boxes_are_the_hosts(self, seed):
        for track in (*tracks(seed, 3), *detections(seed, 3)[0]):
            stocks = BOTrack.xyxy.fget(track)
            assert np.array_equal(track.xyxy, stocks)
            assert track.xyxy.dtype == stocks.dtype
        made = tracks(seed, 3)
        assert np.array_equal(corners(kalman_states(made)[0]), [BOTrack.xyxy.fget(t) for t in made])


@given(seed=SEEDS, rows=st.integers(0, 8), columns=st.integers(0, 8))
def test_costs_are_the_hosts(seed, rows, columns):
    made, (found, _) = tracks(seed, rows), detections(seed + 1, columns)
    assert np.array_equal(iou_cost(made, found), matching.iou_distance(made, found))


def test_output_is_the_hosts():
    tracker = make_tracker()
    run(tracker, Scene([Person([(0, 20)], (200, 200)), *crowd(length=20)], 20))
    shown = tracker.tracked_stracks
    assert np.array_equal(output_rows(shown), np.asarray([t.result for t in shown], np.float32))
    assert output_rows([]).shape == (0,)
