"""Decision: which state may follow which, and what a transition keeps."""

import math

import numpy as np
import pytest

from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.revival.decision import Decision, Probation, State

HERE = LastSeen(1.0, 0, np.array([10.0, 20.0]), np.zeros(2), 5.0, 100.0)
PROBATION = Probation(HERE, until=9.0, by_appearance=True)


def decision(state=State.UNDECIDED, identity=-1, **more):
    return Decision(Tracklet(1.0, HERE, HERE), identity, state, **more)


def test_settling_on_probation_ends_waiting_and_forgets_what_the_host_said():
    made = decision(State.REACTIVATED, 4, reactivated_id=4, returning_log_odds=1.0)
    made.transition(State.ON_PROBATION, 7, probation=PROBATION)
    assert (made.identity, made.reactivated_id, made.returning_log_odds) == (7, None, -math.inf)
    assert made.settled
    assert made.unsure


def test_probation_by_motion_leaves_no_doubt_about_its_crops():
    made = decision()
    made.transition(State.ON_PROBATION, 7, probation=Probation(HERE, until=9.0, by_appearance=False))
    assert not made.unsure


def test_a_reverted_revival_is_undecided_under_another_id_and_keeps_its_evidence():
    made = decision()
    made.tracklet.embedding, made.tracklet.clean = np.ones(3, np.float32), True
    made.tracklet.take(1.0)
    made.transition(State.ON_PROBATION, 7, probation=PROBATION)
    made.contradictions = 2
    made.reopen(-5)
    assert (made.state, made.identity, made.probation, made.contradictions) == (State.UNDECIDED, -5, None, 0)
    assert made.tracklet.count == 1


def test_reverifying_keeps_the_id_and_only_the_crops_since():
    made = decision(State.SETTLED, 3)
    made.tracklet.embedding, made.tracklet.clean = np.ones(3, np.float32), True
    for time in (1.0, 2.0, 3.0):
        made.tracklet.take(time)
    made.reverify(since=2.0)
    assert (made.state, made.identity, made.reactivated_id) == (State.REVERIFYING, 3, 3)
    assert not made.settled
    assert made.contradicted
    assert (made.tracklet.count, made.tracklet.born, made.tracklet.origin) == (2, 2.0, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.SETTLED, State.UNDECIDED),
        (State.SETTLED, State.ON_PROBATION),
        (State.UNDECIDED, State.REVERIFYING),
        (State.ON_PROBATION, State.REVERIFYING),
        (State.REACTIVATED, State.REACTIVATED),
    ],
)
def test_a_state_that_can_not_follow_is_refused(before, after):
    with pytest.raises(ValueError, match=f"{after.name} can't follow {before.name}"):
        decision(before, 1).transition(after, 1)


def test_a_streak_counts_frames_with_the_same_match():
    made = decision()
    counts = []
    for match in (4, 4, None, 4, 5, 5, 5):
        made.vote(match)
        counts.append(made.streak)
    assert counts == [1, 2, 1, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("state", "identity", "reactivated_id", "expected"),
    [
        (State.SETTLED, 6, None, (State.REACTIVATED, 6, 6)),
        (State.REACTIVATED, 6, 2, (State.REACTIVATED, 6, 2)),
        (State.UNDECIDED, -3, None, (State.UNDECIDED, -3, None)),
    ],
)
def test_the_next_tracklet_of_a_re_activated_track(state, identity, reactivated_id, expected):
    resumed = decision(state, identity, reactivated_id=reactivated_id).resumed(4.0, HERE)
    assert (resumed.state, resumed.identity, resumed.reactivated_id) == expected
    assert (resumed.tracklet.born, resumed.tracklet.count) == (4.0, 0)
