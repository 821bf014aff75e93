"""The homography of the ground: it says where somebody stands on another camera, and how sure it is of that."""

import numpy as np
import pytest
from walkers import boxes, walks

from ultralytics_reid.gallery.linking.ground_plane import Feet, fit_ground_map


def feet(one, other):
    """Feet of boxes, `(N, 4)` each, on two cameras."""
    points = [np.stack([(b[:, 0] + b[:, 2]) / 2, b[:, 3]], axis=1) for b in (one, other)]
    return Feet(*points, other[:, 3] - other[:, 1])


@pytest.fixture(scope="module")
def seen():
    """`(people, seconds, 4)` boxes on both cameras."""
    places = walks(4, 40)
    return boxes(0, places), boxes(1, places, seed=1)


class TestGroundMap:
    def test_map_of_one_walk_explains_the_walks_of_others_and_no_mismatch(self, seen):
        one, other = seen
        found = fit_ground_map(feet(one[0], other[0]))
        for n in range(1, 4):
            right = found.log_likelihood_ratio(feet(one[n], other[n]))
            wrong = found.log_likelihood_ratio(feet(one[n], other[n - 1]))
            assert np.median(right) > 1
            assert np.median(wrong) < 0

    def test_few_moments_say_little_of_places_far_away(self, seen):
        one, other = seen
        few = fit_ground_map(feet(one[0, :4], other[0, :4]))
        many = fit_ground_map(feet(one[0], other[0]))
        assert few.log_likelihood_ratio(feet(one[1], other[1])).mean() < 0.5
        assert many.log_likelihood_ratio(feet(one[1], other[1])).mean() > 1

    def test_a_share_of_wrong_feet_does_no_harm(self, seen):
        one, other = (b.copy() for b in seen)
        other[0, ::6] = other[2, ::6]
        found = fit_ground_map(feet(one[0], other[0]))
        assert np.median(found.log_likelihood_ratio(feet(one[1], other[1]))) > 1

    def test_mirrored_and_identical_views_are_maps_too(self, seen):
        one, _ = seen
        mirrored = one[..., [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0]
        for view in (one, mirrored):
            found = fit_ground_map(feet(one[0], view[0]))
            assert np.median(found.log_likelihood_ratio(feet(one[1], view[1]))) > 2

    def test_one_moment_is_enough_for_a_map_that_knows_nothing(self, seen):
        one, other = seen
        found = fit_ground_map(feet(one[0, :1], other[0, :1]))
        assert np.isfinite(found.log_likelihood_ratio(feet(one[1], other[1]))).all()
        assert found.log_likelihood_ratio(feet(one[1], other[1])).mean() < 0.5
