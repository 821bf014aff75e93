"""What single crops say of whom they show: as they are where that tells people apart, else under the learned metric."""

import numpy as np
import pytest
from test_metric import people, taught

from ultralytics_reid.appearance.crop_score import CropScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.tuning import CROP_SCORES_EVERY as LEARN_EVERY

SOMEWHERE = LastSeen(0.0, 0, np.zeros(2), np.zeros(2), 1.0, 100.0)


def experienced(metric, crops):
    """CropScoreModel that have seen people, `(P, N, D)` crops, one of each a frame."""
    looks, tracklets = (
        CropScoreModel(metric),
        [Tracklet(0.0, SOMEWHERE, SOMEWHERE, clean=True) for n in range(len(crops))],
    )
    for turn, frame in enumerate(crops.transpose(1, 0, 2)):
        for tracklet, crop in zip(tracklets, frame, strict=True):
            tracklet.embedding = crop
        looks.learn(tracklets, turn * LEARN_EVERY)
        for tracklet in tracklets:
            tracklet.blend(0.0)
    return looks


def distinct(rng, count, crops):
    """Embeddings that tell people apart as they are."""
    return unit((rng.normal(size=(count, 1, 16)) + 0.1 * rng.normal(size=(count, crops, 16))).astype(np.float32))


class Mistaken(Metric):
    """A metric that is sure who everybody is, and that the second is the first."""

    def __init__(self, crops):
        super().__init__()
        self._people = crops.mean(axis=1)

    def project(self, vectors):
        who = (vectors @ self._people.T).argmax(axis=-1)
        return np.eye(len(self._people), dtype=np.float32)[np.where(who == 1, 0, who)]


def test_embeddings_that_tell_people_apart_do_not_need_the_metric():
    crops = distinct(np.random.default_rng(0), 10, 40)
    affinity = experienced(Mistaken(crops), crops).appearance_affinity(crops[:, 0], crops[:, 1])
    assert np.diagonal(affinity).min() > 0.5
    assert affinity[0, 1] < -0.5
    assert affinity == pytest.approx(experienced(Metric(), crops).appearance_affinity(crops[:, 0], crops[:, 1]))


def test_embeddings_that_do_not_are_compared_under_the_metric():
    crops = people(np.random.default_rng(0), 12, 60)
    plain, learned = (
        experienced(m, crops).appearance_affinity(crops[:, 0], crops[:, 1]) for m in (Metric(), taught(crops))
    )
    assert np.diagonal(learned).mean() > np.diagonal(plain).mean() + 0.3
    strangers = ~np.eye(12, dtype=bool)
    assert learned[strangers].mean() < plain[strangers].mean() - 0.3


@pytest.mark.parametrize("count", [12, 24])
def test_everybody_s_turn_comes_at_any_frame_rate(count):
    rows = []

    class Seen(Metric):
        def project(self, vectors):
            rows.extend(vectors.reshape(-1, vectors.shape[-1]).argmax(axis=-1).tolist())
            return vectors

    people = [Tracklet(0.0, SOMEWHERE, SOMEWHERE, clean=True) for n in range(count)]
    for tracklet, crop in zip(people, np.eye(count, dtype=np.float32), strict=True):
        tracklet.embedding = tracklet.appearance = crop
    looks = CropScoreModel(Seen())
    for frame in range(100):
        looks.learn(people, frame / 25)
    assert set(rows) == set(range(count))


def test_crops_of_one_moment_are_learned_from_once():
    crops = distinct(np.random.default_rng(0), 10, 40)
    looks, tracklet = CropScoreModel(Metric()), Tracklet(0.0, SOMEWHERE, SOMEWHERE, clean=True)
    tracklet.embedding = tracklet.appearance = crops[0, 0]
    other = Tracklet(0.0, SOMEWHERE, SOMEWHERE, clean=True)
    other.embedding = other.appearance = crops[1, 0]
    for _ in range(100):
        looks.learn([tracklet, other], 0.0)
    assert not looks.appearance_affinity(crops[:1, 0], crops[:1, 0]).any()
