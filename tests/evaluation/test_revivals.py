"""Revival by gap, on timelines small enough to count by hand, and laws that hold for any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.revivals import BINS, Tally, bin_of, observe, summarize

FPS, UNSEEN, UNMATCHED = 10.0, ".", "-"


def frames(people, letters):
    """Frames of people with a letter: the truth by person, or ids by the place of their person."""
    rows = []
    for moment in zip(*people, strict=True):
        here = [(p, letters(p, c)) for p, c in enumerate(moment)]
        here = [(p, i) for p, i in here if i is not None]
        xyxy = np.array([(100 * p, 0, 100 * p + 10, 20) for p, _ in here], np.float32).reshape(-1, 4)
        rows.append(FrameBoxes(np.array([i for _, i in here], np.int64), xyxy))
    return rows


def letters(timeline):
    """`"5x20 .x30"` as one letter a frame: 2 s of id 5, 3 s unseen."""
    return "".join(c * int(n or 1) for c, _, n in (word.partition("x") for word in timeline.split()))


def watch(*timelines):
    """What becomes of people; a timeline has an id or `-` (no box) while the person is seen, `.` while not."""
    people = [letters(t) for t in timelines]
    length = max(map(len, people))
    people = [p.ljust(length, UNSEEN) for p in people]
    seen = frames(people, lambda p, c: None if c == UNSEEN else p)
    output = frames(people, lambda p, c: None if c in (UNSEEN, UNMATCHED) else ord(c))
    return observe(seen, output, FPS)


def appearances(*timelines):
    return watch(*timelines).appearances()


def verdicts(*timelines):
    """`(person, gap, verdict)` of returns, `(person, "newcomer", verdict)` of newcomers, by time."""
    return [(a.person, "newcomer" if a.newcomer else a.gap, a.verdict) for a in appearances(*timelines)]


@pytest.mark.parametrize(
    ("back", "verdict"),
    [
        ("1x20", "right"),
        ("2x20", "new"),
        ("-x20", "missed"),
        ("3x20", "wrong"),
        ("2x9 1x11", "right"),  # most of it
        ("2x11 1x9", "new"),
        ("3x8 2x6 1x6", "wrong"),  # most, not last
        ("1x10 2x10", "right"),  # the first of equals
        ("-x15 1x5", "right"),  # matched at all is enough
    ],
)
def test_one_return(back, verdict):
    # Person 1 shows who has id 3 while person 0 is away.
    (newcomer, other, returned) = verdicts(f"1x20 .x30 {back}", "3x30")
    assert (newcomer, other) == ((0, "newcomer", "new"), (1, "newcomer", "new"))
    assert returned == (0, 3.0, verdict)


@pytest.mark.parametrize(
    ("gap", "bins"),
    [(3, {"≤ 1 s": 1}), (10, {"≤ 1 s": 1}), (11, {"1-5 s": 1}), (50, {"1-5 s": 1}), (300, {"5-30 s": 1}), (2, {})],
)
def test_gaps_by_frames(gap, bins):
    found = watch(f"1x20 .x{gap} 1x20")
    summary = summarize(found.appearances(), found.ids)
    assert {name: tally.total for name, tally in summary.bins.items()} == bins


@pytest.mark.parametrize(("gap", "name"), list(zip([1, 5, 30, 300, 1e9], BINS, strict=True)))
def test_a_bins_upper_limit_is_in_it(gap, name):
    assert bin_of(gap) == name
    assert bin_of(np.nextafter(gap, 0)) == name


def test_flicker_parts_no_appearance_and_each_later_gap_is_counted_anew():
    assert verdicts("1x10 .x2 1x10 .x5 1x10 .x2 1x10 .x20 1x10") == [
        (0, "newcomer", "new"),
        (0, 0.5, "right"),
        (0, 2.0, "right"),
    ]


@pytest.mark.parametrize(("seen", "count"), [("1x9", 1), ("1x10", 2), ("1x5 .x2 1x5", 2), ("1x5 .x3 1x5", 1)])
def test_an_appearance_counts_from_a_second_of_being_seen(seen, count):
    assert len(appearances(f"1x20 .x20 {seen}")) == count


def test_a_person_that_was_hardly_tracked_is_still_a_newcomer():
    assert verdicts("1x4 -x20 .x30 1x20") == [(0, "newcomer", "new"), (0, "newcomer", "new")]
    assert verdicts("1x5 -x20 .x30 1x20") == [(0, "newcomer", "new"), (0, 3.0, "right")]


def test_an_id_of_less_than_half_a_second_has_no_owner():
    # Id 2 is on person 0 for a moment, where person 1 is about to come in.
    assert verdicts("1x10 2x4 1x10", ".x14 2x10")[1] == (1, "newcomer", "new")
    assert verdicts("1x10 2x5 1x10", ".x15 2x10")[1] == (1, "newcomer", "wrong")


def test_an_id_that_swallowed_two_recognizes_only_the_person_it_was_on_most():
    both = ("1x20 .x60 1x20", ".x20 1x30 .x50 1x20")
    assert verdicts(*both) == [
        (0, "newcomer", "new"),
        (1, "newcomer", "wrong"),  # person 0's, until then
        (0, 6.0, "wrong"),  # person 1's, by then
        (1, 5.0, "wrong"),  # 20 + 20 frames on person 0
    ]


def test_the_first_person_owns_an_id_that_was_on_two_as_long():
    assert verdicts("1x20 .x40 1x20", ".x20 1x20")[-1] == (0, 4.0, "right")


def test_any_of_a_persons_own_ids_is_right():
    assert verdicts("1x20 2x20 .x20 1x20 .x20 2x20")[1:] == [(0, 2.0, "right"), (0, 2.0, "right")]


def test_an_owner_is_the_person_until_the_id_was_put_on():
    # Id 2 goes on to another while person 0 has it back: it was person 0's when they got it.
    found = appearances("2x20 .x20 2x20 -x10", ".x60 2x10 .x20 2x30")
    assert [a.verdict for a in found] == ["new", "right", "wrong", "wrong"]


def test_what_comes_after_half_a_minute_is_tracking():
    assert verdicts("1x20 .x20 1x10 -x290 2x400")[-1] == (0, 2.0, "right")
    assert appearances("1x20 .x20 1x10 -x290 2x400")[-1].changes == 1
    assert verdicts("1x20 .x20 1x10 -x240 2x400")[-1] == (0, 2.0, "new")


@pytest.mark.parametrize(
    ("back", "shown", "commit"),
    [
        ("1x20", 0.0, 0.0),
        ("-x3 1x20", 0.3, 0.3),
        ("2x4 1x20", 0.0, 0.4),
        ("2x2 -x4 1x20", 0.0, 0.6),
        ("1x1 2x4 1x20", 0.0, 0.5),  # it was the right one for a moment, and then not
        ("2x4 1x20 3x1", 0.0, 0.4),  # a swap at the edge
        ("1x20 2x5", 0.0, 0.0),
        ("1x5 2x2 1x5 2x2 1x5", 0.0, 0.0),
    ],
)
def test_time_to_commit(back, shown, commit):
    last = appearances(f"1x20 .x30 {back}")[-1]
    assert (last.shown, last.commit) == (pytest.approx(shown), pytest.approx(commit))


def test_time_to_commit_is_of_recognized_returns():
    # 0.1, 0.2 … 1.0 s until recognized, and one who never is.
    back = " ".join(f".x20 2x{n} 1x30" for n in range(1, 11))
    found = watch(f"1x30 2x1 1x30 {back} .x20 4x30")
    commit = summarize(found.appearances(), found.ids).commit
    assert commit == pytest.approx((0.55, 0.91))
    assert all(math.isnan(s) for s in summarize(appearances("1x20"), 1).commit)


def test_ids_and_changes_are_counted_within_appearances():
    found = watch("1x10 2x5 -x3 2x5 1x10 .x20 3x10", "4x12 5x1")
    each = found.appearances()
    assert [(a.person, a.ids, a.changes) for a in each] == [(0, 2, 2), (1, 2, 1), (0, 1, 0)]
    summary = summarize(each, found.ids)
    assert (summary.ids, summary.changes, summary.shown) == (5, 3, pytest.approx(5 / 3))


def test_where_an_id_was_before_is_told():
    first, other, last = appearances("1x20 .x30 3x20", ".x10 3x25")
    assert (first.idle, first.owner, first.before) == (None, None, None)
    assert (last.held, last.before, last.owner) == (ord("3"), ord("1"), 1)
    assert last.idle == pytest.approx(1.5)
    assert other.gap is None


def test_precision_counts_returns_and_newcomers_that_were_given_an_old_id():
    # Right, wrong and new returns, and one newcomer of three with an old id; who is missed doesn't count.
    found = watch("1x20 .x30 1x20", "2x20 .x35 4x20", ".x20 4x20", ".x90 2x20", ".x90 -x20")
    summary = summarize(found.appearances(), found.ids)
    assert summary.every == Tally(right=1, wrong=1)
    assert (summary.newcomers, summary.false) == (4, 1)
    assert summary.precision == pytest.approx(1 / 3)
    assert math.isnan(summarize(appearances("1x20"), 1).precision)
    assert math.isnan(summarize(appearances("1x20"), 1).every.recall)


def test_a_box_beside_the_person_is_no_match():
    seen = frames(["1" * 20], lambda p, _: p)
    beside = [FrameBoxes(f.ids, f.xyxy + np.array([6, 0, 6, 0], np.float32)) for f in seen]
    assert [a.verdict for a in observe(seen, beside, FPS).appearances()] == ["missed"]


def test_output_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        observe(frames(["1"], lambda p, _: p), [], FPS)


# A person's life: stretches of being seen, each with an id, and of not being seen.
STRETCH = st.tuples(st.integers(1, 25), st.sampled_from("12345"), st.integers(3, 15))
LIVES = st.lists(st.lists(STRETCH, min_size=1, max_size=3), min_size=1, max_size=3)


def lives(drawn, name):
    """Timelines in which `name(person, stretch number, letter)` is the id; people share no frame."""
    length, timelines = 0, []
    for person, stretches in enumerate(drawn):
        words = [f".x{length}"] if length else []
        for n, (seen, letter, away) in enumerate(stretches):
            words += [f"{name(person, n, letter)}x{seen}", f".x{away}"]
            length += seen + away
        timelines.append(" ".join(words))
    return timelines


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_other_names_for_ids_change_nothing(drawn):
    before = watch(*lives(drawn, lambda p, n, c: c))
    after = watch(*lives(drawn, lambda p, n, c: "zbqra"[int(c) - 1]))
    assert summarize_text(before) == summarize_text(after)


def summarize_text(found):
    return repr(summarize(found.appearances(), found.ids))  # nan is nan here


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_a_perfect_tracker_makes_no_mistake(drawn):
    found = watch(*lives(drawn, lambda p, n, c: "abcd"[p]))
    summary = summarize(found.appearances(), found.ids)
    assert summary.every == Tally(right=summary.every.total)
    assert (summary.false, summary.changes, summary.ids) == (0, 0, len(drawn))
    if summary.every.total:
        assert (summary.precision, summary.commit) == (1.0, (0.0, 0.0))


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_a_tracker_without_memory_has_no_revivals_right_or_wrong(drawn):
    found = watch(*lives(drawn, lambda p, n, c: chr(200 + 10 * p + n)))
    summary = summarize(found.appearances(), found.ids)
    assert summary.every == Tally(new=summary.every.total)
    assert summary.false == 0
    assert math.isnan(summary.precision)


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_one_id_for_all_recognizes_only_one_person_at_a_time(drawn):
    found = watch(*lives(drawn, lambda p, n, c: "a"))
    each = found.appearances()
    assert {a.verdict for a in each if not a.newcomer} <= {"right", "wrong"}
    # Whoever comes in once somebody else owns the id is taken for them; too short before to be known, one may own it.
    assert all(a.verdict == "wrong" for a in each if a.newcomer and a.owner not in (None, a.person))


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_verdicts_by_bin_add_up(drawn):
    found = watch(*lives(drawn, lambda p, n, c: c))
    summary = summarize(found.appearances(), found.ids)
    assert sum(t.total for t in summary.bins.values()) == summary.every.total
    assert sum(t.right for t in summary.bins.values()) == summary.every.right
    assert 0 <= summary.false <= summary.newcomers


def test_a_newcomer_may_own_the_id_already():
    """Too short before to count as known; the id is theirs all the same."""
    (found,) = (a for a in appearances("1x4 .x20 1x30", ".x10 1x2") if a.newcomer and a.verdict == "right")
    assert summarize([found], ids=1).false == 0
