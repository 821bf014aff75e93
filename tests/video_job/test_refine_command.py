"""The second pass: `track --refine`, and `refine` on the log of an earlier run."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ultralytics_reid import Change, TrackLog, Tracks
from ultralytics_reid.cli import main
from ultralytics_reid.refinement.log_format import Header, LoggedFrame
from ultralytics_reid.video_job import refining
from ultralytics_reid.video_job.refining import frame_times
from ultralytics_reid.video_job.report import report_html
from ultralytics_reid.video_job.summary import summary
from ultralytics_reid.video_job.tracked import TrackedVideo


def tracks(frames, times):
    n = len(frames)
    boxes = {"xyxy": np.zeros((n, 4)), "confidence": np.ones(n), "cls": np.zeros(n), "embeddings": np.zeros((n, 2))}
    return Tracks.from_arrays(frame=frames, ids=np.ones(n), fps=10.0, time=times, **boxes)


@pytest.mark.slow
def test_the_command_refine_gives_what_track_refine_gives(clip, detector, tmp_path, capsys):
    source = str(clip / "street.mp4")
    log, mot, again = (tmp_path / name for name in ("tracks.reid", "mot.txt", "again.txt"))
    command = ["track", source, "--model", detector, "--imgsz", "384", "--refine", "--log", str(log)]
    assert main([*command, "--mot", str(mot), "--json", str(tmp_path / "t.json")]) == 0
    assert f"wrote {log}" in capsys.readouterr().out
    command = ["refine", str(log), "--mot", str(again), "--source", source, "--report", str(tmp_path / "t.html")]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("street.mp4: 30 frames (3.0 s) refined in ")
    assert mot.read_text() == again.read_text()
    assert len(mot.read_text().splitlines()) > 30
    document = json.loads((tmp_path / "t.json").read_text())
    assert "events" not in document
    assert "changes" in document
    assert "Events of the tracker name ids of the first pass" in (tmp_path / "t.html").read_text()
    assert "data:image/jpeg" in (tmp_path / "t.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere.reid", "nowhere.reid can't be read"),
        ("words.txt", "words.txt is no track log"),
        ("words.txt --video t.mp4", "--video and --report need --source"),
        ("words.txt --source 0 --report t.html", "--source must be a video or a folder of images"),
        ("words.txt --source nowhere.mp4", "--source nowhere.mp4: there is no such file"),
        ("words.txt --vid-stride 0", "--vid-stride must be 1 or more, got 0"),
        ("words.txt --gallery none.db", "words.txt is no track log"),
        ("words.txt --csv t.txt", "t.txt can't be written: the suffix must be .csv"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("no log")
    assert main(["refine", *arguments.split(), "--json", "t.json"]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]


class TestSource:
    """The source of a log: the clip, of 30 frames, or images."""

    def log(self, folder, shape, frames=30):
        log = TrackLog(folder / "tracks.reid")
        box = np.array([[10, 20, 40, 90]], np.float32)
        for n in range(1, frames + 1):
            parts = np.array([1]), box, np.ones(1), np.zeros(1, np.int64), np.zeros(1, bool), np.zeros((0, 1))
            log.append(LoggedFrame(n, n / 10, *parts), Header("", 0, 10.0, shape))
        log.close()
        return ["refine", str(log.path)]

    def test_another_size_than_the_log_s_is_refused_and_nothing_is_written(self, clip, tmp_path, capsys):
        command = [*self.log(tmp_path, (576, 768)), "--source", str(clip / "street.mp4")]
        assert main([*command, "--csv", str(tmp_path / "t.csv"), "--video", str(tmp_path / "t.mp4")]) == 1
        told = capsys.readouterr()
        assert (
            "must be the video or folder that tracks.reid was tracked in, of 768 x 576 pixels, got one of 480 x 270"
            in (told.err)
        )
        assert (told.out, [path.name for path in tmp_path.iterdir()]) == ("", ["tracks.reid"])

    @pytest.mark.parametrize("shape", [(270, 480), (0, 0)])
    def test_its_own_video_is_drawn_on_where_the_log_has_no_size_too(self, clip, tmp_path, capsys, shape):
        command = [*self.log(tmp_path, shape), "--source", str(clip / "street.mp4"), "--video", str(tmp_path / "t.mp4")]
        assert main(command) == 0
        video = cv2.VideoCapture(str(tmp_path / "t.mp4"))
        assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (480, 270)
        assert "frame" not in capsys.readouterr().err

    @pytest.mark.parametrize(("frames", "options"), [(12, []), (30, ["--vid-stride", "3"]), (45, [])])
    def test_another_number_of_frames_is_said(self, clip, tmp_path, capsys, frames, options):
        command = [*self.log(tmp_path, (270, 480), frames), "--source", str(clip / "street.mp4"), *options]
        assert main(command) == 0
        assert f"tracks.reid ends at frame {frames}, and street.mp4 has " in capsys.readouterr().err

    def test_images_of_several_sizes_have_that_of_the_log_where_it_ends(self, tmp_path):
        for n, height in enumerate((100, 120, 140), 1):
            cv2.imwrite(str(tmp_path / f"{n}.png"), np.zeros((height, 200, 3), np.uint8))
        source = ["--source", str(tmp_path)]
        assert main([*self.log(tmp_path, (120, 200), 2), *source]) == 0
        assert main([*self.log(tmp_path, (100, 200), 3), *source]) == 1


def test_ids_are_the_identities_of_a_gallery(tmp_path, monkeypatch, capsys):
    given, asked = tracks([1, 2, 3], [0.1, 0.2, 0.3]), []
    monkeypatch.setattr(TrackLog, "read", lambda self: given)

    class Known:
        def __init__(self, uri):
            asked.append(uri)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def identified(self, tracks, refined):
            rows = refined.rows.copy()
            rows[:, 1] = 77
            return replace(refined, rows=rows)

    monkeypatch.setattr(refining, "Gallery", Known)
    log = tmp_path / "door.reid"
    assert main(["refine", str(log), "--gallery", "site.db", "--mot", str(tmp_path / "t.txt")]) == 0
    assert asked == ["site.db"]
    assert {line.split(",")[1] for line in (tmp_path / "t.txt").read_text().splitlines()} == {"77"}


def test_frames_without_boxes_have_times_between_and_beyond_those_with():
    np.testing.assert_allclose(frame_times(tracks([2, 2, 4], [0.2, 0.2, 0.8]), 6), [0.1, 0.2, 0.5, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(frame_times(tracks([2], [0.5]), 0), [0.4, 0.5])
    np.testing.assert_allclose(frame_times(tracks([], []), 3), [0.1, 0.2, 0.3])
    # The log knows how far it was tracked; what a file says of its length is a guess.
    logged = replace(tracks([2], [0.5]), frames=4)
    for of_source in (0, 3):
        np.testing.assert_allclose(frame_times(logged, of_source), [0.4, 0.5, 0.6, 0.7])


class TestChanges:
    """Of each final identity, and of what was left out: what a reader of the report is told."""

    def page(self, ids, changes=()):
        """The report's rows, where `ids` are pairs of ids before and after, a frame each."""
        rows = np.array([[n, new, 0, 0, 9, 9, 0.9, 0] for n, (_, new) in enumerate(ids, 1)], float)
        before, times = np.array([old for old, _ in ids]), np.arange(1, len(ids) + 1) / 10
        tracked = TrackedVideo("a.mp4", rows, times, 10.0, (9, 9), {}, changes=changes, before=before, stride=2)
        self.text = summary(tracked, "refined")
        page = report_html(tracked, {}, "")
        self.told = page.split("What the second pass changed")[1].split("<footer>")[0]
        return [re.findall("<td>(.*?)</td>", row) for row in self.told.split("<tr>")[1:] if "<td>" in row]

    def test_an_identity_has_one_row_with_the_least_probability_of_its_merges(self):
        steps = ((2, 9), 0.99), ((2, 8, 9), 0.71), ((2, 8, 9, 14), 0.95)
        changes = tuple(Change("merged", ids, (2,), (1, 4), p, "appearance") for ids, p in steps)
        listed = self.page([(2, 2), (2, 2), (9, 2), (8, 2), (14, 2), (5, 5)], changes)
        assert listed == [["2", "2, 8, 9, 14", "0.71", "less sure"]]
        assert "second pass: 3 merged" in self.text

    def test_parts_of_an_id_are_called_so(self):
        changes = Change("merged", (4, 16), (16,), (1, 4), 0.96, ""), Change("split", (4,), (4, 16), (1, 4), None, "")
        listed = self.page([(4, 4), (4, 16), (16, 16), (16, 16)], changes)
        assert listed == [["4", "a part of 4", "", ""], ["16", "16, a part of 4", "0.96", ""]]

    def test_what_was_left_out_is_told_with_its_reason_and_frames_of_the_source(self):
        listed = self.page([(1, 1)], (Change("dropped", (7,), (), (5, 80), None, "like <nobody>"),))
        assert listed == [["10–160", "7", "like &lt;nobody&gt;"]]

    def test_boxes_that_had_no_id_before_change_none(self):
        assert self.page([(1, 1), (0, 1)]) == []
        assert "<p>Nothing.</p>" in self.told
