"""Identities that are deleted from the gallery while a camera that knows them is tracked."""

import numpy as np
import pytest
from synthetic import Person, Scene, image, make_tracker

from ultralytics_reid import Filter, Gallery
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.gallery.file_names import EVIDENCE_PREFIX
from ultralytics_reid.gallery.linking import linker

GONE, SEEN, LENGTH = 0, 150, 500


def closest(vectors, look):
    rows = np.asarray(vectors, np.float32).reshape(-1, len(look))
    norms = np.maximum(np.linalg.norm(rows, axis=1), 1e-9)
    return float((rows @ look / norms / np.linalg.norm(look)).max(initial=-1))


def learned_of(path, look):
    """How close to a look anything is that the gallery holds as learned."""
    with Gallery(path) as gallery:
        found = [LearnedStatistics.load(gallery.store.blob(k), len(look)) for k in gallery.store.blobs(EVIDENCE_PREFIX)]
    return max((closest(v, look) for e in found for v in (e.genuine, e.impostor, e.means)), default=None)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(linker, "_REREAD", 0.0)
    monkeypatch.setattr(linker, "_DELETION", 0.0)


@pytest.mark.parametrize("there", [False, True])
def test_running_tracker_writes_nothing_of_a_deleted_identity_back(tmp_path, there):
    path = tmp_path / "site.db"
    tracker = make_tracker(gallery=str(path), camera_id="door", gallery_wait=10.0)
    stays = [Person([(0, LENGTH)], (150 + 120 * n, 200), look=n, height=80) for n in range(1, 4)]
    gone = Person([(0, SEEN - 1)], (60, 380), look=GONE, height=80)
    scene = Scene([gone, *stays], LENGTH)
    frames = list(scene.frames())
    for n, (boxes, feats, persons) in enumerate(frames):
        rows = tracker.update(boxes, image(), feats=feats)
        if n == SEEN - 1:
            look = feats[persons.index(gone)]
            (identity,) = (int(r[4]) for r in rows if persons[int(r[-1])] is gone)
        if n == (SEEN - 1 if there else 250):
            tracker.camera.connection.worker.settle(10)
            assert there or learned_of(path, look) > 0.8
            with Gallery(path) as gallery:
                gallery.delete(Filter(identities=frozenset({identity})))
            assert learned_of(path, look) is None
    tracker.finish(wait=True)
    assert tracker.camera.connection.worker.failed is None
    assert identity not in tracker.recognizer.bank
    assert learned_of(path, look) < 0.8
    with Gallery(path) as gallery:
        assert gallery.store.count(Filter(identities=frozenset({identity}))) == 0
        assert len({v.identity for v in gallery.visits()}) == len(stays)
