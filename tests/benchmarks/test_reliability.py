"""Predicted against observed probabilities, on rows small enough to count by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from benchmarks.harness.cameras import CameraRun, CameraStream
from benchmarks.harness.scoring.reliability import Judged, calibration_error, log_loss, owners, reliability
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.gallery.records import Visit


def test_rows_are_weighted_to_the_stated_prior():
    judged = Judged(np.array([0.9, 0.9, 0.9, 0.02]), np.array([True, True, False, False]))
    assert judged.weight == pytest.approx([0.05, 0.05, 0.45, 0.45])
    low, *between, high = reliability(judged)
    assert (low.predicted, low.observed, low.genuine, low.rows) == pytest.approx((0.02, 0.0, 0, 1))
    assert (high.predicted, high.observed, high.genuine, high.rows) == pytest.approx((0.9, 0.1 / 0.55, 2, 3))
    assert all(np.isnan(b.predicted) and b.rows == 0 for b in between)
    assert calibration_error(judged) == pytest.approx(0.45 * 0.02 + 0.55 * (0.9 - 0.1 / 0.55))
    assert log_loss(judged) == pytest.approx(-(0.1 * np.log(0.9) + 0.45 * np.log(0.1) + 0.45 * np.log(0.98)))


def test_what_is_right_on_average_has_no_error():
    judged = Judged(np.full(20, 0.1), np.arange(20) < 2)
    assert calibration_error(judged) == pytest.approx(0, abs=1e-12)


def test_a_visit_belongs_to_the_person_on_its_path():
    box = np.array([[10, 10, 20, 40]], np.float32)
    truth = tuple(FrameBoxes(np.array([7 if n < 9 else 8]), box) for n in range(10))
    film = CameraStream("yard", 2.0, (100, 200), 30.0, partial(iter, ()))
    part = CameraRun(film, truth, truth)

    def visit(number, frames):
        path = np.array([[n / 2, 0.05, 0.1, 0.1, 0.4] for n in frames], np.float32)
        return Visit(number, 1, "yard", 0, 1030.5, 1036.0, path)

    found = owners([visit(1, range(8)), visit(2, range(6, 10)), visit(3, range(9, 10))], [part], 1000.0)
    assert found == {1: 7, 3: 8}
