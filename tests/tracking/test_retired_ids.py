"""Ids that are told as removed: those that memory has forgotten, since remembered ones come back."""

import numpy as np
import pytest
from synthetic import Person, Scene, crowd, image, make_tracker
from ultralytics.trackers.bot_sort import BOTSORT


def told_as_removed(tracker, scene):
    """Frame by frame, ids that the host's solutions are told to drop, and those that are shown."""
    told, shown = [], []
    for detections, feats, _ in scene.frames():
        rows = tracker.update(detections, image(), feats=feats)
        told.append({t.track_id for t in tracker.removed_stracks_frame if t.track_id > 0})
        shown.append({int(i) for i in np.asarray(rows).reshape(-1, 8)[:, 4]})
    return told, shown


def leaving(back, length):
    spans = [(0, 60), (back, length)] if back else [(0, 60)]
    return Scene([Person(spans, (60, 120), look=0), *crowd(length=length)], length)


def test_an_id_that_is_remembered_is_not_told_as_removed():
    told, shown = told_as_removed(make_tracker(), leaving(160, 220))
    assert not set().union(*told)
    assert shown[-1] == shown[30]


def test_an_id_is_told_once_when_memory_forgets_it():
    told, shown = told_as_removed(make_tracker(memory_seconds=8.0), leaving(None, 220))
    (gone,) = shown[30] - shown[-1]
    when = [n for n, ids in enumerate(told) if gone in ids]
    assert len(when) == 1
    assert 60 + 80 <= when[0] <= 60 + 80 + 12


def test_no_id_is_shown_after_it_was_told():
    people = [Person([(n * 12, n * 12 + 40)], (100 + 90 * (n % 5), 120), look=n) for n in range(30)]
    told, shown = told_as_removed(make_tracker(memory_identities=5, provisional="show"), Scene(people, 450))
    gone = set()
    for now, ids in zip(told, shown, strict=True):
        assert not ids & gone
        assert not now & ids
        gone |= now
    ever = set().union(*shown)
    assert len(ever - gone) <= 5 + 1


def test_without_memory_it_is_the_hosts():
    from synthetic import stock_args

    ours, _ = told_as_removed(make_tracker(memory_seconds=0.0, fuse_appearance=False), leaving(160, 220))
    stock, _ = told_as_removed(BOTSORT(stock_args(with_reid=True)), leaving(160, 220))
    assert ours == stock
    assert set().union(*ours)


@pytest.mark.parametrize("keys", [{}, {"provisional": "show"}])
def test_a_new_video_tells_nothing_of_the_last_one(keys):
    tracker = make_tracker(memory_seconds=8.0, **keys)
    told_as_removed(tracker, leaving(None, 100))
    tracker.reset()
    told, _ = told_as_removed(tracker, Scene(crowd(), 200))
    assert not set().union(*told)
