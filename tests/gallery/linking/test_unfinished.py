"""What a loop of frames leaves in the gallery, however it ends."""

import gc
import multiprocessing
import subprocess
import sys
import textwrap
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Person, Scene, make_tracker, run

from ultralytics_reid import Gallery, ReIDError, finish

MANY, SHORT = 4, 25


def seen_shortly(tracker):
    """Track people too shortly for the gallery to be asked about them; returns their ids."""
    people = [Person([(0, SHORT)], (80 + 150 * n, 200), look=n, height=80) for n in range(MANY)]
    return set(run(tracker, Scene(people, SHORT))[-1].values())


def stored(path):
    with Gallery(path) as gallery:
        return {v.identity for v in gallery.visits()}


def tracker_of(path):
    return make_tracker(gallery=str(path), camera_id="a")


def test_tracker_that_is_dropped_leaves_its_last_visits(tmp_path):
    tracker = tracker_of(tmp_path / "site.db")
    ids = seen_shortly(tracker)
    tracker.camera.connection.worker.settle(10)
    assert stored(tmp_path / "site.db") == set()
    gone = weakref.ref(tracker)
    del tracker
    gc.collect()
    assert gone() is None
    assert stored(tmp_path / "site.db") == ids


def test_listener_that_refers_to_the_tracker_does_not_keep_it(tmp_path):
    tracker = tracker_of(tmp_path / "site.db")
    tracker.events.subscribe(lambda event, tracker=tracker: tracker)
    ids = seen_shortly(tracker)
    gone = weakref.ref(tracker)
    del tracker
    gc.collect()
    assert gone() is None
    assert stored(tmp_path / "site.db") == ids


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt", "sys.exit(1)"])
def test_process_that_ends_leaves_its_last_visits(tmp_path, end):
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from test_unfinished import seen_shortly, tracker_of
        tracker = tracker_of("site.db")
        print(sorted(seen_shortly(tracker)), flush=True)
        {end}
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert str(sorted(stored(tmp_path / "site.db"))) == done.stdout.splitlines()[-1], done.stderr


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_process_that_ends_leaves_its_last_visits(tmp_path, method):
    context = multiprocessing.get_context(method)
    process = context.Process(target=child, args=(tmp_path / "site.db",))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert len(stored(tmp_path / "site.db")) == MANY


def child(path):
    child.tracker = tracker_of(path)  # alive to the end
    seen_shortly(child.tracker)


class Predictor:
    """The host's, as far as `finish` asks for it."""

    def __init__(self, tracker):
        self.trackers = [tracker]
        self.args = SimpleNamespace(verbose=False)


def test_finish_of_a_model_stores_and_the_next_frame_goes_on(tmp_path):
    tracker = tracker_of(tmp_path / "site.db")
    model = SimpleNamespace(predictor=Predictor(tracker))
    ids = seen_shortly(tracker)
    assert len(finish(model)) == 1
    assert stored(tmp_path / "site.db") == ids
    assert finish(model) == ()
    again = Scene([Person([(0, SHORT)], (80 + 150 * n, 200), look=n, height=80) for n in range(MANY)], SHORT)
    assert set(run(tracker, again)[-1].values()) == ids
    finish(model)
    with Gallery(tmp_path / "site.db") as gallery:
        assert np.bincount([v.identity for v in gallery.visits()]).max() == 2


def test_finish_without_a_tracker_is_refused():
    with pytest.raises(ReIDError, match="nothing to finish"):
        finish(SimpleNamespace(predictor=None))
