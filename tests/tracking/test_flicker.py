"""A detector that misses people now and then: their tracklets go on, so that there is evidence to revive them by."""

import numpy as np
import pytest

from tests.synthetic import Person, Scene, crowd, image, make_tracker

FPS = 25


def flickering(gap_frames=200, every=5, length=1):
    """Somebody who comes back, and some who stay; each is missed in `length` of `every` frames."""
    people = [Person([(0, 200)], (60, 120), (1.5, 0)), *crowd(length=1000)]
    back = 200 + gap_frames
    people.append(Person([(back, back + 200)], (60 - 1.5 * back, 120), (1.5, 0)))
    for n, (detections, feats, seen) in enumerate(Scene(people, back + 200, noise=1.0).frames()):
        kept = np.array([(n + 3 * people.index(p)) % every >= length for p in seen], bool)
        yield detections[kept], feats[kept], [p for p, k in zip(seen, kept, strict=True) if k], people


def ids(tracker, **scene):
    """Ids by person, frame by frame."""
    found = {}
    for detections, feats, seen, people in flickering(**scene):
        for row in tracker.update(detections, image(), feats=feats):
            found.setdefault(people.index(seen[int(row[-1])]), []).append(int(row[-4]))
    return found


@pytest.mark.parametrize(("every", "length"), [(5, 1), (8, 2)])
def test_somebody_is_recognized_though_the_detector_misses_everybody_now_and_then(every, length):
    found = ids(make_tracker(fps=FPS), every=every, length=length)
    assert found[4][-1] == found[0][0]
    assert [len(set(found[n])) for n in range(4)] == [1, 1, 1, 1]


def test_a_track_that_motion_finds_again_later_is_checked_by_its_looks():
    tracker = make_tracker(fps=FPS, missed_seconds=0.2)
    states = []
    for n, (detections, feats, people) in enumerate(Scene(crowd(length=400), 400, noise=0.6).frames()):
        missed = [n in range(200, 200 + 3 * people.index(p) + 3) for p in people]  # 3, 6 and 9 frames
        kept = ~np.array(missed, bool)
        tracker.update(detections[kept], image(), feats=feats[kept])
        states += [t.decision.reactivated_id for t in tracker.tracked_stracks if t.resumed]
    assert len(states) == 2  # 6 and 9 frames are more than five


def test_a_track_that_was_missed_beside_another_is_checked_by_its_looks():
    still = [Person([(0, 300)], (100, 120), look=1), Person([(0, 300)], (115, 120), look=2)]
    alone = Person([(0, 300)], (500, 120), look=3)
    tracker, checked = make_tracker(fps=FPS), set()
    for n, (detections, feats, people) in enumerate(Scene([*still, alone], 300).frames()):
        kept = np.array([n not in {200, 201, 202} or p is still[0] for p in people], bool)
        tracker.update(detections[kept], image(), feats=feats[kept])
        checked |= {round(float(t.xywh[0])) for t in tracker.tracked_stracks if t.resumed}
    assert checked == {115}
