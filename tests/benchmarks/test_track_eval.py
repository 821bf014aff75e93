"""Scores are TrackEval's own, and intervals follow from them."""

from __future__ import annotations

import io
import shutil
import textwrap
from contextlib import redirect_stdout

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mot_files import info, wander

from benchmarks.harness.contenders.host import HostContender
from benchmarks.harness.data.cache import Cache
from benchmarks.harness.data.inputs import boxes_of_file, by_frame
from benchmarks.harness.data.layout import find_clips
from benchmarks.harness.data.recipe import Recipe
from benchmarks.harness.data.sequences import load_sequence
from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.mot17.jobs import Track
from benchmarks.harness.scoring.bootstrap import METRICS, differences, draws, totals
from benchmarks.harness.scoring.track_eval import COMBINED, benchmark_of, combine, figures, score, write_result
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.mot_files import Truth, frames_of, read_truth


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
        clip, Recipe(Cache(tmp_path / "cache")), 0, HostContender("bytetrack", "bytetrack.yaml"), tmp_path / "r", True
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
    twice = FrameBoxes(np.array([1, 1]), np.array([[0, 0, 9, 9], [5, 5, 9, 9]], np.float32))
    with pytest.raises(BenchmarkError, match=r"TrackEval refuses it: .*same ID more than once"):
        score(truth, [twice, *frames[1:]], "MOT17")


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


@pytest.fixture
def folder(tmp_path):
    """Four frames: pedestrians 1 and 2, a person on a vehicle (class 2), and a pedestrian that doesn't count."""
    places = {1: (0, 1, 1), 2: (100, 1, 1), 3: (200, 0, 2), 4: (300, 0, 1)}
    rows = [f"{n},{i},{x},0,10,20,{flag},{cls},1" for n in range(1, 5) for i, (x, flag, cls) in places.items()]
    for name, text in {
        "seqinfo.ini": "[Sequence]\nname=MOT17-00-FRCNN\nframeRate=30\nseqLength=4\nimWidth=640\nimHeight=480\n",
        "gt/gt.txt": "\n".join(rows),
        "det/det.txt": "1,-1,-5,0,10,20,0.9\n3,-1,100.5,0,10,20,0.4\n3,-1,0,0,10,20,0.1\n",
        "gmc.txt": "".join(f"{n}\t1.0\t0.0\t{n}.5\t0.0\t1.0\t0.0\t\n" for n in range(4)),
    }.items():
        path = tmp_path / "MOT17-00" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def output(*frames):
    """A tracker's output from dicts of ids by place."""
    return tuple(
        FrameBoxes(
            np.array(list(f.values()), np.int64), np.array([(x, 0, x + 10, 20) for x in f], np.float32).reshape(-1, 4)
        )
        for f in frames
    )


def test_a_clip_is_read_with_its_detections_and_camera_motion(folder):
    (clip,) = find_clips(folder, "train", None, (), partial=False)
    assert (clip.name, clip.info.fps, clip.info.shape) == ("MOT17-00", 30.0, (480, 640))
    assert [f.ids.tolist() for f in frames_of(clip.truth().rows, clip.length)] == [[1, 2, 3, 4]] * 4
    found = by_frame(boxes_of_file(clip, clip.public()), clip.length)
    assert [len(d.xyxy) for d in found] == [1, 0, 2, 0]
    np.testing.assert_array_equal(found[0].xyxy, [[-5, 0, 5, 20]])
    np.testing.assert_allclose(found[2].conf, [0.4, 0.1])
    assert found[0].feats is None
    np.testing.assert_array_equal(clip.motion()[2], [[1, 0, 2.5], [0, 1, 0]])


def test_a_missing_camera_motion_is_told(folder):
    (folder / "MOT17-00" / "gmc.txt").write_text("0 1 0 0 0 1 0\n")
    (clip,) = find_clips(folder, "train", None, (), partial=False)
    with pytest.raises(DatasetError, match=r"gmc\.txt must have one row for each of 4 frames"):
        clip.motion()


def evaluate(folder, outputs):
    """Figures by MOTChallenge's rule, of each sequence and combined."""
    scores = {}
    for name, frames in outputs.items():
        truth = read_truth(folder / name / "gt" / "gt.txt", len(frames))
        scores[name] = score(truth, frames, benchmark_of(name, truth))
    return {name: figures(s) for name, s in {**scores, COMBINED: combine(scores)}.items()}


def test_distractors_are_dropped_before_mot17_counts(folder):
    # Person 1 is id 5 throughout, person 2 id 6 and from frame 3 on id 7; id 8 is on the vehicle, id 9 on who doesn't
    # count, in frame 1.
    first, second = {0: 5, 100: 6, 200: 8}, {0: 5, 100: 7, 200: 8}
    scores = evaluate(folder, {"MOT17-00": output(first | {300: 9}, first, second, second)})
    # 8 boxes in the truth, 9 in the output without the vehicle's; 6 of them under the best one-to-one naming. One false
    # positive and one switch of 8.
    expected = {"IDF1": 100 * 2 * 6 / (8 + 9), "MOTA": 100 * (1 - 2 / 8), "IDSW": 1, "ids": 4}
    assert {k: scores["MOT17-00"][k] for k in expected} == pytest.approx(expected)
    # 8 of 9 boxes are right; those of person 1 have all in common, those of person 2 half.
    expected = {"DetA": 100 * 8 / 9, "AssA": 100 * (4 * 1 + 4 * 0.5) / 8}
    assert {k: scores["MOT17-00"][k] for k in expected} == pytest.approx(expected)
    assert scores[COMBINED] == pytest.approx(scores["MOT17-00"])


def test_sequences_are_combined_by_boxes(folder):
    (folder / "MOT17-00").rename(folder / "a")
    (folder / "b" / "gt").mkdir(parents=True)
    (folder / "b" / "gt" / "gt.txt").write_text("1,1,0,0,10,20,1,1,1\n2,1,0,0,10,20,1,1,1\n")
    scores = evaluate(folder, {"a": output(*[{0: 5, 100: 6}] * 4), "b": output({}, {})})
    assert (scores["a"]["IDF1"], scores["b"]["IDF1"]) == (100, 0)
    # 8 of 10 boxes found.
    assert scores[COMBINED]["IDF1"] == pytest.approx(100 * 16 / 18)
    assert scores[COMBINED]["MOTA"] == pytest.approx(80)


def test_the_shape_of_images_is_read(folder):
    assert load_sequence(folder / "MOT17-00").shape == (480, 640)
