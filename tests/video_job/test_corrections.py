"""Rows follow later events: late recognitions, links and reverted revivals."""

from __future__ import annotations

import numpy as np
import pytest

from ultralytics_reid import GalleryAway, Linked, Revival, RevivalReverted
from ultralytics_reid.video_job.corrections import corrected_rows, with_held_back
from ultralytics_reid.video_job.tracked import TrackedVideo

# One frame a second, the first at 1 s.
TIMES = np.arange(1.0, 21.0)


def rows(*shown):
    """`(frame, id)` each, at a place of its own."""
    return np.array([[frame, i, 10 * n, 0, 10 * n + 5, 9, 0.9, 0] for n, (frame, i) in enumerate(shown)], float)


def ids(shown, *events, tracklets=None):
    numbers = np.zeros(len(shown), int) if tracklets is None else np.array(tracklets)
    return corrected_rows(rows(*shown), TIMES, events, numbers)[:, 1].astype(int).tolist()


def revival(identity, previous, frame, **more):
    return Revival(identity, previous, frame, float(frame), 5.0, 0.8, **more)


def test_a_return_recognized_late_has_its_id_from_its_first_box_on():
    assert ids([(1, 1), (8, 2), (9, 2), (10, 1)], revival(1, 2, 10)) == [1, 1, 1, 1]


def test_a_return_that_was_hidden_until_then_changes_nothing():
    assert ids([(1, 1), (9, 1)], revival(1, None, 9)) == [1, 1]


def test_an_id_given_anew_later_is_another_individual():
    assert ids([(8, 2), (10, 1), (12, 2)], revival(1, 2, 10)) == [1, 1, 2]


def test_a_corrected_switch_leaves_the_boxes_before_it():
    assert ids([(8, 2), (9, 2), (10, 1)], revival(1, 2, 10, corrected=True)) == [2, 2, 1]


def test_two_that_were_in_one_frame_stay_two():
    assert ids([(7, 2), (8, 1), (8, 2), (10, 1)], revival(1, 2, 10)) == [2, 1, 2, 1]


@pytest.mark.parametrize("told", [3, None])
def test_a_reverted_revival_gives_its_boxes_to_the_id_their_tracklet_goes_on_under(told):
    reverted = RevivalReverted(told, 1, 10, 10.0, since=8.0)
    shown = [(1, 1), (8, 1), (9, 1), (11, 4), (11, 3)]
    assert ids(shown, reverted, tracklets=[1, 2, 2, 5, 2]) == [1, 3, 3, 4, 3]


def test_a_reverted_late_recognition_is_undone():
    events = revival(1, 2, 9), RevivalReverted(None, 1, 11, 11.0, since=8.0)
    shown = [(1, 1), (8, 2), (9, 1), (10, 1), (11, 3)]
    assert ids(shown, *events, tracklets=[1, 2, 2, 2, 2]) == [1, 3, 3, 3, 3]


def test_a_tracklet_that_does_not_go_on_after_a_revert_keeps_its_boxes():
    reverted = RevivalReverted(None, 1, 10, 10.0, since=8.0)
    assert ids([(8, 1), (9, 1), (12, 3)], reverted, tracklets=[2, 2, 4]) == [1, 1, 3]
    assert ids([(8, 1), (9, 1), (12, 3)], reverted) == [1, 1, 3]


def test_a_link_of_the_gallery_renames_from_the_first_box_on():
    link = Linked(40, 2, 10, 10.0, 30.0, "door", 0.8, 0.9)
    assert ids([(8, 2), (9, 2), (10, 40)], link, GalleryAway("", 11, 11.0)) == [40, 40, 40]


def test_the_given_rows_stay_as_they_are():
    shown = rows((8, 2), (10, 1))
    corrected_rows(shown, TIMES, [revival(1, 2, 10)], np.zeros(2, int))
    assert shown[:, 1].tolist() == [2, 1]


class TestHeldBack:
    def ids(self, shown, tracklets):
        found, of = with_held_back(rows(*shown), np.array(tracklets))
        return [(int(f), int(i)) for f, i in found[:, :2]], of.tolist()

    def test_they_have_the_id_that_their_tracklet_is_first_shown_with(self):
        shown, tracklets = [(1, 0), (2, 0), (3, 4), (4, 5)], [1, 1, 1, 1]
        assert self.ids(shown, tracklets) == ([(1, 4), (2, 4), (3, 4), (4, 5)], tracklets)

    def test_those_of_a_tracklet_that_is_never_shown_are_left_out(self):
        assert self.ids([(1, 0), (1, 3), (2, 0)], [1, 2, 0]) == ([(1, 3)], [2])

    def test_those_whose_id_is_in_their_frame_are_left_out(self):
        assert self.ids([(1, 0), (1, 4), (2, 4), (2, 0)], [1, 2, 1, 3]) == ([(1, 4), (2, 4)], [2, 1])
        assert self.ids([(1, 0), (1, 0), (2, 4), (3, 4)], [1, 2, 1, 2])[0] == [(1, 4), (2, 4), (3, 4)]


class TestIdentities:
    def video(self, *shown):
        return TrackedVideo("a.mp4", rows(*shown), TIMES, 1.0, (640, 480), {0: "person"})

    def test_gaps_of_a_second_and_more_are_absences(self):
        # Frames a second apart leave no gap below a second: half the time is used.
        tracked = TrackedVideo("a", rows((1, 7), (2, 7), (6, 7)), TIMES / 2, 2.0, (9, 9), {})
        (track,) = tracked.identities
        assert (track.identity, track.spans, track.absences) == (7, ((0.5, 1.0), (3.0, 3.0)), ((1.0, 3.0),))
        assert (track.first, track.last, track.seconds) == (0.5, 3.0, 0.5)

    def test_they_are_in_the_order_of_appearance_with_all_their_rows(self):
        tracked = self.video((2, 9), (2, 4), (3, 4), (3, 9), (4, 1))
        assert [(track.identity, len(track.rows)) for track in tracked.identities] == [(4, 2), (9, 2), (1, 1)]

    def test_the_class_is_that_of_most_boxes(self):
        shown = rows((1, 5), (2, 5), (3, 5))
        shown[:, 7] = [2, 3, 3]
        assert TrackedVideo("a", shown, TIMES, 1.0, (9, 9), {}).identities[0].cls == 3

    def test_rows_by_frame_are_all_rows(self):
        tracked = self.video((2, 9), (2, 4), (20, 4))
        by_frame = tracked.by_frame()
        assert [len(part) for part in by_frame] == [0, 2, *[0] * 17, 1]
        np.testing.assert_array_equal(np.concatenate(by_frame), tracked.rows)

    def test_no_rows_are_no_identities(self):
        tracked = TrackedVideo("a", np.empty((0, 8)), TIMES, 1.0, (9, 9), {})
        assert tracked.identities == ()
        assert [len(part) for part in tracked.by_frame()] == [0] * 20

    @pytest.mark.parametrize(("stride", "frame"), [(1, 4), (3, 12)])
    def test_frames_are_counted_in_the_source(self, stride, frame):
        tracked = TrackedVideo("a", rows((4, 1)), TIMES, 1.0, (9, 9), {}, stride=stride)
        assert tracked.source_frame(4) == frame
