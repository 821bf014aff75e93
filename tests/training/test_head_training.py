"""Learning a head: whitening, training beyond it, and what held-out data decides."""

import numpy as np
import pytest

from tests.training.embeddings import crops_of
from ultralytics_reid.errors import ConfigError
from ultralytics_reid.training import head as head_module
from ultralytics_reid.training.head import HeadTuning, applied, is_better, learn_head, train_map, whitening
from ultralytics_reid.training.held_out import Crops, Gain, folds, gain_of, identity_tars, later
from ultralytics_reid.training.known_pairs import KnownPairs

QUICK = HeadTuning(steps=30, pulls=(10.0,))


def mean_tar(crops, score):
    return np.mean(list(identity_tars(crops, score, np.ones(len(crops.rows), bool)).values()))


def test_whitening_removes_what_varies_along_identities():
    train, test = crops_of(seed=0), crops_of(seed=1)
    plain = mean_tar(test, lambda rows: rows)
    assert mean_tar(test, applied(whitening(train))) > plain + 0.2


def test_whitening_of_wide_embeddings_is_narrowed_to_512_directions():
    crops = crops_of(dim=600)
    center, matrix = whitening(crops)
    assert (center.shape, matrix.shape) == ((600,), (600, 512))
    assert mean_tar(crops, applied((center, matrix))) > mean_tar(crops, lambda rows: rows) + 0.2


def test_each_identity_is_held_out_once():
    crops = crops_of(identities=9, images=6)
    held = np.zeros(len(crops.rows), int)
    for out in folds(crops, seed=0):
        held += out
        assert not set(crops.known.identities[out]) & set(crops.known.identities[~out])
    assert (held == 1).all()


def test_later_crops_are_each_identity_s_last_third_in_time():
    crops = crops_of(identities=9, images=6)
    late = later(crops)
    assert (crops.times[late] >= 4).all()
    assert late.sum() == 9 * 2


def test_training_must_gain_on_one_side_and_lose_nothing_on_the_other():
    sure, even, worse = (Gain(0.5, 0.5 + g, low, 20) for g, low in ((0.05, 0.02), (0.0, -0.02), (-0.03, -0.05)))
    unknown = Gain(float("nan"), float("nan"), float("-inf"), 0)
    assert is_better(sure, even)
    assert is_better(even, sure)
    assert is_better(sure, unknown)
    assert not is_better(even, even)
    assert not is_better(worse, sure)
    assert not is_better(sure, worse)
    assert not is_better(even, unknown)


def test_genuine_pairs_are_of_two_cameras_where_there_are_several():
    rows = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0.6, 0.8], [0.6, 0.8]], np.float32)
    known = KnownPairs.of(np.array([0, 0, 0, 1, 1, 1]), None)
    cameras = np.array([1, 1, 2, 1, 2, 2])
    found = identity_tars(Crops(rows, known, cameras), lambda r: r, np.ones(6, bool))
    assert found == {0: 0.0, 1: 0.0}  # without cameras, equal crops of one camera would count as found


def test_a_gain_counts_only_beyond_the_bootstrap_s_error():
    before = dict.fromkeys(range(20), 0.5)
    sure = gain_of(before, dict.fromkeys(range(20), 0.6))
    unsure = gain_of(before, {n: 0.5 + (1 if n % 2 else -0.98) * 0.4 for n in range(20)})
    assert sure.sure
    assert unsure.value > 0
    assert not unsure.sure


def test_without_identities_nothing_is_sure():
    assert not gain_of({}, {}).sure


@pytest.mark.extras
class TestTraining:
    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("pytorch_metric_learning")
        pytest.importorskip("safetensors")

    def test_training_improves_held_out_identities_of_correlated_nuisance(self):
        train, test = crops_of(identities=20, images=6, dim=64, seed=0), crops_of(dim=64, seed=1)
        start = whitening(train)
        trained = train_map(train, start, HeadTuning(steps=150), loss="supcon", seed=0, pull=0.1)
        assert mean_tar(test, applied(trained)) > mean_tar(test, applied(start))

    def test_a_strong_pull_stays_at_whitening(self):
        train = crops_of()
        start = whitening(train)
        _, near = train_map(train, start, HeadTuning(steps=30, rate=1e-4), loss="supcon", seed=0, pull=1e6)
        np.testing.assert_allclose(near, start[1], rtol=0.02, atol=0.02 * np.abs(start[1]).max())

    def test_the_seed_repeats_the_map(self):
        train = crops_of()
        one, two = (train_map(train, whitening(train), QUICK, loss="triplet", seed=7, pull=1.0)[1] for _ in range(2))
        np.testing.assert_array_equal(one, two)

    def test_where_training_cannot_help_whitening_is_kept(self):
        # Identities are told apart perfectly already.
        crops = crops_of(nuisance=0.01)
        learned = learn_head(crops, tuning=QUICK)
        assert not learned.trained
        np.testing.assert_allclose(learned.matrix, whitening(crops)[1])

    def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_map(self, monkeypatch):
        train, calls = crops_of(), []

        def fails_at_the_third(name):
            def value(rows, same, different):
                calls.append(name)
                return rows.mean() * (1 if len(calls) < 3 else float("nan"))

            return value

        monkeypatch.setattr(head_module, "pair_loss", fails_at_the_third)
        start = whitening(train)
        _, matrix = train_map(train, start, QUICK, loss="supcon", seed=0, pull=1.0)
        assert len(calls) == 3
        assert np.isfinite(matrix).all()
        assert (matrix != start[1]).any()

    def test_one_identity_is_refused(self):
        with pytest.raises(ConfigError, match="several identities, got one"):
            learn_head(crops_of(identities=1))

    def test_few_identities_are_refused(self):
        with pytest.raises(ConfigError, match="6 identities or more"):
            learn_head(crops_of(identities=4))

    def test_one_image_an_identity_is_refused(self):
        with pytest.raises(ConfigError, match="one image an identity"):
            learn_head(crops_of(identities=30, images=1))

    def test_embeddings_that_are_not_finite_are_refused(self):
        crops = crops_of()
        crops.rows[3, 2] = np.nan
        with pytest.raises(ConfigError, match="finite"):
            learn_head(crops)

    def test_identities_of_which_none_are_known_to_differ_are_refused(self):
        with pytest.raises(ConfigError, match="known to differ"):
            learn_head(crops_of(different=np.zeros((0, 2), np.int64)), tuning=QUICK)
