"""Trackers with a gallery in processes that were forked after the first frame, as servers that preload do."""

import multiprocessing
import os

import pytest
from synthetic import Person, Scene, make_tracker, run

from ultralytics_reid import Gallery

MANY, PATIENCE = 4, 60.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def people(first, length=150):
    return [
        Person([(0, length)], (80 + 150 * n, 380 if first else 120), look=first + n, height=80) for n in range(MANY)
    ]


def ids_of_child(tracker, first, *, anew):
    """Fork, track other people in the child, and return the ids that it showed."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child():
        if anew:
            tracker.reset()
        frames = run(tracker, Scene(people(first), 150, seed=first))
        tracker.finish(wait=True)
        queue.put({i for frame in frames for i in frame.values()})

    process = context.Process(target=child)
    process.start()
    shown = queue.get(timeout=PATIENCE)
    process.join(PATIENCE)
    return shown


@pytest.mark.parametrize("anew", [True, False])
def test_forked_processes_have_ids_of_their_own_and_store_their_visits(tmp_path, anew):
    tracker = make_tracker(gallery=str(tmp_path / "site.db"), camera_id="a")
    run(tracker, Scene(people(0, 20), 20))
    children = [ids_of_child(tracker, first, anew=anew) for first in (10, 20)]
    frames = run(tracker, Scene(people(30), 150, seed=30))
    tracker.finish(wait=True)
    last = [*children, set(frames[-1].values())]
    with Gallery(tmp_path / "site.db") as gallery:
        stored = {v.identity for v in gallery.visits()}
    before = set.intersection(*last)
    assert before == set() if anew else len(before) <= MANY
    own = [ids - before for ids in last]
    assert not own[0] & own[1]
    assert not (own[0] | own[1]) & own[2]
    assert all(ids & stored for ids in own)


def test_fork_that_tracks_nothing_starts_no_thread(tmp_path):
    tracker = make_tracker(gallery=str(tmp_path / "site.db"), camera_id="a")
    run(tracker, Scene(people(0, 20), 20))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put((tracker.camera.connection.worker.close(), os.getpid())))
    process.start()
    assert queue.get(timeout=PATIENCE) == (True, process.pid)
    process.join(PATIENCE)
    tracker.finish(wait=True)
