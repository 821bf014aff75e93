"""The line that says what a run came to."""

import pytest

from ultralytics_reid import BoxIdentity, Revival, RevivalReverted
from ultralytics_reid.tracking.closing_line import RunTally


def box(identity):
    return BoxIdentity(identity, False, None, False, None, False)


def tally(detections=3, ids=(), events=()):
    made = RunTally()
    made.detected(detections)
    made.shown([box(i) for i in ids])
    for event in events:
        made.note(event)
    return made


def test_ids_returns_and_reverted_revivals_are_counted():
    back, brief = Revival(1, None, 9, 0.9, 5.0, 0.8), Revival(1, None, 9, 0.9, 0.2, 0.8)
    switch, wrong = Revival(2, 1, 9, 0.9, 5.0, 0.8, corrected=True), RevivalReverted(7, 1, 9, 0.9)
    made = tally(ids=(1, 2), events=(back, brief, switch, wrong))
    made.shown([box(1)])
    assert made.take_line() == "2 ids, 1 return recognized, 1 reverted"


def test_the_next_run_begins_anew():
    made = tally(ids=(1,))
    made.take_line()
    assert made.take_line() == ""
    made.detected(0)
    assert made.take_line().startswith("nothing was detected in 1 frame: check")


@pytest.mark.parametrize(
    ("detections", "line"),
    [(0, "nothing was detected in 1 frame: check the model, 'classes' and 'conf'"), (3, "no ids: 3 detections in")],
)
def test_a_run_without_ids_says_why(detections, line):
    assert tally(detections).take_line().startswith(line)
