"""Where identity is lost: each count and each repair on cases small enough to count by hand, and the command line."""

from __future__ import annotations

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mot_files import info

from benchmarks.__main__ import main
from benchmarks.harness.data import motion
from benchmarks.harness.data.sequences import Detections
from benchmarks.harness.scoring.counterfactuals import counterfactuals, merge_ids, show, undo_switches
from benchmarks.harness.scoring.losses import Fate, count_losses, id_records, judge
from benchmarks.harness.scoring.track_eval import track_eval
from ultralytics_reid.evaluation.frames import FrameBoxes

FPS = 4.0
# Left edges of boxes of 10 x 20: the IoU of `a` and `near` is 2 / 3, the others are apart.
PLACE = {"a": 0, "near": 2, "b": 100, "c": 200, "d": 300, "none": 900}


def boxes(places):
    return np.array([(PLACE[p], 0, PLACE[p] + 10, 20) for p in places], np.float32).reshape(-1, 4)


def frame(**ids):
    """A frame of ids by place, as `frame(a=1, b=2)`."""
    return FrameBoxes(np.array(list(ids.values()), np.int64), boxes(ids))


def found(**scores):
    """Detections by place, as `found(a=0.9)`."""
    conf = np.array(list(scores.values()), np.float32)
    return Detections(boxes(scores), conf, conf * 0, None)


def clip(*parts):
    """Frames from `(count, frame)` parts."""
    return [f for n, f in parts for _ in range(n)]


def losses(truth, output, detections=None, high=0.5):
    return count_losses(judge(truth, output, detections, high), FPS)


def repaired(truth, output, detections=None, high=0.5):
    return counterfactuals(judge(truth, output, detections, high))


class TestBoxes:
    def test_missing_boxes_are_undetected_of_a_low_score_or_held_back(self):
        truth = [frame(a=1, b=2, c=3, d=4)]
        got = losses(truth, [frame(a=11)], [found(a=0.9, b=0.9, c=0.2)])
        assert (got.truth_boxes, got.unmatched) == (4, 3)
        assert (got.held_back, got.low_score, got.undetected) == (1, 1, 1)

    @pytest.mark.parametrize(("score", "held_back"), [(0.5, 1), (0.49, 0)])
    def test_the_trackers_own_threshold_divides_low_from_held_back(self, score, held_back):
        got = losses([frame(a=1)], [frame()], [found(a=score)])
        assert (got.held_back, got.low_score) == (held_back, 1 - held_back)

    def test_one_detection_serves_one_person_and_first_the_one_with_a_box(self):
        # The tracker's box is on 1; the only detection overlaps 2 still better.
        got = losses([frame(a=1, near=2)], [frame(a=11)], [found(near=0.9)])
        assert (got.held_back, got.undetected) == (0, 1)

    def test_without_detections_only_the_sum_is_known(self):
        got = losses([frame(a=1, b=2)], [frame(a=11)])
        assert (got.held_back, got.low_score, got.undetected, got.unmatched) == (None, None, None, 1)

    def test_false_boxes_are_on_nobody_or_second_boxes(self):
        got = losses([frame(a=1)], [frame(a=11, near=12, none=13)])
        assert (got.output_boxes, got.false_boxes, got.second_boxes) == (3, 2, 1)

    def test_a_box_near_somebody_without_a_match_is_matched(self):
        got = losses([frame(a=1)], [frame(near=12)])
        assert (got.false_boxes, got.second_boxes, got.unmatched) == (0, 0, 0)

    def test_a_pair_of_the_frame_before_stays(self):
        judged = judge([frame(a=1), frame(a=1)], [frame(a=11), frame(near=11, a=12)])
        assert judged[1].people.tolist() == [1, -1]
        assert judge([frame(a=1)], [frame(near=11, a=12)])[0].people.tolist() == [-1, 1]


class TestIds:
    def test_switches_are_changes_of_the_person_within_an_id(self):
        truth = [frame(a=1, b=2)] * 5
        got = losses(truth, [frame(a=11), frame(a=11), frame(b=11), frame(none=11), frame(a=11)])
        assert got.switches == 2

    def test_two_ids_on_one_person_are_no_switch_inside_an_id(self):
        assert losses([frame(a=1)] * 4, clip((2, frame(a=11)), (2, frame(a=12)))).switches == 0

    @pytest.mark.parametrize(("on", "off", "false"), [(2, 2, 0), (2, 3, 1), (0, 1, 1)])
    def test_an_id_is_false_if_more_than_half_of_its_boxes_are(self, on, off, false):
        truth = clip((on + off, frame(a=1)))
        got = losses(truth, clip((on, frame(a=11)), (off, frame(none=11))))
        assert (got.ids, got.false_ids, got.people_with_id) == (1, false, 1 - false)

    def test_second_boxes_make_an_id_false_too(self):
        got = losses([frame(a=1)] * 4, [frame(a=11, near=12)] * 4)
        assert (got.false_ids, got.pieces) == (1, 0)

    def test_pieces_are_on_somebody_who_has_an_id(self):
        got = losses([frame(a=1)] * 12, clip((4, frame(a=12)), (6, frame(a=11)), (2, frame(a=13))))
        assert (got.people_with_id, got.pieces, got.short_pieces, got.false_ids) == (1, 2, 1, 0)

    def test_the_id_with_most_boxes_is_the_persons_not_the_first(self):
        judged = judge([frame(a=1)] * 5, clip((2, frame(a=12)), (3, frame(a=11))))
        assert [f.ids.tolist() for f in merge_ids(judged, id_records(judged))] == [[11]] * 5

    @pytest.mark.parametrize(("frames", "short"), [(3, 1), (4, 0)])
    def test_under_a_second(self, frames, short):
        assert losses([frame(a=1)] * frames, [frame(none=11)] * frames).short_false_ids == short

    def test_an_id_that_comes_back_lives_from_its_first_to_its_last_box(self):
        assert (
            losses([frame(a=1)] * 4, clip((1, frame(none=11)), (2, frame()), (1, frame(none=11)))).short_false_ids == 0
        )

    @pytest.mark.parametrize(("at_once", "missed"), [(0, 1), (1, 0)])
    def test_a_piece_beside_the_persons_id_could_not_be_merged(self, at_once, missed):
        beside = (at_once, frame(a=12, none=11))
        got = losses([frame(a=1)] * 10, clip((6, frame(a=11)), (4 - at_once, frame(a=12)), beside))
        assert (got.pieces, got.missed_merges) == (1, missed)

    @pytest.mark.parametrize(
        ("first", "second", "merges"),
        [(18, 2, 1), (19, 2, 0), (9, 1, 0), (0, 9, 0)],
        ids=["a tenth, half a second", "below a tenth", "below half a second", "one person"],
    )
    def test_a_false_merge_is_a_tenth_and_half_a_second_on_a_second_person(self, first, second, merges):
        truth = [frame(a=1, b=2)] * (first + second)
        assert losses(truth, clip((first, frame(a=11)), (second, frame(b=11)))).false_merges == merges

    def test_people_without_an_id_of_their_own(self):
        got = losses([frame(a=1, b=2, c=3)] * 5, clip((3, frame(a=11)), (2, frame(b=11))))
        assert (got.people, got.people_with_id, got.ids) == (3, 1, 1)


class TestRepairs:
    """IDF1 is 2 IDTP / (boxes of the truth + boxes of the output)."""

    def test_merged_pieces(self):
        got = repaired([frame(a=1)] * 10, clip((6, frame(a=11)), (4, frame(a=12))))
        assert (got["idf1"], got["merged"]) == pytest.approx((60, 100))

    def test_merging_keeps_an_id_once_in_a_frame_on_the_person(self):
        # In the last two frames the person's own id is on nobody: 10 of 10 + 12 boxes agree.
        output = clip((6, frame(a=11)), (2, frame(a=12)), (2, frame(none=11, a=12)))
        got = repaired([frame(a=1)] * 10, output)
        assert (got["idf1"], got["merged"]) == pytest.approx((200 * 6 / 22, 200 * 10 / 22))

    def test_merging_gives_a_name_to_the_id_with_more_boxes_where_no_box_is_on_the_person(self):
        output = clip((6, frame(a=11)), (4, frame(a=12)), (1, frame(none=12, d=11)))
        judged = judge([frame(a=1)] * 11, output)
        first, second = merge_ids(judged, id_records(judged))[-1].ids.tolist()
        assert first != second == 11

    def test_a_false_id_is_merged_too(self):
        truth = clip((8, frame(a=1)), (3, frame()))
        output = clip((6, frame(a=11)), (2, frame(a=12)), (3, frame(none=12)))
        assert repaired(truth, output)["merged"] == pytest.approx(200 * 8 / 19)

    def test_merging_leaves_switches_and_undoing_switches_leaves_pieces(self):
        swapped = clip((6, frame(a=11, b=12)), (4, frame(a=12, b=11)))
        got = repaired([frame(a=1, b=2)] * 10, swapped)
        assert (got["idf1"], got["merged"], got["unswitched"]) == pytest.approx((60, 60, 100))
        pieces = clip((6, frame(a=11)), (4, frame(a=12)))
        assert repaired([frame(a=1)] * 10, pieces)["unswitched"] == pytest.approx(60)

    def test_a_switch_onto_somebody_without_an_id_gets_a_new_one(self):
        truth, output = clip((6, frame(a=1)), (4, frame(c=2))), clip((6, frame(a=11)), (4, frame(c=11)))
        got = repaired(truth, output)
        assert (got["idf1"], got["unswitched"]) == pytest.approx((60, 100))

    def test_a_switch_is_undone_although_the_persons_id_is_on_nobody(self):
        # 12 is on 1 for two frames while 11, the id of 1, is on nobody: 8 + 6 of 14 + 16 boxes agree.
        truth = clip((6, frame(a=1, b=2)), (2, frame(a=1)))
        output = clip((6, frame(a=11, b=12)), (2, frame(a=12, none=11)))
        got = repaired(truth, output)
        assert (got["idf1"], got["unswitched"]) == pytest.approx((200 * 12 / 30, 200 * 14 / 30))

    def test_no_false_boxes(self):
        got = repaired([frame(a=1)] * 10, clip((5, frame(a=11, none=12)), (5, frame(a=11))))
        assert (got["idf1"], got["no_false"]) == pytest.approx((80, 100))

    def test_nothing_held_back_and_nothing_missed(self):
        output = clip((5, frame(a=11)), (5, frame()))
        detections = clip((8, found(a=0.9)), (1, found(a=0.3)), (1, found()))
        got = repaired([frame(a=1)] * 10, output, detections)
        expected = {
            "idf1": 200 * 5 / 15,
            "none_held_back": 200 * 8 / 18,
            "none_missed": 200 * 7 / 17,
            "all_shown": 100,
            "merged": 200 * 5 / 15,
            "unswitched": 200 * 5 / 15,
            "no_false": 200 * 5 / 15,
        }
        assert got == pytest.approx(expected)

    def test_a_box_is_shown_under_the_id_that_is_on_the_person_most(self):
        output = clip((3, frame(a=12)), (5, frame(a=11)), (1, frame()), (1, frame(a=12)))
        judged = judge([frame(a=1)] * 10, output)
        assert show(judged, id_records(judged), [Fate.UNSHOWN])[8].ids.tolist() == [11]

    def test_a_box_is_shown_under_a_new_id_where_the_persons_is_on_another(self):
        # 11 jumps from 1 to 2 for four frames: shown under 11, it would be there twice.
        truth = clip((6, frame(a=1)), (4, frame(a=1, b=2)))
        output, detections = clip((6, frame(a=11)), (4, frame(b=11))), [found(a=0.9)] * 10
        got = repaired(truth, output, detections)
        assert (got["idf1"], got["none_held_back"]) == pytest.approx((50, 200 * 8 / 28))

    def test_without_detections_the_two_kinds_of_missing_boxes_are_one(self):
        got = repaired([frame(a=1)] * 4, clip((3, frame(a=11)), (1, frame())))
        assert set(got) == {"idf1", "merged", "unswitched", "no_false", "all_shown"}
        assert got["all_shown"] == pytest.approx(100)

    def test_nothing_at_all(self):
        got = repaired([frame(a=1)], [frame()], [found()])
        assert got["idf1"] == got["merged"] == got["no_false"] == got["none_held_back"] == 0
        assert got["none_missed"] == got["all_shown"] == 100


SHOWN = st.lists(st.dictionaries(st.sampled_from(["a", "near", "b", "c"]), st.integers(1, 4)), min_size=1, max_size=12)


def distinct(frames):
    """Frames in which no id is twice."""
    return [frame(**{place: i for i, place in {i: place for place, i in ids.items()}.items()}) for ids in frames]


@given(SHOWN, SHOWN, SHOWN)
def test_counts_add_up_and_repairs_keep_an_id_once_a_frame(truth, output, detected):
    length = min(len(truth), len(output), len(detected))
    true, shown = distinct(truth[:length]), distinct(output[:length])
    judged = judge(true, shown, [found(**{p: s / 4 for p, s in d.items()}) for d in detected[:length]], 0.5)
    got, records = count_losses(judged, FPS), id_records(judged)
    assert got.ids == got.people_with_id + got.false_ids + got.pieces
    assert got.unmatched == got.undetected + got.low_score + got.held_back
    assert got.truth_boxes - got.unmatched == got.output_boxes - got.false_boxes
    everything = show(judged, records, list(Fate)[1:])
    for frames in (merge_ids(judged, records), undo_switches(judged, records), everything):
        assert all(len(set(f.ids.tolist())) == len(f.ids) for f in frames)
    if any(len(f.ids) for f in true) and any(len(f.ids) for f in shown):
        assert counterfactuals(judged)["idf1"] == pytest.approx(track_eval(true, shown)["IDF1"])


TRUTH = "".join(f"{n},1,0,0,10,20,1,1,1\n" for n in range(1, 11)) + "3,9,500,0,10,20,0,1,1\n"
OUTPUT = "".join(f"{n},{11 if n < 7 else 12},0,0,10,20,0.9,-1,-1,-1\n" for n in range(1, 10))
DETECTIONS = "".join(f"{n},-1,0,0,10,20,{0.9 if n < 10 else 0.4}\n" for n in range(1, 11))


@pytest.fixture
def files(tmp_path):
    """One person in ten frames: six under id 11, three under 12, one without a box but with a detection of 0.4."""
    for name, text in (("gt.txt", TRUTH), ("mine.txt", OUTPUT), ("det.txt", DETECTIONS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def own(folder, *words, truth="gt.txt", output="mine.txt"):
    return main(["losses", "--truth", str(folder / truth), "--output", str(folder / output), *words])


class TestOwnFiles:
    def test_two_files(self, files, capsys):
        assert own(files) == 0
        text = capsys.readouterr().out
        assert "|  | mine |" in text
        assert "| pieces (under 1 s) | 1 (1) |" in text
        assert f"| **IDF1** | {200 * 6 / 19:.1f} |" in text
        assert f"| if ids merged | {200 * 9 / 19:.1f} (+31.6) |" in text
        assert "| without a box: all | 1 (10.0 %) |" in text
        assert "held back" not in text

    def test_rows_whose_flag_is_0_are_no_people(self, files, capsys):
        own(files)
        assert "| people / with an id | 1 / 1 |" in capsys.readouterr().out

    @pytest.mark.parametrize(("high", "held_back"), [("0.25", 1), ("0.5", 0)])
    def test_detections_divide_missing_boxes(self, files, high, held_back, tmp_path):
        words = ["--detections", str(files / "det.txt"), "--high", high, "--json", str(tmp_path / "out.json")]
        assert own(files, *words) == 0
        (row,) = json.loads((tmp_path / "out.json").read_text())["losses"]
        assert (row["held_back"], row["low_score"], row["undetected"]) == (held_back, 1 - held_back, 0)

    def test_frames_a_second_decide_what_is_short(self, files, capsys):
        own(files, "--fps", "3")
        assert "| pieces (under 1 s) | 1 (0) |" in capsys.readouterr().out

    def test_folders_of_equal_names(self, files, capsys):
        for folder, text in (("truth", TRUTH), ("output", OUTPUT)):
            (files / folder).mkdir()
            for name in ("street", "yard"):
                (files / folder / f"{name}.txt").write_text(text)
        assert own(files, truth="truth", output="output") == 0
        assert "|  | street | yard |" in capsys.readouterr().out
        (files / "output" / "yard.txt").unlink()
        assert own(files, truth="truth", output="output") == 2
        assert "output lacks yard.txt" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--truth", "{}/gt.txt"], "need both --truth and --output"),
            (["--truth", "{}", "--output", "{}/mine.txt"], "must both be files, or both folders"),
            (["--truth", "{}/gt.txt", "--output", "{}/no.txt"], "no.txt is missing"),
            (["--truth", "{}/gt.txt", "--output", "{}/mine.txt", "--write"], "--write publishes"),
            (
                ["--truth", "{}/gt.txt", "--output", "{}/twice.txt"],
                r"twice.txt:2: id 4 is in frame 1 already, on line 1",
            ),
            (
                ["--truth", "{}/gt.txt", "--output", "{}/odd.txt"],
                "odd.txt:1: the frame must be a whole number from 1 on",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, files, words, told, capsys):
        (files / "twice.txt").write_text("1,4,0,0,9,9,1\n1,4,50,0,9,9,1\n")
        (files / "odd.txt").write_text("0,4,0,0,9,9,1\n")
        assert main(["losses", *(w.format(files) for w in words)]) == 2
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--fps", "0"), "must be a number above 0, got '0'"),
            (("--fps", "many"), "must be a number above 0, got 'many'"),
            (("--high", "25"), "must be a number in [0, 1], got '25'"),
        ],
    )
    def test_numbers_out_of_range_are_refused(self, files, words, told, capsys):
        with pytest.raises(SystemExit):
            own(files, *words)
        assert told in capsys.readouterr().err


@pytest.fixture
def campus(tmp_path):
    """A shared folder with a clip of 24 frames where the second camera of campus4 lies, its video beside the folder."""
    folder, frames = tmp_path / "data" / "epfl-campus4" / "campus4-c1", range(1, 25)
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(info("campus4-c1", len(frames)))
    (folder / "gt" / "gt.txt").write_text("".join(f"{n},3,{20 + n},30,20,50,1,1,1\n" for n in frames))
    video = cv2.VideoWriter(f"{folder}.avi", cv2.VideoWriter_fourcc(*"MJPG"), 25, (160, 120))
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for _ in frames:
        video.write(noise)
    video.release()
    rows = np.array([(n, 20 + n, 30, 40 + n, 80, 0.9, 0) for n in frames], np.float32)
    (tmp_path / "data" / "cache").mkdir()
    vectors = np.ones((len(frames), 4), np.float32)
    np.savez(
        tmp_path / "data" / "cache" / "epfl-campus4-c1.npz", detections=rows, embeddings=vectors, frames=len(frames)
    )
    return tmp_path


class TestClips:
    def words(self, shared, *more):
        return ["losses", "--shared", str(shared), "--features", str(shared), "--clips", "epfl-campus4-c1", *more]

    def test_trackers_beside_each_other(self, campus, capsys, monkeypatch):
        assert main(self.words(campus)) == 0
        text = capsys.readouterr().out
        assert "|  | botsort, with_reid | tracktrack, with_reid | **reid_botsort** |" in text
        assert "| people's boxes | 24 | 24 | 24 |" in text
        # The camera motion of the first run is kept: the video isn't looked at again.
        monkeypatch.setattr(motion, "camera_motion", lambda _: pytest.fail("estimated again"))
        assert main(self.words(campus, "--trackers", "botsort:track_high_thresh=0.95", "--embedder", "random")) == 0
        assert "| low score | 24 (100.0 %) |" in capsys.readouterr().out

    def test_an_embedder_without_its_files_is_named(self, campus, capsys):
        assert main(self.words(campus, "--embedder", "detector")) == 2
        assert "yolo11n.pt" in capsys.readouterr().err

    def test_a_camera_motion_that_is_not_kept_is_refused(self, campus, capsys):
        assert main(self.words(campus, "--trackers", "botsort:gmc_method=ecc")) == 2
        assert "gmc_method must be sparseOptFlow or none, got ecc" in capsys.readouterr().err

    def test_a_video_of_another_length_is_refused(self, campus, capsys):
        folder = campus / "data" / "epfl-campus4" / "campus4-c1"
        (folder / "seqinfo.ini").write_text(info("campus4-c1", 30))
        assert main(self.words(campus)) == 2
        assert "campus4-c1.avi has 24 frames, but seqinfo.ini says 30" in capsys.readouterr().err


def test_figures_have_plain_names():
    got = asdict(losses([frame(a=1)], [frame(a=11)], [found(a=0.9)]))
    assert json.loads(json.dumps(got)) == got
