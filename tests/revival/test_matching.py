"""Matching of returning tracklets: gates, log-odds, the open-set threshold and the assignment, computed by hand."""

import numpy as np
import pytest

from ultralytics_reid.appearance.calibration import Prior, ScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.config import Config
from ultralytics_reid.memory.bank import MemoryBank
from ultralytics_reid.revival.decision import Decision, Probation, State
from ultralytics_reid.revival.matching import (
    Present,
    appearance_log_odds,
    candidate_gate,
    kalman_log_odds,
    last_before,
    match_returning,
    open_set,
)
from ultralytics_reid.tuning import Tuning

DIM = 16
NOTHING_VISIBLE = Present()
AREA = 640.0 * 480.0
# Without motion, calibrated by a prior: genuine 0.6, impostor 0.05, deviation 0.17.
CONFIG = Config(tuning=Tuning(motion_seconds=0.0))


def axis(n):
    return np.eye(DIM, dtype=np.float32)[n]


def seen(time, at=(100.0, 100.0), *, cls=0, velocity=(0.0, 0.0), std=10.0, height=100.0):
    return LastSeen(time, cls, np.array(at, float), np.array(velocity, float), std, height)


def bank_of(*identities):
    """Identities 1, 2, ...: (last sighting, embedding) each."""
    bank = MemoryBank(100, 4, Metric())
    for n, (last, embedding) in enumerate(identities, 1):
        bank.see(n, last)
        if embedding is not None:
            bank.learn(n, embedding, 5)
    return bank


def asking(embedding, born=10.0, at=(100.0, 100.0), *, cls=0, identity=-1, **more):
    tracklet = Tracklet(born, seen(born, at, cls=cls), seen(born, at, cls=cls))
    tracklet.embedding, tracklet.clean = embedding, True
    for _ in range(5):
        tracklet.take(born)
    return Decision(tracklet, identity, **more)


@pytest.fixture
def model():
    made = ScoreModel(unit, learns=False)
    made.assume(Prior(0.6, 0.05, 0.17))
    return made


def match(decisions, bank, model, config=CONFIG, image_area=None):
    return match_returning(decisions, bank, model, config, present=NOTHING_VISIBLE, image_area=image_area)


class TestGates:
    def gate(self, decision, bank, config=CONFIG, present=NOTHING_VISIBLE):
        return candidate_gate([decision], bank, config, present)[0].tolist()

    def test_an_identity_that_is_visible_is_no_candidate(self):
        bank = bank_of((seen(5), axis(0)), (seen(5), axis(1)))
        assert self.gate(asking(axis(0)), bank, present=Present(frozenset({1}))) == [False, True]

    def test_an_identity_seen_elsewhere_after_the_tracklet_began_is_no_candidate(self):
        bank = bank_of((seen(9.9), axis(0)), (seen(10), axis(1)), (seen(10), axis(2)))
        assert self.gate(asking(axis(0), born=10, seen_apart={2: 10.0}), bank) == [True, False, True]

    def test_another_class_is_no_candidate_unless_classes_do_not_matter(self):
        bank, query = bank_of((seen(5, cls=2), axis(0))), asking(axis(0), cls=0)
        assert self.gate(query, bank) == [False]
        assert self.gate(query, bank, Config(match_class=False)) == [True]

    @pytest.mark.parametrize(("seconds", "reached"), [(0.4, False), (0.6, True)])
    def test_speed_bounds_the_reach(self, seconds, reached):
        """690 px away, 100 px tall: 1 height at once and 10 a second make 700 px after 0.6 s."""
        bank = bank_of((seen(10 - seconds, at=(0, 0)), axis(0)))
        assert self.gate(asking(axis(0), born=10, at=(690, 0)), bank) == [reached]

    def test_what_motion_says_another_tracklet_is_belongs_to_that_tracklet_alone(self):
        bank, present = bank_of((seen(5), axis(0))), Present(reactivated=frozenset({1}))
        assert self.gate(asking(axis(0)), bank, present=present) == [False]
        own = asking(axis(0), state=State.REACTIVATED, reactivated_id=1)
        assert self.gate(own, bank, present=present) == [True]

    def test_on_probation_the_last_sighting_before_it_counts(self):
        bank, before = bank_of((seen(11), axis(0))), seen(3)
        made = asking(axis(0), born=10, identity=1, state=State.ON_PROBATION, probation=Probation(before, 20.0, True))
        assert last_before([made], bank)["time"].tolist() == [3]
        assert bank.last["time"].tolist() == [11]
        assert self.gate(made, bank) == [True]


class TestLogOdds:
    def test_appearance_is_a_bounded_log_likelihood_ratio(self, model):
        """Slope (0.6 - 0.05) / 0.17² = 19.03 nats around 0.325; at most 6 + log of the candidates; -1 says nothing."""
        cosine = np.array([[0.325, 0.4, 1.0, -0.9, -1.0]], np.float32)
        got = appearance_log_odds(cosine, model, np.array([[2]]))[0]
        assert got == pytest.approx([0.0, 0.075 * 0.55 / 0.17**2, 6 + np.log(2), -6, 0], abs=1e-4)

    def test_motion_is_the_kalman_likelihood_against_uniform_fading_with_the_gap(self):
        """0.5 s after, limit 1 s: std 10 + 0.7 · 100 · 0.5 = 45; at the predicted place half of log A - log 2π45²."""
        last = bank_of((seen(9.5, at=(100, 100)), None)).last
        (got,) = kalman_log_odds([asking(axis(0), born=10)], last, 1.0, AREA)[0]
        assert got == pytest.approx(0.5 * min(3.0, np.log(AREA) - np.log(2 * np.pi * 45**2)))

    def test_motion_falls_by_half_the_squared_mahalanobis_distance(self):
        last = bank_of((seen(9.5, at=(100, 100)), None)).last
        (got,) = kalman_log_odds([asking(axis(0), born=10, at=(190, 100))], last, 1.0, AREA)[0]
        assert got == pytest.approx(0.5 * (np.log(AREA) - np.log(2 * np.pi * 45**2) - (90 / 45) ** 2 / 2))

    @pytest.mark.parametrize(("seconds", "area"), [(0.0, AREA), (1.0, None), (0.3, AREA)])
    def test_motion_says_nothing_when_off_or_unknown_or_too_long_ago(self, seconds, area):
        last = bank_of((seen(9.5), None)).last
        assert not kalman_log_odds([asking(axis(0), born=10)], last, seconds, area).any()


class TestOpenSet:
    def accepted(self, cosine, model, *, incumbent=None, n=1, rate=0.05):
        cosine = np.array(cosine, np.float32)
        incumbent = np.zeros(cosine.shape, bool) if incumbent is None else np.array(incumbent)
        counts = np.full((len(cosine), 1), n)
        return open_set(
            *(cosine, np.ones(cosine.shape, bool), incumbent),
            motion=np.zeros(cosine.shape),
            n_candidates=counts,
            model=model,
            false_revival_rate=rate,
        ).tolist()

    def test_the_threshold_rises_with_the_number_of_candidates(self, model):
        """Impostors N(0.05, 0.17): 5 % exceed 0.33, 5 % / 100 exceed 0.61."""
        assert self.accepted([[0.35]], model) == [[True]]
        assert self.accepted([[0.31]], model) == [[False]]
        assert self.accepted([[0.60]], model, n=100) == [[False]]
        assert self.accepted([[0.62]], model, n=100) == [[True]]

    def test_only_the_most_similar_candidate_is_accepted(self, model):
        assert self.accepted([[0.8, 0.7]], model) == [[True, False]]

    def test_an_incumbent_needs_no_threshold_but_loses_to_a_clearly_closer_rival(self, model):
        held = [[True], [False]]
        assert self.accepted([[0.2], [0.25]], model, incumbent=held) == [[True], [False]]
        assert self.accepted([[0.55], [0.6]], model, incumbent=held) == [[True], [True]]
        assert self.accepted([[0.2], [0.6]], model, incumbent=held) == [[False], [True]]

    def test_without_evidence_only_incumbents_are_accepted(self):
        untaught = ScoreModel(unit, learns=False)
        assert self.accepted([[0.9, 0.1]], untaught, incumbent=[[False, True]]) == [[False, True]]

    def test_rate_1_accepts_whatever_the_gate_allows(self, model):
        assert self.accepted([[-0.5]], model, rate=1.0) == [[True]]


class TestAssignment:
    def test_a_return_is_matched_to_its_identity(self, model):
        found = match([asking(axis(1))], bank_of((seen(5), axis(0)), (seen(4), axis(1))), model)
        assert found.match(0).identity == 2
        assert found.match(0).similarity == pytest.approx(1)
        assert found.match(0).last == 4

    def test_one_that_resembles_no_identity_is_unmatched(self, model):
        found = match([asking(axis(7))], bank_of((seen(5), axis(0))), model)
        assert found.match(0) is None
        assert found.best_log_odds(0) < -4

    def test_two_that_resemble_one_identity_are_told_apart_by_the_total(self, model):
        """Hungarian: the one that fits better gets it, and the other has no second choice that is credible."""
        near, nearer = unit(axis(0) + 2 * axis(5)), unit(axis(0) + 1.3 * axis(6))  # cosines 0.45 and 0.61
        found = match([asking(near), asking(nearer)], bank_of((seen(5), axis(0)), (seen(5), axis(1))), model)
        assert (found.match(0), found.match(1).identity) == (None, 1)

    def test_motion_decides_between_look_alikes(self, model):
        """The one whose Kalman prediction the tracklet continues; both are as similar."""
        bank = bank_of((seen(9.5, at=(500, 100)), axis(0)), (seen(9.5, at=(100, 100)), axis(0)))
        assert match([asking(axis(0), born=10)], bank, model, Config(), image_area=AREA).match(0).identity == 2

    def test_log_odds_of_one_of_many_are_lowered_by_the_log_of_their_number(self, model):
        bank = bank_of(*[(seen(5), axis(n)) for n in range(4)])
        query = asking(unit(axis(0) + 2 * axis(9)))  # cosine 1 / sqrt(5)
        found = match([query], bank, model)
        column = found.ids.tolist().index(1)
        expected = (1 / 5**0.5 - 0.325) * 0.55 / 0.17**2 - np.log(4)
        assert found.log_odds[0, column] == pytest.approx(expected, abs=1e-3)

    def test_a_reactivated_identity_that_looks_different_is_contradicted(self, model):
        bank = bank_of((seen(5), axis(0)))
        for embedding, contradicted in ((axis(0), False), (axis(3), True)):
            query = asking(embedding, state=State.REACTIVATED, reactivated_id=1)
            assert match([query], bank, model).contradicts(0) is contradicted

    def test_an_empty_memory_matches_nothing(self, model):
        assert match([asking(axis(0))], bank_of(), model).pairs == {}
