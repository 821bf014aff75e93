"""From a tracked video to a folder of crops: what is cut out, and what is said of it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ultralytics.utils import YAML

from tests.refined_videos import DIM, Video
from ultralytics_reid.datasets.reader import read_crops
from ultralytics_reid.errors import DatasetError, ReIDError
from ultralytics_reid.refinement.log_format import Header, LoggedFrame
from ultralytics_reid.refinement.track_log import TrackLog
from ultralytics_reid.training import video_dataset
from ultralytics_reid.training.stored_embeddings import read_embeddings
from ultralytics_reid.training.video_dataset import dataset_of_videos
from ultralytics_reid.video_job.options import TrackOptions

FRAMES = 40


def logged(tracks):
    log = TrackLog()
    for frame in range(1, FRAMES + 1):
        rows = np.flatnonzero(tracks.frame == frame)
        clean = tracks.clean[rows]
        log.append(
            LoggedFrame(
                frame,
                frame / 10,
                tracks.ids[rows],
                tracks.xyxy[rows],
                tracks.confidence[rows],
                tracks.cls[rows],
                clean,
                tracks.crops_of(rows[clean]).astype(np.float16),
            ),
            Header("toy", DIM, 10.0, (800, 1200), {0: "person"}),
        )
    return log


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images in which each pixel's value is the frame's number, tracked as `Video` says."""
    path = tmp_path / "frames"
    path.mkdir()
    for frame in range(1, FRAMES + 1):
        cv2.imwrite(str(path / f"{frame:04d}.png"), np.full((800, 1200, 3), 5 * frame, np.uint8))
    made = Video().walk(0, 1, range(1, FRAMES + 1), (0, 0)).crowd([7, 8], range(1, FRAMES + 1))
    found = SimpleNamespace(log=logged(made.tracks()), interrupted=False)
    monkeypatch.setattr(video_dataset, "track", lambda *_: (None, found))
    monkeypatch.setattr(video_dataset, "check_model", lambda model: model)
    monkeypatch.setattr(video_dataset, "check_tracker", lambda yaml: None)
    return path


def made_of(sources, out, **how):
    how = {"form": "market1501", "max_crops": 5, **how}
    return dataset_of_videos([str(s) for s in sources], TrackOptions(str(sources[0])), out, **how)


def test_crops_have_identity_camera_time_and_the_right_frame(folder, tmp_path):
    found = made_of([folder], tmp_path / "data")
    assert (len(found), len(found.names), found.has_cameras) == (15, 3, True)
    for path, time in zip(found.paths, found.times, strict=True):
        assert cv2.imread(str(path)).mean() == pytest.approx(5 * 10 * time, abs=2)
    assert len(found.different) == 3


def test_nothing_is_known_of_identities_of_two_videos(folder, tmp_path):
    found = made_of([folder, folder], tmp_path / "data")
    assert len(found.names) == 6
    cameras = {n: found.cameras[found.identities == n][0] for n in range(6)}
    assert all(cameras[a] == cameras[b] for a, b in found.different.tolist())
    assert len(found.different) == 6


def test_the_tracker_s_embeddings_lie_beside_their_crops(folder, tmp_path):
    found = made_of([folder], tmp_path / "data")
    held = read_embeddings(tmp_path / "data")
    rows = held.of(found.written)
    assert held.fingerprint == "toy"
    looks = {n: set(rows[found.identities == n].argmax(axis=1).tolist()) for n in range(3)}
    assert sorted(map(sorted, looks.values())) == [[0], [10], [11]]


@pytest.mark.parametrize("form", ["market1501", "folders"])
def test_renamed_images_keep_their_embeddings_and_times(folder, tmp_path, form):
    data = tmp_path / "data"
    before = made_of([folder], data, form=form)
    rows = read_embeddings(data).of(before.written)
    first, image = before.paths[0], before.paths[7]
    renamed = first.with_name("0001_c1s1_renamed.jpg" if form == "market1501" else "c1_renamed.jpg")
    image.rename(renamed)
    after = read_crops(data)
    place = after.paths.index(renamed)
    assert after.names[after.identities[place]] == before.names[before.identities[0]]
    assert after.times[place] == before.times[7]
    np.testing.assert_array_equal(read_embeddings(data).of(after.written)[place], rows[7])
    assert not np.isnan(after.times).any()


def test_an_image_that_was_added_has_no_embedding_and_no_time(folder, tmp_path):
    made_of([folder], tmp_path / "data")
    cv2.imwrite(str(tmp_path / "data" / "0001_c1s1_999999_000001.jpg"), np.full((9, 9, 3), 3, np.uint8))
    found = read_crops(tmp_path / "data")
    assert np.isnan(found.times).sum() == 1
    assert read_embeddings(tmp_path / "data").of(found.written) is None


def test_the_gallery_and_the_track_log_of_the_yaml_are_not_written_into(folder, tmp_path, monkeypatch):
    yaml, yamls = tmp_path / "mine.yaml", []
    yaml.write_text("tracker_type: reid_botsort\ngallery: site.db\ntrack_log: tracks.reid\nmodel: osnet_x0_25\n")
    found = video_dataset.track()

    def track(_, options, __):
        yamls.append(YAML.load(options.tracker))
        return found

    monkeypatch.setattr(video_dataset, "track", track)
    options = TrackOptions(str(folder), tracker=str(yaml))
    dataset_of_videos([str(folder)], options, tmp_path / "data", form="market1501", max_crops=5)
    (used,) = yamls
    assert (used["gallery"], used["track_log"], used["model"]) == ("", "", "osnet_x0_25")


def test_a_full_folder_is_not_touched(folder, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="isn't an empty folder"):
        made_of([folder], tmp_path / "data")


def test_streams_are_refused(tmp_path):
    with pytest.raises(ReIDError, match="can be read twice"):
        made_of(["rtsp://camera"], tmp_path / "data")
