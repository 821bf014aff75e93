"""A head in the tracker: applied after the embedder, before memory."""

import json

import numpy as np
import pytest

from tests.synthetic import SHAPE, make_tracker
from ultralytics_reid.embedders.head import LinearHead
from ultralytics_reid.errors import ConfigError

numpy = pytest.importorskip("safetensors.numpy")
pytestmark = pytest.mark.extras

BASE = "toy/1x1/4"


@pytest.fixture
def head(tmp_path):
    rng = np.random.default_rng(0)
    made = LinearHead(np.zeros(4, np.float32), rng.normal(size=(4, 2)).astype("f4"), BASE)
    path = tmp_path / "mine.safetensors"
    card = json.dumps({"kind": "head", "base": BASE})
    numpy.save_file({"center": made.center, "matrix": made.matrix}, path, {"ultralytics_reid": card})
    return path, made


def boxes(count):
    from ultralytics.engine.results import Boxes

    rows = [[100.0 * n, 50, 100 * n + 40, 150, 0.9, 0] for n in range(count)]
    return Boxes(np.array(rows, np.float32).reshape(-1, 6), SHAPE)


def test_embeddings_that_are_handed_over_pass_the_head(head):
    path, made = head
    tracker = make_tracker(head=str(path))
    feats = np.random.default_rng(1).normal(size=(3, 4)).astype("f4")
    tracker.update(boxes(3), np.zeros((*SHAPE, 3), np.uint8), feats)
    seen = np.array([t.decision.tracklet.embedding for t in tracker.tracked_stracks])
    np.testing.assert_allclose(seen, made(feats), atol=1e-6)
    assert tracker.recognizer.bank.fingerprint == made.fingerprint


def test_an_embedder_of_crops_passes_the_head(head):
    path, made = head

    class Toy:
        fingerprint = BASE

        def __call__(self, image, xyxy):
            return np.tile(np.float32([1, 2, 3, 4]), (len(xyxy), 1))

    tracker = make_tracker(head=str(path))
    tracker.embedder = Toy()
    tracker.update(boxes(2), np.zeros((*SHAPE, 3), np.uint8))
    assert tracker.embedder.fingerprint == made.fingerprint
    assert tracker.recognizer.bank.fingerprint == made.fingerprint
    assert tracker.embeddings.dim == 2


def test_embeddings_of_another_embedder_are_refused(head):
    tracker = make_tracker(head=str(head[0]))
    tracker.embeddings.features_by = "detector:other"
    with pytest.raises(ConfigError, match="head: it was trained on embeddings by toy"):
        tracker.update(boxes(1), np.zeros((*SHAPE, 3), np.uint8), np.ones((1, 4), np.float32))


def test_a_missing_head_is_named_at_the_first_frame(tmp_path):
    tracker = make_tracker(head=str(tmp_path / "none.safetensors"))
    with pytest.raises(ConfigError, match=r"none\.safetensors is not a file"):
        tracker.update(boxes(1), np.zeros((*SHAPE, 3), np.uint8), np.ones((1, 4), np.float32))


def test_a_head_without_appearance_is_refused(head):
    with pytest.raises(ConfigError, match="'head' requires with_reid"):
        make_tracker(head=str(head[0]), with_reid=False)
