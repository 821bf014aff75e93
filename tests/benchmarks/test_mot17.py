"""MOTChallenge data read strictly, inputs kept once, and scores that are TrackEval's own."""

import csv
import importlib
import io
import json
import shutil
import sys
import zipfile
from contextlib import redirect_stdout

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.harness.mot import cache as cache_module
from benchmarks.harness.mot import known
from benchmarks.harness.mot.bootstrap import METRICS, differences, draws, totals
from benchmarks.harness.mot.bundle import bundle
from benchmarks.harness.mot.cache import Cache, slug
from benchmarks.harness.mot.choice import asked_for, need_keys
from benchmarks.harness.mot.choosing import choose, split
from benchmarks.harness.mot.errors import ChoiceError, DataError, MotError
from benchmarks.harness.mot.host import HostChoice
from benchmarks.harness.mot.inputs import boxes_of_file, by_frame, prepare
from benchmarks.harness.mot.known import Counted, check_halves, half
from benchmarks.harness.mot.layout import find_clips
from benchmarks.harness.mot.reading import Truth, read_detections, read_info, read_truth
from benchmarks.harness.mot.recipe import Detector, Recipe
from benchmarks.harness.mot.scoring import benchmark_of, combine, score, write_result
from benchmarks.harness.mot.tables import COMBINED, Part, difference_table, tables
from benchmarks.harness.mot.work import Outcome, Track, do_all, seeds_of
from benchmarks.harness.motion import GivenMotion
from benchmarks.harness.runs import run_cached
from benchmarks.harness.sequences import Detections, Frame, Sequence
from benchmarks.harness.setting import CHECKOUT
from benchmarks.harness.stock import BOTSORT

SHAPE = (120, 160)
NONE = "none"
ONE = np.ones(1, np.float32)


def info(name, length, fps=25, extra=""):
    sizes = f"imWidth={SHAPE[1]}\nimHeight={SHAPE[0]}\nimExt=.png\n"
    return f"[Sequence]\nname={name}\nimDir=img1\nframeRate={fps}\nseqLength={length}\n{sizes}{extra}"


def write(folder, name, length=8, *, pictures=False):
    """A sequence of people side by side who walk to the right, and detections a little off."""
    place = folder / name
    (place / "gt").mkdir(parents=True)
    (place / "det").mkdir()
    (place / "seqinfo.ini").write_text(info(name, length))
    people = [(n, i, 10 + 40 * i + n, 20) for n in range(1, length + 1) for i in range(3)]
    rows = [f"{n},{i + 1},{x},{y},20,50,1,1,1.0" for n, i, x, y in people]
    found = [f"{n},-1,{x + 0.5},{y},20,50,{0.9 - 0.1 * i}" for n, i, x, y in people]
    (place / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (place / "det" / "det.txt").write_text("\n".join(found) + "\n")
    if pictures:
        (place / "img1").mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)
        for n in range(1, length + 1):
            cv2.imwrite(str(place / "img1" / f"{n:06}.png"), np.roll(noise, n, axis=1))
    return place


def found(data, split="train", public=None, names=(), partial=False):
    return find_clips(data, split, public, names, partial)


# Reading


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
    with pytest.raises(DataError, match=told):
        read_truth(path, 8)


def test_lines_are_counted_with_the_empty_ones(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("\n1,1,10,10,5,5,1,1,1\n\n\n1,1,10,10,5,5,1,1,1\n")
    with pytest.raises(DataError, match=r"gt\.txt:5: id 1 is in frame 1 already, on line 2"):
        read_truth(path, 8)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gt\.txt is missing"):
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
    with pytest.raises(DataError, match=told):
        read_info(tmp_path)


def test_detections_outside_of_the_picture_are_dropped_loudly(tmp_path):
    path = tmp_path / "det.txt"
    inside, over, right, above = "1,-1,5,5,10,10,0.5", "1,-1,-5,-5,10,10,0.5", "2,-1,160,5,9,9,0.5", "2,-1,5,-9,9,9,0.5"
    path.write_text("\n".join([inside, over, right, above]))
    read = read_detections(path, 8, SHAPE)
    assert read.rows[:, 1].tolist() == [5, -5]
    assert read.notes == (
        f"{path}:3: 2 detections lie wholly outside of the 160x120 picture: dropped; this line is the first",
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
    with pytest.raises(DataError, match=r"det\.txt:2: "):
        read_detections(path, 8, SHAPE)


def test_no_detections_at_all_are_told(tmp_path):
    (tmp_path / "det.txt").write_text("")
    read = read_detections(tmp_path / "det.txt", 8, SHAPE)
    assert read.rows.shape == (0, 6)
    assert "has no line" in read.notes[0]


def test_scores_that_say_nothing_are_refused(tmp_path):
    (tmp_path / "det.txt").write_text("1,-1,5,5,10,10,-1\n2,-1,5,5,10,10,-1\n")
    with pytest.raises(DataError, match="all 2 scores are -1"):
        read_detections(tmp_path / "det.txt", 8, SHAPE)


def test_truth_of_nobody_is_refused(tmp_path):
    (tmp_path / "gt.txt").write_text("")
    with pytest.raises(DataError, match="has no line"):
        read_truth(tmp_path / "gt.txt", 8)


# Layout


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
    with pytest.raises(DataError, match=r"holds no sequence: a folder with seqinfo\.ini .* and in train/"):
        found(tmp_path)


def test_a_sequence_without_seqinfo_is_named(tmp_path):
    write(tmp_path, "a")
    write(tmp_path, "b")
    (tmp_path / "b" / "seqinfo.ini").unlink()
    with pytest.raises(DataError, match=r"b.seqinfo\.ini is missing"):
        found(tmp_path)


@pytest.mark.parametrize(("length", "ok"), [(600, True), (299, True), (300, False)])
def test_known_lengths_are_held_to(tmp_path, length, ok):
    (tmp_path / "MOT17-02-SDP").mkdir()
    (tmp_path / "MOT17-02-SDP" / "seqinfo.ini").write_text(info("MOT17-02-SDP", length))
    if ok:
        assert found(tmp_path / "MOT17-02-SDP", "val-half")[0].length == 299
        return
    with pytest.raises(
        DataError, match=r"MOT17-02-SDP has 600 frames, and its validation half 299, but .* says .*=300"
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
    with pytest.raises(DataError, match=r"MOT17-09 is its validation half already \(262 frames\)"):
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
    with pytest.raises(DataError, match=r"gmc\.txt must have one row for each of 4 or 9 frames"):
        clip.motion()


def test_pictures_must_be_as_many_as_frames(tmp_path):
    place = write(tmp_path, "a", pictures=True)
    assert [p.name for p in found(tmp_path, "val-half")[0].pictures()] == ["000006.png", "000007.png", "000008.png"]
    (place / "img1" / "000008.png").unlink()
    with pytest.raises(DataError, match=r"has 7 pictures, but seqinfo\.ini says seqLength=8; --partial takes those"):
        found(tmp_path)
    with pytest.raises(DataError, match="no validation half"):
        found(tmp_path, "val-half", partial=True)
    (clip,) = found(tmp_path, partial=True)
    assert clip.length == 7
    assert clip.truth().rows[:, 0].max() == 7


def test_a_hole_in_the_pictures_is_named(tmp_path):
    place = write(tmp_path, "a", pictures=True)
    (place / "img1" / "000003.png").rename(place / "img1" / "000009.png")
    with pytest.raises(DataError, match=r"frame 3 is missing: .* next comes 000004\.png"):
        found(tmp_path)


# What is known


def test_the_whole_validation_half_is_recognized():
    rest = {"09": Counted(30, 3000), "10": Counted(36, 5000), "13": Counted(36, 3958)}
    parts = {f"MOT17-{n}-SDP": c for n, c in (known._COUNTED_HALVES | rest).items()}
    assert check_halves(parts) == ["MOT17's validation half is complete: 339 individuals and 53,890 boxes, as known."]
    with pytest.raises(DataError, match=r"has 339 individuals and 53,890 boxes, but 340 individuals and 53,890 boxes"):
        check_halves(parts | {"MOT17-13-SDP": Counted(37, 3958)})
    with pytest.raises(DataError, match=r"MOT17-05, validation half: 71 individuals .* are known, 70 individuals"):
        check_halves({"MOT17-05": Counted(70, 3357)})


def test_what_is_missing_is_told():
    (told,) = check_halves({"MOT17-02": Counted(53, 9880), "MOT17-99": Counted(1, 1), "MOT16-04": Counted(1, 1)})
    assert told.startswith("1 of the 7 sequences of MOT17's validation half: 53 individuals and 9,880 boxes of 339")
    assert "missing: MOT17-04, MOT17-05, MOT17-09, MOT17-10, MOT17-11, MOT17-13" in told
    assert check_halves({"dancetrack0001": Counted(9, 9)}) == []


# The cache


def squares():
    return {"a": np.arange(5.0) ** 2, "notes": np.array(["x"])}


def test_arrays_are_computed_once(tmp_path):
    calls, kept = [], Cache(tmp_path)
    for _ in range(2):
        arrays = kept.arrays("s", "stage", {"of": 1}, lambda: calls.append(1) or squares())
        np.testing.assert_array_equal(arrays["a"], squares()["a"])
    kept.arrays("s", "stage", {"of": 2}, lambda: calls.append(2) or squares())
    assert calls == [1, 2]


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.999), damage=st.booleans())
def test_a_half_written_file_is_redone_and_never_trusted(tmp_path_factory, share, damage):
    kept, told = Cache(tmp_path_factory.mktemp("cache")), []
    kept.arrays("s", "stage", {}, squares)
    path = kept.path("s", "stage", {})
    whole = path.read_bytes()
    cut = int(share * len(whole))
    path.write_bytes(whole[:cut] + (bytes([whole[cut] ^ 255]) + whole[cut + 1 :] if damage else b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module, "tell", told.append)
        arrays = kept.arrays("s", "stage", {}, squares)
    np.testing.assert_array_equal(arrays["a"], squares()["a"])
    assert arrays["notes"].tolist() == ["x"]
    assert "damaged or half written" in told[0]
    assert len(path.read_bytes()) == len(whole)


def test_a_file_of_something_else_is_redone(tmp_path, capsys):
    kept = Cache(tmp_path)
    kept.arrays("s", "stage", {"of": 1}, squares)
    kept.path("s", "stage", {"of": 1}).rename(kept.path("s", "stage", {"of": 2}))
    assert kept.arrays("s", "stage", {"of": 2}, lambda: {"a": np.zeros(2)})["a"].tolist() == [0, 0]
    assert "is of something else" in capsys.readouterr().err


def test_who_is_interrupted_leaves_nothing(tmp_path):
    kept = Cache(tmp_path)

    class Interrupt:
        def __array__(self, *_, **__):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.arrays("s", "stage", {}, lambda: {"a": Interrupt()})
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_slugs_are_file_names_that_differ(a, b):
    assert "/" not in slug(a)
    assert 0 < len(slug(a)) < 90
    assert (slug(a) == slug(b)) == (a == b)


# Trackers


def test_trackers_are_split_at_commas_but_for_their_changes():
    text = "reid_botsort,botsort:with_reid=True,proximity_thresh=0,bytetrack"
    assert split([text, "a.yaml"]) == [
        *("reid_botsort", "botsort:with_reid=True,proximity_thresh=0", "bytetrack", "a.yaml"),
    ]
    with pytest.raises(ChoiceError, match="with_reid=True: no tracker; changes come behind a colon, botsort:with_re"):
        split(["botsort,with_reid=True"])


def test_changes_are_yaml_and_go_before_thresholds_for_all():
    (choice,) = choose(
        ["botsort:with_reid=True,match_thresh=1e-1,new_track_thresh=0.3"], {"high": 0.6, "new": 0.7}, "x"
    )
    config = choice.config
    assert (config["with_reid"], config["match_thresh"]) == (True, 0.1)
    assert (config["track_high_thresh"], config["new_track_thresh"], config["track_low_thresh"]) == (0.6, 0.3, 0.1)
    assert (choice.appearance, choice.motion) == (True, "sparseOptFlow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("botsrt", r"no tracker 'botsrt', perhaps botsort; there are botsort, bytetrack, .*reid_botsort"),
        ("nowhere.yaml", r"no tracker 'nowhere\.yaml'"),
        ("botsort:proximty_thresh=0", r"no key 'proximty_thresh'; the nearest is 'proximity_thresh'"),
        ("botsort:with_reid=yes please", r"with_reid is False by default, so it can't be 'yes please'"),
        ("botsort:track_buffer=long", r"track_buffer is 30 by default, so it can't be 'long'"),
        ("botsort:track_buffer", r"'track_buffer' is no key=value"),
        ("botsort:gmc_method=orb", r"gmc_method orb depends on the tracker's own boxes"),
        ("botsort:model=osnet.pt", r"model can't differ, as embeddings are the same for all: --embedder"),
        ("botsort:with_reid=True", r"with_reid needs embeddings: choose an --embedder"),
        ("reid_botsort:memory_seconds=-1", r"reid_botsort:memory_seconds=-1: .*memory_seconds"),
        ("botsort,botsort", r"asked for twice: botsort"),
    ],
)
def test_wrong_trackers_are_named(text, told):
    with pytest.raises(ChoiceError, match=told):
        choose([text], {}, NONE)


@pytest.mark.parametrize(
    ("package", "text", "told"),
    [
        ("boxmot", "boxmot/botsort", r"pip install 'boxmot>=25'"),
        ("trackers", "roboflow/botsort", r"pip install 'trackers>=2\.6'"),
    ],
)
def test_packages_that_are_missing_are_named(monkeypatch, package, text, told):
    for module in ("boxmot", "roboflow"):
        monkeypatch.setattr(f"benchmarks.harness.mot.{module}.has", lambda name: not name.startswith(package))
    with pytest.raises(ChoiceError, match=told):
        choose([text], {}, NONE)


def test_thresholds_go_to_the_names_that_a_tracker_knows():
    names = {"high": ("track_thresh", "det_thresh"), "low": ("low_thresh",)}
    assert asked_for({"high": 0.6, "low": 0.1}, names, {"det_thresh": 0.5}) == {"det_thresh": 0.6}


def test_numbers_of_both_kinds_fit_and_switches_are_none():
    need_keys("x", {"a": 1, "b": 0.5, "c": "word"}, {"a": 0.5, "b": 3, "c": "other", "d": None})
    with pytest.raises(ChoiceError, match="a is 1 by default"):
        need_keys("x", {"a": True}, {"a": 1})


def test_given_motion_is_that_of_the_frame():
    motion = GivenMotion(np.arange(12.0).reshape(2, 2, 3))
    motion.at = 1
    assert motion.apply(None)[0, 0] == motion.estimate(None, None)[0, 0] == 6


# Scores


def wander(rng, length=20, people=6):
    """Ground truth with distractors and rows that don't count, and a tracker's output that is wrong in many ways."""
    start, speed = rng.uniform(0, 300, (people, 2)), rng.normal(0, 4, (people, 2))
    kinds = rng.choice([1, 1, 1, 2, 6, 7, 8, 12, 3], people)
    rows, frames = [], []
    for n in range(1, length + 1):
        seen = np.flatnonzero(rng.random(people) < 0.9)
        places = start[seen] + speed[seen] * n
        rows += [
            [n, i + 1, *p, 30, 60, int(rng.random() < 0.9), kinds[i], 1] for i, p in zip(seen, places, strict=True)
        ]
        hit = rng.random(len(seen)) < 0.85
        boxes = np.concatenate([places[hit] + rng.normal(0, 4, (hit.sum(), 2)), rng.uniform(0, 300, (2, 2))])
        ids = np.concatenate([seen[hit] + 10 * (n > length // 2) * (seen[hit] % 2), [80, 81]])
        frames.append(Frame(ids.astype(np.int64), np.hstack([boxes, boxes + np.array([30, 60])]).astype(np.float32)))
    return Truth(np.array(rows, float), True), frames


def official(folder, benchmark, sequences, tracker="it"):
    """TrackEval as its own script runs it: on files, in its own folders, with a map of sequences."""
    import trackeval

    split = f"{benchmark}-train"
    (folder / "gt" / "seqmaps").mkdir(parents=True, exist_ok=True)
    (folder / "gt" / "seqmaps" / f"{split}.txt").write_text("\n".join(["name", *sequences]) + "\n")
    where = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers"), "BENCHMARK": benchmark}
    with redirect_stdout(io.StringIO()):
        dataset = trackeval.datasets.MotChallenge2DBox({**where, "TRACKERS_TO_EVAL": [tracker]})
        kinds = (trackeval.metrics.HOTA, trackeval.metrics.CLEAR, trackeval.metrics.Identity)
        evaluator = trackeval.Evaluator({"PLOT_CURVES": False, "LOG_ON_ERROR": None, "TIME_PROGRESS": False})
        scores, _ = evaluator.evaluate([dataset], [kind({"THRESHOLD": 0.5}) for kind in kinds])
    return {name: s["pedestrian"] for name, s in scores["MotChallenge2DBox"][tracker].items()}


def assert_same(ours, theirs):
    """Counts exactly, and what is computed of them to 1e-4."""
    for metric, fields in theirs.items():
        for name, value in fields.items():
            exact = np.issubdtype(np.asarray(value).dtype, np.integer)
            np.testing.assert_allclose(ours[metric][name], value, rtol=0, atol=0 if exact else 1e-4, err_msg=name)


@pytest.mark.parametrize("benchmark", ["MOT15", "MOT16", "MOT17", "MOT20"])
def test_scores_are_those_of_trackeval_run_its_own_way(tmp_path, benchmark):
    rng, ours = np.random.default_rng(7), {}
    for name in (f"{benchmark}-a", f"{benchmark}-b"):
        truth, frames = wander(rng)
        place = tmp_path / "gt" / f"{benchmark}-train" / name
        (place / "gt").mkdir(parents=True)
        (place / "seqinfo.ini").write_text(info(name, len(frames)))
        np.savetxt(place / "gt" / "gt.txt", truth.rows, fmt="%d,%d,%.17g,%.17g,%d,%d,%d,%d,%g")
        write_result(tmp_path / "trackers" / f"{benchmark}-train" / "it" / "data" / f"{name}.txt", frames)
        ours[name] = score(read_truth(place / "gt" / "gt.txt", len(frames)), frames, benchmark)
    theirs = official(tmp_path, benchmark, list(ours))
    for name, scores in ours.items():
        assert_same(scores, theirs[name])
    assert_same(combine(ours), theirs["COMBINED_SEQ"])
    assert all(s["CLEAR"]["IDSW"] and s["CLEAR"]["Frag"] and s["CLEAR"]["CLR_FP"] for s in ours.values())


@pytest.mark.parametrize(
    ("name", "classes", "benchmark"),
    [
        ("MOT20-01", True, "MOT20"),
        ("MOT17-02-SDP", True, "MOT17"),
        ("dancetrack0001", True, "MOT17"),
        ("TUD-Stadtmitte", False, "MOT15"),
        ("MOT20-01", False, "MOT15"),
    ],
)
def test_rules_are_told_by_name_and_form(name, classes, benchmark):
    assert benchmark_of(name, Truth(np.zeros((0, 9)), classes)) == benchmark


def test_distractors_differ_by_benchmark():
    truth, frames = wander(np.random.default_rng(3), length=60, people=30)
    counted = {b: score(truth, frames, b)["Count"]["Dets"] for b in ("MOT15", "MOT17", "MOT20")}
    assert counted["MOT15"] > counted["MOT17"] > counted["MOT20"]


def test_scores_on_real_data_are_those_of_trackeval_run_its_own_way(shared, tmp_path):
    source = shared("data/mot17-val/MOT17-05")
    (clip,) = find_clips(source, "val-half", None, (), False)
    job = Track(
        clip, Recipe(Cache(tmp_path / "cache")), 0, HostChoice("bytetrack.yaml", "bytetrack"), tmp_path / "r", True
    )
    outcome = job()
    shutil.copytree(source, tmp_path / "gt" / "MOT17-train" / "MOT17-05")
    data = tmp_path / "trackers" / "MOT17-train" / "it" / "data"
    data.mkdir(parents=True)
    shutil.copy(tmp_path / "r", data / "MOT17-05.txt")
    theirs = official(tmp_path, "MOT17", ["MOT17-05"])["MOT17-05"]
    assert_same(outcome.score, theirs)
    assert theirs["CLEAR"]["CLR_TP"] + theirs["CLEAR"]["CLR_FN"] == 3357


def test_an_output_that_trackeval_refuses_is_told():
    truth, frames = wander(np.random.default_rng(1))
    twice = Frame(np.array([1, 1]), np.array([[0, 0, 9, 9], [5, 5, 9, 9]], np.float32))
    with pytest.raises(MotError, match=r"TrackEval refuses it: .*same ID more than once"):
        score(truth, [twice, *frames[1:]], "MOT17")


# Intervals


@pytest.fixture(scope="module")
def scored():
    """Scores of two trackers on five sequences; the second is worse."""
    rng, good, bad = np.random.default_rng(11), [], []
    for n in range(5):
        truth, frames = wander(rng, length=10 + 2 * n)
        good.append(score(truth, frames, "MOT17"))
        split_up = [Frame(f.ids + 100 * (n // 3), f.xyxy) for n, f in enumerate(frames)]
        bad.append(score(truth, split_up, "MOT17"))
    return good, bad


def test_totals_of_drawn_sequences_are_trackevals_own_combination(scored):
    counts = np.concatenate([np.ones((1, 5), int), draws(5, 8, seed=1)])
    found = totals(scored[0], counts)
    for r, row in enumerate(counts):
        drawn = [scored[0][s] for s in np.repeat(np.arange(5), row)]
        whole = combine({str(i): s for i, s in enumerate(drawn)})
        expected = [np.mean(whole["HOTA"]["HOTA"]), whole["Identity"]["IDF1"], whole["CLEAR"]["MOTA"]]
        expected.append(np.mean(whole["HOTA"]["AssA"]))
        assert [found[m][r] for m in METRICS] == pytest.approx([100 * float(v) for v in expected], abs=1e-9)


def test_intervals_hold_the_difference_and_are_the_same_each_time(scored):
    good, bad = scored
    found = differences([bad], [good], 500)
    assert found == differences([bad], [good], 500)
    assert found["IDF1"].high < 0
    assert all(d.low <= d.value <= d.high for d in found.values())
    assert all(d.low == d.value == d.high == 0 for d in differences([good], [good], 50).values())


def test_copies_of_a_scene_are_drawn_together(scored):
    good, bad = scored
    thrice = [[score for score in scores for _ in range(3)] for scores in (bad, good)]
    names = [name for name in "abcde" for _ in range(3)]
    known, copied = differences([bad], [good], 500), differences([thrice[0]], [thrice[1]], 500, scenes=names)
    for metric in METRICS:
        assert (copied[metric].low, copied[metric].high) == pytest.approx((known[metric].low, known[metric].high))


def test_runs_are_averaged(scored):
    good, bad = scored
    whole, mixed = differences([bad], [good], 50), differences([bad, good], [good, good], 50)
    assert mixed["IDF1"].value == pytest.approx(whole["IDF1"].value / 2)


@given(st.integers(1, 9), st.integers(1, 30))
def test_as_many_sequences_are_drawn_as_there_are(sequences, count):
    assert draws(sequences, count).sum(axis=1).tolist() == [sequences] * count


# Tables and files


def part_of(scored, sequences):
    labels = [HostChoice("botsort.yaml", "botsort"), HostChoice("bytetrack.yaml", "worse")]
    outcomes = [
        Outcome(choice.label, str(n), 0, 1.25, scores[n])
        for choice, scores in zip(labels, scored, strict=True)
        for n in range(sequences)
    ]
    times = {str(n): {"detect": 10.0 + n, "embed": 7.0, "motion sparseOptFlow": 5.0} for n in range(sequences)}
    return Part("Title", labels, [str(n) for n in range(sequences)], outcomes, times)


def test_tables_show_combined_and_each_with_times_of_what_a_tracker_uses(scored):
    first, second, third = tables(part_of(scored, 2))
    assert COMBINED in first
    assert second.splitlines()[0] == "**Title: 0**"
    assert third.splitlines()[0] == "**Title: 1**"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in first.splitlines()[2:]]
    assert rows[0][-3:] == ["ms detect", "ms motion", "ms track"]
    assert [r[-3:] for r in rows[2:]] == [["10.5", "5.0", "1.2"], ["10.5", "-", "1.2"]]


def test_an_interval_of_few_sequences_is_called_worthless(scored):
    assert "worth nothing" in difference_table(part_of(scored, 2), "botsort", 50)
    assert "which are few" in difference_table(part_of(scored, 5), "botsort", 50)
    assert "no interval" in difference_table(part_of(scored, 1), "botsort", 50)
    assert "No ocsort among the trackers" in difference_table(part_of(scored, 2), "ocsort", 50)


@pytest.mark.parametrize(("own", "missing"), [(True, []), (False, ["MOT17-01-DPM", "MOT17-01-SDP"])])
def test_the_servers_zip_has_each_sequence_under_three_names(tmp_path, own, missing):
    for name in ("MOT17-01-FRCNN", "MOT20-04"):
        (tmp_path / f"{name}.txt").write_text(name)
    files = sorted(tmp_path.glob("*.txt"))
    assert bundle(tmp_path / "x.zip", files, own_detections=own) == missing
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = archive.namelist()
        assert archive.read("MOT17-01-FRCNN.txt") == b"MOT17-01-FRCNN"
    wanted = ["MOT17-01-DPM.txt", "MOT17-01-FRCNN.txt", "MOT17-01-SDP.txt", "MOT20-04.txt"]
    assert names == [n for n in wanted if n.removesuffix(".txt") not in missing]


# Whole runs


def test_what_is_kept_gives_what_was_tracked(tmp_path):
    write(tmp_path / "data", "a", length=9, pictures=True)
    (clip,) = found(tmp_path / "data", "val-half")
    recipe = Recipe(Cache(tmp_path / "cache"), motion=("sparseOptFlow",))
    inputs = prepare(clip, recipe)
    assert sorted(inputs.times) == ["motion sparseOptFlow"]
    # Everything moves to the right by a pixel a frame.
    np.testing.assert_allclose(inputs.warps["sparseOptFlow"][1:, 0, 2], 1, atol=0.2)
    job = Track(clip, recipe, 0, HostChoice("botsort.yaml", "botsort"), tmp_path / "result.txt", True)
    first, again = job(), job()
    assert first.milliseconds == again.milliseconds
    scene = Sequence(clip.name, clip.info.fps, (), {}, None)
    run = run_cached(BOTSORT, scene, inputs.detections, shape=SHAPE, warps=inputs.warps["sparseOptFlow"])
    expected = [f"{n},{i}" for n, f in enumerate(run.frames, start=1) for i in f.ids]
    assert [",".join(line.split(",")[:2]) for line in (tmp_path / "result.txt").read_text().split()] == expected


@pytest.mark.slow
def test_what_is_kept_gives_what_a_user_gets(shared, tmp_path):
    """Detector, camera motion and tracker in stages, and the host's own pipeline, frame by frame."""
    from ultralytics import YOLO

    weights, video = shared("models/yolo11n.pt"), cv2.VideoCapture(str(shared("data/pets09-s2l1/vtest.avi")))
    frames = [video.read()[1] for _ in range(10)]
    place = write(tmp_path / "data", "a", length=len(frames), pictures=True)
    (place / "seqinfo.ini").write_text(info("a", len(frames)).replace("160", "768").replace("120", "576"))
    for n, frame in enumerate(frames, start=1):
        cv2.imwrite(str(place / "img1" / f"{n:06}.png"), frame)
    (clip,) = found(tmp_path / "data")
    recipe = Recipe(Cache(tmp_path / "cache"), given=False, detector=Detector(weights), motion=("sparseOptFlow",))
    Track(clip, recipe, 0, HostChoice("botsort.yaml", "botsort"), tmp_path / "result.txt", False)()
    model, expected = YOLO(weights), []
    for n, frame in enumerate(frames, start=1):
        boxes = model.track(frame, persist=True, tracker="botsort.yaml", conf=0.1, classes=[0], verbose=False)[0].boxes
        expected += [(n, *row) for row in boxes.data[:, [4, 0, 1]].tolist()] if boxes.id is not None else []
    rows = np.loadtxt(tmp_path / "result.txt", delimiter=",")[:, :4]
    assert len(rows) > 10
    np.testing.assert_allclose(rows, expected, atol=1e-3)


@pytest.mark.parametrize(("at", "ids"), [(15, 1), (20, 2)])
def test_camera_motion_is_that_of_its_frame(at, ids):
    """Somebody stands still before a camera that jumps 100 pixels to the left in frame 15."""
    warps = np.tile(np.eye(2, 3), (30, 1, 1))
    warps[at, 0, 2] = 100
    running = HostChoice("botsort.yaml", "botsort").start(25, (480, 640), warps)
    box = np.array([[100, 100, 140, 200]], np.float32)
    moved = box + np.array([100, 0, 100, 0], np.float32)
    seen = [running.update(n, Detections(box if n < 15 else moved, ONE, ONE * 0, None)) for n in range(30)]
    assert len({int(i) for frame in seen for i in frame.ids}) == ids


def test_only_trackers_that_look_are_run_on_each_simulation():
    recipe = Recipe(Cache(CHECKOUT), embedder="simulated")
    assert len(seeds_of(HostChoice("botsort.yaml", "a"), recipe, 3)) == 1
    assert len(seeds_of(HostChoice("botsort.yaml", "b", {"with_reid": True}), recipe, 3)) == 3


@pytest.mark.slow
def test_jobs_in_several_processes_come_back_in_their_order(tmp_path):
    write(tmp_path, "a", pictures=True)
    write(tmp_path, "b", length=5, pictures=True)
    clips = found(tmp_path)
    jobs = [clip.truth for clip in clips]
    assert [len(t.rows) for t in do_all(jobs, 2, "x")] == [len(t.rows) for t in do_all(jobs, 1, "x")] == [24, 15]
    (tmp_path / "b" / "gt" / "gt.txt").write_text("1,2\n")
    with pytest.raises(DataError, match=r"gt\.txt:1"):
        do_all(jobs, 2, "x")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on generated data; returns its exit code."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    monkeypatch.syspath_prepend(str(tmp_path))
    script = importlib.import_module("mot17")

    def run(*args):
        places = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--jobs", "1"]
        monkeypatch.setattr(sys, "argv", ["mot17.py", "--data", str(tmp_path / "data"), *places, *args])
        try:
            script.main()
        except SystemExit as end:
            return end.code
        return 0

    return run


FACTORY = """
import numpy as np
calls = []
def make(weights, device):
    def embed(image, xyxy):
        calls.append(len(xyxy))
        return np.eye(4, dtype=np.float32)[np.arange(len(xyxy)) % 4]
    return embed
"""


@pytest.mark.slow
def test_a_whole_run_writes_everything_and_computes_nothing_twice(command, tmp_path, capsys):
    (tmp_path / "own_embedder.py").write_text(FACTORY)
    for name in ("a", "b", "c"):
        write(tmp_path / "data" / "train", name, length=9, pictures=True)
    args = ["--embedder", "own_embedder:make", "--trackers", "botsort:with_reid=True,bytetrack,reid_botsort"]
    args += ["--baseline", "bytetrack", "--draws", "50"]
    assert command(*args) == 0
    calls = importlib.import_module("own_embedder").calls
    assert len(calls) == 3 * 4
    out = tmp_path / "out"
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["tracker"], r["sequence"]) for r in rows][:4] == [
        ("botsort:with_reid=True", s) for s in (*"abc", COMBINED)
    ]
    assert {float(r["IDF1"]) for r in rows} == {100.0}
    assert json.loads((out / "scores.json").read_text())["scores"][0]["HOTA"] == pytest.approx(float(rows[0]["HOTA"]))
    assert (out / "table.md").read_text() in capsys.readouterr().out
    results = sorted((out / "results").rglob("*.txt"))
    assert [p.stem for p in results] == [*"abc"] * 3
    assert len(results[0].read_text().splitlines()) == 4 * 3
    # Again: nothing is embedded, though one result is lost and one sequence is new.
    results[0].unlink()
    write(tmp_path / "data" / "train", "d", length=9, pictures=True)
    assert command(*args) == 0
    assert len(calls) == 4 * 4
    assert results[0].is_file()


def test_what_has_truth_is_not_for_the_server(command, tmp_path, capsys):
    write(tmp_path / "data" / "test", "MOT17-99-FRCNN")
    assert command("--split", "test", "--trackers", "bytetrack") == 2
    assert "has ground truth" in capsys.readouterr().err


def test_a_test_split_gives_files_only(command, tmp_path, capsys):
    for detector in ("DPM", "FRCNN", "SDP"):
        place = write(tmp_path / "data" / "test", f"MOT17-99-{detector}")
        shutil.rmtree(place / "gt")
    assert command("--split", "test", "--trackers", "bytetrack") == 0
    assert "the server wants MOT17-99-DPM, MOT17-99-SDP too" in capsys.readouterr().out
    assert command("--split", "test", "--trackers", "bytetrack", "--public", "all") == 0
    (path,) = (tmp_path / "out" / "server").rglob("*.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"MOT17-99-{d}.txt" for d in ("DPM", "FRCNN", "SDP")]
        assert archive.read("MOT17-99-SDP.txt").startswith(b"1,1,")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--embedder", "auto", "--trackers", "reid_botsort"], "--embedder auto takes the detector's own features"),
        (["--embedder", "no_such:factory", "--trackers", "reid_botsort"], "--embedder no_such:factory: "),
        (["--weights", "nowhere.pth"], "--weights nowhere.pth is missing"),
        (["--detections", "nowhere"], "--detections nowhere is no folder"),
        (["--baseline", "ocsort", "--trackers", "botsort"], "--baseline ocsort is none of the trackers: botsort"),
        (["--sequences", "z"], "no sequence z here, but a"),
        (["--detections", str(CHECKOUT)], "a.txt is missing; there are --detector and --detections DIR"),
    ],
)
def test_what_is_wrong_ends_with_a_message_and_exit_code_2(command, tmp_path, capsys, args, told):
    write(tmp_path / "data", "a", pictures=True)
    assert command(*args) == 2
    assert told in capsys.readouterr().err


def test_a_damaged_picture_is_named(command, tmp_path, capsys):
    place = write(tmp_path / "data", "a", pictures=True)
    (place / "img1" / "000007.png").write_bytes(b"no picture")
    assert command("--trackers", "botsort") == 2
    assert "000007.png can't be read as a picture" in capsys.readouterr().err


def test_missing_truth_is_named(command, tmp_path, capsys):
    place = write(tmp_path / "data", "a")
    (place / "gt" / "gt.txt").unlink()
    assert command("--trackers", "bytetrack") == 2
    assert "without ground truth, only --split test" in capsys.readouterr().err
