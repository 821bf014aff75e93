"""The crowd that the cost run generates."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.runs import cost
from ultralytics_reid.evaluation.frames import iou


def test_people_of_the_crowd_neither_overlap_nor_leave_the_image():
    crowd = cost.Crowd(0.5)
    for number in range(0, cost.LAP, 30):
        detections = crowd.frame(number, crowd.acquaintances)
        assert detections.feats.shape == (cost.RESIDENTS + cost.SLOTS, cost.DIM)
        assert iou(detections.xyxy, detections.xyxy).sum() == pytest.approx(len(detections.xyxy))
        assert detections.xyxy.min() >= 0
        assert (detections.xyxy[:, 2:].max(axis=0) <= cost.IMAGE.shape[1::-1]).all()


def test_strangers_are_as_like_their_acquaintance_as_was_asked_for():
    crowd = cost.Crowd(0.6)
    strangers = crowd.strangers(10)
    np.testing.assert_allclose(np.sum(strangers * crowd.acquaintances, axis=1), 0.6, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(strangers, axis=1), 1, rtol=1e-5)


def test_identities_that_fill_the_memory_stay_for_some_frames():
    watch, crowd = cost.Stopwatch(cost.FULL), cost.Crowd(0.5)
    cost.fill(watch.tracker, crowd, 20, 3)
    filled = set(watch.tracker.recognizer.bank.ids)
    for number in range(3):
        watch.update(crowd.frame(number, crowd.acquaintances), "none")
    assert len(filled) == 20
    assert filled <= set(watch.tracker.recognizer.bank.ids)
    assert watch.milliseconds("none") > 0
