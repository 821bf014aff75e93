"""What is known of pairs of crops, and batches of identities that are known to differ."""

import numpy as np
import pytest

from ultralytics_reid.training.known_pairs import KnownPairs
from ultralytics_reid.training.sampler import PKSampler


def test_unknown_pairs_are_neither_same_nor_different():
    known = KnownPairs.of(np.array([7, 7, 9, 4]), np.array([[7, 9]]))
    same, different = known.masks(np.arange(4))
    assert same[0, 1]
    assert different[0, 2]
    assert not same[0, 3]
    assert not different[0, 3]
    assert not same.diagonal().any()


def test_a_closed_set_knows_all_pairs():
    known = KnownPairs.of(np.array([3, 3, 5]), None)
    same, different = known.masks(np.arange(3))
    assert known.closed
    assert (same | different).sum() == 6


def test_pairs_of_identities_without_crops_are_ignored():
    known = KnownPairs.of(np.array([1, 2]), np.array([[1, 99], [2, 2]]))
    assert not known.apart.any()


def test_taken_crops_keep_what_is_known():
    known = KnownPairs.of(np.array([1, 1, 2, 3]), np.array([[2, 3]])).take(np.array([2, 3]))
    assert known.count == 2
    assert known.masks(np.arange(2))[1][0, 1]


def test_means_are_by_identity():
    known = KnownPairs.of(np.array([5, 5, 6]), None)
    rows = np.array([[1, 0], [3, 0], [0, 8]], np.float32)
    np.testing.assert_allclose(known.means(rows), [[2, 0], [0, 8]])


def test_a_batch_has_p_identities_with_k_crops_each():
    known = KnownPairs.of(np.repeat(np.arange(10), 6), None)
    for rows in PKSampler(known, 4, 3, seed=0).epoch(1):
        who, counts = np.unique(known.identities[rows], return_counts=True)
        assert (len(who), set(counts)) == (4, {3})


def test_an_epoch_draws_each_identity_with_two_crops():
    known = KnownPairs.of(np.array([0, 0, 1, 1, 2, 2, 3, 3, 4]), None)
    drawn = np.concatenate(list(PKSampler(known, 2, 2, seed=3).epoch(0)))
    assert set(known.identities[drawn]) == {0, 1, 2, 3}  # identity 4 has a single crop


def test_batches_repeat_with_the_seed_and_change_with_the_epoch():
    known = KnownPairs.of(np.repeat(np.arange(8), 4), None)
    one, again, other = (np.concatenate(list(PKSampler(known, 4, 2, seed=1).epoch(n))).tolist() for n in (5, 5, 6))
    assert one == again
    assert one != other


def test_batches_of_an_open_set_consist_of_identities_known_to_differ():
    # Two scenes of four; nothing is known between them.
    different = [(a, b) for s in (0, 4) for a in range(s, s + 4) for b in range(a + 1, s + 4)]
    known = KnownPairs.of(np.repeat(np.arange(8), 3), np.array(different))
    for rows in PKSampler(known, 4, 2, seed=0).epoch(0):
        who = np.unique(known.identities[rows])
        assert known.differ(who[:, None], who[None]).sum() == 4 * 3


@pytest.mark.parametrize("images", [2, 5])
def test_identities_with_few_crops_repeat_them(images):
    known = KnownPairs.of(np.array([0, 0, 1, 1]), None)
    (rows,) = PKSampler(known, 2, images, seed=0).epoch(0)
    assert len(rows) == 2 * images
