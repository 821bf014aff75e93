"""The connection that all trackers of a process share: opened for one embedder, and closed to another's vectors."""

import numpy as np
import pytest
from synthetic import boxes, image, make_tracker

from ultralytics_reid import GalleryError


class Embedder:
    def __init__(self, fingerprint, dim):
        self.fingerprint, self._looks = fingerprint, np.random.default_rng(0).normal(size=(4, dim))

    def __call__(self, frame, xyxy):
        return self._looks[: len(xyxy)]


def track(tracker, frames=5):
    for n in range(frames):
        rows = [[30 + 100 * k + 2 * n, 100, 70 + 100 * k + 2 * n, 200, 0.8, 0] for k in range(4)]
        tracker.update(boxes(rows), image())


@pytest.mark.parametrize(("fingerprint", "dim", "said"), [("b", 32, "by a, and these"), ("a", 48, "32, got 48")])
def test_after_a_reset_another_embedders_vectors_are_refused(tmp_path, fingerprint, dim, said):
    tracker = make_tracker(gallery=str(tmp_path / "site.db"), camera_id="door", reid_interval=0.0)
    tracker.embedder = Embedder("a", 32)
    track(tracker)
    tracker.reset()
    tracker.embedder = Embedder(fingerprint, dim)
    with pytest.raises(GalleryError, match=said):
        track(tracker)


def test_after_a_reset_the_same_embedder_goes_on(tmp_path):
    tracker = make_tracker(gallery=str(tmp_path / "site.db"), camera_id="door", reid_interval=0.0)
    tracker.embedder = Embedder("a", 32)
    track(tracker)
    tracker.reset()
    track(tracker)
