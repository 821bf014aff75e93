"""What is collected frame by frame."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from ultralytics_reid.events import Events, Revival
from ultralytics_reid.video_job import run
from ultralytics_reid.video_job.source import VideoSource
from ultralytics_reid.video_job.tracking import Recording


class Decision:
    """Stands for a tracklet's decision, which can be hashed and referred to weakly."""


def result(*ids):
    xyxy = np.array([[10 * i, 0, 10 * i + 5, 9] for i in ids], np.float32).reshape(-1, 4)
    parts = {"xyxy": xyxy, "conf": np.full(len(ids), 0.5), "cls": np.zeros(len(ids)), "id": np.array(ids, float)}
    boxes = SimpleNamespace(**{name: torch.as_tensor(part) for name, part in parts.items()})
    return SimpleNamespace(boxes=boxes if ids else SimpleNamespace(id=None), obb=None, orig_shape=(480, 640))


def held_back(decision, left):
    return SimpleNamespace(track_id=-1, decision=decision, xyxy=np.array([left, 0, left + 5, 9]), score=0.5, cls=0)


def tracker(now, *held, **decisions):
    tracks = [SimpleNamespace(track_id=int(i[1:]), decision=decision) for i, decision in decisions.items()]
    clock = SimpleNamespace(fps=10.0, now=now)
    return SimpleNamespace(tracked_stracks=tracks, clock=clock, events=Events(), log=None, held_tracks=lambda: held)


def test_rows_times_and_tracklets_are_kept_by_frame():
    recording, first, second = Recording(), Decision(), Decision()
    recording.add(result(7, 8), tracker(0.1, i7=first, i8=None))
    recording.add(result(), tracker(0.2))
    recording.add(result(9, 7), tracker(0.3, i7=second, i9=first, i5=Decision()))
    video = recording.as_video(VideoSource("a.mp4", 3, is_repeatable=True), {0: "person"})
    assert video.rows[:, :2].tolist() == [[1, 7], [1, 8], [3, 9], [3, 7]]
    assert video.rows[0, 2:].tolist() == [70, 0, 75, 9, 0.5, 0]
    assert (video.times.tolist(), video.fps, video.size) == ([0.1, 0.2, 0.3], 10, (640, 480))
    tracklets = recording.row_tracklets().tolist()
    assert (tracklets[0], tracklets[1]) == (tracklets[2], 0)
    assert tracklets[3] not in tracklets[:3]


def test_boxes_that_are_held_back_are_kept_without_an_id_and_not_shown():
    recording, decision = Recording(), Decision()
    recording.add(result(7), tracker(0.1, held_back(decision, 80)))
    recording.add(result(8), tracker(0.2, i8=decision))
    assert recording.all_rows()[:, :3].tolist() == [[1, 7, 70], [1, 0, 80], [2, 8, 80]]
    assert recording.row_tracklets().tolist() == [0, 1, 1]
    assert len(recording.as_video(VideoSource("a.mp4", 3, is_repeatable=True), {}).rows) == 2


def test_a_frame_that_was_interrupted_half_way_is_left_out():
    recording = Recording()
    recording.add(result(7), tracker(0.1))
    recording.rows.append(np.zeros((1, 8)))
    video = recording.as_video(VideoSource("a.mp4", 3, is_repeatable=True), {})
    assert (len(video.rows), len(recording.row_tracklets()), len(video.times)) == (1, 1, 1)


def test_a_second_pass_starts_from_the_ids_that_the_first_one_s_files_would_have(monkeypatch):
    recording, decision = Recording(), Decision()
    recording.add(result(8), tracker(0.1, i8=decision))
    recording.add(result(7), tracker(0.2, i7=decision))
    recording.events.append(Revival(7, 8, 2, 0.2, 5.0, 0.8))  # 8 was 7 all along
    recording.log = "log"
    rows = np.array([[1, 3, *[0] * 6], [1, 4, *[0] * 6], [2, 3, *[0] * 6], [9, 3, *[0] * 6]], float)
    refined = SimpleNamespace(rows=rows, before=np.array([8, 0, 7, 7]), changes=[])
    monkeypatch.setattr(run, "refine", {"log": refined}.get)
    shown = recording.as_video(VideoSource("a.mp4", 3, is_repeatable=True), {})
    found = run.with_final_ids(shown, recording, refines=True)
    assert (found.rows[:, 1].tolist(), found.before.tolist()) == ([3, 4, 3], [7, 0, 7])


def test_the_rate_of_a_stream_is_measured_over_all_of_it():
    recording = Recording()
    for now in (0.0, 0.1, 0.6, 1.0):
        recording.add(result(), tracker(now))
    assert recording.as_video(VideoSource("0", None, is_repeatable=False), {}).fps == 3.0
