"""The real `YOLO(...).track(...)`: every kind of source and task, and what its results know."""

import gc
import itertools
import pickle
import subprocess
import sys
import textwrap
import time

import cv2
import numpy as np
import pytest
import torch
from synthetic import make_tracker, our_args
from test_tracker import cached
from ultralytics import YOLO
from ultralytics.engine.results import Results
from ultralytics.utils import LOGGER

import ultralytics_reid
from benchmarks.harness.data.sequences import load_sequence
from ultralytics_reid import ReIDBOTSORT, ReIDError, embeddings, finish, identities, revivals, tracker_yaml
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import returns
from ultralytics_reid.tracking.results import Shown

YAML_NAME = "reid_botsort.yaml"


@pytest.fixture(scope="session")
def frames(shared):
    """The first real frames of PETS09-S2L1."""
    capture = cv2.VideoCapture(str(shared("data/pets09-s2l1/vtest.avi")))
    return [capture.read()[1] for _ in range(40)]


@pytest.fixture(scope="session")
def video(frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def model(shared):
    return YOLO(shared("models/yolo11n.pt"))


@pytest.fixture
def easy_yaml(tmp_path):
    """Our YAML for detectors with random weights, which score next to nothing."""
    text = tracker_yaml().read_text().replace("thresh: 0.25", "thresh: 0.0").replace("thresh: 0.1 ", "thresh: 0.0 ")
    # Such boxes would wait for their ids.
    text = text.replace("fuse_score: True", "fuse_score: False").replace("provisional: hide", "provisional: show")
    (tmp_path / "easy.yaml").write_text(text.replace("min_crop_height: 24.0", "min_crop_height: 0.0"))
    return tmp_path / "easy.yaml"


@pytest.fixture
def told(monkeypatch):
    """Warnings of the host's logger."""
    lines = []
    monkeypatch.setattr(LOGGER, "warning", lambda text, *_, **__: lines.append(text))
    return lines


@pytest.fixture
def said(monkeypatch):
    """What the host's logger says."""
    lines = []
    monkeypatch.setattr(LOGGER, "info", lambda text="", *_, **__: lines.append(str(text)))
    return lines


def closing(lines):
    return [line for line in lines if line.startswith("reid_botsort")]


def track(model, source, **more):
    options = {"tracker": YAML_NAME, "imgsz": 320, "verbose": False, "stream": True} | more
    return list(model.track(source, **options))


def ids(results):
    return [() if r.boxes.id is None else tuple(r.boxes.id.int().tolist()) for r in results]


def tracker_of(model, n=0):
    return model.predictor.trackers[n]


class TestSources:
    @pytest.mark.slow
    def test_a_video(self, model, video):
        out = track(model, video)
        assert len(out) == 40
        assert isinstance(tracker_of(model), ReIDBOTSORT)
        assert sum(map(len, ids(out))) > 80
        assert tracker_of(model).fps == pytest.approx(5)
        assert tracker_of(model).clock.now == pytest.approx(8)
        assert tracker_of(model).recognizer.bank.fingerprint.startswith("detector:")

    @pytest.mark.slow
    def test_features_reach_the_tracker_for_every_detection_on_every_frame(self, model, video):
        track(model, video)
        assert len(tracker_of(model).recognizer.bank.state()["raw"]) >= 3

    def test_a_run_ends_with_one_line_unless_it_is_silent(self, model, video, monkeypatch):
        told = []
        monkeypatch.setattr(LOGGER, "info", lambda *text: told.append(str(text[0])))
        out = track(model, video, verbose=True, vid_stride=4)
        closing = [line for line in told if line.startswith("reid_botsort: ")]
        assert closing == [
            f"reid_botsort: {len(set(itertools.chain(*ids(out))))} ids, 0 returns recognized, 0 reverted"
        ]
        told.clear()
        track(model, video, verbose=True, vid_stride=8, classes=[16])
        assert [line for line in told if "nothing was detected in 5 frames" in line]
        told.clear()
        track(model, video, vid_stride=8)
        assert not [line for line in told if line.startswith("reid_botsort")]

    def test_a_folder_ends_with_the_line_too(self, model, frames, tmp_path, said):
        for n, frame in enumerate(frames[:3]):
            cv2.imwrite(str(tmp_path / f"{n:06d}.png"), frame)
        out = track(model, tmp_path, verbose=True)
        count = len(set(itertools.chain(*ids(out))))
        assert closing(said) == [f"reid_botsort: {count} ids, 0 returns recognized, 0 reverted"]
        track(model, tmp_path, verbose=True, classes=[16])
        assert "nothing was detected in 3 frames" in closing(said)[1]

    def test_a_loop_has_its_line_when_it_is_finished_or_the_model_is_gone(self, shared, frames, said):
        model = YOLO(shared("models/yolo11n.pt"))
        for frame in frames[:4]:
            model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320)
        assert closing(said) == []
        finish(model)
        finish(model)
        assert len(closing(said)) == 1
        model.track(frames[4], persist=True, tracker=YAML_NAME, imgsz=320)
        del model
        gc.collect()
        assert len(closing(said)) == 2
        assert all("ids, 0 returns recognized, 0 reverted" in line for line in closing(said))

    def test_a_silent_loop_stays_silent(self, shared, frames, said):
        model = YOLO(shared("models/yolo11n.pt"))
        model.track(frames[0], persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)
        finish(model)
        del model
        gc.collect()
        assert closing(said) == []

    def test_a_program_that_just_ends_has_the_line_of_its_loop(self):
        code = """
            import numpy as np
            from ultralytics import YOLO
            from ultralytics_reid.demo import DETECTOR
            model = YOLO(DETECTOR)
            for _ in range(3):
                model.track(np.zeros((96, 96, 3), np.uint8), persist=True, tracker="reid_botsort.yaml", imgsz=96)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
        assert done.stdout.count("reid_botsort: nothing was detected in 3 frames") == 1

    def test_a_stride_skips_frames_and_not_time(self, model, video):
        assert len(track(model, video, vid_stride=2)) == 20
        assert tracker_of(model).clock.now == pytest.approx(8)

    @pytest.mark.slow
    def test_a_frame_rate_in_the_yaml_wins(self, model, video, tmp_path):
        (tmp_path / "mine.yaml").write_text(tracker_yaml().read_text().replace("fps: auto", "fps: 20"))
        track(model, video, tracker=tmp_path / "mine.yaml")
        assert tracker_of(model).clock.now == pytest.approx(2)

    @pytest.mark.slow
    def test_one_class_only(self, model, video):
        assert all(set(r.boxes.cls.tolist()) <= {0.0} for r in track(model, video, classes=[0]))

    def test_a_folder_of_images_is_one_video(self, model, frames, tmp_path):
        for n, frame in enumerate(frames[:12]):
            cv2.imwrite(str(tmp_path / f"{n:06d}.png"), frame)
        out = ids(track(model, tmp_path))
        assert set(out[-1]) & set(out[0])
        assert tracker_of(model).frame_id == 12
        tracker_of(model).reset()
        assert tracker_of(model).frame_id == 0

    def test_also_in_batches(self, model, frames, tmp_path):
        for n, frame in enumerate(frames[:12]):
            cv2.imwrite(str(tmp_path / f"{n:06d}.png"), frame)
        track(model, tmp_path, batch=4)
        assert tracker_of(model).frame_id == 12

    def test_or_as_many_videos_as_images(self, model, frames, tmp_path):
        (tmp_path / "mine.yaml").write_text(
            tracker_yaml().read_text().replace("folder_is_video: True", "folder_is_video: False")
        )
        for n, frame in enumerate(frames[:3]):
            cv2.imwrite(str(tmp_path / f"{n:06d}.png"), frame)
        track(model, tmp_path, tracker=tmp_path / "mine.yaml")
        assert tracker_of(model).frame_id == 1

    @pytest.mark.slow
    def test_two_videos_in_a_row_have_nothing_in_common(self, model, video, tmp_path):
        for name in ("a.avi", "b.avi"):
            (tmp_path / name).write_bytes(video.read_bytes())
        out = ids(track(model, tmp_path))
        assert out[:40] == out[40:]

    @pytest.mark.slow
    def test_several_streams_have_a_tracker_each(self, model, video, tmp_path):
        (tmp_path / "list.streams").write_text(f"{video}\n{video}\n")
        out = track(model, tmp_path / "list.streams", stream_buffer=True)
        assert len(model.predictor.trackers) == 2
        assert tracker_of(model, 0).recognizer is not tracker_of(model, 1).recognizer
        assert any(map(len, ids(out)))
        assert all(tracker_of(model, n).clock.fps == pytest.approx(5) for n in range(2))

    def test_fewer_streams_than_before_where_trackers_persist(self, model, video, tmp_path):
        for name, count in (("two.streams", 2), ("one.streams", 1)):
            (tmp_path / name).write_text("\n".join([str(video)] * count))
            out = track(model, tmp_path / name, persist=True)
            assert len(out) >= count

    def test_a_loop_of_frames_that_persists(self, model, frames):
        out = [model.track(f, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)[0] for f in frames[:15]]
        assert tracker_of(model).frame_id == 15
        assert len(identities(out[-1])) == len(out[-1].boxes)
        assert set(ids(out)[-1]) & set(ids(out)[2])

    def test_a_loop_that_does_not_persist_starts_anew_and_says_so_once(self, model, frames, told):
        for frame in frames[:4]:
            model.track(frame, tracker=YAML_NAME, imgsz=320, verbose=False)
        assert tracker_of(model).frame_id == 1
        assert len([t for t in told if "persist=True" in t]) == 1

    def test_a_loop_of_frames_runs_by_the_clock_and_names_the_key_once(self, model, frames, told):
        start = time.monotonic()
        for frame in frames[:4]:
            model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)
            time.sleep(0.3)
        assert 0.9 < tracker_of(model).clock.now < time.monotonic() - start
        assert tracker_of(model).fps < 1 / 0.3
        assert len([t for t in told if "'fps'" in t and "clock.at(seconds)" in t]) == 1
        assert not [t for t in told if "persist=True" in t]

    def test_a_loop_of_frames_may_say_when_they_were_taken(self, model, frames):
        for n, frame in enumerate(frames[:4]):
            if n:
                tracker_of(model).clock.at(1000 + 2 * n)
            model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)
        assert 4 < tracker_of(model).clock.now < 4.1

    def test_a_loop_of_known_rate_says_nothing(self, model, frames, tmp_path, told):
        (tmp_path / "mine.yaml").write_text(tracker_yaml().read_text().replace("fps: auto", "fps: 20"))
        for frame in frames[:3]:
            model.track(frame, persist=True, tracker=tmp_path / "mine.yaml", imgsz=320, verbose=False)
        assert tracker_of(model).clock.now == pytest.approx(3 / 20)
        assert not told

    @pytest.mark.parametrize(("camera", "times"), [("auto", 1), ("door", 0)])
    def test_a_loop_without_a_camera_name_says_so_where_there_is_a_gallery(  # noqa: PLR0917
        self, model, frames, tmp_path, told, camera, times
    ):
        text = tracker_yaml().read_text().replace('gallery: ""', f"gallery: {tmp_path / 'site.db'}")
        (tmp_path / "mine.yaml").write_text(text.replace("camera_id: auto", f"camera_id: {camera}"))
        for frame in frames[:3]:
            model.track(frame, persist=True, tracker=tmp_path / "mine.yaml", imgsz=320, verbose=False)
        assert len([t for t in told if "'camera_id'" in t]) == times


@pytest.mark.parametrize("task", ["-seg", "-obb"])
def test_outlines_and_turned_boxes_of_every_frame_of_a_batch_reach_an_encoder(task, easy_yaml, monkeypatch):
    asked = []

    class Recorder:
        def embed(self, image, regions):
            asked.append((image, regions))
            return self(image, regions.xyxy)

        def __call__(self, image, xyxy):
            return np.ones((len(xyxy), 4), np.float32)

    text = easy_yaml.read_text().replace("model: auto", "model: osnet_x0_25")
    easy_yaml.write_text(text.replace("mask_crops: False", "mask_crops: True"))
    torch.manual_seed(1)
    pictures = [np.random.default_rng(n).integers(0, 255, (240, 320, 3), dtype=np.uint8) for n in range(2)]
    monkeypatch.setattr("ultralytics_reid.tracking.frame_embeddings.build_embedder", lambda *_: Recorder())
    track(YOLO(f"yolo11n{task}.yaml"), pictures, tracker=easy_yaml, conf=1e-12, max_det=9)
    assert [picture is given for picture, (given, _) in zip(pictures, asked, strict=True)] == [True, True]
    for _, regions in asked:
        assert (regions.xywhr is None) == (task == "-seg")
        assert (regions.masks is None) == (task == "-obb")
        for box, outline in zip(regions.xyxy, regions.masks or (), strict=task == "-seg"):
            if len(outline):  # the host's outlines end where their box does
                assert outline.min(axis=0) == pytest.approx(np.maximum(outline.min(axis=0), box[:2] - 2))
                assert outline.max(axis=0) == pytest.approx(np.minimum(outline.max(axis=0), box[2:] + 2))


@pytest.mark.parametrize("task", ["", "-seg", "-pose", "-obb"])
@pytest.mark.parametrize("family", ["yolo11n", "yolo26n"])
def test_every_task_of_both_families_has_features(family, task, easy_yaml):
    torch.manual_seed(family == "yolo11n")  # seeds with which the segmenters of random weights find anything
    picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    model = YOLO(f"{family}{task}.yaml")
    for _ in range(3):
        (result,) = model.track(
            picture, persist=True, tracker=easy_yaml, verbose=False, conf=1e-12, max_det=9, imgsz=320
        )
    found = result.boxes if result.obb is None else result.obb
    assert len(found)
    assert found.id is not None
    assert len(identities(result)) == len(found)
    track = tracker_of(model).tracked_stracks[0]
    assert np.linalg.norm(track.embedding) == pytest.approx(1, abs=1e-4)
    assert len(track.embedding) > 300


class TestHost:
    def test_another_tracker_afterwards_has_none_of_our_taps(self, model, frames):
        model.track(frames[0], tracker=YAML_NAME, imgsz=320, verbose=False)
        assert any(layer._forward_hooks for layer in model.predictor.model.model.model)
        result = model.track(frames[0], tracker="bytetrack.yaml", imgsz=320, verbose=False)[0]
        gc.collect()
        assert not any(layer._forward_hooks for layer in model.predictor.model.model.model)
        with pytest.raises(ReIDError, match="no identities"):
            identities(result)

    def test_features_are_gone_where_the_same_yaml_wants_none_any_more(self, model, frames, tmp_path):
        text = tracker_yaml().read_text()
        (tmp_path / "mine.yaml").write_text(text)
        track(model, frames[:2], tracker=tmp_path / "mine.yaml")
        (tmp_path / "mine.yaml").write_text(text.replace("with_reid: True", "with_reid: False"))
        assert len(track(model, frames[:2], tracker=tmp_path / "mine.yaml")) == 2

    def test_prediction_afterwards_keeps_no_maps(self, model, frames):
        model.track(frames[0], tracker=YAML_NAME, imgsz=320, verbose=False)
        model.predict(frames[0], imgsz=320, verbose=False)
        assert model.predictor._hook._map is None

    def test_tracking_again_does_not_pile_up_callbacks(self, model, frames):
        for _ in range(3):
            model.track(frames[0], tracker=YAML_NAME, imgsz=320, verbose=False)
        names = [getattr(f, "__name__", "") for f in model.callbacks["on_predict_postprocess_end"]]
        assert names.count("after_update") == 1

    def test_tracking_again_does_not_pile_up_taps(self, model, frames):
        for _ in range(3):
            model.track(frames[0], tracker=YAML_NAME, imgsz=320, verbose=False)
        gc.collect()
        assert {len(layer._forward_hooks) for layer in model.predictor.model.model.model} == {0, 1}

    def test_a_wrong_key_stops_before_the_first_frame(self, model, frames, tmp_path):
        (tmp_path / "bad.yaml").write_text(tracker_yaml().read_text() + "memory_second: 3\n")
        with pytest.raises(ultralytics_reid.ConfigError, match="did you mean 'memory_seconds'"):
            model.track(frames[0], tracker=tmp_path / "bad.yaml", imgsz=320, verbose=False)

    @pytest.mark.extras
    def test_an_exported_model_says_once_that_it_shows_nothing_of_its_inside(self, shared, frames, monkeypatch):
        pytest.importorskip("openvino")
        told = []
        monkeypatch.setattr(LOGGER, "warning", told.append)
        model = YOLO(shared("models/yolo11n_int8_openvino_model"), task="detect")
        for frame in frames[:5]:
            result = model.track(frame, persist=True, tracker=YAML_NAME, imgsz=448, verbose=False)[0]
        (warning,) = (t for t in told if "no embeddings (an exported model" in t)
        assert "recognized after an absence of more than track_buffer frames" in warning  # before, motion tells
        assert result.boxes.id is not None


class TestResults:
    @pytest.mark.slow
    def test_boxes_and_identities_go_together(self, model, video):
        for result in itertools.islice(track(model, video), 10):
            known = identities(result)
            assert [b and b.identity_id for b in known] == list(ids([result])[0] or [None] * len(known))
            assert revivals(result) == []

    @pytest.mark.slow
    def test_each_frame_of_a_batch_knows_its_own(self, model, video):
        for result in track(model, video, batch=8):
            known = identities(result)
            assert [b and b.identity_id for b in known] == list(ids([result])[0] or [None] * len(known))

    def test_a_box_that_waits_alone_is_hidden(self, model, frames, monkeypatch):
        model.track(frames[0], persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)
        monkeypatch.setattr(
            ReIDBOTSORT, "update", lambda self, *_, **__: self.batch.shown.append(Shown({})) or np.zeros((0, 8))
        )
        monkeypatch.setattr(ReIDBOTSORT, "hides", True)
        result = model.track(frames[1], persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)[0]
        assert len(result.boxes) == 0

    def test_each_box_has_the_embedding_of_its_track(self, model, frames):
        for frame in frames[:8]:
            result = model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)[0]
        found, tracks = embeddings(result), {t.track_id: t for t in tracker_of(model).tracked_stracks}
        assert len(found) == len(result.boxes) > 2
        for identity, embedding in zip(result.boxes.id.int().tolist(), found, strict=True):
            assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
            assert embedding == pytest.approx(tracks[identity].smooth_feat)
        with pytest.raises(ReIDError, match="no embeddings"):
            embeddings(result.cpu())

    def test_identities_survive_a_reset_of_the_models_callbacks(self, model, frames):
        heard = []
        for n, frame in enumerate(frames[:6]):
            if n == 3:
                model.reset_callbacks()
                model.add_callback("on_predict_postprocess_end", lambda p: heard.append(len(p.results)))
            result = model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False)[0]
            assert len(identities(result)) == len(result.boxes)
        assert heard == [1, 1, 1]

    def test_boxes_are_drawn_with_a_color_an_id(self, model, frames, tmp_path):
        for frame in frames[:8]:
            result = model.track(frame, persist=True, tracker=YAML_NAME, imgsz=320, verbose=False, classes=[0])[0]
        by_id, by_class = result.plot(labels=False), result.plot(labels=False, color_mode="class")
        assert (by_id == result.plot(labels=False, color_mode="instance")).all()
        assert (by_id != by_class).any()
        edges = {tuple(by_id[int(t), int(x + r) // 2].tolist()) for x, t, r, _ in result.boxes.xyxy.tolist()}
        assert len(edges) > 2
        options = {"tracker": YAML_NAME, "imgsz": 320, "verbose": False, "classes": [0], "show_labels": False}
        saved = model.track(frames[8], persist=True, save=True, project=str(tmp_path), **options)[0]
        assert (model.predictor.plotted_img == saved.plot(labels=False)).all()
        assert (model.predictor.plotted_img != saved.plot(labels=False, color_mode="class")).any()
        assert isinstance(saved, Results)
        assert pickle.loads(pickle.dumps(saved)).boxes.id.tolist() == saved.boxes.id.tolist()

    def test_a_copy_does_not_pretend_to_know(self, model, frames):
        result = model.track(frames[0], tracker=YAML_NAME, imgsz=320, verbose=False)[0]
        with pytest.raises(ReIDError, match=r"as model\.track\(\) gave it"):
            identities(result.cpu())


@pytest.mark.slow
def test_those_who_walk_out_of_pets_and_come_back_have_the_id_they_had(shared):
    """On cached detections of the INT8 model, with OSNet's embeddings."""
    sequence = load_sequence(shared("data/pets09-s2l1"))
    tracker = ReIDBOTSORT(our_args())
    tracker.fps = sequence.fps
    picture, out = np.zeros((576, 768, 3), np.uint8), []
    for detections, feats in cached(shared("data/cache/pets09-s2l1.npz")):
        rows = tracker.update(detections, picture, feats=feats).reshape(-1, 8)
        out.append(FrameBoxes(rows[:, 4].astype(np.int64), rows[:, :4]))
    found = returns(sequence, out)
    assert (found.total, found.recognized >= 6, found.false <= 1) == (9, True, True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: Ultralytics has no half precision on the CPU")
def test_half_precision(model, video):
    assert any(map(len, ids(track(model, video, half=True, device=0))))


def test_time_of_streams():
    """Live ones go by the clock on the wall, files by their frames."""
    from types import SimpleNamespace

    from ultralytics_reid.tracking.callbacks import _tell_stream_time
    from ultralytics_reid.tracking.clock import Clock

    live, file, skipped = Clock(30), Clock(30), Clock(30)
    capture = SimpleNamespace(get=lambda _: 50.0)
    endless = SimpleNamespace(frames=[float("inf")], fps=[25.0], buffer=False)
    whole = SimpleNamespace(frames=[100], fps=[25.0], buffer=True)
    partly = SimpleNamespace(frames=[100], fps=[25.0], buffer=False, caps=[capture])
    for _ in range(3):
        for clock, data in ((live, endless), (file, whole), (skipped, partly)):
            _tell_stream_time(clock, data, 0, 1)
            clock.tick()
    assert live.now < 1
    assert file.now == pytest.approx(3 / 25)
    assert skipped.now == pytest.approx(0)
    capture.get = lambda _: 75.0
    _tell_stream_time(skipped, partly, 0, 1)
    skipped.tick()
    assert skipped.now == pytest.approx(1)


@pytest.mark.parametrize("fps", [0, float("nan"), 90000.0])
def test_a_container_that_does_not_know_its_rate_is_taken_for_30(fps):
    from ultralytics_reid.tracking.callbacks import _plausible

    assert _plausible(fps) == 30
    assert _plausible(12.5) == 12.5


def test_a_clock_measures_the_frame_rate_of_frames_whose_time_is_said_unless_it_is_set():
    for fps, expected in ((None, 4), (25, 25)):
        tracker = ReIDBOTSORT(our_args())
        if fps:
            tracker.fps = fps
        for n in range(20):
            tracker.clock.at(100 + n / 4)
            tracker.clock.tick()
        assert tracker.clock.now == pytest.approx(19 / 4)
        assert tracker.fps == pytest.approx(expected)


def test_a_time_of_another_clock_goes_on_one_frame_later():
    clock = make_tracker(fps=10).clock
    clock.follow()
    clock.tick()
    clock.tick()
    clock.at(1.8e9)
    clock.tick()
    clock.at(1.8e9 + 1)
    clock.tick()
    assert clock.now == pytest.approx(1.2)


def test_a_time_must_be_finite():
    with pytest.raises(ValueError, match="finite, got nan"):
        make_tracker().clock.at(float("nan"))


def test_a_clock_never_runs_backwards():
    clock = make_tracker().clock
    for seconds in (5.0, 7.0, 6.0):
        clock.at(seconds)
        clock.tick()
    assert clock.now == pytest.approx(2)
