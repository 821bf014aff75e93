"""Sequences of a data set, the frames that are evaluated, and what is known of MOT17."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mot_files import found, info, write

from benchmarks.harness.data import known
from benchmarks.harness.data.inputs import boxes_of_file, by_frame
from benchmarks.harness.data.known import Counted, check_halves, half
from benchmarks.harness.errors import ChoiceError
from ultralytics_reid.errors import DatasetError


@pytest.fixture
def thrice(tmp_path):
    """MOT17 as it is downloaded: each sequence with three public detectors."""
    for number in ("90", "91"):
        for detector in ("DPM", "FRCNN", "SDP"):
            write(tmp_path / "MOT17" / "train", f"MOT17-{number}-{detector}")
    return tmp_path / "MOT17"


@pytest.mark.parametrize("where", ["", "train"])
def test_one_of_three_copies_is_taken(thrice, where):
    names = [[c.name for c in found(thrice / where, public=p)] for p in (None, "SDP")]
    assert names == [["MOT17-90-FRCNN", "MOT17-91-FRCNN"], ["MOT17-90-SDP", "MOT17-91-SDP"]]
    assert len(found(thrice / where, public="all")) == 6


@pytest.mark.parametrize("name", ["MOT17-91-FRCNN", "MOT17-91", "91"])
def test_sequences_are_chosen_by_name_or_number(thrice, name):
    assert [c.name for c in found(thrice, names=[name])] == ["MOT17-91-FRCNN"]


def test_a_single_sequence_is_data_too(thrice):
    assert [c.name for c in found(thrice / "train" / "MOT17-90-DPM")] == ["MOT17-90-DPM"]


def test_a_missing_sequence_is_named_with_those_that_are_there(thrice):
    with pytest.raises(ChoiceError, match="no sequence MOT17-92 here, but MOT17-90-FRCNN, MOT17-91-FRCNN"):
        found(thrice, names=["90", "MOT17-92"])


def test_a_missing_detector_is_named(tmp_path):
    write(tmp_path, "MOT17-90-DPM")
    assert [c.name for c in found(tmp_path)] == ["MOT17-90-DPM"]
    with pytest.raises(ChoiceError, match="MOT17-90 is here with DPM, but not with --public SDP"):
        found(tmp_path, public="SDP")


def test_a_folder_without_sequences_says_what_was_looked_for(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no sequence: a folder with seqinfo\.ini .* and in train/"):
        found(tmp_path)


def test_a_sequence_without_seqinfo_is_named(tmp_path):
    write(tmp_path, "a")
    write(tmp_path, "b")
    (tmp_path / "b" / "seqinfo.ini").unlink()
    with pytest.raises(DatasetError, match=r"b.seqinfo\.ini is missing"):
        found(tmp_path)


@pytest.mark.parametrize(("length", "ok"), [(600, True), (299, True), (300, False)])
def test_known_lengths_are_held_to(tmp_path, length, ok):
    (tmp_path / "MOT17-02-SDP").mkdir()
    (tmp_path / "MOT17-02-SDP" / "seqinfo.ini").write_text(info("MOT17-02-SDP", length))
    if ok:
        assert found(tmp_path / "MOT17-02-SDP", "val-half")[0].length == 299
        return
    with pytest.raises(
        DatasetError, match=r"MOT17-02-SDP has 600 frames, and its validation half 299, but .* says .*=300"
    ):
        found(tmp_path / "MOT17-02-SDP", "val-half")


def test_halves_are_bytetracks():
    assert {n: half(length)[1] for n, length in known.TRAIN.items()} == known.HALVES
    assert list(known.HALVES.values()) == [299, 524, 418, 262, 326, 449, 374]


def test_a_half_is_taken_as_it_is_and_not_as_a_whole(tmp_path):
    (tmp_path / "MOT17-09").mkdir()
    (tmp_path / "MOT17-09" / "seqinfo.ini").write_text(info("MOT17-09-FRCNN", 262))
    (clip,) = found(tmp_path, "val-half")
    assert (clip.start, clip.length) == (0, 262)
    assert "is the validation half already" in clip.notes[0]
    with pytest.raises(DatasetError, match=r"MOT17-09 is its validation half already \(262 frames\)"):
        found(tmp_path, "train")


@given(st.integers(3, 2000))
def test_a_half_ends_with_the_sequence(length):
    start, count = half(length)
    assert start + count == length
    assert length // 2 - 2 <= count <= length // 2


def test_frames_of_the_half_are_renumbered_from_one(tmp_path):
    write(tmp_path, "a", length=9)
    (clip,) = found(tmp_path, "val-half")
    assert (clip.start, clip.length) == (5, 4)
    truth = clip.truth().rows
    assert sorted(set(truth[:, 0])) == [1, 2, 3, 4]
    # The first of the half is the sixth of the sequence, six pixels on.
    assert truth[(truth[:, 0] == 1) & (truth[:, 1] == 1), 2] == 16
    boxes = by_frame(boxes_of_file(clip, clip.public()), clip.length)
    assert [len(d.xyxy) for d in boxes] == [3, 3, 3, 3]
    assert boxes[0].xyxy[0].tolist() == [16.5, 20, 36.5, 70]


def test_own_detections_may_be_numbered_by_the_half(tmp_path):
    write(tmp_path / "data", "a", length=9)
    (clip,) = found(tmp_path / "data", "val-half")
    row = "{},-1,{},5,10,10,0.5"
    (tmp_path / "half.txt").write_text("\n".join(row.format(n, n) for n in range(1, 5)))
    (tmp_path / "whole.txt").write_text("\n".join(row.format(n, n) for n in range(1, 10)))
    halved, whole = clip.detections(tmp_path / "half.txt"), clip.detections(tmp_path / "whole.txt")
    assert halved.rows[:, 1].tolist() == [1, 2, 3, 4]
    assert "taken as numbered by the half" in halved.notes[0]
    assert whole.rows[:, :2].tolist() == [[1, 6], [2, 7], [3, 8], [4, 9]]


def test_camera_motion_is_cut_with_the_frames(tmp_path):
    place = write(tmp_path, "a", length=9)
    (place / "gmc.txt").write_text("".join(f"{n}\t1\t0\t{n}\t0\t1\t0\t\n" for n in range(9)))
    (clip,) = found(tmp_path, "val-half")
    assert clip.motion()[:, 0, 2].tolist() == [0, 6, 7, 8]
    (place / "gmc.txt").write_text("0 1 0 0 0 1 0\n")
    with pytest.raises(DatasetError, match=r"gmc\.txt must have one row for each of 4 or 9 frames"):
        clip.motion()


def test_images_must_be_as_many_as_frames(tmp_path):
    place = write(tmp_path, "a", images=True)
    assert [p.name for p in found(tmp_path, "val-half")[0].images()] == ["000006.png", "000007.png", "000008.png"]
    (place / "img1" / "000008.png").unlink()
    with pytest.raises(DatasetError, match=r"has 7 images, but seqinfo\.ini says seqLength=8; --partial takes those"):
        found(tmp_path)
    with pytest.raises(DatasetError, match="no validation half"):
        found(tmp_path, "val-half", partial=True)
    (clip,) = found(tmp_path, partial=True)
    assert clip.length == 7
    assert clip.truth().rows[:, 0].max() == 7


def test_a_hole_in_the_images_is_named(tmp_path):
    place = write(tmp_path, "a", images=True)
    (place / "img1" / "000003.png").rename(place / "img1" / "000009.png")
    with pytest.raises(DatasetError, match=r"frame 3 is missing: .* next comes 000004\.png"):
        found(tmp_path)


def test_the_whole_validation_half_is_recognized():
    rest = {"09": Counted(30, 3000), "10": Counted(36, 5000), "13": Counted(36, 3958)}
    parts = {f"MOT17-{n}-SDP": c for n, c in (known._COUNTED_HALVES | rest).items()}
    assert check_halves(parts) == ["MOT17's validation half is complete: 339 individuals and 53,890 boxes, as known."]
    with pytest.raises(
        DatasetError, match=r"has 339 individuals and 53,890 boxes, but 340 individuals and 53,890 boxes"
    ):
        check_halves(parts | {"MOT17-13-SDP": Counted(37, 3958)})
    with pytest.raises(DatasetError, match=r"MOT17-05, validation half: 71 individuals .* are known, 70 individuals"):
        check_halves({"MOT17-05": Counted(70, 3357)})


def test_what_is_missing_is_told():
    (told,) = check_halves({"MOT17-02": Counted(53, 9880), "MOT17-99": Counted(1, 1), "MOT16-04": Counted(1, 1)})
    assert told.startswith("1 of the 7 sequences of MOT17's validation half: 53 individuals and 9,880 boxes of 339")
    assert "missing: MOT17-04, MOT17-05, MOT17-09, MOT17-10, MOT17-11, MOT17-13" in told
    assert check_halves({"dancetrack0001": Counted(9, 9)}) == []
