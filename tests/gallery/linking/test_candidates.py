"""Similarities normalized by cohorts: who resembles everybody doesn't win, and few candidates change nothing."""

import numpy as np

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.linking.candidates import appearance_scores, cohort_normalized
from ultralytics_reid.gallery.records import Records, new_ids
from ultralytics_reid.gallery.scorer import Scorer

DIM, PEOPLE = 64, 30
SCORER = Scorer(DIM, "reid", {})


def sightings(vectors, times=None):
    """One sighting of each of some identities, from 1 on; all at once, or at `times`."""
    count = len(vectors)
    of = np.arange(1, count + 1)
    return Records(
        new_ids(count),
        unit(vectors.astype(np.float32)),
        of,
        of,
        ("door",) * count,
        np.zeros(count) if times is None else np.array(times, np.float64),
        np.zeros(count, np.int64),
        np.ones(count, np.float32),
    )


def normalized(query, vectors, times=None):
    found = sightings(vectors, times)
    scores = appearance_scores(unit(query[None].astype(np.float32))[0], "yard", found, SCORER)
    return scores.cosine, cohort_normalized(scores, SCORER)


class TestCohorts:
    def test_an_identity_that_resembles_everybody_is_ranked_below_one_that_resembles_the_query_alone(self):
        rng = np.random.default_rng(0)
        common = rng.normal(size=DIM)
        people = 1.5 * common + rng.normal(size=(PEOPLE, DIM))
        people[0] = common + 0.2 * rng.normal(size=DIM)  # a hub
        people[1] = rng.normal(size=DIM)  # nothing of what the others have in common
        query = unit(people[0][None])[0] + unit(people[1][None])[0]
        cosine, score = normalized(query, people)
        assert abs(cosine[0] - cosine[1]) < 0.1
        assert score[1] - score[0] > cosine[1] - cosine[0] + 0.05

    def test_strangers_are_put_on_the_scale_of_impostors_and_the_order_stays(self):
        people = np.random.default_rng(1).normal(size=(PEOPLE, DIM))
        cosine, score = normalized(people[3], people)
        assert cosine.argmax() == score.argmax() == 3
        strangers = np.arange(PEOPLE) != 3
        assert np.corrcoef(cosine[strangers], score[strangers])[0, 1] > 0.9
        _, usual = SCORER.model.population()
        assert abs(cosine[strangers].mean() - usual.mean) > 0.5
        assert abs(score[strangers].mean() - usual.mean) < 0.1
        assert score[strangers].max() < score[3] - 4 * usual.std

    def test_few_candidates_are_no_cohort(self):
        people = np.random.default_rng(2).normal(size=(3, DIM))
        cosine, score = normalized(people[0], people)
        assert (cosine == score).all()

    def test_two_ids_of_one_individual_rule_each_other_out_only_where_they_were_seen_at_once(self):
        rng = np.random.default_rng(3)
        people = rng.normal(size=(PEOPLE, DIM))
        people[1] = people[0] + 0.5 * rng.normal(size=DIM)
        query, alone = people[0] + 0.5 * rng.normal(size=DIM), np.delete(people, 1, axis=0)
        one_at_a_time = np.arange(PEOPLE)
        expected = normalized(query, alone, one_at_a_time[1:])[1][0]
        assert abs(normalized(query, people, one_at_a_time)[1][0] - expected) < 0.05
        at_once = np.where(one_at_a_time == 1, 0, one_at_a_time)
        assert normalized(query, people, at_once)[1][0] < expected - 0.07
