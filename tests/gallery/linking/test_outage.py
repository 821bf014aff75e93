"""A real database server that is killed while cameras are tracked: tracking goes on, and what it missed arrives."""

import pytest
from synthetic import Person, Scene, boxes, crowd, image, make_tracker

from ultralytics_reid import GalleryAway, GalleryBack, Linked
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID, Filter
from ultralytics_reid.gallery.store import open_store

pytestmark = pytest.mark.extras

DIM, LENGTH = 64, 160


@pytest.fixture
def server():
    postgres = pytest.importorskip("postgres_server")
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    pytest.importorskip("psutil", reason="needs psutil")
    postgres._programs_folder()
    running = postgres.Server().start()
    yield running
    running.close()


@pytest.fixture
def uri(server):
    # Short limits, or the test would wait for what a site may wait for.
    return server.uri(server.new_database(), query="?connect_timeout=2&application_name=camera")


def tracker_of(uri, camera):
    tracker = make_tracker(gallery=uri, camera_id=camera, gallery_wait=5.0)
    tracker.events_seen = []
    tracker.events.subscribe(tracker.events_seen.append)
    return tracker


def people(first, last):
    """Two people that stay, and one that is visible between two frames, last, on both cameras."""
    return [*crowd(others=2, length=LENGTH), Person([(first, last)], (300, 150), look=5)]


def drive(tracker, scene, frames):
    """Ids by frame of the last person, by tracking some frames of a scene."""
    shown = []
    for n, (detections, feats, persons) in enumerate(scene.frames()):
        if n not in frames:
            continue
        rows = tracker.update(detections if len(detections) else boxes([]), image(), feats=feats)
        shown += [int(r[-4]) for r in rows if persons[int(r[-1])] is scene.people[-1]]
    return shown


def emitted(tracker, kind):
    return [event for event in tracker.events_seen if isinstance(event, kind)]


def wait_until_back(tracker):
    """Wait until the gallery's thread has found the server again; its tries are up to some seconds apart."""
    return tracker.camera.connection.worker.settle(60)


def test_tracking_survives_a_killed_server(server, uri):
    tracker, scene = tracker_of(uri, "door"), Scene(people(60, LENGTH), LENGTH, dim=DIM)
    drive(tracker, scene, range(50))
    server.kill()
    tracker.config.__dict__["gallery_wait"] = 0.0
    shown = drive(tracker, scene, range(50, 150))
    assert len(shown) > 60, "tracking stopped while the gallery was away"
    assert len(emitted(tracker, GalleryAway)) == 1
    server.start()
    assert wait_until_back(tracker), "the server was never found again"
    drive(tracker, scene, range(150, LENGTH))
    assert len(emitted(tracker, GalleryBack)) == 1
    tracker.finish(wait=True)
    with_rows = {v.identity for v in open_store(uri).visits(details=False)}
    assert len(with_rows) == 3
    assert all(identity < FIRST_LOCAL_ID for identity in with_rows)


def test_missed_link_is_made_up_for(server, uri):
    known = tracker_of(uri, "door")
    (first,) = set(drive(known, Scene(people(10, LENGTH), LENGTH, dim=DIM), range(LENGTH)))
    known.finish(wait=True)

    later = tracker_of(uri, "yard")
    scene = Scene(people(60, LENGTH), LENGTH, dim=DIM)
    drive(later, scene, range(50))
    server.kill()
    later.config.__dict__["gallery_wait"] = 0.0
    assert first not in drive(later, scene, range(50, 130))
    server.start()
    assert wait_until_back(later)
    assert drive(later, scene, range(130, LENGTH))[-1] == first
    (link,) = [event for event in emitted(later, Linked) if event.identity_id == first]
    assert link.late
    assert link.camera_id == "door"
    later.finish(wait=True)
    found = list(open_store(uri).visits(Filter(identities=frozenset({first})), details=False))
    assert {v.camera for v in found} == {"door", "yard"}
