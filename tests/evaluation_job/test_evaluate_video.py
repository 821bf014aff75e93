"""`ultralytics-reid evaluate --video`: what an embedder does to tracking."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ultralytics.utils import YAML

import ultralytics_reid
from ultralytics_reid.cli import main
from ultralytics_reid.evaluation_job import video as evaluated
from ultralytics_reid.scenes import Scene, SceneOptions
from ultralytics_reid.video_job.tracked import TrackedVideo

DETECTOR = str(Path(ultralytics_reid.__file__).parent / "demo" / "people.pt")
FRAMES, FPS, SIZE = 30, 10.0, (480, 270)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder with `street.mp4`, three seconds of a scene, and its `gt.txt`."""
    folder = tmp_path_factory.mktemp("clip")
    scene = Scene(SceneOptions(people=3, seconds=FRAMES / FPS, fps=FPS, size=SIZE, seed=5))
    video = cv2.VideoWriter(str(folder / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    rows = []
    for frame, view in enumerate(scene.views(stop=FRAMES), 1):
        video.write(scene.render(view))
        for person, (x1, y1, x2, y2), visible in zip(view.ids, view.xyxy, view.visible, strict=True):
            rows.append(f"{frame},{person},{x1:.1f},{y1:.1f},{x2 - x1:.1f},{y2 - y1:.1f},1,1,{visible:.2f}")
    video.release()
    (folder / "gt.txt").write_text("\n".join(rows) + "\n")
    return folder


def command(clip, *options):
    given = ["--video", str(clip / "street.mp4"), "--ground-truth", str(clip / "gt.txt"), "--detector", DETECTOR]
    return ["evaluate", *given, "--imgsz", "384", *options]


@pytest.mark.slow
def test_each_model_is_tracked_with_and_scored_by_person(clip, colors, tmp_path, capsys):
    models = ["--model", "auto", "--model", "color_embedders:halves", "--label", "colors"]
    assert main(command(clip, *models, "--out", str(tmp_path / "out"))) == 0
    printed = capsys.readouterr().out
    assert "IDF1 by person" in printed
    found = json.loads((tmp_path / "out" / "scores.json").read_text())["tracking"]
    assert [t["model"] for t in found] == ["auto", "colors"]
    assert all(t["idf1"] > 0.7 and t["ids"] >= 2 for t in found)
    assert colors.CALLS
    assert not (tmp_path / "out" / "accuracy.png").exists()


def tracked(monkeypatch, *, interrupted=False):
    """Replace tracking by a video in which nobody was found; returns the tracker YAMLs that it was to be done with."""
    shown = TrackedVideo("street.mp4", np.empty((0, 8)), np.arange(FRAMES) / FPS, FPS, SIZE, {0: "person"})
    yamls = []

    def track(_, options, __):
        yamls.append(YAML.load(options.tracker))
        return shown, SimpleNamespace(interrupted=interrupted)

    monkeypatch.setattr(evaluated, "track", track)
    return yamls


def test_an_interrupted_video_has_no_figures(clip, tmp_path, monkeypatch, capsys):
    tracked(monkeypatch, interrupted=True)
    assert main(command(clip, "--model", "auto", "--out", str(tmp_path / "out"))) == 130
    printed = capsys.readouterr()
    assert "IDF1" not in printed.out
    assert "interrupted" in printed.err
    assert not list((tmp_path / "out").iterdir())


def test_a_head_of_the_yaml_is_not_tracked_with(clip, colors, tmp_path, monkeypatch, write_head):
    yamls = tracked(monkeypatch)
    (tmp_path / "mine.yaml").write_text("tracker_type: reid_botsort\nhead: other.safetensors\nmemory_seconds: 7\n")
    models = ["--model", "color_embedders:halves", "--model", "color_embedders:halves", "--head", write_head("colors2")]
    assert main(command(clip, *models, "--tracker", str(tmp_path / "mine.yaml"))) == 0
    assert [yaml["head"] for yaml in yamls] == ["", str(tmp_path / "mine.safetensors")]
    assert [yaml["memory_seconds"] for yaml in yamls] == [7, 7]


def test_the_gallery_and_the_track_log_of_the_yaml_are_not_written_into(clip, tmp_path, monkeypatch):
    yamls = tracked(monkeypatch)
    stores = {"gallery": "postgresql://site", "gallery_index": "milvus://site:19530", "topology": "site.yaml"}
    given = {"tracker_type": "reid_botsort", "track_log": "tracks.reid", "memory_seconds": 7, **stores}
    YAML.save(tmp_path / "mine.yaml", given)
    assert main(command(clip, "--model", "auto", "--tracker", str(tmp_path / "mine.yaml"))) == 0
    (yaml,) = yamls
    assert {yaml[key] for key in ("gallery", "gallery_index", "topology", "track_log")} == {""}
    assert yaml["memory_seconds"] == 7


def test_ground_truth_of_another_video_is_refused(clip, colors, tmp_path, capsys):
    (tmp_path / "gt.txt").write_text("31,1,10,10,20,40,1,1,1\n")
    options = ["--model", "auto", "--ground-truth", str(tmp_path / "gt.txt")]
    assert main(command(clip, *options)) == 1
    assert "has the frame 31, and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--imgsz", "5"], "--imgsz must be 32 or more, got 5"),
        (["--classes", "dragon"], "--classes must be indices or names of the model's classes (0 person), got 'dragon'"),
    ],
)
def test_options_of_tracking_are_checked_before_crops_are_embedded(clip, colors, people, capsys, *, options, said):
    evaluate, *given = command(clip, "--model", "color_embedders:halves", *options)
    assert main([evaluate, str(people), *given]) == 1
    assert said in capsys.readouterr().err
    assert not colors.CALLS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,1,10,10,20\n", "gt.txt:1: 5 numbers"),
        ("1,1,10,10,20,40,0,1,1\n", "the flag is 0 on every line"),
        ("", "has no line"),
    ],
)
def test_odd_ground_truth_is_named(clip, tmp_path, text, said, capsys):
    (tmp_path / "gt.txt").write_text(text)
    assert main(command(clip, "--model", "auto", "--ground-truth", str(tmp_path / "gt.txt"))) == 1
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_video_is_tracked_with_a_head_too(clip, colors, tmp_path, write_head):
    head = write_head("colors2")
    options = ["--model", "color_embedders:halves", "--head", head, "--out", str(tmp_path / "out")]
    assert main(command(clip, *options)) == 0
    (found,) = json.loads((tmp_path / "out" / "scores.json").read_text())["tracking"]
    assert found["model"] == "color_embedders:halves + mine"
    assert found["idf1"] > 0.7
