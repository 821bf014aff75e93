"""Live streams in a gallery, while the system's clock jumps."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Person, Scene, image, make_tracker

from ultralytics_reid import Filter, Gallery
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
        people = [
            Person([(0, length)], (80 + 150 * n, 100 + 10 * first), look=first + n, height=80) for n in range(MANY)
        ]
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


def times_of(path):
    """When visits began, in order; sightings lie within their visits."""
    with Gallery(path) as gallery:
        visits = sorted(gallery.visits(), key=lambda v: v.first)
        sightings = [(v.first, v.last, t) for v in visits for t in sighting_times(gallery, v.id)]
    assert all(first - 1 <= t <= last + 1 for first, last, t in sightings)
    return np.array([v.first for v in visits])


def sighting_times(gallery, visit):
    found = list(gallery.store.scan(Filter(visits=frozenset({visit}))))
    return np.concatenate([records.times for records in found]).tolist() if found else []


def set_clock(site, jump):
    """Watch four people for 15 s, set the clock, and watch four others; returns when these came."""
    site.watch(0)
    site.wall += jump
    after = site.now()
    site.watch(10)
    site.tracker.finish(wait=True)
    return after


def test_clock_of_1970_deletes_nothing_and_its_visits_are_corrected_once_it_is_set(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    real = site.now()
    site.wall = 3600.0 - real
    after = set_clock(site, real - 3600)
    firsts = times_of(tmp_path / "site.db") - after
    assert len(firsts) == 2 * MANY
    assert firsts[:MANY] == pytest.approx(-15, abs=2)
    assert firsts[MANY:] == pytest.approx(0, abs=2)


@pytest.mark.parametrize("ahead", [DAY, 365 * DAY])
def test_visits_of_a_clock_that_was_ahead_are_corrected_once_it_is_set_back(tmp_path, monkeypatch, ahead):
    site = Site(tmp_path / "site.db", monkeypatch)
    site.wall = ahead
    after = set_clock(site, -ahead)
    firsts = times_of(tmp_path / "site.db") - after
    assert firsts[:MANY] == pytest.approx(-15, abs=2)
    assert firsts[MANY:] == pytest.approx(0, abs=2)


def test_visits_that_go_on_while_the_clock_is_set_back_are_corrected_whole(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    site.wall = DAY
    site.watch(0)
    site.wall -= DAY
    after = site.now()
    site.watch(0)
    site.tracker.finish(wait=True)
    assert times_of(tmp_path / "site.db") - after == pytest.approx([-15] * MANY, abs=2)


def test_a_jump_forward_may_be_sleep_and_corrects_nothing(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    after = set_clock(site, DAY)
    firsts = times_of(tmp_path / "site.db") - after
    assert firsts[:MANY] == pytest.approx(-DAY - 15, abs=2)


def test_a_clock_that_was_wrongly_set_back_is_undone(tmp_path, monkeypatch):
    site = Site(tmp_path / "site.db", monkeypatch)
    site.watch(0)
    site.wall -= DAY
    site.watch(10)
    site.wall += DAY
    after = site.now()
    site.watch(20)
    site.tracker.finish(wait=True)
    firsts = times_of(tmp_path / "site.db") - after
    assert firsts[:MANY] == pytest.approx(-30, abs=2)
    assert firsts[MANY : 2 * MANY] == pytest.approx(-15, abs=2)


def test_visits_of_an_earlier_run_stay_when_the_clock_is_corrected(tmp_path, monkeypatch):
    earlier = Site(tmp_path / "site.db", monkeypatch)
    began = earlier.now()
    earlier.watch(30)
    earlier.tracker.finish(wait=True)
    site = Site(tmp_path / "site.db", monkeypatch)
    site.wall = DAY
    set_clock(site, -DAY)
    firsts = times_of(tmp_path / "site.db")
    assert len(firsts) == 3 * MANY
    assert np.abs(firsts - began).max() < 60
