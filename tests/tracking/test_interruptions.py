"""What interrupts a camera: a change of its resolution, an outage, sleep."""

from threading import current_thread, main_thread

import numpy as np
import pytest
from synthetic import Person, Scene, crowd, make_tracker, our_args
from ultralytics.engine.results import Boxes
from ultralytics.utils import LOGGER

from ultralytics_reid import ReIDBOTSORT

CHANGE = 80


def resized(frames, scale, after=CHANGE):
    """Detections, images and embeddings of a scene whose images are `scale` (x, y) as large from a frame on."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    for n, (detections, feats, people) in enumerate(frames):
        x, y = scale if n >= after else (1, 1)
        shape = (round(480 * y), round(640 * x))
        data = detections.data.copy()
        data[:, :4] *= [x, y, x, y]
        yield Boxes(data, shape), noise[: shape[0], : shape[1]], feats, people


def walkers(length=160):
    """One who stays, one who walks, and one who is away while the resolution changes."""
    away = Person([(0, 60), (110, length)], (60, 120), look=3)
    return Scene([Person([(0, length)], (60, 250), (2, 0), look=1), away, *crowd(length=length)], length)


def track(tracker, scene, scale):
    out = []
    for detections, image, feats, people in resized(scene.frames(), scale):
        rows = tracker.update(detections, image, feats=feats)
        out.append({scene.people.index(people[int(r[-1])]): int(r[-4]) for r in rows})
    return out


@pytest.mark.parametrize("scale", [(0.5, 0.5), (1, 0.5), (0.25, 0.25), (0.5, 1)])
@pytest.mark.parametrize("keys", [{}, {"gmc_method": "sparseOptFlow"}, {"memory_seconds": 0.0}])
def test_ids_survive_a_change_of_the_resolution(scale, keys, monkeypatch):
    told = []
    # Galleries of other tests may still log from threads of their own.
    monkeypatch.setattr(LOGGER, "warning", lambda text: current_thread() is main_thread() and told.append(text))
    out = track(make_tracker(**keys), walkers(), scale)
    before = out[CHANGE - 1]
    assert len(before) == 4
    assert out[CHANGE] == before
    assert {n: out[-1][n] for n in before} == before
    if not keys:
        assert out[-1][1] == out[10][1]
    assert not told


def stand_still(jump, people_after, **keys):
    """Ids before and after a jump of the clock, in seconds; the looks after it, at the same places."""
    tracker, rng = make_tracker(**keys), np.random.default_rng(0)
    looks = np.random.default_rng(1).normal(size=(20, 64))
    shown = []
    for n in range(160):
        which = range(4) if n < CHANGE else people_after
        rows = [[40 + 150 * k, 100, 90 + 150 * k, 220, 0.9, 0] for k in range(4)]
        feats = np.array([looks[w] + 0.3 * rng.normal(size=64) for w in which])
        tracker.clock.at(n / 10 + (jump if n >= CHANGE else 0))
        found = tracker.update(Boxes(np.array(rows, np.float32), (480, 640)), None, feats=feats)
        shown.append({int(r[-1]): int(r[-4]) for r in found})
    return tracker, shown[CHANGE - 1], shown[-1]


@pytest.mark.parametrize("jump", [60.0, 4 * 3600.0])
def test_after_a_stand_still_strangers_in_the_same_places_have_new_ids(jump):
    _, before, after = stand_still(jump, [10, 11, 12, 13])
    assert len(before) == len(after) == 4
    assert not set(before.values()) & set(after.values())


def test_after_a_stand_still_memory_says_who_is_back_wherever_they_are():
    _, before, after = stand_still(60.0, [1, 0, 2, 12])
    assert (after[0], after[1], after[2]) == (before[1], before[0], before[2])
    assert after[3] not in before.values()


def test_after_more_than_memory_seconds_all_are_new():
    _, before, after = stand_still(4 * 3600.0, [0, 1, 2, 3], memory_seconds=600.0)
    assert not set(before.values()) & set(after.values())


def test_a_pause_that_tracks_may_bridge_changes_nothing():
    tracker, before, after = stand_still(1.5, [0, 1, 2, 3])
    assert before == after
    assert not list(tracker.events)


def test_a_slow_camera_does_not_stand_still():
    clock = ReIDBOTSORT(our_args()).clock
    for n in range(30):
        clock.at(20.0 * n)
        clock.tick()
        assert not clock.stood_still(30)
    clock.at(20.0 * n + 3600)
    clock.tick()
    assert clock.stood_still(30)
