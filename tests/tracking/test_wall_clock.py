"""Live streams in a gallery, while the system's clock jumps."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Person, Scene, image, make_tracker

from ultralytics_reid import Gallery
from ultralytics_reid.tracking import callbacks, clock
from ultralytics_reid.tracking.closing_line import RunTally

MANY, DAY = 4, 86_400.0


class Site:
    """A live camera, at ten frames a second of a clock that is set at will."""

    def __init__(self, path, monkeypatch):
        self.wall = self.steady = 0.0
        self._real = time.time(), time.monotonic()
        monkeypatch.setattr(callbacks, "time", SimpleNamespace(time=self.now))
        monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: self.steady))
        self.tracker = make_tracker(gallery=str(path), camera_id="door", gallery_wait=10.0)
        self.tracker.clock.fixed = False
        data = SimpleNamespace(mode="stream", frames=[float("inf")], bs=1, buffer=False, fps=[25], sources=["rtsp://x"])
        self._host = SimpleNamespace(
            trackers=[self.tracker],
            dataset=data,
            args=SimpleNamespace(vid_stride=1),
            results=[SimpleNamespace(path="x", masks=None, obb=None, boxes=[])],
            vid_path=[None],
            _reid_tallies=[RunTally()],
            callbacks={"on_predict_postprocess_end": [], "on_predict_end": []},
            add_callback=lambda name, function: self._host.callbacks[name].append(function),
        )

    def now(self):
        return self._real[0] + self.wall

    def watch(self, first, length=150):
        people = [Person([(0, length)], (80 + 150 * n, 200), look=first + n, height=80) for n in range(MANY)]
        for boxes, feats, _ in Scene(people, length, seed=first).frames():
            self.wall, self.steady = self.wall + 0.1, self.steady + 0.1
            callbacks.before_update(self._host)
            self.tracker.update(boxes, image(), feats=feats)


@pytest.mark.parametrize("jump", [DAY / 2, -365 * DAY, 5.0])
def test_visits_after_a_jump_of_the_wall_clock_have_the_right_time(tmp_path, monkeypatch, jump):
    site = Site(tmp_path / "site.db", monkeypatch)
    site.wall = max(0.0, -jump)
    site.watch(0)
    before = site.now()
    site.wall += jump
    after = site.now()
    site.watch(10)
    site.tracker.finish(wait=True)
    with Gallery(tmp_path / "site.db") as gallery:
        visits = sorted(gallery.visits(), key=lambda v: v.id)
    firsts = np.array([v.first for v in visits])
    assert ((np.abs(firsts - before) < 17) | (np.abs(firsts - after) < 17)).all()
    assert (np.abs(firsts - after) < 2).sum() >= MANY
    assert max(v.last for v in visits if abs(v.first - after) < 2) == pytest.approx(site.now(), abs=2)


def test_stalled_stream_is_no_jump(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    site.watch(0, 50)
    starts = site.tracker.camera.starts_at
    site.wall, site.steady = site.wall + 60, site.steady + 60
    site.watch(0, 50)
    assert site.tracker.camera.starts_at == starts


def test_clock_of_1970_deletes_nothing_and_is_left_once_it_is_set(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    real = site.now()
    site.wall = 3600.0 - real
    site.watch(0)
    assert site.tracker.camera.starts_at is None
    site.wall += real
    site.watch(10)
    site.tracker.finish(wait=True)
    with Gallery(tmp_path / "site.db") as gallery:
        firsts = [v.first for v in gallery.visits()]
    assert min(firsts) > real - 400 * DAY
    assert sum(abs(first - real) < 3700 for first in firsts) >= MANY
