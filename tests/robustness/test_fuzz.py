"""Wild configurations, boxes and vectors: a clear error, or frames whose ids are sound."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from synthetic import SHAPE, make_tracker, our_args
from ultralytics.engine.results import OBB, Boxes

from benchmarks.harness.contenders.host import black
from benchmarks.harness.passersby import DIM, ODD, Passersby
from benchmarks.harness.passersby import SHAPE as STREET
from benchmarks.runs.soak import check_rows
from ultralytics_reid import ConfigError, ReIDBOTSORT, ReIDError
from ultralytics_reid.config import keys

pytestmark = pytest.mark.slow

# These name files, models and databases.
_NAMES = {"tracker_type", "model", "weights", "head", "gallery", "gallery_index", "topology", "track_log"}
_WRONG = (None, float("nan"), float("inf"), -1, 10**12, "x", "", [1], {}, True, 0, 1.5, "auto")
_KEYS = {key.name: key for key in keys() if key.name not in _NAMES}


def values_of(key):
    """Values within a key's range, at its ends, and ones that may be none at all."""
    rule = key.rule
    ends = [v for v in (rule.low, rule.high) if np.isfinite(v) and v < 1e6]
    good = [key.default, *rule.words, *([True, False] if bool in rule.kinds else [])]
    good += [kind(v) for kind in rule.kinds if kind in (int, float) for v in ends]
    return st.one_of(st.sampled_from(good), st.sampled_from(good), st.sampled_from(_WRONG))


configs = st.lists(st.sampled_from(sorted(_KEYS)), max_size=6, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(_KEYS[name]) for name in names})
)


@settings(max_examples=80)
@given(changes=configs, seed=st.integers(0, 1000))
def test_a_wild_configuration_is_refused_by_name_or_tracks(changes, seed):
    try:
        tracker = ReIDBOTSORT(our_args(**changes))
    except ConfigError as error:
        assert any(name in str(error) for name in changes)  # noqa: PT017
        return
    tracker.fps = 10
    image = (
        np.random.default_rng(seed).integers(0, 255, (*STREET, 3), np.uint8) if tracker.gmc.method else black(STREET)
    )
    for n, (rows, feats) in enumerate(Passersby(seed).frames(25)):
        check_rows(tracker.update(Boxes(rows, STREET), image, feats=feats), len(rows), n)


numbers = st.one_of(st.floats(width=32), st.floats(-100, 800, width=32), st.sampled_from(ODD.tolist()))


@st.composite
def wild_frames(draw):
    """Frames of wild rows, `(N, columns)`, and vectors of one dimension, or none."""
    columns, dim = draw(st.sampled_from([6, 7])), draw(st.sampled_from([1, 3, 64]))
    shown = []
    for count in draw(st.lists(st.integers(0, 5), min_size=1, max_size=12)):
        rows = draw(hnp.arrays(np.float32, (count, columns), elements=numbers))
        with_vectors = draw(st.booleans())
        feats = draw(hnp.arrays(np.float32, (count, dim), elements=numbers)) if with_vectors else None
        shown += [(rows, feats)] * draw(st.integers(1, 4))  # what stays becomes a track
    return columns, shown


@settings(max_examples=80)
@given(drawn=wild_frames(), keys=st.sampled_from([{}, {"provisional": "show"}, {"fuse_appearance": False}]))
def test_wild_boxes_and_vectors_leave_sound_ids(drawn, keys):
    columns, shown = drawn
    tracker = make_tracker(**keys)
    tracker.embeddings.embedder = None
    make = Boxes if columns == 6 else OBB
    for n, (rows, feats) in enumerate(shown):
        out = np.asarray(tracker.update(make(rows, SHAPE), None, feats=feats))
        check_rows(np.delete(out, 4, axis=1) if columns == 7 and len(out) else out, len(rows), n)


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
@example(seed=0)
def test_people_among_odd_detections_keep_their_ids(seed):
    """A tenth of the detections is odd: the rest is tracked, and the number of ids stays that of people."""
    tracker, people, ids = make_tracker(), Passersby(seed, crowd=4, odd=0.1), set()
    for n, (rows, feats) in enumerate(people.frames(250)):
        ids |= check_rows(tracker.update(Boxes(rows, STREET), None, feats=feats), len(rows), n)
    assert len(ids) <= 2 * (people.people + people.returns)


def test_vectors_of_another_dimension_are_refused():
    tracker = make_tracker()
    (rows, feats), *_ = Passersby(0).frames(1)
    tracker.update(Boxes(rows, STREET), None, feats=feats)
    with pytest.raises(ReIDError, match=str(DIM)):
        tracker.update(Boxes(rows, STREET), None, feats=feats[:, :5])
