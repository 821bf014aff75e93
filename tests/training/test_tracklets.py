"""Labels out of tracked videos: clean, spread in time, and different only where visible together."""

import numpy as np

from tests.refined_videos import Video
from ultralytics_reid.training.tracklets import MIN_CROPS, label_tracks


def video():
    """Two walk side by side, a third comes when both are gone."""
    made = Video()
    made.walk(0, 1, range(1, 61), (0, 0)).walk(1, 2, range(1, 61), (300, 0)).walk(2, 3, range(100, 161), (600, 200))
    made.crowd([7, 8], range(1, 161))
    return made.tracks()


def names(tracks, labels):
    """The tracker's ids of each identity's crops."""
    return {i: set(tracks.ids[labels.rows[labels.identities == i]].tolist()) for i in np.unique(labels.identities)}


def test_identities_are_different_only_where_visible_together():
    tracks = video()
    labels = label_tracks(tracks, max_crops=20)
    online = {i: ids.pop() for i, ids in names(tracks, labels).items()}
    pairs = {frozenset((online[a], online[b])) for a, b in labels.different.tolist()}
    assert frozenset((1, 2)) in pairs
    assert frozenset((1, 3)) not in pairs
    assert frozenset((3, 7)) in pairs


def test_crops_are_spread_over_an_identity_s_time():
    tracks = video()
    labels = label_tracks(tracks, max_crops=10)
    frames = tracks.frame[labels.rows[tracks.ids[labels.rows] == 1]]
    assert len(frames) == 10
    assert (frames.min(), frames.max()) == (1, 60)


def test_crops_at_encounters_are_left_out_and_cut_tracklets_without_refinement():
    made = Video()
    made.walk(0, 1, range(1, 61), (0, 0), step=(5, 0)).walk(1, 2, range(1, 61), (300, 0), step=(-5, 0))
    made.crowd([7, 8], range(1, 61))
    tracks = made.tracks()
    labels = label_tracks(tracks, max_crops=60, refined=False)
    frames = tracks.frame[labels.rows[tracks.ids[labels.rows] == 1]]
    assert not set(frames.tolist()) & {29, 30, 31, 32}
    assert len({i for i, ids in names(tracks, labels).items() if ids == {1}}) == 2


def test_short_appearances_are_left_out():
    made = video_with_short()
    labels = label_tracks(made, max_crops=20)
    assert 9 not in set(made.ids[labels.rows].tolist())


def video_with_short():
    made = Video()
    made.walk(0, 1, range(1, 61), (0, 0)).walk(5, 9, range(20, 20 + MIN_CROPS - 1), (800, 300))
    made.crowd([7, 8], range(1, 61))
    return made.tracks()


def test_a_video_without_clean_crops_gives_no_labels():
    made = Video()
    made.walk(0, 1, range(1, 31), (0, 0), clean=False)
    labels = label_tracks(made.tracks(), max_crops=20)
    assert (len(labels.rows), labels.different.shape) == (0, (0, 2))
