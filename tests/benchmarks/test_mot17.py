"""The mot17 run: jobs, tables, files, and its command line."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from mot_files import ONE, SHAPE, found, info, write

from benchmarks.__main__ import main
from benchmarks.harness.contenders.host import HostContender
from benchmarks.harness.contenders.stock import BOTSORT
from benchmarks.harness.data.cache import Cache
from benchmarks.harness.data.inputs import prepare
from benchmarks.harness.data.recipe import Detector, Recipe
from benchmarks.harness.data.sequences import Detections, Sequence
from benchmarks.harness.jobs import do_all
from benchmarks.harness.mot17.bundle import bundle
from benchmarks.harness.mot17.jobs import Outcome, Track, seeds_of
from benchmarks.harness.mot17.tables import Comparison, difference_table, tables
from benchmarks.harness.options import CHECKOUT
from benchmarks.harness.scoring.track_eval import COMBINED
from benchmarks.harness.tracking import run_cached
from ultralytics_reid.errors import DatasetError


def part_of(scored, sequences):
    labels = [HostContender("botsort", "botsort.yaml"), HostContender("worse", "bytetrack.yaml")]
    outcomes = [
        Outcome(contender.label, str(n), 0, 1.25, scores[n])
        for contender, scores in zip(labels, scored, strict=True)
        for n in range(sequences)
    ]
    times = {str(n): {"detect": 10.0 + n, "embed": 7.0, "motion sparseOptFlow": 5.0} for n in range(sequences)}
    return Comparison("Title", labels, [str(n) for n in range(sequences)], outcomes, times)


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


def test_what_is_kept_gives_what_was_tracked(tmp_path):
    write(tmp_path / "data", "a", length=9, images=True)
    (clip,) = found(tmp_path / "data", "val-half")
    recipe = Recipe(Cache(tmp_path / "cache"), motion=("sparseOptFlow",))
    inputs = prepare(clip, recipe)
    assert sorted(inputs.times) == ["motion sparseOptFlow"]
    # Everything moves to the right by a pixel a frame.
    np.testing.assert_allclose(inputs.warps["sparseOptFlow"][1:, 0, 2], 1, atol=0.2)
    job = Track(clip, recipe, 0, HostContender("botsort", "botsort.yaml"), tmp_path / "result.txt", True)
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
    place = write(tmp_path / "data", "a", length=len(frames), images=True)
    (place / "seqinfo.ini").write_text(info("a", len(frames)).replace("160", "768").replace("120", "576"))
    for n, frame in enumerate(frames, start=1):
        cv2.imwrite(str(place / "img1" / f"{n:06}.png"), frame)
    (clip,) = found(tmp_path / "data")
    recipe = Recipe(Cache(tmp_path / "cache"), given=False, detector=Detector(weights), motion=("sparseOptFlow",))
    Track(clip, recipe, 0, HostContender("botsort", "botsort.yaml"), tmp_path / "result.txt", False)()
    model, expected = YOLO(weights), []
    for n, frame in enumerate(frames, start=1):
        boxes = model.track(frame, persist=True, tracker="botsort.yaml", conf=0.1, classes=[0], verbose=False)[0].boxes
        expected += [(n, *row) for row in boxes.data[:, [4, 0, 1]].tolist()] if boxes.id is not None else []
    rows = np.loadtxt(tmp_path / "result.txt", delimiter=",")[:, :4]
    assert len(rows) > 10
    np.testing.assert_allclose(rows, expected, atol=1e-3)


@pytest.mark.parametrize(("at", "ids"), [(15, 1), (20, 2)])
def test_camera_motion_is_that_of_its_frame(at, ids):
    """A person stands still before a camera that jumps 100 pixels to the left in frame 15."""
    warps = np.tile(np.eye(2, 3), (30, 1, 1))
    warps[at, 0, 2] = 100
    running = HostContender("botsort", "botsort.yaml").start(25, (480, 640), warps)
    box = np.array([[100, 100, 140, 200]], np.float32)
    moved = box + np.array([100, 0, 100, 0], np.float32)
    seen = [running.update(n, Detections(box if n < 15 else moved, ONE, ONE * 0, None)) for n in range(30)]
    assert len({int(i) for frame in seen for i in frame.ids}) == ids


def test_only_trackers_that_look_are_run_on_each_simulation():
    recipe = Recipe(Cache(CHECKOUT), embedder="simulated")
    assert len(seeds_of(HostContender("a", "botsort.yaml"), recipe, 3)) == 1
    assert len(seeds_of(HostContender("b", "botsort.yaml", {"with_reid": True}), recipe, 3)) == 3


@pytest.mark.slow
def test_jobs_in_several_processes_come_back_in_their_order(tmp_path):
    write(tmp_path, "a", images=True)
    write(tmp_path, "b", length=5, images=True)
    clips = found(tmp_path)
    jobs = [clip.truth for clip in clips]
    assert [len(t.rows) for t in do_all(jobs, 2, "x")] == [len(t.rows) for t in do_all(jobs, 1, "x")] == [24, 15]
    (tmp_path / "b" / "gt" / "gt.txt").write_text("1,2\n")
    with pytest.raises(DatasetError, match=r"gt\.txt:1"):
        do_all(jobs, 2, "x")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on generated data; returns its exit code."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*args):
        places = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--jobs", "1"]
        return main(["mot17", "--data", str(tmp_path / "data"), *places, *args])

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
        write(tmp_path / "data" / "train", name, length=9, images=True)
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
    write(tmp_path / "data" / "train", "d", length=9, images=True)
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
    write(tmp_path / "data", "a", images=True)
    assert command(*args) == 2
    assert told in capsys.readouterr().err


def test_a_damaged_image_is_named(command, tmp_path, capsys):
    place = write(tmp_path / "data", "a", images=True)
    (place / "img1" / "000007.png").write_bytes(b"no image")
    assert command("--trackers", "botsort") == 2
    assert "000007.png can't be read as an image" in capsys.readouterr().err


def test_missing_truth_is_named(command, tmp_path, capsys):
    place = write(tmp_path / "data", "a")
    (place / "gt" / "gt.txt").unlink()
    assert command("--trackers", "bytetrack") == 2
    assert "without ground truth, only --split test" in capsys.readouterr().err
