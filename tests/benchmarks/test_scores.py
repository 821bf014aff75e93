"""The benchmarks' scores, on cases small enough to count by hand."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.data.sequences import Detections, Sequence, load_clip, load_sequence, split_at_absences
from benchmarks.harness.options import CAMPUS
from benchmarks.harness.scoring.separability import Crop, Separability, both_ways, crops_of
from benchmarks.harness.scoring.track_eval import track_eval
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.frames import FrameBoxes, iou
from ultralytics_reid.evaluation.idf1 import by_person, idf1
from ultralytics_reid.evaluation.returns import returns

# Where each person stands: far apart, so that a box matches only its own.
PLACE = {"a": 0, "b": 100, "c": 200, "none": 900}


def frame(**boxes):
    """A frame of ids by place, as `frame(a=1, b=2)`."""
    xyxy = [(PLACE[p], 0, PLACE[p] + 10, 20) for p in boxes]
    return FrameBoxes(np.array(list(boxes.values()), np.int64), np.array(xyxy, np.float32).reshape(-1, 4))


def clip(*parts):
    """Frames from `(count, frame)` parts."""
    return tuple(f for n, f in parts for _ in range(n))


def sequence(*parts, fps=2.0, **person):
    """Ground truth, at 2 frames a second; tracks 1 and 3 are one person unless said otherwise."""
    return Sequence("hand-made", fps, clip(*parts), person.get("person", {1: 1, 3: 1}), None)


# Person 1 (place a) leaves for 4 s and comes back as track 3; person 2 (place b) is there all the time.
AWAY = sequence((6, frame(a=1, b=2)), (8, frame(b=2)), (6, frame(a=3, b=2)))


def away(back, meanwhile=5, before=4):
    return clip((6, frame(a=before, b=5)), (8, frame(b=meanwhile)), *back)


def test_iou_of_the_same_of_half_and_of_apart():
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 5], [10, 0, 20, 10]], np.float32)
    np.testing.assert_allclose(iou(a, b), [[1, 50 / 150, 0.5, 0]])


def test_iou_of_nothing_has_the_shape_of_nothing():
    assert iou(np.zeros((0, 4), np.float32), np.zeros((3, 4), np.float32)).shape == (0, 3)


def test_iou_of_boxes_without_area_is_zero():
    assert iou(*[np.zeros((1, 4), np.float32)] * 2) == 0


def test_recognized_under_the_old_id():
    found = returns(AWAY, away([(6, frame(a=4, b=5))]))
    assert (found.total, found.recognized, found.false) == (1, 1, 0)
    assert [(r.person, r.track, r.frame) for r in found.each] == [(1, 3, 14)]


def test_missed_under_a_new_id():
    found = returns(AWAY, away([(6, frame(a=6, b=5))]))
    assert (found.total, found.recognized, found.false) == (1, 0, 0)


def test_missed_when_nothing_was_tracked():
    found = returns(AWAY, clip((20, frame())))
    assert (found.total, found.recognized, found.false) == (1, 0, 0)


def test_a_first_visit_without_any_box_is_still_followed_by_a_return():
    found = returns(AWAY, clip((14, frame(b=5)), (6, frame(a=6, b=5))))
    assert (found.total, found.recognized) == (1, 0)


@pytest.mark.parametrize(("frames", "recognized"), [(2, 1), (4, 0)])
def test_the_id_on_most_of_the_return_counts(frames, recognized):
    found = returns(AWAY, away([(frames, frame(a=6, b=5)), (6 - frames, frame(a=4, b=5))]))
    assert found.recognized == recognized


def test_an_id_that_was_more_often_on_another_person_recognizes_none():
    swapped = away([(6, frame(a=4, b=5))], meanwhile=4)
    assert returns(AWAY, swapped).recognized == 0


def test_an_id_that_was_less_often_on_another_person_still_recognizes():
    lent = clip((6, frame(a=4, b=5)), (2, frame(b=4)), (6, frame(b=5)), (6, frame(a=4, b=5)))
    assert returns(AWAY, lent).recognized == 1


def test_two_returns_of_one_person_may_go_by_different_visits():
    truth = sequence(
        *((4, frame(a=1)), (4, frame()), (4, frame(a=3)), (4, frame()), (4, frame(a=7))), person={1: 1, 3: 1, 7: 1}
    )
    output = clip((4, frame(a=10)), (4, frame()), (4, frame(a=11)), (4, frame()), (4, frame(a=10)))
    assert [r.recognized for r in returns(truth, output).each] == [False, True]


def test_an_old_id_on_a_newcomer_is_a_false_revival():
    truth = sequence((6, frame(a=1)), (6, frame()), (6, frame(c=2)), person={})
    assert returns(truth, clip((6, frame(a=4)), (6, frame()), (6, frame(c=4)))).false == 1
    assert returns(truth, clip((6, frame(a=4)), (6, frame()), (6, frame(c=5)))).false == 0


@pytest.mark.parametrize(("absent", "false"), [(0, 0), (1, 1)])
def test_only_an_absence_of_a_second_makes_a_revival(absent, false):
    truth = sequence((6, frame(a=1)), (absent, frame()), (6, frame(c=2)), person={})
    assert returns(truth, clip((6, frame(a=4)), (absent, frame()), (6, frame(c=4)))).false == false


def test_an_id_that_was_shown_all_the_time_was_not_revived():
    truth = sequence((6, frame(a=1)), (6, frame()), (6, frame(c=2)), person={})
    assert returns(truth, clip((6, frame(a=4)), (6, frame(none=4)), (6, frame(c=4)))).false == 0


def test_one_stray_frame_at_the_start_of_a_revival_does_not_make_it_false():
    truth = sequence((6, frame(a=1, c=2)), (6, frame(c=2)), (8, frame(a=3, c=2)), fps=3.0)
    output = clip((6, frame(a=4)), (6, frame()), (1, frame(c=4)), (7, frame(a=4)))
    assert returns(truth, output).false == 0


def test_a_perfect_output_scores_100():
    truth = clip((5, frame(a=1, b=2)))
    scores = track_eval(truth, clip((5, frame(a=8, b=9))))
    assert {k: round(v, 4) for k, v in scores.items()} == {
        **dict.fromkeys(("HOTA", "AssA", "DetA", "IDF1", "MOTA"), 100.0),
        "IDSW": 0.0,
        "Frag": 0.0,
        "ids": 2.0,
    }


def test_a_swap_half_way_halves_the_identities():
    truth = clip((10, frame(a=1, b=2)))
    scores = track_eval(truth, clip((5, frame(a=8, b=9)), (5, frame(a=9, b=8))))
    # 10 of 20 boxes under the best one-to-one naming; a pair has 5 boxes together of 15 that either has.
    expected = {"IDF1": 50.0, "AssA": 100 / 3, "DetA": 100.0, "HOTA": 100 * 3**-0.5, "IDSW": 2.0, "MOTA": 90.0}
    assert {k: scores[k] for k in expected} == pytest.approx(expected)


def test_no_output_scores_0():
    scores = track_eval(clip((3, frame(a=1))), clip((3, frame())))
    assert (scores["HOTA"], scores["IDF1"], scores["MOTA"], scores["ids"]) == (0, 0, 0, 0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gt").mkdir()
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=Two\nframeRate=7\nseqLength=3\nimWidth=640\nimHeight=480\n")
    # Frame 3 holds only a row whose flag says that it doesn't count.
    rows = """\
        1,4,10,20,30,40,1,1,1
        2,9,11,20,30,40,1,1,1
        1,5,1,2,3,4,1,1,1
        3,5,1,2,3,4,0,1,1
    """
    (tmp_path / "gt" / "gt.txt").write_text(textwrap.dedent(rows))
    return tmp_path


def test_load_sequence(folder):
    (folder / "clip.avi").touch()
    loaded = load_sequence(folder)
    assert (loaded.name, loaded.fps, loaded.video) == ("Two", 7.0, folder / "clip.avi")
    assert [f.ids.tolist() for f in loaded.frames] == [[4, 5], [9], []]
    np.testing.assert_array_equal(loaded.frames[0].xyxy, [[10, 20, 40, 60], [1, 2, 4, 6]])
    assert loaded.frames[2].xyxy.shape == (0, 4)


def test_reentry_joins_the_tracks_of_one_person(folder):
    (folder / "reentry.csv").write_text("gt_id,person\n4,red-coat\n9,red-coat\n")
    loaded = load_sequence(folder)
    assert [f.ids.tolist() for f in loaded.by_person()] == [[4, 5], [4], []]
    assert loaded.names == {4: "red-coat"}
    assert loaded.person_of(5) == 5


def test_without_reentry_every_track_is_its_own_person(folder):
    assert [f.ids.tolist() for f in load_sequence(folder).by_person()] == [[4, 5], [9], []]


def test_a_video_of_the_folders_name_beside_it_is_taken_if_there_is_none_inside(folder):
    beside = folder.parent / f"{folder.name}.mp4"
    beside.touch()
    assert load_sequence(folder).video == beside
    (folder / "clip.avi").touch()
    assert load_sequence(folder).video == folder / "clip.avi"


def test_an_absence_of_a_second_begins_a_new_track_of_the_same_person():
    # At 2 frames a second: person 1 is away for half a second, then for a second and a half; 2 stays.
    away, there = frame(b=2), frame(a=1, b=2)
    split = split_at_absences(sequence((2, there), (1, away), (1, there), (2, away), (2, there), person={}))
    tracks = [f.ids.tolist() for f in split.frames]
    assert tracks == [[1, 2]] * 2 + [[2]] + [[1, 2]] + [[2]] * 2 + [[3, 2]] * 2
    assert [f.ids.tolist() for f in split.by_person()][-1] == [1, 2]
    output = clip((2, frame(a=7, b=8)), (1, away), (1, frame(a=7)), (2, frame()), (2, frame(a=7)))
    assert [r.recognized for r in returns(split, output).each] == [True]


def test_campus_has_the_returns_that_its_truth_shows(shared):
    shared("data/epfl-campus4")
    people = [load_clip(shared("."), clip) for clip in CAMPUS]
    assert [len(set(s.person.values())) for s in people] == [5, 5]
    assert all(len(s.person) > 5 and s.video is not None for s in people)


def test_a_folder_without_seqinfo_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"seqinfo\.ini is missing"):
        load_sequence(tmp_path)


class TestSeparability:
    def test_counts_by_hand(self):
        found = Separability.of(np.array([0.9, 0.5]), np.arange(1000) / 1000 * 0.8)
        assert found.auc == pytest.approx((1 + 0.625) / 2, abs=1e-3)
        assert (found.at_1, found.at_03) == (0.5, 0.5)

    def test_similar_crops_of_a_person_separate_and_noise_does_not(self):
        rng = np.random.default_rng(0)
        crops = [Crop(frame, 4 * frame + p, p, p) for frame in range(120) for p in range(4)]
        noise = rng.normal(size=(480, 16)).astype(np.float32)
        look = 4 * np.tile(np.eye(4, 16, dtype=np.float32), (120, 1))
        for rows, low, high in ((noise + look, 0.99, 1), (noise, 0.3, 0.7)):
            for found in both_ways(rows, crops, fps=5, gap=4):
                assert low <= found.auc <= high

    def test_only_clean_crops_of_a_person_count(self):
        truth = FrameBoxes(np.array([1, 2]), np.array([[10, 10, 30, 60], [100, 10, 120, 60]], np.float32))
        boxes = np.array([[100, 10, 120, 60], [200, 10, 220, 60], [10, 10, 30, 60]], np.float32)
        seen = Detections(boxes, np.array([0.9, 0.9, 0.1], np.float32), np.zeros(3, np.float32), None)
        ground = Sequence("hand-made", 2.0, (truth, truth), {2: 7}, None)
        assert crops_of(ground, [seen, seen], (100, 300)) == [Crop(0, 0, 7, 2), Crop(1, 3, 7, 2)]


# Ids by place, of some frames; `a` and `b` overlap where they are a little apart only.
SHOWN = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 4)), min_size=1, max_size=12)


def distinct(frames):
    """Frames in which no id is twice."""
    return [frame(**{place: i for i, place in {i: place for place, i in boxes.items()}.items()}) for boxes in frames]


@given(SHOWN, SHOWN, st.sampled_from([0, 1, 2, 3]))
def test_idf1_is_trackevals(truth, output, off):
    length = min(len(truth), len(output))
    true, found = distinct(truth[:length]), distinct(output[:length])
    found = [FrameBoxes(f.ids, f.xyxy + np.float32(off)) for f in found]
    if any(len(f.ids) for f in true) and any(len(f.ids) for f in found):
        assert 100 * idf1(true, found) == pytest.approx(track_eval(true, found)["IDF1"])


def test_idf1_is_trackevals_on_real_boxes(shared):
    truth = load_sequence(shared("data/pets09-s2l1"))
    shown = [FrameBoxes(f.ids + 20 * (n % 90 > 50), f.xyxy + n % 3) for n, f in enumerate(truth.by_person())]
    assert by_person(truth)[5].ids.tolist() == truth.by_person()[5].ids.tolist()
    assert 100 * idf1(by_person(truth), shown) == pytest.approx(track_eval(truth.by_person(), shown)["IDF1"])


def test_idf1_of_nothing_is_zero():
    assert idf1([frame()], [frame()]) == idf1([frame(a=1)], [frame()]) == 0


def test_idf1_of_a_person_with_two_ids_and_of_two_cameras():
    truth = [frame(a=1)] * 10
    assert idf1(truth, [frame(a=5)] * 6 + [frame(a=6)] * 4) == pytest.approx(0.6)
    assert idf1(truth * 2, [frame(a=5)] * 10 + [frame(a=6)] * 10) == pytest.approx(0.5)
