"""Detections that can't be tracked: left out with one warning, at no cost to the others in the frame."""

import numpy as np
import pytest
from synthetic import SHAPE, image, make_tracker
from ultralytics.engine.results import OBB, Boxes
from ultralytics.utils import LOGGER

BAD = 10
COLUMNS = {"edge": 2, "score": 4, "class": 5}


def rows_of(frame):
    return [[30 + 100 * k + 3 * frame, 100, 70 + 100 * k + 3 * frame, 200, 0.8, 0] for k in range(4)]


def track(spoil, make=lambda rows: Boxes(np.array(rows, np.float32), SHAPE), **keys):
    """Ids by detection, frame by frame; `spoil` changes the rows of frame 10."""
    tracker, feats, out = make_tracker(**keys), np.random.default_rng(0).normal(size=(4, 32)), []
    for frame in range(20):
        rows = rows_of(frame)
        if frame == BAD:
            spoil(rows)
        found = tracker.update(make(rows), image(), feats=feats)
        out.append({int(r[-1]): int(r[-4]) for r in found})
    return out


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("what", COLUMNS)
@pytest.mark.parametrize("keys", [{}, {"memory_seconds": 0.0, "fuse_appearance": False}])
def test_a_detection_that_is_not_finite_is_left_out_and_the_others_keep_their_ids(what, value, keys):
    if what == "score" and value == 1e30:
        pytest.skip("a score of any size is a score")

    def spoil(rows):
        rows[1][COLUMNS[what]] = value

    out = track(spoil, **keys)
    assert out[BAD] == {n: i for n, i in out[BAD - 1].items() if n != 1}
    assert out[-1] == out[BAD - 1]


def test_turned_boxes_too():
    def turned(rows):
        data = [[(a + c) / 2, (b + d) / 2, c - a, d - b, 0.1, s, k] for a, b, c, d, s, k in rows]
        return OBB(np.array(data, np.float32), SHAPE)

    def spoil(rows):
        rows[2][5] = np.nan

    out = track(spoil, turned)
    assert sorted(out[BAD]) == [0, 1, 3]


def test_it_is_said_once(monkeypatch):
    told = []
    monkeypatch.setattr(LOGGER, "warning", lambda text, **_: told.append(text))
    tracker = make_tracker()
    for frame in range(3):
        rows = rows_of(frame)
        rows[0][5] = np.nan
        tracker.update(Boxes(np.array(rows, np.float32), SHAPE), image(), feats=np.ones((4, 8)))
    assert len([t for t in told if "leaves out 1 of 4 detections" in t]) == 1


def test_a_frame_of_nothing_else_is_an_empty_frame():
    def spoil(rows):
        for row in rows:
            row[0] = np.nan

    out = track(spoil)
    assert out[BAD] == {}
    assert out[-1] == out[BAD - 1]
