"""Overlap by the smaller box, by hand."""

import numpy as np
import pytest

from ultralytics_reid.association.overlap import overlap_share


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ((0, 0, 10, 20), 1.0),  # the same box
        ((0, 10, 10, 20), 1.0),  # its lower half
        ((5, 0, 15, 20), 0.5),  # beside it
        ((10, 0, 20, 20), 0.0),  # touching
        ((-100, -100, 100, 100), 1.0),  # around it
        ((3, 3, 3, 9), 0.0),  # without a width
    ],
)
def test_the_share_of_the_smaller_box_either_way(other, share):
    found = overlap_share(np.array([(0, 0, 10, 20), other], np.float32))
    np.testing.assert_allclose(found, [[0, share], [share, 0]], atol=1e-6)


def test_no_boxes():
    assert overlap_share(np.zeros((0, 4), np.float32)).shape == (0, 0)
