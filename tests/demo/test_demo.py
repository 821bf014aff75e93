"""`ultralytics-reid demo`: output and files, without a network, and error messages."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ultralytics_reid import ConfigError, ReIDError, Revival, RevivalReverted
from ultralytics_reid.cli import main
from ultralytics_reid.demo import DETECTOR, DemoOptions, run, run_demo
from ultralytics_reid.demo.contact_sheet import IdentityCrops, TimedCrop, absence_text
from ultralytics_reid.demo.drawing import BoxLabel, Timeline, draw_boxes
from ultralytics_reid.demo.ground_truth import ReturnScorer, SceneGroundTruth
from ultralytics_reid.demo.report import Outcome, Report
from ultralytics_reid.demo.runner import Runner
from ultralytics_reid.demo.video import open_video
from ultralytics_reid.drawing.colors import COLORS, bgr, color_of
from ultralytics_reid.drawing.text import paste, render_text
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import returns

FRAMES, FPS = 20, 10
SCENE_FILES = {"scene.mp4", "tracked.mp4", "identities.png"}


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

    def test_it_writes_the_scene_the_video_and_the_sheet_and_nothing_else(self, shown):
        assert names(shown.out) == SCENE_FILES
        assert {path.name for path in shown.report.files} == SCENE_FILES

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
            found = f" | {outcome.returns.recognized} of {outcome.returns.total} | {outcome.returns.false} | "
            assert any(line.startswith(row) and found in line for line in shown.text.splitlines())

    def test_what_is_printed_is_the_report(self, shown):
        assert shown.text == f"{shown.report}\n"
        assert all(str(shown.out / name) in shown.text for name in SCENE_FILES)
        assert "ultralytics" in shown.text.splitlines()[-1]


class TestOwnSource:
    def test_a_video_as_far_as_asked(self, shown, tmp_path, capsys):
        asked = ["--source", str(shown.out / "scene.mp4"), "--model", str(DETECTOR), "--imgsz", "192"]
        assert main(["demo", *asked, "--seconds", "0.5", "--classes", "--out", str(tmp_path / "a" / "b")]) == 0
        assert names(tmp_path / "a" / "b") == SCENE_FILES - {"scene.mp4"}
        assert length_and_size(tmp_path / "a" / "b" / "tracked.mp4")[0] == 5
        told = capsys.readouterr().out
        assert "| botsort.yaml | 5 |" in told
        assert "people" not in told

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
        assert names(tmp_path) == SCENE_FILES
        assert length_and_size(tmp_path / "tracked.mp4")[0] == 4
        told = capsys.readouterr().out
        assert told.startswith("Stopped")
        assert "| botsort.yaml | 4 |" in told

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
        ("--tracker nowhere.yaml", "--tracker nowhere.yaml: there is no such file"),
        ("--tracker botsort.yaml", "--tracker botsort.yaml: its tracker_type must be reid_botsort, got botsort"),
        ("--source scene.mp4 --model {model} --tracker wrong.yaml", "no_such_key"),
        ("--seconds 0", "--seconds must be above 0, got 0.0"),
        ("--seconds nan", "--seconds must be above 0, got nan"),
        ("--people 51", "--people must be from 1 to 50, got 51"),
        ("--imgsz 16", "--imgsz must be 32 or more, got 16"),
        ("--classes -1", "--classes must be 0 or more each, got [-1]"),
        ("--seed -1", "--seed must be 0 or more, got -1"),
    ],
)
def test_invalid_options_are_named_and_nothing_is_written(arguments, message, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert main(["demo", *arguments.format(model=DETECTOR).split(), "--out", "out"]) == 1
    assert message in capsys.readouterr().err
    assert not (files / "out").exists()


def test_a_folder_that_cant_be_written_to_is_named(files, capsys):
    assert main(["demo", "--seconds", "1", "--out", str(files / "words.txt" / "out")]) == 1
    assert f"--out {files / 'words.txt' / 'out'}: can't be written to: Not a directory" in capsys.readouterr().err


def test_existing_files_survive_a_failed_run(files, monkeypatch):
    (files / "tracked.mp4").write_text("an older one")
    before = names(files)
    monkeypatch.setattr(run, "save_contact_sheet", lambda *_: (_ for _ in ()).throw(ReIDError("no")))
    with pytest.raises(ReIDError, match="no"):
        run_demo(DemoOptions(files, seconds=0.3, people=1))
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
        for back in (5, 9):
            frames = [output((1, 5))] * 4 + [output()] * 4 + [output((1, back))] * 4
            outcomes.append(Outcome(f"{back}.yaml", 12, 2, 1.0, returns(truth, frames)))
        told = str(Report(tuple(outcomes), (), truth, (), stopped=False))
        assert "| 4.0 s | A | 2 s | 5, as before | 9 (was 5) |" in told
        assert "| 4.0 s | B | 2 s | not found | not found |" in told


class TestDrawing:
    def test_labels_of_neighbors_keep_apart(self, monkeypatch):
        from ultralytics_reid.demo import drawing

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
        assert absence_text(crops.absences) == "5 + 3 s away"
        assert absence_text(crops.absences[2:]) == "3 s lost"
        crops.agree_with([], complete=False)
        assert absence_text(crops.absences) == "3 x away"

    def test_hours_are_kept_in_little_room(self):
        crops = IdentityCrops()
        for t in range(36000):
            crops.add(TimedCrop(t / 10, 0.5, None))
        assert len(crops.crops) <= 64
        assert crops.frames == 36000
