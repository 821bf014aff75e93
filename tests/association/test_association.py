"""The functions that know arrays only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ultralytics.trackers.utils.matching import linear_assignment

from ultralytics_reid.appearance.crop_quality import clean_crops, covered_share, cut_off
from ultralytics_reid.appearance.embedding import as_features, cosine, unit
from ultralytics_reid.association.assignment import hungarian
from ultralytics_reid.association.fusion import ambiguous_pairs, fuse_appearance
from ultralytics_reid.association.last_seen import LastSeen, sightings
from ultralytics_reid.association.motion import linear_decay, motion_llr, reachable
from ultralytics_reid.errors import EmbeddingError

LIMIT = 0.8


def total(cost, pairs):
    """What an assignment costs, with half the limit for whoever stays alone."""
    pairs = np.asarray(pairs).reshape(-1, 2).astype(int)
    return cost[pairs[:, 0], pairs[:, 1]].sum() + LIMIT / 2 * (sum(cost.shape) - 2 * len(pairs))


values = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-5, 5))


class TestEmbeddings:
    @pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 4)), np.zeros((3, 0)), np.zeros((3, 2, 2))])
    def test_another_shape_than_one_row_a_detection_is_refused_with_the_shape_it_had(self, bad):
        with pytest.raises(
            EmbeddingError, match=r"\(3, D\).*" + str(bad.shape).replace("(", r"\(").replace(")", r"\)")
        ):
            as_features(bad, 3)

    def test_a_row_that_is_not_finite_says_nothing_and_leaves_the_others_alone(self):
        rows = as_features([[1.0, 2.0], [np.nan, 1.0], [np.inf, 0.0]], 3)
        assert rows.tolist() == [[1, 2], [0, 0], [0, 0]]

    def test_tensors_of_half_precision_are_taken(self):
        torch = pytest.importorskip("torch")
        for dtype in (torch.float16, torch.bfloat16):
            rows = as_features(torch.ones((2, 3), dtype=dtype, requires_grad=True), 2)
            assert rows.dtype == np.float32
            assert rows.tolist() == [[1, 1, 1], [1, 1, 1]]

    def test_no_detections_are_no_error(self):
        assert as_features(np.zeros((0, 7)), 0).shape == (0, 7)

    def test_unit_rows_have_norm_1_and_zeros_stay(self):
        rows = unit(np.array([[3, 4], [0, 0]], np.float32))
        assert rows == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))

    def test_cosine_of_known_angles(self):
        a = np.array([[1, 0], [0, 1]], np.float32)
        b = unit(np.array([[1, 1], [-1, 0]], np.float32))
        assert cosine(a, b) == pytest.approx(np.array([[0.70711, -1], [0.70711, 0]]), abs=1e-5)


class TestFusion:
    def test_no_opinion_leaves_the_motion_cost(self):
        cost = np.array([[0.1, 0.9]], np.float32)
        assert fuse_appearance(cost, np.zeros_like(cost)) == pytest.approx(cost)

    def test_agreement_lowers_and_disagreement_raises(self):
        fused = fuse_appearance(np.full((1, 3), 0.5, np.float32), np.array([[1, 0, -1]], np.float32))[0]
        assert fused[0] < fused[1] < fused[2]

    def test_agreement_cannot_join_boxes_that_do_not_meet(self):
        assert fuse_appearance(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)) >= 0.8

    def test_disagreement_undoes_a_good_overlap(self):
        assert fuse_appearance(np.full((1, 1), 0.51, np.float32), -np.ones((1, 1), np.float32)) > 0.8

    @given(st.data())
    def test_looks_where_they_are_not_contested_change_nothing(self, data):
        shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=5))
        # Most boxes don't meet, as in a picture.
        cost = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32), fill=st.just(np.float32(1))))
        affinity = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(-1, 1, width=32)))
        pairs, *_ = linear_assignment(fuse_appearance(cost, affinity), thresh=LIMIT)
        asked, *_ = linear_assignment(fuse_appearance(cost, affinity * ambiguous_pairs(cost, LIMIT)), thresh=LIMIT)
        fused = fuse_appearance(cost, affinity)
        assert total(fused, asked) == pytest.approx(total(fused, pairs), abs=1e-5)

    def test_only_who_may_be_somebody_else_is_asked_for_looks(self):
        cost = np.array([[0.2, 1, 0.9], [1, 0.2, 0.6], [0.9, 0.7, 0.1]], np.float32)
        assert ambiguous_pairs(cost, LIMIT).tolist() == [[False] * 3, [False, True, True], [False, True, True]]

    @pytest.mark.parametrize(("cost", "asked"), [(0.4, False), (0.6, True), (0.9, True), (1.0, False)])
    def test_a_poor_overlap_is_asked_for_looks_even_where_nobody_else_is(self, cost, asked):
        assert ambiguous_pairs(np.array([[cost]], np.float32), LIMIT).item() is asked


def seen_at(*, time=0.0, center=(0.0, 0.0), velocity=(0.0, 0.0), position_std=10.0, height=100.0):
    return LastSeen(time, 0, np.array(center), np.array(velocity), position_std, height)


class TestMotion:
    def test_where_it_was_heading_is_likelier_than_elsewhere(self):
        last = sightings([seen_at(center=(100.0, 100.0), velocity=(80.0, 0.0))])
        points = np.array([[150.0, 100], [100, 150], [600, 400]])[:, None]
        llr = motion_llr(last, np.ones((3, 1)), points, 640 * 480)[:, 0]
        assert llr[0] > llr[1] > llr[2]
        assert llr[0] > 0 > llr[2]

    def test_after_long_it_says_nothing_for_a_match(self):
        last = sightings([seen_at(center=(320.0, 240.0))])
        assert motion_llr(last, np.full((1, 1), 10.0), np.array([[[320.0, 240]]]), 640 * 480)[0, 0] <= 0

    @pytest.mark.parametrize(("gap", "weight"), [(0.0, 1.0), (1.0, 0.5), (2.0, 0.0), (9.0, 0.0)])
    def test_it_fades(self, gap, weight):
        assert linear_decay(np.array([gap]), 2.0) == pytest.approx([weight])

    @pytest.mark.parametrize(
        ("gap", "way", "height", "can"),
        [
            (0.1, 90, 100, True),
            (0.1, 400, 100, False),  # 3 body heights in a tenth of a second
            (1.0, 400, 100, True),
            (0.1, 0, 25, False),  # a quarter of the size
            (5.0, 0, 25, True),
        ],
    )
    def test_who_would_have_had_to_be_too_fast_or_to_shrink_is_somebody_else(self, gap, way, height, can):
        last, origin = sightings([seen_at()]), sightings([seen_at(center=(way, 0.0), height=height)])
        assert reachable(last, origin, np.array([[gap]]), 10.0)[0, 0] == can


class TestAssign:
    def test_the_greatest_total_wins_over_the_greatest_single(self):
        value = np.array([[5.0, 4.0], [4.5, 1.0]])
        assert hungarian(value, np.ones((2, 2), bool)) == [(0, 1), (1, 0)]

    def test_nobody_is_better_than_a_pair_worth_nothing(self):
        assert hungarian(np.array([[-1.0, 0.0]]), np.ones((1, 2), bool)) == []

    def test_what_the_gate_forbids_is_never_paired(self):
        assert hungarian(np.array([[9.0, 1.0]]), np.array([[False, True]])) == [(0, 1)]

    @pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
    def test_empty_matrices(self, shape):
        assert hungarian(np.zeros(shape), np.zeros(shape, bool)) == []

    @given(values, st.randoms())
    def test_pairs_are_one_to_one_and_follow_a_permutation(self, value, random):
        gate = value < 4.5
        pairs = hungarian(value, gate)
        assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
        assert all(gate[p] and value[p] > 0 for p in pairs)
        order = random.sample(range(value.shape[1]), value.shape[1])
        turned = hungarian(value[:, order], gate[:, order])
        assert sum(value[:, order][p] for p in turned) == pytest.approx(sum(value[p] for p in pairs))


class TestQuality:
    def test_who_stands_in_front_covers_and_is_not_covered(self):
        back, front = [0, 0, 10, 20], [0, 10, 10, 30]
        assert covered_share(np.array([back, front], np.float32)) == pytest.approx([0.5, 0])

    def test_several_in_front_add_up_to_at_most_all(self):
        boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 12], [0, 0, 10, 13]], np.float32)
        assert covered_share(boxes)[0] == 1

    def test_no_boxes(self):
        assert covered_share(np.zeros((0, 4), np.float32)).shape == (0,)

    @pytest.mark.parametrize("edge", [[0, 9, 30, 40], [9, 1, 30, 40], [70, 9, 99, 40], [9, 9, 30, 80]])
    def test_touching_any_border_is_cut_off(self, edge):
        assert cut_off(np.array([edge, [9, 9, 30, 40]], np.float32), (80, 100)).tolist() == [True, False]

    @pytest.mark.parametrize(
        ("changed", "shape"),
        [({"min_conf": 0.95}, None), ({"min_height": 60}, None), ({"max_covered": 0.4}, None), ({}, (50, 300))],
    )
    def test_each_reason_alone_makes_a_crop_unfit(self, changed, shape):
        xyxy = np.array([[10, 0, 30, 50], [10, 25, 30, 75]], np.float32)
        kept = {"min_conf": 0.5, "min_height": 20, "max_covered": 0.6, "shape": None}
        conf = np.array([0.9, 0.9], np.float32)
        assert clean_crops(xyxy, conf, **kept).all()
        assert not clean_crops(xyxy, conf, **(kept | changed | {"shape": shape}))[0]
