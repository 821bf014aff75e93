"""Open visits: what is kept of a path, of classes, of sightings and of crops."""

import cv2
import numpy as np
import pytest

from ultralytics_reid.gallery.linking.messages import Observation, PrototypeUpdate
from ultralytics_reid.gallery.linking.open_visits import OpenVisit

START = 1_795_694_400.0
EMBEDDING = np.eye(64, dtype=np.float32)[0]


def observation(cls=0, **more):
    return Observation(1, cls, 0.8, (0.1, 0.2, 0.3, 0.9), **more)


def test_long_visit_has_bounded_path_and_sightings():
    visit = OpenVisit("a", 1, START, START)
    for n in range(4 * 3600):
        visit.observe(START + n, observation())
        if n % 2 == 0:
            visit.add_prototype(START + n, PrototypeUpdate(1, EMBEDDING, 5, 0.0, 0))
    path = visit.to_visit().path
    assert 100 < len(path) <= 257
    assert np.all(np.diff(path[:, 0]) > 0)
    assert path[-1, 0] > 3.9 * 3600
    assert 20 < len(visit.pending) < 100


def test_class_is_the_most_frequent_one():
    visit = OpenVisit("a", 1, START, START)
    for n, cls in enumerate([0, 2, 2, 0, 2]):
        visit.observe(START + n, observation(cls))
    assert visit.to_visit().cls == 2


def test_crop_of_highest_quality_is_kept():
    visit = OpenVisit("a", 1, START, START)
    for crop_quality, value in ((1.0, 10), (3.0, 200), (2.0, 90)):
        crop = np.full((40, 20, 3), value, np.uint8)
        visit.observe(START, observation(crop=crop, crop_quality=crop_quality))
    crop = cv2.imdecode(np.frombuffer(visit.to_visit().crop, np.uint8), cv2.IMREAD_COLOR)
    assert crop.mean() == pytest.approx(200, abs=2)


def test_box_outside_the_image_has_no_crop():
    visit = OpenVisit("a", 1, START, START)
    visit.observe(START, observation(crop=np.zeros((0, 20, 3), np.uint8), crop_quality=5.0))
    assert visit.to_visit().crop == b""
