"""The memory bank: what it finds, what it forgets, and what it never exceeds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics_reid.embedding import unit
from ultralytics_reid.errors import EmbeddingError
from ultralytics_reid.memory import LastSeen, MemoryBank
from ultralytics_reid.metric import Metric

DIM = 8
HERE = LastSeen(0.0, 0, np.array([5.0, 6.0]), np.array([1.0, -1.0]), 2.0, 100.0)


def looks(seed, count=1):
    return unit(np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32))


def make_bank(capacity=10, prototypes=4):
    return MemoryBank(capacity, prototypes, Metric())


def filled(bank, identities, crops=3):
    for n, identity in enumerate(identities):
        bank.see(identity, replace(HERE, time=float(n)))
        for vector in looks(identity, crops):
            bank.learn(identity, vector, 2)
    return bank


def test_each_identity_is_found_by_how_it_looked():
    bank = filled(make_bank(), [1, 2, 3])
    scores = bank.search(np.concatenate([looks(i, 3) for i in (1, 2, 3)]), [1, 2, 3])
    assert scores.argmax(axis=1).tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert scores.max(axis=1) == pytest.approx(1, abs=1e-5)


def test_one_who_was_never_taught_scores_lowest():
    bank = filled(make_bank(), [1])
    bank.see(2, HERE)
    assert bank.search(looks(1), [2, 1])[0, 0] == -1
    assert not bank.knows(2)


def test_scores_follow_the_order_of_identities_asked_for():
    bank = filled(make_bank(), [1, 2, 3])
    assert bank.search(looks(7, 4), [3, 1]) == pytest.approx(bank.search(looks(7, 4), [1, 2, 3])[:, [2, 0]])


def test_asking_for_nobody_or_with_nothing():
    bank = filled(make_bank(), [1])
    assert bank.search(looks(1, 2), []).shape == (2, 0)
    assert bank.search(np.zeros((0, DIM), np.float32), [1]).shape == (0, 1)


def test_merging_keeps_what_is_rare():
    bank = make_bank(prototypes=2)
    bank.see(1, HERE)
    common, rare = looks(0)[0], looks(1)[0]
    for vector in [common, rare, common, common, common]:
        bank.learn(1, vector, 5)
    assert bank.search(np.stack([common, rare]), [1])[:, 0] == pytest.approx(1, abs=1e-4)


def test_what_is_closest_is_what_the_search_compared():
    bank = filled(make_bank(), [1, 2])
    queries = looks(9, 5)
    closest = unit(bank.closest(queries, [1, 2]))
    assert np.einsum("qd,qid->qi", queries, closest) == pytest.approx(bank.search(queries, [1, 2]), abs=1e-5)


def test_the_one_unseen_for_longest_goes_first():
    bank = filled(make_bank(capacity=2), [1, 2])
    bank.see(1, replace(HERE, time=9.0))
    assert bank.see(3, HERE) == [2]
    assert bank.ids == [1, 3]


def test_who_was_not_seen_since_is_forgotten_and_others_are_not():
    bank = filled(make_bank(), [1, 2, 3])
    assert bank.forget(1.5) == [1, 2]
    assert bank.ids == [3]
    assert bank.search(looks(3), [3])[0, 0] == pytest.approx(1, abs=1e-5)


def test_one_who_comes_after_has_nothing_of_one_who_was_forgotten():
    bank = filled(make_bank(), [1])
    bank.forget(5.0)
    bank.see(2, HERE)
    bank.learn(2, looks(2)[0], 1)
    assert bank.search(looks(1), [2])[0, 0] < 0.99


def test_another_dimension_is_refused_and_nothing_is_lost():
    bank = filled(make_bank(), [1])
    with pytest.raises(EmbeddingError, match="dimension 8, got 5"):
        bank.learn(1, np.ones(5, np.float32), 1)
    assert bank.search(looks(1), [1])[0, 0] == pytest.approx(1, abs=1e-5)


def test_an_identity_must_be_seen_before_it_is_taught():
    with pytest.raises(KeyError):
        make_bank().learn(1, looks(1)[0], 1)


def test_a_new_metric_reaches_what_was_stored_before():
    metric = Metric()
    bank = filled(MemoryBank(10, 4, metric), [1, 2])
    before = bank.search(looks(5), [1, 2])
    metric.observe(looks(6, 64))
    metric.refresh(looks(7, 20))
    assert bank.search(looks(5), [1, 2]) != pytest.approx(before, abs=1e-3)
    assert bank.search(looks(1), [1])[0, 0] == pytest.approx(1, abs=1e-4)


steps = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 40)), max_size=60)


@settings(max_examples=50)
@given(steps)
def test_it_never_holds_more_than_it_may(history):
    bank = make_bank(capacity=5, prototypes=3)
    for time, (identity, seed) in enumerate(history):
        bank.see(identity, replace(HERE, time=float(time)))
        bank.learn(identity, looks(seed)[0], 1)
    state = bank.state()
    assert len(bank) == len(state["ids"]) <= 5
    assert all((w > 0).sum() <= 3 for w in state["weight"])


@settings(max_examples=50)
@given(steps)
def test_saving_and_loading_changes_no_answer(history):
    bank = make_bank(capacity=5, prototypes=3)
    for time, (identity, seed) in enumerate(history):
        bank.see(identity, replace(HERE, time=float(time), cls=seed))
        if seed % 3:
            bank.learn(identity, looks(seed)[0], seed)
    copy = filled(make_bank(capacity=5, prototypes=3), [77])
    copy.restore(bank.state())
    assert copy.ids == bank.ids
    assert copy.search(looks(3, 4), copy.ids) == pytest.approx(bank.search(looks(3, 4), bank.ids), abs=1e-5)
    for i in bank.ids:
        old, new = bank.last_seen(i), copy.last_seen(i)
        assert (new.time, new.cls, new.spread, new.height) == (old.time, old.cls, old.spread, old.height)
        assert new.centre.tolist() == old.centre.tolist()
        assert new.velocity.tolist() == old.velocity.tolist()


def test_the_order_of_teaching_different_people_does_not_matter():
    a, b = filled(make_bank(), [1, 2, 3]), filled(make_bank(), [3, 1, 2])
    assert a.search(looks(4, 3), [1, 2, 3]) == pytest.approx(b.search(looks(4, 3), [1, 2, 3]), abs=1e-6)
