"""Which crops a network's training holds out, by identity."""

import numpy as np
import pytest

from ultralytics_reid.errors import ConfigError
from ultralytics_reid.training.loop import held_out_rows


def test_a_tenth_of_the_identities_is_held_out_whole():
    identities = np.repeat(np.arange(60), 4)
    trained, held = held_out_rows(identities, seed=0)
    assert sorted([*trained.tolist(), *held.tolist()]) == list(range(240))
    assert len(set(identities[held])) == 6
    assert not set(identities[held]) & set(identities[trained])


def test_identities_of_one_image_are_no_reason_to_hold_out_more():
    # 8 with two images, 200 with one, of which nothing is learned or asked.
    identities = np.concatenate([np.repeat(np.arange(8), 2), np.arange(8, 208)])
    trained, held = held_out_rows(identities, seed=0)
    assert (len(set(identities[trained])), len(set(identities[held]))) == (5, 3)
    assert (identities[trained] < 8).all()


def test_too_few_identities_with_two_images_are_refused():
    with pytest.raises(ConfigError, match="6 identities with two images or more, to hold some out, got 5 of 6"):
        held_out_rows(np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]), seed=0)
