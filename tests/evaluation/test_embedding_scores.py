"""Scores of embeddings: what is searched for where, intervals by identity, tracklets, and torchreid's own figures."""

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.evaluation import embedding_scores
from ultralytics_reid.evaluation.embedding_scores import cosine, given, score_search
from ultralytics_reid.evaluation.estimate import Estimate, draw_identities, mean_estimate
from ultralytics_reid.evaluation.protocol import KEEP, LEAVE_OUT, protocol_of
from ultralytics_reid.evaluation.retrieval import retrieval, tar_at_far
from ultralytics_reid.evaluation.tracklet_scores import score_tracklets


def noisy(seed, identities=20, each=6, dim=16, noise=1.0):
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(identities), each)
    rows = rng.normal(size=(identities, dim))[ids] + noise * rng.normal(size=(len(ids), dim))
    return ids, np.arange(len(ids)) % 3, rows.astype(np.float32)


def brute_force_inp(scores, queries, gallery, usable):
    """Number of matches over the rank of the last one, query by query."""
    found = []
    for n, row in enumerate(scores):
        ranked = [g == queries[n] for _, g, ok in sorted(zip(-row, gallery, usable[n], strict=True)) if ok]
        if any(ranked):
            found.append(sum(ranked) / (len(ranked) - ranked[::-1].index(True)))
    return np.mean(found)


@pytest.mark.extras
def test_figures_of_a_search_equal_torchreid_s():
    evaluate_rank = pytest.importorskip("torchreid").reid.metrics.evaluate_rank
    ids, cameras, rows = noisy(0)
    asked = np.arange(len(ids)) % 4 == 0
    protocol = protocol_of(ids, cameras, queries=asked)
    scores = cosine(protocol, rows)(slice(None))
    cmc, mean_ap = evaluate_rank(
        -scores, ids[asked], ids[~asked], cameras[asked], cameras[~asked], max_rank=20, use_cython=False
    )
    found = score_search(protocol, given(scores))
    assert found.mean_ap.value == pytest.approx(mean_ap, abs=1e-4)
    assert [found.rank[r].value for r in (1, 5, 10)] == pytest.approx([cmc[r - 1] for r in (1, 5, 10)], abs=1e-4)


def test_minp_equals_a_brute_force():
    ids, cameras, rows = noisy(1)
    protocol = protocol_of(ids, cameras)
    scores = cosine(protocol, rows)(slice(None))
    _, usable = protocol.pairs(slice(None))
    assert score_search(protocol, given(scores)).mean_inp.value == pytest.approx(
        brute_force_inp(scores, ids, ids, usable)
    )


def test_tar_equals_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(embedding_scores, "_PAIRS_AT_ONCE", 700)
    ids, cameras, rows = noisy(2)
    protocol = protocol_of(ids, cameras)
    scores = cosine(protocol, rows)(slice(None))
    same, usable = protocol.pairs(slice(None))
    found = score_search(protocol, cosine(protocol, rows))
    assert found.tar.value == pytest.approx(tar_at_far(scores[same & usable], scores[~same & usable], 0.01))
    low, high = found.tar.interval
    assert low < found.tar.value < high


def test_an_image_is_never_its_own_match():
    protocol = protocol_of(np.array([0, 1, 2]), np.arange(3), has_cameras=False)
    found = score_search(protocol, cosine(protocol, np.eye(3, dtype=np.float32)))
    assert (found.queries, found.unmatched) == (0, 3)
    assert np.isnan(found.mean_ap.value)


@pytest.mark.parametrize(
    ("cameras", "same_camera", "words", "unmatched"),
    [
        ([1, 1, 1, 1], "auto", "same camera kept", 0),
        ([1, 2, 1, 2], "auto", "same camera left out", 0),
        ([1, 1, 1, 1], LEAVE_OUT, "same camera left out", 4),
        ([1, 2, 1, 2], KEEP, "same camera kept", 0),
    ],
)
def test_same_camera_is_left_out_where_identities_are_on_several(cameras, same_camera, words, unmatched):
    protocol = protocol_of(np.array([0, 0, 1, 1]), np.array(cameras), same_camera=same_camera)
    assert protocol.camera_rule.startswith(words)
    rows = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    assert score_search(protocol, cosine(protocol, rows)).unmatched == unmatched


def test_without_cameras_that_is_said():
    protocol = protocol_of(np.array([0, 0, 1, 1]), np.arange(4), has_cameras=False)
    assert protocol.camera_rule.startswith("no cameras known")


def test_images_of_nobody_are_searched_and_never_searched_for():
    ids, cameras = np.array([0, 0, -1, -1, 1]), np.array([1, 2, 1, 2, 1])
    protocol = protocol_of(ids, cameras)
    assert protocol.queries.tolist() == [0, 1, 4]
    same, usable = protocol.pairs(slice(None))
    assert same[:, 2:4].sum() == 0
    assert usable[:, 2:4].all()


def test_pairs_not_known_to_differ_are_left_out():
    ids = np.array([0, 0, 1, 1, 2, 2])
    different = np.zeros((3, 3), bool)
    different[0, 1] = different[1, 0] = True
    protocol = protocol_of(ids, np.arange(6), has_cameras=False, different=different)
    # The third identity is nearer to the first than its own, and isn't known to be another.
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1], [0, 1], [1, 0.1], [1, 0.1]], np.float32)
    all_differ = protocol_of(ids, np.arange(6), has_cameras=False)
    assert score_search(all_differ, cosine(all_differ, rows)).ranks.first[0] == 3
    found = score_search(protocol, cosine(protocol, rows))
    assert found.ranks.first[0] == 1
    assert found.unknown == pytest.approx(16 / 36)


def test_an_interval_is_as_wide_as_identities_differ():
    """Ten images of one identity are one piece of evidence, not ten."""
    counts = draw_identities(4)
    few = mean_estimate(np.array([0.0, 1, 0, 1]), np.arange(4), counts)
    copied = mean_estimate(np.repeat([0.0, 1, 0, 1], 10), np.repeat(np.arange(4), 10), counts)
    assert copied.interval == pytest.approx(few.interval)
    assert few.interval[1] - few.interval[0] > 0.5


def test_a_difference_of_two_models_is_surer_than_either():
    ids = np.arange(50)
    values = np.random.default_rng(0).random(50)
    counts = draw_identities(50)
    first, better = mean_estimate(values, ids, counts), mean_estimate(values + 0.01, ids, counts)
    assert (better - first).interval == pytest.approx((0.01, 0.01))
    assert isinstance(better - first, Estimate)


def test_several_crops_a_side_tell_more_than_one():
    ids, cameras, rows = noisy(3, identities=30, each=12, noise=2.0)
    one, two, three = score_tracklets(protocol_of(ids, cameras), rows, (1, 2, 4))
    assert one.rank_1 < two.rank_1 < three.rank_1
    assert one.tar < three.tar
    assert set(one.missed) == {10}
    assert one.missed[10] > three.missed[10]


def test_one_crop_a_side_of_two_cameras_is_the_single_shot_protocol():
    ids = np.repeat(np.arange(12), 2)
    cameras = np.arange(24) % 2
    rows = np.random.default_rng(4).normal(size=(12, 8))[ids] + np.random.default_rng(5).normal(size=(24, 8))
    (found,) = score_tracklets(protocol_of(ids, cameras), rows.astype(np.float32), (1,))
    rows = unit(rows.astype(np.float32))
    both = [retrieval(rows[c::2] @ rows[1 - c :: 2].T, ids[c::2], ids[1 - c :: 2]) for c in (0, 1)]
    assert found.rank_1 == pytest.approx(np.mean([r.cmc[0] for r in both]))
    assert found.mean_ap == pytest.approx(np.mean([r.mean_ap for r in both]))


def test_crops_that_too_few_identities_have_make_no_line():
    ids, cameras, rows = noisy(6, each=6)
    assert [t.crops for t in score_tracklets(protocol_of(ids, cameras), rows)] == [1, 2]


def test_without_cameras_the_first_half_is_compared_with_the_second():
    ids = np.repeat([0, 1], 4)
    rows = np.eye(2, dtype=np.float32)[ids]
    one, two = score_tracklets(protocol_of(ids, np.arange(8), has_cameras=False), rows)
    assert (one.rank_1, two.rank_1, two.identities) == (1.0, 1.0, 2)
