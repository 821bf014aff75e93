"""`max_identities`: as many ids as there are individuals, whatever happens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Person, Scene, crowded, ids_of, image, make_tracker, our_args, run

from ultralytics_reid import Config, ConfigError, RevivalReverted


def shown(tracker, frames):
    """Ids of every frame."""
    for detections, feats in frames:
        rows = tracker.update(detections, image(), feats=feats)
        yield rows[:, -4].astype(int).tolist() if len(rows) else []


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    looks=st.sampled_from([3, 16]),
    most=st.sampled_from([1, 2, 5]),
    keys=st.fixed_dictionaries(
        {
            "provisional": st.sampled_from(["show", "hide"]),
            "probation_seconds": st.sampled_from([0.0, 1.0, 8.0]),
            "merge_seconds": st.sampled_from([0.0, 30.0]),
            "memory_seconds": st.sampled_from([2.0, 600.0]),
            "recognize_seconds": st.sampled_from([0.5, 4.0]),
        }
    ),
)
def test_no_id_beyond_them_and_none_twice_in_a_frame(seed, looks, most, keys):
    """Sixteen who come and go, of more looks than there may be identities."""
    tracker = make_tracker(max_identities=most, **keys)
    for ids in shown(tracker, crowded(seed, looks, 0.1)):
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(range(1, most + 1))
    assert len(tracker.recognizer.bank) <= most


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), provisional=st.sampled_from(["show", "hide"]))
def test_as_many_people_as_ids_come_and_go(seed, provisional):
    """Each keeps one id, and no two share one."""
    rng = np.random.default_rng(seed)
    out = run(make_tracker(max_identities=4, provisional=provisional), Scene(guests(rng), 300, seed=seed))
    assert all(len(set(frame.values())) == len(frame) for frame in out)
    assert sorted(ids_of(out, n) for n in range(4)) == [[1], [2], [3], [4]]


def guests(rng):
    """Four, all there for five seconds, then each away twice."""
    people = []
    for n in range(4):
        stays, gap = rng.integers(50, 90, 2), int(rng.integers(35, 60))
        first, second = int(stays[0]), int(stays[0] + gap + stays[1])
        spans = [(0, first), (first + gap, second), (second + 40, 300)]
        people.append(Person(spans, (90 + 150 * n, 200 + 20 * (n % 2)), look=n))
    return people


class TestForced:
    """Two who stay, one who leaves, and a stranger after them, in a set of three."""

    def run(self, look, **keys):
        people = [Person([(0, 200)], (100, 350), look=10), Person([(0, 200)], (500, 350), look=11),
                  Person([(0, 60)], (100, 120), look=0), Person([(110, 200)], (500, 120), look=look)]  # fmt: skip
        tracker = make_tracker(max_identities=3, **keys)
        return tracker, run(tracker, Scene(people, 200))

    def test_a_stranger_gets_the_id_that_is_free_and_the_event_says_that_it_is_forced(self):
        tracker, out = self.run(look=99)
        assert ids_of(out, 3)[0] == ids_of(out, 2)[0]
        (event,) = tracker.events
        assert event.forced
        assert all(3 in frame for frame in out[event.frame :])

    def test_who_really_comes_back_is_not_forced(self):
        tracker, out = self.run(look=0)
        assert ids_of(out, 3) == ids_of(out, 2)
        assert [e.forced for e in tracker.events] == [False]

    def test_who_stays_keeps_their_id(self):
        _, out = self.run(look=99)
        assert ids_of(out, 0) + ids_of(out, 1) == [out[5][0], out[5][1]]

    def test_nobody_is_forgotten_however_long_they_are_away(self):
        _, out = self.run(look=0, memory_seconds=2.0)
        assert ids_of(out, 3) == ids_of(out, 2)


def test_who_is_taken_back_goes_on_without_an_id_until_it_is_clear_that_they_need_one():
    """Their first crops look like the absent one's, all others don't."""
    stay = [Person([(0, 170)], (80 + 120 * n, 380), look=10 + n) for n in range(3)]
    gone = Person([(0, 60)], (60, 120), look=0)
    impostor = Person([(120, 170)], (400, 120), look=lambda n: 0 if n < 125 else 99)
    tracker = make_tracker(max_identities=5)
    out = run(tracker, Scene([gone, impostor, *stay], 170))
    revival, back = tracker.events
    assert isinstance(back, RevivalReverted)
    assert (back.identity_id, back.previous_id) == (None, revival.identity_id)
    assert 1 not in out[back.frame - 1]
    assert out[-1][1] == 5


def test_an_id_that_turned_out_to_be_one_too_many_is_given_again():
    """Somebody comes back looking different at first; after them comes somebody new."""
    stay = [Person([(0, 300)], (80 + 120 * n, 380), look=10 + n) for n in range(3)]
    gone = Person([(0, 60)], (60, 120), look=0)
    back = Person([(120, 300)], (400, 120), look=lambda n: 98 if n < 150 else 0)
    stranger = Person([(240, 300)], (60, 120), look=99)
    tracker = make_tracker(max_identities=5, reverify=False)
    out = run(tracker, Scene([gone, back, stranger, *stay], 300))
    (event,) = tracker.events
    assert (event.previous_id, event.identity_id) == (5, 1)
    assert ids_of(out, 2) == [5]


@pytest.mark.parametrize("most", [1, 3])
def test_whoever_there_is_no_id_for_is_not_shown(most):
    people = [Person([(0, 60)], (60 + 110 * n, 200), look=n) for n in range(5)]
    out = run(make_tracker(max_identities=most), Scene(people, 60))
    assert set(out[-1].values()) == set(range(1, most + 1))


def test_without_a_number_there_are_as_many_ids_as_people():
    people = [Person([(0, 60)], (60 + 110 * n, 200), look=n) for n in range(5)]
    assert set(run(make_tracker(), Scene(people, 60))[-1].values()) == {1, 2, 3, 4, 5}


def test_a_set_starts_again_with_a_reset():
    tracker = make_tracker(max_identities=2)
    scene = Scene([Person([(0, 40)], (100, 200)), Person([(0, 40)], (400, 200), look=1)], 40)
    first = run(tracker, scene)
    tracker.reset()
    assert run(tracker, scene) == first


@pytest.mark.parametrize("keys", [{"with_reid": False}, {"memory_seconds": 0.0}])
def test_a_closed_set_needs_a_memory(keys):
    with pytest.raises(ConfigError, match=r"max_identities.*memory_seconds > 0"):
        Config.from_args(our_args(max_identities=3, **keys))


def test_a_closed_set_must_fit_into_memory():
    with pytest.raises(ConfigError, match=r"at most memory_identities \(2\), got 3"):
        Config.from_args(our_args(max_identities=3, memory_identities=2))
    assert Config.from_args(our_args(max_identities=2, memory_identities=2)).max_identities == 2
