"""`ultralytics-reid track`: what it writes and prints, Ctrl-C, and error messages."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ultralytics_reid.cli import main
from ultralytics_reid.errors import ReIDError
from ultralytics_reid.video_job import run as job
from ultralytics_reid.video_job import tracking
from ultralytics_reid.video_job.source import VideoSource, open_source

FRAMES, SIZE = 30, (480, 270)
OUTPUTS = {"mot": "t.txt", "csv": "t.csv", "json": "t.json", "video": "t.mp4", "report": "t.html"}


def asked(folder, *kinds):
    """Options that write these kinds of files into a folder."""
    return [part for kind in kinds for part in (f"--{kind}", str(folder / OUTPUTS[kind]))]


def names(folder):
    return {path.name for path in folder.iterdir()}


def images(path):
    video, found = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        found.append(read[1])
    return found, video.get(cv2.CAP_PROP_FPS)


@pytest.fixture(scope="module")
def done(clip, detector, tmp_path_factory):
    """One run with all outputs: its folder, exit code and what it printed."""
    out, printed = tmp_path_factory.mktemp("out"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["track", str(clip / "street.mp4"), "--model", detector, "--imgsz", "384", *asked(out, *OUTPUTS)])
    return SimpleNamespace(out=out, code=code, text=printed.getvalue())


@pytest.fixture
def street(clip, detector):
    """The command on the short video, with a small input size, where ids don't matter."""
    return ["track", str(clip / "street.mp4"), "--model", detector, "--imgsz", "192"]


@pytest.fixture
def stream(monkeypatch):
    """Takes a source for one that can't be read twice."""

    def once(uri, label, *, stride):
        return VideoSource(uri, None, is_repeatable=False, stride=stride)

    monkeypatch.setattr(job, "open_source", once)


@pytest.mark.slow
class TestOutputs:
    def test_it_writes_what_was_asked_for_and_nothing_else(self, done):
        assert done.code == 0
        assert names(done.out) == set(OUTPUTS.values())
        assert [line for line in done.text.splitlines() if line.startswith("wrote ")] == [
            f"wrote {done.out / name}" for name in OUTPUTS.values()
        ]

    def test_all_files_have_the_same_boxes_and_ids(self, done):
        mot = np.loadtxt(done.out / "t.txt", delimiter=",", ndmin=2)
        with (done.out / "t.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        document = json.loads((done.out / "t.json").read_text(encoding="utf-8"))
        boxes = [(frame["frame"], box["id"]) for frame in document["frames"] for box in frame["boxes"]]
        assert len(mot) > FRAMES
        assert [(int(row[0]), int(row[1])) for row in mot] == boxes
        assert [(int(row["frame"]), int(row["id"])) for row in table] == boxes
        assert {identity["id"] for identity in document["identities"]} == set(mot[:, 1].astype(int))
        right_bottom = mot[:, 2:4] + mot[:, 4:6]
        np.testing.assert_allclose(right_bottom, [[float(r["right"]), float(r["bottom"])] for r in table], atol=0.011)

    def test_mot_has_ten_columns_with_frames_from_one(self, done):
        lines = (done.out / "t.txt").read_text().splitlines()
        assert all(re.fullmatch(r"\d+,\d+(,-?\d+\.\d\d){4},[01]\.\d{4},-1,-1,-1", line) for line in lines)
        assert 1 <= int(lines[0].split(",")[0]) < 10
        assert int(lines[-1].split(",")[0]) == FRAMES

    def test_csv_has_seconds_and_class_names(self, done):
        with (done.out / "t.csv").open(encoding="utf-8", newline="") as file:
            last = list(csv.DictReader(file))[-1]
        assert (last["frame"], last["time"], last["class"], last["class_name"]) == ("30", "3.000", "0", "person")

    def test_the_video_has_every_frame_with_boxes_drawn(self, done, clip):
        drawn, fps = images(done.out / "t.mp4")
        plain, _ = images(clip / "street.mp4")
        assert (len(drawn), fps, drawn[0].shape[1::-1]) == (FRAMES, 10, SIZE)
        assert np.abs(drawn[-1].astype(int) - plain[-1]).max() > 100

    def test_the_report_asks_nothing_of_the_network_and_shows_every_id(self, done):
        page = (done.out / "t.html").read_text(encoding="utf-8")
        assert "<svg" in page
        assert "data:image/jpeg;base64," in page
        assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import|<script""", page)
        ids = {identity["id"] for identity in json.loads((done.out / "t.json").read_text())["identities"]}
        assert {int(i) for i in re.findall(r'<b style="color: #\w+">(\d+)</b>', page)} == ids

    def test_the_summary_counts_frames_and_ids(self, done):
        ids = len(json.loads((done.out / "t.json").read_text())["identities"])
        assert done.text.startswith(f"street.mp4: {FRAMES} frames (3.0 s) tracked in ")
        assert f"\n{ids} ids ({ids} person) in " in done.text


@pytest.mark.slow
class TestSources:
    def test_a_folder_of_images_gives_the_ids_of_the_video(self, clip, detector, tmp_path):
        (tmp_path / "images").mkdir()
        for n, image in enumerate(images(clip / "street.mp4")[0][:8]):
            cv2.imwrite(str(tmp_path / "images" / f"{n}.png"), image)
        for source in (tmp_path / "images", clip / "street.mp4"):
            command = ["track", str(source), "--model", detector, "--imgsz", "192", "--overwrite"]
            assert main([*command, *asked(tmp_path, "mot", "video")]) == 0
            rows = np.loadtxt(tmp_path / "t.txt", delimiter=",")
            if source.is_dir():
                folder_rows, drawn = rows, images(tmp_path / "t.mp4")[0]
        assert len(drawn) == 8
        np.testing.assert_array_equal(folder_rows[:, 1], rows[rows[:, 0] <= 8, 1])

    def test_a_stride_counts_frames_of_the_source_and_keeps_time(self, street, tmp_path):
        command = [*street, "--vid-stride", "3"]
        assert main([*command, *asked(tmp_path, "csv", "video")]) == 0
        with (tmp_path / "t.csv").open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        assert (last["frame"], last["time"]) == ("30", "3.000")
        drawn, fps = images(tmp_path / "t.mp4")
        assert len(drawn) == 10
        assert fps == pytest.approx(10 / 3, abs=0.01)

    @pytest.mark.usefixtures("stream")
    def test_a_stream_is_kept_until_its_ids_are_final(self, street, tmp_path):
        assert main([*street, *asked(tmp_path, "video", "report")]) == 0
        assert names(tmp_path) == {"t.mp4", "t.html"}
        assert len(images(tmp_path / "t.mp4")[0]) == FRAMES
        assert "data:image/jpeg" in (tmp_path / "t.html").read_text()

    def test_a_url_is_shown_without_its_password(self):
        source = open_source("rtsp://ada:secret@10.0.0.7:554/door?token=x", "")
        assert (source.name, source.is_repeatable) == ("rtsp://10.0.0.7:554/door", False)

    def test_a_video_cut_short_meanwhile_leaves_no_video(self, street, tmp_path, monkeypatch, capsys):
        read = VideoSource.images
        monkeypatch.setattr(VideoSource, "images", lambda source: list(read(source))[:7])
        assert main([*street, *asked(tmp_path, "mot", "video")]) == 1
        assert "street.mp4: of 30 frames only 7 could be read once more" in capsys.readouterr().err
        assert names(tmp_path) == {"t.txt"}


@pytest.mark.parametrize(
    ("stems", "told"),
    [
        ("1 2 10", "2 after 10"),
        ("img_8 img_9 img_10", "img_8 after img_10"),
        ("001 002 010", ""),
        ("1 2 3", ""),
        ("2024-01-30 2024-02-01", ""),
        ("3a 12b 4c", ""),
    ],
)
def test_numbers_that_are_read_out_of_order_are_said_once(tmp_path, capsys, stems, told):
    for stem in stems.split():
        cv2.imwrite(str(tmp_path / f"{stem}.png"), np.zeros((9, 9, 3), np.uint8))
    open_source(str(tmp_path), "images")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == bool(told)
    assert all(line.startswith("ultralytics-reid: images: ") and f", {told}, " in line for line in lines)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://ada:secret@127.0.0.1:9/x?token=secret", "rtsp://127.0.0.1:9/x"),
        ("rtsp://ada:se/secret@127.0.0.1:9/x", "rtsp://…"),
        ("rtsp://[abc", "rtsp://…"),
    ],
)
def test_a_stream_that_cant_be_opened_is_an_error_without_its_password(url, shown, street, tmp_path, capsys):
    assert main(["track", url, *street[2:], *asked(tmp_path, "csv")]) == 1
    told = capsys.readouterr()
    assert f"ultralytics-reid: {shown}: " in told.err
    assert "secret" not in told.err + told.out
    assert not names(tmp_path)


class TestFolders:
    """Of images, and of what else the host reads in them."""

    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "door"
        folder.mkdir()
        for n in range(3):
            cv2.imwrite(str(folder / f"{n}.png"), np.zeros((9, 9, 3), np.uint8))
        return folder

    def test_images_are_counted_as_the_host_reads_them(self, folder, clip):
        shutil.copy(folder / "0.png", folder / ".hidden.png")
        assert open_source(str(folder), "door").frames == 3
        shutil.copy(clip / "street.mp4", folder)
        assert open_source(str(folder), "door").frames is None

    def test_a_file_that_cant_be_read_is_named(self, folder):
        (folder / "notes.mp4").write_bytes(b"")
        with pytest.raises(ReIDError, match=r"^door: this folder can't be read: .*notes\.mp4$"):
            open_source(str(folder), "door")

    def test_a_name_that_the_host_takes_for_a_pattern_is_refused(self, folder):
        with pytest.raises(ReIDError, match=r"^door: the path of a folder must not have a \*"):
            open_source(str(folder.rename(folder.with_name("cam*1"))), "door")

    def test_a_stride_which_the_host_ignores_is_refused(self, folder):
        with pytest.raises(ReIDError, match=r"^door: --vid-stride must be 1 for a folder of images, got 3"):
            open_source(str(folder), "door", stride=3)


@pytest.mark.slow
class TestClasses:
    def test_a_class_may_be_named(self, street, tmp_path):
        command = [*street, "--classes", "person"]
        assert main([*command, *asked(tmp_path, "mot")]) == 0
        assert (tmp_path / "t.txt").read_text()

    def test_where_nothing_is_detected_it_says_so_and_files_are_empty(self, street, tmp_path, capsys):
        command = [*street, "--conf", "1"]
        assert main([*command, *asked(tmp_path, *OUTPUTS)]) == 0
        assert "no ids: nothing was detected for long enough" in capsys.readouterr().out
        assert (tmp_path / "t.txt").read_text() == ""
        assert json.loads((tmp_path / "t.json").read_text())["identities"] == []
        assert "No individual was tracked" in (tmp_path / "t.html").read_text()
        assert len(images(tmp_path / "t.mp4")[0]) == FRAMES


@pytest.mark.slow
class TestInterrupted:
    @pytest.fixture
    def interrupt(self, monkeypatch):
        """Presses Ctrl-C when so many frames were tracked."""

        def after(frames):
            add = tracking.Recording.add

            def press(recording, *given):
                if len(recording.times) == frames:
                    raise KeyboardInterrupt
                add(recording, *given)

            monkeypatch.setattr(tracking.Recording, "add", press)

        return after

    def test_what_was_tracked_until_then_is_written(self, street, interrupt, tmp_path, capsys):
        interrupt(9)
        assert main([*street, *asked(tmp_path, *OUTPUTS)]) == 130
        assert names(tmp_path) == set(OUTPUTS.values())
        assert len(images(tmp_path / "t.mp4")[0]) == 9
        assert len(json.loads((tmp_path / "t.json").read_text())["frames"]) == 9
        told = capsys.readouterr()
        assert told.out.startswith("street.mp4: 9 frames")
        assert "interrupted: what was tracked until then was written" in told.err

    @pytest.mark.usefixtures("stream")
    def test_a_stream_ends_so_and_that_is_no_error(self, street, interrupt, tmp_path, capsys):
        interrupt(9)
        assert main([*street, *asked(tmp_path, "mot", "video")]) == 0
        assert names(tmp_path) == {"t.txt", "t.mp4"}
        assert len(images(tmp_path / "t.mp4")[0]) == 9
        assert "interrupted" not in capsys.readouterr().err

    def test_before_the_first_frame_nothing_is_written(self, street, interrupt, tmp_path, capsys):
        interrupt(0)
        assert main([*street, *asked(tmp_path, *OUTPUTS)]) == 130
        assert not names(tmp_path)
        assert "no file is half written" in capsys.readouterr().err

    def test_a_video_that_is_incomplete_on_a_full_disk_is_given_up(self, street, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(job.AnnotatedVideo, "is_complete", lambda _: False)
        assert main([*street, *asked(tmp_path, "csv", "video")]) == 1
        assert names(tmp_path) == {"t.csv"}
        assert "t.mp4 can't be written: the video is incomplete" in capsys.readouterr().err

    def test_while_a_video_is_drawn_it_is_given_up(self, clip, street, tmp_path, monkeypatch):
        def press(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(job.AnnotatedVideo, "add", press)
        assert main([*street, *asked(tmp_path, "csv", "video")]) == 130
        assert names(tmp_path) == {"t.csv"}


@pytest.fixture
def files(tmp_path, clip, detector):
    shutil.copy(clip / "street.mp4", tmp_path)
    shutil.copy(detector, tmp_path / "people.pt")
    (tmp_path / "words.mp4").write_text("no video")
    (tmp_path / "words.pt").write_text("no model")
    (tmp_path / "words.txt").write_text("neither")
    (tmp_path / "empty").mkdir()
    (tmp_path / "stock.yaml").write_text("tracker_type: botsort\n")
    (tmp_path / "syntax.yaml").write_text("tracker_type: reid_botsort\ntrack_buffer 30\n")
    (tmp_path / "list.yaml").write_text("- tracker_type\n")
    shutil.copy(detector, tmp_path / "reid.pth")
    (tmp_path / "wrong.yaml").write_text("tracker_type: reid_botsort\nno_such_key: 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere.mp4", "nowhere.mp4: there is no such file"),
        ("words.mp4", "words.mp4: not a readable video"),
        ("words.txt", "words.txt: must be a folder of images or a video"),
        ("empty", "empty: there are no images in this folder"),
        ("street.mp4 --model nowhere.pt", "--model nowhere.pt: there is no such file"),
        ("street.mp4 --model words.pt", "--model words.pt: not a YOLO model that can be loaded"),
        ("street.mp4 --tracker nowhere.yaml", "--tracker nowhere.yaml: there is no such file"),
        ("street.mp4 --tracker stock.yaml", "--tracker stock.yaml: its tracker_type must be reid_botsort, got botsort"),
        ("street.mp4 --tracker wrong.yaml", "no_such_key"),
        ("street.mp4 --tracker syntax.yaml", "--tracker syntax.yaml: must be a YAML file of keys and values: "),
        ("street.mp4 --tracker list.yaml", "--tracker list.yaml: must be a YAML file of keys and values: "),
        ("street.mp4 --tracker words.txt", "--tracker words.txt: must be a YAML file of keys and values: "),
        ("street.mp4 --model reid.pth", "--model reid.pth: must be a YOLO model that detects; a ReID model goes into"),
        ("street.mp4 --classes dragon", "--classes must be indices or names of the model's classes (0 person"),
        ("street.mp4 --conf 2", "--conf must be in [0, 1], got 2.0"),
        ("street.mp4 --imgsz 16", "--imgsz must be 32 or more, got 16"),
        ("street.mp4 --vid-stride 0", "--vid-stride must be 1 or more, got 0"),
        ("street.mp4 --mot tracks.csv", "tracks.csv can't be written: the suffix must be .txt"),
        ("street.mp4 --video t.avi", "t.avi can't be written: the suffix must be .mp4"),
        ("street.mp4 --report nowhere/t.html", "nowhere/t.html can't be written: there is no folder nowhere"),
        ("street.mp4 --mot words.txt", "--mot words.txt: already exists; choose another name, or --overwrite"),
        ("street.mp4 --video street.mp4 --overwrite", "--video street.mp4: is the source, and would replace it"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(arguments, message, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    before = names(files)
    model = [] if "--model" in arguments else ["--model", "people.pt"]
    assert main(["track", *arguments.split(), *model, *asked(files, "json")]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ultralytics-reid: ")]
    assert len(told) == 1
    assert message in told[0]
    assert names(files) == before


def test_a_folder_that_cant_be_written_to_is_said_before_anything_is_tracked(files, monkeypatch, capsys):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ultralytics_reid.gallery.export.atomic_file.tempfile.TemporaryFile", fail)
    monkeypatch.setattr(job, "track", None)
    command = ["track", str(files / "street.mp4"), "--model", str(files / "people.pt")]
    assert main([*command, *asked(files, "csv")]) == 1
    assert "t.csv can't be written: Permission denied" in capsys.readouterr().err
