"""Learned statistics as bytes: round trip, and refusal of what can't be read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learned import evidence

from ultralytics_reid import GalleryError
from ultralytics_reid.appearance.calibration import ScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.appearance.metric import Metric

DIM = 64


@given(st.integers(1, 20), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.floats(1e-20, 1e6))
def test_dump_and_load_round_trip(dim, genuine, impostor, people, scale):
    rng = np.random.default_rng(dim)
    root = rng.normal(size=(dim, dim))
    shapes = [(genuine, 2, dim), (impostor, 2, dim), (people, dim)]
    rows = [unit(rng.normal(size=s).astype(np.float32)) for s in shapes]
    given_ = LearnedStatistics((scale * root @ root.T).astype(np.float32), 64, *rows)
    again = LearnedStatistics.load(given_.dump(), dim)
    assert again.crops == 64
    for before, after in zip(
        (given_.scatter, given_.genuine, given_.impostor, given_.means),
        (again.scatter, again.genuine, again.impostor, again.means),
        strict=True,
    ):
        assert after.shape == before.shape
        assert after.dtype == np.float32
        assert np.allclose(after, before, rtol=0, atol=2e-3 * np.abs(before).max(initial=0))
    assert (again.scatter == again.scatter.T).all()


def test_another_dimension_is_refused():
    for dim in (DIM - 1, DIM + 1, 1):
        with pytest.raises(GalleryError, match=r"isn't of dimension|can't be read"):
            LearnedStatistics.load(evidence().dump(), dim)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=50).map(lambda b: b"PK\x03\x04" + b)))
def test_junk_is_refused(junk):
    with pytest.raises(GalleryError, match="can't be read"):
        LearnedStatistics.load(junk, 4)


@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_are_refused_or_do_not_matter(changes):
    whole = evidence(4).dump()
    damaged = bytearray(whole)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    try:
        loaded = LearnedStatistics.load(bytes(damaged), 4)
    except GalleryError:
        return
    assert (loaded.scatter == LearnedStatistics.load(whole, 4).scatter).all()


@given(st.floats(0, 0.99))
def test_truncated_bytes_are_refused(share):
    whole = evidence(4).dump()
    with pytest.raises(GalleryError, match="can't be read"):
        LearnedStatistics.load(whole[: int(share * len(whole))], 4)


@pytest.mark.parametrize("wrong", [{"scatter": np.full((4, 4), np.nan, np.float32)}, {"crops": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    good = evidence(4)
    parts = {"scatter": good.scatter, "crops": 9, "genuine": good.genuine, "impostor": good.impostor}
    with pytest.raises(GalleryError, match="out of range"):
        LearnedStatistics.load(LearnedStatistics(**{**parts, "means": good.means, **wrong}).dump(), 4)


def test_none_before_anything_is_learned():
    metric = Metric()
    assert LearnedStatistics.of(metric, ScoreModel(metric.project), np.zeros((0, DIM), np.float32)) is None


def test_pairs_of_all_the_time_are_told():
    metric, model = Metric(), ScoreModel(unit)
    metric.add_scatter(np.eye(2, dtype=np.float32), 10)
    for n in range(320):
        one = np.full((1, 2), n, np.float32)
        model.observe(one, one, np.array([True]))
    told = sorted(LearnedStatistics.of(metric, model, np.zeros((0, 2), np.float32)).genuine[:, 0, 0].tolist())
    assert len(set(told)) == len(told)
    assert told[0] < 70
    assert told[-1] > 315
    assert max(np.diff(told)) < 5
