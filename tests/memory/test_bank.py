"""The memory bank: what it finds, what it forgets, and what it never exceeds."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric, Projection
from ultralytics_reid.association.last_seen import LastSeen, sightings
from ultralytics_reid.errors import EmbeddingError
from ultralytics_reid.memory.bank import MemoryBank

DIM = 8
HERE = LastSeen(0.0, 0, np.array([5.0, 6.0]), np.array([1.0, -1.0]), 2.0, 100.0)


def looks(seed, count=1):
    return unit(np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32))


def at(time):
    return HERE.at(float(time))


def make_bank(capacity=10, prototypes=4, metric=None):
    return MemoryBank(capacity, prototypes, metric or Metric())


def filled(bank, identities, crops=3):
    for n, identity in enumerate(identities):
        bank.see(identity, at(n))
        for vector in looks(identity, crops):
            bank.learn(identity, vector, 2)
    return bank


def learned():
    metric = Metric()
    metric.observe(looks(6, 64))
    metric.refresh(looks(7, 20))
    return metric


class Shrinking:
    """A metric that looks at the first so many dimensions, fewer with each version."""

    def __init__(self, dim=DIM):
        self.version = 0
        self.projection = Projection(None, np.eye(DIM, dim, dtype=np.float32))

    def shrink(self):
        self.version += 1
        self.projection = Projection(None, self.projection.axes[:, :-2])

    def project(self, vectors):
        return self.projection.project(vectors)


def same_state(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


class TestSearch:
    def test_each_identity_is_found_by_how_it_looked(self):
        bank = filled(make_bank(), [1, 2, 3])
        scores = bank.search(np.concatenate([looks(i, 3) for i in (1, 2, 3)]), [1, 2, 3])
        assert scores.argmax(axis=1).tolist() == [0] * 3 + [1] * 3 + [2] * 3
        assert scores.max(axis=1) == pytest.approx(1, abs=1e-5)

    def test_one_who_was_never_taught_scores_lowest(self):
        bank = filled(make_bank(), [1])
        bank.see(2, HERE)
        assert bank.search(looks(1), [2, 1, 3])[0, [0, 2]].tolist() == [-1, -1]
        assert bank.knows(1)
        assert not bank.knows(2)
        assert not bank.knows(3)

    def test_scores_follow_the_order_of_identities_asked_for(self):
        bank = filled(make_bank(), [1, 2, 3])
        assert bank.search(looks(7, 4), [3, 1]) == pytest.approx(bank.search(looks(7, 4), [1, 2, 3])[:, [2, 0]])

    def test_asking_for_nobody_or_with_nothing(self):
        bank = filled(make_bank(), [1])
        assert bank.search(looks(1, 2), []).shape == (2, 0)
        assert bank.search(np.zeros((0, DIM), np.float32), [1]).shape == (0, 1)
        assert bank.shortlist(np.zeros((0, DIM), np.float32), np.ones((0, 1), bool)).tolist() == []
        assert bank.shortlist(looks(1), np.zeros((1, 1), bool)).tolist() == []

    def test_a_bank_that_was_taught_nothing_knows_nobody(self):
        bank = make_bank(50)
        bank.see_all(range(40), sightings([HERE] * 40))
        assert len(bank.shortlist(looks(1), np.ones((1, 40), bool), 5)) == 5
        assert (bank.search(looks(1), bank.ids) == -1).all()
        assert bank.means().shape[0] == 0

    def test_what_is_closest_is_what_the_search_compared(self):
        bank = filled(make_bank(), [1, 2])
        queries = looks(9, 5)
        closest, scores = bank.closest(queries, [1, 2])
        assert np.einsum("qd,qid->qi", queries, unit(closest)) == pytest.approx(bank.search(queries, [1, 2]), abs=1e-5)
        assert scores == pytest.approx(bank.search(queries, [1, 2]), abs=1e-6)

    def test_the_mean_is_compared_too(self):
        bank = filled(make_bank(), [1])
        mean = looks(1, 3).mean(axis=0, keepdims=True)
        assert bank.means() == pytest.approx(mean, abs=1e-6)
        assert bank.search(unit(mean), [1])[0, 0] == pytest.approx(1, abs=1e-5)

    def test_many_are_compared_as_few_are(self):
        bank = filled(make_bank(200), range(200))
        queries = looks(999, 3)
        one_by_one = [bank.search(queries, [i]) for i in bank.ids]
        assert bank.search(queries, bank.ids) == pytest.approx(np.concatenate(one_by_one, axis=1), abs=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(st.permutations(range(1, 7)), st.integers(0, 1000))
    def test_the_order_of_teaching_different_people_does_not_matter(self, order, seed):
        a, b = filled(make_bank(), range(1, 7)), filled(make_bank(), order)
        ids = list(range(1, 7))
        assert a.search(looks(seed, 3), ids) == pytest.approx(b.search(looks(seed, 3), ids), abs=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(st.permutations(range(4)), st.integers(0, 1000))
    def test_the_order_of_teaching_one_does_not_matter_while_nothing_is_merged(self, order, seed):
        banks = make_bank(prototypes=4), make_bank(prototypes=4)
        for bank, turns in zip(banks, (range(4), order), strict=True):
            bank.see(1, HERE)
            for n in turns:
                bank.learn(1, looks(seed, 4)[n], n + 1)
        a, b = (bank.search(looks(4, 3), [1]) for bank in banks)
        assert a == pytest.approx(b, abs=1e-6)


def crowd(rng, count, dim=64, prototypes=4):
    """People of 50 kinds, each with poses that vary more than they differ from their kind; and a new crop of each."""
    kinds = rng.normal(size=(50, dim))
    who = kinds[rng.integers(50, size=count)] + 0.5 * rng.normal(size=(count, dim))
    crops = unit((who[:, None] + rng.normal(size=(count, prototypes + 1, dim))).astype(np.float32))
    state = {
        "ids": np.arange(count),
        "raw": crops[:, 1:],
        "weight": np.ones((count, prototypes), np.float32),
        "last": np.zeros((count, 8)),
        "first": np.zeros(count),
    }
    return crops[:, 0], state


def varied(rng, count, dim=256, prototypes=2):
    """People who differ much in some directions and hardly in others, in all of which crops vary alike."""
    basis = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    who = rng.normal(size=(count, dim)) * np.arange(1, dim + 1) ** -1.0
    crops = who[:, None] + 0.03 * rng.normal(size=(count, prototypes + 1, dim))
    crops = unit((crops @ basis).astype(np.float32))
    return crops[:, 0], {
        "ids": np.arange(count),
        "raw": crops[:, 1:],
        "weight": np.ones((count, prototypes), np.float32),
        "last": np.zeros((count, 8)),
        "first": np.zeros(count),
    }


def level(metric, crops):
    """Teach a metric that whatever tells people apart is noise: what it maps to is quite another space."""
    metric.observe(crops[:500] - crops[500:1000])
    metric.refresh(crops[:40])


def share_found(bank, queries, most=32):
    """How often the coarse search leaves, of all, whom the fine search finds most alike."""
    everybody = np.arange(bank.slots)
    best = bank.compare(queries, everybody).argmax(axis=1)
    allowed = np.ones((1, bank.slots), bool)
    return np.mean([b in bank.shortlist(q[None], allowed, most) for q, b in zip(queries, best, strict=True)])


class TestNarrowing:
    """From 1,024 identities on, the coarse search looks in 128 directions."""

    @pytest.mark.parametrize("learns", [False, True])
    def test_the_best_of_thousands_is_hardly_ever_missing(self, learns):
        crops, state = varied(np.random.default_rng(0), 5000)
        metric = Metric(learns=learns)
        level(metric, crops)
        bank = make_bank(5000, metric=metric)
        bank.restore(state)
        assert share_found(bank, crops[::25]) >= 0.995

    def test_it_reads_a_quarter_of_what_it_would(self):
        rng = np.random.default_rng(0)
        sizes = []
        for count in (1023, 1024):
            bank = make_bank(1024)
            bank.restore(varied(rng, count, dim=512)[1])
            bank.shortlist(np.ones((1, 512), np.float32), np.ones((1, count), bool), 32)
            sizes.append(bank.nbytes)
        assert sizes[0] - sizes[1] == 1024 * (512 - 128) * 4

    def test_fewer_are_told_apart_in_all_directions(self):
        crops, state = varied(np.random.default_rng(0), 1000)
        bank = make_bank(1000)
        bank.restore(state)
        scores = crops[:50] @ unit(state["raw"].mean(axis=1)).T
        for query, row in zip(crops, scores, strict=False):
            short = bank.shortlist(query[None], np.ones((1, 1000), bool), 8)
            assert set(short) == set(np.argsort(-row)[:8])

    def test_who_comes_later_and_a_later_metric_are_followed(self):
        crops, state = varied(np.random.default_rng(0), 1100)
        metric = Metric()
        bank = make_bank(5000, metric=metric)
        bank.restore(state)
        assert share_found(bank, crops[:50], 4) == 1
        later = unit(np.random.default_rng(1).normal(size=(1200, 256)).astype(np.float32))
        for n, look in enumerate(later[:100]):
            bank.see(5000 + n, HERE)
            bank.learn(5000 + n, look, 1)
        assert share_found(bank, later[:100:5], 4) == 1
        level(metric, crops)
        assert share_found(bank, np.concatenate([crops[:50], later[:100:5]]), 4) == 1
        for n, look in enumerate(later[100:]):  # beyond 2,048, the arrays grow
            bank.see(5100 + n, HERE)
            bank.learn(5100 + n, look, 1)
        assert share_found(bank, np.concatenate([crops[:50], later[::50]]), 16) == 1


class TestBothSearches:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 9), st.sets(st.integers(0, 39)))
    def test_one_after_the_other(self, seed, most, besides):
        bank = filled(make_bank(40), range(40))
        queries, allowed = looks(seed, 3), np.random.default_rng(seed).random((3, 40)) < 0.5
        slots, scores = bank.find(queries, allowed, most, np.array(sorted(besides), np.int64))
        assert set(slots) == besides | set(bank.shortlist(queries, allowed, most))
        assert slots.tolist() == sorted(set(slots))
        assert scores == pytest.approx(bank.compare(queries, slots), abs=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 40))
    def test_the_best_is_each_querys_own(self, seed, most):
        bank = filled(make_bank(40), range(40))
        queries, allowed = looks(seed, 3), np.random.default_rng(seed).random((3, 40)) < 0.5
        allowed[0] = False
        best = bank.best(queries, allowed, most)
        alone = [
            bank.find(q[None], a[None], most, np.zeros(0, np.int64))[1] for q, a in zip(queries, allowed, strict=True)
        ]
        assert best == pytest.approx([scores.max(initial=-1) for scores in alone], abs=1e-6)
        assert best[0] == -1

    def test_nobody_was_taught(self):
        bank = make_bank()
        bank.see(1, HERE)
        slots, scores = bank.find(looks(1), np.ones((1, 1), bool), 5, np.array([0]))
        assert (slots.tolist(), scores.tolist()) == ([0], [[-1]])
        assert bank.best(looks(1), np.ones((1, 1), bool), 5).tolist() == [-1]


class TestShortlist:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 32), st.integers(0, 10**6), st.data())
    def test_with_no_more_than_it_may_hold_nobody_is_missing(self, count, seed, data):
        bank = filled(make_bank(32), range(count))
        allowed = data.draw(st.lists(st.booleans(), min_size=2 * count, max_size=2 * count))
        allowed = np.reshape(allowed, (2, count))
        queries = looks(seed, 2)
        slots = bank.shortlist(queries, allowed)
        assert slots.tolist() == np.flatnonzero(allowed.any(axis=0)).tolist()
        exact = np.where(allowed, bank.compare(queries, np.arange(count)), -2).max(axis=1)
        found = np.where(allowed[:, slots], bank.compare(queries, slots), -2).max(axis=1, initial=-2)
        assert found == pytest.approx(exact, abs=1e-6)

    @settings(max_examples=4, deadline=None)
    @given(st.integers(0, 10**6))
    def test_among_thousands_who_look_alike_the_best_is_hardly_ever_missing(self, seed):
        rng = np.random.default_rng(seed)
        crops, state = crowd(rng, 2000)
        bank = make_bank(2000)
        bank.restore(state)
        queries = crops[rng.choice(2000, 300, replace=False)]
        best = bank.compare(queries, np.arange(2000)).argmax(axis=1)
        allowed = np.ones((1, 2000), bool)
        found = [b in bank.shortlist(q[None], allowed, 32) for q, b in zip(queries, best, strict=True)]
        assert np.mean(found) >= 0.99

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0, 1), st.booleans())
    def test_it_is_those_whose_mean_is_most_alike(self, seed, most, share, sorted_by_look):
        rng = np.random.default_rng(seed)
        crops, state = crowd(rng, 700, dim=8, prototypes=2)
        if sorted_by_look:
            order = np.argsort(state["raw"][:, 0, 0])
            state["raw"] = state["raw"][order]
        bank = make_bank(700)
        bank.restore(state)
        allowed = rng.random((3, 700)) < share
        scores = np.where(allowed, crops[:3] @ unit(state["raw"].mean(axis=1)).T, -2)
        bound = -np.sort(-scores, axis=1)[:, [most - 1]]
        chosen = np.isin(np.arange(700), bank.shortlist(crops[:3], allowed, most))
        assert chosen[(allowed & (scores > bound + 1e-5)).any(axis=0)].all()
        assert (allowed & (scores > bound - 1e-5)).any(axis=0)[chosen].all()
        assert chosen.sum() <= 3 * most

    def test_one_without_prototypes_comes_last_and_an_empty_slot_never(self):
        bank = filled(make_bank(), [1, 2, 3])
        bank.see(4, at(9))
        bank.forget(1)
        everywhere = np.ones((1, bank.slots), bool)
        assert bank.ids_by_slot[bank.shortlist(looks(1), everywhere, 3)].tolist() == [2, 3, 4]
        assert bank.ids_by_slot[bank.shortlist(looks(1), everywhere, 2)].tolist() == [2, 3]


class TestPrototypes:
    def test_merging_keeps_what_is_rare(self):
        bank = make_bank(prototypes=2)
        bank.see(1, HERE)
        common, rare = looks(0)[0], looks(1)[0]
        for vector in [common, rare, common, common, common]:
            bank.learn(1, vector, 5)
        assert bank.search(np.stack([common, rare]), [1])[:, 0] == pytest.approx(1, abs=1e-4)
        assert sorted(bank.state()["weight"][0].tolist()) == [5, 20]

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=20))
    def test_no_crop_is_lost_in_merging(self, taught):
        bank = make_bank(prototypes=3, metric=learned())
        bank.see(1, HERE)
        for seed, weight in taught:
            bank.learn(1, looks(seed)[0], weight)
        (weight,) = bank.state()["weight"]
        assert weight.sum() == sum(w for _, w in taught)
        assert np.count_nonzero(weight) == min(3, len(taught))

    def test_another_dimension_is_refused_and_nothing_is_lost(self):
        bank = filled(make_bank(), [1])
        with pytest.raises(EmbeddingError, match="dimension 8, got 5"):
            bank.learn(1, np.ones(5, np.float32), 1)
        with pytest.raises(EmbeddingError, match="dimension 8, got 5"):
            bank.search(np.ones((1, 5), np.float32), [1])
        assert bank.search(looks(1), [1])[0, 0] == pytest.approx(1, abs=1e-5)

    def test_an_identity_must_be_seen_before_it_is_taught(self):
        with pytest.raises(KeyError):
            make_bank().learn(1, looks(1)[0], 1)

    def test_nothing_is_learned_of_no_crops(self):
        bank = make_bank()
        bank.see(1, HERE)
        with pytest.raises(ValueError, match="weight must be above 0, got 0"):
            bank.learn(1, looks(1)[0], 0)


class TestMetric:
    def test_a_new_metric_reaches_what_was_stored_before(self):
        metric = Metric()
        bank = filled(make_bank(metric=metric), [1, 2])
        before = bank.search(looks(5), [1, 2])
        metric.observe(looks(6, 64))
        metric.refresh(looks(7, 20))
        assert bank.search(looks(5), [1, 2]) != pytest.approx(before, abs=1e-3)
        assert bank.search(looks(1), [1])[0, 0] == pytest.approx(1, abs=1e-4)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.sampled_from(["shrink", "shortlist", "search", "learn", "grow"]), max_size=12))
    def test_whatever_came_before_a_bank_answers_as_one_that_sees_it_all_now(self, history):
        """Caches are never stale, and neither is their dimension."""
        metric = Shrinking(40)
        bank = filled(make_bank(1000, 2, metric), range(40), crops=2)
        next_id = 100
        for step in history:
            if step == "shrink":
                metric.shrink()
            elif step == "shortlist":
                bank.shortlist(looks(5, 2), np.ones((2, bank.slots), bool), 3)
            elif step == "search":
                bank.search(looks(5), bank.ids[::7])
            elif step == "learn":
                bank.learn(3, looks(next_id)[0], 1)
            else:
                filled(bank, range(next_id, next_id + 30), crops=1)
            next_id += 30
        fresh = make_bank(1000, 2, metric)
        fresh.restore(bank.state())
        ids, everywhere = bank.ids, np.ones((2, bank.slots), bool)
        assert bank.search(looks(9, 2), ids) == pytest.approx(fresh.search(looks(9, 2), ids), abs=1e-5)
        short = [set(b.ids_by_slot[b.shortlist(looks(9, 2), everywhere, 5)].tolist()) for b in (bank, fresh)]
        assert short[0] == short[1]


class TestSightings:
    def test_arrays_say_what_each_sighting_says(self):
        bank = make_bank()
        other = LastSeen(3.0, 2, np.array([7.0, 8.0]), np.array([-3.0, 4.0]), 1.5, 50.0)
        bank.see(5, HERE)
        bank.see_all([6, 5], sightings([other, at(4)]))
        assert bank.slots == 2
        assert bank.ids_by_slot.tolist() == [5, 6]
        assert bank.slots_of([6, 5]).tolist() == [bank.slot_of(6), bank.slot_of(5)] == [1, 0]
        assert bank.first.tolist() == [0, 3]
        row = bank.last[1]
        assert (row["time"], row["cls"], row["position_std"], row["height"]) == (3, 2, 1.5, 50)
        assert row["center"].tolist() == bank.last_seen(6).center.tolist() == [7, 8]
        assert row["velocity"].tolist() == bank.last_seen(6).velocity.tolist() == [-3, 4]
        assert bank.last_seen(6).cls == 2
        assert bank.last_seen(5).time == 4

    def test_views_share_memory_and_cannot_be_written_to(self):
        bank = filled(make_bank(), [1, 2])
        last, first, ids = bank.last, bank.first, bank.ids_by_slot
        bank.see(2, at(9))
        assert last["time"].tolist() == [0, 9]
        for view in (last, first, ids):
            with pytest.raises(ValueError, match="read-only"):
                view[0] = view[1]

    @settings(max_examples=50)
    @given(st.lists(st.sets(st.integers(1, 9), max_size=6), max_size=10))
    def test_seeing_all_at_once_is_seeing_one_after_the_other(self, frames):
        a, b = make_bank(), make_bank()
        for time, visible in enumerate(frames):
            a.see_all(list(visible), sightings([at(time)] * len(visible)))
            for identity in visible:
                b.see(identity, at(time))
        assert same_state(a.state(), b.state())

    def test_a_slot_that_is_empty_is_in_nobodys_past(self):
        bank = filled(make_bank(), [1, 2])
        bank.forget(1)
        assert bank.ids_by_slot.tolist() == [-1, 2]
        assert (bank.last["time"] < 1e9).tolist() == [False, True]

    def test_who_is_not_in_memory_is_an_error(self):
        bank = make_bank()
        for ask in (bank.last_seen, bank.slot_of, lambda i: bank.slots_of([i]), lambda i: bank.merge(i, i)):
            with pytest.raises(KeyError):
                ask(1)


class TestForgetting:
    def test_the_one_unseen_for_longest_goes_first(self):
        bank = filled(make_bank(capacity=2), [1, 2])
        bank.see(1, at(9))
        assert bank.see(3, at(10)) == [2]
        assert bank.ids == [1, 3]

    def test_a_flicker_goes_before_a_resident_who_is_out_for_lunch(self):
        bank = make_bank(capacity=2)
        bank.see(1, at(0))
        for seed in range(200):
            bank.learn(1, looks(seed)[0], 5)
        bank.see(2, at(1000))
        assert bank.see(3, at(1800)) == [2]
        assert bank.see(4, at(9000)) == [3]
        assert bank.see(5, at(9000)) == [1]

    def test_who_is_new_stays_even_if_last_seen_before_everybody_else(self):
        bank = make_bank(capacity=1)
        bank.see(1, at(9))
        assert bank.see(2, at(0)) == [1]

    def test_of_two_alike_the_lower_id_goes(self):
        bank = make_bank(capacity=3)
        bank.see_all([5, 3, 4], sightings([HERE] * 3))
        assert bank.see(6, at(1)) == [3]

    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.sets(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 3)), max_size=30))
    def test_who_goes_is_less_useful_than_who_stays(self, frames):
        bank = make_bank(capacity=6)
        crops = {}
        for time, (visible, taught) in enumerate(frames):
            before = {i: bank.last_seen(i).time for i in bank.ids}
            gone = bank.see_all(sorted(visible), sightings([at(time)] * len(visible)))
            worth = {i: -(time - t) / (1 + np.log1p(crops.get(i, 0))) for i, t in before.items() if i not in visible}
            order = sorted(worth, key=lambda i: (worth[i], i))
            assert gone == order[: len(gone)]
            assert len(bank) == min(6, len(before) + len(visible - set(before)))
            assert visible <= set(bank.ids)
            crops = {i: n for i, n in crops.items() if i in bank}
            for identity in visible if taught else ():
                bank.learn(identity, looks(identity)[0], taught)
                crops[identity] = crops.get(identity, 0) + taught

    def test_more_than_it_may_hold_are_visible(self):
        bank = make_bank(capacity=3)
        bank.see_all([1, 2], sightings([at(0)] * 2))
        assert bank.see_all([2, 7, 8, 9], sightings([at(1)] * 4)) == [1, 9]
        assert bank.ids == [2, 7, 8]

    @settings(max_examples=50)
    @given(st.lists(st.integers(0, 20), max_size=10), st.integers(-1, 21))
    def test_who_was_not_seen_since_is_forgotten_and_others_are_not(self, times, before):
        bank = make_bank()
        for n, time in enumerate(times):
            filled(bank, [n])
            bank.see(n, at(time))
        old = sorted((t, n) for n, t in enumerate(times) if t < before)
        assert bank.forget(before) == [n for _, n in old]
        assert bank.forget(before) == []
        kept = sorted((t, n) for n, t in enumerate(times) if t >= before)
        assert bank.ids == [n for _, n in kept]
        for n in bank.ids:
            assert bank.search(looks(n), [n])[0, 0] == pytest.approx(1, abs=1e-5)

    def test_one_who_comes_after_has_nothing_of_one_who_was_forgotten(self):
        bank = filled(make_bank(), [1])
        bank.forget(5.0)
        bank.see(2, HERE)
        assert not bank.knows(2)
        bank.learn(2, looks(2)[0], 1)
        assert bank.search(looks(1), [2])[0, 0] < 0.99
        assert bank.state()["weight"].tolist() == [[1, 0, 0, 0]]


class TestMerging:
    def test_who_is_gone_lives_on_in_who_is_kept(self):
        bank = make_bank(metric=learned())
        for identity, time in ((1, 0), (2, 5)):
            bank.see(identity, at(time))
            for vector in looks(identity, 2):
                bank.learn(identity, vector, 2)
        bank.see(1, at(9))
        bank.merge(2, 1)
        assert bank.ids == [1]
        assert 2 not in bank
        assert (bank.first.min(), bank.last_seen(1).time) == (0, 9)
        both = np.concatenate([looks(1, 2), looks(2, 2)])
        assert bank.search(both, [1])[:, 0] == pytest.approx(1, abs=1e-4)
        assert bank.means()[0] == pytest.approx(both.mean(axis=0), abs=1e-6)

    def test_the_earlier_first_and_the_later_last_sighting_stay(self):
        for gone, kept in ((1, 2), (2, 1)):
            bank = make_bank()
            bank.see(1, at(0))
            bank.see(2, at(5))
            bank.merge(gone, kept)
            assert (bank.first[bank.slot_of(kept)], bank.last_seen(kept).time) == (0, 5)

    def test_with_oneself_changes_nothing(self):
        bank = filled(make_bank(), [1, 2])
        before = bank.state()
        bank.merge(1, 1)
        assert same_state(bank.state(), before)

    def test_with_one_without_prototypes_changes_no_looks(self):
        bank = filled(make_bank(), [1])
        before = bank.search(looks(5, 3), [1])
        bank.see(2, at(1))
        bank.merge(2, 1)
        assert (bank.search(looks(5, 3), [1]) == before).all()
        bank.see(3, at(2))
        bank.merge(1, 3)
        assert bank.search(looks(5, 3), [3]) == pytest.approx(before, abs=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 5), st.integers(0, 5), st.booleans())
    def test_who_is_merged_into_whom_changes_no_score(self, one, other, whitened):
        scores = []
        for gone, kept in ((1, 2), (2, 1)):
            bank = make_bank(prototypes=5, metric=learned() if whitened else None)
            for identity, crops in ((1, one), (2, other)):
                bank.see(identity, HERE)
                for vector in looks(identity, crops):
                    bank.learn(identity, vector, 2)
            bank.merge(gone, kept)
            (weight,) = bank.state()["weight"]
            assert weight.sum() == 2 * (one + other)
            assert np.count_nonzero(weight) == min(5, one + other)
            scores.append(bank.search(looks(9, 4), [kept]))
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)

    def test_one_of_them_unknown_changes_nothing(self):
        bank = filled(make_bank(), [1])
        for pair in ((1, 9), (9, 1)):
            with pytest.raises(KeyError):
                bank.merge(*pair)
        assert bank.ids == [1]
        assert bank.search(looks(1), [1])[0, 0] == pytest.approx(1, abs=1e-5)


steps = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 40)), max_size=60)


def lived(history, bank):
    for time, (identity, seed) in enumerate(history):
        bank.see(identity, at(time).as_class(seed))
        if seed % 3:
            bank.learn(identity, looks(seed)[0], seed)
    return bank


class TestBudget:
    @settings(max_examples=50)
    @given(steps)
    def test_it_never_holds_more_than_it_may(self, history):
        bank = lived(history, make_bank(capacity=5, prototypes=3))
        state = bank.state()
        assert len(bank) == len(state["ids"]) <= 5
        assert bank.slots <= 5
        assert all((w > 0).sum() <= 3 for w in state["weight"])

    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 150))
    def test_bytes_stop_growing_at_capacity(self, capacity):
        bank = filled(make_bank(capacity, 2), range(capacity), crops=3)
        most = bank.nbytes
        filled(bank, range(capacity, 2 * capacity + 20), crops=3)
        bank.forget(capacity / 2)
        filled(bank, range(capacity), crops=3)
        assert bank.nbytes == most

    def test_few_take_little_however_many_there_may_be(self):
        assert filled(make_bank(10**6), range(3)).nbytes < 10**6


class TestSaving:
    def test_memory_of_another_embedder_is_refused_and_what_was_there_stays(self):
        ours, theirs = filled(make_bank(), [1, 2]), filled(make_bank(), [3])
        ours.embedded_by("osnet")
        theirs.embedded_by("resnet")
        with pytest.raises(EmbeddingError, match="by osnet, and these are by resnet"):
            ours.restore(theirs.state())
        assert ours.ids == [1, 2]
        fresh = make_bank()
        fresh.restore(ours.state())
        assert fresh.fingerprint == "osnet"

    @settings(max_examples=50)
    @given(steps)
    def test_saving_and_loading_changes_no_answer(self, history):
        bank = lived(history, make_bank(capacity=5, prototypes=3))
        file = io.BytesIO()
        np.savez(file, **bank.state())
        file.seek(0)
        copy = filled(make_bank(capacity=5, prototypes=3), [77])
        copy.restore(dict(np.load(file, allow_pickle=False)))
        assert copy.ids == bank.ids
        assert (copy.search(looks(3, 4), copy.ids) == bank.search(looks(3, 4), bank.ids)).all()
        assert same_state(copy.state(), bank.state())
        for i in bank.ids:
            old, new = bank.last_seen(i), copy.last_seen(i)
            assert (new.time, new.cls, new.position_std, new.height) == (
                old.time,
                old.cls,
                old.position_std,
                old.height,
            )
            assert new.center.tolist() == old.center.tolist()
            assert new.velocity.tolist() == old.velocity.tolist()

    @settings(max_examples=30)
    @given(steps)
    def test_under_a_learned_metric_too(self, history):
        metric = learned()
        bank = lived(history, make_bank(capacity=5, prototypes=3, metric=metric))
        copy = make_bank(capacity=5, prototypes=3, metric=metric)
        copy.restore(bank.state())
        assert copy.search(looks(3, 4), copy.ids) == pytest.approx(bank.search(looks(3, 4), bank.ids), abs=1e-5)
        assert same_state(copy.state(), bank.state())

    @settings(max_examples=50)
    @given(steps)
    def test_what_is_loaded_goes_on_as_what_was_saved(self, history):
        bank = lived(history, make_bank(capacity=5, prototypes=3))
        copy = make_bank(capacity=5, prototypes=3)
        copy.restore(bank.state())
        for more in (bank, copy):
            more.see_all([1, 50, 51], sightings([at(1000)] * 3))
            more.learn(1, looks(60)[0], 2)
        assert same_state(copy.state(), bank.state())

    def test_a_smaller_bank_takes_the_most_useful(self):
        bank = filled(make_bank(), [1, 2, 3, 4])
        bank.see(5, at(4))
        for seed in range(9):
            bank.learn(2, looks(seed)[0], 100)
        small = make_bank(capacity=2)
        small.restore(bank.state())
        assert small.ids == [4, 5]
        small = make_bank(capacity=3)
        small.restore(bank.state())
        assert small.ids == [2, 4, 5]
        assert small.search(looks(4), [4])[0, 0] == pytest.approx(1, abs=1e-5)

    def test_a_bank_of_fewer_prototypes_merges_them(self):
        bank = make_bank(prototypes=4)
        bank.see(1, HERE)
        for vector in [*looks(1, 2), *looks(1, 2)]:
            bank.learn(1, vector, 2)
        small = make_bank(prototypes=2)
        small.restore(bank.state())
        assert small.state()["weight"].tolist() == [[4, 4]]
        assert small.search(looks(1, 2), [1])[:, 0] == pytest.approx(1, abs=1e-5)

    def test_a_bank_of_more_prototypes_takes_them_as_they_are(self):
        bank = filled(make_bank(prototypes=2), [1, 2])
        large = make_bank(prototypes=6)
        large.restore(bank.state())
        assert (large.search(looks(5, 3), [1, 2]) == bank.search(looks(5, 3), [1, 2])).all()

    def test_nobody_is_saved_and_loaded(self):
        bank = filled(make_bank(), [1])
        bank.restore(make_bank().state())
        assert bank.ids == []
        filled(bank, [2])
        assert bank.knows(2)
