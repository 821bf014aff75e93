"""The track log: what is written, what is read, and what is refused."""

import json
import logging
import struct
import zlib
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Scene, crowd, make_tracker, returning, run

from ultralytics_reid import TrackLog, TrackLogError, Tracks, refine
from ultralytics_reid.refinement.log_format import MAGIC, Header, LoggedFrame
from ultralytics_reid.tracking.callbacks import setup

HEADER = Header("osnet", 4, 10.0, (480, 640))


def frame(index=1, *, ids=(1, -2), embedded=(True, False), dim=4):
    count = len(ids)
    return LoggedFrame(
        index,
        index / 10,
        np.array(ids, np.int64),
        np.full((count, 4), [0, 0, 10, 20.5], np.float32),
        np.full(count, 0.75, np.float32),
        np.zeros(count, np.int64),
        np.array(embedded, bool),
        np.eye(dim, dtype=np.float32)[: sum(embedded)],
    )


def log_of(path, frames=5):
    log = TrackLog(path)
    for n in range(1, frames + 1):
        log.append(frame(n), HEADER)
    return log


def record(body):
    return struct.pack("<II", len(body), zlib.crc32(body)) + body


def test_what_is_logged_is_read(tmp_path):
    tracks = log_of(tmp_path / "tracks.reid").read()
    assert tracks.frame.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert tracks.ids[:2].tolist() == [1, -2]
    assert tracks.xyxy[0].tolist() == [0, 0, 10, 20.5]
    assert tracks.confidence[0] == 0.75
    assert tracks.time[-1] == 0.5
    assert tracks.embeddings[0].tolist() == [1, 0, 0, 0]
    assert tracks.clean.tolist() == [True, False] * 5
    assert (tracks.fps, tracks.shape) == (10.0, (480, 640))


def test_log_without_a_path_is_a_temporary_file_that_goes_with_it():
    log = log_of(None)
    path = log.path
    assert len(log.read()) == 10
    del log
    assert not path.exists()


@pytest.mark.parametrize("lost", [1, 7, 60])
def test_cut_log_is_read_up_to_its_last_whole_record_with_a_warning(tmp_path, caplog, lost):
    path = log_of(tmp_path / "tracks.reid").path
    path.write_bytes(path.read_bytes()[:-lost])
    with caplog.at_level(logging.WARNING, "ultralytics"):
        logging.getLogger("ultralytics").addHandler(caplog.handler)
        tracks = TrackLog(path).read()
        logging.getLogger("ultralytics").removeHandler(caplog.handler)
    assert tracks.frame.max() == 4
    assert "cut or damaged after 4 frames" in caplog.text


def test_damaged_record_ends_the_log(tmp_path):
    path = log_of(tmp_path / "tracks.reid").path
    content = bytearray(path.read_bytes())
    content[-70] ^= 1
    path.write_bytes(content)
    assert TrackLog(path).read().frame.max() == 4


def test_every_frame_is_on_disk_before_the_next(tmp_path):
    path = tmp_path / "tracks.reid"
    log = log_of(path, 3)
    assert TrackLog(path).read().frame.max() == 3
    log.append(frame(4), HEADER)
    assert TrackLog(path).read().frame.max() == 4


@pytest.mark.parametrize("room", [0, 5, 60])
def test_where_the_disk_is_full_it_is_an_error_and_the_log_goes_on_after_it(tmp_path, room, file_limit):
    path, log = tmp_path / "tracks.reid", TrackLog(tmp_path / "tracks.reid")
    for n in (1, 2, 3):
        size = path.stat().st_size if path.exists() else 0
        with file_limit(size + room), pytest.raises(TrackLogError, match="can't be written"):
            log.append(frame(n), HEADER)
        log.append(frame(n), HEADER)
        assert TrackLog(path).read().frame.tolist() == sorted([*range(1, n + 1)] * 2)


def test_foreign_file_is_neither_read_nor_overwritten(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a log")
    with pytest.raises(TrackLogError, match="is no track log"):
        refine(path)
    with pytest.raises(TrackLogError, match="is no track log"):
        log_of(path)
    assert path.read_text() == "not a log"


def test_earlier_log_is_replaced(tmp_path):
    path = tmp_path / "tracks.reid"
    log_of(path, 5)
    log_of(path, 2)
    assert TrackLog(path).read().frame.max() == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"H" + json.dumps({"version": 2}).encode(), "has version 2 of the format; this package reads 1"),
        (b"H{}", "header that can't be read"),
        (b"X", "record of an unknown kind"),
        (b"F", "record of an unknown kind"),
        (b'H{"version": 1, "embedder": "", "dim": 4, "fps": 0, "shape": [1, 1]}', "header that can't be"),
    ],
)
def test_another_version_or_nonsense_is_refused(tmp_path, body, message):
    path = tmp_path / "tracks.reid"
    path.write_bytes(MAGIC + record(body))
    with pytest.raises(TrackLogError, match=message):
        TrackLog(path).read()


def test_missing_or_empty_log_is_refused(tmp_path):
    for log in (TrackLog(), TrackLog(tmp_path / "missing.reid")):
        with pytest.raises(TrackLogError, match=r"nothing was logged|can't be read"):
            log.read()
    (tmp_path / "empty.reid").write_bytes(MAGIC)
    with pytest.raises(TrackLogError, match="has no header"):
        TrackLog(tmp_path / "empty.reid").read()


@pytest.mark.parametrize("other", [Header("other", 4, 10.0, (480, 640)), Header("osnet", 8, 10.0, (480, 640))])
def test_mixed_embedders_are_refused(tmp_path, other):
    log = log_of(tmp_path / "tracks.reid")
    with pytest.raises(TrackLogError, match="of another embedder"):
        log.append(frame(6, dim=other.dim), other)
    joined = tmp_path / "joined.reid"
    second = TrackLog(tmp_path / "second.reid")
    second.append(frame(dim=other.dim), other)
    joined.write_bytes(log.path.read_bytes() + second.path.read_bytes()[len(MAGIC) :])
    with pytest.raises(TrackLogError, match="of another embedder"):
        TrackLog(joined).read()


def test_embeddings_may_begin_later_than_boxes(tmp_path):
    log = TrackLog(tmp_path / "tracks.reid")
    log.append(frame(1, embedded=(False, False)), Header("", 0, 10.0, (480, 640)))
    log.append(frame(2), HEADER)
    log.append(frame(3, embedded=(False, False)), Header("", 0, 10.0, (0, 0)))
    tracks = log.read()
    assert tracks.clean.tolist() == [False, False, True, False, False, False]
    assert tracks.shape == (480, 640)


def test_tracker_logs_what_it_shows_with_the_ids_of_the_time(tmp_path):
    tracker = make_tracker(track_log=str(tmp_path / "tracks.reid"))
    shown = run(tracker, returning())
    tracks = tracker.log.read()
    logged = [(int(f), int(i)) for f, i in zip(tracks.frame, tracks.ids, strict=True) if i > 0]
    assert sorted(logged) == sorted((n + 1, i) for n, people in enumerate(shown) for i in people.values())
    assert tracks.clean.any()
    assert tracks.fps == 10


def test_tracker_without_the_key_logs_nothing():
    tracker = make_tracker()
    run(tracker, Scene(crowd(length=20), 20))
    assert tracker.log is None


def test_log_changes_nothing_of_the_output():
    logged, plain = make_tracker(), make_tracker()
    logged.log = TrackLog()
    assert run(logged, returning()) == run(plain, returning())
    assert len(refine(logged.log).rows)


def test_reset_begins_the_next_log(tmp_path):
    tracker = make_tracker(track_log=str(tmp_path / "tracks.reid"))
    for _ in range(3):
        run(tracker, Scene(crowd(length=20), 20))
        tracker.reset()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tracks-2.reid", "tracks-3.reid", "tracks.reid"]


def test_logs_of_further_streams_lie_beside_the_first(tmp_path):
    first = log_of(tmp_path / "tracks.reid", 3)
    second = first.numbered(2)
    second.append(frame(1), HEADER)
    assert second.path == tmp_path / "tracks-2.reid"
    assert len(first.read()) == 6
    assert len(second.read()) == 2


def test_only_its_owner_can_read_a_log(tmp_path):
    path = tmp_path / "tracks.reid"
    log_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    log_of(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_clean_crops_are_kept_in_memory(tmp_path):
    tracks = log_of(tmp_path / "tracks.reid").read()
    assert tracks.embeddings.shape == (5, 4)
    assert tracks.embeddings.dtype == np.float16
    assert tracks.crop.tolist() == [0, -1, 1, -1, 2, -1, 3, -1, 4, -1]
    assert tracks.select(np.array([2, 1])).crop.tolist() == [1, -1]


def test_class_names_are_kept_and_a_later_header_without_them_takes_none_away(tmp_path):
    log = TrackLog(tmp_path / "tracks.reid")
    log.append(frame(1), replace(HEADER, class_names={0: "person", 2: "car"}))
    log.append(frame(2), HEADER)
    assert log.read().class_names == {0: "person", 2: "car"}


class Predictor:
    """What `setup` needs of the host's predictor for streams."""

    def __init__(self, trackers):
        self.trackers = trackers
        self.dataset = SimpleNamespace(mode="stream", bs=len(trackers), source_type=None)
        self.callbacks = defaultdict(list)
        self.model = SimpleNamespace(model=None, names={0: "person", 1: "bicycle"})
        self.args = SimpleNamespace(verbose=False)

    def add_callback(self, event, function):
        self.callbacks[event].append(function)


def test_streams_have_a_log_each_with_the_class_names_of_the_detector(tmp_path):
    trackers = [make_tracker(track_log=str(tmp_path / "tracks.reid")) for _ in range(3)]
    predictor = Predictor(trackers)
    setup(predictor)
    for tracker in trackers:
        run(tracker, Scene(crowd(length=20), 20))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tracks-2.reid", "tracks-3.reid", "tracks.reid"]
    assert [t.log.read().class_names[0] for t in trackers] == ["person"] * 3


def test_embeddings_of_clean_crops_may_be_given_alone():
    boxes = {"xyxy": np.zeros((3, 4)), "confidence": np.ones(3), "cls": np.zeros(3), "fps": 10, "clean": [1, 0, 1]}
    every, few = np.eye(3), np.eye(3)[[0, 2]]
    one, other = (Tracks.from_arrays([2, 1, 0], [1, 2, 3], embeddings=e, **boxes) for e in (every, few))
    assert one.crop.tolist() == other.crop.tolist() == [1, -1, 0]
    assert one.crops_of(np.array([0])).tolist() == other.crops_of(np.array([0])).tolist() == [[0, 0, 1]]
