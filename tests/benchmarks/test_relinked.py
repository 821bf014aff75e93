"""The benchmark's trackers' output with the identities that relinking gives."""

import numpy as np

from benchmarks.harness.cameras import CameraRun, CameraStream
from benchmarks.harness.relinked import relinked
from ultralytics_reid import TrackLog
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.records import Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store
from ultralytics_reid.refinement.log_format import Header, LoggedFrame

START, FPS, DIM = 1_700_000_000.0, 10.0, 64


def box(person, frame):
    return [100 * person + frame, 50, 100 * person + frame + 40, 150]


def stream(camera, persons, shown, length=100):
    """A camera on which persons are shown under ids; and their visits."""
    frames = tuple(
        FrameBoxes(np.array(shown), np.array([box(p, n) for p in persons], np.float32)) for n in range(length)
    )
    log, none = TrackLog(), np.zeros((0, DIM))
    for n, frame in enumerate(frames, 1):
        number = len(frame.ids)
        boxes = frame.ids, frame.xyxy, np.full(number, 0.9), np.zeros(number, int), np.zeros(number, bool), none
        log.append(LoggedFrame(n, n / FPS, *boxes), Header("vectors", DIM, FPS, (400, 1000)))
    return CameraRun(CameraStream(camera, FPS, (400, 1000), 0.0, lambda: ()), frames, frames, log=log)


def write(store, run, place, person, identity):
    camera, length = run.film.camera, len(run.output)
    rows = [[n / FPS, *(np.array(box(place, n)) / [1000, 400, 1000, 400])] for n in range(0, length, 10)]
    first = START + 1 / FPS
    visit = Visit(
        int(new_ids(1)[0]), identity, camera, 0, first, first + (length - 1) / FPS, np.array(rows, np.float32)
    )
    rng = np.random.default_rng(identity)
    look = np.random.default_rng(person).normal(size=DIM) + 0.3 * rng.normal(size=(4, DIM))
    of = [np.full(4, value, np.int64) for value in (identity, visit.id, 0)]
    times, qualities = np.linspace(visit.first, visit.last, 4), np.full(4, 0.9, np.float32)
    store.upsert(
        Records(new_ids(4), unit(look.astype(np.float32)), of[0], of[1], (camera,) * 4, times, of[2], qualities),
        [visit],
    )


def test_boxes_get_the_identities_of_their_visits_and_others_one_of_their_own(tmp_path):
    store = open_store(tmp_path / "gallery.db", DIM, "vectors")
    store.reserve(50)
    door, yard = stream("door", [0, 1, 2, 3], [1, 2, 3, 9]), stream("yard", [0, 1], [4, 5])
    for place, person in enumerate((10, 20, 30)):
        write(store, door, place, person, place + 1)
    for place, person in enumerate((20, 10)):
        write(store, yard, place, person, place + 4)
    store.close()
    views = Topology.load(_shared(tmp_path))
    for after in relinked([door, yard], tmp_path / "gallery.db", START, views):
        ids = [run.output[50].ids[run.output[50].xyxy[:, 0].argsort()].tolist() for run in after]
        assert ids[0][:3] == [1, 2, 3]
        assert ids[0][3] not in (1, 2, 3, 9)
        assert ids[1] == [2, 1]


def _shared(folder):
    path = folder / "topology.yaml"
    path.write_text("ways: [{from: door, to: yard, overlap: true}]\n")
    return path
