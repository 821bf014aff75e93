"""Retrieval, verification and open-set identification: cases counted by hand, and torchreid's own figures."""

from types import SimpleNamespace

import numpy as np
import pytest

from ultralytics_reid.evaluation.retrieval import fnir_at_fpir, retrieval, tar_at_far


def test_figures_of_two_queries_counted_by_hand():
    similarity = [[0.9, 0.8, 0.7, 0.1], [0.2, 0.9, 0.3, 0.8]]
    found = retrieval(similarity, [1, 2], [3, 1, 1, 2], ranks=5)
    assert found.cmc.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert found.mean_ap == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 / 2) / 2)
    assert found.mean_inp == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (found.queries, found.unmatched) == (2, 0)


def test_queries_without_a_match_are_counted_and_change_no_figure():
    some = retrieval([[0.9, 0.1]], [1], [1, 2])
    more = retrieval([[0.9, 0.1], [0.5, 0.6]], [1, 7], [1, 2])
    assert (more.queries, more.unmatched) == (1, 1)
    assert (more.mean_ap, more.mean_inp) == (some.mean_ap, some.mean_inp) == (1.0, 1.0)


def test_without_any_match_figures_are_nan():
    found = retrieval([[0.9, 0.1]], [7], [1, 2])
    assert (found.queries, found.unmatched) == (0, 1)
    assert np.isnan([*found.cmc, found.mean_ap, found.mean_inp]).all()


def test_rows_of_the_same_individual_on_the_same_camera_are_left_out():
    cameras = {"query_cameras": [1], "gallery_cameras": [1, 1, 2]}
    found = retrieval([[0.9, 0.8, 0.7]], [5], [5, 6, 5], ranks=2, **cameras)
    assert (found.cmc.tolist(), found.mean_ap) == ([0.0, 1.0], 0.5)


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_torchreid_s_with_ties(seed, monkeypatch):
    rank = pytest.importorskip("torchreid").reid.metrics.rank

    # torchreid sorts ties in no certain order; here as the gallery has them.
    stable = SimpleNamespace(**{n: getattr(np, n) for n in dir(np) if not n.startswith("_")})
    stable.argsort = lambda values, axis: np.argsort(values, axis=axis, kind="stable")
    monkeypatch.setattr(rank, "np", stable)
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(0, 12, 40), rng.integers(0, 10, 120)
    query_cameras, gallery_cameras = rng.integers(0, 3, 40), rng.integers(0, 3, 120)
    distance = np.round(rng.random((40, 120)), 1)  # eleven values: ties in every row
    cmc, mean_ap = rank.evaluate_rank(
        distance, queries, gallery, query_cameras, gallery_cameras, max_rank=20, use_cython=False
    )
    cameras = {"query_cameras": query_cameras, "gallery_cameras": gallery_cameras}
    found = retrieval(-distance, queries, gallery, ranks=20, **cameras)
    np.testing.assert_allclose(found.cmc, cmc, atol=1e-4)
    assert found.mean_ap == pytest.approx(mean_ap, abs=1e-4)
    assert found.unmatched > 0


@pytest.mark.parametrize(
    ("rate", "share"),
    [(0.0, 1 / 4), (0.1, 2 / 4), (0.15, 2 / 4), (0.2, 3 / 4), (1.0, 1.0)],
)
def test_tar_is_the_share_above_the_impostors_that_the_rate_allows(rate, share):
    impostor = [0.8, 0.7, 0.5, 0.4, 0.3, 0.2, 0.2, 0.1, 0.1, 0.0]
    assert tar_at_far([0.9, 0.75, 0.55, -0.5], impostor, rate) == share


def test_impostors_at_the_threshold_are_not_accepted():
    assert tar_at_far([0.5, 0.6], [0.5] * 10, 0.05) == 0.5


def test_tar_without_pairs_is_nan():
    assert np.isnan([tar_at_far([], [0.1], 0.01), tar_at_far([0.1], [], 0.01)]).all()


class TestOpenSet:
    GALLERY = (1, 2)
    # Three enrolled: found above, found but weak, another's row first; then two strangers.
    IDS = (1, 2, 2, 8, 9)
    SIMILARITY = ((0.9, 0.2), (0.1, 0.4), (0.8, 0.7), (0.5, 0.1), (0.2, 0.3))

    @pytest.mark.parametrize(("rate", "missed"), [(0.0, 2 / 3), (0.49, 2 / 3), (0.5, 1 / 3), (1.0, 1 / 3)])
    def test_missed_are_those_below_the_strangers_and_those_taken_for_others(self, rate, missed):
        assert fnir_at_fpir(self.SIMILARITY, self.IDS, self.GALLERY, rate) == pytest.approx(missed)

    def test_a_row_of_several_of_an_individual_is_enough(self):
        similarity = [[0.1, 0.9], [0.3, 0.2]]
        assert fnir_at_fpir(similarity, [1, 9], [1, 1], 0.0) == 0.0

    @pytest.mark.parametrize("ids", [(1, 2), (8, 9)])
    def test_without_strangers_or_without_enrolled_it_is_nan(self, ids):
        assert np.isnan(fnir_at_fpir(np.eye(2), ids, self.GALLERY, 0.01))

    @pytest.mark.parametrize("rate", [0.01, 0.1])
    def test_at_most_the_rate_of_strangers_exceeds_the_threshold(self, rate):
        rng = np.random.default_rng(0)
        best = np.round(rng.random(500), 2)
        # Enrolled queries at each stranger's own score: found at least as often as strangers exceed the threshold.
        similarity = np.r_[best, best][:, None]
        assert 1 - fnir_at_fpir(similarity, [1] * 500 + [9] * 500, [1], rate) <= rate


@pytest.mark.parametrize(
    ("similarity", "told"),
    [([[0.1]], r"must be \(1, 2\)"), ([[0.1, np.nan]], "no NaN"), ([0.1, 0.2], r"must be \(1, 2\)")],
)
def test_arrays_that_do_not_fit_are_refused(similarity, told):
    for call in (lambda: retrieval(similarity, [1], [1, 2]), lambda: fnir_at_fpir(similarity, [1], [1, 2], 0.1)):
        with pytest.raises(ValueError, match=told):
            call()


def test_cameras_of_one_side_only_are_refused():
    with pytest.raises(ValueError, match="both or not at all"):
        retrieval([[0.1]], [1], [1], query_cameras=[1])
