"""Whatever happens in a crowd, no two boxes of a frame have the same id, and nothing breaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Person, Scene, crowd, crowded, ids_of, image, make_tracker, run


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    looks=st.sampled_from([2, 5, 16]),
    miss=st.sampled_from([0.05, 0.3]),
    keys=st.fixed_dictionaries(
        {
            "provisional": st.sampled_from(["show", "hide"]),
            "memory_identities": st.sampled_from([1, 3, 1000]),
            "memory_seconds": st.sampled_from([0.5, 5.0, 600.0]),
            "false_revival_rate": st.sampled_from([0.05, 0.5]),
            "track_buffer": st.sampled_from([0, 5, 30]),
        }
    ),
)
def test_ids_are_unique_in_every_frame(seed, looks, miss, keys):
    tracker = make_tracker(**keys)
    for detections, feats in crowded(seed, looks, miss):
        rows = tracker.update(detections, image(), feats=feats)
        ids = rows[:, -4].tolist() if len(rows) else []
        assert len(set(ids)) == len(ids)
        assert all(i > 0 for i in ids)


def test_one_who_stands_where_another_stood_does_not_keep_their_id():
    """Motion takes the stranger for the one who left, until that one turns up elsewhere."""
    gone, stranger = Person([(0, 60)], (300, 200), look=0), Person([(70, 160)], (300, 200), look=99)
    back = Person([(72, 160)], (500, 200), look=0)
    tracker = make_tracker()
    out = run(tracker, Scene([gone, stranger, back, *crowd(length=160)], 160))
    assert ids_of(out, 2)[-1] == ids_of(out, 0)[-1]
    assert ids_of(out, 1)[-1] != ids_of(out, 0)[-1]
    assert all(len(set(frame.values())) == len(frame) for frame in out)


@pytest.mark.parametrize("memory", [0.0, 600.0])
def test_a_long_walk_takes_no_more_memory_than_a_short_one(memory):
    tracker = make_tracker(memory_seconds=memory)
    for detections, feats, _ in Scene([Person([(0, 600)], (200, 200))], 600).frames():
        tracker.update(detections, image(), feats=feats)
    (track,) = tracker.tracked_stracks
    assert track.tracklet.waiting < 60
