"""What no gallery stores, and a gallery's file that changes under a running tracker."""

import itertools

import numpy as np
import pytest
from synthetic import Person, Scene, image, make_tracker
from ultralytics.engine.results import Boxes

from ultralytics_reid import Gallery, GalleryAway, GalleryBack, GalleryError
from ultralytics_reid.gallery.linking import linker as linker_module
from ultralytics_reid.gallery.linking import worker as worker_module
from ultralytics_reid.gallery.store import open_store

MANY, PATIENCE = 4, 20.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "site.db"


@pytest.fixture
def tracker(path, monkeypatch):
    monkeypatch.setattr(worker_module, "_FIRST_RETRY", 0.01)
    monkeypatch.setattr(worker_module, "_LAST_RETRY", 0.05)
    made = make_tracker(gallery=str(path), camera_id="a", gallery_wait=PATIENCE)
    yield made
    made.finish(wait=True)


def watch(tracker, first=0, length=130, *, spoil=lambda rows: rows, img=None):
    """Track people at the same places, each time others; returns their last ids."""
    people = [Person([(0, length)], (80 + 150 * n, 200), look=first + n, height=80) for n in range(MANY)]
    for boxes, feats, _ in Scene(people, length, seed=first).frames():
        rows = spoil(np.array(boxes.data, np.float32))
        tracker.update(Boxes(rows, boxes.orig_shape), image() if img is None else img, feats=feats)
    ids = sorted(tracker.identities())
    nobody = Boxes(np.zeros((0, 6), np.float32), image().shape[:2])
    for _ in range(130):
        tracker.update(nobody, image(), feats=np.zeros((0, feats.shape[1]), np.float32))
    return ids


def stored(path):
    with Gallery(path) as gallery:
        return sorted({v.identity for v in gallery.visits()})


def told(tracker):
    return [type(e) for e in tracker.events if isinstance(e, GalleryAway | GalleryBack)]


def infinite_edge(rows):
    rows[1, 3] = np.inf
    return rows


def odd_class(rows):
    rows[1, 5] = 1e20
    return rows


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinite boxes
@pytest.mark.parametrize("spoil", [infinite_edge, odd_class])
def test_value_that_no_gallery_stores_costs_only_itself(tracker, path, caplog, spoil):
    watch(tracker, spoil=spoil)
    later = watch(tracker, 10)
    tracker.finish(wait=True)
    worker = tracker.camera.connection.worker
    assert worker.failed is None
    assert len(later) == MANY
    assert set(later) <= set(stored(path))
    assert sum("not stored in the gallery" in m for m in caplog.messages) <= 1


def test_crops_that_jpeg_can_not_hold_cost_only_themselves(path, caplog):
    tracker = make_tracker(gallery=str(path), camera_id="a", gallery_wait=PATIENCE, store_crops=True)
    ids = watch(tracker, img=np.zeros((*image().shape[:2], 5), np.uint8))
    tracker.finish(wait=True)
    with Gallery(path) as gallery:
        visits = list(gallery.visits())
    assert sorted(v.identity for v in visits) == ids
    assert all(not v.crop for v in visits)
    assert sum("aren't stored" in m for m in caplog.messages) == 1


def test_visit_that_the_store_refuses_is_dropped_and_the_others_are_written(tracker, path, monkeypatch, caplog):
    watch(tracker)
    real, bad = linker_module.checked_visits, []

    def picky(visits):
        bad.extend(v.id for v in visits if not bad)
        if visits[0].id in bad:
            raise GalleryError("refused on demand")
        return real(visits)

    monkeypatch.setattr(linker_module, "checked_visits", picky)
    ids = watch(tracker, 10)
    tracker.finish(wait=True)
    assert tracker.camera.connection.worker.failed is None
    assert set(ids) <= set(stored(path))  # the one whose visit was dropped goes on with another
    with Gallery(path) as gallery:
        assert bad[0] not in {v.id for v in gallery.visits()}
    assert sum("refused on demand" in m for m in caplog.messages) == 1
    assert [e.lost for e in tracker.events if isinstance(e, GalleryBack)] == [1]


@pytest.mark.parametrize("name", ["a\0b.db", "a" * 300 + ".db", "a" * 300 + "/b.db"])
def test_impossible_path_is_a_clear_error(tmp_path, name):
    with pytest.raises(GalleryError, match="the gallery can't be at"):
        open_store(f"{tmp_path}/{name}", 8, "test")


def test_backup_that_is_put_back_is_opened_and_what_is_lost_is_said(tracker, path):
    first = watch(tracker)
    backup = path.with_suffix(".bak")
    with Gallery(path) as gallery:
        gallery.backup(backup)
    second = watch(tracker, 10)
    put_back(backup, path)
    third = watch(tracker, 20)
    tracker.finish(wait=True)
    assert told(tracker) == [GalleryAway, GalleryBack]
    assert [e.lost for e in tracker.events if isinstance(e, GalleryBack)] == [MANY]
    assert stored(path) == sorted([*first, *third])
    assert not set(third) & {*first, *second}
    store = open_store(path)
    assert store.reserve(1) > max(itertools.chain(first, second, third))
    store.close()


def put_back(backup, path):
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    backup.replace(path)


def test_deleted_log_is_noticed_and_nothing_is_lost(tracker, path):
    first = watch(tracker)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    second = watch(tracker, 10)
    tracker.finish(wait=True)
    assert told(tracker) == [GalleryAway, GalleryBack]
    assert [e.lost for e in tracker.events if isinstance(e, GalleryBack)] == [0]
    assert stored(path) == sorted([*first, *second])


def test_deleted_file_is_waited_for_and_the_end_says_so(tracker, path, monkeypatch, caplog):
    monkeypatch.setattr("ultralytics_reid.gallery.linking.connection._END", 0.5)
    watch(tracker)
    away = path.with_suffix(".away")
    path.rename(away)
    second = watch(tracker, 10)
    tracker.finish(wait=True)
    assert told(tracker) == [GalleryAway]
    assert any("did not take everything" in m for m in caplog.messages)
    away.rename(path)
    third = watch(tracker, 20)
    tracker.finish(wait=True)
    assert GalleryBack in told(tracker)
    assert {*third} <= {*stored(path)}
    assert len(stored(path)) == 3 * MANY
    assert len(second) == MANY


def test_failure_for_good_is_said_at_the_end(tracker, caplog):
    watch(tracker, length=20)
    worker = tracker.camera.connection.worker
    worker._store.upsert = None
    worker._store.reserve = refuse
    worker._gallery_ids.clear()
    watch(tracker, 10)
    assert "on demand" in tracker.finish(wait=True)
    assert any("on demand: the last sightings are missing" in m for m in caplog.messages)


def refuse(count):
    raise GalleryError(f"refused {count} on demand")
