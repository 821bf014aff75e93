"""Association without overlap: odds and gate of arrays."""

import numpy as np
import pytest

from ultralytics_reid.association.low_frame_rate import apart_log_odds, reachable_boxes
from ultralytics_reid.tuning import MAX_APPEARANCE

AREA = 640.0 * 480.0
STD = np.array([30.0])
HERE = np.array([[100.0, 200.0, 40.0, 100.0]])


def moved(x=0.0, height=100.0):
    return np.add(HERE, [x, 0, 0, height - 100])


def odds(boxes, llr=0.0, tracks=1, std=30.0):
    shape = (tracks, len(boxes))
    predicted = np.repeat(HERE, tracks, axis=0)
    return apart_log_odds(np.full(shape, llr, np.float32), predicted, np.full(tracks, std), boxes, AREA)


class TestLogOdds:
    def test_at_the_prediction_it_is_the_density_of_a_gaussian_over_that_of_the_image(self):
        assert odds(HERE)[0, 0] == pytest.approx(np.log(AREA / (2 * np.pi * 30**2)))

    def test_one_standard_deviation_off_costs_half_a_nat(self):
        assert odds(HERE)[0, 0] - odds(moved(30))[0, 0] == pytest.approx(0.5)

    def test_the_more_tracks_it_may_be_the_less_it_says_of_one(self):
        assert odds(HERE)[0, 0] - odds(HERE, tracks=4)[0, 0] == pytest.approx(np.log(4))

    def test_appearance_adds_up_to_its_bound(self):
        assert odds(HERE, 2.0)[0, 0] - odds(HERE)[0, 0] == pytest.approx(2.0)
        assert odds(HERE, 99.0)[0, 0] - odds(HERE, -99.0)[0, 0] == pytest.approx(2 * MAX_APPEARANCE)

    def test_what_overlaps_nowhere_is_matched_by_appearance(self):
        """100 pixels are two and a half widths."""
        assert odds(moved(100), -3.0)[0, 0] < 0 < odds(moved(100), 3.0)[0, 0]

    def test_no_spread_is_no_division_by_zero(self):
        assert np.isfinite(odds(moved(1), std=0.0)).all()

    @pytest.mark.parametrize(("tracks", "boxes"), [(0, 2), (2, 0), (0, 0)])
    def test_nothing_gives_nothing(self, tracks, boxes):
        assert odds(np.repeat(HERE, boxes, axis=0), tracks=tracks).shape == (tracks, boxes)


class TestGate:
    @pytest.mark.parametrize(
        ("x", "height", "gap", "reached"),
        [
            (190, 100, 0.5, True),  # 1 + 2 * 0.5 body heights
            (210, 100, 0.5, False),
            (210, 100, 1.0, True),
            (0, 400, 0.2, False),  # four times as high
            (0, 400, 1.0, True),
            (0, 20, 0.2, False),
        ],
    )
    def test_way_and_growth_are_bounded_by_the_time_that_passed(self, x, height, gap, reached):
        assert reachable_boxes(HERE, moved(x, height), np.array([gap])).tolist() == [[reached]]
