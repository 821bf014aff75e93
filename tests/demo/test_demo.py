"""`ultralytics-reid demo`: output and files, without a network, and error messages."""

from __future__ import annotations

import os
import shlex
import socket
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ultralytics_reid import BoxIdentity, ConfigError, Gallery, Linked, ReIDError, Revival, RevivalReverted
from ultralytics_reid.cli import main
from ultralytics_reid.config import render_yaml
from ultralytics_reid.demo import DETECTOR, DemoOptions, annotations, run, run_demo, source
from ultralytics_reid.demo.annotations import EventAnnotator, IdentityOwners, LinkAnnotator
from ultralytics_reid.demo.camera_report import CameraReport
from ultralytics_reid.demo.contact_sheet import IdentityCrops, TimedCrop, absence_text
from ultralytics_reid.demo.drawing import Timeline
from ultralytics_reid.demo.ground_truth import ReturnScorer, SceneGroundTruth
from ultralytics_reid.demo.report import Outcome, Report
from ultralytics_reid.demo.runner import Runner
from ultralytics_reid.demo.video import SideBySideVideo
from ultralytics_reid.drawing.boxes import BoxLabel, draw_boxes
from ultralytics_reid.drawing.colors import BAD, COLORS, FAINT, GOOD, bgr, color_of
from ultralytics_reid.drawing.text import paste, render_text
from ultralytics_reid.drawing.video import open_video
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import returns
from ultralytics_reid.gallery.records import Records, Visit
from ultralytics_reid.gallery.store import open_store

FRAMES, FPS = 20, 10
SCENE_FILES = {"scene.mp4", "tracked.mp4", "identities.png"}
CAMERA_FILES = {"west.mp4", "east.mp4", "cameras.mp4", "gallery.db", "query.png"}
COMMAND_FILES = {"found.png", "heatmap.png"}


def length_and_size(path):
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    return count, (int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)))


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def no_network():
    """Refuse and record network access."""
    import ultralytics  # which looks for a network when it is imported

    assert ultralytics
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("there is no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield asked


@pytest.fixture(scope="module")
def shown(no_network, tmp_path_factory):
    """A few seconds of the demo, as the command runs it: its folder, what it printed, its report."""
    import contextlib
    import io

    reports, out, printed = [], tmp_path_factory.mktemp("demo") / "out", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(run, "run_demo", lambda options: reports.append(run_demo(options)) or reports[0])
        code = main(["demo", "--seconds", str(FRAMES / FPS), "--people", "3", "--seed", "3", "--out", str(out)])
    return SimpleNamespace(code=code, out=out, text=printed.getvalue(), report=reports[0], asked=list(no_network))


class TestScene:
    def test_it_needs_no_network(self, shown):
        assert (shown.code, shown.asked) == (0, [])

    def test_it_writes_what_it_says_and_nothing_else(self, shown):
        assert names(shown.out) == SCENE_FILES | CAMERA_FILES | COMMAND_FILES
        assert {path.name for path in shown.report.files} == SCENE_FILES | CAMERA_FILES

    def test_only_their_owner_can_read_its_files(self, shown):
        assert {path.stat().st_mode & 0o777 for path in shown.out.iterdir()} == {0o600}

    def test_its_video_has_every_frame_with_both_panels(self, shown):
        scene, size = length_and_size(shown.out / "scene.mp4")
        tracked, (width, height) = length_and_size(shown.out / "tracked.mp4")
        assert scene == tracked == FRAMES
        assert width >= 2 * size[0]
        assert height > size[1]

    def test_its_sheet_is_an_image(self, shown):
        with Image.open(shown.out / "identities.png") as sheet:
            sheet.load()
            assert min(sheet.size) > 100

    def test_people_are_found_and_the_table_says_what_both_made_of_them(self, shown):
        stock, ours = shown.report.outcomes
        assert (stock.label, ours.label) == ("botsort.yaml", "reid_botsort.yaml")
        for outcome in (stock, ours):
            assert outcome.frames == FRAMES
            assert outcome.ids >= 1
            row = f"| {outcome.label} | {FRAMES} | {outcome.ids} | "
            assert 0.3 < outcome.idf1 <= 1
            found = f" | {100 * outcome.idf1:.1f} | {outcome.returns.recognized} of {outcome.returns.total} | "
            found += f"{outcome.returns.false} | "
            assert any(line.startswith(row) and found in line for line in shown.text.splitlines())

    def test_what_is_printed_first_is_the_report(self, shown):
        report = str(shown.report)
        assert shown.text.startswith(f"{report}\n")
        assert all(str(shown.out / name) in report for name in SCENE_FILES | CAMERA_FILES)
        assert "ultralytics" in report.splitlines()[-1]


class TestTwoCameras:
    def test_both_videos_and_the_one_of_both_have_every_frame(self, shown):
        (west, size), (east, _) = (length_and_size(shown.out / name) for name in ("west.mp4", "east.mp4"))
        both, (width, _) = length_and_size(shown.out / "cameras.mp4")
        assert west == east == both == FRAMES
        assert width >= 2 * size[0]

    def test_the_gallery_holds_what_the_video_shows(self, shown):
        frames = shown.report.cameras.frames
        with Gallery(shown.out / "gallery.db") as gallery:
            held, cameras = gallery.individuals(), set(gallery.stats().cameras)
        assert 1 <= len(held) <= shown.report.cameras.ids
        assert {i.identity_id for i in held} <= {int(i) for part in frames for frame in part for i in frame.ids}
        assert cameras <= {"west", "east"}
        assert not list(shown.out.glob("gallery.db-*"))

    def test_the_table_has_idf1_over_both_cameras(self, shown):
        cameras = shown.report.cameras
        assert f"| 2 x {FRAMES} | {cameras.ids} | 3 | {100 * cameras.idf1:.1f} |" in shown.text
        assert 0.3 < cameras.idf1 <= 1

    def test_the_printed_commands_ran_and_can_be_repeated_word_for_word(self, shown, capsys):
        printed = [line[2:] for line in shown.text.splitlines() if line.startswith("$ ")]
        assert [shlex.split(line)[:2] for line in printed] == [
            ["ultralytics-reid", name] for name in ("list", "search", "heatmap")
        ]
        for line in printed:
            assert main(shlex.split(line)[1:]) == 0
            assert capsys.readouterr().out in shown.text
        assert "| person |" in shown.text

    def test_the_query_is_found_under_an_identity_of_the_gallery(self, shown):
        with Image.open(shown.out / "found.png") as sheet, Image.open(shown.out / "heatmap.png") as heatmap:
            assert min(*sheet.size, *heatmap.size) > 100
        search = shown.text.split("$ ultralytics-reid search")[1].split("$ ")[0]
        assert "| 1    |" in search

    def test_people_on_both_cameras_with_one_id_are_counted(self):
        truth = SceneGroundTruth.of(views(*[{1: 1, 2: 1, 3: 1}] * 4), 2.0)
        west = (output((1, 5), (2, 6), (3, 7)),) * 4
        east = (output((1, 5), (2, 8)),) * 3 + (output((1, 5), (2, 8), (3, 7)),)
        told = str(CameraReport(("west", "east"), (truth, truth), (west, east), None))
        # Of 24 true boxes and 21 found ones, 17 agree at best: 8 of id 5, 4 of id 6 or 8, and 5 of id 7.
        assert f"| 2 x 4 | 4 | 3 | {100 * 2 * 17 / 45:.1f} | 1 of 2 |" in told

    def test_where_nothing_is_detected_it_says_so_and_runs_no_commands(self):
        truth = SceneGroundTruth.of(views({1: 1}, {1: 1}, {1: 1}), 2.0)
        cameras = CameraReport(("west", "east"), (truth, truth), ((output(),) * 3,) * 2, None)
        assert "No ids: nothing was detected" in str(cameras)
        report = Report((Outcome("a.yaml", 3, 0, 1.0, None),), (), None, (Path("a"),), stopped=False, cameras=cameras)
        assert report.commands == []

    def test_a_demo_without_detections_says_so_and_ends_well(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(source, "class_indices", lambda *_: [5])
        asked = ["demo", "--seconds", "0.5", "--people", "1", "--out", str(tmp_path)]
        assert main(asked) == 0
        told = capsys.readouterr().out
        assert told.count("No ids: nothing was detected") == 2
        assert "$ " not in told
        assert names(tmp_path) == SCENE_FILES | CAMERA_FILES - {"gallery.db", "query.png"}

    def test_without_ground_truth_a_return_is_not_called_right(self, monkeypatch):
        back = BoxIdentity(5, False, Revival(5, None, 1, 0.5, 7.0, 0.8), True, None, False)
        monkeypatch.setattr(annotations, "identities", lambda _: [back])
        (label,) = EventAnnotator(has_revivals=True).labels(None, [output((1, 5))], 0.5)
        assert (label.note, label.good) == ("back after 7 s", None)

    def test_a_link_is_judged_by_whom_the_id_was_on_before(self, monkeypatch):
        truth = SceneGroundTruth.of(views(*[{1: 1, 2: 1}] * 4), 2.0)
        owners, linked = IdentityOwners(), {}
        monkeypatch.setattr(annotations, "identities", lambda _: list(linked.values()))
        east = LinkAnnotator("east", truth, [1, 2], owners, 640)
        for identity, person in ((5, 1), (6, 1)):
            owners.add(identity, person)
            link = Linked(identity, 40, 1, 0.5, 3.0, "west", 0.8, 0.9)
            linked[identity] = BoxIdentity(identity, False, None, False, link, True)
        labels = east.labels(None, [output((1, 5), (2, 6))], 0.5)
        assert [(label.note, label.good) for label in labels] == [("known from west", True), ("known from west", False)]
        assert east.summary() == "2 ids   ·   1 known from the other camera, 1 taken for another"
        labels = east.labels(None, [output((1, 5))] * 2, 9.0)
        assert [label.note for label in labels] == [""]


class TestOwnSource:
    def test_a_video_as_far_as_asked(self, shown, tmp_path, capsys):
        asked = ["--source", str(shown.out / "scene.mp4"), "--model", str(DETECTOR), "--imgsz", "192"]
        assert main(["demo", *asked, "--seconds", "2", "--classes", "person", "--out", str(tmp_path / "a" / "b")]) == 0
        assert names(tmp_path / "a" / "b") == SCENE_FILES - {"scene.mp4"}
        assert length_and_size(tmp_path / "a" / "b" / "tracked.mp4")[0] == 20
        told, log = capsys.readouterr()
        assert "| botsort.yaml | 20 |" in told
        assert "people" not in told
        assert "tracking" not in log  # no bar where stderr is no terminal

    def test_a_folder_of_images_is_one_video_to_stock_too(self, shown, tmp_path):
        video = cv2.VideoCapture(str(shown.out / "scene.mp4"))
        for n in range(8):
            cv2.imwrite(str(tmp_path / f"{n}.png"), video.read()[1])
        runs = [
            Runner("stock", str(DETECTOR), str(source), tracker="botsort.yaml", imgsz=192, conf=0.1)
            for source in (shown.out / "scene.mp4", tmp_path)
        ]
        for _ in range(8):
            of_video, of_folder = (run.keep(run.step()) for run in runs)
            np.testing.assert_array_equal(of_video.ids, of_folder.ids)
        assert runs[1].step() is None


class TestInterrupted:
    @pytest.fixture
    def interrupt(self, monkeypatch):
        """Presses Ctrl-C when so many results have been kept."""

        def after(results):
            kept, keep = [], Runner.keep

            def press(runner, result):
                if len(kept) == results:
                    raise KeyboardInterrupt
                kept.append(result)
                return keep(runner, result)

            monkeypatch.setattr(Runner, "keep", press)

        return after

    # An even number: both had the frame. An odd one: only stock had the last.
    @pytest.mark.parametrize("results", [8, 9])
    def test_there_is_what_there_is_until_then(self, shown, interrupt, results, tmp_path, capsys):
        interrupt(results)
        assert main(["demo", "--seconds", "2", "--people", "2", "--out", str(tmp_path)]) == 0
        assert names(tmp_path) == SCENE_FILES  # the second part is skipped
        assert length_and_size(tmp_path / "tracked.mp4")[0] == 4
        told = capsys.readouterr().out
        assert told.startswith("Stopped")
        assert "| botsort.yaml | 4 |" in told

    def test_the_second_part_too_has_what_there_is_until_then(self, monkeypatch, tmp_path, capsys):
        add, pictures = SideBySideVideo.add, []

        def press(video, panels, fps):
            pictures.append(add(video, panels, fps))
            if len(pictures) == 20 + 15:
                raise KeyboardInterrupt

        monkeypatch.setattr(SideBySideVideo, "add", press)
        assert main(["demo", "--seconds", "2", "--people", "3", "--seed", "3", "--out", str(tmp_path)]) == 0
        assert "| 2 x 15 | " in capsys.readouterr().out
        assert length_and_size(tmp_path / "cameras.mp4")[0] == 15
        with Gallery(tmp_path / "gallery.db") as gallery:
            assert gallery.individuals()

    def test_before_anything_was_tracked_nothing_is_left(self, interrupt, tmp_path, capsys):
        interrupt(0)
        assert main(["demo", "--seconds", "1", "--people", "1", "--out", str(tmp_path / "out")]) == 130
        assert not list(tmp_path.iterdir())
        assert "nothing was written" in capsys.readouterr().err


@pytest.fixture
def files(tmp_path, shown):
    (tmp_path / "words.mp4").write_text("no video")
    (tmp_path / "words.pt").write_text("no model")
    (tmp_path / "words.txt").write_text("neither")
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.yaml").write_text("tracker_type: reid_botsort\nno_such_key: 1\n")
    (tmp_path / "closed.yaml").write_text(render_yaml(max_identities=3))
    (tmp_path / "forgets.yaml").write_text(render_yaml(memory_seconds=0))
    (tmp_path / "scene.mp4").symlink_to(shown.out / "scene.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--source scene.mp4", "--source needs a --model"),
        ("--source nowhere.mp4 --model {model}", "--source nowhere.mp4: there is no such file"),
        ("--source words.mp4 --model {model}", "--source words.mp4: not a readable video"),
        ("--source words.txt --model {model}", "--source words.txt: must be a folder of images or a video"),
        ("--source empty --model {model}", "--source empty: there are no images"),
        ("--source scene.mp4 --model nowhere.pt", "--model nowhere.pt: there is no such file"),
        ("--source scene.mp4 --model words.pt", "--model words.pt: not a YOLO model that can be loaded"),
        ("--tracker nowhere.yaml", "ultralytics-reid: --tracker nowhere.yaml: there is no such file"),
        ("--tracker botsort.yaml", "--tracker botsort.yaml: its tracker_type must be reid_botsort, got botsort"),
        ("--source scene.mp4 --model {model} --tracker wrong.yaml", "no_such_key"),
        ("--tracker closed.yaml", "--tracker closed.yaml: 'gallery' and 'max_identities' exclude each other"),
        ("--tracker forgets.yaml", "--tracker forgets.yaml: 'gallery' requires with_reid: True"),
        ("--seconds 0", "--seconds must be above 0, got 0.0"),
        ("--seconds nan", "--seconds must be above 0, got nan"),
        ("--people 51", "--people must be from 1 to 50, got 51"),
        ("--imgsz 16", "--imgsz must be 32 or more, got 16"),
        ("--classes -1", "--classes must be indices or names of the model's classes (0 person), got '-1'"),
        ("--classes person car", "--classes must be indices or names of the model's classes (0 person), got 'car'"),
        ("--seed -1", "--seed must be 0 or more, got -1"),
    ],
)
def test_invalid_options_are_named_and_nothing_is_written(arguments, message, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert main(["demo", *arguments.format(model=DETECTOR).split(), "--out", "out"]) == 1
    assert message in capsys.readouterr().err
    assert not (files / "out").exists()


def test_a_stream_that_cant_be_opened_is_an_error_without_its_password(tmp_path, capsys):
    source = ["--source", "rtsp://ada:secret@127.0.0.1:9/x", "--model", str(DETECTOR)]
    assert main(["demo", *source, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "Failed to open rtsp://127.0.0.1:9/x" in told.err
    assert "secret" not in told.err + told.out


def test_a_closed_set_is_for_a_source_which_has_no_second_part(files):
    asked = ["--source", str(files / "scene.mp4"), "--model", str(DETECTOR), "--imgsz", "192", "--seconds", "0.3"]
    assert main(["demo", *asked, "--tracker", str(files / "closed.yaml"), "--out", str(files / "out")]) == 0


def test_the_gallery_and_the_log_of_the_users_own_yaml_are_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "topology.yaml").write_text("ways: 1")  # read by nobody
    mine = {"gallery": "mine.db", "gallery_index": "milvus://nowhere:1", "topology": "topology.yaml"}
    (tmp_path / "mine.yaml").write_text(render_yaml(**mine, track_log="mine.reid"))
    asked = ["--seconds", "2", "--people", "3", "--seed", "3", "--tracker", "mine.yaml", "--out", "out"]
    assert main(["demo", *asked]) == 0
    assert "| mine.yaml | 20 |" in capsys.readouterr().out
    assert "gallery.db" in names(tmp_path / "out")
    assert names(tmp_path) == {"out", "mine.yaml", "topology.yaml"}


def test_a_camera_that_saw_nobody_has_no_background_where_the_gallery_is_served(tmp_path, monkeypatch):
    with closing(open_store(tmp_path / "gallery.db", 4, "test")) as store:
        store.upsert(Records.joined([], 4), [Visit(1, 1, "east", 0, 1.7e9, 1.7e9 + 1)])
    cameras = SimpleNamespace(cameras=("west", "east"), query=SimpleNamespace(detector="x.pt"))
    monkeypatch.setattr(run, "run_demo", lambda _: SimpleNamespace(commands=[], cameras=cameras))
    served = []
    monkeypatch.setattr("ultralytics_reid.web.parser.serve_gallery", lambda args: served.append(args.background))
    assert main(["demo", "--serve", "--out", str(tmp_path)]) == 0
    assert served == [[f"east={tmp_path / 'east.mp4'}"]]


def test_a_folder_that_cant_be_written_to_is_named(files, capsys):
    assert main(["demo", "--seconds", "1", "--out", str(files / "words.txt" / "out")]) == 1
    assert f"--out {files / 'words.txt' / 'out'}: can't be written to: Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ("", ["scene.mp4", "tracked.mp4", "identities.png", "gallery.db", "found.png"]),
        ("--source street.mp4 --model {model}", ["tracked.mp4", "identities.png"]),
    ],
)
def test_what_is_in_the_folder_is_kept_unless_told(arguments, refused, tmp_path, capsys):
    for name in refused:
        (tmp_path / name).write_text("mine")
        assert main(["demo", *arguments.format(model=DETECTOR).split(), "--out", str(tmp_path)]) == 1
        assert (
            f"{tmp_path}: {name} already exists there; choose another folder, or --overwrite" in capsys.readouterr().err
        )
        assert names(tmp_path) == {name}
        (tmp_path / name).unlink()


def test_a_run_that_overwrites_leaves_nothing_of_a_former_one_and_all_else(shown, tmp_path, monkeypatch):
    for name in (*SCENE_FILES, *CAMERA_FILES, *COMMAND_FILES, "gallery.db-wal", "notes.txt"):
        (tmp_path / name).write_text("a former one's")
    asked = ["--source", str(shown.out / "scene.mp4"), "--model", str(DETECTOR), "--imgsz", "192", "--seconds", "0.3"]
    assert main(["demo", *asked, "--out", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "gallery.db-wal").read_text() == (tmp_path / "gallery.db").read_text() == "a former one's"
    monkeypatch.setattr(source, "class_indices", lambda *_: [5])  # so that no gallery is made
    assert main(["demo", "--seconds", "0.3", "--people", "1", "--out", str(tmp_path), "--overwrite"]) == 0
    assert names(tmp_path) == {"notes.txt"} | SCENE_FILES | CAMERA_FILES - {"gallery.db", "query.png"}


def test_existing_files_survive_a_failed_run(files, monkeypatch):
    (files / "tracked.mp4").write_text("an older one")
    before = names(files)
    monkeypatch.setattr(run, "save_contact_sheet", lambda *_: (_ for _ in ()).throw(ReIDError("no")))
    with pytest.raises(ReIDError, match="no"):
        run_demo(DemoOptions(files, seconds=0.3, people=1, overwrite=True))
    assert names(files) == before
    assert (files / "tracked.mp4").read_text() == "an older one"


def test_options_are_checked_in_python_too():
    with pytest.raises(ConfigError, match="--people must be from 1 to 50, got 0"):
        DemoOptions(people=0)


def at(place):
    """A box ten pixels wide, at a place of its own."""
    return [100 * place, 0, 100 * place + 10, 20]


def views(*frames):
    """What a scene says: each frame a dict of persons and how visible they are, ten pixels of room each."""
    return [
        SimpleNamespace(
            ids=np.array(list(f), np.int64),
            xyxy=np.array([at(i) for i in f], np.float32).reshape(-1, 4),
            visible=np.array(list(f.values()), np.float32),
        )
        for f in frames
    ]


def output(*people):
    """A tracker's frame: an id a person, `(person, id)`."""
    return FrameBoxes(
        np.array([i for _, i in people], np.int64),
        np.array([at(p) for p, _ in people], np.float32).reshape(-1, 4),
    )


class TestTruth:
    # At 2 frames a second: person 1 is away for 2.5 s, person 2 hides for as long, person 3 for 2 s only.
    HIDDEN = views(*[{1: 1, 2: 1, 3: 1}] * 4, *[{2: 0.1, 3: 0.2}] * 3, {2: 0.1}, *[{1: 1, 2: 1, 3: 1}] * 4)

    def test_an_absence_above_two_seconds_makes_a_return(self):
        truth = SceneGroundTruth.of(self.HIDDEN, 2.0)
        assert truth.people == [1, 2, 3]
        assert sorted(truth.person.values()) == [1, 1, 2, 2, 3, 3]
        assert set(truth.away.values()) == {2.5}
        near = SceneGroundTruth.of([*self.HIDDEN[:5], *self.HIDDEN[8:]], 2.0)
        assert sorted(near.person.values()) == [1, 2, 3]
        assert not near.away

    def test_frames_have_those_in_view_only(self):
        truth = SceneGroundTruth.of(self.HIDDEN, 2.0)
        assert [len(f.ids) for f in truth.frames] == [3] * 4 + [0] * 4 + [3] * 4
        assert [len(f.ids) for f in truth.until(5).frames] == [3] * 4 + [0]

    def test_a_glimpse_is_no_visit(self):
        truth = SceneGroundTruth.of(views({1: 1}, *[{}] * 6, {1: 1, 2: 1}, {1: 1}, {1: 1}), 2.0)
        assert [truth.person_of(int(t)) for f in truth.frames for t in f.ids] == [1, 1, 1]
        assert not truth.away

    def test_incremental_scores_equal_those_of_the_whole_output(self):
        truth = SceneGroundTruth.of(self.HIDDEN, 2.0)
        frames = [output((1, 5), (2, 6), (3, 7))] * 4 + [output()] * 4 + [output((1, 5), (2, 8), (3, 6))] * 4
        scorer = ReturnScorer(truth)
        on = [scorer.add(frames[: n + 1]) for n in range(len(frames))]
        found = scorer.count(frames)
        assert (found.total, found.recognized, found.false) == (3, 1, 1)
        assert {r.person: (r.given, set(r.known)) for r in found.each} == {1: (5, {5}), 2: (8, {6}), 3: (6, {7})}
        assert {i: truth.person_of(t) for i, t in on[-1].items()} == {5: 1, 8: 2, 6: 3}


class TestReport:
    def revival(self, identity, time, **more):
        return Revival(identity, None, round(10 * time), time, more.pop("gap", 5.0), 0.8, **more)

    def report(self, *events):
        return str(Report((Outcome("reid_botsort.yaml", 9, 2, 5.0, None),), events, None, (), stopped=False))

    def test_a_revival_is_reverted_by_the_next_event_of_its_identity_only(self):
        events = (self.revival(1, 3.0), RevivalReverted(7, 1, 40, 4.0), self.revival(1, 6.0), self.revival(2, 6.5))
        told = [line for line in self.report(*events).splitlines() if " s | " in line]
        assert [line.split(" | ")[-1].strip(" |") for line in told] == ["reverted", "revived", "revived"]

    def test_short_gaps_are_counted_and_corrections_named(self):
        told = self.report(self.revival(1, 3.0, gap=0.4), self.revival(2, 5.0, corrected=True))
        assert "id switch corrected" in told
        assert "and 1 after less than a second" in told

    def test_a_run_in_which_nothing_is_detected_says_so(self):
        outcome = Outcome("reid_botsort.yaml", 9, 0, 5.0, None)
        assert "No ids: nothing was detected" in str(Report((outcome,), (), None, (), stopped=False))
        assert "No ids" not in self.report()

    def test_a_camera_has_no_second_run(self):
        assert "can't be read twice" in self.report()
        assert "reports no revivals" in self.report()

    def test_returns_side_by_side(self):
        truth = SceneGroundTruth.of(TestTruth.HIDDEN, 2.0)
        outcomes = []
        for before, back in (((1, 5), 5), ((1, 5), 9), ((2, 5), 5)):
            frames = [output(before)] * 4 + [output()] * 4 + [output((1, back))] * 4
            outcomes.append(Outcome(f"{back}.yaml", 12, 2, 1.0, returns(truth, frames)))
        told = str(Report(tuple(outcomes), (), truth, (), stopped=False))
        assert "| 4.0 s | A | 2 s | 5, as before | 9 (was 5) | 5, not recognized |" in told
        assert "| 4.0 s | B | 2 s | not found | not found | not found |" in told


class TestDrawing:
    def test_labels_of_neighbors_keep_apart(self, monkeypatch):
        from ultralytics_reid.drawing import boxes as drawing

        placed = []
        monkeypatch.setattr(drawing, "paste", lambda _, patch, x, y: placed.append((x, y, *patch.shape[1::-1])))
        boxes = [np.array([100 + 8 * n, 200, 140 + 8 * n, 300], np.float32) for n in range(5)]
        draw_boxes(
            np.zeros((540, 960, 3), np.uint8), [BoxLabel(n, box, "was 3", good=False) for n, box in enumerate(boxes)]
        )
        assert len(placed) == 5
        for n, (x, y, w, h) in enumerate(placed):
            assert 0 <= x <= 960 - w
            assert 0 <= y <= 540 - h
            assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in placed[:n])

    @pytest.mark.parametrize("left", [0, 300, 900, 930])
    def test_an_id_stays_at_its_box_wherever_its_note_has_room(self, left):
        image, box = np.zeros((540, 960, 3), np.uint8), np.array([left, 200, left + 29, 300], np.float32)
        # Whom the label avoids stands beside.
        draw_boxes(image, [BoxLabel(1, box, "back after 44 s"), BoxLabel(2, box - np.float32([60, 0, 60, 0]))])
        chip = (image[180] == bgr(color_of(1))).all(axis=1).nonzero()[0]
        assert len(chip) > 10
        assert left - 1 <= chip[0] <= chip[-1] <= left + 29

    @pytest.mark.parametrize(("good", "colors"), [(True, {GOOD}), (False, {BAD}), (None, set())])
    def test_marks_are_green_and_red_only_where_the_truth_is_known(self, good, colors):
        image = np.zeros((540, 960, 3), np.uint8)
        draw_boxes(image, [BoxLabel(3, np.array([300, 200, 340, 300], np.float32), "back after 44 s", good=good)])
        assert {color for color in (GOOD, BAD) if (image == bgr(color)).all(axis=2).any()} == colors
        assert image[:200].max() == 255

    @given(st.integers(-60, 60), st.integers(-40, 40))
    def test_what_is_put_over_the_edge_is_cut(self, left, top):
        image, patch = np.zeros((20, 30, 3), np.uint8), np.full((7, 9, 3), 255, np.uint8)
        paste(image, patch, left, top)
        wide, high = (max(0, min(at + size, room) - max(at, 0)) for at, size, room in ((left, 9, 30), (top, 7, 20)))
        assert image.any(axis=2).sum() == wide * high

    def test_words_are_letters_on_a_ground(self):
        patch = render_text("✓ back after 12 s", 17, "#000000", "#ffffff", pad=4)
        assert patch.shape[0] < 30 < patch.shape[1]
        assert patch[0].min() == 255
        assert patch.min() < 64

    def test_every_id_has_a_color_of_its_own(self):
        assert [color_of(n + 1) for n in range(len(COLORS))] == list(COLORS)
        assert len({color_of(n) for n in range(1, 200)}) == 199

    def test_a_timeline_bridges_a_missed_frame_but_no_absence(self):
        line = Timeline(1046, [7], 100, max_gap=5)  # ten pixels a frame, from the 34th on
        for n in (0, 1, 3, 20):
            line.add(n, {7: 4})
        drawn = (line.render(50, [])[30, 34:] == bgr(color_of(4))).all(axis=1)
        assert drawn.nonzero()[0].tolist() == [*range(40), *range(200, 210)]

    def test_a_timeline_marks_a_return_before_it(self):
        line = Timeline(1046, [7], 100, max_gap=5)
        marked = (line.render(0, [(50, 7, True)]) != line.render(0, [])).any(axis=(0, 2)).nonzero()[0]
        assert 34 + 480 < marked.min() <= marked.max() < 34 + 500


class TestVideo:
    def opened(self, monkeypatch, path, *encoders):
        asked = []

        class Writer:
            fourcc = staticmethod(lambda *letters: "".join(letters))

            def __init__(self, path, codec, fps, size):
                asked.append(codec)
                os.write(2, b"no encoder\n")

            def is_opened(self):
                return asked[-1] in encoders

        Writer.isOpened = Writer.is_opened
        monkeypatch.setattr(cv2, "VideoWriter", Writer)
        open_video(path, 10.0, (64, 64))
        return asked

    def test_h264_is_written_where_there_is_an_encoder(self, monkeypatch, tmp_path, capfd):
        assert self.opened(monkeypatch, tmp_path / "a.mp4", "avc1", "mp4v") == ["avc1"]
        assert self.opened(monkeypatch, tmp_path / "a.mp4", "mp4v") == ["avc1", "mp4v"]
        with pytest.raises(ReIDError, match=r"a\.mp4: OpenCV can't write"):
            self.opened(monkeypatch, tmp_path / "a.mp4")
        assert capfd.readouterr().err == ""


class TestIdentityCrops:
    def test_an_absence_is_marked_and_the_first_shot_after_it_is_chosen(self):
        crops = IdentityCrops()
        for t in [*np.arange(0, 10, 0.1), *np.arange(15, 20, 0.1)]:
            crops.add(TimedCrop(float(t), 0.5, None))
        chosen = crops.choose(4)
        assert len(chosen) == 4
        assert next(s.seconds for s in chosen if s.seconds >= 15) == 15
        assert crops.away(chosen[0], chosen[-1]) == pytest.approx(5.1)

    def test_an_absence_is_as_long_as_the_report_says(self):
        crops = IdentityCrops()
        for t in (0.0, 1.0, 7.0, 8.0, 12.0, 14.0, 17.0):
            crops.add(TimedCrop(t, 0.5, None))
        assert [(a.start, a.end) for a in crops.absences] == [
            (1, 7),
            (8, 12),
            (14, 17),
        ]  # 2 s are none, as in the table
        crops.agree_with([(6.8, 4.9), (11.0, 2.6)], complete=True)
        assert [(a.seconds, a.is_return) for a in crops.absences] == [(4.9, True), (2.6, True), (3, False)]
        assert absence_text(crops.absences) == ("5 + 3 s away", GOOD)
        assert absence_text(crops.absences[2:]) == ("3 s lost", FAINT)
        crops.agree_with([], complete=False)
        assert absence_text(crops.absences) == ("3 x away", GOOD)

    def test_where_another_person_comes_back_under_an_id_the_sheet_says_so(self):
        crops = IdentityCrops()
        for t in (0.0, 1.0, 7.0, 8.0, 12.0):
            crops.add(TimedCrop(t, 0.5, None))
        crops.agree_with([(7.0, 5.2), (12.0, 3.2)], complete=False)  # revivals, as the tracker reports them
        crops.agree_with([(6.8, None), (11.0, 3.6)], complete=True)
        assert absence_text(crops.absences[:1]) == ("5 s other", BAD)
        assert absence_text(crops.absences[1:]) == ("4 s away", GOOD)

    def test_hours_are_kept_in_little_room(self):
        crops = IdentityCrops()
        for t in range(36000):
            crops.add(TimedCrop(t / 10, 0.5, None))
        assert len(crops.crops) <= 64
        assert crops.frames == 36000
