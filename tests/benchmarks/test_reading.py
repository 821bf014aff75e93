"""Files in MOTChallenge's form: what is wrong is named by file and line."""

from __future__ import annotations

import pytest
from mot_files import SHAPE, info

from benchmarks.harness.data.reading import read_detections, read_info
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.mot_files import read_truth


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,2,3", r"gt\.txt:2: 3 numbers, where the first line has 9"),
        ("1,2,3,4,5,6,1,1,0.5,7", r"gt\.txt:2: 10 numbers"),
        ("0,2,3,4,5,6,1,1,1", r"gt\.txt:2: the frame must be a whole number from 1 to 8 \(seqLength\), got 0"),
        ("9,2,3,4,5,6,1,1,1", r"gt\.txt:2: the frame .* got 9"),
        ("1.5,2,3,4,5,6,1,1,1", r"gt\.txt:2: the frame .* got 1\.5"),
        ("1,2,3,4,nan,6,1,1,1", r"gt\.txt:2: every number must be finite"),
        ("1,2,inf,4,5,6,1,1,1", r"gt\.txt:2: every number must be finite"),
        ("1,2,3,4,0,6,1,1,1", r"gt\.txt:2: width and height must be above 0, got 0 x 6"),
        ("1,2,3,4,5,-6,1,1,1", r"gt\.txt:2: width and height .* got 5 x -6"),
        ("1,-2,3,4,5,6,1,1,1", r"gt\.txt:2: the id must be a whole number from 0, got -2"),
        ("1,2,3,4,5,6,1,14,1", r"gt\.txt:2: the class must be a whole number from 1 to 13, got 14"),
        ("1,2,three,4,5,6,1,1,1", r"gt\.txt:2: not all of this are numbers: '1,2,three"),
        ("1,1,3,4,5,6,1,1,1", r"gt\.txt:2: id 1 is in frame 1 already, on line 1"),
    ],
)
def test_a_wrong_line_of_the_truth_is_named(tmp_path, line, told):
    path = tmp_path / "gt.txt"
    path.write_text(f"1,1,10,10,5,5,1,1,1\n{line}\n2,1,10,10,5,5,1,1,1\n")
    with pytest.raises(DatasetError, match=told):
        read_truth(path, 8)


def test_lines_are_counted_with_the_empty_ones(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("\n1,1,10,10,5,5,1,1,1\n\n\n1,1,10,10,5,5,1,1,1\n")
    with pytest.raises(DatasetError, match=r"gt\.txt:5: id 1 is in frame 1 already, on line 2"):
        read_truth(path, 8)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gt\.txt is missing"):
        read_truth(tmp_path / "gt.txt", 8)


@pytest.mark.parametrize(
    ("text", "rows", "classes"),
    [
        ("1,1,10,10,5,5,0,7,0.25\n", [[1, 1, 10, 10, 5, 5, 0, 7, 0.25]], True),
        ("1, 0, 10, 10, 5, 5, 1, 1, 1\n", [[1, 0, 10, 10, 5, 5, 1, 1, 1]], True),
        ("1,1,10,10,5,5,1,3\n", [[1, 1, 10, 10, 5, 5, 1, 3, 1]], True),
        ("1,1,10,10,5.5,5,1,-4.15,-7.36,0\n", [[1, 1, 10, 10, 5.5, 5, 1, 1, 1]], False),
        ("1,1,10,10,5,5,1,1,1,\n", [[1, 1, 10, 10, 5, 5, 1, 1, 1]], True),
    ],
    ids=["MOT17", "SportsMOT", "no visibility", "MOT15", "comma at the end"],
)
def test_all_forms_of_truth_are_read(tmp_path, text, rows, classes):
    (tmp_path / "gt.txt").write_text(text)
    truth = read_truth(tmp_path / "gt.txt", 8)
    assert truth.rows.tolist() == rows
    assert truth.classes == classes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("seqLength=8", ""), r"seqinfo\.ini: seqLength is missing"),
        (("seqLength=8", "seqLength=many"), r"seqinfo\.ini: seqLength must be a number, got 'many'"),
        (("frameRate=25", "frameRate=0"), r"seqinfo\.ini: frameRate must be above 0, got 0"),
        (("[Sequence]", "[Sequenz]"), r"seqinfo\.ini: a section \[Sequence\]"),
    ],
)
def test_a_wrong_seqinfo_is_named(tmp_path, change, told):
    (tmp_path / "seqinfo.ini").write_text(info("a", 8).replace(*change))
    with pytest.raises(DatasetError, match=told):
        read_info(tmp_path)


def test_detections_outside_of_the_image_are_dropped_loudly(tmp_path):
    path = tmp_path / "det.txt"
    inside, over, right, above = "1,-1,5,5,10,10,0.5", "1,-1,-5,-5,10,10,0.5", "2,-1,160,5,9,9,0.5", "2,-1,5,-9,9,9,0.5"
    path.write_text("\n".join([inside, over, right, above]))
    read = read_detections(path, 8, SHAPE)
    assert read.rows[:, 1].tolist() == [5, -5]
    assert read.notes == (
        f"{path}:3: 2 detections lie wholly outside of the 160x120 image: dropped; this line is the first",
    )


def test_scores_of_other_ranges_are_clipped_loudly(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,5,5,10,10,-0.4\n1,-1,5,5,10,10,64\n1,-1,5,5,10,10,0.5,-1,-1,-1\n".replace(",-1,-1,-1", ""))
    read = read_detections(path, 8, SHAPE)
    assert read.rows[:, 5].tolist() == [0, 1, 0.5]
    assert "2 of 3 scores are outside of [0, 1] (-0.4 to 64): clipped" in read.notes[0]


@pytest.mark.parametrize("line", ["2,-1,5,5,10", "0,-1,5,5,10,10,0.5", "9,-1,5,5,10,10,0.5", "1,-1,5,5,0,9,0.5"])
def test_wrong_detections_are_named(tmp_path, line):
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,5,5,10,10,0.5\n{line}\n")
    with pytest.raises(DatasetError, match=r"det\.txt:2: "):
        read_detections(path, 8, SHAPE)


def test_no_detections_at_all_are_told(tmp_path):
    (tmp_path / "det.txt").write_text("")
    read = read_detections(tmp_path / "det.txt", 8, SHAPE)
    assert read.rows.shape == (0, 6)
    assert "has no line" in read.notes[0]


def test_scores_that_say_nothing_are_refused(tmp_path):
    (tmp_path / "det.txt").write_text("1,-1,5,5,10,10,-1\n2,-1,5,5,10,10,-1\n")
    with pytest.raises(DatasetError, match="all 2 scores are -1"):
        read_detections(tmp_path / "det.txt", 8, SHAPE)


def test_empty_truth_is_refused(tmp_path):
    (tmp_path / "gt.txt").write_text("")
    with pytest.raises(DatasetError, match="has no line"):
        read_truth(tmp_path / "gt.txt", 8)
