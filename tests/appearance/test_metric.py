"""The metric that a video teaches, and what scores are worth under it."""

import numpy as np
import pytest
from synthetic import make_tracker

from ultralytics_reid.appearance.calibration import LEARNED, PRIORS, ScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.embedders import family_of
from ultralytics_reid.tuning import INDEPENDENT_CROPS, PRIOR_MET, PRIOR_TRACKLETS, SHRINKAGE, UNMET_SHARE

DIM = 16


def people(rng, count, crops, *, nuisance=1.0):
    """Embeddings whose first coordinates tell people apart, and whose last ones vary more, on everybody alike."""
    who = np.zeros((count, DIM))
    who[:, :4] = rng.normal(size=(count, 4))
    noise = np.concatenate([np.full(8, 0.05), np.full(DIM - 8, nuisance)])
    return unit((3 + who[:, None] + noise * rng.normal(size=(count, crops, DIM))).astype(np.float32))


def taught(embeddings):
    metric = Metric()
    for own in embeddings:
        metric.observe(own - own.mean(axis=0))
    metric.refresh(embeddings.mean(axis=1))
    return metric


def separation(embeddings, project):
    seen = project(embeddings.reshape(-1, DIM))
    scores = seen @ seen.T
    who = np.repeat(np.arange(len(embeddings)), embeddings.shape[1])
    same = who[:, None] == who
    np.fill_diagonal(scores, np.nan)
    return np.nanmean(scores[same]) - np.nanmean(scores[~same])


def test_untaught_it_is_plain_cosine():
    rows = np.random.default_rng(0).normal(size=(5, DIM)).astype(np.float32)
    assert Metric().project(rows) == pytest.approx(unit(rows))


def test_it_tells_people_apart_that_cosine_does_not():
    rng = np.random.default_rng(0)
    metric = taught(people(rng, 12, 40))
    fresh = people(rng, 10, 10)
    assert separation(fresh, metric.project) > 3 * separation(fresh, unit)


def test_inner_products_are_those_of_discriminant_analysis_with_two_covariances():
    embeddings = people(np.random.default_rng(0), 6, 500)
    means = embeddings.mean(axis=1)
    axes = taught(embeddings).projection.axes.astype(np.float64)
    residuals = (embeddings - means[:, None]).reshape(-1, DIM).astype(np.float64)
    count = len(residuals)
    within, blend = residuals.T @ residuals / count, DIM / (DIM + count)
    within = (1 - blend) * within + (blend + SHRINKAGE) * np.trace(within) / DIM * np.eye(DIM)
    means = means - len(means) / (len(means) + PRIOR_TRACKLETS) * means.mean(axis=0)
    met, unmet = means.T @ means / len(means), (means**2).mean() * np.eye(DIM)
    share = 1 - np.trace(residuals.T @ residuals) / count / DIM * len(means) / count / (means**2).mean()
    share *= (1 - UNMET_SHARE) * len(means) / (len(means) + PRIOR_MET)
    between = share * met + (1 - share) * unmet
    expected = np.linalg.inv(within) - np.linalg.inv(within + INDEPENDENT_CROPS * between)
    assert axes @ axes.T == pytest.approx(expected, rel=1e-3, abs=1e-3 * np.abs(expected).max())


def test_few_crops_do_no_harm():
    rng = np.random.default_rng(1)
    metric = taught(people(rng, 2, 32, nuisance=0.05))
    fresh = people(rng, 10, 10, nuisance=0.05)
    assert separation(fresh, metric.project) > separation(fresh, unit)


@pytest.mark.parametrize("learns", [False, True])
def test_from_some_directions_it_is_the_projection_seen_from_there(learns):
    crops = people(np.random.default_rng(0), 12, 40)
    metric = taught(crops) if learns else Metric()
    directions = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, 5)))[0].astype(np.float32)
    rows = np.concatenate([crops[3], np.zeros((2, DIM), np.float32)])
    expected = unit(metric.project(rows) @ directions)
    assert metric.projection.narrowed(directions).project(rows) == pytest.approx(expected, abs=1e-5)
    assert not expected[-2:].any()


def test_projections_have_norm_1_and_absent_vectors_stay_absent():
    metric = taught(people(np.random.default_rng(0), 8, 20))
    seen = metric.project(np.stack([np.ones(DIM, np.float32), np.zeros(DIM, np.float32)]))
    assert np.linalg.norm(seen, axis=1) == pytest.approx([1, 0], abs=1e-5)


def test_a_stack_is_projected_as_its_rows_are():
    metric = taught(people(np.random.default_rng(0), 8, 20))
    stack = np.random.default_rng(2).normal(size=(3, 4, DIM)).astype(np.float32)
    assert metric.project(stack)[1, 2] == pytest.approx(metric.project(stack[1, 2][None])[0], abs=1e-6)


def test_it_is_due_when_evidence_has_grown_and_not_before():
    metric = Metric()
    assert not metric.due
    rows = np.random.default_rng(0).normal(size=(64, DIM)).astype(np.float32)
    metric.observe(rows)
    assert metric.due
    metric.refresh(rows)
    assert metric.version == 1
    assert not metric.due


def test_identical_crops_are_no_division_by_zero():
    metric = taught(np.ones((4, 30, DIM), np.float32))
    assert np.isfinite(metric.project(np.ones((1, DIM), np.float32))).all()


def pairs(rng, count, similarity):
    """Pairs of unit vectors of about a given cosine."""
    a = unit(rng.normal(size=(count, DIM)).astype(np.float32))
    side = rng.normal(size=(count, DIM)).astype(np.float32)
    side = unit(side - (side * a).sum(1, keepdims=True) * a)
    cos = np.clip(similarity + 0.1 * rng.normal(size=(count, 1)), -1, 1).astype(np.float32)
    return a, cos * a + np.sqrt(1 - cos**2) * side


def calibrated(genuine=0.8, impostor=0.1, count=200):
    rng = np.random.default_rng(0)
    model = ScoreModel(unit)
    model.observe(*pairs(rng, count, genuine), np.ones(count, bool))
    model.observe(*pairs(rng, count, impostor), np.zeros(count, bool))
    return model


SCORES = np.linspace(-1, 1, 21, dtype=np.float32)


def test_without_evidence_scores_say_nothing():
    model = ScoreModel(unit)
    assert model.evidence_weight == 0
    assert not model.llr(SCORES).any()
    assert not model.appearance_affinity(SCORES).any()
    assert (model.impostor_bound(np.array([0.5])) > 1).all()


def test_ratios_grow_with_the_score_and_change_sign_between_the_kinds():
    llr = calibrated().llr(SCORES)
    assert (np.diff(llr) > 0).all()
    assert llr[SCORES < 0.3].max() < 0 < llr[SCORES > 0.6].min()


def test_agreement_is_full_where_a_kind_is_typical():
    low, high = calibrated().appearance_affinity(np.array([0.1, 0.8], np.float32))
    assert low == pytest.approx(-1, abs=0.15)
    assert high == pytest.approx(1, abs=0.15)


def test_kinds_that_score_alike_say_next_to_nothing():
    model = calibrated(genuine=0.3, impostor=0.3)
    assert abs(model.appearance_affinity(SCORES)).max() < 0.1


def test_the_bound_is_exceeded_by_as_many_impostors_as_asked():
    bound = calibrated().impostor_bound(np.array([0.5, 0.05]))
    fresh = pairs(np.random.default_rng(5), 4000, 0.1)
    scores = (fresh[0] * fresh[1]).sum(axis=1)
    assert [(scores > b).mean() for b in bound] == pytest.approx([0.5, 0.05], abs=0.03)


def test_a_new_metric_changes_old_scores():
    shift = {"on": False}

    def project(rows):
        return unit(rows * (np.arange(DIM) < 8) if shift["on"] else rows).astype(np.float32)

    rng = np.random.default_rng(0)
    model = ScoreModel(project)
    rows = rng.normal(size=(50, DIM)).astype(np.float32)
    other = rows * np.where(np.arange(DIM) < 8, 1, -1).astype(np.float32)
    model.observe(rows, other, np.ones(50, bool))
    model.observe(rows, -rows, np.zeros(50, bool))
    before = model.llr(np.array([0.5], np.float32))
    shift["on"] = True
    model.rescore()
    assert model.llr(np.array([0.5], np.float32)) != pytest.approx(before)


def test_only_the_last_pairs_count():
    model = calibrated(genuine=0.2)
    rng = np.random.default_rng(3)
    model.observe(*pairs(rng, 1000, 0.9), np.ones(1000, bool))
    assert model.appearance_affinity(np.array([0.9], np.float32))[0] == pytest.approx(1, abs=0.15)


def test_pairs_of_a_table_are_scored_as_pairs_one_by_one():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 40, DIM)).astype(np.float32)
    own = np.arange(40)
    table = np.concatenate([[own, own], [own, np.roll(own, 7)]], axis=1)
    one, other = ScoreModel(unit), ScoreModel(unit)
    one.observe_table(a, b, table, table[0] == table[1])
    other.observe(a[table[0]], b[table[1]], table[0] == table[1])
    for model in (one, other):
        model.observe(a, a, np.ones(40, bool))
    scores = np.linspace(-1, 1, 5, dtype=np.float32)
    assert one.llr(scores) == pytest.approx(other.llr(scores), abs=1e-4)


class TestPriors:
    REID = PRIORS["reid"]

    def test_they_count_from_the_first_frame_and_go_when_the_metric_is_learned(self):
        model = ScoreModel(unit)
        model.assume(self.REID)
        assert model.evidence_weight == 1
        alike, strange = model.llr(np.array([self.REID.genuine, self.REID.impostor], np.float32))
        assert alike > 1 > -1 > strange
        assert self.REID.impostor < model.impostor_bound(np.array([0.05]))[0] < self.REID.genuine
        model.rescore()
        assert model.evidence_weight == 0

    def test_the_learned_metrics_counts_for_what_evidence_of_strangers_is_short_of(self):
        model, rng = ScoreModel(unit), np.random.default_rng(0)
        model.rescore()
        one = rng.normal(size=(40, 64)).astype(np.float32)
        model.observe(one, one, np.ones(40, bool))
        assert model.evidence_weight == 1
        assert model.separation > 3
        a, b = one[:30], one[:30] + 0.1 * rng.normal(size=(30, 64)).astype(np.float32)  # different, and just as alike
        model.observe(a, b, np.zeros(30, bool))
        assert not model.is_discriminative

    def test_evidence_outweighs_them(self):
        model, rng = ScoreModel(unit), np.random.default_rng(0)
        model.assume(self.REID)
        a, b = rng.normal(size=(2, 400, 256)).astype(np.float32)  # strangers who are not alike at all
        model.observe(a, b, np.zeros(400, bool))
        assert model.impostor_bound(np.array([0.05]))[0] < self.REID.impostor

    def test_without_calibration_they_are_all_there_is(self):
        model, rng = ScoreModel(unit, learns=False), np.random.default_rng(0)
        model.observe(*rng.normal(size=(2, 400, 256)).astype(np.float32), np.arange(400) % 2 == 0)
        assert model.evidence_weight == 0
        model.rescore()
        assert model.llr(np.array([LEARNED.genuine], np.float32))[0] > 1

    @pytest.mark.parametrize(
        ("model", "family"),
        [
            ("auto", "detector"),
            ("osnet_x0_25", "reid"),
            ("yolo26n-reid.onnx", "reid"),
            ("yolo26n-cls.pt", "classifier"),
        ],
    )
    def test_the_family_follows_from_the_yaml(self, model, family):
        assert family_of(model) == family
        assert make_tracker(model=model).recognizer.tracklet_scores.evidence_weight == (family == "reid")
