"""Still galleries: who and which camera by file name, and galleries of all that are enrolled."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.data.stills import CUHK01, VEHICLES, stills
from benchmarks.runs.stills import _missed_of_all, _missed_of_drawn, rank_1


@pytest.fixture
def files(tmp_path):
    def make(name, names):
        for one in names:
            path = tmp_path / "data" / name / one
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return stills(tmp_path, name)

    return make


def test_people_and_cameras_come_from_names_and_one_under_two_numbers_is_one(files):
    crops = files(CUHK01, ["0021001.jpg", "0021003.jpg", "0022002.jpg", "0023004.jpg"])
    assert crops.ids.tolist() == [0, 0, 1, 0]
    assert crops.cameras.tolist() == [1, 2, 1, 2]


def test_vehicles_come_from_names(files):
    crops = files(
        VEHICLES, ["images/test/bus_0002_cam2.jpg", "images/train/bus_0002_cam1.jpg", "images/test/car_1_cam1.jpg"]
    )
    assert (crops.ids.tolist(), crops.cameras.tolist()) == ([0, 1, 0], [2, 1, 1])


def test_strangers_of_a_gallery_of_all_are_searched_without_their_own_row():
    similarity = np.full((100, 100), 0.1)
    np.fill_diagonal(similarity, np.linspace(0.2, 0.9, 100))
    assert _missed_of_all(similarity) == 0.0
    similarity[0, 1] = similarity[1, 0] = 0.55  # two strangers of 100 are alike, one more than the rate allows
    assert _missed_of_all(similarity) == pytest.approx((similarity.diagonal() <= 0.55).mean(), abs=0.011)
    assert rank_1(similarity) == 0.98


def test_galleries_are_drawn_alike_every_time():
    similarity = np.random.default_rng(0).random((60, 60)) + np.eye(60) / 2
    assert _missed_of_drawn(similarity, 10) == _missed_of_drawn(similarity, 10)
