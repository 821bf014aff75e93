"""Clips of which some detections are missing."""

import numpy as np

from benchmarks.harness.clips.missed import blackouts, missed
from benchmarks.harness.data.sequences import Detections

FRAMES, BOXES = 400, 5


def clip():
    """The embedding and the score of each box name it."""
    made = []
    for n in range(FRAMES):
        name = np.arange(BOXES, dtype=np.float32) + BOXES * n
        made.append(Detections(np.zeros((BOXES, 4), np.float32), name, np.zeros(BOXES, np.float32), name[:, None]))
    return made


def test_so_many_boxes_are_missing_and_the_rest_keep_their_embeddings():
    left = missed(clip(), 0.25, seed=1)
    assert 0.7 < sum(len(d.conf) for d in left) / (FRAMES * BOXES) < 0.8
    assert all(np.array_equal(d.conf, d.feats[:, 0]) for d in left)


def test_a_seed_gives_the_same_boxes_and_another_gives_others():
    first, again, other = (np.concatenate([d.conf for d in missed(clip(), 0.25, seed)]) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_a_share_nothing_is_missing():
    assert all(len(d.conf) == BOXES for d in missed(clip(), 0.0))


def test_a_blackout_takes_all_boxes_for_so_long_and_comes_again():
    dark = np.array([not len(d.conf) for d in blackouts(clip(), fps=25.0, seconds=0.24, every=1.6)])
    starts = np.flatnonzero(np.diff(dark.astype(int)) == 1)
    assert np.diff(starts).tolist() == [40] * (len(starts) - 1)
    assert dark.sum() == 6 * FRAMES / 40


def test_a_blackout_is_a_frame_at_least():
    dark = [not len(d.conf) for d in blackouts(clip(), fps=2.0, seconds=0.24, every=1.5)]
    assert sum(dark) == sum(n % 3 == 2 for n in range(FRAMES))
