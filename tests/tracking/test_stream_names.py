"""What cameras are called: by files, folders, URLs and lists of them, without secrets, and none as another."""

import gc
from datetime import datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import args_of, make_tracker, our_args
from ultralytics.data.loaders import LoadStreams
from ultralytics.utils import ops

from ultralytics_reid import Config, ConfigError, tracker_yaml
from ultralytics_reid.gallery.records import check_name
from ultralytics_reid.tracking.stream_names import LoopNames, camera_names


class Predictor:
    """The host's, as far as it matters here: `stream_inference` is where it has the source as it was given."""

    def __init__(self, mode, *, path="", cleaned=()):
        self.dataset = SimpleNamespace(mode=mode, sources=list(cleaned))
        self.results = [SimpleNamespace(path=path)] if path else []

    def stream_inference(self, source, given=()):
        return camera_names(self, given)


def streams(sources, *, source=None):
    """Names of streams that the host cleaned as it does; `source` is what the user gave, if that was no list."""
    cleaned = [ops.clean_str(s).replace("/", "_") for s in sources]
    return Predictor("stream", cleaned=cleaned).stream_inference(sources[0] if source is None else source)


@pytest.fixture
def listed(tmp_path):
    def names(*sources, encoding="utf-8"):
        (tmp_path / "list.streams").write_text("\n".join(sources) + "\n", encoding=encoding)
        return streams(list(sources), source=tmp_path / "list.streams")

    return names


class TestOneSource:
    def test_a_video_is_called_by_its_name(self):
        assert Predictor("video", path="/data/front door.mp4").stream_inference("/data") == ["front door"]

    @pytest.mark.parametrize("folder", ["entrance", "cam.1", "2026.11.26"])
    def test_pictures_are_called_by_their_folder_dots_and_all(self, folder):
        assert Predictor("image", path=f"/data/{folder}/000001.jpg").stream_inference("/data") == [folder]

    def test_pictures_without_a_folder_still_have_a_name(self):
        assert Predictor("image", path="image0.jpg").stream_inference(None) == ["camera"]

    def test_names_that_were_given_win(self):
        assert Predictor("video", path="/data/a.mp4").stream_inference("/data/a.mp4", ("shop",)) == ["shop"]

    def test_a_url_is_called_by_host_and_path(self):
        assert streams(["rtsp://10.0.0.7:554/live/one"]) == ["10.0.0.7:554/live/one"]

    @pytest.mark.parametrize(
        "url",
        [
            "rtsp://admin:hunter2@10.0.0.7:554/live",
            "http://10.0.0.7/video?user=admin&pwd=hunter2",
            "rtsp://admin:x/hunter2@10.0.0.7/live",
            "rtspsrc location=rtsp://admin:hunter2@10.0.0.7/live ! appsink",
        ],
    )
    def test_no_secret_of_a_url_is_in_its_name(self, url):
        (name,) = streams([url])
        assert "hunter2" not in name
        assert "admin" not in name

    def test_a_webcam_is_called_by_its_number(self):
        assert streams(["0"], source=0) == ["0"]


class TestLists:
    def test_each_stream_has_its_own_name(self, listed):
        assert listed("/data/door.mp4", "rtsp://u:p@host/shop", "/data/hall.avi") == ["door", "host/shop", "hall"]

    def test_files_called_alike_have_their_folders_before_their_names(self, listed):
        names = listed("/monday/door.mp4", "/tuesday/door.mp4", "/monday/hall.mp4")
        assert names == ["monday/door", "tuesday/door", "hall"]

    def test_what_is_still_called_alike_is_numbered(self, listed):
        names = listed("/a/x/door.mp4", "/b/x/door.mp4", "/b/x/door.avi")
        assert names == ["x/door", "x/door #2", "x/door #3"]

    def test_channels_of_one_recorder_are_told_apart_and_show_no_password(self, listed):
        names = listed(*(f"rtsp://admin:hunter2@nvr/cam?channel={n}&subtype=0" for n in (1, 2, 3)))
        assert names == ["nvr/cam", "nvr/cam #2", "nvr/cam #3"]

    def test_a_mark_of_its_byte_order_hides_nothing_from_view(self, listed):
        names = listed("rtsp://admin:hunter2@nvr/live", "/data/door.mp4", encoding="utf-8-sig")
        assert names == ["nvr/live", "door"]

    def test_a_list_that_is_gone_by_now_shows_no_password_either(self, tmp_path):
        names = streams(["rtsp://admin:hunter2@nvr/live", "door.mp4"], source=tmp_path / "gone.streams")
        assert names == ["stream-1", "door"]

    @given(st.text(st.characters(exclude_characters="/\\ "), min_size=1), st.sampled_from([1, 300]))
    def test_whatever_a_file_is_called_its_camera_can_be_stored(self, stem, times):
        (name,) = Predictor("video", path=f"/x/{stem * times}.mp4").stream_inference(None)
        check_name("camera", name)
        assert 1 <= len(name) <= 160


class Loop:
    """Stands for the predictor of a loop of frames."""


class TestLoops:
    def test_each_has_a_name_of_its_own_in_a_gallery(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        names, loops = LoopNames(), [Loop() for _ in range(4)]
        assert names.take(loops[0], "site.db") == "camera"
        assert names.take(loops[1], str(tmp_path / "site.db")) == "camera #2"
        assert names.take(loops[2], "other.db") == "camera"
        assert [names.take(loop, "site.db") for loop in loops[:2]] == ["camera", "camera #2"]

    def test_a_name_is_free_again_when_a_loop_is_over_or_gone(self):
        names, loops = LoopNames(), [Loop() for _ in range(3)]
        assert [names.take(loop, "postgresql://x") for loop in loops] == ["camera", "camera #2", "camera #3"]
        names.release(loops[0])
        assert names.take(Loop(), "postgresql://x") == "camera"
        del loops[1]
        gc.collect()
        assert names.take(Loop(), "postgresql://x") == "camera"


class TestConfig:
    def test_names_are_given_with_commas_between(self):
        assert Config.from_args(our_args(camera_id="front door, shop")).cameras == ("front door", "shop")

    def test_auto_is_by_the_source(self):
        assert Config.from_args(our_args()).cameras == ()

    @pytest.mark.parametrize("names", ["a,a", "a,", ",", " ", "a,,b"])
    def test_names_that_are_empty_or_given_twice_are_refused(self, names):
        with pytest.raises(ConfigError, match="camera_id"):
            Config.from_args(our_args(camera_id=names))

    @pytest.mark.parametrize("name", ["a\tb", "x" * 161])
    def test_names_that_no_gallery_takes_are_refused(self, name):
        with pytest.raises(ConfigError, match="camera_id"):
            Config.from_args(our_args(camera_id=name))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-11-26T08:30:00Z", 1795681800.0),
        ("2026-11-26T08:30:00+01:00", 1795678200.0),
        ("'2026-11-26T08:30:00+00:00'", 1795681800.0),
        ("1795681800", 1795681800.0),
        ("1795681800.5", 1795681800.5),
    ],
)
def test_a_start_is_a_time_with_or_without_quotes(tmp_path, written, seconds):
    """As YAML reads it: a date without quotes is no text any more."""
    (tmp_path / "mine.yaml").write_text(
        tracker_yaml().read_text().replace("start_time: auto", f"start_time: {written}")
    )
    assert Config.from_args(args_of(tmp_path / "mine.yaml")).starts == seconds


@pytest.mark.parametrize("written", ["2026-11-26", "2026-11-26T08:30:00", "'2026-11-26T08:30:00'"])
def test_a_start_without_a_zone_is_local_time(tmp_path, written):
    (tmp_path / "mine.yaml").write_text(
        tracker_yaml().read_text().replace("start_time: auto", f"start_time: {written}")
    )
    local = datetime.fromisoformat(written.strip("'")).timestamp()
    assert Config.from_args(args_of(tmp_path / "mine.yaml")).starts == local


@pytest.mark.parametrize("start", ["yesterday", "", -1, True])
def test_anything_else_is_no_start(start):
    with pytest.raises(ConfigError, match="start_time"):
        make_tracker(start_time=start)


def test_the_host_still_cleans_its_sources_as_these_tests_do(tmp_path):
    loader = LoadStreams.__new__(LoadStreams)
    (tmp_path / "list.streams").write_text("nowhere/front=door.mp4\n")
    with pytest.raises(ConnectionError):
        loader.__init__(str(tmp_path / "list.streams"))
    assert loader.sources == [ops.clean_str("nowhere/front=door.mp4").replace("/", "_")] == ["nowhere_front_door.mp4"]
