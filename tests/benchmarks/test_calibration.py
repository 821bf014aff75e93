"""Predicted against observed log-likelihood ratios, on pairs small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.scoring import calibration


@pytest.fixture
def pairs():
    """Three genuine pairs of two couples and four impostor pairs of two, in the ranges around 1 and -3 nats."""
    couple = np.array([[1, 1], [1, 1], [2, 2], [1, 2], [1, 2], [1, 2], [2, 1]])
    same, llr = np.array([1, 1, 1, 0, 0, 0, 0], bool), np.array([1.0, 1.0, -3.0, 1.0, -3.0, -3.0, -3.0])
    above = np.repeat((llr > 0)[:, None], len(calibration.RATES), axis=1)
    return calibration.Pairs(couple, same, np.array([0.6, 0.6, 0.2, 0.3, 0.1, 0.1, 0.1]), llr, above)


def test_observed_odds_leave_out_how_many_pairs_there_are_of_either_kind(pairs):
    found = calibration.observed(pairs, np.ones(7))
    base = np.log(3.5 / 4.5)
    assert found[4] == pytest.approx(np.log(2.5 / 1.5) - base)
    assert found[2] == pytest.approx(np.log(1.5 / 3.5) - base)
    assert found[0] == pytest.approx(-base)
    np.testing.assert_allclose(calibration.predicted(pairs)[[2, 4]], [-3, 1])


def test_strangers_that_pass_and_friends_that_score_higher_are_counted(pairs):
    impostors = calibration.Pairs(*(column[~pairs.same] for column in vars(pairs).values()))
    np.testing.assert_allclose(calibration.passing(impostors, np.ones(4)), 1 / 4)
    np.testing.assert_allclose(calibration.passing(impostors, np.array([[3.0, 0, 0, 1]])), 3 / 4)
    assert calibration.separability(pairs) == pytest.approx(11 / 12)


def test_couples_are_redrawn_whole(pairs):
    weight = calibration.redrawn(pairs)
    assert weight.shape == (calibration.DRAWS, 7)
    np.testing.assert_array_equal(weight[:, [0, 3, 3]], weight[:, [1, 4, 5]])
    np.testing.assert_array_equal(weight[:, [0, 2, 3, 6]].sum(axis=1), 4)


def test_nothing_is_observed_of_no_pairs():
    none = calibration.Pairs.joined([])
    assert len(none.same) == 0
    assert np.isnan(calibration.separability(none))
    assert np.isnan(calibration.passing(none, np.ones(0))).all()
