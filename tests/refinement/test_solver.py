"""The second pass: pieces of one person are linked, swapped ids are cut, and nothing is invented."""

import time

import numpy as np
import pytest
from refined_videos import DIM, FPS, Video, id_at

from ultralytics_reid import TrackLogError, Tracks, refine


def returning(**kwargs):
    """A person leaves and comes back elsewhere under another id; four others stay."""
    video = Video(**kwargs).crowd((1, 2, 3, 4), range(200))
    return video.walk(0, 5, range(60), (0, 100)).walk(0, 6, range(130, 190), (700, 100))


def test_person_who_returns_under_another_id_is_merged():
    result = refine(returning().tracks())
    assert id_at(result, 10, 20) == id_at(result, 140, 720) == 5
    assert result.mapping[6] == (5,)
    np.testing.assert_array_equal(result.before[result.rows[:, 1] == 5], [5] * 60 + [6] * 60)
    (change,) = [c for c in result.changes if c.kind == "merged"]
    assert change.ids == (5, 6)
    assert change.new_ids == (5,)
    assert change.probability > 0.9
    assert change.reason == "appearance"


def test_strangers_of_which_one_leaves_before_the_other_comes_stay_two():
    video = Video().crowd((1, 2, 3, 4), range(200))
    result = refine(video.walk(0, 5, range(60), (0, 100)).walk(1, 6, range(130, 190), (700, 100)).tracks())
    assert id_at(result, 10, 20) == 5
    assert id_at(result, 140, 720) == 6
    assert result.changes == []


def test_people_visible_together_are_never_merged_however_alike():
    video = Video().crowd((1, 2, 3, 4), range(200))
    result = refine(video.walk(0, 5, range(60), (0, 100)).walk(0, 6, range(30, 90), (700, 100)).tracks())
    assert id_at(result, 40, 80) == 5
    assert id_at(result, 40, 720) == 6


def test_id_that_went_over_to_another_person_is_cut_and_its_parts_find_their_own():
    video = Video().crowd((1, 2, 3, 4, 7, 8, 10, 11, 12, 13), range(200))
    # They meet at frame 25; the tracker takes one for the other, and gives that one's successor an id of its own.
    video.walk(0, 5, range(25), (0, 100), (8, 0)).walk(1, 6, range(25), (400, 100), (-8, 0))
    video.walk(0, 9, range(28, 50), (224, 100), (8, 0)).walk(1, 5, range(25, 50), (200, 100), (-8, 0))
    result = refine(video.tracks())
    assert id_at(result, 10, 80) == id_at(result, 40, 320)
    assert id_at(result, 10, 320) == id_at(result, 40, 80)
    assert id_at(result, 10, 80) != id_at(result, 10, 320)
    assert [c.ids for c in result.changes if c.kind == "split"] == [(5,)]


def resumed_after_seconds(likeness):
    """Id 5 is taken back after 7 s by another person, who looks so much like the first."""
    video = Video().crowd((1, 2, 3, 4), range(200)).walk(0, 5, range(60), (0, 100))
    video.walk(1, 5, range(130, 190), (700, 100))
    for n in range(60):
        video.embeddings[-1 - n] = video.embeddings[-1 - n] + likeness * np.eye(DIM)[0]
    return video.tracks()


def test_id_that_was_taken_back_by_looks_stays_only_if_looks_say_so():
    assert len(refine(resumed_after_seconds(0.3)).mapping[5]) == 2
    assert refine(resumed_after_seconds(0.5)).mapping[5] == (5,)


@pytest.mark.parametrize(("gap", "linked"), [(2, True), (6, False)])
def test_piece_without_a_clean_crop_is_linked_by_motion_only_where_that_is_sure(gap, linked):
    video = Video().crowd((1, 2, 3, 4), range(200)).walk(0, 5, range(60), (0, 100))
    video.walk(0, 6, range(60 + gap, 90 + gap), (120 + 2 * gap, 100), clean=False)
    assert (refine(video.tracks()).mapping[6] == (5,)) is linked


def test_embedder_that_tells_nothing_leaves_distant_pieces_as_they_are():
    tracks = returning(discriminative=False).tracks()
    result = refine(tracks)
    assert not result.discriminative
    assert result.changes == []
    assert np.array_equal(result.rows[:, 1], tracks.ids)


def test_cannot_link_keeps_pieces_apart_and_must_link_joins_them():
    assert refine(returning().tracks(), cannot_link=[(6, 5)]).mapping[6] == (6,)
    strangers = Video().crowd((1, 2, 3, 4), range(200)).walk(0, 5, range(60), (0, 100))
    strangers.walk(1, 6, range(130, 190), (700, 100))
    assert refine(strangers.tracks(), must_link=[(5, 6)]).mapping[6] == (5,)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"must_link": [(1, 99)]}, r"'must_link' must name ids of the tracks, which have no 99, got \(1, 99\)"),
        ({"cannot_link": [(1, 1)]}, "'cannot_link'"),
        ({"must_link": [(1, 2)], "cannot_link": [(2, 1)]}, "both name"),
    ],
)
def test_constraints_that_cannot_be_kept_are_refused(constraints, message):
    with pytest.raises(TrackLogError, match=message):
        refine(returning().tracks(), **constraints)


def test_second_box_on_a_person_is_absorbed():
    video = returning()
    # Half of the person in id 5, alike, for twenty frames.
    for frame in range(20, 40):
        video.rows.append([frame, 9, 2.0 * frame + 2, 105, 2.0 * frame + 38, 180, 0.5, 0])
        video.embeddings.append(video.embeddings[800 + frame])
    result = refine(video.tracks())
    assert id_at(result, 30, 60) == 5
    assert id_at(result, 30, 62) is None
    assert result.mapping[9] == ()


def test_blip_in_the_middle_is_dropped_and_a_person_who_enters_at_the_end_is_not():
    video = returning().walk(7, 8, [100], (600, 300), clean=False).walk(8, 9, [199], (600, 300), clean=False)
    result = refine(video.tracks())
    assert result.mapping[8] == ()
    assert result.mapping[9] == (9,)
    assert [(c.kind, c.ids) for c in result.changes if c.kind == "dropped"] == [("dropped", (8,))]


def test_box_held_back_is_shown_under_the_id_that_it_leads_to():
    video = Video().crowd((1, 2, 3, 4), range(200)).walk(0, -7, range(20, 25), (0, 100))
    result = refine(video.walk(0, 5, range(25, 90), (10, 100)).tracks())
    assert id_at(result, 22, 4) == 5


def test_box_held_back_that_leads_nowhere_stays_so():
    result = refine(Video().crowd((1, 2, 3, 4), range(200)).walk(0, -7, range(20, 60), (0, 100)).tracks())
    assert id_at(result, 22, 4) is None


def test_classes_are_never_mixed():
    video = Video().crowd((1, 2, 3, 4), range(200)).walk(0, 5, range(60), (0, 100))
    assert refine(video.walk(0, 6, range(130, 190), (700, 100), cls=1).tracks()).mapping[6] == (6,)


def test_short_gap_is_filled_only_where_asked_for_and_marked():
    video = Video().crowd((1, 2, 3, 4), range(100)).walk(0, 5, range(30), (0, 100)).walk(0, 5, range(33, 60), (66, 100))
    plain, filled = refine(video.tracks()), refine(video.tracks(), interpolate=True)
    assert id_at(plain, 31, 62) is None
    assert not plain.interpolated.any()
    assert id_at(filled, 31, 62) == 5
    assert filled.interpolated.sum() == 3
    np.testing.assert_array_equal(filled.before == 0, filled.interpolated)
    assert filled.rows[filled.interpolated][:, 0].tolist() == [30, 31, 32]


def test_rows_are_sorted_and_an_id_is_once_in_a_frame():
    rows = refine(returning().tracks()).rows
    assert rows.dtype == np.float64
    assert rows.shape[1] == 8
    assert np.all(np.diff(rows[:, 0]) >= 0)
    assert len(np.unique(rows[:, :2], axis=0)) == len(rows)


def test_same_tracks_give_the_same_result_in_whatever_order_they_come():
    video = returning()
    first = refine(video.tracks())
    order = np.random.default_rng(1).permutation(len(video.rows))
    video.rows, video.embeddings = [[values[n] for n in order] for values in (video.rows, video.embeddings)]
    assert np.array_equal(refine(video.tracks()).rows, first.rows)


@pytest.mark.parametrize("embeddings", [np.zeros((0, DIM)), []])
def test_video_without_boxes_is_refined(embeddings):
    nothing = Tracks.from_arrays([], [], np.zeros((0, 4)), [], [], embeddings=embeddings, fps=FPS)
    assert refine(nothing).rows.shape == (0, 8)


def test_video_with_one_box_is_refined():
    one = Video().walk(0, 3, [0], (0, 0)).tracks()
    assert refine(one).rows[:, 1].tolist() == [3]


def test_tracks_without_any_embedding_are_refined():
    video = returning()
    video.embeddings = [np.zeros(DIM)] * len(video.rows)
    assert refine(video.tracks()).mapping[6] == (6,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": [0.5, 1]}, "'frame' must be whole"),
        ({"ids": [1]}, "'ids' must have the shape"),
        ({"xyxy": [[0, 0, 1, np.nan]] * 2}, "'xyxy' must be finite"),
        ({"fps": 0}, "'fps' must be a number above 0, got 0"),
    ],
)
def test_arrays_out_of_range_are_refused(change, message):
    good = {"frame": [0, 1], "ids": [1, 1], "xyxy": [[0, 0, 1, 1]] * 2, "confidence": [1, 1], "cls": [0, 0]}
    with pytest.raises(TrackLogError, match=message):
        Tracks.from_arrays(**{**good, "embeddings": np.ones((2, 3)), "fps": 10, **change})


@pytest.mark.slow
def test_five_hundred_tracklets_take_seconds():
    video = Video()
    for n in range(500):
        video.walk(n % 25, n + 1, range(30 * (n // 10), 30 * (n // 10) + 28), (110 * (n % 10), 100), (0.5, 0))
    tracks = video.tracks()
    start = time.process_time()
    refine(tracks)
    assert time.process_time() - start < 10
