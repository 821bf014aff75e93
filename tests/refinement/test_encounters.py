"""Where two met and one went on, motion doesn't say which; and boxes that stay held back."""

import numpy as np
import pytest

from ultralytics_reid import Tracks, refine
from ultralytics_reid.refinement.encounters import ambiguous_links
from ultralytics_reid.refinement.overlaps import pairs_of
from ultralytics_reid.refinement.pieces import cut_at_gaps
from ultralytics_reid.tuning import RefineTuning

FPS = 25.0


def tracks(*shown):
    """`(id, first frame, last frame, left edge by frame)` each, without an embedding that tells."""
    rows = [(f, i, left(f), 100, left(f) + 40, 220) for i, a, b, left in shown for f in range(a, b + 1)]
    table = np.array(rows, float)
    noise = np.random.default_rng(0).normal(size=(len(rows), 16))
    sizes = np.full(len(rows), 0.9), np.zeros(len(rows))
    return Tracks.from_arrays(
        table[:, 0], table[:, 1], table[:, 2:], *sizes, embeddings=noise, fps=FPS, shape=(480, 1000)
    )


def walk(start, speed):
    return lambda frame: start + speed * frame


def ambiguous(given):
    pieces = cut_at_gaps(given, RefineTuning())
    table = ambiguous_links(pieces, pairs_of(given))
    return {frozenset(int(pieces.ids[n]) for n in pair) for pair in np.argwhere(table)}


def meeting(ends, goes_on, begins):
    """1 meets 2, which ends in frame `ends`; 1 goes on to `goes_on`, and 3 begins where motion expects it."""
    return (1, 1, goes_on, walk(100, 4)), (2, 20, ends, walk(420, -4)), (3, begins, begins + 30, walk(100, 4))


def test_what_met_another_that_went_no_further_is_linked_by_no_motion():
    given = tracks(*meeting(40, 44, 48))
    assert ambiguous(given) == {frozenset({1, 3})}
    assert refine(given).mapping[3] == (3,)


def test_what_met_another_that_went_on_is_linked_by_motion():
    given = tracks(*meeting(80, 44, 48))
    assert ambiguous(given) == set()
    assert refine(given).mapping[3] == (1,)


def test_what_met_another_that_walked_past_and_ended_later_is_linked_by_motion():
    assert ambiguous(tracks(*meeting(54, 58, 62))) == set()


def test_what_went_on_for_more_than_a_second_is_linked_by_motion():
    assert ambiguous(tracks(*meeting(40, 70, 74))) == set()


def test_a_blip_is_nobody_that_was_met():
    blip = (2, 36, 40, walk(420, -4))
    given = tracks(meeting(40, 44, 48)[0], blip, meeting(40, 44, 48)[2])
    assert ambiguous(given) == set()


def test_it_is_the_same_backward_in_time():
    forward = meeting(40, 44, 48)
    back = [(i, 100 - b, 100 - a, lambda f, left=left: left(100 - f)) for i, a, b, left in forward]
    assert ambiguous(tracks(*back)) == {frozenset({1, 3})}


@pytest.mark.parametrize(("held", "boxes"), [(30, 20), (20, 40)])
def test_what_was_held_back_longer_than_shown_stays_out(held, boxes):
    given = tracks((-1, 1, held, walk(100, 2)), (4, held + 1, 50 if held == 30 else 40, walk(100, 2)))
    assert len(refine(given).rows) == boxes


def test_where_looks_do_not_tell_a_box_held_back_inside_a_shown_one_stays_out():
    shown, held = (1, 1, 60, walk(100, 2)), (-1, 1, 20, walk(102, 2))
    given = tracks(shown, held, (4, 21, 60, walk(102, 2)))
    rows = refine(given).rows
    assert (rows[rows[:, 1] == 4, 0] > 20).all()
