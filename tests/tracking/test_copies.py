"""Copies of a tracker, by `copy.deepcopy` and `pickle`: independent, and without the gallery's thread and listeners."""

import copy
import pickle
import threading

import numpy as np
import pytest
from synthetic import image, make_tracker, returning

from ultralytics_reid import Gallery

WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda tracker: pickle.loads(pickle.dumps(tracker))}


@pytest.fixture(params=WAYS)
def copied(request):
    return WAYS[request.param]


def track(tracker, frames):
    return [tracker.update(detections, image(), feats=feats) for detections, feats, _ in frames]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("keys", [{}, {"provisional": "show"}, {"gmc_method": "orb"}, {"max_identities": 6},
                                  {"fuse_appearance": False}])  # fmt: skip
def test_a_copy_goes_on_as_the_tracker_would_have(copied, keys):
    frames = list(returning(40).frames())
    expected = track(make_tracker(**keys), frames)
    tracker = make_tracker(**keys)
    track(tracker, frames[:80])
    twin = copied(tracker)
    assert same(track(twin, frames[80:]), expected[80:])
    assert tracker.frame_id == 80
    assert same(track(tracker, frames[80:]), expected[80:])
    assert list(twin.events) == list(tracker.events)


def test_a_copy_has_no_listeners(copied):
    tracker, heard, frames = make_tracker(), [], list(returning(40).frames())
    tracker.events.subscribe(heard.append)
    track(tracker, frames[:80])
    track(copied(tracker), frames[80:])
    assert not heard


class Embedder:
    fingerprint = "test"

    def __call__(self, frame, xyxy):
        return np.ones((len(xyxy), 8), np.float32)


def test_an_embedder_that_was_set_is_copied(copied):
    tracker = make_tracker()
    tracker.embedder = Embedder()
    track(tracker, [(d, None, p) for d, _, p in returning(40).frames()][:5])
    assert isinstance(copied(tracker).embedder, Embedder)


def test_a_copy_has_a_thread_and_gallery_ids_of_its_own(copied, tmp_path):
    tracker = make_tracker(gallery=str(tmp_path / "site.db"), camera_id="door", gallery_wait=5.0)
    frames = list(returning(40).frames())
    track(tracker, frames[:50])
    threads = set(threading.enumerate())
    twin = copied(tracker)
    assert set(threading.enumerate()) <= threads
    before = {int(i) for i in track(tracker, frames[50:])[-1][:, -4]}
    after = {int(i) for i in track(twin, frames[50:])[-1][:, -4]}
    assert len(set(threading.enumerate()) - threads) == 1
    assert len(before & after) >= 3
    for one in (tracker, twin):
        one.finish(wait=True)
    with Gallery(tmp_path / "site.db") as gallery:
        visits = list(gallery.visits())
    assert max(v.last for v in visits) - min(v.first for v in visits) < 25
