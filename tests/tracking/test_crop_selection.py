"""Who is worth an encoder's time: whoever may be somebody else, and now and then everybody."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from synthetic import Person, Scene, boxes, crowd, ids_of, image, make_tracker

from ultralytics_reid.tracking.crop_selection import unambiguous

INTERVAL = 0.5


class Encoder:
    """Gives each box the embedding that the scene has for it, and notes which boxes it was asked about."""

    def __init__(self):
        self.xyxy, self.feats, self.asked = np.zeros((0, 4)), np.zeros((0, 0)), []

    def __call__(self, picture, xyxy):
        rows = [int(np.abs(self.xyxy - box).sum(axis=1).argmin()) for box in xyxy]
        self.asked[-1] += rows
        return self.feats[rows]


def watch(scene, **overrides):
    """Ids and, of each frame, the people of whom a crop was embedded."""
    tracker, encoder, out, asked = make_tracker(model="osnet_x0_25", **overrides), Encoder(), [], []
    tracker.embedder = encoder
    for detections, feats, people in scene.frames():
        encoder.xyxy, encoder.feats = detections.xyxy, feats
        encoder.asked.append([])
        rows = tracker.update(detections, image())
        out.append({scene.people.index(people[int(r[-1])]): int(r[-4]) for r in rows})
        asked.append({scene.people.index(people[n]) for n in encoder.asked[-1]})
    return out, asked, tracker


def returning(length=200):
    """Three who stay, and one who is away from frame 60 to frame 120, and comes back elsewhere."""
    leaves = [Person([(0, 60)], (100, 120), look=1), Person([(120, length)], (500, 120), look=1)]
    return Scene([*crowd(length=length), *leaves], length)


def test_who_is_clear_is_looked_at_now_and_then():
    _, asked, tracker = watch(returning(), reid_interval=INTERVAL)
    looked = [n for n in range(70, 118) if 0 in asked[n]]
    assert set(np.diff(looked).tolist()) <= {5, 6}  # frames in half a second, and what rounding makes of it
    assert len(looked) >= 8
    assert tracker.crop_selector.embedded == sum(map(len, asked)) < 0.5 * tracker.crop_selector.seen


def test_who_comes_back_is_looked_at_and_known_again():
    out, asked, _ = watch(returning(), reid_interval=INTERVAL)
    assert all(4 in asked[n] for n in range(120, 130))
    assert ids_of(out, 4, 140) == ids_of(out, 3, 40)


@pytest.mark.parametrize("keys", [{"memory_seconds": 0.0}, {}])
def test_without_a_memory_too_crops_are_saved(keys):
    _, asked, tracker = watch(returning(), reid_interval=INTERVAL, **keys)
    assert tracker.crop_selector.embedded == sum(map(len, asked)) < 0.6 * tracker.crop_selector.seen


def test_stock_s_own_association_asks_for_everybody_and_says_so():
    _, asked, tracker = watch(returning(), reid_interval=INTERVAL, fuse_appearance=False)
    assert tracker.crop_selector.embedded == tracker.crop_selector.seen == sum(map(len, asked))


def test_an_interval_of_0_looks_at_everybody_and_is_what_given_embeddings_are():
    scene = returning()
    out, asked, tracker = watch(scene, reid_interval=0.0)
    given_tracker, given_out = make_tracker(), []
    for detections, feats, people in scene.frames():
        rows = given_tracker.update(detections, image(), feats=feats)
        given_out.append({scene.people.index(people[int(r[-1])]): int(r[-4]) for r in rows})
    assert out == given_out
    assert tracker.crop_selector.embedded == tracker.crop_selector.seen == sum(map(len, asked))


def test_who_meets_somebody_is_looked_at_until_they_part():
    walkers = [
        Person([(0, 200)], (60, 120), (2.5, 0), look=1),
        Person([(0, 200)], (560, 123), (-2.5, 0), look=2),
    ]
    _, asked, _ = watch(Scene([*crowd(), *walkers], 200), reid_interval=60.0)
    met = [n for n in range(30, 200) if {3, 4} <= asked[n]]
    assert met
    assert all(abs((60 + 2.5 * n) - (560 - 2.5 * n)) < 40 for n in met)  # as wide as a box
    assert set(range(97, 104)) <= set(met)


def test_who_is_clear_but_too_small_to_teach_is_not_looked_at_once_settled():
    far = Person([(0, 200)], (320, 60), look=7, height=20.0)
    _, asked, _ = watch(Scene([*crowd(), far], 200), reid_interval=INTERVAL, recognize_seconds=2.0)
    assert all(3 in a for a in asked[2:15])
    assert not any(3 in a for a in asked[40:])


def test_a_low_score_is_not_looked_at():
    tracker, encoder = make_tracker(model="osnet_x0_25"), Encoder()
    tracker.embedder = encoder
    low = boxes([[10, 20, 60, 150, 0.9, 0], [200, 50, 260, 200, 0.2, 0]])
    encoder.xyxy, encoder.feats = low.xyxy, np.eye(2, dtype=np.float32)
    encoder.asked.append([])
    tracker.update(low, image())
    assert encoder.asked == [[0]]


@pytest.mark.parametrize(
    ("distance", "clear"),
    [
        ([[0.2, 1.0], [1.0, 0.3]], [True, True]),
        ([[0.2, 0.9], [0.9, 0.3]], [True, True]),  # they touch
        ([[0.2, 0.6], [1.0, 0.3]], [False, False]),  # one track near both
        ([[0.2, 1.0], [0.6, 1.0]], [False, False]),  # one detection near two tracks, one near none
        ([[0.6, 1.0], [1.0, 0.1]], [False, True]),  # where it was expected to be, it hardly is
    ],
)
def test_clear_is_who_fits_one_track_that_nobody_else_is_near(distance, clear):
    assert unambiguous(np.array(distance, np.float32)).tolist() == clear


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(0, 1, width=32)))
def test_no_two_detections_are_clear_for_one_track(distance):
    owners = distance.argmin(axis=0)[unambiguous(distance)]
    assert len(set(owners.tolist())) == len(owners)
