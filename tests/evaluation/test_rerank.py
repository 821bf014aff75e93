"""Re-ranking with k-reciprocal encoding: torchreid's own function, and what it is for."""

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.evaluation.rerank import rerank
from ultralytics_reid.evaluation.retrieval import retrieval


def noisy(rng, identities, each, dim=16, noise=0.5):
    centers = rng.normal(size=(identities, dim))
    ids = np.repeat(np.arange(identities), each)
    return ids, (centers[ids] + noise * rng.normal(size=(len(ids), dim))).astype(np.float32)


@pytest.mark.extras
@pytest.mark.parametrize("k2", [1, 6])
def test_distances_equal_torchreid_s(k2):
    re_ranking = pytest.importorskip("torchreid").utils.re_ranking
    _, rows = noisy(np.random.default_rng(0), 20, 6)
    rows = unit(rows)
    asked = np.arange(0, len(rows), 4)
    searched = np.setdiff1d(np.arange(len(rows)), asked)
    queries, gallery = rows[asked], rows[searched]

    def distance(a, b):
        return np.sqrt(np.maximum(2 - 2 * a.astype(np.float64) @ b.T.astype(np.float64), 0))

    theirs = re_ranking(distance(queries, gallery), distance(queries, queries), distance(gallery, gallery), 10, k2, 0.3)
    np.testing.assert_allclose(-rerank(rows, asked, searched, k1=10, k2=k2), theirs, atol=1e-4)


def test_a_match_among_shared_neighbors_rises():
    """Of noisy identities, more matches rank first than by plain similarity."""
    ids, rows = noisy(np.random.default_rng(1), 40, 8, noise=1.0)
    asked = np.arange(0, len(rows), 8)
    searched = np.setdiff1d(np.arange(len(rows)), asked)
    plain, ranked = unit(rows[asked]) @ unit(rows[searched]).T, rerank(rows, asked, searched, k1=7, k2=3)
    figures = [retrieval(s, ids[asked], ids[searched]).mean_ap for s in (plain, ranked)]
    assert figures[1] > figures[0] + 0.02


def test_few_images_and_equal_ones_give_finite_similarities():
    rows = np.ones((3, 4), np.float32)
    assert np.isfinite(rerank(rows, np.array([0]), np.array([0, 1, 2]))).all()
